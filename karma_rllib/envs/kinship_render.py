"""From a frame of the kinship world to a picture or a block of letters; see `render` for the style.

    generator  a diamond, bright when ready    charger   a bolt, bright when ready
    altar      a heart, bright when ready      station   a cog
    block      a crate                         agent     a drop that points ahead, numbered

An agent wears a ring when its shield is up, a flag of its marker's colour, and a bar of energy.
"""

from typing import Any

import numpy as np
from PIL import Image

from karma_rllib.envs import render
from karma_rllib.worlds import kinship_state as k

FULL = 250.0  # energy that fills the bar
GEM = ((86, 180, 233, 255), (204, 121, 167, 255), (240, 228, 66, 255), (0, 158, 115, 255))
BOLT, HEART, COG = (240, 228, 66, 255), (213, 94, 0, 255), (170, 176, 192, 255)
CRATE, CRATE_EDGE = (150, 112, 70, 255), (96, 70, 42, 255)
RING, BAR, BAR_BACK = (160, 220, 255, 255), (0, 158, 115, 255), (18, 20, 28, 255)
DIM = 0.42  # lightness of a machine that pauses

LETTERS = np.array([". ", "##", "B ", "G ", "C ", "A ", "h ", "S "], dtype="<U2")


def draw(
    frame: k.Frame,
    *,
    fired: np.ndarray | None = None,
    hit: np.ndarray | None = None,
    cell: int = 32,
) -> np.ndarray:
    """Paint a frame.

    Args:
        frame: what `KinshipWorld.frame()` returns.
        fired: who attacked in the step that led here, bool (N,); not shown apart from its target.
        hit: who was hit in that step, bool (N,).
        cell: side of a grid cell [pixels], at least 8; an even number.

    Returns:
        RGB image with a border of half a cell, uint8 ((G + 1) * cell, (G + 1) * cell, 3).
    """
    image = render.ground(len(frame.cells), cell).copy()

    def put(sprite: Image.Image, row: int, col: int) -> None:
        """Centre a sprite on a cell."""
        x, y = (int(c) * cell + cell - sprite.width // 2 for c in (col, row))
        image.alpha_composite(sprite, (x, y))

    for row, col in np.argwhere(frame.cells != k.EMPTY):
        code, kind = int(frame.cells[row, col]), int(frame.kind[row, col])
        if code == k.WALL:
            put(render.sprite(render.wall, cell), row, col)
        else:
            put(render.sprite(_thing, cell, code, kind, bool(frame.ready[row, col])), row, col)
    for row, col in np.argwhere(frame.beam):
        put(render.sprite(_glow, cell), row, col)
    struck = np.zeros(len(frame.head), bool) if hit is None else np.asarray(hit, bool)
    for n in np.flatnonzero(struck & frame.present):
        put(render.sprite(render.burst, 2 * cell), *frame.pos[n])
    for n in np.flatnonzero(frame.present):
        put(render.sprite(render.agent, cell, int(n), int(frame.head[n])), *frame.pos[n])
        tenths = int(np.clip(10 * frame.energy[n] / FULL, 0, 10))
        worn = bool(frame.shield[n]), int(frame.mark[n]), tenths
        put(render.sprite(_gear, cell, *worn), *frame.pos[n])
        if frame.frozen[n]:
            put(render.sprite(render.ice, cell), *frame.pos[n])
    return np.asarray(image.convert("RGB"))


def text(frame: k.Frame) -> str:
    """Write a frame as text, two characters per cell.

    `.` floor, `##` wall, `B` block, `G` generator, `C` charger, `A` heart altar, `h` free altar,
    `S` station, machines followed by `-` while they pause; an agent is its heading (`^ > v <`)
    followed by its number modulo 10, or `x` and its number while frozen.
    """
    letters = LETTERS[frame.cells]
    for row, col in np.argwhere((frame.cells >= k.GENERATOR) & ~frame.ready):
        letters[row, col] = letters[row, col][0] + "-"
    for n in np.flatnonzero(frame.present):
        row, col = frame.pos[n]
        letters[row, col] = f"{'x' if frame.frozen[n] else '^>v<'[frame.head[n]]}{n % 10}"
    rows = ("".join(row).rstrip() for row in letters)
    return f"step {int(frame.t)}\n" + "\n".join(rows)


def _shade(colour: tuple[int, ...], ready: bool) -> tuple[int, ...]:
    """The colour, darker while a machine pauses."""
    return colour if ready else (*(int(DIM * part) for part in colour[:3]), 255)


def _thing(d: Any, s: int, code: int, kind: int, ready: bool) -> None:
    """A block or a machine."""
    if code == k.BLOCK:
        d.rectangle((0.08 * s, 0.08 * s, 0.92 * s, 0.92 * s), fill=CRATE_EDGE)
        d.rectangle((0.15 * s, 0.15 * s, 0.85 * s, 0.85 * s), fill=CRATE)
        d.line((0.15 * s, 0.15 * s, 0.85 * s, 0.85 * s), fill=CRATE_EDGE, width=round(0.07 * s))
        return
    shape, colour = {
        k.GENERATOR: ([(0.5, 0.12), (0.86, 0.42), (0.5, 0.9), (0.14, 0.42)], GEM[kind % len(GEM)]),
        k.CHARGER: (
            [(0.56, 0.08), (0.22, 0.56), (0.46, 0.56), (0.4, 0.92), (0.78, 0.42), (0.54, 0.42)],
            BOLT,
        ),
        k.ALTAR: (_HEART, HEART),
        k.FREE_ALTAR: (_HEART, GEM[1]),
        k.STATION: (_COG, COG),
    }[code]
    points = [(x * s, y * s) for x, y in shape]
    d.polygon(points, fill=_shade(colour, ready), outline=render.INK, width=round(0.04 * s))


_TURN = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_HEART = [
    (0.5 + 0.025 * 16 * np.sin(t) ** 3,
     0.46 - 0.025 * (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)))
    for t in _TURN
]  # fmt: skip
_COG = [
    (0.5 + r * np.cos(t), 0.5 + r * np.sin(t))
    for t, r in zip(_TURN, [0.42, 0.42, 0.3, 0.3] * 10, strict=True)
]


def _glow(d: Any, s: int) -> None:
    """The cell that an attack met."""
    d.rectangle((0, 0, s, s), fill=(*render.RAY, 90))


def _gear(d: Any, s: int, shield: bool, mark: int, tenths: int) -> None:
    """What an agent wears: a ring, a flag, a bar."""
    if shield:
        box = (0.03 * s, 0.03 * s, 0.97 * s, 0.97 * s)
        d.ellipse(box, outline=RING, width=round(0.07 * s))
    if mark >= 0:
        box = (0.72 * s, 0.02 * s, 0.98 * s, 0.28 * s)
        d.rectangle(box, fill=render.AGENTS[mark % len(render.AGENTS)], outline=render.INK)
    d.rectangle((0.1 * s, 0.9 * s, 0.9 * s, 0.99 * s), fill=BAR_BACK)
    d.rectangle((0.1 * s, 0.9 * s, (0.1 + 0.08 * tenths) * s, 0.99 * s), fill=BAR)
