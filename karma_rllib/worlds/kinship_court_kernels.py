"""Kernels of mate selection in the kinship world: who courts whom, and who is bonded to whom.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`),
`i` and `j` are agents.  What a bond is worth is not decided here: see `society.relatives`.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_map_kernels import ahead
from karma_rllib.worlds.kinship_rows_kernels import One, phase
from karma_rllib.worlds.kinship_rules import Rules


@phase
def forget(s: One, i: Any) -> None:
    """Forget what the last step told of agent i's courtship."""
    s.e_court_to[i] = -1
    s.e_energy_court[i] = 0
    s.e_bonded[i] = 0
    s.e_parted[i] = 0
    s.e_mate_hearts[i] = 0


@njit
def bonds(s: One, r: Rules, i: Any) -> Any:
    """Number of agent i's bonds."""
    found = 0
    for j in range(r.agents):
        found += int(s.bond[i * r.agents + j] > 0)
    return found


@njit
def court(s: One, r: Rules, i: Any) -> Any:
    """Court the agent ahead, and bond with it if it courts agent i; returns whether it had effect.

    Who has all the bonds it may have loses its oldest by courting somebody else: so an agent that
    courts always has room for the bond that may come of it.
    """
    s.e_energy_court[i] += s.t_cost[(s.t_body[i] * 4 + s.posture[i]) * k.VERBS + k.COURT]
    j = s.occ[ahead(s, r, i)] - 1
    if j < 0 or s.bond[i * r.agents + j] > 0:
        return False
    s.e_court_to[i] = j
    if bonds(s, r, i) >= r.max_bonds:
        leave_oldest(s, r, i)
    if s.suit[j] == i:
        bind(s, r, i, j)
    else:
        s.suit[i] = j
        s.suit_left[i] = r.court_steps + 1  # this step is not counted
    return True


@phase
def leave_oldest(s: One, r: Rules, i: Any) -> None:
    """End the bond that agent i made first."""
    oldest = -1
    for j in range(r.agents):
        number = s.bond[i * r.agents + j]
        if number > 0 and (oldest < 0 or number < s.bond[i * r.agents + oldest]):
            oldest = j
    s.bond[i * r.agents + oldest] = 0
    s.bond[oldest * r.agents + i] = 0
    s.e_parted[i] += 1
    s.e_parted[oldest] += 1


@phase
def bind(s: One, r: Rules, i: Any, j: Any) -> None:
    """Bond agents i and j; neither courts anybody any more."""
    s.vows[0] += 1
    s.bond[i * r.agents + j] = s.vows[0]
    s.bond[j * r.agents + i] = s.vows[0]
    s.e_bonded[i] += 1
    s.e_bonded[j] += 1
    s.e_mate_hearts[i] += s.hearts[j]
    s.e_mate_hearts[j] += s.hearts[i]
    s.suit[i] = -1
    s.suit[j] = -1
    s.suit_left[i] = 0
    s.suit_left[j] = 0


@phase
def cool(s: One, r: Rules) -> None:
    """Let the time pass in which a courtship can be answered."""
    if not r.court:
        return
    for i in range(r.agents):
        if s.suit_left[i] > 0:
            s.suit_left[i] -= 1
            if s.suit_left[i] == 0:
                s.suit[i] = -1
