"""From a replay to something to look at: one HTML page, a GIF or an MP4."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from karma_rllib.envs import film, render
from karma_rllib.envs.replay import Replay
from karma_rllib.envs.replay_life import relive
from karma_rllib.envs.scene import Look, Onlooker, film_of, stage_of

PAGES = Path(__file__).with_name("pages")
TEMPLATES = Environment(
    loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
SUFFIXES = (".html", ".gif", ".mp4")
SIDE = 480  # of a picture in a film [pixels], about


def page(template: str, scripts: tuple[str, ...], data: Any, **texts: str) -> str:
    """Fill a template: styles, scripts and data go into the page itself.

    Args:
        template: name of a file in `pages`.
        scripts: names of files there, in order.
        data: JSON data, for the script element `data`.
        **texts: other fields of the template; they are escaped.
    """
    fields = dict(texts)
    fields["css"] = (PAGES / "page.css").read_text(encoding="utf-8")
    fields["script"] = "\n".join((PAGES / s).read_text(encoding="utf-8") for s in scripts)
    # "<" could end the script element; as \\u003c it is the same JSON.
    fields["data"] = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return TEMPLATES.get_template(template).render(fields)


def looks_of(replay: Replay) -> Iterator[tuple[Look, Any]]:
    """Relive a replay; every look with the lifetime that shows it."""
    eye = Onlooker(len(replay.head.policies))
    for now in relive(replay):
        yield eye.look(now), now


def to_html(replay: Replay, title: str | None = None) -> str:
    """One self-contained page that plays a replay; it asks no network for anything.

    Args:
        replay: what to show.
        title: of the page; None: the world and why it was kept.

    Raises:
        ReplayError: this version of the package cannot relive it.
    """
    stage: dict[str, Any] = {}

    def looks() -> Iterator[Look]:
        for look, now in looks_of(replay):
            if not stage:
                stage.update(stage_of(now.life, replay.head.policies, now.kin))
            yield look

    packed = film_of(looks(), replay.tracks)
    head = replay.head
    name = f"{head.world}, {head.note} episode" if head.note else head.world
    about = (
        f"profile {stage['profile']}, seed {head.seed}, world {head.uid}, "
        f"episode {head.episode}, {replay.steps} steps"
    )
    return page(
        "viewer.html",
        ("scene.js", "draw.js", "panel.js", "viewer.js"),
        {"stage": stage, "film": packed},
        title=title or name,
        about=about,
    )


def pictures(replay: Replay, cell: int | None = None) -> Iterator[np.ndarray]:
    """The frames of a replay as pictures with a caption strip, uint8 (height, width, 3).

    Args:
        replay: what to show.
        cell: side of a grid cell [pixels], even; None: so that a picture measures about 480.
    """
    draw, hits = render.pen(replay.head.world).draw, 0
    for now in relive(replay):
        if cell is None:
            cell = max(8, SIDE // len(now.frame.cells) // 2 * 2)
        lights = {}
        if now.events is not None:
            hits += int(now.events.hit.sum())
            lights = {"fired": now.events.fired, "hit": now.events.hit.any(0)}
        yield film.shot(draw, now.frame, hits, cell, **lights)


def write(replay: Replay, path: Path, fps: int = 8, title: str | None = None) -> Path:
    """Write a replay as its file's suffix says: `.html`, `.gif` or `.mp4`.

    Raises:
        ReplayError: this version of the package cannot relive it.
        ValueError: another suffix, or a speed that the format cannot show.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} ends in {path.suffix!r}: it must end in {', '.join(SUFFIXES)}.")
    if path.suffix == ".gif":
        return film.save_gif(list(pictures(replay)), path, fps)
    if path.suffix == ".mp4":
        return film.save_mp4(pictures(replay), path, fps)
    text = to_html(replay, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
