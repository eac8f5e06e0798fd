"""From a frame to a picture: pure functions, no window, no global state.

`draw` gives an RGB image and `text` a block of letters.  Kinds differ by shape and by lightness,
not by hue alone, and hues are those of Okabe and Ito (Color Universal Design, 2008):

    apple    round, green, with a leaf      waste    brown sludge that fills its cell
    agent    a drop that points ahead, numbered; colour is identity
    frozen   the same drop inside a block of ice
    zap      a bright ray on the lit cells; a spiked burst around whoever was hit

Shapes: G grid cells per side, N agents.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from karma_rllib.worlds.harvest_state import APPLE, COLOUR, EMPTY, WALL, WASTE, Frame

STEPS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])  # (row, col) per heading N, E, S, W

FLOOR = ((30, 34, 47), (35, 39, 54))
BORDER = (19, 22, 31, 255)
STONE, STONE_TOP = (84, 89, 106, 255), (110, 116, 134, 255)
GREEN, LEAF, SHINE = (0, 158, 115, 255), (120, 214, 170, 255), (190, 240, 216, 255)
SLUDGE, SLUDGE_DARK, SLUDGE_LIGHT = (116, 84, 52, 255), (82, 58, 36, 255), (160, 124, 84, 255)
ICE, ICE_EDGE = (190, 230, 255, 110), (232, 248, 255, 255)
RAY, BURST = (255, 246, 196), (255, 236, 130, 255)
INK = (18, 20, 28, 255)
AGENTS = (
    (230, 159, 0, 255),  # orange
    (86, 180, 233, 255),  # sky blue
    (213, 94, 0, 255),  # vermilion
    (204, 121, 167, 255),  # reddish purple
    (64, 132, 214, 255),  # blue, lightened for the dark floor
    (240, 228, 66, 255),  # yellow
    (222, 222, 226, 255),  # white
    (140, 146, 162, 255),  # grey
)
FINE = 4  # sprites are drawn this many times larger, then shrunk: smooth edges

Draw = Any  # ImageDraw.ImageDraw


def pen(world: str) -> Any:
    """The module that draws the frames of a world: it has `draw` and `text`."""
    if world in ("kinship-v0", "suite-v0"):
        from karma_rllib.envs import kinship_render

        return kinship_render
    import karma_rllib.envs.render as this

    return this


def draw(
    frame: Frame,
    *,
    fired: np.ndarray | None = None,
    hit: np.ndarray | None = None,
    cell: int = 32,
) -> np.ndarray:
    """Paint a frame.

    Args:
        frame: what a world's `frame()` returns.
        fired: who shot in the step that led here, bool (N,); without it lit cells only glow.
        hit: who was hit in that step, bool (N,).
        cell: side of a grid cell [pixels], at least 8; an even number.

    Returns:
        RGB image with a border of half a cell, uint8 ((G + 1) * cell, (G + 1) * cell, 3).
    """
    shot = np.zeros(len(frame.head), bool) if fired is None else np.asarray(fired, bool)
    struck = np.zeros(len(frame.head), bool) if hit is None else np.asarray(hit, bool)
    image = ground(len(frame.cells), cell).copy()

    def put(sprite: Image.Image, row: int, col: int) -> None:
        """Centre a sprite on a cell."""
        x, y = (int(c) * cell + cell - sprite.width // 2 for c in (col, row))
        image.alpha_composite(sprite, (x, y))

    painters = {APPLE: _apple, WASTE: _waste, WALL: wall}
    for row, col in np.argwhere(frame.cells != EMPTY):
        code = int(frame.cells[row, col])
        pad = code >= COLOUR
        put(sprite(_pad, cell, code) if pad else sprite(painters[code], cell), row, col)
    if frame.beam.any():
        image.alpha_composite(_light(frame, shot, cell), (cell // 2, cell // 2))
    for n in np.flatnonzero(struck & frame.present):
        put(sprite(burst, 2 * cell), *frame.pos[n])
    for n in np.flatnonzero(frame.present):
        put(sprite(agent, cell, int(n), int(frame.head[n])), *frame.pos[n])
        if frame.frozen[n] > 0:
            put(sprite(ice, cell), *frame.pos[n])
    return np.asarray(image.convert("RGB"))


def text(frame: Frame) -> str:
    """Write a frame as text, two characters per cell.

    `.` floor, `o` apple, `%` waste, `#` wall, `a` to `d` a colour, `*` lit by a beam; an
    agent is its heading (`^ > v <`) followed by its number modulo 10, or `x` and its number while
    frozen.
    """
    letters = np.array([". ", "o ", "% ", "# ", "a ", "b ", "c ", "d "], dtype="<U2")[frame.cells]
    letters = np.where(frame.beam & (frame.cells == EMPTY), "* ", letters)
    for n in np.flatnonzero(frame.present):
        row, col = frame.pos[n]
        mark = "x" if frame.frozen[n] > 0 else "^>v<"[frame.head[n]]
        letters[row, col] = f"{mark}{n % 10}"
    rows = ("".join(row).rstrip() for row in letters)
    return f"step {int(frame.t)}\n" + "\n".join(rows)


# --- sprites: every painter draws on a unit square scaled to `s` pixels -------------------------


@lru_cache(maxsize=512)
def sprite(painter: Callable[..., None], cell: int, *args: Any) -> Image.Image:
    """One painted cell with smooth edges, RGBA (cell, cell)."""
    s = cell * FINE
    image = Image.new("RGBA", (s, s), (0, 0, 0, 0))
    painter(ImageDraw.Draw(image), s, *args)
    return image.resize((cell, cell), Image.Resampling.BOX)


@lru_cache(maxsize=8)
def ground(G: int, cell: int) -> Image.Image:
    """The chequered floor inside its border, RGBA."""
    parity = (np.add.outer(np.arange(G), np.arange(G)) % 2).repeat(cell, 0).repeat(cell, 1)
    image = Image.new("RGBA", ((G + 1) * cell, (G + 1) * cell), BORDER)
    image.paste(Image.fromarray(np.array(FLOOR, np.uint8)[parity]), (cell // 2, cell // 2))
    return image


def _disc(d: Draw, s: int, x: float, y: float, r: float, fill: Any, edge: float = 0.0) -> None:
    box = ((x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s)
    d.ellipse(box, fill=fill, outline=INK if edge else None, width=round(edge * s))


def _apple(d: Draw, s: int) -> None:
    _disc(d, s, 0.5, 0.56, 0.27, INK)
    _disc(d, s, 0.5, 0.56, 0.24, GREEN)
    _disc(d, s, 0.42, 0.48, 0.07, SHINE)
    d.line(((0.5 * s, 0.36 * s), (0.53 * s, 0.22 * s)), fill=SLUDGE_LIGHT, width=round(0.05 * s))
    d.ellipse((0.53 * s, 0.2 * s, 0.72 * s, 0.31 * s), fill=LEAF)


def _waste(d: Draw, s: int) -> None:
    d.rounded_rectangle((0.05 * s, 0.05 * s, 0.95 * s, 0.95 * s), 0.28 * s, fill=SLUDGE_DARK)
    d.rounded_rectangle((0.09 * s, 0.09 * s, 0.91 * s, 0.87 * s), 0.25 * s, fill=SLUDGE)
    for x, y, r in ((0.32, 0.34, 0.11), (0.66, 0.56, 0.14), (0.34, 0.7, 0.08)):
        _disc(d, s, x, y, r, SLUDGE_DARK)
        _disc(d, s, x - 0.02, y - 0.03, r * 0.72, SLUDGE_LIGHT)


def wall(d: Draw, s: int) -> None:
    """A stone with a lit top."""
    d.rectangle((0, 0, s, s), fill=STONE)
    d.rectangle((0, 0, s, 0.16 * s), fill=STONE_TOP)


def _pad(d: Draw, s: int, code: int) -> None:
    """A coloured tile: a cue or a pad; colours as those of agents, from the other end."""
    box = (0.06 * s, 0.06 * s, 0.94 * s, 0.94 * s)
    colour = AGENTS[-1 - (code - COLOUR) * 2 % len(AGENTS)]
    d.rounded_rectangle(box, 0.1 * s, fill=colour, outline=INK, width=round(0.05 * s))


def burst(d: Draw, s: int) -> None:
    """Drawn on a square of two cells, so that it shows around a block of ice."""
    spikes = [_polar(s, 0.42 if k % 2 == 0 else 0.27, 360 * k / 20) for k in range(20)]
    d.polygon(spikes, fill=BURST)


def _polar(s: int, r: float, degrees: float) -> tuple[float, float]:
    """The point at distance r from the middle, clockwise from north, scaled to s pixels."""
    angle = np.deg2rad(degrees)
    return s * (0.5 + r * float(np.sin(angle))), s * (0.5 - r * float(np.cos(angle)))


def _drop(d: Draw, s: int, colour: Any, head: int, grow: float) -> None:
    """A drop whose point looks along `head`."""
    turns = ((0.46 + grow * 1.4, 0), (0.31 + grow, 66), (0.31 + grow, -66))
    d.polygon([_polar(s, r, 90 * head + turn) for r, turn in turns], fill=colour)
    _disc(d, s, 0.5, 0.5, 0.31 + grow, colour)


def agent(d: Draw, s: int, index: int, head: int) -> None:
    """A numbered drop; its colour is who it is."""
    _drop(d, s, INK, head, 0.04)
    _drop(d, s, AGENTS[index % len(AGENTS)], head, 0.0)
    font = ImageFont.load_default(0.42 * s)
    d.text((0.5 * s, 0.5 * s), str(index), fill=INK, font=font, anchor="mm")


def ice(d: Draw, s: int) -> None:
    """A block of ice, to be put over whoever is frozen."""
    box = (0.03 * s, 0.03 * s, 0.97 * s, 0.97 * s)
    d.rounded_rectangle(box, 0.14 * s, fill=ICE, outline=ICE_EDGE, width=round(0.07 * s))
    for shift in (0.0, 0.13):
        ends = ((0.15 * s, (0.36 + shift) * s), ((0.36 + shift) * s, 0.15 * s))
        d.line(ends, fill=ICE_EDGE, width=round(0.04 * s))


# --- light ------------------------------------------------------------------------------------


def _light(frame: Frame, shot: np.ndarray, cell: int) -> Image.Image:
    """The glow of lit cells and one ray per shooter, RGBA (G * cell, G * cell)."""
    G, s = len(frame.cells), cell * 2
    image = Image.new("RGBA", (G * s, G * s), (0, 0, 0, 0))
    d = ImageDraw.Draw(image)
    for row, col in np.argwhere(frame.beam):
        d.rectangle((col * s, row * s, (col + 1) * s - 1, (row + 1) * s - 1), fill=(*RAY, 58))
    for n in np.flatnonzero(shot & frame.present):
        run = ray(frame, int(n))
        if len(run):
            line = [((c + 0.5) * s, (r + 0.5) * s) for r, c in (frame.pos[n], run[-1])]
            for width, alpha in ((0.44, 70), (0.26, 130), (0.12, 255)):
                d.line(line, fill=(*RAY, alpha), width=round(width * s))
                x, y, r = *line[1], width * s / 2
                d.ellipse((x - r, y - r, x + r, y + r), fill=(*RAY, alpha))
    return image.resize((G * cell, G * cell), Image.Resampling.BOX)


def ray(frame: Frame, n: int) -> np.ndarray:
    """The unbroken run of lit cells straight ahead of agent n, (length, 2)."""
    cells = []
    at = frame.pos[n] + STEPS[frame.head[n]]
    while (at >= 0).all() and (at < len(frame.cells)).all() and frame.beam[tuple(at)]:
        cells.append(at)
        at = at + STEPS[frame.head[n]]
    return np.array(cells, int).reshape(-1, 2)
