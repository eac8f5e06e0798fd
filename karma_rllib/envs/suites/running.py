"""An episode of a scenario in progress: its world, and bots on the seats that are not judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from karma_rllib import worlds
from karma_rllib.envs.bots import Policy
from karma_rllib.envs.suites.scenario import FOCAL, Episode, Scenario

#: Builds a player: from the world (one copy), the episode, and the numbers of its agents.
Maker = Callable[[Any, Episode, np.ndarray], Policy]
Obs = dict[str, np.ndarray]


class Running:
    """The episode of a seed, just begun; whoever holds it moves the judged agents.

    Args:
        scenario: the test.
        seed: of the episode; also of its world.
        bots: makes the players of the other seats, by their names in `Episode.seats`.
        longest: longer episodes are cut [steps]; None: none is.
        head_start: part of the plan that is made before anybody plays, in [0, 1); what then
            remains of the time limit is as long beside the rest of the plan as all of it was
            beside the whole.
        buffers: gives the arrays for what so many agents see; None allocates.

    Attributes:
        episode: what the scenario drew.
        head_start: steps of the plan to be made before anybody plays, by whoever holds it.
        world: one copy of the kinship world.
        focal: numbers of the judged agents, (n,).
        obs: what all N agents see now, {"grid": (1, N, H, W, C), "vec": (1, N, D)}.

    Raises:
        KeyError: a seat names a bot that is not there.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        bots: Mapping[str, Maker],
        longest: int | None = None,
        head_start: float = 0.0,
        buffers: Callable[[int], Obs] | None = None,
    ) -> None:
        self.episode = scenario.episode(seed)
        params, plan = dict(self.episode.params), len(self.episode.plan)
        self.head_start = int(head_start * plan)
        if self.head_start:
            rest = math.ceil(params["max_steps"] * (plan - self.head_start) / plan)
            params["max_steps"] = self.head_start + rest
        if longest is not None:
            params["max_steps"] = min(longest, params["max_steps"])
            self.head_start = min(self.head_start, params["max_steps"] - 1)
        self.world = worlds.make(scenario.world, seed=seed, **params)
        self.focal = np.flatnonzero(self.episode.focal)
        seats = np.array(self.episode.seats or (FOCAL,) * self.world.num_agents)
        self._bots: list[tuple[np.ndarray, Policy]] = []
        for seat in dict.fromkeys(seats.tolist()):
            if seat != FOCAL:
                agents = np.flatnonzero(seats == seat)
                self._bots.append((agents, bots[seat](self.world, self.episode, agents)))
        self._states = [bot.initial_state(len(agents)) for agents, bot in self._bots]
        self._actions = np.zeros((1, self.world.num_agents), np.int64)
        room = buffers(self.world.num_agents) if buffers else self.world.empty_obs()
        self.obs: Obs = self.world.reset(out=room)

    def seen_by(self, agents: np.ndarray) -> Obs:
        """What some agents see now, {"grid": (n, H, W, C), "vec": (n, D)}; copies."""
        return {key: rows[0, agents] for key, rows in self.obs.items()}

    def joint(self, actions: np.ndarray) -> np.ndarray:
        """What everybody does next: the judged agents as told, the others as their bots say.

        Args:
            actions: of the judged agents, (n,).

        Returns:
            int64 (1, N); the next call overwrites it.
        """
        self._actions[0, self.focal] = actions
        for k, (agents, bot) in enumerate(self._bots):
            choice, self._states[k] = bot.step(self.seen_by(agents), self._states[k])
            self._actions[0, agents] = choice
        return self._actions

    @property
    def actions(self) -> np.ndarray:
        """What everybody did in the last step, int64 (N,); the next call overwrites it."""
        return self._actions[0]

    def step(self, actions: np.ndarray) -> Any:
        """Advance by one step; the world's `StepOut`, of all N agents.

        Args:
            actions: of the judged agents, (n,).
        """
        return self.world.step(self.joint(actions), self.obs)

    def get_state(self) -> tuple[dict[str, np.ndarray], list[Any]]:
        """What the rest of the episode depends on: of the world, and of the bots."""
        return self.world.get_state(), self._states

    def set_state(self, state: tuple[dict[str, np.ndarray], list[Any]]) -> None:
        """Continue where `get_state` of the same episode was called."""
        arrays, self._states = state[0], list(state[1])
        self.world.set_state(arrays)
        self.world.observe(self.obs)
