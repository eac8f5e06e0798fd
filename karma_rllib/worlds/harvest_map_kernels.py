"""Kernels of the harvest map: what lies where, who stands where, and how an episode begins.

Every function touches world b only, allocates nothing and uses no Python object; `s` is the
`State`, `w` the `Work`, `r` the `Rules`.  Row and column arguments are *padded* coordinates unless
a name says otherwise.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.harvest_state import Rules, State, Work
from karma_rllib.worlds.rng import below, stream_key, unit

phase = njit(forceinline=True)  # one phase of a step or of a reset, inlined into the outer loop


@phase
def paint(w: Work, r: Rules, b: Any, row: Any, col: Any, plane: Any, value: Any) -> None:
    """Set one plane of one cell in the four drawn copies (copy d has heading d at the top)."""
    if r.ego:
        C, last = r.planes, r.size + 2 * r.pad - 1
        w.canvas[b, 0, row, col * C + plane] = value
        w.canvas[b, 1, last - col, row * C + plane] = value
        w.canvas[b, 2, last - row, (last - col) * C + plane] = value
        w.canvas[b, 3, col, (last - row) * C + plane] = value


@phase
def put(s: State, w: Work, r: Rules, b: Any, row: Any, col: Any, terrain: Any) -> None:
    """Change the terrain of a cell and keep counts and drawing in step."""
    old = s.cell[b, row, col]
    s.cell[b, row, col] = terrain
    s.stock[b] += int(terrain == h.APPLE) - int(old == h.APPLE)
    s.waste[b] += int(terrain == h.WASTE) - int(old == h.WASTE)
    if old != h.EMPTY:
        paint(w, r, b, row, col, old, 0)  # the plane of a terrain has the number of its code
    if terrain != h.EMPTY:
        paint(w, r, b, row, col, terrain, 1)


@phase
def enter(s: State, w: Work, r: Rules, b: Any, i: Any, row: Any, col: Any) -> None:
    """Agent i takes a cell."""
    s.pos[b, i, 0] = row - r.pad
    s.pos[b, i, 1] = col - r.pad
    w.occ[b, row, col] = i + 1


@phase
def leave(s: State, w: Work, r: Rules, b: Any, i: Any) -> None:
    """Agent i gives up its cell; its position is -1 until it enters another."""
    w.occ[b, s.pos[b, i, 0] + r.pad, s.pos[b, i, 1] + r.pad] = 0
    s.pos[b, i, 0] = -1
    s.pos[b, i, 1] = -1


@phase
def pick(s: State, w: Work, r: Rules, b: Any, terrain: Any, ground: Any, sk: Any, i: Any) -> Any:
    """Draw one unoccupied cell of this terrain whose ground has these bits, all alike likely.

    Number i of stream `sk` decides.  Returns row * P + col, or -1 when there is no such cell.
    """
    lo, hi, side = r.pad, r.pad + r.size, r.size + 2 * r.pad
    n = 0
    for row in range(lo, hi):
        for col in range(lo, hi):
            fits = s.cell[b, row, col] == terrain and (s.ground[b, row, col] & ground) == ground
            n += int(fits and w.occ[b, row, col] == 0)
    if n == 0:
        return -1
    k = below(sk, i, n)
    for row in range(lo, hi):
        for col in range(lo, hi):
            fits = s.cell[b, row, col] == terrain and (s.ground[b, row, col] & ground) == ground
            if fits and w.occ[b, row, col] == 0:
                if k == 0:
                    return row * side + col
                k -= 1
    return -1


@phase
def enter_anywhere(s: State, w: Work, r: Rules, b: Any, i: Any, sk: Any) -> Any:
    """Agent i enters a random empty cell; without one, a random apple cell, whose apple is lost.

    Returns whether there was a cell.
    """
    side = r.size + 2 * r.pad
    at = pick(s, w, r, b, h.EMPTY, 0, sk, 2 * i)
    if at < 0:
        at = pick(s, w, r, b, h.APPLE, 0, sk, 2 * i)
        if at < 0:
            return False
        put(s, w, r, b, at // side, at % side, h.EMPTY)
    enter(s, w, r, b, i, at // side, at % side)
    s.head[b, i] = below(sk, 2 * i + 1, 4)
    return True


@phase
def mark_square(s: State, r: Rules, b: Any, top: Any, left: Any) -> None:
    """Mark a patch of sites; `top` and `left` are unpadded."""
    for row in range(top + r.pad, top + r.pad + 2 * r.patch_half):
        for col in range(left + r.pad, left + r.pad + 2 * r.patch_half):
            s.ground[b, row, col] |= h.SITE


@phase
def lay_out(s: State, r: Rules, b: Any) -> None:
    """Mark the apple sites."""
    room = r.size - 2 * r.patch_half
    if r.layout == h.CENTRAL:
        mark_square(s, r, b, room // 2, room // 2)
    elif r.layout == h.TWO_PATCH:
        near = (r.size // 2 - 2 * r.patch_half) // 2
        mark_square(s, r, b, near, near)
        mark_square(s, r, b, room - near, room - near)
    elif r.layout == h.PATCHES:
        sk = stream_key(s.key[b], s.episode[b], h.S_LAYOUT)
        for n in range(r.n_patches):
            mark_square(s, r, b, below(sk, 2 * n, room + 1), below(sk, 2 * n + 1, room + 1))
    else:
        pitch, first = (3, 1) if r.layout == h.SITES else (1, 0)
        for row in range(r.pad + first, r.pad + r.size, pitch):
            for col in range(r.pad + first, r.pad + r.size, pitch):
                s.ground[b, row, col] |= h.SITE


@phase
def fill(s: State, w: Work, r: Rules, b: Any) -> None:
    """Put the first apples on the sites and mark the waste zone."""
    sk = stream_key(s.key[b], s.episode[b], h.S_FILL)
    s.pot[b] = 0
    for row in range(r.size):
        for col in range(r.size):
            at = (b, row + r.pad, col + r.pad)
            site = (s.ground[at] & h.SITE) != 0
            if site:
                if unit(sk, row * r.size + col) < r.apple_density:
                    put(s, w, r, b, row + r.pad, col + r.pad, h.APPLE)
                else:
                    s.wait[at] = r.respawn_delay
            zone = r.zone == h.EVERYWHERE
            zone |= r.zone == h.OUTSIDE_APPLES and not site
            zone |= r.zone == h.STRIP and row < r.strip_rows
            if zone and r.waste_on:
                s.ground[at] |= h.ZONE
                s.pot[b] += 1


@phase
def foul(s: State, w: Work, r: Rules, b: Any) -> None:
    """Put the first waste on random empty cells of its zone."""
    sk = stream_key(s.key[b], s.episode[b], h.S_FOUL)
    side = r.size + 2 * r.pad
    for n in range(int(r.waste_init_frac * s.pot[b] + 0.5)):
        at = pick(s, w, r, b, h.EMPTY, h.ZONE, sk, n)
        if at >= 0:
            put(s, w, r, b, at // side, at % side, h.WASTE)


@phase
def spawn(s: State, w: Work, r: Rules, b: Any, place_pos: Any, place_head: Any) -> None:
    """Place the agents: first where the caller wants them, then the others at random."""
    sk = stream_key(s.key[b], s.episode[b], h.S_SPAWN)
    for i in range(r.agents):
        if place_pos[b, i, 0] >= 0:
            row, col = place_pos[b, i, 0] + r.pad, place_pos[b, i, 1] + r.pad
            put(s, w, r, b, row, col, h.EMPTY)
            enter(s, w, r, b, i, row, col)
            s.head[b, i] = below(sk, 2 * i + 1, 4)
    for i in range(r.agents):
        if place_pos[b, i, 0] < 0:
            enter_anywhere(s, w, r, b, i, sk)
        if place_head[b, i] >= 0:
            s.head[b, i] = place_head[b, i]


@phase
def wipe(s: State, w: Work, r: Rules, b: Any) -> None:
    """Forget the last episode; the clock `g` goes on."""
    s.t[b] = 0
    s.episode[b] += 1
    s.lit_n[b] = 0
    s.stock[b] = 0
    s.waste[b] = 0
    s.ground[b] = 0
    s.wait[b] = 0
    s.cell[b, r.pad : r.pad + r.size, r.pad : r.pad + r.size] = h.EMPTY
    for i in range(r.agents):
        s.pos[b, i, 0] = -1
        s.pos[b, i, 1] = -1
        s.frz[b, i] = 0
        s.grace[b, i] = 0
        s.cool[b, i] = 0
        s.tags[b, i] = 0
        s.act[b, i] = -1
        s.got[b, i] = 0
        s.flag[b, i] = 0
    blank(w, r, b)


@phase
def blank(w: Work, r: Rules, b: Any) -> None:
    """Clear what is derived: an empty map inside its wall, nobody on it."""
    w.occ[b] = 0
    if r.ego:
        w.canvas[b] = 0
        lo, hi, side = r.pad, r.pad + r.size, r.size + 2 * r.pad
        for row in range(side):
            for col in range(side):
                if row < lo or row >= hi or col < lo or col >= hi:
                    for d in range(4):  # the rim looks the same from every side
                        w.canvas[b, d, row, col * r.planes + h.P_WALL] = 1


@phase
def redraw(s: State, w: Work, r: Rules, b: Any) -> None:
    """Derive occupancy and drawing from the state alone (after it was set from outside)."""
    blank(w, r, b)
    for row in range(r.pad, r.pad + r.size):
        for col in range(r.pad, r.pad + r.size):
            if s.cell[b, row, col] != h.EMPTY:
                paint(w, r, b, row, col, s.cell[b, row, col], 1)
    for n in range(s.lit_n[b]):
        paint(w, r, b, s.lit[b, n, 0] + r.pad, s.lit[b, n, 1] + r.pad, h.P_BEAM, 1)
    for i in range(r.agents):
        if s.pos[b, i, 0] >= 0:
            w.occ[b, s.pos[b, i, 0] + r.pad, s.pos[b, i, 1] + r.pad] = i + 1
