"""How much likelier an open crime makes punishment, from running counts of each world.

A crime of v against j is open from v's hit on j until j's hit on v. A pair (v, j) counts while
both can act: a frozen agent neither punishes nor, being safe, can be punished.

Shapes: W worlds, N agents. The counts are `tally`, float64 (W, 2, 2): rows no open crime, open
crime; columns pair-steps, hits.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def chance_factor(tally: np.ndarray) -> float:
    """max(0, 1 - P(hit | no open crime) / P(hit | open crime)) of one world.

    Args:
        tally: float64 (2, 2): rows no open crime, open crime; columns pair-steps, hits.

    Returns:
        In [0, 1); 0 while no hit was seen. Both rates are shrunk to their common one by one hit.
    """
    pairs, hits = tally[0, 0] + tally[1, 0], tally[0, 1] + tally[1, 1]
    if hits <= 0.0 or pairs <= 0.0:
        return 0.0
    prior = pairs / hits  # pair-steps that go with one hit
    without = (tally[0, 1] + 1.0) / (tally[0, 0] + prior)
    with_open = (tally[1, 1] + 1.0) / (tally[1, 0] + prior)
    return max(0.0, 1.0 - without / with_open)


@njit(cache=True)
def observe(
    hit: np.ndarray, active: np.ndarray, fade: float, opened: np.ndarray, tally: np.ndarray
) -> None:
    """Count one step, then close and open crimes; a mutual zap leaves both sides open.

    Args:
        hit: i zapped j, bool (W, N, N).
        active: could act, bool (W, N).
        fade: factor on the old evidence, in (0, 1].
        opened: v has an open crime against j, bool (W, N, N); updated.
        tally: float64 (W, 2, 2); updated.
    """
    W, N = active.shape
    for w in range(W):
        tally[w] *= fade
        for v in range(N):
            for j in range(N):
                if v != j and active[w, v] and active[w, j]:
                    row = 1 if opened[w, v, j] else 0
                    tally[w, row, 0] += 1.0
                    tally[w, row, 1] += 1.0 if hit[w, j, v] else 0.0
                opened[w, v, j] = hit[w, v, j] or (opened[w, v, j] and not hit[w, j, v])
