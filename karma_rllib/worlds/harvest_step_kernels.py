"""Kernels of one env-step of the harvest world: decide, turn, move, fire, settle, grow.

Every function is one phase over world b: it allocates nothing and uses no Python object; `s` is the
`State`, `w` the `Work`, `r` the `Rules`, `e` the `Events`.  The order of the phases is part of the
rules (see "Order of events" in `karma_rllib.worlds.harvest`).
"""

from __future__ import annotations

from typing import Any

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.events import Events
from karma_rllib.worlds.harvest_map_kernels import (
    enter,
    enter_anywhere,
    leave,
    paint,
    phase,
    pick,
    put,
)
from karma_rllib.worlds.harvest_state import Rules, State, Work
from karma_rllib.worlds.rng import below, stream_key, unit


@phase
def decide(s: State, w: Work, r: Rules, e: Events, actions: Any, b: Any) -> None:
    """Note who can act and what each would hit from o_t; the frozen do nothing."""
    e.t[b] = s.t[b]
    e.g[b] = s.g[b]
    e.episode[b] = s.episode[b]
    for i in range(r.agents):
        active = s.frz[b, i] == 0
        e.active[b, i] = active
        e.ate[b, i] = False
        e.fired[b, i] = False
        e.cleaned[b, i] = 0
        s.act[b, i] = actions[b, i] if active else h.NOOP
        e.aim[b, i] = first_in_line(s, w, r, b, i)
        for j in range(r.agents):
            e.hit[b, i, j] = False
            e.distance[b, i, j] = 0


@phase
def first_in_line(s: State, w: Work, r: Rules, b: Any, i: Any) -> Any:
    """What is nearest in the beam of agent i; in a tie active rival, waste, frozen rival."""
    if s.pos[b, i, 0] < 0:
        return h.AIM_NOTHING
    d = s.head[b, i]
    dr, dc = h.STEP_ROW[d], h.STEP_COL[d]
    row, col = s.pos[b, i, 0] + r.pad, s.pos[b, i, 1] + r.pad
    for k in range(1, r.beam_length + 1):
        best = h.AIM_NOTHING
        for side in range(-r.beam_half_width, r.beam_half_width + 1):
            y, x = row + k * dr + side * dc, col + k * dc - side * dr
            j = w.occ[b, y, x] - 1
            if j >= 0 and s.frz[b, j] == 0:
                return h.AIM_RIVAL
            if s.cell[b, y, x] == h.WASTE:
                best = h.AIM_WASTE
            elif j >= 0 and best == h.AIM_NOTHING:
                best = h.AIM_FROZEN
        if best != h.AIM_NOTHING:
            return best
    return h.AIM_NOTHING


@phase
def turn(s: State, r: Rules, b: Any) -> None:
    """Turn left or right on the spot."""
    for i in range(r.agents):
        quarter = int(s.act[b, i] == h.TURN_RIGHT) - int(s.act[b, i] == h.TURN_LEFT)
        s.head[b, i] = (s.head[b, i] + quarter) & 3


@phase
def move(s: State, w: Work, r: Rules, e: Events, b: Any) -> None:
    """Move one after the other in a fresh random order; walls, waste and agents block; eat."""
    sk = stream_key(s.key[b], s.g[b], h.S_ORDER)
    for i in range(r.agents):
        w.order[b, i] = i
    for i in range(r.agents - 1, 0, -1):  # Fisher-Yates
        j = below(sk, i, i + 1)
        w.order[b, i], w.order[b, j] = w.order[b, j], w.order[b, i]
    for n in range(r.agents):
        i = w.order[b, n]
        act = s.act[b, i]
        if act < h.FORWARD or act > h.RIGHT:
            continue
        d = h.MOVE_TURN[act - 1]
        if not r.absolute:
            d = (d + s.head[b, i]) & 3
        row = s.pos[b, i, 0] + r.pad + h.STEP_ROW[d]
        col = s.pos[b, i, 1] + r.pad + h.STEP_COL[d]
        terrain = s.cell[b, row, col]
        if terrain == h.WALL or terrain == h.WASTE or w.occ[b, row, col] != 0:
            continue
        leave(s, w, r, b, i)
        enter(s, w, r, b, i, row, col)
        if terrain == h.APPLE:
            put(s, w, r, b, row, col, h.EMPTY)
            s.wait[b, row, col] = r.respawn_delay + 1
            e.ate[b, i] = True


@phase
def fire(s: State, w: Work, r: Rules, e: Events, b: Any) -> None:
    """Fire all beams at once from where everyone now stands; nothing they hit changes yet."""
    for n in range(s.lit_n[b]):
        paint(w, r, b, s.lit[b, n, 0] + r.pad, s.lit[b, n, 1] + r.pad, h.P_BEAM, 0)
    s.lit_n[b] = 0
    for i in range(r.agents):
        if s.act[b, i] == h.ZAP and s.cool[b, i] == 0:
            e.fired[b, i] = True
            for side in range(-r.beam_half_width, r.beam_half_width + 1):
                ray(s, w, r, e, b, i, side)


@phase
def ray(s: State, w: Work, r: Rules, e: Events, b: Any, i: Any, side: Any) -> None:
    """Follow one ray of agent i, `side` cells to its right, until something stops it."""
    d = s.head[b, i]
    dr, dc = h.STEP_ROW[d], h.STEP_COL[d]
    row = s.pos[b, i, 0] + r.pad + side * dc
    col = s.pos[b, i, 1] + r.pad - side * dr
    for k in range(1, r.beam_length + 1):
        y, x = row + k * dr, col + k * dc
        if s.cell[b, y, x] == h.WALL:
            return
        s.lit[b, s.lit_n[b], 0] = y - r.pad
        s.lit[b, s.lit_n[b], 1] = x - r.pad
        s.lit_n[b] += 1
        paint(w, r, b, y, x, h.P_BEAM, 1)
        j = w.occ[b, y, x] - 1
        if j >= 0:
            frozen = s.frz[b, j] > 0 and r.frozen_immune
            if not (frozen or s.grace[b, j] > 0):
                e.hit[b, i, j] = True
                e.distance[b, i, j] = k
            if r.first_hit:
                return
        elif s.cell[b, y, x] == h.WASTE:
            e.cleaned[b, i] += 1
            if r.first_hit:
                return


@phase
def settle(s: State, w: Work, r: Rules, e: Events, reward: Any, b: Any) -> None:
    """Remove what was cleaned, pay, run the timers, freeze the victims."""
    for n in range(s.lit_n[b]):
        row, col = s.lit[b, n, 0] + r.pad, s.lit[b, n, 1] + r.pad
        if s.cell[b, row, col] == h.WASTE:  # a ray never lights waste without hitting it
            put(s, w, r, b, row, col, h.EMPTY)
    for i in range(r.agents):
        e.apple_ctx[b, i] = apple_near(s, r, b, i)
    for i in range(r.agents):
        given, taken = 0, 0
        for j in range(r.agents):
            given += int(e.hit[b, i, j])
            taken += int(e.hit[b, j, i])
        pay(s, r, e, reward, b, i, given, taken)
        run_timers(s, r, e, b, i, taken)
    if r.remove:
        come_and_go(s, w, r, e, b)


@phase
def apple_near(s: State, r: Rules, b: Any, i: Any) -> Any:
    """Whether an apple lies in the 5x5 around agent i."""
    if s.pos[b, i, 0] < 0:
        return False
    row, col = s.pos[b, i, 0] + r.pad, s.pos[b, i, 1] + r.pad
    n = 0
    for y in range(row - 2, row + 3):
        for x in range(col - 2, col + 3):
            n += int(s.cell[b, y, x] == h.APPLE)
    return n > 0


@phase
def pay(s: State, r: Rules, e: Events, reward: Any, b: Any, i: Any, given: Any, taken: Any) -> None:
    """Reward of agent i and the flags that let it feel what happened.

    r = R_A ate + R_W cleaned + R_Z given - R_V [taken > 0] - c_z fired, R_V once per attacker when
    penalties stack.
    """
    pain = taken if r.victim_penalty_stacks else int(taken > 0)
    total = r.reward_apple * int(e.ate[b, i]) + r.reward_zap_waste * e.cleaned[b, i]
    total += r.reward_zap_agent * given - r.victim_penalty * pain
    total -= r.zap_cost * int(e.fired[b, i])
    reward[b, i] = total
    s.got[b, i] = total
    s.flag[b, i] = (
        h.WAS_HIT * int(taken > 0)
        + h.HIT_AGENT * int(given > 0)
        + h.HIT_WASTE * int(e.cleaned[b, i] > 0)
    )


@phase
def run_timers(s: State, r: Rules, e: Events, b: Any, i: Any, taken: Any) -> None:
    """Count immunity, freeze and cooldown of agent i down, then start those that begin now."""
    if s.grace[b, i] > 0:
        s.grace[b, i] -= 1
    if s.frz[b, i] > 0:
        s.frz[b, i] -= 1
        if s.frz[b, i] == 0:
            s.grace[b, i] = r.grace_steps
    if s.cool[b, i] > 0:
        s.cool[b, i] -= 1
    if e.fired[b, i]:
        s.cool[b, i] = r.zap_cooldown
    s.tags[b, i] += taken
    if s.tags[b, i] >= r.hits_to_tag:
        s.tags[b, i] = 0
        s.grace[b, i] = 0
        s.frz[b, i] = r.timeout


@phase
def come_and_go(s: State, w: Work, r: Rules, e: Events, b: Any) -> None:
    """Timeout by removal: the newly tagged leave the map, then those whose time is up re-enter."""
    for i in range(r.agents):
        if s.frz[b, i] > 0 and s.pos[b, i, 0] >= 0:
            leave(s, w, r, b, i)
    sk = stream_key(s.key[b], s.g[b], h.S_REENTER)
    for i in range(r.agents):
        if s.frz[b, i] == 0 and s.pos[b, i, 0] < 0 and not enter_anywhere(s, w, r, b, i, sk):
            s.frz[b, i] = 1  # no free cell: wait one more decision
            s.grace[b, i] = 0


@phase
def grow(s: State, w: Work, r: Rules, b: Any) -> None:
    """Sprout apples, then spread and spill waste, each judged from the map as it now is."""
    f_glob = 1.0
    if r.waste_global and s.pot[b] > 0:
        rho = s.waste[b] / s.pot[b]
        f_glob = (r.waste_depletion - rho) / (r.waste_depletion - r.waste_restoration)
        f_glob = min(max(f_glob, 0.0), 1.0)
    classify(s, w, r, b)
    sprout(s, w, r, b, f_glob)
    if r.waste_on and r.waste_spread_prob > 0.0:
        spread(s, w, r, b)
    if r.waste_on and r.waste_spawn_prob > 0.0:
        sk = stream_key(s.key[b], s.g[b], h.S_SPILL)
        if unit(sk, 0) < r.waste_spawn_prob:
            at = pick(s, w, r, b, h.EMPTY, h.ZONE, sk, 1)
            if at >= 0:
                side = r.size + 2 * r.pad
                put(s, w, r, b, at // side, at % side, h.WASTE)


@phase
def classify(s: State, w: Work, r: Rules, b: Any) -> None:
    """Write every cell's growth class: an index into `Rules.sprout`."""
    lo, hi = r.pad, r.pad + r.size
    for row in range(lo, hi):
        for col in range(lo, hi):
            free = s.cell[b, row, col] == h.EMPTY
            if r.sites_only:
                free &= (s.ground[b, row, col] & h.SITE) != 0
            if r.respawn_delay > 0 and free:
                if s.wait[b, row, col] > 0:
                    s.wait[b, row, col] -= 1
                free &= s.wait[b, row, col] == 0
            if not r.under_agent:
                free &= w.occ[b, row, col] == 0
            near = 0
            if r.by_density:
                near = h.WASTE_COUNTS * min(around(s, r, b, row, col), r.last_rate)
            if r.waste_local:
                for y in range(row - 1, row + 2):
                    for x in range(col - 1, col + 2):
                        near += int(s.cell[b, y, x] == h.WASTE)
            w.grown[b, row, col] = near if free else h.NEVER


@phase
def around(s: State, r: Rules, b: Any, row: Any, col: Any) -> Any:
    """Apples in the neighbourhood of a cell."""
    n = 0
    for y in range(row - 1, row + 2):
        for x in range(col - 1, col + 2):
            n += int(s.cell[b, y, x] == h.APPLE)
    n -= int(s.cell[b, row, col] == h.APPLE)
    if r.disc2:
        n += int(s.cell[b, row - 2, col] == h.APPLE) + int(s.cell[b, row + 2, col] == h.APPLE)
        n += int(s.cell[b, row, col - 2] == h.APPLE) + int(s.cell[b, row, col + 2] == h.APPLE)
    return n


@phase
def sprout(s: State, w: Work, r: Rules, b: Any, f_glob: Any) -> None:
    """Grow apples: each cell on its own, with the probability of its class times F_glob."""
    sk = stream_key(s.key[b], s.g[b], h.S_SPROUT)
    for row in range(r.size):
        n = 0
        for col in range(r.size):
            p = r.sprout[w.grown[b, row + r.pad, col + r.pad]] * f_glob
            yes = unit(sk, row * r.size + col) < p
            w.grown[b, row + r.pad, col + r.pad] = yes
            n += int(yes)
        if n > 0:
            for col in range(r.pad, r.pad + r.size):
                if w.grown[b, row + r.pad, col] != 0:
                    put(s, w, r, b, row + r.pad, col, h.APPLE)


@phase
def spread(s: State, w: Work, r: Rules, b: Any) -> None:
    """Let each waste cell foul one free zone cell beside it; new waste waits for the next step."""
    sk = stream_key(s.key[b], s.g[b], h.S_SPREAD)
    to = stream_key(s.key[b], s.g[b], h.S_SPREAD_TO)
    lo, hi = r.pad, r.pad + r.size
    for row in range(lo, hi):
        for col in range(lo, hi):
            u = unit(sk, (row - lo) * r.size + col - lo)
            waste = s.cell[b, row, col] == h.WASTE
            w.grown[b, row, col] = waste and u < r.waste_spread_prob
    for row in range(lo, hi):
        for col in range(lo, hi):
            if w.grown[b, row, col] == 0:
                continue
            n = 0
            for d in range(4):
                n += int(can_foul(s, w, b, row + h.STEP_ROW[d], col + h.STEP_COL[d]))
            if n == 0:
                continue
            k = below(to, (row - lo) * r.size + col - lo, n)
            for d in range(4):
                y, x = row + h.STEP_ROW[d], col + h.STEP_COL[d]
                if can_foul(s, w, b, y, x):
                    if k == 0:
                        put(s, w, r, b, y, x, h.WASTE)
                    k -= 1


@phase
def can_foul(s: State, w: Work, b: Any, row: Any, col: Any) -> Any:
    """Whether waste can come to lie here: an empty, unoccupied cell of the zone."""
    zone = (s.ground[b, row, col] & h.ZONE) != 0
    return zone and s.cell[b, row, col] == h.EMPTY and w.occ[b, row, col] == 0


@phase
def tick(s: State, r: Rules, e: Events, truncated: Any, b: Any) -> None:
    """Advance the clocks and report what is left on the map."""
    e.stock[b] = s.stock[b]
    e.waste[b] = s.waste[b]
    s.t[b] += 1
    s.g[b] += 1
    truncated[b] = s.t[b] >= r.max_steps
