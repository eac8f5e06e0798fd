"""Play a policy and keep the frames of its social events, with the states in which they were seen.

Shapes: B worlds, N agents, P zaps, M single frames, L cells of the LSTM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from karma_rllib.nets.policy import Policy
from karma_rllib.worlds.events import CLEANER, NEUTRAL, Events, outcome_roles, zap_id

WORLDS = 16  # played side by side
WANTED = 1024  # neutral frames and cleaner frames kept, about


@dataclass(frozen=True)
class Frames:
    """Single frames, each with the recurrent state before it and the episode it is from."""

    grid: np.ndarray  # uint8 (M, H, W, C)
    vec: np.ndarray  # float32 (M, D)
    state: dict[str, np.ndarray]  # each float32 (M, L); {} without memory
    episode: np.ndarray  # int64 (M,)

    def __len__(self) -> int:
        return len(self.grid)

    def take(self, rows: np.ndarray) -> Frames:
        """Some of the frames."""
        state = {key: column[rows] for key, column in self.state.items()}
        return Frames(self.grid[rows], self.vec[rows], state, self.episode[rows])


@dataclass(frozen=True)
class Capture:
    """What was seen: row p of the first four is the same zap."""

    agg_dec: Frames  # attackers as they decide, P
    agg_out: Frames  # attackers after their hit
    vic_dec: Frames
    vic_out: Frames
    zid: np.ndarray  # identity of each zap, int64 (P,)
    neutral: Frames  # agents to whom nothing happened
    cleaner: Frames  # agents that have just cleaned
    episodes: int

    @property
    def zaps(self) -> int:
        """P."""
        return len(self.zid)

    def take(self, rows: np.ndarray) -> Capture:
        """Some of the zaps; single frames stay."""
        return replace(
            self,
            agg_dec=self.agg_dec.take(rows),
            agg_out=self.agg_out.take(rows),
            vic_dec=self.vic_dec.take(rows),
            vic_out=self.vic_out.take(rows),
            zid=self.zid[rows],
        )


def play(
    policy: Policy,
    world: Mapping[str, Any],
    episodes: int,
    seed: int = 0,
    behaviour: Policy | None = None,
) -> Capture:
    """Play whole episodes and keep frames.

    Hits that were returned in the same step, and hits on an episode's last step, are left out:
    there, a frame shows both roles or belongs to no step.

    Args:
        policy: the network under study; it sees every frame and keeps its own state.
        world: arguments of `make_lifetime`, its name under `world`.
        episodes: at least so many.
        seed: of worlds and of the choice of single frames.
        behaviour: who acts; None: the policy itself. A policy that no longer harms can so be
            shown the harm of another.

    Raises:
        ValueError: a policy does not fit the world.
    """
    from karma_rllib.society.lifetime import make_lifetime

    rest = {key: value for key, value in world.items() if key != "world"}
    B = min(WORLDS, episodes)
    life = make_lifetime(world["world"], num_worlds=B, seed=seed, **rest)
    for player in (policy, behaviour):
        if player is not None:
            player.check(life.obs_shapes, life.num_actions)
    keeper = _Keeper(life, np.random.default_rng(seed), episodes)
    rounds = -(-episodes // B)
    for round_ in range(rounds):
        _episode(life, policy, behaviour, keeper, round_)
    return keeper.finish(rounds * B)


def _episode(
    life: Any, policy: Policy, behaviour: Policy | None, keeper: _Keeper, round_: int
) -> None:
    """One episode in every world."""
    rows = life.num_worlds * life.num_agents
    obs = _flat(life.reset())
    state = policy.initial_state(rows)
    other = behaviour.initial_state(rows) if behaviour else {}
    for t in range(life.max_steps):
        actions, after = policy.step(obs, state)
        if behaviour is not None:
            actions, other = behaviour.step(obs, other)
        before = obs
        out = life.step(actions.reshape(life.num_worlds, life.num_agents))
        obs = _flat(out.obs)
        if t + 1 < life.max_steps:
            keeper.add(out.events, before, state, obs, after, ~life.world.frozen, round_)
        state = after


def _flat(obs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rows of agents, copied: the world overwrites what it returned."""
    return {key: np.array(x).reshape(-1, *x.shape[2:]) for key, x in obs.items()}


class _Keeper:
    """Gathers frames step by step."""

    def __init__(self, life: Any, rng: np.random.Generator, episodes: int) -> None:
        self.uid, self.N, self.B = life.uid, life.num_agents, life.num_worlds
        self.rng = rng
        self.chance = WANTED / (episodes * life.max_steps * self.N)
        self.parts: dict[str, list[Frames]] = {
            name: [] for name in ("agg_dec", "agg_out", "vic_dec", "vic_out", "neutral", "cleaner")
        }
        self.zid: list[np.ndarray] = []

    def add(
        self,
        events: Events,
        before: Mapping[str, np.ndarray],
        state: Mapping[str, np.ndarray],
        after: Mapping[str, np.ndarray],
        state_after: Mapping[str, np.ndarray],
        active: np.ndarray,
        round_: int,
    ) -> None:
        """Keep what one step shows; `active` (B, N): who can act after it."""
        hit = events.hit & ~events.hit.swapaxes(-1, -2)
        w, i, j = np.nonzero(hit)
        for name, rows, obs, memory in (
            ("agg_dec", w * self.N + i, before, state),
            ("vic_dec", w * self.N + j, before, state),
            ("agg_out", w * self.N + i, after, state_after),
            ("vic_out", w * self.N + j, after, state_after),
        ):
            self._keep(name, rows, obs, memory, round_)
        self.zid.append(zap_id(self.uid[w], events.g[w], i, j))
        roles = outcome_roles(events, ~active).ravel()
        drawn = self.rng.random(len(roles))
        neutral = np.flatnonzero((roles == NEUTRAL) & (drawn < self.chance))
        cleaner = np.flatnonzero((roles == CLEANER) & (drawn < 50 * self.chance))
        self._keep("neutral", neutral, after, state_after, round_)
        self._keep("cleaner", cleaner, after, state_after, round_)

    def _keep(
        self,
        name: str,
        rows: np.ndarray,
        obs: Mapping[str, np.ndarray],
        state: Mapping[str, np.ndarray],
        round_: int,
    ) -> None:
        episode = round_ * self.B + rows // self.N
        memory = {key: column[rows] for key, column in state.items()}
        self.parts[name].append(Frames(obs["grid"][rows], obs["vec"][rows], memory, episode))

    def finish(self, episodes: int) -> Capture:
        """Everything that was kept."""
        whole = {name: _join(parts) for name, parts in self.parts.items()}
        return Capture(**whole, zid=np.concatenate(self.zid), episodes=episodes)


def _join(parts: list[Frames]) -> Frames:
    state = {key: np.concatenate([part.state[key] for part in parts]) for key in parts[0].state}
    return Frames(
        np.concatenate([part.grid for part in parts]),
        np.concatenate([part.vec for part in parts]),
        state,
        np.concatenate([part.episode for part in parts]),
    )
