"""Kernels of the matchmaker: choose pairs by debt, then put them on the map.

The rules are told in `karma_rllib.society.matchmaker`.  Random draws are keyed by world and
episode, on streams of their own: a world's matches depend on nothing but its own life.

Shapes: B worlds, N agents, P pairs, G side of the map.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from karma_rllib.society.matchmaker import ANTI, RANDOM_PAIRS, Match, Rules
from karma_rllib.worlds.rng import below, stream_key, unit

# Streams of the counter generator, keyed by the episode; the worlds use numbers below 64.
S_TIES, S_DRAW, S_SHUFFLE, S_LUCK, S_PLACE = range(4096, 4101)
STEP_ROW, STEP_COL = (-1, 0, 1, 0), (0, 1, 0, -1)  # unit vectors of the headings
TRIES = 100  # random spots per pair before all are counted
TIE = 1e-6  # [zaps]: far below any debt, only decides between equal ones


@njit(cache=True)
def matchmake(
    rules: Rules,
    keys: np.ndarray,
    episode: np.ndarray,
    which: np.ndarray,
    ledger: np.ndarray,
    open_cells: np.ndarray,
    match: Match,
) -> None:
    """Decide the next episode of some worlds.

    Args:
        rules: the compiled rules; not `off`.
        keys: random key of each world, uint64 (B,).
        episode: the episode that begins, int64 (B,).
        which: the worlds that reset, bool (B,).
        ledger: what i owes j, before the decay of this reset, float32 (B, N, N) [zaps].
        open_cells: where an agent may start, bool (B, G, G).
        match: receives the decision, rows of `which` only.
    """
    N = ledger.shape[1]
    for b in range(len(which)):
        if not which[b]:
            continue
        pairs = match.pairs[b]
        match.pos[b] = -1
        match.head[b] = -1
        match.rigged[b] = False
        match.debt[b] = 0
        n = choose_pairs(rules, keys[b], episode[b], ledger[b], pairs)
        if rules.mode == RANDOM_PAIRS:
            n = n if rules.as_debt else rules.max_pairs
            draw_pairs(stream_key(keys[b], episode[b], S_SHUFFLE), n, N, pairs)
        for k in range(n):
            match.debt[b, k] = ledger[b, pairs[k, 0], pairs[k, 1]]
        free = open_cells[b].copy()
        luck = stream_key(keys[b], episode[b], S_LUCK)
        place = stream_key(keys[b], episode[b], S_PLACE)
        for k in range(n):
            if unit(luck, k) < rules.strength:
                match.rigged[b, k] = put_pair(
                    rules, place, k, pairs[k], free, match.pos[b], match.head[b]
                )


@njit(cache=True)
def choose_pairs(rules: Rules, key: Any, episode: Any, ledger: np.ndarray, pairs: Any) -> int:
    """Pairs (debtor, creditor) of one world by its debts (N, N); returns how many."""
    pairs[:] = -1
    N = len(ledger)
    ties = stream_key(key, episode, S_TIES)
    draw = stream_key(key, episode, S_DRAW)
    taken = np.zeros(N, np.bool_)
    weight = np.empty(N * N, np.float64)
    for n in range(rules.max_pairs):
        if not weigh(rules, ties, ledger, taken, weight):
            return n
        chosen = drawn(weight, unit(draw, n)) if rules.softmax else weight.argmax()
        pairs[n, 0], pairs[n, 1] = chosen // N, chosen % N
        taken[chosen // N] = True
        taken[chosen % N] = True
    return rules.max_pairs


@njit(cache=True)
def weigh(rules: Rules, ties: Any, ledger: np.ndarray, taken: Any, weight: Any) -> bool:
    """Weight of every ordered pair, flat (N * N,), 0 for no choice; False if there is none."""
    N = len(ledger)
    weight[:] = 0.0
    for i in range(N):
        for j in range(N):
            owes = ledger[i, j] > np.float32(rules.threshold)
            if i != j and owes and not taken[i] and not taken[j]:
                weight[i * N + j] = ledger[i, j] + TIE * unit(ties, i * N + j)
    top = weight.max()
    if rules.softmax and top > 0:
        for k in range(N * N):
            if weight[k] > 0:
                weight[k] = math.exp((weight[k] - top) / rules.temperature)
    return top > 0


@njit(cache=True)
def drawn(weight: np.ndarray, chance: Any) -> int:
    """Index with probability proportional to `weight`, by one uniform number in [0, 1)."""
    left, last = chance * weight.sum(), 0
    for k in range(len(weight)):
        if weight[k] > 0:
            left -= weight[k]
            last = k
            if left < 0:
                return k
    return last  # rounding left a crumb of probability


@njit(cache=True)
def draw_pairs(draw: Any, n: int, N: int, pairs: np.ndarray) -> None:
    """Draw n disjoint ordered pairs of N agents, all alike likely."""
    pairs[:] = -1
    order = np.arange(N)
    for i in range(N - 1, 0, -1):  # Fisher-Yates
        j = below(draw, i, i + 1)
        order[i], order[j] = order[j], order[i]
    for k in range(n):
        pairs[k, 0], pairs[k, 1] = order[2 * k], order[2 * k + 1]


@njit(cache=True)
def put_pair(rules: Rules, place: Any, k: int, pair: Any, free: Any, pos: Any, head: Any) -> bool:
    """Place pair k of one world; False if nothing fits.

    Takes the pair's cells off `free` (G, G), and those between them: no later pair may stand in
    the creditor's line.
    """
    G = len(free)
    debtor, creditor = pair[0], pair[1]
    if rules.mode == ANTI:
        row, col, to_row, to_col = far_cells(place, k, free)
        if row < 0:
            return False
        d = -1
    else:
        spot = draw_spot(rules.distance, place, k, free)
        if spot < 0:
            return False
        d, row, col = spot % 4, spot // 4 // G, spot // 4 % G
        to_row = row + rules.distance * STEP_ROW[d]
        to_col = col + rules.distance * STEP_COL[d]
        for step in range(1, rules.distance):
            free[row + step * STEP_ROW[d], col + step * STEP_COL[d]] = False
        head[creditor] = d
        if rules.heading != 1:  # 1: random, the world draws it
            head[debtor] = d if rules.heading == 0 else (d + 2) % 4
    pos[creditor, 0], pos[creditor, 1] = row, col
    pos[debtor, 0], pos[debtor, 1] = to_row, to_col
    free[row, col] = False
    free[to_row, to_col] = False
    return True


@njit(cache=True)
def draw_spot(distance: int, place: Any, k: int, free: np.ndarray) -> int:
    """A cell and heading for the creditor of pair k, all that fit alike likely; -1 if none fits.

    Tries at random first, which is quick unless the map is nearly full; then counts.
    """
    everywhere = 4 * len(free) ** 2
    for n in range(TRIES):
        spot = below(place, (TRIES + 1) * k + n, everywhere)
        if faces_free(spot, distance, free):
            return spot
    spots = 0
    for spot in range(everywhere):
        spots += faces_free(spot, distance, free)
    if spots == 0:
        return -1
    left, spot = below(place, (TRIES + 1) * k + TRIES, spots), -1
    while left >= 0:
        spot += 1
        left -= faces_free(spot, distance, free)
    return spot


@njit(cache=True)
def faces_free(spot: int, distance: int, free: np.ndarray) -> int:
    """1 if cell spot // 4 is open and so are the cells ahead of heading spot % 4, else 0."""
    G, d = len(free), spot % 4
    row, col = spot // 4 // G, spot // 4 % G
    for k in range(distance + 1):
        r, c = row + k * STEP_ROW[d], col + k * STEP_COL[d]
        if r < 0 or r >= G or c < 0 or c >= G or not free[r, c]:
            return 0
    return 1


@njit(cache=True)
def far_cells(place: Any, k: int, free: np.ndarray) -> Any:
    """Two open cells with the largest walking distance on the map; -1 if there are not two.

    |dr| + |dc| = max(|ds|, |dt|) with s = r + c and t = r - c, so the farthest two are extremes of
    s or of t; among equals a random number decides for either end.
    """
    down, up = diagonals(free, 1), diagonals(free, -1)
    sign = 1 if down[1] - down[0] >= up[1] - up[0] else -1
    ends = down if sign == 1 else up
    if ends[0] >= ends[1]:
        return -1, -1, -1, -1
    first = on_diagonal(place, 2 * k, free, sign, ends[0])
    second = on_diagonal(place, 2 * k + 1, free, sign, ends[1])
    if below(place, k, 2) == 0:
        first, second = second, first
    return first[0], first[1], second[0], second[1]


@njit(cache=True)
def diagonals(free: np.ndarray, sign: int) -> Any:
    """Smallest and largest r + sign * c of the open cells."""
    low, high = 2 * len(free), -2 * len(free)
    for r in range(len(free)):
        for c in range(len(free)):
            if free[r, c]:
                low, high = min(low, r + sign * c), max(high, r + sign * c)
    return low, high


@njit(cache=True)
def on_diagonal(place: Any, end: int, free: np.ndarray, sign: int, value: int) -> Any:
    """One open cell with r + sign * c == value, all alike likely."""
    n, row, col = 0, -1, -1
    for r in range(len(free)):
        for c in range(len(free)):
            if free[r, c] and r + sign * c == value:
                n += 1
                if below(place, 4096 * (end + 1) + n, n) == 0:  # reservoir of one
                    row, col = r, c
    return row, col
