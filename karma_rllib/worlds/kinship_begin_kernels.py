"""Kernels that begin an episode of the kinship world: wipe, furnish, spawn.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
Random draws are keyed by the episode.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_map_kernels import (
    build_up,
    enter,
    number,
    redraw,
    stands_free,
    take_turns,
    where,
)
from karma_rllib.worlds.kinship_rows_kernels import One, phase
from karma_rllib.worlds.kinship_rules import Rules
from karma_rllib.worlds.kinship_wall_kernels import cover, flood, raise_walls
from karma_rllib.worlds.rng import below, stream_key


@phase
def wipe(s: One, r: Rules) -> None:
    """Forget the last episode; the life clock `g` goes on."""
    s.t[0] = 0
    s.episode[0] += 1
    for at in range(r.side * r.side):
        s.cell[at] = k.WALL
        s.thing[at] = 0
        s.hp[at] = 0
        s.ink[at] = 0
        s.dry[at] = 0
    for o in range(r.objects):
        s.o_at[o] = -1
        s.o_kind[o] = 0
        s.o_wait[o] = 0
        s.o_stock[o] = -1
        s.o_work[o] = k.IDLE
        for item in range(r.items):
            s.o_out[o * r.items + item] = 0
    for i in range(r.agents):
        s.pos[2 * i] = -1
        s.pos[2 * i + 1] = -1
        s.energy[i] = min(s.t_first[s.t_body[i]], s.t_top[s.t_body[i]])
        s.frz[i] = 0
        s.shield[i] = 0
        s.mark[i] = 0
        s.posture[i] = k.NEUTRAL
        s.pause[i] = 0
        s.dead[i] = 0
        s.act[i] = -1
        s.got[i] = 0
        s.flag[i] = 0
        s.hearts[i] = 0
        s.struck[i] = -1
        s.suit[i] = -1
        s.suit_left[i] = 0
        for item in range(r.items):
            s.inv[i * r.items + item] = s.t_given[item]
    s.vows[0] = 0
    for n in range(r.agents * r.agents):
        s.bond[n] = 0


@njit
def shuffle_cells(s: One, r: Rules, sk: Any) -> Any:
    """List all free cells in random order, ended by -1; returns how many there are."""
    n = 0
    for row in range(r.size):
        for col in range(r.size):
            at = number(r, row, col)
            if s.cell[at] == k.EMPTY:
                s.list[n] = at
                n += 1
    for m in range(n - 1, 0, -1):  # Fisher-Yates
        j = below(sk, m, m + 1)
        s.list[m], s.list[j] = s.list[j], s.list[m]
    s.list[n] = -1
    return n


@phase
def is_free(s: One, at: Any) -> Any:
    """1 if nothing lies on the cell, else 0."""
    return int(s.cell[at] == k.EMPTY)


@phase
def is_simple(s: One, r: Rules, at: Any) -> Any:
    """Whether an object here leaves its neighbours connected around it.

    True if the free cells of the 3x3 that touch the cell's four sides hang together (a simple
    point, Rosenfeld 1970): count the runs of free cells around it that hold a side.
    """
    P = r.side
    north, east, south, west = (
        is_free(s, at - P), is_free(s, at + 1), is_free(s, at + P), is_free(s, at - 1)
    )  # fmt: skip
    joined = north * is_free(s, at - P + 1) * east + east * is_free(s, at + P + 1) * south
    joined += south * is_free(s, at + P - 1) * west + west * is_free(s, at - P - 1) * north
    sides = north + east + south + west
    return sides - joined == 1 or joined == 4


@phase
def hides_a_thing(s: One, r: Rules, at: Any) -> Any:
    """Whether an object here would take the last free side of a machine next to it."""
    for d in range(4):
        other = at + k.STEP_ROW[d] * r.side + k.STEP_COL[d]
        if s.thing[other] > 0:
            around = is_free(s, other - r.side) + is_free(s, other + r.side)
            if around + is_free(s, other - 1) + is_free(s, other + 1) < 2:
                return True
    return False


@phase
def is_niche(s: One, r: Rules, at: Any) -> Any:
    """Whether the cell is wall with floor on one of its sides: what is let in can be reached."""
    sides = is_free(s, at - r.side) + is_free(s, at + 1) + is_free(s, at + r.side)
    return s.cell[at] == k.WALL and sides + is_free(s, at - 1) > 0


@njit
def add_niches(s: One, r: Rules, n: Any) -> None:
    """List all niches in random order behind the first n cells, ended by -1."""
    sk = stream_key(s.key[0], s.episode[0], k.S_NICHES)
    last = n
    for row in range(r.size):
        for col in range(r.size):
            at = number(r, row, col)
            if is_niche(s, r, at):
                s.list[last] = at
                last += 1
    for m in range(last - n - 1, 0, -1):  # Fisher-Yates
        j = below(sk, m, m + 1)
        s.list[n + m], s.list[n + j] = s.list[n + j], s.list[n + m]
    s.list[last] = -1


@njit
def stays_whole(s: One, r: Rules, at: Any, free: Any) -> Any:
    """Whether the other `free - 1` cells of the floor hang together without this one."""
    for cell in range(r.side * r.side):
        s.label[cell] = 0
    s.cell[at] = k.WALL
    found = 0
    for d in range(4):
        other = at + k.STEP_ROW[d] * r.side + k.STEP_COL[d]
        if found == 0 and s.cell[other] == k.EMPTY:
            found = flood(s, r, other, 1)
    s.cell[at] = k.EMPTY
    return found == free - 1


@phase
def takes_a_thing(s: One, r: Rules, at: Any, free: Any, again: Any) -> Any:
    """Whether an object here closes no passage, stays within reach, and leaves agents room."""
    if s.cell[at] == k.WALL:
        return is_niche(s, r, at)
    if s.cell[at] != k.EMPTY or free <= r.agents or hides_a_thing(s, r, at):
        return False
    return is_simple(s, r, at) or (again and stays_whole(s, r, at, free))


@njit
def furnish(s: One, r: Rules) -> Any:
    """Place machines and blocks; on a random map where they close no passage.

    They go on the floor as long as it has such places, then into the walls beside it.  If that is
    not enough, the floor is searched again, with a look at the whole map.

    Returns:
        Whether everything found a place.
    """
    floor = shuffle_cells(s, r, stream_key(s.key[0], s.episode[0], k.S_PLACES))
    add_niches(s, r, floor)
    kinds = stream_key(s.key[0], s.episode[0], k.S_KINDS)
    n, free, again, placed = 0, floor, False, 0
    for o in range(r.objects + (0 if r.layout == k.DRAWN else r.blocks)):
        spot = s.t_plan[3 * o + 2] if o < r.objects else -1
        if spot >= 0:
            at = number(r, spot // r.size, spot % r.size)
            install(s, r, o, s.t_plan[3 * o], s.t_plan[3 * o + 1], at)
            continue
        while not takes_a_thing(s, r, s.list[n], free, again):
            n += 1
            if s.list[n] < 0:
                if again and placed == 0:
                    return False
                n, again, placed = 0, True, 0
        if o >= r.objects:
            s.cell[s.list[n]] = k.BLOCK
        else:
            terrain, kind = s.t_plan[3 * o], s.t_plan[3 * o + 1]
            if r.random_kinds and terrain == k.GENERATOR:
                kind = below(kinds, o, r.kinds)
            install(s, r, o, terrain, kind, s.list[n])
        free -= int(n < floor)
        placed += 1
    return True


@phase
def install(s: One, r: Rules, o: Any, terrain: Any, kind: Any, at: Any) -> None:
    """Put object o on a cell, ready for use."""
    s.cell[at] = terrain
    s.thing[at] = o + 1
    s.o_at[o] = at
    s.o_kind[o] = kind
    if terrain == k.GENERATOR:
        s.o_stock[o] = r.generator_stock
    elif terrain == k.FREE_ALTAR:
        s.o_stock[o] = r.free_hearts


@phase
def clear_away(s: One, r: Rules) -> None:
    """Take all walls, machines and blocks off the map again."""
    cover(s, r, k.EMPTY)
    for at in range(r.side * r.side):
        s.thing[at] = 0
    for o in range(r.objects):
        s.o_at[o] = -1


@phase
def lay_out(s: One, r: Rules) -> None:
    """Make the map of the next episode, nobody on it."""
    raise_walls(s, r, stream_key(s.key[0], s.episode[0], k.S_WALLS))
    if not furnish(s, r):  # too narrow for all: without walls
        clear_away(s, r)
        furnish(s, r)
    take_turns(s, r)
    for row in range(r.size):
        for col in range(r.size):
            at = number(r, row, col)
            build_up(s, r, at, s.cell[at])
    redraw(s, r)


@njit
def spawn(s: One, r: Rules, wish: Any, facing: Any) -> None:
    """Place the agents: first where the caller wants them, if it is free, then the others."""
    sk = stream_key(s.key[0], s.episode[0], k.S_SPAWN)
    for i in range(r.agents):
        if wish[2 * i] >= 0:
            at = number(r, wish[2 * i], wish[2 * i + 1])
            if stands_free(s, at):
                enter(s, r, i, at)
    if r.starts > 0:
        for m in range(r.starts):
            s.list[m] = number(r, s.t_start[m] // r.size, s.t_start[m] % r.size)
        for m in range(0 if r.fixed_starts else r.starts - 1, 0, -1):
            j = below(sk, m, m + 1)
            s.list[m], s.list[j] = s.list[j], s.list[m]
        s.list[r.starts] = -1
    else:
        shuffle_cells(s, r, sk)
    heads = stream_key(s.key[0], s.episode[0], k.S_HEAD)
    n = 0
    for i in range(r.agents):
        if s.pos[2 * i] < 0:
            while s.list[n] >= 0 and not stands_free(s, s.list[n]):
                n += 1
            if s.list[n] < 0:  # a wish took the last start: anywhere
                shuffle_cells(s, r, sk)
                n = 0
                while s.list[n] >= 0 and not stands_free(s, s.list[n]):
                    n += 1
            enter(s, r, i, s.list[n])
        s.head[i] = below(heads, i, 4) if facing[i] < 0 else facing[i]
        for m in range(r.starts):  # the map may say where those who start here look
            at = number(r, s.t_start[m] // r.size, s.t_start[m] % r.size)
            if facing[i] < 0 and s.t_facing[m] >= 0 and at == where(s, r, i):
                s.head[i] = s.t_facing[m]
