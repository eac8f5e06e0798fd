"""Kernels of one env-step of the kinship world: begin, tend, sustain, settle, tick.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
It allocates nothing and uses no Python object.  The order of the phases is part of the rules (see
"Order of events" in `karma_rllib.worlds.kinship`); attacks and all other actions have their files.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_court_kernels import forget
from karma_rllib.worlds.kinship_map_kernels import (
    draw,
    show_ready,
    take_turns,
    vanish,
    where,
)
from karma_rllib.worlds.kinship_rows_kernels import One, phase
from karma_rllib.worlds.kinship_rules import Rules
from karma_rllib.worlds.rng import below, stream_key


@phase
def cost(s: One, r: Rules, i: Any, verb: Any) -> Any:
    """What a verb costs agent i as it is now [hundredths]; lowering a shield is free."""
    if verb == k.SHIELD and s.shield[i] != 0:
        return 0
    return s.t_cost[(s.t_body[i] * 4 + s.posture[i]) * k.VERBS + verb]


@phase
def allowed(s: One, r: Rules, i: Any, verb: Any, arg: Any) -> Any:
    """Whether agent i's body, posture and goods allow the verb, cost aside."""
    body = s.t_body[i]
    if verb == k.ATTACK or verb == k.NEAREST:
        return s.t_can_attack[body] != 0 and s.posture[i] != k.SCOUT
    if verb == k.FORWARD or verb == k.BACKWARD or verb == k.GO:
        return s.posture[i] != k.REST
    if verb == k.JUMP:
        return s.posture[i] != k.REST and s.t_can_jump[body] != 0
    if verb == k.GIFT:
        return arg == 0 or s.inv[i * r.items + arg - 1] > 0
    if verb == k.POSTURE:
        return s.pause[i] == 0 and s.posture[i] != arg
    return True


@phase
def possible(s: One, r: Rules, i: Any, a: Any) -> Any:
    """Whether agent i could do action a at all, whatever is around it; no-op always."""
    verb = s.t_verb[a]
    if verb == k.NOOP:
        return True
    if s.frz[i] > 0 or s.dead[i] != 0 or not allowed(s, r, i, verb, s.t_arg[a]):
        return False
    return s.energy[i] >= cost(s, r, i, verb)


@phase
def pay(s: One, i: Any, price: Any) -> None:
    """Take the price of an action."""
    s.energy[i] -= price
    s.e_energy_spent[i] += price


@phase
def gain(s: One, i: Any, amount: Any) -> Any:
    """Give energy as far as agent i can hold it; returns how much it was."""
    amount = min(amount, s.t_top[s.t_body[i]] - s.energy[i])
    s.energy[i] += amount
    return amount


@phase
def begin(s: One, r: Rules, actions: Any) -> None:
    """Note who can act and whom each would hit from o_t; forget the last step."""
    for i in range(r.agents):
        able = s.frz[i] == 0 and s.dead[i] == 0
        s.e_active[i] = int(able)
        s.act[i] = actions[i] if able else 0
        s.flag[i] = 0
        s.struck[i] = -1
        s.reward[i] = 0
        j = nearest(s, r, i)
        s.e_aim_agent[i] = j
        s.e_aim[i] = 0
        if j >= 0:
            s.e_aim[i] = 1 if s.frz[j] == 0 else 3
        s.e_ate[i] = 0
        s.e_fired[i] = 0
        s.e_failed[i] = 0
        s.e_harvested[i] = 0
        s.e_consumed[i] = 0
        s.e_produced[i] = 0
        s.e_looted[i] = 0
        s.e_gift_to[i] = -1
        s.e_gave_items[i] = 0
        s.e_gave_energy[i] = 0
        s.e_marked[i] = -1
        s.e_swapped[i] = 0
        s.e_built[i] = 0
        s.e_destroyed[i] = 0
        s.e_energy_charged[i] = 0
        s.e_energy_regained[i] = 0
        s.e_energy_spent[i] = 0
        s.e_energy_lost[i] = 0
        s.e_energy_stolen[i] = 0
        s.e_energy_received[i] = 0
        forget(s, i)
        if r.potential:
            s.worth[i] = worth(s, r, i)
    for n in range(r.agents * r.agents):
        s.e_hit[n] = 0
        s.e_distance[n] = 0
        s.e_blocked[n] = 0
        s.e_froze[n] = 0


@phase
def worth(s: One, r: Rules, i: Any) -> Any:
    """Worth of the items that agent i holds."""
    total = 0.0
    for item in range(r.items):
        total += s.t_value[item] * s.inv[i * r.items + item]
    return total


@phase
def nearest(s: One, r: Rules, i: Any) -> Any:
    """Agent that is nearest in the block ahead of agent i, -1 for none.

    Rows from near to far; in a row the middle first, then left, then right.
    """
    if s.pos[2 * i] < 0:
        return -1
    here = where(s, r, i)
    d = s.head[i]
    for away in range(1, r.range + 1):
        for lateral in k.LATERAL:
            row = away * k.STEP_ROW[d] + lateral * k.STEP_COL[d]
            col = away * k.STEP_COL[d] - lateral * k.STEP_ROW[d]
            j = s.occ[here + row * r.side + col] - 1
            if j >= 0:
                return j
    return -1


@phase
def tend(s: One, r: Rules) -> None:
    """Run the timers of machines and of markers on the floor; let altars take turns."""
    if r.altar_turns > 0 and s.t[0] % r.altar_turns == 0:
        take_turns(s, r)
    for o in range(r.objects):
        if s.o_at[o] < 0:
            continue
        if s.o_wait[o] > 0:
            s.o_wait[o] -= 1
            if s.o_wait[o] == 0:
                if s.o_work[o] != k.IDLE:
                    proceed(s, r, o)
                show_ready(s, r, o)
        idle = s.cell[s.o_at[o]] == k.STATION and s.o_work[o] == k.IDLE
        if idle and s.t_self_run[s.o_kind[o]] != 0 and has_room(s, r, o):
            start(s, r, o)
    if r.floor_marks > 0:
        for at in range(r.side * r.side):
            if s.dry[at] > 0:
                s.dry[at] -= 1
                if s.dry[at] == 0:
                    s.ink[at] = 0
                    draw(s, r, at)


@phase
def has_room(s: One, r: Rules, o: Any) -> Any:
    """Whether a station holds fewer outputs than its most."""
    held = 0
    for item in range(r.items):
        held += s.o_out[o * r.items + item]
    return held < s.t_most[s.o_kind[o]]


@njit
def start(s: One, r: Rules, o: Any) -> None:
    """A station begins its work; without ticks it is done at once."""
    s.o_work[o] = k.WORKING
    s.o_wait[o] = s.t_ticks[s.o_kind[o]]
    if s.o_wait[o] == 0:
        proceed(s, r, o)
        show_ready(s, r, o)


@njit
def proceed(s: One, r: Rules, o: Any) -> None:
    """A station goes from work to its pause, from the pause to idleness."""
    kind = s.o_kind[o]
    if s.o_work[o] == k.WORKING:
        for item in range(r.items):
            s.o_out[o * r.items + item] += s.t_gives[kind * r.items + item]
        s.o_wait[o] = s.t_rest[kind]
        s.o_work[o] = k.COOLING if s.o_wait[o] > 0 else k.IDLE
    else:
        s.o_work[o] = k.IDLE


@phase
def sustain(s: One, r: Rules) -> None:
    """Regain energy, keep shields up, let the pause between postures pass."""
    for i in range(r.agents):
        if s.dead[i] != 0:
            continue
        more = k.CENT if s.energy[i] < r.floor else r.regen
        if s.posture[i] == k.REST:
            more += k.CENT
        s.e_energy_regained[i] += gain(s, i, more)
        if s.shield[i] != 0:
            upkeep = min(s.t_upkeep[s.t_body[i] * 4 + s.posture[i]], s.energy[i])
            pay(s, i, upkeep)
            if s.energy[i] == 0:
                s.shield[i] = 0
        if s.pause[i] > 0:
            s.pause[i] -= 1


@phase
def shuffle(s: One, r: Rules) -> None:
    """Draw the order of this step."""
    sk = stream_key(s.key[0], s.g[0], k.S_ORDER)
    for i in range(r.agents):
        s.order[i] = i
    for i in range(r.agents - 1, 0, -1):  # Fisher-Yates
        j = below(sk, i, i + 1)
        swap = s.order[i]
        s.order[i] = s.order[j]
        s.order[j] = swap


@phase
def settle(s: One, r: Rules) -> None:
    """Pay, count the freezes down, let the dead go."""
    for i in range(r.agents):
        if s.e_failed[i] != 0:
            s.flag[i] |= k.FAILED
        total = r.reward_heart * s.e_ate[i] + r.reward_diamond * s.e_harvested[i]
        total += r.reward_energy * s.e_energy_charged[i] - r.penalty * s.e_failed[i]
        if r.potential:
            total += worth(s, r, i) - s.worth[i]
        s.reward[i] = total
    if r.prestige > 0 and (s.t[0] + 1) % r.prestige_every == 0 and r.agents > 1:
        for i in range(r.agents):
            rank = 0
            for j in range(r.agents):
                rank += int(s.hearts[j] < s.hearts[i]) - int(s.hearts[j] > s.hearts[i])
            s.reward[i] += r.prestige * rank / (r.agents - 1)
    for i in range(r.agents):
        s.got[i] = s.reward[i]
        if r.mortal and s.energy[i] == 0 and s.dead[i] == 0:
            s.dead[i] = 1
            s.frz[i] = 0
            s.shield[i] = 0
            vanish(s, r, i)
        s.e_shielded[i] = s.shield[i]
        s.e_energy[i] = s.energy[i]
        s.e_apple_ctx[i] = int(machine_near(s, r, i))


@phase
def machine_near(s: One, r: Rules, i: Any) -> Any:
    """Whether a machine lies in the 5x5 around agent i."""
    if s.pos[2 * i] < 0:
        return False
    here = where(s, r, i)
    for y in range(-2, 3):
        for x in range(-2, 3):
            if s.thing[here + y * r.side + x] > 0:
                return True
    return False


@phase
def tick(s: One, r: Rules) -> None:
    """Report the counts, advance the clocks, end the episode when its time is over."""
    stock = 0
    for o in range(r.objects):
        if s.o_at[o] >= 0 and s.cell[s.o_at[o]] == k.GENERATOR:
            stock += int(s.o_wait[o] == 0 and s.o_stock[o] != 0)
    s.e_stock[0] = stock
    s.e_t[0] = s.t[0]
    s.e_g[0] = s.g[0]
    s.e_episode[0] = s.episode[0]
    s.t[0] += 1
    s.g[0] += 1
    s.truncated[0] = int(s.t[0] >= r.max_steps)
