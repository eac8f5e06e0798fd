"""Performance profiles, and how many seeds the differences between arms would take.

A profile is the share of an arm's runs that lie above each level of a metric (Agarwal et al. 2021,
arXiv:2108.13264, sec. 4.2): it shows every seed at once, and one arm is better than another at
every level where its curve is higher (or lower, for violence).
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from karma_rllib.analysis import stats
from karma_rllib.analysis.late import BASELINE, CONTRASTED, hidden
from karma_rllib.analysis.look import Panel, colour, dashes, grid, legend, rescale, style
from karma_rllib.analysis.rules import Rules
from karma_rllib.analysis.tables import number

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

PANELS = (
    Panel("violence_rate", "Violence", "hits per 1000 agent-steps", 1000),
    Panel("cooperation_rate", "Cooperation", "cleaning shots per 1000 agent-steps", 1000),
    Panel("yield_rate", "Yield", "apples per 1000 agent-steps", 1000),
    Panel("selectivity", "Selectivity", "cleaning shots per hit, log scale", 1, "log"),
    Panel("frozen_share", "Frozen", "share of agent-steps"),
    Panel("beam_use", "Zapping", "shots per step of an agent that can act"),
)
LEAST = 3  # runs of every arm, below which a profile is a step or two
CHANCE = 0.8  # wanted power


def shown(comparison: Comparison) -> bool:
    """Whether there are several arms, with runs enough to have a profile."""
    sizes = comparison.runs.groupby("condition").size()
    return len(sizes) > 1 and bool((sizes >= LEAST).all())


def profiles(comparison: Comparison, dark: bool = False) -> Figure:
    """Four metrics of the late window: share of runs above each level, with 95 % bands."""
    names = comparison.conditions
    paints = {name: colour(name, names, dark) for name in names}
    known = set(comparison.table["metric"])
    panels = [panel for panel in PANELS if panel.metric in known][:4]
    with style(dark) as c:
        figure, axes = grid(panels, "How many runs reach a level", 7.4, c["soft"], columns=2)
        for ax, panel in zip(axes, panels, strict=True):
            values = {name: _values(comparison.runs, name, panel) for name in names}
            levels = _levels(np.concatenate(list(values.values())), panel.scale == "log")
            for name, paint in paints.items():
                _draw(ax, stats.performance_profile(values[name], levels), name, paint)
            rescale(ax.xaxis, ax.set_xscale, panel.scale)
            ax.set_xlim(levels[0], levels[-1])
            ax.set_ylim(-0.03, 1.03)
            ax.set_xlabel(panel.unit)
            ax.texts[0].set_text("share of runs above a level")
        legend(figure, paints)
        return figure


def _values(runs: pd.DataFrame, name: str, panel: Panel) -> np.ndarray:
    """One number per run of an arm, in the panel's unit; runs without the number left out."""
    own = runs[runs["condition"] == name]
    if panel.metric == "selectivity":
        return np.exp(own["log_selectivity"].dropna().to_numpy(float))
    return own[panel.metric].dropna().to_numpy(float) * panel.factor


def _levels(values: np.ndarray, log: bool, count: int = 241) -> np.ndarray:
    """Levels from below the least to above the largest value."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if log:
        ends = math.log(low) - 0.2, math.log(high) + 0.2
        return np.exp(np.linspace(*ends, count))
    room = 0.06 * (high - low) or 0.5
    return np.linspace(max(low - room, 0.0), high + room, count)


def _draw(ax: Axes, profile: stats.Profile, name: str, paint: str) -> None:
    x = profile.thresholds
    ax.fill_between(x, profile.low, profile.high, color=paint, alpha=0.12, linewidth=0, step="post")
    ax.step(x, profile.share, where="post", color=paint, linestyle=dashes(name))


def seeds_needed(runs: pd.DataFrame, rules: Rules | None = None) -> pd.DataFrame:
    """How many seeds would show what: per arm and metric, against the paired baseline.

    Differences are of log rates (of log selectivities), paired by seed, and a t test on them; see
    `stats.power`.

    Args:
        runs: see `late.late_runs`.
        rules: whose smallest effect of interest counts; None: the defaults.

    Returns:
        `condition`, `metric`, `n` (shared seeds), `ratio` to the baseline, `d` (its logarithm in
        standard deviations over seeds), `power` (chance that n seeds show a true effect as large
        as the one that was seen), `for_this` and `for_least` (seeds that show it, and the smallest
        effect of interest, with chance 0.8). No rows for fewer than two shared seeds.
    """
    least = -math.log(1 - (rules or Rules()).sesoi)
    columns = ["condition", "metric", "n", "ratio", "d", "power", "for_this", "for_least"]
    base = runs[runs["condition"] == BASELINE].set_index("seed")
    rows = []
    for condition, group in runs.groupby("condition", sort=False):
        own = group.set_index("seed")
        seeds = [seed for seed in own.index if seed in base.index]
        if condition == BASELINE or len(seeds) < 2:
            continue
        for metric in (m for m in CONTRASTED if m not in hidden(runs)):
            change = _logs(own.loc[seeds], metric) - _logs(base.loc[seeds], metric)
            mean, spread = float(change.mean()), float(change.std(ddof=1))
            row = [condition, metric, len(seeds), math.exp(mean)]
            if not spread > 0 or not mean or not math.isfinite(mean):
                rows.append([*row, math.nan, math.nan, 0, 0])
                continue
            d = mean / spread
            rows.append(
                [
                    *row,
                    d,
                    stats.power(d, len(seeds), paired=True),
                    stats.seeds_needed(d, CHANCE, paired=True),
                    stats.seeds_needed(least / spread, CHANCE, paired=True),
                ]
            )
    return pd.DataFrame(rows, columns=columns)


def _logs(runs: pd.DataFrame, metric: str) -> np.ndarray:
    if metric == "selectivity":
        return runs["log_selectivity"].to_numpy(float)
    return stats.log_rates(runs[metric].to_numpy(float))


def seeds_section(comparison: Comparison) -> str:
    """The table of `seeds_needed` for the report; "" where nothing can be said."""
    table = seeds_needed(comparison.runs)
    if table.empty:
        return ""
    body = "".join(_seeds_row(row) for row in table.to_dict(orient="records"))
    return (
        "<details><summary>How many seeds it takes</summary>"
        '<div class="scroll"><table><caption>Seeds needed <span>for a chance of 80 % in a paired t'
        " test on log ratios to the baseline</span></caption><thead><tr><th>condition</th>"
        "<th>metric</th><th>n</th><th>ratio</th><th>d</th><th>power now</th>"
        "<th>for this effect</th><th>for 20 %</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
        '<p class="soft">d: log ratio in standard deviations over seeds. Power now takes the'
        " effect that was seen for the true one, which flatters it.</p></details>\n"
    )


def _seeds_row(row: dict[Hashable, Any]) -> str:
    cells = [escape(row["condition"]), escape(_words(row["metric"])), str(row["n"])]
    cells += [number(row[name], digits) for name, digits in (("ratio", 2), ("d", 1), ("power", 2))]
    cells += [_count(row["for_this"]), _count(row["for_least"])]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _words(metric: str) -> str:
    return metric.removesuffix("_rate").replace("yield", "apples")


def _count(seeds: int) -> str:
    return f"{seeds:,}" if seeds else "-"
