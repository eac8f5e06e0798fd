"""Kernels that write observations of the harvest world straight into the caller's buffers.

Egocentric view: the map is kept drawn in four copies, one per heading, each turned so that this
heading points up.  A rotated window is then H contiguous row copies.  Agents are stamped on all
copies before the windows are taken and removed afterwards; an observer erases itself at the centre.

`grid` is uint8 (B, N, H, W*C), `vec` float32 (B, N, D), `debt` float32 (B, N, N) [zaps].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.harvest_map_kernels import phase
from karma_rllib.worlds.harvest_state import Rules, State, Work


@phase
def observe(s: State, w: Work, r: Rules, debt: Any, grid: Any, vec: Any, b: Any) -> None:
    """Write the grid and the vector of every agent of world b."""
    if r.ego:
        stamp(s, w, r, b, 1)
        for i in range(r.agents):
            window(s, w, r, grid, b, i)
            if r.debt_pair:
                show_debts(s, r, debt, grid, b, i)
        stamp(s, w, r, b, 0)
    else:
        draw_whole(s, w, r, b)
        for i in range(r.agents):
            whole(s, w, r, grid, b, i)
    for i in range(r.agents):
        feel(s, r, debt, vec, b, i)


@phase
def turned(r: Rules, d: Any, row: Any, col: Any) -> Any:
    """Row and column of a padded cell in drawn copy d."""
    last = r.size + 2 * r.pad - 1
    if d == 0:
        return row, col
    if d == 1:
        return last - col, row
    if d == 2:
        return last - row, last - col
    return col, last - row


@phase
def stamp(s: State, w: Work, r: Rules, b: Any, value: Any) -> None:
    """Write all agents on the drawn copies (value 1) or erase them (value 0)."""
    for j in range(r.agents):
        if s.pos[b, j, 0] < 0:
            continue
        body = h.P_FROZEN if s.frz[b, j] > 0 else h.P_ACTIVE
        for d in range(4):
            row, col = turned(r, d, s.pos[b, j, 0] + r.pad, s.pos[b, j, 1] + r.pad)
            at = col * r.planes
            w.canvas[b, d, row, at + body] = value
            w.canvas[b, d, row, at + h.P_HEADING + ((s.head[b, j] - d) & 3)] = value
            if r.onehot:
                w.canvas[b, d, row, at + h.P_IDENTITY + j] = value


@phase
def window(s: State, w: Work, r: Rules, grid: Any, b: Any, i: Any) -> None:
    """Copy what agent i sees; all planes are 0 while it is off the map."""
    H, row_bytes = 2 * r.view_radius + 1, grid.shape[3]
    if s.pos[b, i, 0] < 0:
        grid[b, i] = 0
        return
    d = s.head[b, i]
    row, col = turned(r, d, s.pos[b, i, 0] + r.pad, s.pos[b, i, 1] + r.pad)
    left = (col - r.view_radius) * r.planes
    for y in range(H):
        source, target = w.canvas[b, d, row - r.view_radius + y], grid[b, i, y]
        for k in range(row_bytes):
            target[k] = source[left + k]
    own, at = grid[b, i, r.view_radius], r.view_radius * r.planes
    own[at + h.P_ACTIVE] = 0
    own[at + h.P_FROZEN] = 0
    for plane in range(h.P_HEADING, r.planes):
        own[at + plane] = 0


@phase
def show_debts(s: State, r: Rules, debt: Any, grid: Any, b: Any, i: Any) -> None:
    """Write what each visible agent owes i on its cell: 255 x / (1 + x) for a debt of x zaps."""
    if s.pos[b, i, 0] < 0:
        return
    R, d = r.view_radius, s.head[b, i]
    for j in range(r.agents):
        if j == i or s.pos[b, j, 0] < 0:
            continue
        dr, dc = s.pos[b, j, 0] - s.pos[b, i, 0], s.pos[b, j, 1] - s.pos[b, i, 1]
        y = R + dr * h.STEP_COL[(d + 1) & 3] + dc * h.STEP_COL[d & 3] * 0
        y = R - (dr * h.STEP_ROW[d] + dc * h.STEP_COL[d])  # cells behind me
        right = (d + 1) & 3
        x = R + dr * h.STEP_ROW[right] + dc * h.STEP_COL[right]  # cells to my right
        if y >= 0 and y <= 2 * R and x >= 0 and x <= 2 * R:
            owed = max(np.float64(debt[b, j, i]), 0.0)
            grid[b, i, y, (x + 1) * r.planes - 1] = np.uint8(255.0 * owed / (1.0 + owed) + 0.5)


@phase
def draw_whole(s: State, w: Work, r: Rules, b: Any) -> None:
    """Draw the whole map once: terrain, agent code, heading code."""
    bright = 64
    for row in range(r.size):
        for col in range(r.size):
            terrain = s.cell[b, row + r.pad, col + r.pad]
            w.canvas[b, 0, row, 3 * col] = bright * terrain
            w.canvas[b, 0, row, 3 * col + 1] = 0
            w.canvas[b, 0, row, 3 * col + 2] = 0
    for j in range(r.agents):
        if s.pos[b, j, 0] < 0:
            continue
        row, at = s.pos[b, j, 0], 3 * s.pos[b, j, 1]
        frozen = r.grid_fix and s.frz[b, j] > 0
        w.canvas[b, 0, row, at + 1] = 10 + j + (h.SEED_FROZEN if frozen else 0)
        w.canvas[b, 0, row, at + 2] = (s.head[b, j] + 1) * (h.SEED_HEADING if r.grid_fix else 1)


@phase
def whole(s: State, w: Work, r: Rules, grid: Any, b: Any, i: Any) -> None:
    """Copy the part of the whole map that agent i sees, fog elsewhere."""
    fog = h.SEED_FOG if r.grid_fix else 0
    if s.pos[b, i, 0] < 0:
        grid[b, i] = 0
        return
    y, x, R = s.pos[b, i, 0], s.pos[b, i, 1], r.view_radius
    for row in range(r.size):
        for col in range(r.size):
            seen = abs(row - y) <= R and abs(col - x) <= R
            at = 3 * col
            grid[b, i, row, at] = w.canvas[b, 0, row, at] if seen else fog
            grid[b, i, row, at + 1] = w.canvas[b, 0, row, at + 1] if seen else 0
            grid[b, i, row, at + 2] = w.canvas[b, 0, row, at + 2] if seen else 0
    if r.grid_fix:
        grid[b, i, y, 3 * x + 1] = h.SEED_SELF


@phase
def feel(s: State, r: Rules, debt: Any, vec: Any, b: Any, i: Any) -> None:
    """Write the vector of agent i: its timers, what the last step did, its last action."""
    out = vec[b, i]
    flag = s.flag[b, i] if r.feedback_flags else 0
    out[0] = s.frz[b, i] / r.timeout
    out[1] = s.frz[b, i] > 0
    out[2] = (flag & h.WAS_HIT) != 0
    out[3] = (flag & h.HIT_AGENT) != 0
    out[4] = (flag & h.HIT_WASTE) != 0
    out[5] = s.frz[b, i] == 0 and s.cool[b, i] == 0
    out[6] = min(max(s.got[b, i], -1.0), 1.0)
    for a in range(len(h.ACTION_NAMES)):
        out[h.V_ACTION + a] = s.act[b, i] == a
    at = h.V_ACTION + len(h.ACTION_NAMES)
    if r.show_time:
        out[at] = s.t[b] / r.max_steps
        at += 1
    if r.debt_self:
        owe = 0.0
        for j in range(r.agents):
            owe += max(np.float64(debt[b, i, j]), 0.0)
        out[at] = owe / (1.0 + owe)
