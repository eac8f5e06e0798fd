"""The arrays of the memory, and the rules as its kernels read them.

Shapes: W worlds, N agents, C slots allocated per agent, K key width, V value width, P punishments,
k slots read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

HARD_OPP, HARD_ROLE, SOFT = 0, 1, 2
NO_PLACEBO, SHUFFLE, RANDOM_TIME = 0, 1, 2


class Bank(NamedTuple):
    """What all agents remember."""

    events: np.ndarray  # ever written, int64 (W, N); event number c lies in slot c mod `slots`
    first: np.ndarray  # number of the first event not forgotten, int64 (W, N)
    role: np.ndarray  # AGGRESSOR, VICTIM or CLEANER, int8 (W, N, C)
    opp: np.ndarray  # the other agent, -1 for a cleaning, int16 (W, N, C)
    g: np.ndarray  # env-step of the world's life, int64 (W, N, C)
    fragment: np.ndarray  # number of the fragment, int32 (W, N, C)
    snap: np.ndarray  # snapshot of the decision, -1 none, int64 (W, N, C)
    blame: np.ndarray  # harm charged so far [reward], float32 (W, N, C)
    key: np.ndarray  # unit vector, float32 (W, N, C, K)
    value: np.ndarray  # what a read returns, float32 (W, N, C, V)


class Rules(NamedTuple):
    """`TvtParams` as the kernels read them: numbers only."""

    match: int
    slots: int
    top_k: int
    beta: float
    tau_age: float
    theta: float
    exclusion: int  # [env-steps]
    placebo: int
    contrast: bool
    seed: int


class Found(NamedTuple):
    """Links of the P punishments of one step, see `recall.Links`."""

    world: np.ndarray
    victim: np.ndarray
    attacker: np.ndarray
    linked: np.ndarray
    event: np.ndarray
    g: np.ndarray
    fragment: np.ndarray
    snap: np.ndarray
    blame: np.ndarray
    weight: np.ndarray
    factor: np.ndarray
    instead: np.ndarray


@njit(cache=True)
def oldest(bank: Bank, w: int, n: int, slots: int) -> int:
    """Number of the oldest event that agent n of world w still holds."""
    return max(bank.first[w, n], bank.events[w, n] - slots)
