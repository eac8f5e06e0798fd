"""The comparison as a table: for the terminal, as Markdown, CSV and JSON."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from karma_rllib.analysis.late import COLUMNS, LEVEL, Column, Interval

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

GROUPS = tuple(dict.fromkeys(column.group for column in COLUMNS if column.group))

UNITS = {
    "Behaviour": "per agent-step; selectivity in cleans per hit",
    "Aim": "by what is first in the line of fire; targeting: rival / nothing",
    "Debts": "zaps per episode and world; P(answered); retribution beside its chance level",
    "Transport": "punishments that recall a crime; reward charged per hit; intent: 1 is blind",
    "Hearts": "hearts, freezes and returns per agent and episode",
    "Kin": "attacks per agent-step; gifts per agent and episode; kin: 1 is chance",
    "Value": "mean over hits; V of attacker before and after, of victim after",
}


def number(value: float, digits: int) -> str:
    """A number with a fixed count of decimals and a true minus sign; "-" for NaN."""
    if not math.isfinite(value):
        return "-"
    text = f"{value:,.{digits}f}"
    zero = not float(text.replace(",", ""))
    return text.lstrip("-") if zero else text.replace("-", "\N{MINUS SIGN}")


def bounds(interval: Interval, digits: int) -> str:
    """`[low, high]`, or "-" for fewer than two runs."""
    if not math.isfinite(interval.low):
        return "-"
    return f"[{number(interval.low, digits)}, {number(interval.high, digits)}]"


def _terse(text: str) -> str:
    """Without the zeros before decimal points, to save width."""
    return re.sub(r"(?<![\d.])0\.", ".", text)


def caption(comparison: Comparison) -> str:
    """What the numbers are, in one sentence."""
    share = f"{100 * comparison.late_fraction:g} %"
    since = "after the branch" if (comparison.runs["branch"] > 0).any() else "of training"
    return (
        f"Last {share} of the agent-steps {since}; mean over seeds and"
        f" {100 * LEVEL:g} % t interval over seeds (none for a single seed)."
    )


def columns_of(comparison: Comparison, group: str) -> list[Column]:
    """The metrics of one of the `GROUPS` that the comparison has."""
    known = set(comparison.table["metric"])
    return [column for column in COLUMNS if column.group == group and column.name in known]


def terminal(comparison: Comparison) -> Group:
    """Tables that fit a terminal of 80 columns, one row per condition."""
    parts: list[Any] = []
    for group in GROUPS:
        if not columns_of(comparison, group):
            continue
        parts.append(Text(group, style="bold").append(f"  {UNITS[group]}", style="not bold dim"))
        parts += [_terminal_table(comparison, group), Text("")]
    parts.append(Text(caption(comparison), style="dim"))
    parts += [Text(f"Note: {note}", style="yellow") for note in comparison.notes]
    return Group(*parts)


def _terminal_table(comparison: Comparison, group: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("condition", no_wrap=True)
    table.add_column("n", justify="right")
    columns = columns_of(comparison, group)
    for column in columns:
        table.add_column(column.title, justify="right")
    for condition in comparison.conditions:
        cells = [_terminal_cell(comparison.cell(condition, c.name), c) for c in columns]
        n = (comparison.runs["condition"] == condition).sum()
        table.add_row(Text(condition, style="bold"), str(n), *cells)
    return table


def _terminal_cell(interval: Interval, column: Column) -> Text:
    """The mean, and beneath it the interval, if there is one."""
    text = Text(number(interval.mean, column.digits))
    if math.isfinite(interval.low):
        text.append("\n" + _terse(bounds(interval, column.digits)), style="dim")
    return text


def markdown(comparison: Comparison) -> str:
    """The same tables in Markdown, with the caption and the notes."""
    parts = []
    for group in GROUPS:
        columns = columns_of(comparison, group)
        titles = " | ".join(column.title.replace("|", "\\|") for column in columns)
        lines = [f"| condition | n | {titles} |", "|---|--:|" + "--:|" * len(columns)]
        for condition in comparison.conditions:
            n = (comparison.runs["condition"] == condition).sum()
            cells = [_markdown_cell(comparison.cell(condition, c.name), c) for c in columns]
            lines.append(f"| {condition} | {n} | {' | '.join(cells)} |")
        parts.append(
            f"**{group}** ({UNITS[group].replace('|', chr(92) + '|')})\n\n" + "\n".join(lines)
        )
    notes = "".join(f"\n- {note}" for note in comparison.notes)
    return "\n\n".join(parts) + f"\n\n{caption(comparison)}\n{notes}\n"


def _markdown_cell(interval: Interval, column: Column) -> str:
    return f"{number(interval.mean, column.digits)} {bounds(interval, column.digits)}"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain data, with None for what is not finite."""
    return [
        {
            str(k): None if isinstance(v, float) and not math.isfinite(v) else v
            for k, v in row.items()
        }
        for row in frame.to_dict(orient="records")
    ]


def as_json(comparison: Comparison) -> str:
    """Everything in the tables, and every run's own numbers."""
    data = {
        "runs_pooled": [folder.name for folder in comparison.folders],
        "late_fraction": comparison.late_fraction,
        "interval": f"{100 * LEVEL:g} % Student t over seeds",
        "notes": comparison.notes,
        "conditions": records(comparison.table),
        "contrasts": records(comparison.contrasts),
        "runs": records(comparison.runs),
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def write(comparison: Comparison, introduction: str = "") -> list[str]:
    """Write `comparison.csv`, `comparison.json`, `comparison.md`, `runs.csv`; return the names."""
    out = comparison.out_dir
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "comparison.csv": comparison.table.to_csv(index=False, lineterminator="\n"),
        "comparison.json": as_json(comparison),
        "comparison.md": f"{introduction}\n{markdown(comparison)}".lstrip(),
        "runs.csv": comparison.runs.to_csv(index=False, lineterminator="\n"),
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return list(texts)
