"""The picture of Schelling tests: one diagram per game."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from karma_rllib.analysis.look import Dashes, style
from karma_rllib.analysis.schelling import Payoffs, games, means, schelling_test

COOPERATOR, DEFECTOR = "#0072b2", "#d55e00"
_ON_DARK = {COOPERATOR: "#4aa3e8", DEFECTOR: "#f0803a"}
_KINDS: tuple[tuple[str, Dashes, str], ...] = (
    ("cooperator", (0, ()), "o"),
    ("defector", (0, (3.5, 1.6)), "s"),
)
COLUMNS = 4


def diagrams(table: pd.DataFrame, dark: bool = False) -> Figure:
    """Draw what cooperators and defectors earn, by how many others cooperate.

    Args:
        table: `schelling.COLUMNS`.
        dark: on a dark ground.
    """
    found = games(table)
    rows = -(-len(found) // COLUMNS)
    paints = [_ON_DARK[c] if dark else c for c in (COOPERATOR, DEFECTOR)]
    with style(dark) as c:
        engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        figure = Figure(figsize=(11, 0.9 + 3.1 * rows), layout=engine)
        FigureCanvasAgg(figure)
        figure.suptitle(
            "What it pays to cooperate", x=0.012, ha="left", fontsize=14, fontweight="bold"
        )
        axes = np.atleast_1d(figure.subplots(rows, min(COLUMNS, len(found)))).ravel().tolist()
        for ax, ((profile, cooperator, defector), payoffs) in zip(axes, found, strict=False):
            test = schelling_test(payoffs)
            ax.set_title(profile, pad=34)
            told = f"{cooperator} or {defector}\n{test.verdict}"
            told += f": {' and '.join(test.reasons)}" if test.reasons else ""
            ax.annotate(
                told, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points",
                color=c["soft"], fontsize=9,
            )  # fmt: skip
            _draw(ax, payoffs, paints)
        for ax in axes[len(found) :]:
            ax.set_visible(False)
        for ax in axes[::COLUMNS]:
            ax.set_ylabel("reward per episode")
        handles = [
            Line2D([], [], color=paint, linestyle=dash, marker=mark, label=label)
            for paint, (label, dash, mark) in zip(paints, _KINDS, strict=True)
        ]
        figure.legend(handles=handles, loc="outside lower left", ncols=2)
        return figure


def _draw(ax: Axes, payoffs: Payoffs, paints: list[str]) -> None:
    """One diagram: means over seeds with their intervals."""
    for rows, paint, (_, dash, mark) in zip(payoffs, paints, _KINDS, strict=True):
        k = np.arange(len(rows))
        mean, low, high = (
            np.array([getattr(one, end) for one in means(rows)]) for end in ("mean", "low", "high")
        )
        ax.fill_between(k, low, high, color=paint, alpha=0.18, linewidth=0)
        ax.plot(k, mean, color=paint, linestyle=dash, marker=mark, markersize=4.5)
    ax.set_xlabel("others who cooperate")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.axhline(0, color="#9aa4b2", linewidth=0.8, zorder=0)
