"""Kinship: a relatedness matrix per episode, and what relatives share of their rewards.

Shapes: B worlds, N agents.  K is float64 (B, N, N) in [0, 1] with diagonal 1; K[i, j] is how much
of j's fortune is i's own.  Two ways to share, with r the raw rewards [reward units]:

    conserve    W = (1 - p) I + p M,  M_ij = K_ij / sum_k K_kj,  r' = W r                        (1)
    inclusive   r' = r + lambda (K - I) r                                                       (2)

In (1) the columns of W sum to 1: what j earns is handed out, nothing is made or lost.  With teams
it is r'_i = (1 - p) r_i + p * (team's mean).  In (2) everybody feels the fortune of relatives
on top of its own.

References:
    Hamilton 1964, "The genetical evolution of social behaviour", for (2).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from karma_rllib.worlds.face import explain
from karma_rllib.worlds.rng import uniforms

S_KIN, S_NOISE, S_GENES = range(41, 44)  # streams of `uniforms`, one per purpose


class KinshipRules(BaseModel):
    """Who is related to whom, what they share, and what they see of it.

    Raises:
        ValidationError: (from pydantic) for a bad value; `KinshipRules.of` makes it one sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    scheme: Literal["none", "teams", "random", "families", "custom", "genomes"] = Field(
        "none", description="how relatedness is drawn for each episode"
    )
    share: Literal["conserve", "inclusive"] = Field(
        "conserve", description="hand rewards out to relatives, or add theirs to one's own"
    )
    strength: float = Field(
        0.5, ge=0, le=1, description="p of conserve, lambda of inclusive; 0: nothing is shared"
    )
    shuffle: bool = Field(True, description="teams, families: draw the members for each episode")
    team_size: int = Field(4, ge=1, le=64, description="teams: agents in a team")
    distribution: Literal["beta", "uniform"] = Field("beta", description="random: of relatedness")
    alpha: float = Field(1.0, gt=0, le=1000, description="random: first parameter of beta")
    beta: float = Field(3.0, gt=0, le=1000, description="random: second parameter of beta")
    low: float = Field(0.0, ge=0, le=1, description="random: least of uniform")
    high: float = Field(1.0, ge=0, le=1, description="random: most of uniform")
    symmetric: bool = Field(True, description="random: i is as close to j as j to i")
    sizes: tuple[int, ...] = Field(
        (3, 9, 27), min_length=1, max_length=6, description="families: nested group sizes"
    )
    closeness: tuple[float, ...] = Field(
        (0.5, 0.25, 0.125), min_length=1, max_length=6, description="families: within each size"
    )
    matrix: tuple[tuple[float, ...], ...] = Field((), description="custom: the rows of K")
    genes: int = Field(16, ge=1, le=4096, description="genomes: random bits of an agent")
    observe: Literal["off", "own", "noisy", "group"] = Field(
        "own", description="what the kin plane shows: nothing, K, K with noise, the group's number"
    )
    noise: float = Field(0.1, ge=0, le=10, description="noisy: standard deviation")

    @model_validator(mode="after")
    def _check(self) -> KinshipRules:
        if len(self.sizes) != len(self.closeness):
            raise ValueError(
                f"sizes={self.sizes} and closeness={self.closeness} must be equally long"
            )
        if list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] < 1:
            raise ValueError(f"sizes={self.sizes} must grow from at least 1")
        if any(big % small for small, big in zip(self.sizes, self.sizes[1:], strict=False)):
            raise ValueError(f"sizes={self.sizes} must be nested: each divides the next")
        for value in self.closeness:
            if not 0 <= value <= 1:
                raise ValueError(f"closeness={self.closeness} must lie in [0, 1]; {value} does not")
        if self.low > self.high:
            raise ValueError(f"low={self.low} must be at most high={self.high}")
        if self.scheme == "custom":
            _check_matrix(self.matrix)
        elif self.matrix:
            raise ValueError(f"matrix belongs to scheme 'custom', not {self.scheme!r}")
        if self.observe == "group" and self.scheme not in ("teams", "families"):
            raise ValueError(f"observe='group' needs scheme 'teams' or 'families': {self.scheme!r}")
        return self

    @classmethod
    def of(cls, rules: Any) -> KinshipRules:
        """Rules from rules, a mapping, or None for none.

        Raises:
            ValueError: one sentence that names the key, its value and what it must be.
        """
        if isinstance(rules, cls):
            return rules
        try:
            return cls(**(rules or {}))
        except ValidationError as error:
            raise ValueError(f"kinship: {explain(cls, error)}") from None

    def check_agents(self, num_agents: int) -> None:
        """Raise ValueError unless these rules fit so many agents."""
        if self.scheme == "custom" and len(self.matrix) != num_agents:
            raise ValueError(
                f"matrix is {len(self.matrix)} x {len(self.matrix)} and there are {num_agents}"
                " agents: it must have a row and a column for each"
            )
        if self.scheme == "teams" and self.team_size > num_agents:
            raise ValueError(f"team_size={self.team_size} must be at most {num_agents}, the agents")


def _check_matrix(matrix: tuple[tuple[float, ...], ...]) -> None:
    """A square matrix of numbers in [0, 1] with ones on its diagonal."""
    N = len(matrix)
    if not N:
        raise ValueError("scheme 'custom' needs matrix: one row for each agent")
    for i, row in enumerate(matrix):
        if len(row) != N:
            raise ValueError(f"matrix must be square: row {i} has {len(row)} entries, not {N}")
        for j, value in enumerate(row):
            if not 0 <= value <= 1:
                raise ValueError(f"matrix[{i}][{j}]={value} must lie in [0, 1]")
        if row[i] != 1:
            raise ValueError(f"matrix[{i}][{i}]={row[i]} must be 1: everybody is its own kin")


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


def weights(rules: KinshipRules, K: np.ndarray) -> np.ndarray:
    """W of r' = W r, equations (1) and (2), float64 (..., N, N)."""
    eye = np.eye(K.shape[-1])
    if rules.scheme == "none":
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
    if rules.observe == "off" or rules.scheme == "none":
        return np.zeros(K.shape, np.uint8)
    if rules.observe == "group":
        group = groups(rules, N, seed, uid, episode)
        return np.broadcast_to(1 + group[:, None, :], K.shape).astype(np.uint8)
    if rules.observe == "noisy":
        u = uniforms(seed, uid, episode, 2 * N * N, S_NOISE).reshape(2, B, N, N)
        normal = np.sqrt(-2 * np.log1p(-u[0])) * np.cos(2 * np.pi * u[1])  # Box and Muller 1958
        K = np.clip(K + rules.noise * normal, 0, 1)
    return np.rint(255 * K).astype(np.uint8)
