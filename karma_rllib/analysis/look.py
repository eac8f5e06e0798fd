"""The look of every figure: style, colours, panels, legends, files.

Figures are built without pyplot and drawn by Agg and the SVG writer, whatever backend the process
uses; the style applies inside `style` only. The same comparison gives the same bytes.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

Dashes = tuple[float, tuple[float, ...]]
STYLE = Path(__file__).with_name("karma.mplstyle")

_LIGHT = {"ink": "#1f2328", "soft": "#6b7280", "grid": "#e5e7eb", "paper": "#ffffff"}
_DARK = {"ink": "#e6e6e6", "soft": "#9aa4b2", "grid": "#2d333b", "paper": "#15191e"}

# Okabe and Ito's colours, which people with colour blindness can tell apart; the baseline is grey.
COLOURS = {
    "baseline": "#7a828c",
    "broken": "#d55e00",
    "karma": "#e69f00",
    "karma_out": "#0072b2",
    "karma_contrast": "#009e73",
    "placebo_inert": "#cc79a7",
    "placebo_agg": "#56b4e9",
    "shuffled": "#b8a400",
    "role_only": "#8c6d31",
    "no_zap": "#6a51a3",
    "cap_only": "#a3a3a3",
    "tvt": "#0072b2",
    "memory": "#6a51a3",
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
_ON_DARK = {"#0072b2": "#4aa3e8", "#009e73": "#2cc79a", "#d55e00": "#f0803a", "#6a51a3": "#a594d6"}
_SPARE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31")
_CONTROLS = (
    *("broken", "placebo", "shuffled", "role_only", "no_zap", "cap_only"),
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


@contextmanager
def style(dark: bool) -> Iterator[dict[str, str]]:
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
    unknown = [name for name in conditions if name not in COLOURS]
    spare = dict(zip(unknown, itertools.cycle(_SPARE)))
    paint = COLOURS.get(condition) or spare[condition]
    return _ON_DARK.get(paint, paint) if dark else paint


def dashes(condition: str) -> Dashes:
    """Controls are dashed, so that colour is not the only difference."""
    return (0, (3.5, 1.6) if condition.startswith(_CONTROLS) else ())


def grid(
    shown: Sequence[Panel], title: str, height: float, soft: str, columns: int = 3
) -> tuple[Figure, list[Axes]]:
    """Two rows of titled panels, 11 inches wide and `height` high."""
    engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(11, height), layout=engine)
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.012, ha="left", fontsize=14, fontweight="bold")
    axes = figure.subplots(2, columns).ravel().tolist()
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


def legend(figure: Figure, paints: dict[str, str]) -> None:
    """One legend of all conditions, below the panels."""
    handles = [
        Line2D([], [], color=paint, linestyle=dashes(name), linewidth=2.4, label=name)
        for name, paint in paints.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), 6))


def _plain(value: float, _: int) -> str:
    return f"{value:g}"


def rescale(axis: Axis, set_scale: Callable[..., None], scale: str) -> None:
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


def png(figure: Figure, dark: bool = False) -> bytes:
    """The figure as PNG, without a software stamp; `dark` as it was made."""
    return _encoded(figure, dark, "png", {"Software": None})


def svg(figure: Figure, dark: bool = False) -> bytes:
    """The figure as SVG, without a date; element ids do not change from run to run."""
    return _encoded(figure, dark, "svg", {"Date": None, "Creator": None})


def _encoded(figure: Figure, dark: bool, suffix: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with style(dark):  # ticks are made, and the resolution is read, when a figure is drawn
        figure.savefig(buffer, format=suffix, metadata=metadata)
    return buffer.getvalue()
