"""What policies earned when they met: per-capita returns of cells, with intervals.

The unit is an episode: the mean return of the agents of one role in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats

from karma_rllib.analysis.stats import LEVEL, Interval
from karma_rllib.analysis.store import FOCAL, current

RESAMPLES = 2_000
CELL = ["policy_uri", "version", "suite", "scenario", "npc", "role"]


def mean_interval(values: ArrayLike, seed: int = 0) -> Interval:
    """Mean over n episodes and its 95 % percentile bootstrap interval; NaN bounds where n < 2."""
    x = np.asarray(values, float)
    mean = float(x.mean()) if len(x) else float("nan")
    if len(x) < 2:
        return Interval(mean, float("nan"), float("nan"), len(x))
    if np.ptp(x) == 0:
        return Interval(mean, mean, mean, len(x))
    found = scipy_stats.bootstrap(
        (x,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), len(x))


def grouped_interval(values: ArrayLike, groups: Sequence[str], seed: int = 0) -> Interval:
    """Mean over groups of the means in each, with its 95 % percentile bootstrap interval.

    Values are drawn anew within their groups, so that every group keeps its size.
    """
    x, label = np.asarray(values, float), np.asarray(groups)
    parts = [x[label == name] for name in np.unique(label)]
    if len(parts) == 1:
        return mean_interval(x, seed)
    rng = np.random.default_rng(seed)
    drawn = [part[rng.integers(len(part), size=(RESAMPLES, len(part)))].mean(1) for part in parts]
    tail = 50 * (1 - LEVEL)  # [percent]
    low, high = np.percentile(np.mean(drawn, 0), [tail, 100 - tail])
    return Interval(float(np.mean([p.mean() for p in parts])), float(low), float(high), len(x))


def per_capita(table: pd.DataFrame, value: str = "raw_return") -> pd.DataFrame:
    """One row per episode and role: the mean of a column over the agents of that role."""
    return current(table).groupby([*CELL, "seed"])[value].mean().reset_index()


def cells(table: pd.DataFrame, value: str = "raw_return") -> pd.DataFrame:
    """Mean and interval of every cell.

    Args:
        table: rows of a store, see `store.read`.
        value: `raw_return`, `shared_return` or `score`.

    Returns:
        Columns `store.Key` without seed and code_version, and `mean`, `low`, `high`, `n`.
    """
    episodes = per_capita(table, value).dropna(subset=[value])
    rows = [
        {**dict(zip(CELL, key, strict=True)), **mean_interval(group[value])._asdict()}
        for key, group in episodes.groupby(CELL)
    ]
    return pd.DataFrame(rows, columns=[*CELL, *Interval._fields])


def focal_only(found: pd.DataFrame) -> pd.DataFrame:
    """The cells seen from the side of who is judged."""
    return found[found["role"] == FOCAL]
