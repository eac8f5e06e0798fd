"""Gates: what must hold before a prediction may be judged at all.

    G0  the baseline harms, and harming pays: violence at least 1.5 times the random policy's (in a
        world with waste: rivals in line zapped at least twice as often as nothing), the advantage
        of a hit above 0 with its whole interval, and yield not below the random policy's
    G1  every probed run has at least 100 zaps
    G2  in a world with waste, the baseline cleans more than a fifth of what falls

Gates look at the baseline only; a gate that cannot be read (no such arm, no such number) fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from karma_rllib.analysis import stats

MIN_VIOLENCE_RATIO = 1.5  # over the random policy's
MIN_TARGETING = 2.0  # P(zap | rival) / P(zap | nothing), in worlds with waste
MIN_CLEANED = 0.2  # of the attainable cooperation rate
MIN_ZAPS = 100  # per probed run


class Gate(NamedTuple):
    """One gate: whether it is open, and the sentence that says why."""

    name: str
    open: bool
    reason: str


def ecology(baseline: pd.DataFrame, reference: Mapping[str, float], seed: int) -> Gate:
    """G0: is there harm that pays?

    Args:
        baseline: rows of `windows.run_table`.
        reference: the random policy's `violence_rate`, `yield_rate`, and `max_cooperation` (0
            in a world without waste).
        seed: of the bootstrap.
    """
    if baseline.empty:
        return Gate("G0", False, "needs arm baseline")
    if not reference:
        return Gate("G0", False, "needs the random policy's rates, which were not registered")
    dual = reference.get("max_cooperation", 0.0) > 0
    violence, food, aim = (
        _iqm(baseline, name) for name in ("violence_rate", "yield_rate", "targeting_index")
    )
    pays = stats.bootstrap_iqm(_values(baseline, "hit_advantage"), seed=seed)
    times = violence / max(reference["violence_rate"], 1e-12)
    checks = [
        (aim >= MIN_TARGETING, f"targeting {aim:.1f} (at least {MIN_TARGETING:g})")
        if dual
        else (
            times >= MIN_VIOLENCE_RATIO,
            f"violence {times:.2f} times random (at least {MIN_VIOLENCE_RATIO:g})",
        ),
        (
            pays.low > 0,
            f"hit advantage {pays.value:.2f} [{pays.low:.2f}, {pays.high:.2f}] (all above 0)",
        ),
        (
            food >= reference["yield_rate"],
            f"yield {food:.3f} (random policy {reference['yield_rate']:.3f})",
        ),
    ]
    return _gate("G0", checks)


def cleaning(baseline: pd.DataFrame, reference: Mapping[str, float]) -> Gate:
    """G2: does the baseline clean? Arguments as in `ecology`."""
    if baseline.empty:
        return Gate("G2", False, "needs arm baseline")
    most = reference.get("max_cooperation", 0.0)
    if not most > 0:
        return Gate("G2", False, "needs a world with waste")
    share = _iqm(baseline, "cooperation_rate") / most
    return _gate("G2", [(share > MIN_CLEANED, f"{share:.0%} of the waste is cleaned (over 20%)")])


def zaps(probed: pd.DataFrame) -> Gate:
    """G1: have the probes seen enough? `probed`: rows of `windows.run_table`."""
    seen = _values(probed, "probe_zaps")
    if not len(seen):
        return Gate("G1", False, "needs `karma probe` on the runs")
    return _gate("G1", [(seen.min() >= MIN_ZAPS, f"{seen.min():.0f} zaps in the poorest run")])


def _gate(name: str, checks: list[tuple[bool, str]]) -> Gate:
    failed = [text for passed, text in checks if not passed]
    return Gate(name, not failed, "; ".join(failed or [text for _, text in checks]))


def _values(rows: pd.DataFrame, metric: str) -> np.ndarray:
    column = f"late/{metric}"
    values = rows[column].to_numpy(float) if column in rows else np.array([])
    return values[np.isfinite(values)]


def _iqm(rows: pd.DataFrame, metric: str) -> float:
    values = _values(rows, metric)
    return float(stats.iqm(values)) if len(values) else float("nan")
