"""Policies meet: whole episodes in which every agent may be played by another policy.

An episode is a function of its seed, its world and who plays whom: it is the first episode of the
world with that uid, and every chance a player takes belongs to (seed, agent).  So an episode that
is missing can be played later, alone, and comes out the same (up to the rounding of a network's
sums, which may depend on how many rows it sees at once).

Shapes: B worlds side by side, N agents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from karma_rllib import worlds
from karma_rllib.envs.bots import Policy, begin
from karma_rllib.society.lifetime import Lifetime, make_lifetime
from karma_rllib.worlds.rng import fold_words

SIDE_BY_SIDE = 32  # worlds of one batch at most

#: Arguments of `make_lifetime` that are not the world's.
_OF_LIFETIME = ("world", "seed", "num_threads", "ledger", "matchmaker", "kinship")

#: Events with one entry per agent that are not counts.
_NO_COUNTS = frozenset(
    {"aim", "aim_agent", "apple_ctx", "aim_debtor", "active", "rigged", "match", "raw_reward"}
)

World = Mapping[str, Any]
"""A world to be built: `world`, its name, and the other arguments of `make_lifetime`."""


class Played(NamedTuple):
    """What one agent did in one episode."""

    seed: int
    agent: int
    raw_return: float  # sum of its rewards as earned [reward units]
    shared_return: float  # and as shared among relatives [reward units]
    steps: int  # length of the episode [env-steps]
    stats: dict[str, float]  # sums of the world's events: hits, hits_taken, ate, cleaned, ...


def build(world: World, num_worlds: int = 1, first_uid: int = 0) -> Lifetime:
    """Build worlds from their description.

    Raises:
        ValueError: a name or value is wrong, in one sentence.
    """
    rest = {key: value for key, value in world.items() if key != "world"}
    name = world.get("world", "harvest-v0")
    return make_lifetime(name, num_worlds=num_worlds, first_uid=first_uid, **rest)


def play_episodes(
    world: World,
    policies_by_agent: Sequence[Policy],
    seeds: Sequence[int],
    watch: Callable[[Lifetime, np.ndarray, Any], None] | None = None,
    *,
    rotate: bool = False,
) -> list[Played]:
    """Play one episode per seed.

    Args:
        world: what to build, for example {"world": "harvest-v0", "profile": "gathering"}.
        policies_by_agent: who plays each agent, N entries; one object may stand in many places and
            is then called once a step for all of them.
        seeds: of the episodes, each >= 0; one that stands twice is played twice.
        watch: called after every step with the lifetime, the actions (B, N) and the `StepOut`;
            before the first step with `None` in the last two places.
        rotate: entry k plays agent (k + seed) mod N, so that no policy always has the same place.

    Returns:
        One row per seed and agent, in the order of `seeds`.

    Raises:
        ValueError: not one policy per agent, or a world that cannot be built.
    """
    found: dict[int, list[Played]] = {}
    for first, count in _runs(sorted(set(seeds)), _side_by_side(world)):
        life = build(world, count, first)
        if len(policies_by_agent) != life.num_agents:
            raise ValueError(
                f"{len(policies_by_agent)} policies for {life.num_agents} agents: name one for "
                "each."
            )
        for row in _play(life, policies_by_agent, watch, rotate):
            found.setdefault(row.seed, []).append(row)
    return [row for seed in seeds for row in found[seed]]


def _side_by_side(world: World) -> int:
    """How many worlds can be stepped together: one where episodes differ in length."""
    rest = {key: value for key, value in world.items() if key not in _OF_LIFETIME}
    uneven = worlds.traits(world.get("world", "harvest-v0"), **rest).uneven
    return 1 if uneven else SIDE_BY_SIDE


def _runs(seeds: list[int], most: int) -> Iterator[tuple[int, int]]:
    """Cut sorted seeds into stretches of at most so many, without a gap: (first, how many)."""
    start = 0
    for end in range(1, len(seeds) + 1):
        gap = end == len(seeds) or seeds[end] != seeds[end - 1] + 1
        if gap or end - start == most:
            yield seeds[start], end - start
            start = end


def seat(k: int, seed: int, num_agents: int) -> int:
    """The agent that entry k of a rotated cast plays in the episode of a seed."""
    return (k + seed) % num_agents


def _play(
    life: Lifetime, players: Sequence[Policy], watch: Callable[..., None] | None, rotate: bool
) -> list[Played]:
    """One episode in every world."""
    B, N = life.num_worlds, life.num_agents
    who = list({id(p): p for p in players}.values())
    part = np.array([next(k for k, p in enumerate(who) if p is q) for q in players])
    turn = life.uid[:, None] if rotate else np.zeros((B, 1), np.int64)
    cast = part[(np.arange(N) - turn) % N]  # which policy plays each agent, (B, N)
    names = fold_words(np.stack([np.repeat(life.uid, N), np.tile(np.arange(N), B)]))
    rows = (names >> np.uint64(1)).astype(np.int64).reshape(B, N)
    obs = life.reset()
    states = [begin(policy, rows[cast == k]) for k, policy in enumerate(who)]
    if watch is not None:
        watch(life, None, None)  # type: ignore[arg-type]
    sums, t, done = _Sums(B, N), 0, False
    while not done:
        actions = np.zeros((B, N), np.int64)
        for k, policy in enumerate(who):
            seen = {key: x[cast == k] for key, x in obs.items()}
            actions[cast == k], states[k] = policy.step(seen, states[k])
        out = life.step(actions)
        obs, t, done = out.obs, t + 1, bool(out.truncated.all())
        sums.add(out)
        if watch is not None:
            watch(life, actions, out)
    return sums.rows(life.uid, t)


class _Sums:
    """Sums over an episode in B worlds with N agents."""

    def __init__(self, B: int, N: int) -> None:
        self.shape = (B, N)
        self.raw, self.shared = np.zeros((B, N)), np.zeros((B, N))
        self.counts: dict[str, np.ndarray] = {}

    def add(self, out: Any) -> None:
        """Count one step."""
        events = out.events
        self.raw += events.raw_reward
        self.shared += out.reward
        for name, array in events._asdict().items():
            if name not in _NO_COUNTS and np.shape(array) == self.shape:
                self._count(name, array)
        self._count("hits", events.hit.sum(-1))
        self._count("hits_taken", events.hit.sum(-2))
        self._count("frozen", ~events.active)

    def _count(self, name: str, array: np.ndarray) -> None:
        self.counts.setdefault(name, np.zeros(self.shape))
        self.counts[name] += array

    def rows(self, uid: np.ndarray, steps: int) -> list[Played]:
        """One row per world and agent."""
        return [
            Played(
                int(uid[b]),
                i,
                float(self.raw[b, i]),
                float(self.shared[b, i]),
                steps,
                {name: float(x[b, i]) for name, x in self.counts.items() if x.any()},
            )
            for b in range(self.shape[0])
            for i in range(self.shape[1])
        ]
