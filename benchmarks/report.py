"""How benchmarks print: one row per measurement, with the ratio to its baseline."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def table(title: str, rows: list[tuple[str, float, float, str]]) -> None:
    """Print (what, ours, baseline, name of the baseline) rows; rates in steps per second."""
    grid = Table(title=title, title_justify="left")
    for name in ("what", "ours", "baseline", "ratio", "baseline is"):
        grid.add_column(name, justify="left" if name in ("what", "baseline is") else "right")
    for what, ours, base, name in rows:
        grid.add_row(what, f"{ours:,.0f}", f"{base:,.0f}", f"{ours / base:.2f}", name)
    Console(width=110).print(grid)
