"""Kernels of the match world: a whole step of all worlds, in plain loops.

Shapes: B worlds, one agent, G side of the room, H = 2 view_radius + 1, C planes, D entries of vec.
`s` holds the state (`match.State`), `p` the rules (`match.Rules`).
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds.events import ASKED, RIGHT_PAD, SEEN, WRONG_PAD
from karma_rllib.worlds.rng import below, stream_key, unit

EMPTY, APPLE, COLOUR = 0, 1, 2  # cell codes; a cell of colour k has code COLOUR + k
NOOP, FORWARD, BACKWARD, LEFT, RIGHT = range(5)
P_WALL, P_APPLE, P_FLOOR, P_COLOUR = 0, 1, 2, 5
V_REWARD, V_ACTION, V_CLOCK = 0, 1, 6
S_CUE, S_PADS, S_SPROUT = 1, 2, 16  # purposes of random streams: two per episode, one per step
STEP_ROW, STEP_COL = (0, -1, 1, 0, 0), (0, 0, 0, -1, 1)  # of each action


@njit(cache=True)
def restart(s: Any, p: Any, mask: Any, grid: Any, vec: Any) -> None:
    """Begin a new episode in the worlds that `mask` names: the first room, with the cue."""
    for b in range(mask.size):
        if not mask[b]:
            continue
        s.episode[b] += 1
        s.t[b] = 0
        s.seen[b], s.chosen[b], s.last[b], s.got[b] = 0, 0, -1, 0.0
        middle = p.size // 2
        clear(s, p, b)
        cue = stream_key(s.key[b], s.episode[b], S_CUE)
        s.colour[b] = below(cue, 0, p.colours)
        row, col = middle - 1, middle
        if p.hidden:
            corner = below(cue, 1, p.cue_places)
            row = p.size - 1 if corner % 2 else 0  # north-west, south-east, north-east, south-west
            col = p.size - 1 if corner == 1 or corner == 2 else 0
        s.cell[b, row, col] = COLOUR + s.colour[b]
        look(s, p, b, grid, vec)


@njit(cache=True)
def advance(s: Any, p: Any, actions: Any, reward: Any, truncated: Any, e: Any, out: Any) -> None:
    """One env-step of every world; `e` are the events' arrays, `out` grid and vec."""
    for b in range(actions.shape[0]):
        e.t[b], e.g[b], e.episode[b] = s.t[b], s.g[b], s.episode[b]
        e.active[b, 0], e.ate[b, 0] = True, False
        bits = 0
        a = actions[b, 0]
        row = min(max(s.pos[b, 0, 0] + STEP_ROW[a], 0), p.size - 1)
        col = min(max(s.pos[b, 0, 1] + STEP_COL[a], 0), p.size - 1)
        s.pos[b, 0, 0], s.pos[b, 0, 1], s.last[b] = row, col, a
        gain = 0.0
        code = s.cell[b, row, col]
        if code == APPLE:
            s.cell[b, row, col] = EMPTY
            e.ate[b, 0] = True
            gain = p.reward_apple
        elif code >= COLOUR and s.t[b] >= p.look + p.delay:
            right = code - COLOUR == s.colour[b]
            s.chosen[b] = 1 if right else 2
            bits |= RIGHT_PAD if right else WRONG_PAD
            gain = p.reward_match if right else 0.0
            for y in range(p.size):
                for x in range(p.size):
                    s.cell[b, y, x] = EMPTY
        if p.look <= s.t[b] < p.look + p.delay:
            sprout(s, p, b)
        s.t[b] += 1
        s.g[b] += 1
        if s.t[b] == p.look:
            clear(s, p, b)
        if s.t[b] == p.look + p.delay:
            lay_pads(s, p, b)
            bits |= ASKED | (SEEN if s.seen[b] else 0)
        s.got[b] = gain
        reward[b, 0], truncated[b] = gain, s.t[b] == p.max_steps
        look(s, p, b, out.grid, out.vec)
        e.match[b, 0] = bits
        stock = 0
        for y in range(p.size):
            for x in range(p.size):
                stock += s.cell[b, y, x] == APPLE
        e.stock[b] = stock


@njit(cache=True)
def clear(s: Any, p: Any, b: int) -> None:
    """Empty the room and put the agent in its middle."""
    for y in range(p.size):
        for x in range(p.size):
            s.cell[b, y, x] = EMPTY
    s.pos[b, 0, 0] = s.pos[b, 0, 1] = p.size // 2


@njit(cache=True)
def sprout(s: Any, p: Any, b: int) -> None:
    """Let apples grow on bare cells without the agent."""
    stream = stream_key(s.key[b], s.g[b], S_SPROUT)
    for y in range(p.size):
        for x in range(p.size):
            here = s.pos[b, 0, 0] == y and s.pos[b, 0, 1] == x
            bare = s.cell[b, y, x] == EMPTY and not here
            if bare and unit(stream, y * p.size + x) < p.apple_prob:
                s.cell[b, y, x] = APPLE


@njit(cache=True)
def lay_pads(s: Any, p: Any, b: int) -> None:
    """Put one pad of each colour around the middle, in a random order (Fisher and Yates)."""
    clear(s, p, b)
    stream = stream_key(s.key[b], s.episode[b], S_PADS)
    middle = p.size // 2
    for k in range(4):
        s.order[b, k] = k
    for k in range(3 if p.shuffle else 0, 0, -1):
        j = below(stream, k, k + 1)
        s.order[b, k], s.order[b, j] = s.order[b, j], s.order[b, k]
    for k in range(p.colours):
        place = s.order[b, k] + 1  # forward, backward, left, right of the middle
        s.cell[b, middle + STEP_ROW[place], middle + STEP_COL[place]] = COLOUR + k


@njit(cache=True)
def look(s: Any, p: Any, b: int, grid: Any, vec: Any) -> None:
    """Write what the agent sees and feels, and note whether it has seen the cue."""
    phase = 0 if s.t[b] < p.look else (1 if s.t[b] < p.look + p.delay else 2)
    if phase == 0:
        s.seen[b] = max(s.seen[b], in_sight(s, p, b))
    floor = P_FLOOR + phase
    if phase == 0 and p.glow and s.seen[b]:
        floor = P_COLOUR + s.colour[b]
    R = p.radius
    for y in range(2 * R + 1):
        for x in range(2 * R + 1):
            row, col = s.pos[b, 0, 0] + y - R, s.pos[b, 0, 1] + x - R
            for c in range(grid.shape[4]):
                grid[b, 0, y, x, c] = 0
            if row < 0 or col < 0 or row >= p.size or col >= p.size:
                grid[b, 0, y, x, P_WALL] = 1
                continue
            grid[b, 0, y, x, floor] = 1
            code = s.cell[b, row, col]
            if code == APPLE:
                grid[b, 0, y, x, P_APPLE] = 1
            elif code >= COLOUR:
                grid[b, 0, y, x, P_COLOUR + code - COLOUR] = 1
    vec[b, 0, V_REWARD] = min(max(s.got[b], -1.0), 1.0)
    for a in range(5):
        vec[b, 0, V_ACTION + a] = s.last[b] == a
    start, length = 0, p.look
    if phase > 0:
        start, length = p.look, p.delay
    if phase > 1:
        start, length = p.look + p.delay, p.max_steps - p.look - p.delay
    vec[b, 0, V_CLOCK] = (s.t[b] - start) / length


@njit(cache=True)
def in_sight(s: Any, p: Any, b: int) -> int:
    """1 if a coloured cell lies in the agent's window, else 0."""
    row, col = s.pos[b, 0, 0], s.pos[b, 0, 1]
    for y in range(max(row - p.radius, 0), min(row + p.radius + 1, p.size)):
        for x in range(max(col - p.radius, 0), min(col + p.radius + 1, p.size)):
            if s.cell[b, y, x] >= COLOUR:
                return 1
    return 0


@njit(cache=True)
def show(s: Any, p: Any, grid: Any, vec: Any) -> None:
    """Write the current observations once more."""
    for b in range(s.t.size):
        look(s, p, b, grid, vec)
