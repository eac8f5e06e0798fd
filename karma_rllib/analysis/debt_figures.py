"""The four pictures of debts: aggression, debt, retribution beside chance, and the map's size.

Curves are means over seeds with 95 % t intervals over seeds as bands, of ratios of sums over bins
of agent-steps; single seeds are thin. A bin without a hit has no retribution ratio, and one in
which no episode ended has no debt: both are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from karma_rllib.analysis.curves import binned, with_intervals
from karma_rllib.analysis.late import karmic
from karma_rllib.analysis.look import Panel, colour, dashes, grid, legend, style
from karma_rllib.analysis.runs import MAIN

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

PANELS = (
    Panel("predatory", "Aggression", "predatory hits per episode and world"),
    Panel("debt", "Debt", "zaps owed in a world at the end of an episode"),
    Panel("retribution_ratio", "Retribution", "share of hits on a debtor; dotted: by chance"),
    Panel("predatory_rate", "Scale", "predatory hits per 1000 agent-steps, late window", 1000),
)
BINS = 25  # hits are rare, and a few seeds make intervals wide: fewer, steadier points
# A metric, and the count without which a bin says nothing about it.
_EVIDENCE = {
    "debt": "ended_episodes",
    "retribution_ratio": "hits",
    "retribution_null": "hits",
}


def shown(comparison: Comparison) -> bool:
    """Whether the runs have a condition that acts on debts or memories."""
    return karmic(comparison.runs)


def debts(comparison: Comparison, dark: bool = False) -> Figure:
    """Predatory hits, debts and retribution over agent-steps, and the late window by map size."""
    names = comparison.conditions
    paints = {name: colour(name, names, dark) for name in names}
    with style(dark) as c:
        curves = binned(comparison.frame, BINS)
        curves = curves[curves["stage"] == MAIN]
        figure, axes = grid(PANELS, "Who owes whom", 7.4, c["soft"], columns=2)
        _, late, end = comparison.marks
        for ax, panel in zip(axes[:3], PANELS, strict=False):
            ax.axvspan(late / 1e6, end / 1e6, color=c["soft"], alpha=0.10, linewidth=0)
            for name, paint in paints.items():
                _draw(ax, curves[curves["condition"] == name], panel.metric, name, paint)
            ax.set_xlim(0, end / 1e6)
            ax.set_ylim(0, None)
            ax.set_xlabel("agent-steps [millions]")
        axes[2].set_ylim(0, 1)
        _draw_scales(axes[3], comparison.scales, PANELS[3], paints)
        legend(figure, paints)
        return figure


def _draw(ax: Axes, part: pd.DataFrame, metric: str, name: str, paint: str) -> None:
    """One condition's curve; beside a retribution ratio, dotted, its chance level."""
    own = part.assign(value=_known(part, metric))
    for _, life in own.groupby("seed"):
        ax.plot(life["x"] / 1e6, life["value"], color=paint, linewidth=0.7, alpha=0.35)
    table = with_intervals(own, "value")
    x = table.index.to_numpy(float) / 1e6
    ax.fill_between(x, table["low"].clip(lower=0), table["high"], color=paint, alpha=0.13, lw=0)
    ax.plot(x, table["mean"], color=paint, linestyle=dashes(name))
    if metric == "retribution_ratio":
        null = with_intervals(part.assign(value=_known(part, "retribution_null")), "value")
        ax.plot(x, null["mean"], color=paint, linestyle=(0, (1, 1.5)), linewidth=1.4)


def _known(part: pd.DataFrame, metric: str) -> pd.Series:
    """A metric's values, NaN in bins that say nothing about it."""
    count = _EVIDENCE.get(metric)
    return part[metric] if count is None else part[metric].where(part[count] > 0)


def _draw_scales(ax: Axes, scales: pd.DataFrame, panel: Panel, paints: dict[str, str]) -> None:
    """A point and an interval per condition and map size, moved apart so that all can be seen."""
    rows = scales[scales["metric"] == panel.metric].drop_duplicates(["condition", "grid_size"])
    sizes = sorted(rows["grid_size"].unique())
    apart = np.linspace(-0.22, 0.22, len(paints)) if len(paints) > 1 else [0.0]
    for shift, (name, paint) in zip(apart, paints.items(), strict=True):
        own = rows[rows["condition"] == name].set_index("grid_size").reindex(sizes)
        x = np.arange(len(sizes)) + shift
        values = own[["mean", "low", "high"]].to_numpy(float).T * panel.factor  # (3, sizes)
        ax.plot(x, values[0], color=paint, linestyle=dashes(name), linewidth=1.4, alpha=0.7)
        ax.vlines(x, values[1], values[2], color=paint, linewidth=5, alpha=0.25)
        ax.scatter(x, values[0], s=26, color=paint, linewidth=0, zorder=3)
    ax.set_xticks(range(len(sizes)), [f"{size}x{size}" if size else "?" for size in sizes])
    ax.set_xlim(-0.5, len(sizes) - 0.5)
    ax.set_ylim(0, None)
    ax.grid(axis="x", visible=False)
    only = "; these runs have one size, name runs of others beside them" if len(sizes) == 1 else ""
    ax.set_xlabel(f"cells of the map{only}")
