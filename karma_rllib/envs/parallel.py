"""The PettingZoo face of every world."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from pettingzoo import ParallelEnv
from pettingzoo.utils import wrappers
from pettingzoo.utils.conversions import parallel_to_aec

from karma_rllib.envs.stage import FPS, RENDER_MODES, Obs, Stage, fresh_seed
from karma_rllib.society.kinship import KinshipRules
from karma_rllib.society.ledger import LedgerParams
from karma_rllib.society.matchmaker import MatchmakerParams

Infos = dict[str, dict[str, Any]]


class WorldParallelEnv(ParallelEnv):
    """One world as a PettingZoo `ParallelEnv`.

    `reset(seed=s)` starts a new lifetime: same seed, same life.  `reset()` begins the next episode
    of the lifetime, so debts and random numbers go on (the first one draws a seed from the
    operating system).  All agents are truncated together at `max_steps`; nobody ever terminates.

    Infos, per agent:

        social_events   what the agent did or suffered in the last step, list of dicts; the keys
                        are explained in `karma_rllib.envs.social_events`
        zids            identities of the zaps it took part in
        role_out        role of the frame that comes with this info (the outcome of the last step):
                        0 neutral, 1 aggressor, 2 victim, 3 cleaner, -100 none (frozen, or first)
        role_dec        role of the frame *before*, in which the action was chosen
        env_uid         identity of the world
        global_step     env-steps of the lifetime so far
        episode         episode of the lifetime, from 0

    Args:
        world: name of the world.
        profile: named parameter set; None takes the world's default.
        render_mode: `human`, `rgb_array`, `ansi` or None.
        ledger: rules of the ledger, as an object or as a mapping.
        matchmaker: rules of the matchmaker, likewise; see also `KarmicMatchmaker`.
        kinship: rules of kinship, likewise.
        uid: identity of the world, >= 0; envs with equal seed and uid live the same life.
        **params: single parameters of the world.

    Raises:
        ValueError: for an unknown name, key or value, in one sentence.
    """

    metadata: dict[str, Any]

    def __init__(
        self,
        world: str,
        *,
        profile: str | None = None,
        render_mode: str | None = None,
        ledger: LedgerParams | Mapping[str, Any] | None = None,
        matchmaker: MatchmakerParams | Mapping[str, Any] | None = None,
        kinship: KinshipRules | Mapping[str, Any] | None = None,
        uid: int = 0,
        **params: Any,
    ) -> None:
        self.stage = Stage(world, profile, ledger, matchmaker, kinship, uid, render_mode, params)
        self.metadata = {
            "name": world.replace("-", "_"),
            "render_modes": list(RENDER_MODES),
            "render_fps": FPS,
            "is_parallelizable": True,
        }
        self.render_mode = render_mode
        self.possible_agents = list(self.stage.names)
        self.agents: list[str] = []
        self.observation_spaces: dict[str, Dict] = {}
        self.action_spaces: dict[str, Discrete] = {}
        for agent in self.possible_agents:
            self.observation_spaces[agent], self.action_spaces[agent] = self.stage.spaces()
        self.state_space: Box = self.stage.state_space()
        self._alive = False  # whether a lifetime has begun

    def observation_space(self, agent: str) -> Dict:
        """Space of one agent's observations, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        """Space of one agent's actions, always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Obs], Infos]:
        """Begin an episode; with a seed, of a new lifetime.

        Args:
            seed: fixes the lifetime, 0 <= seed < 2**62; None continues the running one.
            options: not used.
        """
        if seed is not None or not self._alive:
            self.stage.begin(fresh_seed() if seed is None else seed)
            self._alive = True
        obs, infos = self.stage.reset()
        self.agents = list(self.possible_agents)
        return self._by_agent(obs), dict(zip(self.agents, infos))

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Obs], dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Play one env-step; after the end of an episode all five dicts are empty.

        Raises:
            ValueError: if a living agent has no action, or one that is not in its space.
        """
        if not self.agents:
            return {}, {}, {}, {}, {}
        obs, reward, truncated, infos = self.stage.step(self._joint(actions))
        names = self.possible_agents
        self.agents = [] if truncated else list(names)
        return (
            self._by_agent(obs),
            dict(zip(names, reward.tolist())),
            dict.fromkeys(names, False),
            dict.fromkeys(names, truncated),
            dict(zip(names, infos)),
        )

    def _joint(self, actions: dict[str, int]) -> np.ndarray:
        """Check the actions and put them in agent order, int64 (N,)."""
        for agent, space in self.action_spaces.items():
            if agent not in actions:
                raise ValueError(f"{agent} has no action: step() needs one for every living agent.")
            if not space.contains(actions[agent]):
                raise ValueError(
                    f"the action of {agent} is {actions[agent]!r}: it must be an integer "
                    f"from 0 to {int(space.n) - 1}."
                )
        return np.array([actions[agent] for agent in self.possible_agents], np.int64)

    def _by_agent(self, obs: Obs) -> dict[str, Obs]:
        return {
            agent: {key: rows[n] for key, rows in obs.items()}
            for n, agent in enumerate(self.possible_agents)
        }

    def state(self) -> np.ndarray:
        """The whole map as codes, uint8 (G, G, 5); see `Stage.state`."""
        return self.stage.state()

    def render(self) -> np.ndarray | str | None:
        """Show the current frame as `render_mode` says."""
        return self.stage.render()

    def close(self) -> None:
        """Close the window, if there is one."""
        self.stage.close()


def to_aec(env: WorldParallelEnv) -> Any:
    """The same world turn by turn (AEC), with checks of order and of action bounds."""
    return wrappers.AssertOutOfBoundsWrapper(parallel_to_aec(env))
