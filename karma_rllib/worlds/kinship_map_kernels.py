"""Kernels of the kinship map: what lies where, who stands where, and its drawing.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
It allocates nothing and uses no Python object.  A map is read flat, by the number of a cell.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_rows_kernels import One, phase
from karma_rllib.worlds.kinship_rules import Rules
from karma_rllib.worlds.rng import below, stream_key


@phase
def number(r: Rules, row: Any, col: Any) -> Any:
    """Number of the cell at (row, col) in the flat maps."""
    return (row + k.RIM) * r.side + col + k.RIM


@phase
def where(s: One, r: Rules, i: Any) -> Any:
    """Number of the cell that agent i stands on."""
    return number(r, s.pos[2 * i], s.pos[2 * i + 1])


@phase
def ahead(s: One, r: Rules, i: Any) -> Any:
    """Number of the cell in front of agent i."""
    d = s.head[i]
    return where(s, r, i) + k.STEP_ROW[d] * r.side + k.STEP_COL[d]


@phase
def drawn_at(r: Rules, d: Any, row: Any, col: Any) -> Any:
    """First number of the cell at (row, col) in copy d of the drawing (heading d is up)."""
    y, x, last = row + r.radius, col + r.radius, r.drawn_side - 1
    if d == 1:
        y, x = last - x, y
    elif d == 2:
        y, x = last - y, last - x
    elif d == 3:
        y, x = x, last - y
    return ((d * r.drawn_side + y) * r.drawn_side + x) * r.planes


@phase
def is_ready(s: One, r: Rules, o: Any) -> Any:
    """Whether object o can be used."""
    terrain = s.cell[s.o_at[o]]
    if terrain == k.STATION:
        for item in range(r.items):  # noqa: SIM110  # Numba knows no any()
            if s.o_out[o * r.items + item] > 0:
                return True
        return False
    return s.o_wait[o] == 0 and s.o_stock[o] != 0


@njit
def draw(s: One, r: Rules, at: Any) -> None:
    """Draw the cell once more: its terrain, its object and the marker on its floor."""
    row, col = at // r.side - k.RIM, at % r.side - k.RIM
    terrain = s.cell[at]
    o = s.thing[at] - 1
    for d in range(r.turns):
        spot = drawn_at(r, d, row, col)
        for plane in range(k.P_AGENT):
            s.canvas[spot + plane] = 0
        if terrain == k.WALL:
            s.canvas[spot + k.P_WALL] = 1
        elif terrain == k.BLOCK:
            s.canvas[spot + k.P_BLOCK] = 1
        elif terrain == k.GENERATOR:
            s.canvas[spot + k.P_GENERATOR] = 1
        elif terrain == k.CHARGER:
            s.canvas[spot + k.P_CHARGER] = 1
        elif terrain == k.ALTAR or terrain == k.FREE_ALTAR:
            s.canvas[spot + k.P_ALTAR] = 1
        elif terrain == k.STATION:
            s.canvas[spot + k.P_STATION] = 1
        if o >= 0:
            s.canvas[spot + k.P_KIND] = s.o_kind[o] + 1
            s.canvas[spot + k.P_READY] = int(is_ready(s, r, o))
        if r.p_floor >= 0:
            s.canvas[spot + r.p_floor] = s.ink[at]


@phase
def show_ready(s: One, r: Rules, o: Any) -> None:
    """Draw whether object o can be used."""
    at = s.o_at[o]
    ready = int(is_ready(s, r, o))
    for d in range(r.turns):
        spot = drawn_at(r, d, at // r.side - k.RIM, at % r.side - k.RIM)
        s.canvas[spot + k.P_READY] = ready


@phase
def toughness(r: Rules, terrain: Any) -> Any:
    """How many attacks a terrain stands."""
    if terrain == k.EMPTY:
        return 0
    return r.wall_hp if terrain <= k.BLOCK else r.machine_hp


@phase
def build_up(s: One, r: Rules, at: Any, terrain: Any) -> None:
    """Put terrain on a cell, whole."""
    s.cell[at] = terrain
    s.hp[at] = toughness(r, terrain)


@phase
def stands_free(s: One, at: Any) -> Any:
    """Whether somebody could enter the cell."""
    return s.cell[at] == k.EMPTY and s.occ[at] == 0


@phase
def enter(s: One, r: Rules, i: Any, at: Any) -> None:
    """Agent i takes a cell."""
    s.pos[2 * i] = at // r.side - k.RIM
    s.pos[2 * i + 1] = at % r.side - k.RIM
    s.occ[at] = i + 1


@phase
def go_to(s: One, r: Rules, i: Any, at: Any) -> None:
    """Agent i gives up its cell and takes another."""
    s.occ[where(s, r, i)] = 0
    enter(s, r, i, at)


@phase
def vanish(s: One, r: Rules, i: Any) -> None:
    """Agent i leaves the map."""
    s.occ[where(s, r, i)] = 0
    s.pos[2 * i] = -1
    s.pos[2 * i + 1] = -1


@njit
def take_turns(s: One, r: Rules) -> None:
    """Choose the heart altar that works now: the first by lot, then the others in order."""
    altars = 0
    for o in range(r.objects):
        altars += int(s.o_at[o] >= 0 and s.t_plan[3 * o] == k.ALTAR)
    s.live[0] = -1
    if r.altar_turns == 0 or altars == 0:
        return
    lot = below(stream_key(s.key[0], s.episode[0], k.S_TURN), 0, 2**30)
    wanted = (lot + s.t[0] // r.altar_turns) % altars
    for o in range(r.objects):
        if s.o_at[o] >= 0 and s.t_plan[3 * o] == k.ALTAR:
            if wanted == 0:
                s.live[0] = o
            wanted -= 1


@njit
def redraw(s: One, r: Rules) -> None:
    """Derive everything else from the state alone."""
    for at in range(r.side * r.side):
        s.occ[at] = 0
    total = r.turns * r.drawn_side * r.drawn_side
    for n in range(total):
        for plane in range(r.planes):
            s.canvas[n * r.planes + plane] = int(plane == k.P_WALL)
    for row in range(r.size):
        for col in range(r.size):
            draw(s, r, number(r, row, col))
    for i in range(r.agents):
        if s.pos[2 * i] >= 0:
            s.occ[where(s, r, i)] = i + 1
