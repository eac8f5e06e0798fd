"""Generalised advantage estimation over streams of one agent each.

Shapes: T env-steps; M streams (one per agent of each world). Time is the leading axis, so the
inner loop runs over neighbours in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.floating]

LEAST_SPREAD = 1e-4
"""Least standard deviation by which advantages are divided [discounted reward]."""


def gae(
    reward: Array,
    value: Array,
    last_value: Array,
    truncated: NDArray[np.bool_],
    final_value: Array,
    gamma: float,
    lam: float,
) -> tuple[Array, Array]:
    """Advantages and value targets of M streams of T steps.

        delta_t = r_t + gamma V'_{t+1} - V(o_t)                                          (1)
        A_t     = delta_t + gamma lam 1[not truncated_t] A_{t+1},    A_T = 0             (2)

    with V'_{t+1} = final_value_t where the step ended an episode by the time limit (the value
    of the episode's final observation, never of the next episode's first one), last_value after
    the last step, and V(o_{t+1}) otherwise. Zeros in `final_value` treat the limit as an end.

    Args:
        reward: r_t, float (T, M) [reward].
        value: V(o_t) when acting, float (T, M) [discounted reward].
        last_value: V(o_T), float (M,).
        truncated: whether step t ended the episode, bool (T, M).
        final_value: V of the final observation where truncated, float (T, M); else unread.
        gamma: discount per step, in [0, 1].
        lam: lambda in (2), in [0, 1]: 0 is one-step, 1 is Monte Carlo.

    Returns:
        Advantages A (T, M) and targets A + value (T, M), in the dtype of `reward`.

    Raises:
        ValueError: shapes that do not agree, or a discount outside [0, 1].

    References:
        Schulman et al. 2016, arXiv:1506.02438, eq. 16.
    """
    shapes = {
        "value": (value.shape, reward.shape),
        "truncated": (truncated.shape, reward.shape),
        "final_value": (final_value.shape, reward.shape),
        "last_value": (last_value.shape, reward.shape[1:]),
    }
    for name, (got, want) in shapes.items():
        if got != want or reward.ndim != 2:
            raise ValueError(
                f"{name} has shape {got} but reward of shape {reward.shape} asks for {want}; "
                "reward is (steps, streams)."
            )
    for name, x in (("gamma", gamma), ("lam", lam)):
        if not 0.0 <= x <= 1.0:
            raise ValueError(f"{name} is {x!r} but must lie in [0, 1].")
    advantage, target = np.empty_like(reward), np.empty_like(reward)
    _gae(reward, value, last_value, truncated, final_value, gamma, lam, advantage, target)
    return advantage, target


@njit(cache=True)
def _gae(reward, value, last_value, truncated, final_value, gamma, lam, advantage, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write (1) and (2) into `advantage` and `target`; the running sum is float64."""
    T, M = reward.shape
    carry = np.zeros(M)
    for t in range(T - 1, -1, -1):
        for m in range(M):
            after = value[t + 1, m] if t + 1 < T else last_value[m]
            keep = 1.0
            if truncated[t, m]:
                after, keep = final_value[t, m], 0.0
            delta = np.float64(reward[t, m]) + gamma * after - value[t, m]
            carry[m] = delta + gamma * lam * keep * carry[m]
            advantage[t, m] = carry[m]
            target[t, m] = carry[m] + value[t, m]


def moments(advantages: Sequence[Array], masks: Sequence[NDArray[np.bool_]]) -> tuple[float, float]:
    """Mean and standard deviation by which advantages are standardised, pooled over fragments.

    Args:
        advantages: float, each of any shape.
        masks: which entries count (those of agents that could act), bool, shaped alike.

    Returns:
        (mean, standard deviation in float64, at least `LEAST_SPREAD`); (0, 1) where nothing counts.
    """
    chosen = np.concatenate([a[m] for a, m in zip(advantages, masks)], dtype=np.float64)
    if not chosen.size:
        return 0.0, 1.0
    return float(chosen.mean()), max(LEAST_SPREAD, float(chosen.std()))
