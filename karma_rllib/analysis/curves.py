"""Learning curves as data: per run, rates of counts added up over bins of agent-steps."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from karma_rllib.analysis.late import metrics_of
from karma_rllib.analysis.runs import KEYS
from karma_rllib.analysis.stats import Interval, t_interval

BINS = 50  # over the longest run, so that a point holds enough events to be a rate
EVIDENCE = ("hits", "ended_episodes")  # counts that say whether a bin says anything


def binned(frame: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """Every metric of every run in equal bins of agent-steps.

    Rates of single iterations are noisy and their mean is not the rate of the whole; so counts are
    added up within a bin before they are divided. A bin is never shorter than an iteration. A run
    that ends within the first half of its last bin loses that bin: a point of a few episodes would
    stand among points of many.

    Args:
        frame: see `runs.load_runs`.
        bins: how many bins the longest run is cut into.

    Returns:
        One row per (run, stage, condition, seed, bin) with `x`, the bin's centre [agent-steps], the
        metrics, and the counts in `EVIDENCE`.
    """
    steps = frame.groupby(KEYS)["agent_steps"].diff().median()
    width = frame["agent_steps"].max() / bins
    if math.isfinite(steps):
        width = max(width, float(steps))
    number = np.ceil(frame["agent_steps"] / width).astype(int)
    runs = frame.groupby(KEYS)["agent_steps"]
    cut = number * width - runs.transform("max") > width / 2
    last = cut & (number > number.groupby([frame[key] for key in KEYS]).transform("min"))
    frame, number = frame[~last], number[~last]
    columns = [name for name in frame if str(name).startswith("counts/")]
    sums = frame.assign(bin=number).groupby([*KEYS, "bin"], sort=False)[columns].sum()
    rows = []
    for ids, counts in zip(sums.index, sums.to_dict(orient="records"), strict=True):
        metrics = metrics_of({str(name): value for name, value in counts.items()})
        metrics["selectivity"] = math.exp(metrics["log_selectivity"])  # finite without a hit
        run = dict(zip(KEYS, ids[:-1], strict=True))
        evidence = {name: counts.get(f"counts/{name}", 0.0) for name in EVIDENCE}
        rows.append({**run, "x": (ids[-1] - 0.5) * width, **metrics, **evidence})
    return pd.DataFrame(rows)


def over_seeds(curves: pd.DataFrame, metric: str, log: bool) -> pd.DataFrame:
    """Mean (on the log scale if `log`), lowest and highest seed at each x."""
    values = curves.assign(value=np.log(curves[metric]) if log else curves[metric])
    table = values.groupby("x")["value"].agg(["mean", "min", "max"])
    return table.apply(np.exp) if log else table


def with_intervals(curves: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean over seeds and its 95 % t interval at each x; a single seed has a mean only.

    Seeds whose value is NaN at an x are left out there.

    Returns:
        Columns `mean`, `low`, `high`, `n`, indexed by `x`.
    """
    rows = {x: t_interval(part[metric].to_numpy(float)) for x, part in curves.groupby("x")}
    return pd.DataFrame(rows.values(), index=pd.Index(rows, name="x"), columns=Interval._fields)
