"""The memory's inner loops: find what a punished agent remembers, then write what just happened.

Shapes: W worlds, N agents, C slots allocated per agent, K key width, V value width, P punishments
of one step, k slots read. A slot's place is (its agent's event number) mod `slots`, so walking
event numbers backwards walks from the newest event to the oldest.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from karma_rllib.credit.bank import HARD_ROLE, NO_PLACEBO, SOFT, Bank, Found, Rules, oldest
from karma_rllib.credit.contrast import chance_factor
from karma_rllib.credit.placebo import instead
from karma_rllib.worlds.events import AGGRESSOR, CLEANER, VICTIM


@njit(cache=True)
def _cosine(key: np.ndarray, query: np.ndarray) -> float:
    """Inner product of two unit vectors (K,)."""
    s = 0.0
    for i in range(len(query)):
        s += np.float64(key[i]) * query[i]
    return s


@njit(cache=True)
def _insert(event: np.ndarray, score: np.ndarray, found: int, c: int, s: float) -> int:
    """Keep the best events in falling order of score; of equals the newer, which came first."""
    k = len(event)
    if found == k and s <= score[k - 1]:
        return found
    at = min(found, k - 1)
    while at > 0 and score[at - 1] < s:
        event[at], score[at] = event[at - 1], score[at - 1]
        at -= 1
    event[at], score[at] = c, s
    return min(found + 1, k)


@njit(cache=True)
def _search(
    rules: Rules,
    bank: Bank,
    who: tuple[int, int],
    opp: int,
    g: int,
    query: np.ndarray,
    event: np.ndarray,
    score: np.ndarray,
) -> int:
    """Fill `event` (-1s before) and `score` (k,) with what `who` recalls; returns how many."""
    w, v = who
    # Rows of this agent alone: handing whole banks to a function per slot costs ten times the work
    role, opponent, when, key = bank.role[w, v], bank.opp[w, v], bank.g[w, v], bank.key[w, v]
    found = 0
    for c in range(bank.events[w, v] - 1, oldest(bank, w, v, rules.slots) - 1, -1):
        m = c % rules.slots
        crime, same, age = role[m] == AGGRESSOR, opponent[m] == opp, g - when[m]
        if age <= rules.exclusion:
            continue
        if rules.match != SOFT and not (crime and (same or rules.match == HARD_ROLE)):
            continue
        if rules.top_k == 1 and rules.match != SOFT:  # the latest crime
            event[0], score[0] = c, 0.0
            return 1
        s = crime + same + _cosine(key[m], query) - age / rules.tau_age  # equation (1) of `recall`
        found = _insert(event, score, found, c, s)
    if rules.match == SOFT and found > 0 and score[0] < rules.theta:
        event[:] = -1
        return 0
    return found


@njit(cache=True)
def _store(rules: Rules, bank: Bank, p: int, k: int, out: Found, score: np.ndarray) -> None:
    """Write the k events in out.event[p] out in full, with softmax shares."""
    w, v = out.world[p], out.victim[p]
    total = 0.0
    for m in range(k):
        total += np.exp(rules.beta * (score[m] - score[0]))
    for m in range(k):
        at = (w, v, out.event[p, m] % rules.slots)
        out.weight[p, m] = np.exp(rules.beta * (score[m] - score[0])) / total
        out.g[p, m], out.fragment[p, m] = bank.g[at], bank.fragment[at]
        out.snap[p, m], out.blame[p, m] = bank.snap[at], bank.blame[at]


@njit(cache=True)
def read(
    rules: Rules,
    bank: Bank,
    plain: np.ndarray,
    tally: np.ndarray,
    t: int,
    uid: np.ndarray,
    g: np.ndarray,
    hit: np.ndarray,
    query: np.ndarray,
    out: Found,
    reading: np.ndarray,
) -> None:
    """Recall for every hit of one step, before anything of the step is written.

    Args:
        rules: the compiled parameters.
        bank: what is remembered.
        plain: steps of the fragment without a zap, bool (T, W, N); unread without that placebo.
        tally: counts of `chance_factor`, float64 (W, 2, 2).
        t: row of the step in the fragment.
        uid: identities of the worlds, int64 (W,).
        g: env-step of each world's life, int64 (W,).
        hit: i zapped j, bool (W, N, N).
        query: unit vectors, float32 (W, N, K).
        out: receives the links, ordered by world, victim, attacker.
        reading: receives the mean reading of each agent, float32 (W, N, V), zeros before.
    """
    W, N = bank.events.shape
    score = np.empty(rules.top_k)
    p = 0
    for w in range(W):
        for v in range(N):
            linked = 0
            for i in range(N):
                if not hit[w, i, v]:
                    continue
                out.world[p], out.victim[p], out.attacker[p] = w, v, i
                k = _search(rules, bank, (w, v), i, g[w], query[w, v], out.event[p], score)
                out.linked[p] = k > 0
                out.factor[p] = chance_factor(tally[w]) if rules.contrast else 1.0
                if k > 0:
                    linked += 1
                    _store(rules, bank, p, k, out, score)
                    for m in range(k):
                        at = (w, v, out.event[p, m] % rules.slots)
                        reading[w, v] += out.weight[p, m] * bank.value[at]
                    if rules.placebo != NO_PLACEBO:
                        instead(rules, bank, plain, t, p, uid[w], g[w], out)
                p += 1
            if linked > 1:
                reading[w, v] /= linked


@njit(cache=True)
def _remember(
    slots: int,
    bank: Bank,
    who: tuple[int, int],
    role: int,
    opp: int,
    g: int,
    fragment: int,
    key: np.ndarray,
    value: np.ndarray,
) -> None:
    at = (who[0], who[1], bank.events[who] % slots)
    bank.role[at], bank.opp[at], bank.g[at], bank.fragment[at] = role, opp, g, fragment
    bank.snap[at], bank.blame[at] = -1, 0.0
    bank.key[at] = key
    bank.value[at] = value
    bank.events[who] += 1


@njit(cache=True)
def write(
    rules: Rules,
    bank: Bank,
    fragment: int,
    g: np.ndarray,
    hit: np.ndarray,
    cleaned: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
) -> None:
    """Remember one step: who zapped whom, who was zapped by whom, who cleaned.

    Args:
        rules: the compiled parameters.
        bank: the memory, updated in place; it must have room.
        fragment: number of the current fragment.
        g: env-step of each world's life, int64 (W,).
        hit: i zapped j, bool (W, N, N).
        cleaned: i cleaned, bool (W, N).
        key: unit vectors, float32 (W, N, K).
        value: float32 (W, N, V).
    """
    W, N = bank.events.shape
    for w in range(W):
        for i in range(N):
            for j in range(N):
                for a, b, role in ((i, j, AGGRESSOR), (j, i, VICTIM)):
                    if hit[w, i, j]:
                        _remember(
                            rules.slots,
                            bank,
                            (w, a),
                            role,
                            b,
                            g[w],
                            fragment,
                            key[w, a],
                            value[w, a],
                        )
            if cleaned[w, i]:
                _remember(
                    rules.slots, bank, (w, i), CLEANER, -1, g[w], fragment, key[w, i], value[w, i]
                )
