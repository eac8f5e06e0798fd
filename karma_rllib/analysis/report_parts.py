"""Parts of the report beyond the comparison's own tables: society, and what the runs cost."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from karma_rllib.analysis.definitions import METRICS
from karma_rllib.analysis.late import COLUMNS
from karma_rllib.analysis.runs import KEYS, STEM, RunFolder
from karma_rllib.analysis.tables import bounds, number
from karma_rllib.analysis.words import amount

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

#: Metrics of a whole society (Perolat et al. 2017), and what harming brings.
SOCIETY = (
    *("efficiency", "equality", "sustainability", "peace"),
    *("frozen_share", "beam_use", "hit_ratio", "stock", "waste_level", "exclusion_gain"),
)
_HEADS = {"efficiency": "efficiency U", "equality": "equality E", "peace": "peace P"}


def society(comparison: Comparison) -> str:
    """One row per condition with the society's metrics, folded beneath what each one means."""
    known = set(comparison.table["metric"])
    columns = [c for name in SOCIETY for c in COLUMNS if c.name == name and name in known]
    head = "".join(
        f"<th>{escape(_HEADS.get(c.name, METRICS[c.name].name.replace('_', ' ')))}</th>"
        for c in columns
    )
    rows = []
    for condition in comparison.conditions:
        cells = []
        for column in columns:
            interval = comparison.cell(condition, column.name)
            mean, span = number(interval.mean, column.digits), bounds(interval, column.digits)
            cells.append(f"<td>{mean}<small>{span}</small></td>")
        n = (comparison.runs["condition"] == condition).sum()
        rows.append(f"<tr><td>{escape(condition)}</td><td>{n}</td>{''.join(cells)}</tr>")
    meanings = "".join(
        f"<li><b>{escape(METRICS[c.name].name)}</b> [{escape(METRICS[c.name].unit)}]:"
        f" {escape(METRICS[c.name].description)}</li>"
        for c in columns
    )
    return (
        '<div class="scroll"><table><caption>Society <span>per episode, or as a share</span>'
        f"</caption><thead><tr><th>condition</th><th>n</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
        f"<details><summary>What these mean</summary><ul>{meanings}</ul></details>\n"
    )


def cost(comparison: Comparison) -> str:
    """Agent-steps, wall-clock and CPU hours of every condition, stems included."""
    spent = costs(comparison.frame, comparison.folders)
    body = "".join(
        f"<tr><td>{escape(row['part'])}</td><td>{row['runs']}</td>"
        f"<td>{escape(amount(row['agent_steps']))}</td><td>{number(row['speed'], 0)}</td>"
        f"<td>{number(row['hours'], 2)}</td><td>{number(row['cpu_hours'], 2)}</td></tr>"
        for row in spent.to_dict(orient="records")
    )
    return (
        '<div class="scroll"><table><caption>Cost <span>CPU hours: wall clock times the CPUs that a'
        " trial reserves</span></caption><thead><tr><th>runs of</th><th>runs</th>"
        "<th>agent-steps</th><th>per second</th><th>hours</th><th>CPU hours</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>\n"
    )


def costs(frame: pd.DataFrame, folders: list[RunFolder]) -> pd.DataFrame:
    """What the runs took, per condition and for the stems, with a last row of sums.

    Args:
        frame: see `runs.load_runs`.
        folders: the run folders of the frame.

    Returns:
        `part`, `runs`, `agent_steps`, `hours` and `cpu_hours` (NaN where no times were logged),
        `speed` [agent-steps/s].
    """
    cpus = {folder.name: cpus_of(folder) for folder in folders}
    rows = []
    for (run, stage, condition, _), life in frame.groupby(KEYS, sort=False):
        own = life["agent_steps"].max()
        if stage != STEM and "branch_agent_steps" in life:
            own -= life["branch_agent_steps"].max()
        logged = "iteration_s" in life and life["iteration_s"].notna().any()
        hours = life["iteration_s"].sum() / 3600 if logged else float("nan")
        part = "stem" if stage == STEM else condition
        rows.append((part, 1, own, hours, hours * cpus[str(run)]))
    columns = ["part", "runs", "agent_steps", "hours", "cpu_hours"]
    parts = pd.DataFrame(rows, columns=columns).groupby("part", sort=False)
    table = parts.sum(min_count=1).reset_index()
    total = table[columns[1:]].sum(min_count=1)
    table.loc[len(table)] = ["all", *total]
    table["runs"] = table["runs"].astype(int)
    return table.assign(speed=table["agent_steps"] / table["hours"] / 3600)


def cpus_of(folder: RunFolder) -> int:
    """CPUs that one trial reserves: its own process, its env runners, its learners."""
    resources = folder.experiment.get("resources") or {}
    own = int(resources.get("cpus_per_trial", 1))
    remote = ("num_env_runners", "num_learners", "evaluation_runners")
    return own + sum(int(resources.get(name, 0)) for name in remote)
