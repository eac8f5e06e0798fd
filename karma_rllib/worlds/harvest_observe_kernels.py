"""Kernels that write observations of the harvest world straight into the caller's buffers.

Egocentric view: the map is kept drawn in four copies, one per heading, each turned so that this
heading points up.  A rotated window is then at most H contiguous row copies onto a window of wall.
Agents are stamped on all copies before the windows are taken and erased afterwards; an observer
erases itself at the centre.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`);
`grid` is its uint8 row (N, H, W, C), `vec` its float32 row (N, D), `debt` its float32 row (N, N)
[zaps].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.harvest_map_kernels import cell_number
from karma_rllib.worlds.harvest_rows_kernels import One, phase
from karma_rllib.worlds.harvest_rules import Rules
from karma_rllib.worlds.raw import copy_bytes


@phase
def observe(s: One, r: Rules, debt: Any, grid: Any, vec: Any) -> None:
    """Write the grid and the vector of every agent."""
    if r.ego:
        stamp(s, r, 1)
        for i in range(r.agents):
            window(s, r, grid, i)
            if r.debt_pair:
                show_debts(s, r, debt, grid, i)
        stamp(s, r, 0)
    else:
        draw_whole(s, r)
        for i in range(r.agents):
            whole(s, r, grid, i)
    for i in range(r.agents):
        feel(s, r, debt, vec, i)


@phase
def turned(r: Rules, d: Any, row: Any, col: Any) -> Any:
    """Row and column of a cell of the map in drawn copy d."""
    last = r.size - 1
    if d == 0:
        return row, col
    if d == 1:
        return last - col, row
    if d == 2:
        return last - row, last - col
    return col, last - row


@phase
def stamp(s: One, r: Rules, value: Any) -> None:
    """Write all agents on the drawn copies (value 1) or erase them (value 0)."""
    for j in range(r.agents):
        if s.pos[2 * j] < 0:
            continue
        body = h.P_FROZEN if s.frz[j] > 0 else h.P_ACTIVE
        for d in range(4):
            row, col = turned(r, d, s.pos[2 * j], s.pos[2 * j + 1])
            at = ((d * r.size + row) * r.size + col) * r.planes
            s.canvas[at + body] = value
            s.canvas[at + h.P_HEADING + ((s.head[j] - d) & 3)] = value
            if r.onehot:
                s.canvas[at + h.P_IDENTITY + j] = value


@phase
def window(s: One, r: Rules, grid: Any, i: Any) -> None:
    """Copy what agent i sees onto a window of wall; all planes are 0 while it is off the map."""
    G, R, C = r.size, r.view_radius, r.planes
    H = 2 * R + 1
    target = i * H * H * C
    if s.pos[2 * i] < 0:
        for k in range(target, target + H * H * C):
            grid[k] = 0
        return
    copy_bytes(grid, target, s.wall, 0, H * H * C)
    d = s.head[i]
    row, col = turned(r, d, s.pos[2 * i], s.pos[2 * i + 1])
    left, right = max(col - R, 0), min(col + R + 1, G)
    for y in range(max(row - R, 0), min(row + R + 1, G)):
        to = target + ((y - row + R) * H + left - col + R) * C
        copy_bytes(grid, to, s.canvas, ((d * G + y) * G + left) * C, (right - left) * C)
    own = target + (R * H + R) * C
    grid[own + h.P_ACTIVE] = 0
    grid[own + h.P_FROZEN] = 0
    for plane in range(h.P_HEADING, C):
        grid[own + plane] = 0


@njit
def show_debts(s: One, r: Rules, debt: Any, grid: Any, i: Any) -> None:
    """Write what each visible agent owes i on its cell: 255 x / (1 + x) for a debt of x zaps."""
    if s.pos[2 * i] < 0:
        return
    R, H = r.view_radius, 2 * r.view_radius + 1
    dr, dc = h.STEP_ROW[s.head[i]], h.STEP_COL[s.head[i]]
    for j in range(r.agents):
        if j == i or s.pos[2 * j] < 0:
            continue
        south, east = s.pos[2 * j] - s.pos[2 * i], s.pos[2 * j + 1] - s.pos[2 * i + 1]
        y = R - (south * dr + east * dc)  # cells ahead of me go up
        x = R + (south * dc - east * dr)  # cells to my right go right
        if y >= 0 and y < H and x >= 0 and x < H:
            owed = max(np.float64(debt[j * r.agents + i]), 0.0)
            at = ((i * H + y) * H + x + 1) * r.planes - 1
            grid[at] = np.uint8(255.0 * owed / (1.0 + owed) + 0.5)


@njit
def draw_whole(s: One, r: Rules) -> None:
    """Draw the whole map once: terrain, agent code, heading code."""
    for row in range(r.size):
        for col in range(r.size):
            at = 3 * (row * r.size + col)
            s.canvas[at] = h.SEED_TERRAIN * s.cell[cell_number(r, row, col)]
            s.canvas[at + 1] = 0
            s.canvas[at + 2] = 0
    for j in range(r.agents):
        if s.pos[2 * j] < 0:
            continue
        at = 3 * (s.pos[2 * j] * r.size + s.pos[2 * j + 1])
        frozen = r.grid_fix and s.frz[j] > 0
        s.canvas[at + 1] = h.SEED_AGENT + j + (h.SEED_FROZEN if frozen else 0)
        s.canvas[at + 2] = (s.head[j] + 1) * (h.SEED_HEADING if r.grid_fix else 1)


@njit
def whole(s: One, r: Rules, grid: Any, i: Any) -> None:
    """Copy the part of the whole map that agent i sees; fog elsewhere, and everywhere while off."""
    G, R = r.size, r.view_radius
    start = 3 * i * G * G
    present = s.pos[2 * i] >= 0
    fog = h.SEED_FOG if r.grid_fix and present else 0
    for k in range(G * G):
        grid[start + 3 * k] = fog
        grid[start + 3 * k + 1] = 0
        grid[start + 3 * k + 2] = 0
    if not present:
        return
    left, right = max(s.pos[2 * i + 1] - R, 0), min(s.pos[2 * i + 1] + R + 1, G)
    for row in range(max(s.pos[2 * i] - R, 0), min(s.pos[2 * i] + R + 1, G)):
        at = 3 * (row * G + left)
        copy_bytes(grid, start + at, s.canvas, at, 3 * (right - left))
    if r.grid_fix:
        grid[start + 3 * (s.pos[2 * i] * G + s.pos[2 * i + 1]) + 1] = h.SEED_SELF


@phase
def feel(s: One, r: Rules, debt: Any, vec: Any, i: Any) -> None:
    """Write the vector of agent i: its timers, what the last step did, its last action."""
    at = i * r.vec_size
    flag = s.flag[i] if r.feedback_flags else 0
    vec[at] = s.frz[i] / r.timeout
    vec[at + 1] = int(s.frz[i] > 0)
    vec[at + 2] = int((flag & h.WAS_HIT) != 0)
    vec[at + 3] = int((flag & h.HIT_AGENT) != 0)
    vec[at + 4] = int((flag & h.HIT_WASTE) != 0)
    vec[at + 5] = int(s.frz[i] == 0 and s.cool[i] == 0)
    vec[at + 6] = min(max(s.got[i], -1.0), 1.0)
    at += h.V_ACTION
    for a in range(h.NUM_ACTIONS):
        vec[at + a] = int(s.act[i] == a)
    at += h.NUM_ACTIONS
    if r.show_time:
        vec[at] = s.t[0] / r.max_steps
        at += 1
    if r.debt_self:
        owe = 0.0
        for j in range(r.agents):
            owe += max(np.float64(debt[i * r.agents + j]), 0.0)
        vec[at] = owe / (1.0 + owe)
