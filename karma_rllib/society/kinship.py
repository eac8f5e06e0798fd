"""Kinship: a relatedness matrix per episode, and what relatives share of their rewards.

Shapes: B worlds, N agents.  K is float64 (B, N, N) in [0, 1] with diagonal 1; K[i, j] is how much
of j's fortune is i's own.  Two ways to share, with r the raw rewards [reward units]:

    conserve    W = (1 - p) I + p M,  M_ij = K_ij / sum_k K_kj,  r' = W r                        (1)
    inclusive   r' = r + lambda (K - I) r                                                       (2)

In (1) the columns of W sum to 1: what j earns is handed out, nothing is made or lost.  With teams
it is r'_i = (1 - p) r_i + p * (team's mean).  In (2) everybody feels the fortune of relatives
on top of its own.  Where agents bond, K is what was drawn and, for those who are bonded, `bond`
more, but at most 1:

    K_ij = min(1, K0_ij + bond * B_ij),  B_ij = B_ji = 1 for the bonded                         (3)

References:
    Hamilton 1964, "The genetical evolution of social behaviour", for (2).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.config.kinship import Kinship as KinshipRules
from karma_rllib.worlds.rng import uniforms

S_KIN, S_NOISE, S_GENES = range(41, 44)  # streams of `uniforms`, one per purpose


def _line_up(rules: KinshipRules, seed: int, uid: np.ndarray, episode: np.ndarray, N: int) -> Any:
    """Place of each agent in a random order, int64 (B, N); its own number without `shuffle`."""
    if not rules.shuffle:
        return np.broadcast_to(np.arange(N), (len(uid), N))
    drawn = uniforms(seed, uid, episode, N, S_KIN)
    return drawn.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")


def groups(
    rules: KinshipRules, num_agents: int, seed: int, uid: np.ndarray, episode: np.ndarray
) -> np.ndarray:
    """Number of each agent's smallest group, from 0, int64 (B, N); all 0 where there are none."""
    if rules.scheme not in ("teams", "families"):
        return np.zeros((len(uid), num_agents), np.int64)
    size = rules.team_size if rules.scheme == "teams" else rules.sizes[0]
    return _line_up(rules, seed, uid, episode, num_agents) // size


def relatedness(
    rules: KinshipRules, num_agents: int, seed: int, uid: np.ndarray, episode: np.ndarray
) -> np.ndarray:
    """Draw K for one episode of each world.

    The draw belongs to (seed, uid, episode): it is the same in every batch, thread and process.

    Args:
        rules: the scheme.
        num_agents: N.
        seed: run seed.
        uid: of each world, integer (B,).
        episode: number of each world's episode, integer (B,).

    Returns:
        float64 (B, N, N) in [0, 1], diagonal 1.

    Raises:
        ValueError: the rules do not fit so many agents.
    """
    rules.check_agents(num_agents)
    B, N = len(uid), num_agents
    K = np.zeros((B, N, N))
    if rules.scheme == "teams":
        group = groups(rules, N, seed, uid, episode)
        K[:] = group[:, :, None] == group[:, None, :]
    elif rules.scheme == "families":
        place = _line_up(rules, seed, uid, episode, N)
        for size, close in zip(rules.sizes[::-1], rules.closeness[::-1], strict=True):
            group = place // size
            K[group[:, :, None] == group[:, None, :]] = close
    elif rules.scheme == "random":
        K[:] = _random(rules, uniforms(seed, uid, episode, N * N, S_KIN).reshape(B, N, N))
    elif rules.scheme == "custom":
        K[:] = np.array(rules.matrix)
    elif rules.scheme == "genomes":
        bits = uniforms(seed, uid, episode, N * rules.genes, S_GENES).reshape(B, N, rules.genes)
        bits = bits < 0.5
        same = (bits[:, :, None] == bits[:, None]).mean(-1)
        K[:] = np.maximum(2 * same - 1, 0)  # strangers agree on half of the bits
    K[:, np.arange(N), np.arange(N)] = 1
    return K


def _random(rules: KinshipRules, u: np.ndarray) -> np.ndarray:
    """Relatedness from uniform numbers (B, N, N) by the inverse of the distribution function."""
    if rules.symmetric:
        upper = np.triu(u, 1)
        u = upper + upper.swapaxes(1, 2)
    if rules.distribution == "uniform":
        return rules.low + (rules.high - rules.low) * u
    if rules.alpha == 1:
        return 1 - (1 - u) ** (1 / rules.beta)
    if rules.beta == 1:
        return u ** (1 / rules.alpha)
    from scipy.special import betaincinv

    return betaincinv(rules.alpha, rules.beta, u)


def bonded(rules: KinshipRules, K: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Relatedness with bonds, equation (3), float64 (..., N, N) in [0, 1].

    Args:
        rules: what a bond adds.
        K: relatedness as drawn, float64 (..., N, N).
        bonds: who is bonded to whom, bool (..., N, N).
    """
    return np.minimum(K + rules.bond * bonds, 1.0)


def weights(rules: KinshipRules, K: np.ndarray) -> np.ndarray:
    """W of r' = W r, equations (1) and (2), float64 (..., N, N)."""
    eye = np.eye(K.shape[-1])
    if (eye == K).all():  # strangers; exactly, whatever p is
        return np.broadcast_to(eye, K.shape)
    if rules.share == "inclusive":
        return eye + rules.strength * (K - eye)
    return (1 - rules.strength) * eye + rules.strength * K / K.sum(axis=-2, keepdims=True)


def shared(W: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Rewards after sharing, float64 (..., N) [reward units], from raw ones (..., N)."""
    return np.einsum("...ij,...j->...i", W, np.asarray(reward, np.float64))


def shown(
    rules: KinshipRules, K: np.ndarray, seed: int, uid: np.ndarray, episode: np.ndarray
) -> np.ndarray:
    """What i sees of its kinship to j, uint8 (B, N, N), for the plane `kin` of a world.

    `own`: 255 K; `noisy`: 255 (K + noise), clipped; `group`: 1 + the number of j's group; `off`: 0.
    """
    B, N = K.shape[:2]
    if rules.observe == "off":
        return np.zeros(K.shape, np.uint8)
    if rules.observe == "group":
        group = groups(rules, N, seed, uid, episode)
        return np.broadcast_to(1 + group[:, None, :], K.shape).astype(np.uint8)
    if rules.observe == "noisy":
        u = uniforms(seed, uid, episode, 2 * N * N, S_NOISE).reshape(2, B, N, N)
        normal = np.sqrt(-2 * np.log1p(-u[0])) * np.cos(2 * np.pi * u[1])  # Box and Muller 1958
        K = np.clip(K + rules.noise * normal, 0, 1)
    return np.rint(255 * K).astype(np.uint8)
