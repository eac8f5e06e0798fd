"""The Gymnasium face: one player moves all agents of one world."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, MultiDiscrete

from karma_rllib.envs.stage import FPS, RENDER_MODES, Obs, Stage
from karma_rllib.society.kinship import KinshipRules
from karma_rllib.society.ledger import LedgerParams
from karma_rllib.society.matchmaker import MatchmakerParams


class KarmicHarvestEnv(gymnasium.Env):
    """World harvest-v0 with one joint player, registered as `KarmicHarvest-v0`.

    The observation is `{"grid": uint8 (N, H, W, C), "vec": float32 (N, D)}`, the action
    `MultiDiscrete([8] * N)`, the reward the sum over agents.  `reset(seed=s)` starts a new
    lifetime, `reset()` begins its next episode.  Info holds `rewards` float32 (N,),
    `social_events` (those of all agents, in agent order; see `karma_rllib.envs.social_events`),
    `role_out` and `role_dec` int (N,), `env_uid`, `global_step` and `episode`.

    Args:
        profile: named parameter set; None takes the world's default.
        render_mode: `human`, `rgb_array`, `ansi` or None.
        ledger: rules of the ledger, as an object or as a mapping.
        matchmaker: rules of the matchmaker, likewise; see also `KarmicMatchmaker`.
        kinship: rules of kinship, likewise.
        uid: identity of the world, >= 0.
        **params: single parameters of the world.

    Raises:
        ValueError: for an unknown name, key or value, in one sentence.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": FPS}  # noqa: RUF012
    world = "harvest-v0"

    def __init__(
        self,
        profile: str | None = None,
        render_mode: str | None = None,
        ledger: LedgerParams | Mapping[str, Any] | None = None,
        matchmaker: MatchmakerParams | Mapping[str, Any] | None = None,
        kinship: KinshipRules | Mapping[str, Any] | None = None,
        uid: int = 0,
        **params: Any,
    ) -> None:
        self.stage = Stage(
            self.world, profile, ledger, matchmaker, kinship, uid, render_mode, params
        )
        self.render_mode = render_mode
        one, act = self.stage.spaces()
        N = len(self.stage.names)
        self.observation_space = Dict({key: _stacked(box, N) for key, box in one.items()})
        self.action_space = MultiDiscrete([int(act.n)] * N)
        self._alive = False  # whether a lifetime has begun

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Begin an episode; with a seed, of a new lifetime."""
        super().reset(seed=seed)
        if seed is not None or not self._alive:
            self.stage.begin(int(self.np_random.integers(2**62)) if seed is None else seed)
            self._alive = True
        obs, infos = self.stage.reset()
        return obs, self._info(infos, np.zeros(len(infos), np.float32))

    def step(self, action: np.ndarray) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Play one env-step.

        Raises:
            ValueError: if the joint action is not in the action space.
        """
        action = np.asarray(action, np.int64)
        if not self.action_space.contains(action):
            raise ValueError(
                f"the action is {action.tolist()}: it must be {len(self.stage.names)} integers "
                f"from 0 to {self.stage.life.num_actions - 1}."
            )
        obs, rewards, truncated, infos = self.stage.step(action)
        return obs, float(rewards.sum()), False, truncated, self._info(infos, rewards)

    def _info(self, infos: list[dict[str, Any]], rewards: np.ndarray) -> dict[str, Any]:
        """The infos of all agents as one."""
        return {
            "rewards": rewards,
            "social_events": [event for info in infos for event in info["social_events"]],
            "role_out": np.array([info["role_out"] for info in infos]),
            "role_dec": np.array([info["role_dec"] for info in infos]),
            **{key: infos[0][key] for key in ("env_uid", "global_step", "episode")},
        }

    def render(self) -> Any:
        """Show the current frame as `render_mode` says."""
        return self.stage.render()

    def close(self) -> None:
        """Close the window, if there is one."""
        self.stage.close()


class KinshipGridEnv(KarmicHarvestEnv):
    """World kinship-v0 with one joint player, registered as `KinshipGrid-v0`.

    All else is as in `KarmicHarvestEnv`; the number of actions depends on the parameters.
    """

    world = "kinship-v0"


def _stacked(box: Any, n: int) -> Box:
    """The space of n observations of one space, stacked along a new first axis."""
    low, high = (np.broadcast_to(bound, (n, *box.shape)) for bound in (box.low, box.high))
    return Box(low, high, dtype=box.dtype.type)
