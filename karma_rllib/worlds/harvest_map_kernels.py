"""Kernels of the harvest map: what lies where and who stands where.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
It allocates nothing and uses no Python object.  A map is read flat, by the number of a cell.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.harvest_rows_kernels import One, phase
from karma_rllib.worlds.harvest_rules import Rules
from karma_rllib.worlds.rng import below


@phase
def cell_number(r: Rules, row: Any, col: Any) -> Any:
    """Number of the cell at (row, col) in the flat maps."""
    return (row + h.RIM) * r.side + col + h.RIM


@phase
def paint(s: One, r: Rules, row: Any, col: Any, plane: Any, value: Any) -> None:
    """Set one plane of one cell in the four drawn copies (copy d has heading d at the top)."""
    G, C, last = r.size, r.planes, r.size - 1
    s.canvas[((0 * G + row) * G + col) * C + plane] = value
    s.canvas[((1 * G + last - col) * G + row) * C + plane] = value
    s.canvas[((2 * G + last - row) * G + last - col) * C + plane] = value
    s.canvas[((3 * G + col) * G + last - row) * C + plane] = value


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
def blank(s: One, r: Rules) -> None:
    """Clear what is derived: an empty map inside its wall, nobody on it."""
    for at in range(r.side * r.side):
        s.occ[at] = 0
        s.near[at] = 0
    if r.ego:
        for k in range(4 * r.size * r.size * r.planes):
            s.canvas[k] = 0


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
