"""What a placebo charges instead of the crime: draws that depend on world and moment alone.

Shapes as in `recall_kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from karma_rllib.credit.bank import SHUFFLE, Bank, Found, Rules, oldest
from karma_rllib.worlds.events import AGGRESSOR
from karma_rllib.worlds.rng import USER_STREAMS, below, stream_key, world_key

PLACEBO_STREAM = USER_STREAMS + 2000


@njit(cache=True)
def _other_crime(
    rules: Rules, bank: Bank, who: tuple[int, int], opp: int, g: int, stream: Any, draw: int
) -> int:
    """Slot of a random own crime, old enough, against another agent than `opp`; -1 if none."""
    w, v = who
    role, opponent, when = bank.role[w, v], bank.opp[w, v], bank.g[w, v]
    fits = np.zeros(rules.slots, np.bool_)
    for c in range(oldest(bank, w, v, rules.slots), bank.events[w, v]):
        m = c % rules.slots
        other = role[m] == AGGRESSOR and opponent[m] != opp
        fits[m] = other and g - when[m] > rules.exclusion
    (slots,) = np.nonzero(fits)
    return slots[below(stream, draw, len(slots))] if len(slots) else -1


@njit(cache=True)
def _plain_step(
    rules: Rules, plain: np.ndarray, t: int, who: tuple[int, int], stream: Any, draw: int
) -> int:
    """A random own step of this fragment without a zap, before the window; -1 if there is none."""
    w, v = who
    last = t - rules.exclusion  # rows [0, last) are old enough
    (rows,) = np.nonzero(plain[: max(0, last), w, v])
    return rows[below(stream, draw, len(rows))] if len(rows) else -1


@njit(cache=True)
def instead(
    rules: Rules,
    bank: Bank,
    plain: np.ndarray,
    t: int,
    p: int,
    uid: int,
    g: int,
    out: Found,
) -> None:
    """What a placebo charges instead: out.instead[p] = g, fragment, snapshot; g -1 if nothing."""
    w, v, i = out.world[p], out.victim[p], out.attacker[p]
    stream = stream_key(world_key(rules.seed, uid), g, PLACEBO_STREAM)
    draw = i * bank.events.shape[1] + v
    out.instead[p, 0] = -1
    if rules.placebo == SHUFFLE:
        m = _other_crime(rules, bank, (w, v), i, g, stream, draw)
        if m >= 0:
            at = (w, v, m)
            out.instead[p, 0], out.instead[p, 1] = bank.g[at], bank.fragment[at]
            out.instead[p, 2] = bank.snap[at]
    else:
        row = _plain_step(rules, plain, t, (w, v), stream, draw)
        if row >= 0:
            out.instead[p, 0] = g - t + row
