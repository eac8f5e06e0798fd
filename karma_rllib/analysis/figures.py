"""Figures of a comparison: learning curves, and every seed's late window.

How they look is said in `karma_rllib.analysis.look`; the pictures of debts and of kin are drawn by
`karma_rllib.analysis.debt_figures` and `karma_rllib.analysis.kin_figures`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from karma_rllib.analysis import debt_figures, kin_figures, profiles
from karma_rllib.analysis.curves import binned, over_seeds
from karma_rllib.analysis.late import BASELINE
from karma_rllib.analysis.look import (
    COLOURS,
    Panel,
    colour,
    dashes,
    grid,
    legend,
    png,
    rescale,
    style,
    svg,
)
from karma_rllib.analysis.runs import MAIN, STEM

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

PANELS = (
    Panel("violence_rate", "Violence", "hits per 1000 agent-steps", 1000),
    Panel(
        "cooperation_rate",
        "Cooperation",
        "cleaning shots per 1000 agent-steps",
        1000,
        "linear",
        False,
    ),
    Panel("yield_rate", "Yield", "apples per 1000 agent-steps", 1000, "linear", False),
    Panel("selectivity", "Selectivity", "cleaning shots per hit, log scale", 1, "log", False),
    Panel("targeting_index", "Targeting", "P(zap|rival) / P(zap|nothing); 1 is blind", 1, "symlog"),
    Panel("zap_given_rival", "Temptation", "P(zap | active rival in line)"),
)
_WITHOUT_WASTE = (
    Panel("frozen_share", "Frozen", "share of agent-steps"),
    Panel("beam_use", "Zapping", "shots per step of an agent that can act"),
)


def panels(comparison: Comparison) -> list[Panel]:
    """The six metrics to draw; where there is no waste, others stand in for cleaning."""
    known = set(comparison.table["metric"])
    return [panel for panel in (*PANELS, *_WITHOUT_WASTE) if panel.metric in known][:6]


def learning_curves(comparison: Comparison, dark: bool = False) -> Figure:
    """Six metrics over agent-steps: mean over seeds, range over seeds as band, each seed thin."""
    names, shown = comparison.conditions, panels(comparison)
    paints = {name: colour(name, names, dark) for name in names}
    with style(dark) as c:
        curves = binned(comparison.frame)
        figure, axes = grid(shown, "What was learned", 6.9, c["soft"])
        branch, late, end = comparison.marks
        for ax, panel in zip(axes, shown, strict=True):
            if branch:
                ax.axvline(branch / 1e6, color=c["soft"], linewidth=1, linestyle=(0, (2, 2)))
            ax.axvspan(late / 1e6, end / 1e6, color=c["soft"], alpha=0.10, linewidth=0)
            _draw_curves(ax, panel, curves, paints)
            ax.set_xlim(0, end / 1e6)
        for ax in axes[3:]:
            ax.set_xlabel("agent-steps [millions]")
        across = axes[0].get_xaxis_transform()
        marks = [(branch, " branch", "left")] * bool(branch) + [(end, "late window ", "right")]
        for x, text, side in marks:
            axes[0].text(
                x / 1e6, 1.0, text, transform=across, va="top", ha=side, color=c["soft"], fontsize=8
            )
        legend(figure, paints)
        return figure


def _draw_curves(ax: Axes, panel: Panel, curves: pd.DataFrame, paints: dict[str, str]) -> None:
    main = curves[curves["stage"] == MAIN]
    stem = curves[curves["stage"] == STEM]
    grey = paints.get(BASELINE, COLOURS[BASELINE])
    lines = [(stem, BASELINE, grey)]
    lines += [(main[main["condition"] == name], name, paint) for name, paint in paints.items()]
    for part, name, paint in lines:
        if part.empty:
            continue
        for _, life in part.groupby("seed"):
            y = life[panel.metric] * panel.factor
            ax.plot(life["x"] / 1e6, y, color=paint, linewidth=0.7, alpha=0.35)
        table = over_seeds(part, panel.metric, log=panel.scale == "log") * panel.factor
        x = table.index.to_numpy(float) / 1e6
        ax.fill_between(x, table["min"], table["max"], color=paint, alpha=0.13, linewidth=0)
        ax.plot(x, table["mean"], color=paint, linestyle=dashes(name))
    rescale(ax.yaxis, ax.set_yscale, panel.scale)
    if panel.scale != "log":
        ax.set_ylim(0, None)


def late_dots(comparison: Comparison, dark: bool = False) -> Figure:
    """Six metrics of the late window: a dot per seed, the mean and its 95 % interval."""
    names, shown = comparison.conditions, panels(comparison)
    paints = {name: colour(name, names, dark) for name in names}
    with style(dark) as c:
        height = 3.2 + 0.66 * len(names)
        figure, axes = grid(shown, "The late window, seed by seed", height, c["soft"])
        for position, (ax, panel) in enumerate(zip(axes, shown, strict=True)):
            for row, (name, paint) in enumerate(paints.items()):
                _draw_dots(ax, panel, comparison, name, row, paint)
            if BASELINE in names:
                mean = comparison.cell(BASELINE, panel.metric).mean * panel.factor
                ax.axvline(mean, color=c["soft"], linewidth=1, linestyle=(0, (1, 2)), zorder=0)
            ax.set_yticks(range(len(names)), names if position % 3 == 0 else [""] * len(names))
            ax.set_ylim(len(names) - 0.5, -0.5)
            ax.tick_params(axis="y", length=0, labelcolor=c["ink"], labelsize=10)
            ax.grid(axis="y", visible=False)
            ax.spines["left"].set_visible(False)
            rescale(ax.xaxis, ax.set_xscale, panel.scale)
            if panel.dots_from_zero:
                ax.set_xlim(0, None)
        return figure


def _draw_dots(
    ax: Axes, panel: Panel, comparison: Comparison, name: str, row: int, paint: str
) -> None:
    runs = comparison.runs[comparison.runs["condition"] == name].sort_values("seed")
    values = runs[panel.metric].to_numpy(float) * panel.factor
    if panel.metric == "selectivity":
        values = np.exp(runs["log_selectivity"].to_numpy(float))
    spread = 0.13 * np.linspace(-1, 1, len(values)) if len(values) > 1 else np.zeros(1)
    interval = comparison.cell(name, panel.metric)
    mean, low, high = (panel.factor * value for value in interval[:3])
    if interval.n > 1:
        ax.plot([low, high], [row, row], color=paint, linewidth=7, alpha=0.22)
    ax.scatter(values, row + spread, s=26, color=paint, alpha=0.85, linewidth=0, zorder=3)
    ax.plot([mean, mean], [row - 0.27, row + 0.27], color=paint, linewidth=2.2, zorder=4)


def draw(comparison: Comparison) -> list[Path]:
    """Write `curves`, `late` and, where they mean something, `profiles` and `debts`.

    All are written as PNG and SVG.
    """
    pictures = {"curves": learning_curves, "late": late_dots}
    if profiles.shown(comparison):
        pictures["profiles"] = profiles.profiles
    if debt_figures.shown(comparison):
        pictures["debts"] = debt_figures.debts
    return _write({name: make(comparison) for name, make in pictures.items()}, comparison.out_dir)


def draw_sweep(comparison: Comparison, out_dir: Path) -> list[Path]:
    """Write `kinship`, as PNG and SVG, if runs of several degrees of relatedness were compared."""
    shown = kin_figures.shown(comparison)
    return _write({"kinship": kin_figures.kin(comparison)}, out_dir) if shown else []


def _write(pictures: dict[str, Figure], out_dir: Path) -> list[Path]:
    out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in pictures.items():
        for suffix, encode in ((".png", png), (".svg", svg)):
            path = out_dir / f"{name}{suffix}"
            path.write_bytes(encode(figure))
            written.append(path)
    return written
