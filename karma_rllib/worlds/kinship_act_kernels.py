"""Kernels of the actions of the kinship world that are no attacks, one function per verb.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`),
`i` the agent.  Each verb returns whether it had an effect.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_attack_kernels import plunder
from karma_rllib.worlds.kinship_court_kernels import cool, court
from karma_rllib.worlds.kinship_map_kernels import (
    ahead,
    build_up,
    draw,
    enter,
    go_to,
    is_ready,
    show_ready,
    stands_free,
    where,
)
from karma_rllib.worlds.kinship_rows_kernels import One, phase
from karma_rllib.worlds.kinship_rules import Rules
from karma_rllib.worlds.kinship_step_kernels import (
    cost,
    gain,
    has_room,
    pay,
    possible,
    start,
)


@phase
def act(s: One, r: Rules) -> None:
    """Everybody who is not frozen acts, in the order of the step; then freezes count down."""
    for n in range(r.agents):
        i = s.order[n]
        verb = s.t_verb[s.act[i]]
        if verb == k.NOOP or verb == k.ATTACK or verb == k.NEAREST:
            continue
        if s.frz[i] > 0:  # frozen in this step's attacks: its action is lost
            continue
        if not possible(s, r, i, s.act[i]):
            s.e_failed[i] = 1
            continue
        pay(s, i, cost(s, r, i, verb))
        if not perform(s, r, i, verb, s.t_arg[s.act[i]]):
            s.e_failed[i] = 1
    for i in range(r.agents):
        if s.frz[i] > 0:
            s.frz[i] -= 1
    cool(s, r)


@njit
def perform(s: One, r: Rules, i: Any, verb: Any, arg: Any) -> Any:
    """Do what the verb says."""
    if verb == k.FORWARD:
        return walk(s, r, i, s.head[i], 1)
    if verb == k.BACKWARD:
        return walk(s, r, i, s.head[i], -1)
    if verb == k.GO:
        s.head[i] = arg
        return walk(s, r, i, arg, 1)
    if verb == k.ROTATE:
        s.head[i] = arg
        return True
    if verb == k.JUMP:
        return walk(s, r, i, s.head[i], 2)
    if verb == k.USE:
        return use(s, r, i)
    if verb == k.SHIELD:
        s.shield[i] = 1 - s.shield[i]
        return True
    if verb == k.GIFT:
        return give(s, r, i, arg)
    if verb == k.MARK:
        return mark(s, r, i, arg)
    if verb == k.SWAP:
        return trade_places(s, r, i)
    if verb == k.POSTURE:
        s.posture[i] = arg
        s.pause[i] = r.posture_cooldown
        return True
    if verb == k.BUILD:
        return build(s, r, i)
    if verb == k.PUT:
        return put(s, r, i)
    if verb == k.COURT:
        return court(s, r, i)
    return get(s, r, i)


@phase
def walk(s: One, r: Rules, i: Any, d: Any, cells: Any) -> Any:
    """Go so many cells along heading d, if the last one is free."""
    at = where(s, r, i) + cells * (k.STEP_ROW[d] * r.side + k.STEP_COL[d])
    if not stands_free(s, at):
        return False
    go_to(s, r, i, at)
    return True


@phase
def use(s: One, r: Rules, i: Any) -> Any:
    """Use what is ahead: loot a frozen agent, harvest, charge, or take a heart."""
    at = ahead(s, r, i)
    j = s.occ[at] - 1
    if j >= 0:
        if r.loot != k.LOOT_ON_USE or s.frz[j] == 0:
            return False
        before = s.e_looted[i]
        for item in range(r.items):
            plunder(s, r, i, j, item, s.inv[j * r.items + item])
        return s.e_looted[i] > before
    o = s.thing[at] - 1
    if o < 0 or s.cell[at] == k.STATION or not is_ready(s, r, o):
        return False
    terrain, body = s.cell[at], s.t_body[i]
    if terrain == k.GENERATOR:
        return s.t_can_harvest[body] != 0 and harvest(s, r, i, o)
    if s.t_can_charge[body] == 0:
        return False
    if terrain == k.CHARGER:
        return charge(s, r, i, o)
    if terrain == k.ALTAR:
        if s.energy[i] < r.altar_cost or (s.live[0] >= 0 and s.live[0] != o):
            return False
        pay(s, i, r.altar_cost)
        s.o_wait[o] = r.altar_cooldown
    else:
        s.o_stock[o] -= 1
    s.e_ate[i] = 1
    s.hearts[i] += 1
    show_ready(s, r, o)
    return True


@phase
def harvest(s: One, r: Rules, i: Any, o: Any) -> Any:
    """Take a diamond from a generator."""
    slot = i * r.items + s.o_kind[o]
    if s.inv[slot] >= r.cap:
        return False
    s.inv[slot] += 1
    s.e_harvested[i] += 1
    s.o_wait[o] = r.generator_cooldown
    if s.o_stock[o] > 0:
        s.o_stock[o] -= 1
    show_ready(s, r, o)
    return True


@phase
def charge(s: One, r: Rules, i: Any, o: Any) -> Any:
    """Turn diamonds into energy; what exceeds the most that a body holds is lost."""
    recipe = s.o_kind[o]
    for kind in range(r.kinds):
        if s.inv[i * r.items + kind] < s.t_need[recipe * r.kinds + kind]:
            return False
    for kind in range(r.kinds):
        n = s.t_need[recipe * r.kinds + kind]
        s.inv[i * r.items + kind] -= n
        s.e_consumed[i] += n
    s.e_energy_charged[i] += gain(s, i, s.t_yields[s.t_body[i] * r.recipes + recipe])
    s.o_wait[o] = r.charger_cooldown
    show_ready(s, r, o)
    return True


@phase
def give(s: One, r: Rules, i: Any, what: Any) -> Any:
    """Give the agent ahead an energy packet (0) or one item; only what it can hold moves."""
    j = s.occ[ahead(s, r, i)] - 1
    if j < 0:
        return False
    if what == 0:
        moved = gain(s, j, min(r.gift, s.energy[i]))
        if moved == 0:
            return False
        s.energy[i] -= moved
        s.e_gave_energy[i] += moved
        s.e_energy_received[j] += moved
    else:
        item = what - 1
        if s.inv[j * r.items + item] >= r.cap:
            return False
        s.inv[i * r.items + item] -= 1
        s.inv[j * r.items + item] += 1
        s.e_gave_items[i] += 1
    s.e_gift_to[i] = j
    return True


@phase
def mark(s: One, r: Rules, i: Any, m: Any) -> Any:
    """Show a marker on the body, and leave it on the floor if floors hold them."""
    s.mark[i] = m + 1
    s.e_marked[i] = m
    if r.floor_marks > 0:
        at = where(s, r, i)
        s.ink[at] = m + 1
        s.dry[at] = r.floor_marks
        draw(s, r, at)
    return True


@phase
def trade_places(s: One, r: Rules, i: Any) -> Any:
    """Trade places with a frozen agent or a block ahead."""
    at, here = ahead(s, r, i), where(s, r, i)
    j = s.occ[at] - 1
    if j >= 0:
        if s.frz[j] == 0:
            return False
        enter(s, r, j, here)
        enter(s, r, i, at)
    elif s.cell[at] == k.BLOCK:
        health = s.hp[at]
        s.cell[at] = k.EMPTY
        s.hp[at] = 0
        go_to(s, r, i, at)
        s.cell[here] = k.BLOCK
        s.hp[here] = health
        draw(s, r, here)
        draw(s, r, at)
    else:
        return False
    s.e_swapped[i] = 1
    return True


@phase
def build(s: One, r: Rules, i: Any) -> Any:
    """Place a block ahead."""
    at = ahead(s, r, i)
    if not stands_free(s, at):
        return False
    build_up(s, r, at, k.BLOCK)
    draw(s, r, at)
    s.e_built[i] = 1
    return True


@phase
def put(s: One, r: Rules, i: Any) -> Any:
    """Hand a station all its inputs at once."""
    o = s.thing[ahead(s, r, i)] - 1
    if o < 0 or s.cell[s.o_at[o]] != k.STATION or s.o_work[o] != k.IDLE:
        return False
    first = s.o_kind[o] * r.items
    if s.t_self_run[s.o_kind[o]] != 0 or not has_room(s, r, o):
        return False
    for item in range(r.items):
        if s.inv[i * r.items + item] < s.t_takes[first + item]:
            return False
    for item in range(r.items):
        s.inv[i * r.items + item] -= s.t_takes[first + item]
        s.e_consumed[i] += s.t_takes[first + item]
    start(s, r, o)
    return True


@phase
def get(s: One, r: Rules, i: Any) -> Any:
    """Take a station's outputs as far as the agent can hold them."""
    o = s.thing[ahead(s, r, i)] - 1
    if o < 0 or s.cell[s.o_at[o]] != k.STATION:
        return False
    before = s.e_produced[i]
    for item in range(r.items):
        taken = min(s.o_out[o * r.items + item], r.cap - s.inv[i * r.items + item])
        s.inv[i * r.items + item] += taken
        s.o_out[o * r.items + item] -= taken
        s.e_produced[i] += taken
    show_ready(s, r, o)
    return s.e_produced[i] > before
