"""P7, second half: what the charged crimes really cost, by living on without them.

Every crime is lived again from the same state, with the act and without it, several times, under
random numbers that both lives share. The difference of the criminal's returns is what the act
costs, its gain included; transport is calibrated where charges fall on costs with slope one.

Shapes: P crimes, R rollouts of each, N agents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from karma_rllib.analysis.stats import LEVEL
from karma_rllib.credit.params import TvtParams
from karma_rllib.nets.policy import Policy
from karma_rllib.probes.charges import Crimes, crimes, draw

GROUP = 16  # crimes that are lived side by side
DRAWS = 2000


class Cost(NamedTuple):
    """What P acts changed, means over rollouts of the life with the act minus the one without."""

    returns: np.ndarray  # discounted return of the criminal, float64 (P,) [reward]
    revenge: np.ndarray  # hits that it got from its victim, float64 (P,)


def relive(
    policy: Policy,
    world: Mapping[str, Any],
    seen: Crimes,
    *,
    rollouts: int = 8,
    horizon: int = 250,
    gamma: float = 0.99,
    seed: int = 0,
) -> Cost:
    """Live crimes again, with the act and without.

        cost = mean_r sum_{k < horizon} gamma^k (r_k | act - r_k | another action)

    Instead of the act the policy's own distribution over the other actions is drawn from; all else
    in that step is as it was. Later steps are the policy's, across resets.

    Args:
        policy: acts for everybody.
        world: arguments of `make_lifetime`, its name under `world`.
        seen: the crimes.
        rollouts: R of each life.
        horizon: env-steps, the act's own included.
        gamma: discount per env-step.
        seed: of the worlds' new random keys.
    """
    rng = np.random.default_rng(seed)
    groups = [
        _relive(policy, world, seen.take(slice(k, k + GROUP)), rollouts, horizon, gamma, rng)
        for k in range(0, len(seen), GROUP)
    ]
    return Cost(*(np.concatenate(parts) for parts in zip(*groups, strict=True)))


def _relive(
    policy: Policy,
    world: Mapping[str, Any],
    seen: Crimes,
    R: int,
    horizon: int,
    gamma: float,
    rng: np.random.Generator,
) -> Cost:
    """`relive` for crimes that fit side by side; worlds are ordered (P, act or not, R)."""
    from karma_rllib.society.lifetime import make_lifetime

    P = len(seen)
    copies, M = 2 * R, 2 * R * P
    rest = {key: value for key, value in world.items() if key != "world"}
    life = make_lifetime(world["world"], num_worlds=M, **rest)
    N = life.num_agents
    state = {key: np.repeat(x, copies, axis=0) for key, x in seen.state.items()}
    fresh = rng.integers(2**63, size=(P, 1, R), dtype=np.uint64)
    state["key"] = np.broadcast_to(fresh, (P, 2, R)).reshape(M).copy()
    life.set_state(state)
    agent, victim = (np.repeat(x, copies) for x in (seen.agent, seen.victim))
    obs = {key: _spread(x, copies) for key, x in seen.obs.items()}
    memory = {key: _spread(x, copies) for key, x in seen.memory.items()}
    logits, _, memory = policy.logits(obs, memory)
    actions = np.repeat(seen.actions, copies, axis=0)
    without = np.tile(np.repeat([False, True], R), P)
    actions[without, agent[without]] = _another(
        logits.reshape(M, N, -1)[without, agent[without]], life.traits.zaps, policy.rng
    )
    worlds, total, hits = np.arange(M), np.zeros(M), np.zeros(M)
    for k in range(horizon):
        out = life.step(actions)
        total += gamma**k * out.reward[worlds, agent]
        hits += out.events.hit[worlds, victim, agent]
        ended = np.array(out.truncated)
        fresh_obs = life.reset(ended) if ended.any() else out.obs
        rows = {key: np.array(x).reshape(M * N, *x.shape[2:]) for key, x in fresh_obs.items()}
        for column in memory.values():
            column[np.repeat(ended, N)] = 0.0
        logits, _, memory = policy.logits(rows, memory)
        actions = draw(logits, policy.rng).reshape(M, N)
    return Cost(*(_difference(x, P, R) for x in (total, hits)))


def _spread(x: np.ndarray, copies: int) -> np.ndarray:
    """Columns (P, N, ...) as rows of agents, each crime `copies` times."""
    return np.repeat(x, copies, axis=0).reshape(-1, *x.shape[2:])


def _another(logits: np.ndarray, zaps: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """An action of each row that is none of the zaps; logits (M, A)."""
    rest = logits.copy()
    rest[:, list(zaps)] = -np.inf
    return draw(rest, rng)


def _difference(x: np.ndarray, P: int, R: int) -> np.ndarray:
    """Mean over rollouts of the life with the act minus the one without."""
    lives = x.reshape(P, 2, R).mean(2)
    return lives[:, 0] - lives[:, 1]


def calibrate(
    charge: np.ndarray, cost: np.ndarray, episode: np.ndarray, seed: int = 0
) -> dict[str, list[float]]:
    """Charges against costs: a straight line by least squares, and the ratio of their means.

        cost = intercept + slope charge

    Slope 1: a crime that is charged one unit more costs one unit more. Slope 0: charges say
    nothing about costs, they are a tax. The intercept is what an uncharged act brings. A charge is
    one life's luck, and luck in it draws the slope towards 0; the ratio of means is free of that.

    Args:
        charge: (P,) [reward].
        cost: (P,) [reward].
        episode: of each crime, (P,): the bootstrap resamples episodes.
        seed: of the bootstrap.

    Returns:
        `slope`, `intercept`, `charged`, `cost` and `ratio` (of the last two), each [value, low,
        high]; NaN where charges do not vary, or are nothing on average.
    """
    _, where = np.unique(episode, return_inverse=True)
    x, y = (np.asarray(v, np.float64) for v in (charge, cost))
    columns = (np.ones_like(x), x, y, x * x, x * y)
    sums = np.stack([np.bincount(where, weights=column) for column in columns], 1)
    rows = np.random.default_rng(seed).integers(len(sums), size=(DRAWS, len(sums)))
    own, drawn = _line(sums.sum(0)[None]), _line(sums[rows].sum(1))
    found = {}
    for name, value in own.items():
        kept = drawn[name][np.isfinite(drawn[name])]
        ends = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(kept) else (np.nan,) * 2
        found[name] = [float(value[0]), float(ends[0]), float(ends[1])]
    return found


def _line(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Least squares from sums of 1, x, y, x x, x y, (M, 5)."""
    n, x, y, xx, xy = sums.T
    spread = n * xx - x * x
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(spread > 1e-9 * n * xx, (n * xy - x * y) / spread, np.nan)
        ratio = np.where(x != 0, y / x, np.nan)
    line = {"slope": slope, "intercept": (y - slope * x) / n}
    return {**line, "charged": x / n, "cost": y / n, "ratio": ratio}


def probe(
    policy: Policy,
    world: Mapping[str, Any],
    params: TvtParams,
    *,
    episodes: int,
    branches: int,
    discounts: tuple[float, float],
    rollouts: int = 8,
    horizon: int = 250,
    seed: int = 0,
) -> dict[str, Any]:
    """The whole of P7 on one frozen policy.

    Args:
        policy: acts for everybody.
        world: arguments of `make_lifetime`, its name under `world`.
        params: what to remember, how to match, what to charge.
        episodes: to play for crimes.
        branches: crimes that are lived again at most.
        discounts: gamma and lambda of training.
        rollouts: of each life.
        horizon: of each rollout [env-steps].
        seed: of worlds and draws.

    Returns:
        `crimes`, what `charges.crimes` says of recall, `revenge` and what `calibrate` returns;
        without crimes only the former.
    """
    seen, recalled = crimes(
        policy,
        world,
        params,
        episodes=episodes,
        wanted=branches,
        horizon=horizon,
        discounts=discounts,
        seed=seed,
    )
    if seen is None:
        return {"crimes": 0, **recalled}
    cost = relive(
        policy,
        world,
        seen,
        rollouts=rollouts,
        horizon=horizon,
        gamma=discounts[0],
        seed=seed,
    )
    line = calibrate(seen.delta, cost.returns, seen.episode, seed)
    revenge = calibrate(seen.delta, cost.revenge, seen.episode, seed)["cost"]
    return {"crimes": len(seen), **recalled, "revenge": revenge, **line}
