"""Kernels of the harvest map: what lies where, who stands where, and how an episode begins.

Every function is about one world: `s` holds its raw rows (`One`), `r` the `Rules`.  It allocates
nothing and uses no Python object.  Maps are read flat, at `row * r.side + col`; rows and columns
are *padded* coordinates unless a name says otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.events import Events
from karma_rllib.worlds.harvest_state import Rules, State, Work
from karma_rllib.worlds.raw import row as raw
from karma_rllib.worlds.rng import below, stream_key, unit

phase = njit(forceinline=True)  # a piece of a step or of a reset, inlined into the outer loop


class One(NamedTuple):
    """Raw rows of one world: the fields of `State`, `Work` and `Events` without their axis B."""

    key: Any
    t: Any
    g: Any
    episode: Any
    cell: Any
    ground: Any
    wait: Any
    pos: Any
    head: Any
    frz: Any
    grace: Any
    cool: Any
    tags: Any
    act: Any
    got: Any
    flag: Any
    lit: Any
    lit_n: Any
    stock: Any
    waste: Any
    pot: Any
    occ: Any
    canvas: Any
    grown: Any
    order: Any
    sprout: Any
    hit: Any
    distance: Any
    cleaned: Any
    ate: Any
    fired: Any
    active: Any
    aim: Any
    apple_ctx: Any
    was: Any  # (stock, waste, t, g, episode) of the events


@phase
def look(s: State, w: Work, e: Events, b: Any) -> Any:
    """Rows of world b."""
    return One(
        raw(s.key, b), raw(s.t, b), raw(s.g, b), raw(s.episode, b),
        raw(s.cell, b), raw(s.ground, b), raw(s.wait, b),
        raw(s.pos, b), raw(s.head, b), raw(s.frz, b), raw(s.grace, b), raw(s.cool, b),
        raw(s.tags, b), raw(s.act, b), raw(s.got, b), raw(s.flag, b),
        raw(s.lit, b), raw(s.lit_n, b), raw(s.stock, b), raw(s.waste, b), raw(s.pot, b),
        raw(w.occ, b), raw(w.canvas, b), raw(w.grown, b), raw(w.order, b), raw(w.sprout, 0),
        raw(e.hit, b), raw(e.distance, b), raw(e.cleaned, b), raw(e.ate, b), raw(e.fired, b),
        raw(e.active, b), raw(e.aim, b), raw(e.apple_ctx, b),
        (raw(e.stock, b), raw(e.waste, b), raw(e.t, b), raw(e.g, b), raw(e.episode, b)),
    )  # fmt: skip


@phase
def paint(s: One, r: Rules, row: Any, col: Any, plane: Any, value: Any) -> None:
    """Set one plane of one cell in the four drawn copies (copy d has heading d at the top)."""
    if r.ego:
        P, C, last = r.side, r.planes, r.side - 1
        s.canvas[((0 * P + row) * P + col) * C + plane] = value
        s.canvas[((1 * P + last - col) * P + row) * C + plane] = value
        s.canvas[((2 * P + last - row) * P + last - col) * C + plane] = value
        s.canvas[((3 * P + col) * P + last - row) * C + plane] = value


@phase
def put(s: One, r: Rules, row: Any, col: Any, terrain: Any) -> None:
    """Change the terrain of a cell and keep counts and drawing in step."""
    at = row * r.side + col
    old = s.cell[at]
    s.cell[at] = terrain
    s.stock[0] += int(terrain == h.APPLE) - int(old == h.APPLE)
    s.waste[0] += int(terrain == h.WASTE) - int(old == h.WASTE)
    if old != h.EMPTY:
        paint(s, r, row, col, old, 0)  # the plane of a terrain has the number of its code
    if terrain != h.EMPTY:
        paint(s, r, row, col, terrain, 1)


@phase
def enter(s: One, r: Rules, i: Any, row: Any, col: Any) -> None:
    """Agent i takes a cell."""
    s.pos[2 * i] = row - r.pad
    s.pos[2 * i + 1] = col - r.pad
    s.occ[row * r.side + col] = i + 1


@phase
def leave(s: One, r: Rules, i: Any) -> None:
    """Agent i gives up its cell; its position is -1 until it enters another."""
    s.occ[(s.pos[2 * i] + r.pad) * r.side + s.pos[2 * i + 1] + r.pad] = 0
    s.pos[2 * i] = -1
    s.pos[2 * i + 1] = -1


@phase
def fits(s: One, at: Any, terrain: Any, ground: Any) -> Any:
    """Whether a cell is unoccupied, of this terrain, and its ground has these bits."""
    return s.cell[at] == terrain and (s.ground[at] & ground) == ground and s.occ[at] == 0


@njit
def pick(s: One, r: Rules, terrain: Any, ground: Any, sk: Any, i: Any) -> Any:
    """Draw one fitting cell, all alike likely, with number i of stream `sk`.

    Returns row * P + col, or -1 when no cell fits.
    """
    lo, hi = r.pad, r.pad + r.size
    n = 0
    for row in range(lo, hi):
        for col in range(lo, hi):
            n += int(fits(s, row * r.side + col, terrain, ground))
    if n == 0:
        return -1
    k = below(sk, i, n)
    for row in range(lo, hi):
        for col in range(lo, hi):
            if fits(s, row * r.side + col, terrain, ground):
                if k == 0:
                    return row * r.side + col
                k -= 1
    return -1


@phase
def enter_anywhere(s: One, r: Rules, i: Any, sk: Any) -> Any:
    """Agent i enters a random empty cell; without one, a random apple cell, whose apple is lost.

    Returns whether there was a cell.
    """
    at = pick(s, r, h.EMPTY, 0, sk, 2 * i)
    if at < 0:
        at = pick(s, r, h.APPLE, 0, sk, 2 * i)
        if at < 0:
            return False
        put(s, r, at // r.side, at % r.side, h.EMPTY)
    enter(s, r, i, at // r.side, at % r.side)
    s.head[i] = below(sk, 2 * i + 1, 4)
    return True


@phase
def mark_square(s: One, r: Rules, top: Any, left: Any) -> None:
    """Mark a patch of sites; `top` and `left` are unpadded."""
    for row in range(top + r.pad, top + r.pad + 2 * r.patch_half):
        for col in range(left + r.pad, left + r.pad + 2 * r.patch_half):
            s.ground[row * r.side + col] |= h.SITE


@phase
def lay_out(s: One, r: Rules) -> None:
    """Mark the apple sites."""
    room = r.size - 2 * r.patch_half
    if r.layout == h.CENTRAL:
        mark_square(s, r, room // 2, room // 2)
    elif r.layout == h.TWO_PATCH:
        near = (r.size // 2 - 2 * r.patch_half) // 2
        mark_square(s, r, near, near)
        mark_square(s, r, room - near, room - near)
    elif r.layout == h.PATCHES:
        sk = stream_key(s.key[0], s.episode[0], h.S_LAYOUT)
        for n in range(r.n_patches):
            mark_square(s, r, below(sk, 2 * n, room + 1), below(sk, 2 * n + 1, room + 1))
    else:
        pitch, first = (3, 1) if r.layout == h.SITES else (1, 0)
        for row in range(r.pad + first, r.pad + r.size, pitch):
            for col in range(r.pad + first, r.pad + r.size, pitch):
                s.ground[row * r.side + col] |= h.SITE


@phase
def fill(s: One, r: Rules) -> None:
    """Put the first apples on the sites and mark the waste zone."""
    sk = stream_key(s.key[0], s.episode[0], h.S_FILL)
    s.pot[0] = 0
    for row in range(r.size):
        for col in range(r.size):
            at = (row + r.pad) * r.side + col + r.pad
            site = (s.ground[at] & h.SITE) != 0
            if site:
                if unit(sk, row * r.size + col) < r.apple_density:
                    put(s, r, row + r.pad, col + r.pad, h.APPLE)
                else:
                    s.wait[at] = r.respawn_delay
            zone = r.zone == h.EVERYWHERE
            zone |= r.zone == h.OUTSIDE_APPLES and not site
            zone |= r.zone == h.STRIP and row < r.strip_rows
            if zone and r.waste_on:
                s.ground[at] |= h.ZONE
                s.pot[0] += 1


@phase
def foul(s: One, r: Rules) -> None:
    """Put the first waste on random empty cells of its zone."""
    sk = stream_key(s.key[0], s.episode[0], h.S_FOUL)
    for n in range(int(r.waste_init_frac * s.pot[0] + 0.5)):
        at = pick(s, r, h.EMPTY, h.ZONE, sk, n)
        if at >= 0:
            put(s, r, at // r.side, at % r.side, h.WASTE)


@phase
def spawn(s: One, r: Rules, where: Any, facing: Any) -> None:
    """Place the agents: first where the caller wants them, then the others at random."""
    sk = stream_key(s.key[0], s.episode[0], h.S_SPAWN)
    for i in range(r.agents):
        if where[2 * i] >= 0:
            row, col = where[2 * i] + r.pad, where[2 * i + 1] + r.pad
            put(s, r, row, col, h.EMPTY)
            enter(s, r, i, row, col)
            s.head[i] = below(sk, 2 * i + 1, 4)
    for i in range(r.agents):
        if where[2 * i] < 0:
            enter_anywhere(s, r, i, sk)
        if facing[i] >= 0:
            s.head[i] = facing[i]


@phase
def wipe(s: One, r: Rules) -> None:
    """Forget the last episode; the life clock `g` goes on."""
    s.t[0] = 0
    s.episode[0] += 1
    s.lit_n[0] = 0
    s.stock[0] = 0
    s.waste[0] = 0
    for row in range(r.pad, r.pad + r.size):
        for at in range(row * r.side + r.pad, row * r.side + r.pad + r.size):
            s.ground[at] = 0
            s.wait[at] = 0
            s.cell[at] = h.EMPTY
    for i in range(r.agents):
        s.pos[2 * i] = -1
        s.pos[2 * i + 1] = -1
        s.frz[i] = 0
        s.grace[i] = 0
        s.cool[i] = 0
        s.tags[i] = 0
        s.act[i] = -1
        s.got[i] = 0
        s.flag[i] = 0
    blank(s, r)


@phase
def blank(s: One, r: Rules) -> None:
    """Clear what is derived: an empty map inside its wall, nobody on it."""
    for at in range(r.side * r.side):
        s.occ[at] = 0
    if r.ego:
        for k in range(4 * r.side * r.side * r.planes):
            s.canvas[k] = 0
        for row in range(r.side):
            for col in range(r.side):
                if s.cell[row * r.side + col] == h.WALL:  # the rim looks the same from every side
                    paint(s, r, row, col, h.P_WALL, 1)


@phase
def redraw(s: One, r: Rules) -> None:
    """Derive occupancy and drawing from the state alone (after it was set from outside)."""
    blank(s, r)
    for row in range(r.pad, r.pad + r.size):
        for col in range(r.pad, r.pad + r.size):
            terrain = s.cell[row * r.side + col]
            if terrain != h.EMPTY:
                paint(s, r, row, col, terrain, 1)
    for n in range(s.lit_n[0]):
        paint(s, r, s.lit[2 * n] + r.pad, s.lit[2 * n + 1] + r.pad, h.P_BEAM, 1)
    for i in range(r.agents):
        if s.pos[2 * i] >= 0:
            enter(s, r, i, s.pos[2 * i] + r.pad, s.pos[2 * i + 1] + r.pad)
