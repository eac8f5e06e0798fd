"""What relatedness does: six measures against how close the closest other agent is.

One column of points per degree of relatedness: dots are seeds, ticks their mean, bars the 95 % t
interval over seeds (none for a single seed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from karma_rllib.analysis.late import kinship
from karma_rllib.analysis.look import Panel, colour, dashes, grid, legend, style
from karma_rllib.analysis.stats import t_interval

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

PANELS = (
    Panel("hearts", "Hearts", "per agent and episode"),
    Panel("violence_rate", "Attacks", "hits per 1000 agent-steps", 1000),
    Panel("victim_kin_ratio", "Who is hit", "kinship to victims / by chance; 1: anybody"),
    Panel("gini", "Inequality", "Gini index of hearts in an episode"),
    Panel("gifts", "Gifts", "per agent and episode"),
    Panel("gift_kin_ratio", "Who is given to", "kinship to receivers / by chance; 1: anybody"),
)
CAPTION = (
    "Relatedness: to the closest other agent, on average over agents. Dots: seeds. Tick: mean. Bar:"
    " 95 % t interval over seeds, none for a single seed. Where nobody is kin, nobody can be"
    " preferred or spared, and the two ratios have no value. All from the late window."
)
_RATIOS = ("victim_kin_ratio", "gift_kin_ratio")


def whole_rows(table: pd.DataFrame) -> pd.DataFrame:
    """A table of sums without those last rows of a seed that hold less than half of the usual.

    Args:
        table: with `seed` and `agent_episodes`, a seed's rows in order of time.
    """
    usual = table.groupby("seed")["agent_episodes"].transform("median")
    last = ~table.duplicated("seed", keep="last")
    return table[~(last & (table["agent_episodes"] < usual / 2))]


def hearts_curve(table: pd.DataFrame, players: dict[str, float]) -> Figure:
    """Hearts per agent and episode of each seed against agent-steps.

    Args:
        table: sums over some iterations a row: `seed`, `agent_steps` at the end, `agent_episodes`,
            `hearts`. A last row that holds less than half of the usual is left out.
        players: hearts of others to compare with, by name; drawn as dashed lines.
    """
    rows = whole_rows(table)
    with style(dark=False) as c:
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.subplots()
        seeds = [str(seed) for seed in rows["seed"].unique()]
        for name, (seed, part) in zip(seeds, rows.groupby("seed", sort=False), strict=True):
            rate = part["hearts"] / part["agent_episodes"]
            paint = colour(name, seeds, dark=False)
            ax.plot(part["agent_steps"] / 1e6, rate, color=paint, label=f"seed {seed}")
        for name, hearts in players.items():
            ax.axhline(hearts, color=c["soft"], linewidth=1, linestyle="--")
            ax.annotate(
                name,
                (1, hearts),
                (-4, 4),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                color=c["soft"],
                ha="right",
            )
        ax.set_xlim(0, None)
        ax.set_xlabel("agent-steps [millions]")
        ax.set_ylabel("hearts per agent and episode")
        ax.legend(loc="upper left", bbox_to_anchor=(0, 0.9))
        return figure


def shown(comparison: Comparison) -> bool:
    """Whether runs of several degrees of relatedness were compared, in a world with kin."""
    runs = comparison.every_run
    return runs["relatedness"].nunique() > 1 and kinship(runs)


def kin(comparison: Comparison, dark: bool = False) -> Figure:
    """Six panels against relatedness; conditions stand side by side."""
    runs = comparison.every_run
    runs = runs[runs["grid_size"] == comparison.setting.grid_size]
    names = list(dict.fromkeys(runs["condition"]))
    paints = {name: colour(name, names, dark) for name in names}
    degrees = sorted(runs["relatedness"].unique())
    with style(dark) as c:
        figure, axes = grid(PANELS, "What relatedness does", 6.9, c["soft"])
        for ax, panel in zip(axes, PANELS, strict=True):
            if panel.metric in _RATIOS:
                ax.axhline(1, color=c["soft"], linewidth=1, linestyle=(0, (1, 2)), zorder=0)
            _draw(ax, runs, panel, paints, degrees)
            ax.set_xticks(range(len(degrees)), [f"{degree:g}" for degree in degrees])
            ax.set_xlim(-0.5, len(degrees) - 0.5)
            ax.set_ylim(0, None)
            ax.grid(axis="x", visible=False)
        for ax in axes[3:]:
            ax.set_xlabel("relatedness to the closest other agent")
        legend(figure, paints)
        return figure


def _draw(
    ax: Axes, runs: pd.DataFrame, panel: Panel, paints: dict[str, str], degrees: list[float]
) -> None:
    """Every condition's seeds, means and intervals, moved apart so that all can be seen."""
    apart = np.linspace(-0.25, 0.25, len(paints)) if len(paints) > 1 else [0.0]
    for shift, (name, paint) in zip(apart, paints.items(), strict=True):
        means = np.full(len(degrees), np.nan)
        for k, degree in enumerate(degrees):
            own = runs[(runs["condition"] == name) & (runs["relatedness"] == degree)]
            values = own[panel.metric].to_numpy(float) * panel.factor
            if len(values) == 0 or (panel.metric in _RATIOS and degree == 0):
                continue
            means[k], low, high, n = t_interval(values)
            x = k + shift
            if n > 1:
                ax.vlines(x, max(low, 0.0), high, color=paint, linewidth=7, alpha=0.22)
            spread = 0.06 * np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
            ax.scatter(x + spread, values, s=22, color=paint, alpha=0.85, linewidth=0, zorder=3)
            ax.plot([x - 0.13, x + 0.13], [means[k]] * 2, color=paint, linewidth=2.2, zorder=4)
        line = np.arange(len(degrees)) + shift
        ax.plot(line, means, color=paint, linestyle=dashes(name), linewidth=1.2, alpha=0.6)
