"""Cells of the tables on results pages: from the runs of one arm to a few characters.

Numbers below one are written without the zero before the point. A mean is over runs (seeds), an
interval is the 95 % Student t interval over runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from karma_rllib.analysis.late import COLUMNS, summarise
from karma_rllib.analysis.tables import number

_BY_NAME = {column.name: column for column in COLUMNS}


class Cell(NamedTuple):
    """One column of a table."""

    head: str
    write: Callable[[pd.DataFrame], str]  # of the rows of one arm


def terse(text: str) -> str:
    """Without zeros before decimal points."""
    return re.sub(r"(?<![\d.])0\.", ".", text)


def _mean(runs: pd.DataFrame, name: str) -> float:
    """Mean over runs; NaN where no run has the number."""
    values = runs[name].dropna().to_numpy(float) if name in runs else np.zeros(0)
    return float(values.mean()) if len(values) else math.nan


def _interval(name: str, digits: int, hide: float | None = None) -> Callable[[pd.DataFrame], str]:
    def write(runs: pd.DataFrame) -> str:
        mean, low, high, _ = summarise(_BY_NAME[name], runs[name].to_numpy(float))
        if not math.isfinite(mean) or mean == hide:
            return ""
        ends = f" [{number(low, digits)}, {number(high, digits)}]" if math.isfinite(low) else ""
        return terse(number(mean, digits) + ends)

    return write


def _several(*parts: tuple[str, int]) -> Callable[[pd.DataFrame], str]:
    def write(runs: pd.DataFrame) -> str:
        each = [(_mean(runs, name), digits) for name, digits in parts]
        # whole numbers keep their zeros: 0.98 / 1.02 is easier on the eye than .98 / 1.02
        return " / ".join(
            terse(number(value, digits)) if value < 1 else number(value, digits)
            for value, digits in each
        )

    return write


def _plain(
    name: str,
    digits: int,
    unit: str = "",
    factor: float = 1.0,
    sign: bool = False,
    hide: float | None = None,
) -> Callable[[pd.DataFrame], str]:
    def write(runs: pd.DataFrame) -> str:
        mean = _mean(runs, name)
        if not math.isfinite(mean) or mean == hide:
            return ""
        text = number(factor * mean, digits)
        plus = "+" if sign and mean > 0 else ""
        return f"{plus}{text if sign else terse(text)}{unit}"

    return write


def _pooled(runs: pd.DataFrame) -> str:
    """Cleanings over hits, both added up over runs of equal length."""
    hits = runs["violence_rate"].sum()
    return number(runs["cooperation_rate"].sum() / hits, 1) if hits > 0 else "-"


def _seeds(runs: pd.DataFrame) -> str:
    return str(len(runs))


def _settled(runs: pd.DataFrame) -> str:
    """To the nearest ten env-steps."""
    return f"{10 * round(_mean(runs, 'settlement_time') / 10):,} steps"


CELLS: dict[str, Cell] = {
    "seeds": Cell("seeds", _seeds),
    "violence": Cell("violence", _interval("violence_rate", 4)),
    "cooperation": Cell("cooperation", _interval("cooperation_rate", 4)),
    "apples": Cell("apples", _interval("yield_rate", 3)),
    "pooled": Cell("C/V", _pooled),
    "aim": Cell(
        r"P(zap \| waste / rival / nothing)",
        _several(("zap_given_waste", 2), ("zap_given_rival", 3), ("zap_given_nothing", 3)),
    ),
    "aim_rival": Cell(
        r"P(zap \| rival / nothing)", _several(("zap_given_rival", 3), ("zap_given_nothing", 3))
    ),
    "values": Cell(
        "V before / after / victim", _several(("v_before", 2), ("v_after", 2), ("v_victim", 2))
    ),
    "hit_advantage": Cell("hit advantage", _plain("hit_advantage", 2)),
    "predatory": Cell("predatory per episode", _interval("predatory", 1)),
    "charged": Cell("charged per hit", _plain("transported_per_crime", 2, sign=True, hide=0.0)),
    "retribution": Cell("retribution ratio", _interval("retribution_ratio", 3)),
    "chance": Cell("by chance", _plain("retribution_null", 3)),
    "debt": Cell("debt at an episode's end", _interval("debt", 0)),
    "links": Cell("link rate", _plain("link_rate", 2)),
    "settled": Cell("settled after (median)", _settled),
    "hearts": Cell("hearts", _interval("hearts", 2)),
    "gini": Cell("Gini of hearts", _interval("gini", 2)),
    "gifts": Cell("gifts", _interval("gifts", 2)),
    "victim_kin": Cell(
        "kinship to victims / by chance", _interval("victim_kin_ratio", 2, hide=0.0)
    ),
    "gift_kin": Cell("kinship to receivers / by chance", _interval("gift_kin_ratio", 2, hide=0.0)),
    "placed": Cell("pairs placed", _plain("rig_rate", 0, " %", 100.0, hide=0.0)),
}
