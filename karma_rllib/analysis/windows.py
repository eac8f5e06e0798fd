"""One row per run for verdicts: its windows and its probes.

Columns:
late/<metric>    ratio of sums over the last part of the run after its branch
early/<metric>   the same over the first part after its branch
slope/<metric>   least-squares slope over the first part of the whole life, stem included
                 [per million agent-steps]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from karma_rllib.analysis.late import branch_of, metrics_of
from karma_rllib.analysis.runs import KEYS, MAIN, STEM, RunFolder, load_folders

PROBES = "probes.json"  # in a trial's folder, written by `karma probe`

#: Metrics that mean something only where their count was logged; others are always there.
NEEDED_COUNT = {
    "debt": "ended_episodes",
    "retribution_excess": "chance_retributive",
    "link_rate": "chance_retributive",
    "predatory_rate": "predatory",
    "selectivity": "cleans",
}


def run_table(
    folders: Sequence[RunFolder], late_fraction: float, early_fraction: float
) -> pd.DataFrame:
    """One row per run of every folder; folders may hold the same condition and seed.

    Args:
        folders: open run folders.
        late_fraction: share of the agent-steps after the branch that counts as late.
        early_fraction: share that counts as early.

    Returns:
        Columns `run`, `condition`, `seed`, `agent_steps`, `agent_steps_asked` and the windows'.

    Raises:
        ValueError: a folder holds no results.
    """
    rows = []
    for folder in folders:
        frame = load_folders([folder])
        stems = frame[frame["stage"] == STEM]
        for (_, _, condition, seed), life in frame[frame["stage"] == MAIN].groupby(
            KEYS, sort=False
        ):
            stem = stems[stems["seed"] == seed]
            windows = _windows(life, stem, late_fraction, early_fraction)
            ids = {"run": folder.name, "condition": condition, "seed": seed}
            probes = _probes(folder.path / f"{condition}_s{seed}" / PROBES)
            rows.append({**ids, "agent_steps": life["agent_steps"].max(), **windows, **probes})
    return pd.DataFrame(rows)


def _windows(
    life: pd.DataFrame, stem: pd.DataFrame, late_fraction: float, early_fraction: float
) -> dict[str, float]:
    end, branch = life["agent_steps"].max(), branch_of(life)
    late = life[life["agent_steps"] > end - late_fraction * (end - branch)]
    early = life[life["agent_steps"] <= branch + early_fraction * (end - branch)]
    start = pd.concat([stem, life])
    start = start[start["agent_steps"] <= early_fraction * end]
    return {
        **{f"late/{name}": value for name, value in metrics_in(late).items()},
        **{f"early/{name}": value for name, value in metrics_in(early).items()},
        "slope/violence_rate": _slope(start, "counts/hits"),
    }


def metrics_in(rows: pd.DataFrame) -> dict[str, float]:
    """Every metric of the rows' added counts; NaN where its count was not logged.

    `selectivity` is the logarithm that statistics use.
    """
    if rows.empty:
        return {}
    counts = {str(k): float(v) for k, v in rows.filter(regex="^counts/").sum().items()}
    metrics = metrics_of(counts)
    metrics["selectivity"] = metrics["log_selectivity"]
    missing = {name for name, count in NEEDED_COUNT.items() if f"counts/{count}" not in counts}
    metrics |= {name: float(value) for name, value in _logged(rows).items()}
    return {**metrics, **dict.fromkeys(missing, np.nan)}


def _logged(rows: pd.DataFrame) -> Mapping[str, Any]:
    """Columns that say something about the window as a whole: was the latent ever collapsed?"""
    name = "mirror/collapsed"
    return {"collapsed": rows[name].max()} if name in rows else {}


def _slope(rows: pd.DataFrame, count: str) -> float:
    """Slope of a count per agent-step over agent-steps [per million]; NaN below three rows."""
    if len(rows) < 3 or count not in rows:
        return float("nan")
    x = rows["agent_steps"].to_numpy(float) / 1e6
    y = rows[count].to_numpy(float) / rows["counts/agent_steps"].to_numpy(float)
    return float(np.polyfit(x, y, 1)[0])


def _probes(path: Path) -> dict[str, float]:
    """What `karma probe` found in a run, as late/probe_<name>; {} where it was not probed."""
    if not path.is_file():
        return {}
    summary = json.loads(path.read_text(encoding="utf-8")).get("summary", {})
    return {f"late/probe_{k}": np.nan if v is None else float(v) for k, v in summary.items()}


def setting(experiment: Mapping[str, Any], key: str) -> Any:
    """A dotted setting of an experiment, None where it is not written."""
    node: Any = experiment
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node
