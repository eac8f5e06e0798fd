"""Kernels that draw the walls of a kinship map, from a seed, in one of several layouts.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
Random draws are numbers of the stream `sk`, which belongs to the episode.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_map_kernels import number
from karma_rllib.worlds.kinship_rows_kernels import One, phase
from karma_rllib.worlds.kinship_rules import Rules
from karma_rllib.worlds.rng import below, unit


@phase
def cover(s: One, r: Rules, terrain: Any) -> None:
    """Give the whole map one terrain."""
    for row in range(r.size):
        for col in range(r.size):
            s.cell[number(r, row, col)] = terrain


@phase
def clear(s: One, r: Rules, row: Any, col: Any, side: Any) -> None:
    """Clear a square whose upper left cell is (row, col), as far as it is on the map."""
    for y in range(max(row, 0), min(row + side, r.size)):
        for x in range(max(col, 0), min(col + side, r.size)):
            s.cell[number(r, y, x)] = k.EMPTY


@njit
def rooms(s: One, r: Rules, sk: Any) -> None:
    """Walls between equal rooms, with one door in each wall between two rooms."""
    cover(s, r, k.EMPTY)
    n, draw = r.rooms, 0
    for line in range(1, n):
        at = line * r.size // n
        for other in range(r.size):
            s.cell[number(r, at, other)] = k.WALL
            s.cell[number(r, other, at)] = k.WALL
    for line in range(1, n):
        at = line * r.size // n
        for room in range(n):
            first = room * r.size // n + int(room > 0)
            length = (room + 1) * r.size // n - first
            if length < 1:
                continue
            s.cell[number(r, at, first + below(sk, draw, length))] = k.EMPTY
            s.cell[number(r, first + below(sk, draw + 1, length), at)] = k.EMPTY
            draw += 2


@njit
def corridors(s: One, r: Rules, sk: Any) -> None:
    """A spine across the middle, and arms from it, up and down in turn, of random length."""
    cover(s, r, k.WALL)
    w, G = r.width, r.size
    middle = max((G - w) // 2, 0)
    for col in range(G):
        clear(s, r, middle, col, w)
    for arm in range(r.arms):
        col = arm * G // r.arms + below(sk, 2 * arm, max(G // r.arms, 1))
        col = min(col, max(G - w, 0))
        reach = max(middle // 3, 1)
        length = reach + below(sk, 2 * arm + 1, max(middle - reach + 1, 1))
        for step in range(length + 1):
            clear(s, r, middle - step if arm % 2 == 0 else middle + step, col, w)


@njit
def root(s: One, n: Any) -> Any:
    """Representative of the set that n is in; shortens the way for the next time."""
    while s.label[n] != n:
        s.label[n] = s.label[s.label[n]]
        n = s.label[n]
    return n


@njit
def maze(s: One, r: Rules, sk: Any) -> None:
    """Kruskal's spanning tree of cells two apart: one way between any two of them."""
    cover(s, r, k.WALL)
    n = (r.size + 1) // 2
    edges = 0
    for cell in range(n * n):
        s.label[cell] = cell
        s.cell[number(r, 2 * (cell // n), 2 * (cell % n))] = k.EMPTY
        for way in range(2):  # an edge to the east, then to the south
            if (cell % n if way == 0 else cell // n) < n - 1:
                s.list[edges] = 2 * cell + way
                edges += 1
    for e in range(edges - 1, -1, -1):
        chosen = below(sk, e, e + 1)
        edge = s.list[chosen]
        s.list[chosen] = s.list[e]
        cell, way = edge // 2, edge % 2
        one, other = root(s, cell), root(s, cell + (1 if way == 0 else n))
        if one != other:
            s.label[one] = other
            row, col = 2 * (cell // n), 2 * (cell % n)
            s.cell[number(r, row + way, col + 1 - way)] = k.EMPTY


@njit
def labyrinth(s: One, r: Rules, sk: Any) -> None:
    """A depth-first walk through cells of the corridor's width: long winding ways."""
    cover(s, r, k.WALL)
    w = r.width
    pitch = w + 1
    n = max((r.size + 1) // pitch, 1)
    for cell in range(n * n):
        s.label[cell] = 0
    s.todo[0] = below(sk, 0, n * n)
    s.label[s.todo[0]] = 1
    depth, draw = 1, 1
    clear(s, r, s.todo[0] // n * pitch, s.todo[0] % n * pitch, w)
    while depth > 0:
        cell = s.todo[depth - 1]
        row, col = cell // n, cell % n
        turn = below(sk, draw, 4)
        draw += 1
        found = False
        for step in range(4):
            d = (turn + step) & 3
            y, x = row + k.STEP_ROW[d], col + k.STEP_COL[d]
            if y < 0 or y >= n or x < 0 or x >= n or s.label[y * n + x] != 0:
                continue
            s.label[y * n + x] = 1
            s.todo[depth] = y * n + x
            depth += 1
            clear(s, r, y * pitch, x * pitch, w)
            clear(s, r, row * pitch + k.STEP_ROW[d], col * pitch + k.STEP_COL[d], w)
            found = True
            break
        if not found:
            depth -= 1


@njit
def radial(s: One, r: Rules, sk: Any) -> None:
    """Arms from a hub in the middle to the rim, turned by a random angle."""
    cover(s, r, k.WALL)
    w, half = r.width, (r.size - r.width) / 2.0
    hub = max(w + 2, r.size // 6)
    clear(s, r, (r.size - hub) // 2, (r.size - hub) // 2, hub)
    phase0 = unit(sk, 0)
    for arm in range(r.arms):
        angle = 2.0 * math.pi * (arm + phase0) / r.arms
        dy, dx = math.sin(angle), math.cos(angle)
        col = int(half + 0.5)
        for step in range(int(4 * half) + 1):
            away = 0.25 * step
            row = int(half + away * dy + 0.5)
            clear(s, r, row, col, w)  # where both change at once, nobody could walk
            col = int(half + away * dx + 0.5)
            clear(s, r, row, col, w)


@njit
def clutter(s: One, r: Rules, sk: Any) -> None:
    """Blobs of wall, each a short random walk, until so much of the map is covered."""
    cover(s, r, k.EMPTY)
    goal = int(r.wall_density * r.size * r.size)
    walls, draw = 0, 0
    while walls < goal and draw < 64 * r.size * r.size:
        row, col = below(sk, draw, r.size), below(sk, draw + 1, r.size)
        length = 2 + below(sk, draw + 2, 6)
        draw += 3
        for _ in range(length):
            at = number(r, row, col)
            if s.cell[at] == k.EMPTY and walls < goal:
                s.cell[at] = k.WALL
                walls += 1
            d = below(sk, draw, 4)
            draw += 1
            row = min(max(row + k.STEP_ROW[d], 0), r.size - 1)
            col = min(max(col + k.STEP_COL[d], 0), r.size - 1)


@phase
def drawn(s: One, r: Rules) -> None:
    """Copy the walls and blocks of the ASCII map."""
    for row in range(r.size):
        for col in range(r.size):
            s.cell[number(r, row, col)] = s.t_sketch[row * r.size + col]


@njit
def flood(s: One, r: Rules, start: Any, name: Any) -> Any:
    """Give all free cells that can be reached from `start` a name; returns how many they are."""
    s.todo[0] = start
    s.label[start] = name
    waiting, found = 1, 0
    while waiting > 0:
        waiting -= 1
        at = s.todo[waiting]
        found += 1
        for d in range(4):
            other = at + k.STEP_ROW[d] * r.side + k.STEP_COL[d]
            if s.cell[other] == k.EMPTY and s.label[other] == 0:
                s.label[other] = name
                s.todo[waiting] = other
                waiting += 1
    return found


@njit
def connect(s: One, r: Rules) -> Any:
    """Keep the largest connected part and wall up the others; returns its size [cells]."""
    for at in range(r.side * r.side):
        s.label[at] = 0
    best, largest, name = 0, 0, 0
    for at in range(r.side * r.side):
        if s.cell[at] == k.EMPTY and s.label[at] == 0:
            name += 1
            found = flood(s, r, at, name)
            if found > largest:
                best, largest = name, found
    for at in range(r.side * r.side):
        if s.cell[at] == k.EMPTY and s.label[at] != best:
            s.cell[at] = k.WALL
    return largest


@njit
def raise_walls(s: One, r: Rules, sk: Any) -> None:
    """Draw the walls of an episode; a layout that leaves too little room becomes `open`."""
    if r.layout == k.DRAWN:
        drawn(s, r)
        return
    if r.layout == k.ROOMS:
        rooms(s, r, sk)
    elif r.layout == k.CORRIDORS:
        corridors(s, r, sk)
    elif r.layout == k.MAZE:
        maze(s, r, sk)
    elif r.layout == k.LABYRINTH:
        labyrinth(s, r, sk)
    elif r.layout == k.RADIAL:
        radial(s, r, sk)
    elif r.layout == k.CLUTTER:
        clutter(s, r, sk)
    else:
        cover(s, r, k.EMPTY)
    if connect(s, r) < r.agents + r.objects + r.blocks:
        cover(s, r, k.EMPTY)
