"""One self-contained HTML page: words, tables, figures, films, settings, provenance.

The page loads nothing from anywhere: images are inlined, styles are in the page, there is no
script. Text that comes from files (names, settings, commands) is escaped.
"""

from __future__ import annotations

import base64
import itertools
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from karma_rllib.analysis import (
    debt_figures,
    figures,
    kin_figures,
    profiles,
    report_parts,
    words,
)
from karma_rllib.analysis.tables import GROUPS, UNITS, bounds, caption, columns_of, number

if TYPE_CHECKING:
    from karma_rllib.analysis.compare import Comparison

TEMPLATE = Path(__file__).with_name("report.html")
MAX_BYTES = 5_000_000  # of the whole page: films that would exceed it are left out, and named

_CURVES = (
    "Thick: mean over seeds (dashed: controls). Band: from the lowest to the highest seed. Thin:"
    " single seeds. Rates are ratios of sums over bins of agent-steps."
)
_DOTS = "Dots: seeds. Tick: mean. Bar: 95 % t interval over seeds. Dotted line: baseline mean."
_PROFILES = (
    "Share of an arm's runs whose late window lies above a level; band: pointwise 95 % bootstrap"
    " over runs (dashed: controls). Where a curve is higher, more runs get there: better for"
    " cooperation, yield and selectivity, worse for violence."
)
_DEBTS = (
    "Thick: mean over seeds. Band or bar: 95 % t interval over seeds, none for a single seed. Thin:"
    " single seeds. A hit is retributive if its victim owed the shooter, else predatory. Dotted:"
    " the share of retributive hits to expect had each victim been hit by any other agent, all"
    " alike likely; only what exceeds it is retribution."
)


def write_report(
    comparison: Comparison,
    *,
    gifs: Mapping[str, Path] | None = None,
    command: str = "",
    verdicts: str = "",
) -> Path:
    """Write `report.html` into the comparison's folder.

    Args:
        comparison: what to report.
        gifs: a film per condition; shown in the order of the tables while they fit.
        command: the command that made this comparison.
        verdicts: the section on registered predictions, see `verdict_view.section`.

    Returns:
        The path of the page, smaller than 5 MB.

    Raises:
        ValueError: a film is not a GIF.
    """
    summary = words.summarise(comparison)
    fields = {
        "title": escape(_title(comparison)),
        "subtitle": escape(f"Pooled from {_listed(f.name for f in comparison.folders)}."),
        "setup": escape(summary.setup),
        "gate": _paragraph(summary.gate),
        "findings": "\n".join(_card(f, comparison.conditions) for f in summary.findings),
        "caution": escape(summary.caution),
        "notes": _notes(comparison.notes),
        "verdicts": verdicts,
        "tables": "\n".join(
            _table(comparison, group) for group in GROUPS if columns_of(comparison, group)
        ),
        "society": report_parts.society(comparison),
        "cost": profiles.seeds_section(comparison) + report_parts.cost(comparison),
        "caption": escape(caption(comparison)),
        "figures": _figures(comparison, command),
        "commands": _commands(comparison, command),
        "settings": "\n".join(_settings(f.name, f.config_text) for f in comparison.folders),
        "provenance": "\n".join(_provenance(f.name, f.provenance) for f in comparison.folders),
    }
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    room = MAX_BYTES - len(template.substitute(fields, films="").encode()) - 10_000
    page = template.substitute(fields, films=_films(comparison, gifs or {}, room))
    comparison.out_dir.mkdir(parents=True, exist_ok=True)
    path = comparison.out_dir / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _title(comparison: Comparison) -> str:
    names = (folder.experiment.get("name") or folder.name for folder in comparison.folders)
    return f"{_listed(dict.fromkeys(map(str, names)))}: conditions compared"


def _listed(names: Iterable[str]) -> str:
    *first, last = list(names)
    return f"{', '.join(first)} and {last}" if first else last


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _card(finding: words.Finding, conditions: list[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in finding.sentences)
    paint = figures.colour(finding.condition, conditions)
    return (
        f'<div class="card" style="border-left-color: {paint}">'
        f"<h3>{escape(finding.head)}</h3><ul>{items}</ul></div>"
    )


def _notes(notes: list[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if notes else ""


def _table(comparison: Comparison, group: str) -> str:
    columns = columns_of(comparison, group)
    head = "".join(f"<th>{escape(column.title)}</th>" for column in columns)
    rows = []
    for condition in comparison.conditions:
        cells = []
        for column in columns:
            interval = comparison.cell(condition, column.name)
            mean, span = number(interval.mean, column.digits), bounds(interval, column.digits)
            cells.append(f"<td>{mean}<small>{span}</small></td>")
        n = (comparison.runs["condition"] == condition).sum()
        rows.append(f"<tr><td>{escape(condition)}</td><td>{n}</td>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><caption>{group} <span>{escape(UNITS[group])}</span></caption>'
        f"<thead><tr><th>condition</th><th>n</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _figures(comparison: Comparison, command: str) -> str:
    drawn = [
        _figure(comparison, figures.learning_curves, "Learning curves", _CURVES, command),
        _figure(comparison, figures.late_dots, "Late window of every seed", _DOTS, command),
    ]
    if profiles.shown(comparison):
        drawn.append(_figure(comparison, profiles.profiles, "Profiles", _PROFILES, command))
    if debt_figures.shown(comparison):
        drawn.append(_figure(comparison, debt_figures.debts, "Who owes whom", _DEBTS, command))
    if kin_figures.shown(comparison):
        title = "Against relatedness"
        drawn.append(_figure(comparison, kin_figures.kin, title, kin_figures.CAPTION, command))
    return "".join(drawn)


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _figure(
    comparison: Comparison, make: Callable[..., Figure], title: str, text: str, command: str
) -> str:
    """A figure in both themes; the browser shows the one that fits."""
    light, dark = (_data_uri("png", figures.png(make(comparison, d), d)) for d in (False, True))
    drawn_by = f" Drawn by <code>{escape(command)}</code>." if command else ""
    alt = f"{title} of {_listed(comparison.conditions)}; the numbers are in the tables above"
    return (
        '<figure><div class="scroll"><picture>'
        f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(alt)}"></picture></div>'
        f"<figcaption>{escape(text)}{drawn_by}</figcaption></figure>\n"
    )


def _films(comparison: Comparison, gifs: Mapping[str, Path], room: int) -> str:
    """Films in table order, as long as there is room [bytes]; the rest is named."""
    order = [name for name in comparison.conditions if name in gifs]
    shown, absent = [], []
    for name in [*order, *(name for name in gifs if name not in order)]:
        data = Path(gifs[name]).read_bytes()
        if not data.startswith(b"GIF8"):
            raise ValueError(f"The film of condition {name}, {gifs[name]}, is not a GIF.")
        uri = _data_uri("gif", data)
        if len(uri) + 500 > room:
            absent.append(f"{Path(gifs[name]).name} ({len(data) / 1e6:.1f} MB)")
            continue
        room -= len(uri) + 500
        label = escape(name)
        image = f'<img src="{uri}" alt="one episode of {label}">'
        shown.append(f"<figure>{image}<figcaption>{label}</figcaption></figure>")
    if not gifs:
        return ""
    left_out = f"Too large for this page: {_listed(absent)}." if absent else ""
    return (
        "<h2>One episode each</h2>\n"
        f'<div class="films">{"".join(shown)}</div>\n{_paragraph(left_out)}'
    )


def _commands(comparison: Comparison, command: str) -> str:
    lines = [_command(folder.provenance.get("command")) for folder in comparison.folders]
    text = "\n".join(line for line in dict.fromkeys([*lines, command]) if line)
    return f"<pre>{escape(text)}</pre>" if text else "<p>The command was not recorded.</p>"


def _command(recorded: Any) -> str:
    """A recorded command as one line that a shell reads."""
    return shlex.join(map(str, recorded)) if isinstance(recorded, list) else str(recorded or "")


def _settings(name: str, text: str) -> str:
    if not text:
        return _paragraph(f"The settings of {name} were not recorded.")
    return (
        f"<details><summary>Settings of {escape(name)}</summary><pre>{escape(text)}</pre></details>"
    )


def _provenance(name: str, provenance: Mapping[str, Any]) -> str:
    if not provenance:
        return _paragraph(f"What {name} ran on was not recorded.")
    rows = "".join(
        f"<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>"
        for key, value in _leaves(provenance)
    )
    return (
        f"<details><summary>What {escape(name)} ran on</summary>"
        f'<div class="scroll"><table class="wide"><tbody>{rows}</tbody></table></div></details>'
    )


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested data as (dotted key, text); empty values are left out."""
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            yield from _leaves(dict(zip(map(str, itertools.count(1)), value)), f"{name}.")
        elif isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        elif isinstance(value, list):
            yield name, ", ".join(map(str, value))
        elif value is not None:
            yield name, str(value)
