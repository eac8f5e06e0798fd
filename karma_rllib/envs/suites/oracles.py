"""Players with full knowledge: they read the world itself, to show that a scenario can be solved.

They keep to the protocol of policies, but look at `world` instead of their observations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.envs.bots import Policy, RandomPolicy
from karma_rllib.envs.kinship_bots import KinshipBot
from karma_rllib.envs.suites import hunters, team_oracles
from karma_rllib.envs.suites.objects import EVERY
from karma_rllib.envs.suites.running import Maker
from karma_rllib.envs.suites.scenario import Episode

Obs = dict[str, np.ndarray]


class FollowPlan:
    """Plays the shortest plan of an episode with one agent, then waits.

    Args:
        world: of the episode.
        episode: holds the plan.
    """

    def __init__(self, world: Any, episode: Episode) -> None:
        names = world.action_names
        self._actions = [names.index(name) for name in episode.plan]
        self._noop = names.index("noop")

    def initial_state(self, n: int) -> int:
        """Steps made."""
        return 0

    def step(self, obs: Obs, state: int) -> tuple[np.ndarray, int]:
        """The next action of the plan."""
        more = state < len(self._actions)
        return np.array([self._actions[state] if more else self._noop]), state + 1


def _follow(world: Any, episode: Episode, agents: np.ndarray) -> Policy:
    return FollowPlan(world, episode)


def _mirror(world: Any, episode: Episode, agents: np.ndarray) -> Policy:
    """The plan, or its mirror image if the altar on the right pays first."""
    return _MirrorPlan(world, episode)


class _MirrorPlan(FollowPlan):
    """A plan for the altar on the left; the world knows which one it is."""

    def __init__(self, world: Any, episode: Episode) -> None:
        super().__init__(world, episode)
        names = world.action_names
        left, right = names.index("rotate_left"), names.index("rotate_right")
        self._world, self._swap = world, {left: right, right: left}
        self._right = False

    def step(self, obs: Obs, state: int) -> tuple[np.ndarray, int]:
        """The next action of the plan."""
        if state == 0:
            self._right = bool(self._world.live[0, 1] > 0)
        action, after = super().step(obs, state)
        if self._right:
            action = np.array([self._swap.get(int(a), int(a)) for a in action])
        return action, after


def random_player(world: Any, episode: Episode, agents: np.ndarray) -> Policy:
    """Uniform over all actions: the other yardstick."""
    return RandomPolicy(world.num_actions, seed=world.seed)


class Sentry:
    """Stands still behind its shield and shoots at whoever is nearest ahead, every 15 steps.

    Args:
        world: its action names and its seed count, which fixes the first shot.
    """

    def __init__(self, world: Any) -> None:
        names = world.action_names
        self._shield, self._shoot = names.index("shield"), names.index("attack_nearest")
        self._noop, self._first = names.index("noop"), 3 + world.seed % (EVERY - 3)

    def initial_state(self, n: int) -> tuple[int, int]:
        """How many they are, and steps made."""
        return n, 0

    def step(self, obs: Obs, state: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
        """Shoot when it is time; see `Policy.step`."""
        n, t = state
        action = self._shield if t == 0 else self._noop
        if t % EVERY == self._first:
            action = self._shoot
        return np.full(n, action), (n, t + 1)


def _sentry(world: Any, episode: Episode, agents: np.ndarray) -> Policy:
    return Sentry(world)


def _scripted(name: str) -> Maker:
    """A bot that knows what it sees and nothing else."""

    def make(world: Any, episode: Episode, agents: np.ndarray) -> Policy:
        return KinshipBot(name, world.params, seed=world.seed)

    return make


ORACLES: dict[str, Maker] = {
    "plan": _follow,
    "mirror": _mirror,
    "disperse": team_oracles.Disperse,
    "relay": team_oracles.Relay,
    "rescue": team_oracles.Rescue,
    "signal": team_oracles.Signal,
    "farmers": team_oracles.Farmers,
    "hunters": hunters.Hunters,
}
BOTS: dict[str, Maker] = {
    "sentry": _sentry,
    "random": random_player,
    "forager": _scripted("forager"),
    "raider": _scripted("raider"),
}
