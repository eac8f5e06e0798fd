"""Figures of a comparison: learning curves, and every seed's late window.

Figures are built without pyplot and drawn by Agg and the SVG writer, whatever backend the process
uses; the style applies inside this module only. The same comparison gives the same bytes.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from karma_rllib.analysis.curves import binned, over_seeds
from karma_rllib.analysis.late import BASELINE
from karma_rllib.analysis.runs import MAIN, STEM

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

Dashes = tuple[float, tuple[float, ...]]
STYLE = Path(__file__).with_name("karma.mplstyle")

_LIGHT = {"ink": "#1f2328", "soft": "#6b7280", "grid": "#e5e7eb", "paper": "#ffffff"}
_DARK = {"ink": "#e6e6e6", "soft": "#9aa4b2", "grid": "#2d333b", "paper": "#15191e"}

# Okabe and Ito's colours, which people with colour blindness can tell apart; the baseline is grey.
_COLOURS = {
    "baseline": "#7a828c",
    "broken": "#d55e00",
    "karma": "#e69f00",
    "karma_out": "#0072b2",
    "karma_contrast": "#009e73",
    "placebo_inert": "#cc79a7",
    "placebo_agg": "#56b4e9",
    "shuffled": "#b8a400",
    "role_only": "#8c6d31",
    "cap_only": "#a3a3a3",
    "tvt": "#0072b2",
    "matchmaker": "#e69f00",
    "karmic": "#009e73",
    "tvt_shuffle": "#56b4e9",
    "tvt_random_time": "#8c6d31",
    "karmic_shuffle": "#b8a400",
    "karmic_value": "#d55e00",
    "matchmaker_random": "#cc79a7",
    "tvt_random_pairs": "#a3a3a3",
    "karma+karmic": "#b8a400",
    "karma_out+karmic": "#0072b2",
}
_ON_DARK = {"#0072b2": "#4aa3e8", "#009e73": "#2cc79a", "#d55e00": "#f0803a"}
_SPARE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31")
_CONTROLS = (
    *("broken", "placebo", "shuffled", "role_only", "cap_only"),
    *("tvt_shuffle", "tvt_random", "karmic_shuffle", "karmic_value", "matchmaker_random"),
)


class Panel(NamedTuple):
    """One metric in a figure, shown times `factor`; `scale` is "linear", "log" or "symlog"."""

    metric: str
    title: str
    unit: str
    factor: float = 1.0
    scale: str = "linear"
    dots_from_zero: bool = True


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


@contextmanager
def _style(dark: bool) -> Iterator[dict[str, str]]:
    """The house style, in force only inside the block; yields its named colours."""
    c = _DARK if dark else _LIGHT
    colours = {
        **dict.fromkeys(("text.color", "axes.titlecolor"), c["ink"]),
        **dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), c["soft"]),
        **dict.fromkeys(("grid.color", "axes.edgecolor"), c["grid"]),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), c["paper"]),
    }
    with matplotlib.style.context([str(STYLE), colours], after_reset=True):
        yield c


def colour(condition: str, conditions: list[str], dark: bool = False) -> str:
    """The condition's own colour, or a spare one by its place among the unknown conditions."""
    unknown = [name for name in conditions if name not in _COLOURS]
    spare = dict(zip(unknown, itertools.cycle(_SPARE)))
    paint = _COLOURS.get(condition) or spare[condition]
    return _ON_DARK.get(paint, paint) if dark else paint


def dashes(condition: str) -> Dashes:
    """Controls are dashed, so that colour is not the only difference."""
    return (0, (3.5, 1.6) if condition.startswith(_CONTROLS) else ())


def _grid(shown: list[Panel], title: str, height: float, soft: str) -> tuple[Figure, list[Axes]]:
    engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(11, height), layout=engine)
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.012, ha="left", fontsize=14, fontweight="bold")
    axes = figure.subplots(2, 3).ravel().tolist()
    for ax, panel in zip(axes, shown, strict=True):
        ax.set_title(panel.title, pad=22)
        ax.annotate(
            panel.unit,
            (0, 1),
            (0, 8),
            xycoords="axes fraction",
            textcoords="offset points",
            color=soft,
            fontsize=9,
        )
    return figure, axes


def _legend(figure: Figure, paints: dict[str, str]) -> None:
    handles = [
        Line2D([], [], color=paint, linestyle=dashes(name), linewidth=2.4, label=name)
        for name, paint in paints.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), 6))


def _plain(value: float, _: int) -> str:
    return f"{value:g}"


def _rescale(axis: Axis, set_scale: Callable[..., None], scale: str) -> None:
    """Logarithmic axes with ticks at 1, 2, 5 and plain numbers; linear ones stay as they are."""
    if scale == "linear":
        return
    if scale == "log":
        set_scale("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        set_scale("symlog", linthresh=2, linscale=0.6)
        axis.set_major_locator(FixedLocator([0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]))
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_formatter(NullFormatter())


def learning_curves(comparison: Comparison, dark: bool = False) -> Figure:
    """Six metrics over agent-steps: mean over seeds, range over seeds as band, each seed thin."""
    names, shown = comparison.conditions, panels(comparison)
    paints = {name: colour(name, names, dark) for name in names}
    with _style(dark) as c:
        curves = binned(comparison.frame)
        figure, axes = _grid(shown, "What was learned", 6.9, c["soft"])
        branch, end = comparison.runs["branch"].max(), comparison.runs["agent_steps"].max()
        late = end - comparison.late_fraction * (end - branch)
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
        _legend(figure, paints)
        return figure


def _draw_curves(ax: Axes, panel: Panel, curves: pd.DataFrame, paints: dict[str, str]) -> None:
    main = curves[curves["stage"] == MAIN]
    stem = curves[curves["stage"] == STEM]
    grey = paints.get(BASELINE, _COLOURS[BASELINE])
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
    _rescale(ax.yaxis, ax.set_yscale, panel.scale)
    if panel.scale != "log":
        ax.set_ylim(0, None)


def late_dots(comparison: Comparison, dark: bool = False) -> Figure:
    """Six metrics of the late window: a dot per seed, the mean and its 95 % interval."""
    names, shown = comparison.conditions, panels(comparison)
    paints = {name: colour(name, names, dark) for name in names}
    with _style(dark) as c:
        height = 3.2 + 0.66 * len(names)
        figure, axes = _grid(shown, "The late window, seed by seed", height, c["soft"])
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
            _rescale(ax.xaxis, ax.set_xscale, panel.scale)
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


def png(figure: Figure, dark: bool = False) -> bytes:
    """The figure as PNG, without a software stamp; `dark` as it was made."""
    return _encoded(figure, dark, "png", {"Software": None})


def svg(figure: Figure, dark: bool = False) -> bytes:
    """The figure as SVG, without a date; element ids do not change from run to run."""
    return _encoded(figure, dark, "svg", {"Date": None, "Creator": None})


def _encoded(figure: Figure, dark: bool, suffix: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with _style(dark):  # ticks are made, and the resolution is read, when a figure is drawn
        figure.savefig(buffer, format=suffix, metadata=metadata)
    return buffer.getvalue()


def draw(comparison: Comparison) -> list[Path]:
    """Write `curves` and `late`, as PNG and SVG, into the comparison's folder."""
    comparison.out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in (("curves", learning_curves), ("late", late_dots)):
        figure = make(comparison)
        for suffix, encode in ((".png", png), (".svg", svg)):
            path = comparison.out_dir / f"{name}{suffix}"
            path.write_bytes(encode(figure))
            written.append(path)
    return written
