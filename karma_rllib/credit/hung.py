"""Temporal value transport as Hung et al. published it: within one episode, by read strength.

An agent with an external memory that writes every step reads from it with H heads. Where a head
reads strongly, the value now is handed as extra reward to the steps that it reads from.

Shapes: B episodes, T steps of an episode, H read heads. t2 is when a head reads ("from where"),
t1 what it reads about ("to where").
"""

from __future__ import annotations

import numpy as np
from numba import njit

STRENGTH_THRESHOLD = 2.0
TOP_K = 50
ALPHA = 0.9
ENDLESS = 25  # exclusion window at gamma = 1 [env-steps], where 1 / (1 - gamma) is infinite


def hung_exclusion(gamma: float) -> int:
    """Steps that ordinary returns already reach: round(1 / (1 - gamma)), 25 at gamma = 1.

    The released code truncates, and so gets 24 and 99 for gamma .96 and .99 from floating point.
    Halves round down here, so that .92 has 12 in both.
    """
    return ENDLESS if gamma >= 1.0 else round(1.0 / (1.0 - gamma) - 1e-9)


def hung_transport(
    read_weights: np.ndarray,
    read_strength: np.ndarray,
    value: np.ndarray,
    gamma: float,
    *,
    alpha: float = ALPHA,
    threshold: float = STRENGTH_THRESHOLD,
    top_k: int = TOP_K,
    exclusion: int | None = None,
) -> np.ndarray:
    """Extra rewards of whole episodes.

    For each head:

    1. A read at t2 whose weight is largest at a t1 with t2 - t1 <= tau, tau = 1/(1 - gamma), is
       about the present (or about rows not written yet): its strength counts as 0.
    2. Of each maximal run of steps with strength > threshold, the strongest step (the first of
       equals) is a transport time t2.
    3. Each of the top_k steps t1 that it reads most, with t2 - t1 > tau, gets

           r_t1 += alpha w[t2, t1] V(t2)                                                    (1)

    and the heads add up.

    Args:
        read_weights: w[t2, head, t1] >= 0, float (T, H, T) or (B, T, H, T).
        read_strength: inverse temperature of each read, float (T, H) or (B, T, H).
        value: V(o_t) [reward], float (T,) or (B, T).
        gamma: discount per step, in [0, 1].
        alpha: part of the value that is transported.
        threshold: least strength of a read that transports.
        top_k: most steps t1 that one read reaches.
        exclusion: tau [env-steps]; None: from gamma.

    Returns:
        Extra reward, float32 (T,) or (B, T) [reward].

    Raises:
        ValueError: shapes that do not agree, or a negative threshold.

    References:
        Hung et al. 2019, arXiv:1810.06721, "Temporal Value Transport", algorithm 1.
    """
    single = read_weights.ndim == 3
    weights, strength, values = (
        np.ascontiguousarray(x[None] if single else x, np.float64)
        for x in (read_weights, read_strength, value)
    )
    if weights.ndim != 4 or weights.shape != (*strength.shape, values.shape[-1]):
        raise ValueError(
            f"read_weights has shape {read_weights.shape} but read_strength of shape "
            f"{read_strength.shape} asks for one more axis of {value.shape[-1]} steps."
        )
    if threshold < 0:
        raise ValueError(f"threshold is {threshold} but a read of strength 0 must not transport.")
    tau = hung_exclusion(gamma) if exclusion is None else exclusion
    out = np.zeros(values.shape)
    _transport(weights, strength, values, tau, alpha, threshold, top_k, out)
    return (out[0] if single else out).astype(np.float32)


@njit(cache=True)
def _transport(
    weights: np.ndarray,
    strength: np.ndarray,
    value: np.ndarray,
    tau: int,
    alpha: float,
    threshold: float,
    top_k: int,
    out: np.ndarray,
) -> None:
    """Add (1) of every head of every episode to `out` (B, T)."""
    B, T, H = strength.shape
    for b in range(B):
        for h in range(H):
            best = -1  # strongest step of the current run
            for t in range(T + 1):
                strong = 0.0
                if t < T and t - np.argmax(weights[b, t, h]) > tau:
                    strong = strength[b, t, h]
                if strong > threshold:
                    if best < 0 or strong > strength[b, best, h]:
                        best = t
                elif best >= 0:
                    _hand_out(weights[b, best, h], best, tau, alpha * value[b, best], top_k, out[b])
                    best = -1


@njit(cache=True)
def _hand_out(
    weight: np.ndarray, t2: int, tau: int, amount: float, top_k: int, out: np.ndarray
) -> None:
    """Equation (1) of one read: `weight` (T,) at t2."""
    order = np.argsort(-weight[: max(0, t2 - tau)], kind="mergesort")
    for t1 in order[:top_k]:
        out[t1] += amount * weight[t1]
