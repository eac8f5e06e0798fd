"""How much a punishment hurt: the quantity that is transported back to the crime.

Shapes: T env-steps, W worlds, N agents, P punishments.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Per own active env-step: the usual value is a mean over some 1000 of them, a few episodes. Long
# against the swing of V around one punishment, short against learning.
USUAL_FADE = 0.999


def n_step_return(
    reward: np.ndarray,
    value: np.ndarray,
    last_value: np.ndarray,
    truncated: np.ndarray,
    final_value: np.ndarray,
    gamma: float,
    steps: int,
) -> np.ndarray:
    """Returns over the next `steps` env-steps, bootstrapped; one backward pass, O(T W N).

        G_t = sum_{k < e-t} gamma^k r_{t+k} + gamma^{e-t} V(o_e),   e = min(t + steps, T)      (1)

    unless an episode ends after step u < e: then the sum ends with r_u and the bootstrap is
    gamma^{u-t+1} final_value_u, as in `gae`. With R_t the same at infinite `steps`, and where no
    episode ends on the way,

        G_t = R_t - gamma^h (R_{t+h} - V(o_{t+h})),   h = steps.                              (2)

    Args:
        reward: float (T, W, N) [reward].
        value: V(o_t), float (T, W, N) [reward].
        last_value: V(o_T), float (W, N).
        truncated: the episode ended after the step, bool (T, W).
        final_value: V of the final observation where truncated, float (T, W, N); else unread.
        gamma: discount per env-step.
        steps: h >= 1.

    Returns:
        G, float64 (T, W, N) [reward].
    """
    out = np.empty(reward.shape)
    _n_step_return(reward, value, last_value, truncated, final_value, gamma, steps, out)
    return out


@njit(cache=True)
def _n_step_return(
    reward: np.ndarray,
    value: np.ndarray,
    last_value: np.ndarray,
    truncated: np.ndarray,
    final_value: np.ndarray,
    gamma: float,
    steps: int,
    out: np.ndarray,
) -> None:
    """Write (2) into `out` (T, W, N); `full` keeps R."""
    T, W, N = reward.shape
    full = np.empty((T + 1, N))
    shrink = gamma**steps
    for w in range(W):
        full[T] = last_value[w]
        end = T  # first row at or after t after which an episode ends, T if none
        for t in range(T - 1, -1, -1):
            if truncated[t, w]:
                end = t
            far = t + steps  # (2) looks at row `far`, if the episode lasts that long
            for n in range(N):
                after = final_value[t, w, n] if end == t else full[t + 1, n]
                full[t, n] = reward[t, w, n] + gamma * after
                out[t, w, n] = full[t, n]
                if far < T and end >= far:
                    out[t, w, n] -= shrink * (full[far, n] - value[far, w, n])


def next_value(
    value: np.ndarray, last_value: np.ndarray, truncated: np.ndarray, final_value: np.ndarray
) -> np.ndarray:
    """V(o_{t+1}), of the final observation where an episode ended; arrays as in `n_step_return`."""
    after = np.concatenate([value[1:], last_value[None]])
    return np.where(truncated[..., None], final_value, after)


def usual_value(usual: np.ndarray, value: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Move the running mean of each agent's value over one fragment.

    The old mean fades by `USUAL_FADE` per own active step of the fragment; what it loses, the
    fragment's mean over active steps gains. Without an old mean the fragment's is taken.

    Args:
        usual: the old means, float64 (W, N) [reward]; NaN where there is none.
        value: V(o_t), float (T, W, N) [reward].
        active: the agent could act, bool (T, W, N).

    Returns:
        The new means, float64 (W, N); unchanged for agents that never were active.
    """
    steps = active.sum(0)
    mean = np.where(active, value, 0.0).sum(0, dtype=np.float64) / np.maximum(steps, 1)
    keep = np.where(np.isnan(usual), 0.0, USUAL_FADE**steps)
    moved = keep * np.nan_to_num(usual) + (1.0 - keep) * mean
    return np.where(steps > 0, moved, usual)


def harm(
    kind: str,
    limit: float,
    at: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    reward: np.ndarray,
    value: np.ndarray,
    last_value: np.ndarray,
    truncated: np.ndarray,
    final_value: np.ndarray,
    usual: np.ndarray,
    gamma: float,
    horizon: int,
) -> np.ndarray:
    """Harm of each punishment.

        gap       D = min(0, G_t - usual value of the victim)                                  (3)
        surprise  D = min(0, G_t - V(o_t))
        reward    D = min(0, r_t)
        value     D = V(o_{t+1})

    The first three are losses, clipped to [-limit, 0]. The last is what Hung et al. transport; its
    sign is that of the value and it is clipped to [-limit, limit].

    Args:
        kind: `gap`, `surprise`, `reward` or `value`.
        limit: most harm [reward].
        at: step, world and victim of each punishment, int (P,) each.
        reward: float (T, W, N) [reward].
        value: V(o_t), float (T, W, N) [reward].
        last_value: V(o_T), float (W, N).
        truncated: the episode ended after the step, bool (T, W).
        final_value: V of the final observation where truncated, float (T, W, N).
        usual: usual value of each agent, float (W, N) [reward]; read by `gap` alone.
        gamma: discount per env-step.
        horizon: env-steps of the return G, the freeze and one more.

    Returns:
        D, float64 (P,) [reward].
    """
    columns = (value, last_value, truncated, final_value)
    if kind == "value":
        return np.clip(next_value(*columns)[at].astype(np.float64), -limit, limit)
    if kind == "reward":
        loss = reward[at].astype(np.float64)
    else:
        expected = value[at] if kind == "surprise" else usual[at[1:]]
        loss = n_step_return(reward, *columns, gamma, horizon)[at] - expected
    return np.clip(loss, -limit, 0.0)
