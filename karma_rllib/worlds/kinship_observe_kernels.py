"""Kernels that write observations of the kinship world straight into the caller's buffers.

The map is kept drawn, north up (and turned three more times if views turn), with a border of wall
as wide as the view, so that a window is H contiguous row copies.  Agents are stamped on the drawing
before the windows are taken and erased afterwards; an observer erases itself at the centre.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`);
`grid` is its uint8 row (N, H, W, C), `vec` its float32 row (N, D).
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_court_kernels import bonds
from karma_rllib.worlds.kinship_map_kernels import drawn_at
from karma_rllib.worlds.kinship_rows_kernels import One, phase
from karma_rllib.worlds.kinship_rules import Rules
from karma_rllib.worlds.kinship_step_kernels import possible
from karma_rllib.worlds.raw import copy_bytes


@phase
def observe(s: One, r: Rules, grid: Any, vec: Any) -> None:
    """Write the grid and the vector of every agent."""
    stamp(s, r, 1)
    for i in range(r.agents):
        window(s, r, grid, i)
        feel(s, r, vec, i)
    stamp(s, r, 0)


@phase
def stamp(s: One, r: Rules, on: Any) -> None:
    """Write all agents on the drawing (on = 1) or erase them (on = 0)."""
    for j in range(r.agents):
        if s.pos[2 * j] < 0:
            continue
        for d in range(r.turns):
            at = drawn_at(r, d, s.pos[2 * j], s.pos[2 * j + 1])
            s.canvas[at + k.P_AGENT] = on
            s.canvas[at + k.P_FROZEN] = on * int(s.frz[j] > 0)
            s.canvas[at + k.P_SHIELD] = on * s.shield[j]
            s.canvas[at + k.P_HEADING + ((s.head[j] - d) & 3)] = on
            if r.p_marker >= 0:
                s.canvas[at + r.p_marker] = on * s.mark[j]
            if r.p_body >= 0:
                s.canvas[at + r.p_body] = on * (s.t_body[j] + 1)
            if r.p_posture >= 0:
                s.canvas[at + r.p_posture] = on * (s.posture[j] + 1)
            if r.p_courting >= 0:
                s.canvas[at + r.p_courting] = on * int(s.suit[j] >= 0)
                s.canvas[at + r.p_bonded] = on * int(bonds(s, r, j) > 0)
            if r.p_others >= 0:
                s.canvas[at + r.p_others] = on * int(255 * s.energy[j] // max(top(s, j), 1))
                for item in range(r.items):
                    held = min(s.inv[j * r.items + item], 255)
                    s.canvas[at + r.p_others + 1 + item] = on * held


@phase
def top(s: One, i: Any) -> Any:
    """Most energy that agent i holds [hundredths]."""
    return s.t_top[s.t_body[i]]


@phase
def window(s: One, r: Rules, grid: Any, i: Any) -> None:
    """Copy what agent i sees; zeros beyond its sight, and everywhere while it is off the map."""
    R, C, D = r.radius, r.planes, r.drawn_side
    H = 2 * R + 1
    first = i * H * H * C
    sight = s.t_sight[s.t_body[i]]
    if s.pos[2 * i] < 0:
        sight = -1
    if sight < R:
        for n in range(first, first + H * H * C):
            grid[n] = 0
        if sight < 0:
            return
    d = s.head[i] if r.turns == 4 else 0
    centre = drawn_at(r, d, s.pos[2 * i], s.pos[2 * i + 1])
    source = centre - sight * (D + 1) * C
    goal = first + (R - sight) * (H + 1) * C
    for y in range(2 * sight + 1):
        copy_bytes(grid, goal + y * H * C, s.canvas, source + y * D * C, (2 * sight + 1) * C)
    own = first + R * (H + 1) * C
    for plane in range(k.P_AGENT, C):
        if plane != r.p_floor:
            grid[own + plane] = 0
    if r.p_kin >= 0 or r.p_courting >= 0:
        show_ties(s, r, grid, i, d, sight)


@phase
def show_ties(s: One, r: Rules, grid: Any, i: Any, d: Any, sight: Any) -> None:
    """Write what agent i sees of its own kinship, courtship and bond to each visible agent."""
    R, H = r.radius, 2 * r.radius + 1
    for j in range(r.agents):
        south, east = s.pos[2 * j] - s.pos[2 * i], s.pos[2 * j + 1] - s.pos[2 * i + 1]
        if max(abs(south), abs(east)) > sight or j == i or s.pos[2 * j] < 0:
            continue
        y, x = R + south, R + east
        if d > 0:
            y = R - (south * k.STEP_ROW[d] + east * k.STEP_COL[d])
            x = R + (south * k.STEP_COL[d] - east * k.STEP_ROW[d])
        at = ((i * H + y) * H + x) * r.planes
        if r.p_kin >= 0:
            grid[at + r.p_kin] = s.kin[i * r.agents + j]
        if r.p_courting >= 0 and s.suit[j] == i:
            grid[at + r.p_courting] = 2
        if r.p_bonded >= 0 and s.bond[i * r.agents + j] > 0:
            grid[at + r.p_bonded] = 2


@phase
def feel(s: One, r: Rules, vec: Any, i: Any) -> None:
    """Write the vector of agent i: its body, its goods, its last action, what it could do."""
    at = i * r.vec_size
    full = max(top(s, i), 1)
    vec[at] = s.energy[i] / full
    vec[at + 1] = s.frz[i] / r.freeze
    vec[at + 2] = s.shield[i]
    vec[at + 3] = int((s.flag[i] & k.WAS_HIT) != 0)
    vec[at + 4] = int((s.flag[i] & k.HIT_AGENT) != 0)
    vec[at + 5] = int((s.flag[i] & k.FAILED) != 0)
    vec[at + 6] = min(max(s.got[i], -1.0), 1.0)
    vec[at + 7] = 1.0 - s.t[0] / r.max_steps
    at += 8
    for d in range(4):
        vec[at + d] = int(s.head[i] == d)
    at += 4
    for item in range(r.items):
        vec[at + item] = s.inv[i * r.items + item] / r.cap
    at += r.items
    if r.marks > 0:
        vec[at] = s.mark[i] / r.marks
        at += 1
    if r.bodies > 1:
        for body in range(r.bodies):
            vec[at + body] = int(s.t_body[i] == body)
        at += r.bodies
    if r.postures:
        for posture in range(4):
            vec[at + posture] = int(s.posture[i] == posture)
        at += 4
    if r.court:
        vec[at] = s.suit_left[i] / r.court_steps
        vec[at + 1] = bonds(s, r, i) / r.max_bonds
        at += 2
    for a in range(r.actions):
        vec[at + a] = 0
    if s.act[i] >= 0:
        vec[at + s.act[i]] = 1
    if r.masked:
        tell_possible(s, r, vec, i, at + r.actions)


@njit
def tell_possible(s: One, r: Rules, vec: Any, i: Any, at: Any) -> None:
    """Write 1 for every action that agent i could do as it is."""
    for a in range(r.actions):
        vec[at + a] = int(possible(s, r, i, a))
