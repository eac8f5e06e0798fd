"""Kernels of the attacks of the kinship world.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
It allocates nothing and uses no Python object.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_map_kernels import draw, where
from karma_rllib.worlds.kinship_rows_kernels import One, phase
from karma_rllib.worlds.kinship_rules import Rules
from karma_rllib.worlds.kinship_step_kernels import cost, gain, pay, possible


@phase
def attack(s: One, r: Rules) -> None:
    """All attacks: everybody pays and aims, then the blows fall in the order of the step.

    Loot comes from what a victim held before the first blow.
    """
    shots = 0
    for i in range(r.agents):
        verb = s.t_verb[s.act[i]]
        if verb != k.ATTACK and verb != k.NEAREST:
            continue
        if not possible(s, r, i, s.act[i]):
            s.e_failed[i] = 1
            continue
        pay(s, i, cost(s, r, i, verb))
        s.e_fired[i] = 1
        s.struck[i] = target(s, r, i, verb, s.t_arg[s.act[i]])
        shots += 1
    if shots == 0:
        return
    for n in range(r.agents * r.items):
        s.inv0[n] = s.inv[n]
    for n in range(r.agents):
        i = s.order[n]
        if s.e_fired[i] != 0 and s.struck[i] >= 0:
            blow(s, r, i, s.struck[i])


@phase
def target(s: One, r: Rules, i: Any, verb: Any, arg: Any) -> Any:
    """Number of the cell that an attack of agent i meets, -1 if it looks for an agent in vain."""
    if verb == k.NEAREST:
        j = s.e_aim_agent[i]
        return where(s, r, j) if j >= 0 else -1
    away, lateral, d = 1 + arg // 3, arg % 3 - 1, s.head[i]
    row = away * k.STEP_ROW[d] + lateral * k.STEP_COL[d]
    col = away * k.STEP_COL[d] - lateral * k.STEP_ROW[d]
    return where(s, r, i) + row * r.side + col


@njit
def blow(s: One, r: Rules, i: Any, at: Any) -> None:
    """Let the attack of agent i fall on a cell: on the agent there, else on the object."""
    j = s.occ[at] - 1
    if j < 0:
        if r.destroy and s.hp[at] > 0:
            s.hp[at] -= 1
            if s.hp[at] == 0:
                demolish(s, r, at)
                s.e_destroyed[i] += 1
        return
    pair = i * r.agents + j
    s.e_hit[pair] = 1
    down = abs(s.pos[2 * j] - s.pos[2 * i])
    aside = abs(s.pos[2 * j + 1] - s.pos[2 * i + 1])
    s.e_distance[pair] = down if s.head[i] % 2 == 0 else aside
    s.flag[i] |= k.HIT_AGENT
    s.flag[j] |= k.WAS_HIT
    if s.frz[j] > 0:
        s.frz[j] = r.freeze
        return
    if s.shield[j] != 0 and s.energy[j] >= r.damage:
        s.energy[j] -= r.damage
        s.e_energy_lost[j] += r.damage
        s.e_blocked[pair] = 1
        return
    s.e_froze[pair] = 1
    s.frz[j] = r.freeze
    s.shield[j] = 0
    lost = s.energy[j]
    s.energy[j] = 0
    s.e_energy_lost[j] += lost
    s.e_energy_stolen[i] += gain(s, i, int(lost * r.steal))
    if r.loot == k.LOOT_ON_ATTACK:
        for item in range(r.items):
            plunder(s, r, i, j, item, s.inv0[j * r.items + item])


@phase
def plunder(s: One, r: Rules, i: Any, j: Any, item: Any, held: Any) -> None:
    """Agent i takes up to `held` of an item from j, as far as it can hold them."""
    taken = min(held, r.cap - s.inv[i * r.items + item])
    s.inv[i * r.items + item] += taken
    s.inv[j * r.items + item] -= taken
    s.e_looted[i] += taken


@njit
def demolish(s: One, r: Rules, at: Any) -> None:
    """Remove what lies on a cell of the map."""
    o = s.thing[at] - 1
    if o >= 0:
        s.o_at[o] = -1
        s.thing[at] = 0
    s.cell[at] = k.EMPTY
    draw(s, r, at)
