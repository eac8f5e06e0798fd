"""Policies x scenarios: what each policy earned where, as a table, a picture and a page.

Three views: `latest`, the newest version of each policy, best first; `versions`, all of them;
`chronological`, all in the order in which they were first played.  Bots have one version.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from karma_rllib.analysis import kept
from karma_rllib.analysis.meetings import cells, focal_only
from karma_rllib.analysis.store import current

VIEWS = ("latest", "versions", "chronological")
OVERALL = "overall"
DARK = 0.5  # on darker cells the text is white
STYLE = """
body{font:14px system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}
th,td{padding:.35rem .6rem;border:1px solid #fff;text-align:right;white-space:nowrap}
thead th{vertical-align:bottom;font-weight:600}tbody th{text-align:left;font-weight:500}
td{position:relative;cursor:default}td[data-n]:hover::after,td[data-n]:focus::after{
content:attr(data-n);position:absolute;left:50%;top:100%;z-index:9;padding:.3rem .6rem;
background:#222;color:#fff;border-radius:4px}section[hidden]{display:none}
td span a{color:inherit;padding:0 .2rem}
nav button{font:inherit;padding:.3rem .8rem;margin-right:.4rem}nav [aria-pressed=true]{
background:#222;color:#fff}
"""
SCRIPT = """
const views=[...document.querySelectorAll('section')];
const buttons=[...document.querySelectorAll('nav button')];
function show(name){views.forEach(v=>v.hidden=v.id!==name);
buttons.forEach(b=>b.setAttribute('aria-pressed',b.dataset.view===name));}
buttons.forEach(b=>b.onclick=()=>show(b.dataset.view));show(buttons[0].dataset.view);
"""


def short(uri: str) -> str:
    """A policy's name in a table: a bot's, or the last two folders of its path."""
    if uri.startswith("bot://"):
        return uri.removeprefix("bot://")
    if uri.startswith("random://"):
        return "random"
    return "/".join(Path(uri.removeprefix("file://")).parts[-2:])


def tidy(table: pd.DataFrame, value: str = "raw_return") -> pd.DataFrame:
    """One row per focal policy, version and column of the heatmap.

    Args:
        table: rows of a store, see `store.read`.
        value: `raw_return`, `shared_return` or `score`.

    Returns:
        Columns `policy_uri`, `version`, `label`, `column` (scenario and whom it met), `mean`,
        `low`, `high`, `n` [episodes], `first` (id of the version's first episode), and the files
        of replays, as `kept.KINDS`.

    Raises:
        ValueError: there is no episode with such a value.
    """
    found = focal_only(cells(table, value)).reset_index(drop=True)
    if found.empty:
        raise ValueError(f"no episode in the file has a {value.replace('_', ' ')} to show")
    rows = current(table)
    first = rows.groupby(["policy_uri", "version"])["id"].min().rename("first").reset_index()
    found = found.merge(first, on=["policy_uri", "version"])
    found = found.merge(kept.replays(rows, value), on=kept.CELL, how="left")
    met = found["npc"].map(lambda npc: short(npc.rpartition("@")[0]) if npc else "")
    several = found["suite"].nunique() > 1
    where = found["suite"] + " " + found["scenario"] if several else found["scenario"]
    found["column"] = where + met.map(lambda name: f" | {name}" if name else "")
    found["label"] = found["policy_uri"].map(short)
    trained = found["policy_uri"].str.startswith("file://")
    found.loc[trained, "label"] += " @ " + found["version"][trained].astype(str)
    keep = ["policy_uri", "version", "label", "column", "mean", "low", "high", "n", "first"]
    return found[[*keep, *kept.KINDS]].fillna(dict.fromkeys(kept.KINDS, ""))


def view(found: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The policies of a view in its order.

    Args:
        found: from `tidy`.
        name: one of `VIEWS`.

    Returns:
        The means, a row per policy and version, `overall` in front (the mean over the columns
        that the policy has played); and the rows of `found` that are in the view.
    """
    part = found
    if name == "latest":
        part = found[found["version"] == found.groupby("policy_uri")["version"].transform("max")]
    rows = ["policy_uri", "version", "label", "first"]
    means = part.pivot_table(index=rows, columns="column", values="mean").sort_index(axis=1)
    means.insert(0, OVERALL, means.mean(axis=1))
    if name == "latest":
        means = means.sort_values(OVERALL, ascending=False, kind="stable")
    else:
        means = means.sort_index(level=["first"] if name == "chronological" else rows[:2])
    return means, part


def picture(means: pd.DataFrame, path: Path) -> Path:
    """Draw a view as a PNG."""
    data = means.to_numpy()
    size = (2.5 + 1.1 * data.shape[1], 1.6 + 0.4 * data.shape[0])
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(np.ma.masked_invalid(_scaled(data)), cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(data.shape[1]), means.columns, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(data.shape[0]), means.index.get_level_values("label"), fontsize=8)
    for (y, x), value in np.ndenumerate(data):
        if np.isfinite(value):
            colour = "white" if _scaled(data)[y, x] < DARK else "black"
            axes.text(x, y, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path, dpi=150)
    return path


def _scaled(data: np.ndarray) -> np.ndarray:
    """Values from 0 (lowest of all) to 1 (highest)."""
    low, high = np.nanmin(data), np.nanmax(data)
    return (data - low) / (high - low) if high > low else np.full_like(data, 1.0)


def page(found: pd.DataFrame, title: str, links: Mapping[str, str] | None = None) -> str:
    """A page with all three views; hovering tells n and the interval.

    Args:
        found: from `tidy`.
        title: of the page.
        links: addresses of pages by file of a replay; those without one are not linked.
    """
    links = links or {}
    names = {"latest": "Latest", "versions": "All versions", "chronological": "Chronological"}
    buttons = "".join(f'<button data-view="{key}">{word}</button>' for key, word in names.items())
    body = "".join(
        f'<section id="{key}">{_table(*view(found, key), links)}</section>' for key in VIEWS
    )
    name = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style><h1>{name}</h1><nav>{buttons}</nav>{body}"
        f"<script>{SCRIPT}</script></html>\n"
    )


def _table(means: pd.DataFrame, part: pd.DataFrame, links: Mapping[str, str]) -> str:
    """One view as an HTML table."""
    known: Mapping[Any, Any] = {
        (row["policy_uri"], row["version"], row["column"]): row for row in part.to_dict("records")
    }
    values = means.to_numpy()
    shades = _scaled(values)
    head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in means.columns)
    lines = []
    for y, (uri, version, label, _) in enumerate(means.index):
        cells_ = "".join(
            _cell(float(values[y, x]), shades[y, x], known.get((uri, version, column)), links)
            for x, column in enumerate(means.columns)
        )
        tip = html.escape(f"{uri} version {version}", quote=True)
        lines.append(f'<tr><th scope="row" title="{tip}">{html.escape(label)}</th>{cells_}</tr>')
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _cell(
    value: float, shade: float, row: Mapping[str, Any] | None, links: Mapping[str, str]
) -> str:
    """One cell: its value, its colour, what hovering tells, and where its replays are."""
    if not np.isfinite(value):
        return "<td></td>"
    colour = matplotlib.colors.to_hex(matplotlib.colormaps["viridis"](shade))
    style = f"background:{colour};color:{'#fff' if shade < DARK else '#000'}"
    if row is None:
        return f'<td style="{style}"><b>{value:.2f}</b></td>'
    tip = f"n = {row['n']}, 95 % interval {row['low']:.2f} to {row['high']:.2f}"
    there = [(kind, links[row[kind]]) for kind in kept.KINDS if row[kind] in links]
    seen = "".join(
        f'<a href="{html.escape(to, quote=True)}" aria-label="replay of the {kind} episode" '
        f'title="{kind} episode">{kept.MARKS[kind]}</a>'
        for kind, to in there
    )
    text = f"{value:.2f}" + (f" <span>{seen}</span>" if seen else "")
    return f'<td style="{style}" tabindex="0" data-n="{html.escape(tip, quote=True)}">{text}</td>'


def write(
    found: pd.DataFrame, folder: Path, value: str, links: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """Write `heatmap.html`, `heatmap.csv` and one `heatmap_VIEW.png` per view.

    Args:
        found: from `tidy`.
        folder: where to; made if missing.
        value: what is shown, for the title.
        links: see `page`.

    Returns:
        The files by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {"html": folder / "heatmap.html", "csv": folder / "heatmap.csv"}
    title = f"{value.replace('_', ' ').capitalize()} per focal agent"
    files["html"].write_text(page(found, title, links), encoding="utf-8")
    found.drop(columns="first").to_csv(files["csv"], index=False)
    for name in VIEWS:
        files[name] = picture(view(found, name)[0], folder / f"heatmap_{name}.png")
    return files
