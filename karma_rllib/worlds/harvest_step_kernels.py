"""Kernels of one env-step of the harvest world: decide, turn, move, fire, settle.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
It allocates nothing and uses no Python object.  The order of the phases is part of the rules (see
"Order of events" in `karma_rllib.worlds.harvest`); growth has its own file.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.harvest_map_kernels import (
    cell_number,
    enter,
    enter_anywhere,
    leave,
    paint,
    put,
)
from karma_rllib.worlds.harvest_rows_kernels import One, phase
from karma_rllib.worlds.harvest_rules import Rules
from karma_rllib.worlds.rng import below, stream_key


@phase
def decide(s: One, r: Rules, actions: Any) -> None:
    """Note who can act and what each would hit from o_t; the frozen do nothing."""
    for i in range(r.agents):
        s.e_active[i] = int(s.frz[i] == 0)
        s.act[i] = actions[i] if s.frz[i] == 0 else h.NOOP
        s.e_aim[i] = first_in_line(s, r, i)
        s.e_ate[i] = 0
        s.e_fired[i] = 0
        s.e_cleaned[i] = 0
    for k in range(r.agents * r.agents):
        s.e_hit[k] = 0
        s.e_distance[k] = 0


@phase
def first_in_line(s: One, r: Rules, i: Any) -> Any:
    """What is nearest in the beam of agent i; in a tie active rival, waste, frozen rival.

    Notes whom, too, if it is an agent.
    """
    s.e_aim_agent[i] = -1
    if s.pos[2 * i] < 0:
        return h.AIM_NOTHING
    dr, dc = h.STEP_ROW[s.head[i]], h.STEP_COL[s.head[i]]
    for k in range(1, r.beam_length + 1):
        best = h.AIM_NOTHING
        for lateral in range(-r.beam_half_width, r.beam_half_width + 1):
            row = s.pos[2 * i] + k * dr + lateral * dc
            col = s.pos[2 * i + 1] + k * dc - lateral * dr
            if row < 0 or row >= r.size or col < 0 or col >= r.size:
                continue
            at = cell_number(r, row, col)
            j = s.occ[at] - 1
            if j >= 0 and s.frz[j] == 0:
                s.e_aim_agent[i] = j
                return h.AIM_RIVAL
            if s.cell[at] == h.WASTE:
                best = h.AIM_WASTE
                s.e_aim_agent[i] = -1
            elif j >= 0 and best == h.AIM_NOTHING:
                best = h.AIM_FROZEN
                s.e_aim_agent[i] = j
        if best != h.AIM_NOTHING:
            return best
    return h.AIM_NOTHING


@phase
def turn(s: One, r: Rules) -> None:
    """Turn left or right on the spot."""
    for i in range(r.agents):
        quarter = int(s.act[i] == h.TURN_RIGHT) - int(s.act[i] == h.TURN_LEFT)
        s.head[i] = (s.head[i] + quarter) & 3


@phase
def move(s: One, r: Rules) -> None:
    """Move one after the other in a fresh random order; walls, waste and agents block; eat."""
    sk = stream_key(s.key[0], s.g[0], h.S_ORDER)
    for i in range(r.agents):
        s.order[i] = i
    for i in range(r.agents - 1, 0, -1):  # Fisher-Yates
        j = below(sk, i, i + 1)
        swap = s.order[i]
        s.order[i] = s.order[j]
        s.order[j] = swap
    for n in range(r.agents):
        if s.act[s.order[n]] >= h.FORWARD and s.act[s.order[n]] <= h.RIGHT:
            walk(s, r, s.order[n])


@phase
def walk(s: One, r: Rules, i: Any) -> None:
    """Move agent i by one cell if nothing blocks it."""
    d = h.MOVE_TURN[s.act[i] - 1]
    if not r.absolute:
        d = (d + s.head[i]) & 3
    row, col = s.pos[2 * i] + h.STEP_ROW[d], s.pos[2 * i + 1] + h.STEP_COL[d]
    at = cell_number(r, row, col)
    terrain = s.cell[at]
    if terrain == h.WALL or terrain == h.WASTE or s.occ[at] != 0:
        return
    leave(s, r, i)
    enter(s, r, i, row, col)
    if terrain == h.APPLE:
        put(s, r, row, col, h.EMPTY)
        s.wait[at] = r.respawn_delay + int(r.respawn_delay > 0)  # ripens in this step's growth too
        s.e_ate[i] = 1


@phase
def fire(s: One, r: Rules) -> None:
    """Fire all beams at once from where everyone now stands; nothing they hit changes yet."""
    if r.ego:
        for n in range(s.lit_n[0]):
            paint(s, r, s.lit[2 * n], s.lit[2 * n + 1], h.P_BEAM, 0)
    s.lit_n[0] = 0
    for i in range(r.agents):
        if s.act[i] == h.ZAP and s.cool[i] == 0 and r.zap_works:
            s.e_fired[i] = 1
            for lateral in range(-r.beam_half_width, r.beam_half_width + 1):
                ray(s, r, i, lateral)


@phase
def ray(s: One, r: Rules, i: Any, lateral: Any) -> None:
    """Follow one ray of agent i, `lateral` cells to its right, until something stops it."""
    dr, dc = h.STEP_ROW[s.head[i]], h.STEP_COL[s.head[i]]
    row = s.pos[2 * i] + lateral * dc
    col = s.pos[2 * i + 1] - lateral * dr
    for k in range(1, r.beam_length + 1):
        row += dr
        col += dc
        if row < 0 or row >= r.size or col < 0 or col >= r.size:
            return
        n = s.lit_n[0]
        s.lit[2 * n] = row
        s.lit[2 * n + 1] = col
        s.lit_n[0] = n + 1
        if r.ego:
            paint(s, r, row, col, h.P_BEAM, 1)
        at = cell_number(r, row, col)
        j = s.occ[at] - 1
        if j >= 0:
            if not ((s.frz[j] > 0 and r.frozen_immune) or s.grace[j] > 0):
                s.e_hit[i * r.agents + j] = 1
                s.e_distance[i * r.agents + j] = k
            if r.first_hit:
                return
        elif s.cell[at] == h.WASTE:
            s.e_cleaned[i] += 1
            if r.first_hit:
                return


@phase
def settle(s: One, r: Rules) -> None:
    """Remove what was cleaned, pay, run the timers, freeze the victims."""
    for n in range(s.lit_n[0]):
        row, col = s.lit[2 * n], s.lit[2 * n + 1]
        if (
            s.cell[cell_number(r, row, col)] == h.WASTE
        ):  # a ray never lights waste without hitting it
            put(s, r, row, col, h.EMPTY)
    for i in range(r.agents):
        s.e_apple_ctx[i] = int(apple_near(s, r, i))
        given, taken = 0, 0
        for j in range(r.agents):
            given += s.e_hit[i * r.agents + j]
            taken += s.e_hit[j * r.agents + i]
        pay(s, r, i, given, taken)
        run_timers(s, r, i, taken)
    if r.remove:
        come_and_go(s, r)


@phase
def apple_near(s: One, r: Rules, i: Any) -> Any:
    """Whether an apple lies in the 5x5 around agent i."""
    if s.pos[2 * i] < 0:
        return False
    corner = cell_number(r, s.pos[2 * i] - 2, s.pos[2 * i + 1] - 2)
    for y in range(5):
        for x in range(5):
            if s.cell[corner + y * r.side + x] == h.APPLE:
                return True
    return False


@phase
def pay(s: One, r: Rules, i: Any, given: Any, taken: Any) -> None:
    """Reward agent i and set the flags that let it feel what happened.

    r = R_A ate + R_W cleaned + R_Z given - R_V [taken > 0] - c_z fired, with R_V once per attacker
    when penalties stack.
    """
    pain = taken if r.victim_penalty_stacks else int(taken > 0)
    total = r.reward_apple * s.e_ate[i] + r.reward_zap_waste * s.e_cleaned[i]
    total += r.reward_zap_agent * given - r.victim_penalty * pain
    total -= r.zap_cost * s.e_fired[i]
    s.reward[i] = total
    s.got[i] = total
    hurt, hurts, cleans = int(taken > 0), int(given > 0), int(s.e_cleaned[i] > 0)
    s.flag[i] = h.WAS_HIT * hurt + h.HIT_AGENT * hurts + h.HIT_WASTE * cleans


@phase
def run_timers(s: One, r: Rules, i: Any, taken: Any) -> None:
    """Count immunity, freeze and cooldown of agent i down, then start those that begin now."""
    if s.grace[i] > 0:
        s.grace[i] -= 1
    if s.frz[i] > 0:
        s.frz[i] -= 1
        if s.frz[i] == 0:
            s.grace[i] = r.grace_steps
    if s.cool[i] > 0:
        s.cool[i] -= 1
    if s.e_fired[i] != 0:
        s.cool[i] = r.zap_cooldown
    s.tags[i] += taken
    if s.tags[i] >= r.hits_to_tag:
        s.tags[i] = 0
        s.grace[i] = 0
        s.frz[i] = r.timeout


@njit
def come_and_go(s: One, r: Rules) -> None:
    """Timeout by removal: the newly tagged leave the map, then those whose time is up re-enter."""
    for i in range(r.agents):
        if s.frz[i] > 0 and s.pos[2 * i] >= 0:
            leave(s, r, i)
    sk = stream_key(s.key[0], s.g[0], h.S_REENTER)
    for i in range(r.agents):
        if s.frz[i] == 0 and s.pos[2 * i] < 0 and not enter_anywhere(s, r, i, sk):
            s.frz[i] = 1  # no free cell: wait one more decision
            s.grace[i] = 0


@phase
def tick(s: One, r: Rules) -> None:
    """Report the counts, advance the clocks, end the episode when its time is over."""
    s.e_stock[0] = s.stock[0]
    s.e_waste[0] = s.waste[0]
    s.e_t[0] = s.t[0]
    s.e_g[0] = s.g[0]
    s.e_episode[0] = s.episode[0]
    s.t[0] += 1
    s.g[0] += 1
    s.truncated[0] = int(s.t[0] >= r.max_steps)
