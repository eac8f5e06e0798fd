"""Kernels of the harvest map: what lies where, who stands where, and how an episode begins.

Every function is about one world: `s` holds its raw rows (`One`), `r` the `Rules`.  It allocates
nothing and uses no Python object.  A map is read flat, by the number of a cell.
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
    near: Any
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
        raw(w.occ, b), raw(w.near, b), raw(w.canvas, b), raw(w.grown, b), raw(w.order, b), raw(w.sprout, 0),
        raw(e.hit, b), raw(e.distance, b), raw(e.cleaned, b), raw(e.ate, b), raw(e.fired, b),
        raw(e.active, b), raw(e.aim, b), raw(e.apple_ctx, b),
        (raw(e.stock, b), raw(e.waste, b), raw(e.t, b), raw(e.g, b), raw(e.episode, b)),
    )  # fmt: skip


@phase
def cell_number(r: Rules, row: Any, col: Any) -> Any:
    """Number of the cell at (row, col) in the flat maps."""
    return (row + h.RIM) * r.side + col + h.RIM


@phase
def paint(s: One, r: Rules, row: Any, col: Any, plane: Any, value: Any) -> None:
    """Set one plane of one cell in the four drawn copies (copy d has heading d at the top)."""
    Q, C, last = r.drawn, r.planes, r.drawn - 1
    y, x = row + r.view_radius, col + r.view_radius
    s.canvas[((0 * Q + y) * Q + x) * C + plane] = value
    s.canvas[((1 * Q + last - x) * Q + y) * C + plane] = value
    s.canvas[((2 * Q + last - y) * Q + last - x) * C + plane] = value
    s.canvas[((3 * Q + x) * Q + last - y) * C + plane] = value


@njit
def put(s: One, r: Rules, row: Any, col: Any, terrain: Any) -> None:
    """Change the terrain of a cell; keep counts, growth classes and the drawing in step."""
    at = cell_number(r, row, col)
    old = s.cell[at]
    s.cell[at] = terrain
    apples = int(terrain == h.APPLE) - int(old == h.APPLE)
    waste = int(terrain == h.WASTE) - int(old == h.WASTE)
    s.stock[0] += apples
    s.waste[0] += waste
    note_neighbours(s, r, at, apples, waste)
    if r.ego:
        if old != h.EMPTY:
            paint(s, r, row, col, old, 0)  # the plane of a terrain has the number of its code
        if terrain != h.EMPTY:
            paint(s, r, row, col, terrain, 1)


@phase
def note_neighbours(s: One, r: Rules, at: Any, apples: Any, waste: Any) -> None:
    """Change the growth classes around cell `at`, whose apples and waste changed by so many."""
    P, ten = r.side, h.WASTE_COUNTS * apples
    for y in range(-1, 2):
        for x in range(-1, 2):
            s.near[at + y * P + x] += ten + waste
    s.near[at] -= ten  # an apple is not its own neighbour
    if r.disc2:
        for k in range(-2, 3, 4):
            s.near[at + k] += ten
            s.near[at + k * P] += ten


@phase
def enter(s: One, r: Rules, i: Any, row: Any, col: Any) -> None:
    """Agent i takes a cell."""
    s.pos[2 * i] = row
    s.pos[2 * i + 1] = col
    s.occ[cell_number(r, row, col)] = i + 1


@phase
def leave(s: One, r: Rules, i: Any) -> None:
    """Agent i gives up its cell; its position is -1 until it enters another."""
    s.occ[cell_number(r, s.pos[2 * i], s.pos[2 * i + 1])] = 0
    s.pos[2 * i] = -1
    s.pos[2 * i + 1] = -1


@njit
def pick(s: One, r: Rules, terrain: Any, ground: Any, sk: Any, i: Any) -> Any:
    """Draw one unoccupied cell of this terrain whose ground has these bits, all alike likely.

    Number i of stream `sk` decides.  Returns row * G + col, or -1 when no cell fits.
    """
    n, k = 0, -1
    for _ in range(2):  # first count, then go to the one that was drawn
        for row in range(r.size):
            for col in range(r.size):
                at = cell_number(r, row, col)
                fits = s.cell[at] == terrain and (s.ground[at] & ground) == ground
                if fits and s.occ[at] == 0:
                    if k == 0:
                        return row * r.size + col
                    n += 1
                    k -= 1
        if n == 0:
            return -1
        k = below(sk, i, n)
    return -1


@njit
def enter_anywhere(s: One, r: Rules, i: Any, sk: Any) -> Any:
    """Agent i enters a random empty cell; without one, a random apple cell, whose apple is lost.

    Returns whether there was a cell.
    """
    spot = pick(s, r, h.EMPTY, 0, sk, 2 * i)
    if spot < 0:
        spot = pick(s, r, h.APPLE, 0, sk, 2 * i)
        if spot < 0:
            return False
        put(s, r, spot // r.size, spot % r.size, h.EMPTY)
    enter(s, r, i, spot // r.size, spot % r.size)
    s.head[i] = below(sk, 2 * i + 1, 4)
    return True


@phase
def mark_square(s: One, r: Rules, top: Any, left: Any) -> None:
    """Mark a patch of sites."""
    for row in range(top, top + 2 * r.patch_half):
        for col in range(left, left + 2 * r.patch_half):
            s.ground[cell_number(r, row, col)] |= h.SITE


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
        for row in range(first, r.size, pitch):
            for col in range(first, r.size, pitch):
                s.ground[cell_number(r, row, col)] |= h.SITE


@phase
def fill(s: One, r: Rules) -> None:
    """Put the first apples on the sites and mark the waste zone."""
    sk = stream_key(s.key[0], s.episode[0], h.S_FILL)
    s.pot[0] = 0
    for row in range(r.size):
        for col in range(r.size):
            at = cell_number(r, row, col)
            site = (s.ground[at] & h.SITE) != 0
            if site:
                if unit(sk, at) < r.apple_density:
                    put(s, r, row, col, h.APPLE)
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
        spot = pick(s, r, h.EMPTY, h.ZONE, sk, n)
        if spot >= 0:
            put(s, r, spot // r.size, spot % r.size, h.WASTE)


@phase
def spawn(s: One, r: Rules, where: Any, facing: Any) -> None:
    """Place the agents: first where the caller wants them, then the others at random."""
    sk = stream_key(s.key[0], s.episode[0], h.S_SPAWN)
    for i in range(r.agents):
        if where[2 * i] >= 0:
            put(s, r, where[2 * i], where[2 * i + 1], h.EMPTY)
            enter(s, r, i, where[2 * i], where[2 * i + 1])
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
    for row in range(r.size):
        for col in range(r.size):
            at = cell_number(r, row, col)
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
        s.near[at] = 0
    if r.ego:
        for k in range(4 * r.drawn * r.drawn * r.planes):
            s.canvas[k] = 0
        R = r.view_radius
        for row in range(-R, r.size + R):
            for col in range(-R, r.size + R):
                if row < 0 or row >= r.size or col < 0 or col >= r.size:
                    paint(s, r, row, col, h.P_WALL, 1)


@phase
def redraw(s: One, r: Rules) -> None:
    """Derive everything else from the state alone (after it was set from outside)."""
    blank(s, r)
    s.stock[0] = 0
    s.waste[0] = 0
    for row in range(r.size):
        for col in range(r.size):
            at = cell_number(r, row, col)
            terrain = s.cell[at]
            s.cell[at] = h.EMPTY
            put(s, r, row, col, terrain)
    if r.ego:
        for n in range(s.lit_n[0]):
            paint(s, r, s.lit[2 * n], s.lit[2 * n + 1], h.P_BEAM, 1)
    for i in range(r.agents):
        if s.pos[2 * i] >= 0:
            enter(s, r, i, s.pos[2 * i], s.pos[2 * i + 1])
