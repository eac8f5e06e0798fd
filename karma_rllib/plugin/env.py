"""The standard road into RLlib: any world as a `MultiAgentEnv`, for any stock algorithm."""

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Dict
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.rllib.utils.annotations import override
from ray.tune.registry import register_env as tune_register_env

from karma_rllib.envs.parallel import WorldParallelEnv
from karma_rllib.registration import GYM_ID, KINSHIP_ID
from karma_rllib.society.lifetime import Lifetime, make_lifetime


class KarmaMultiAgentEnv(MultiAgentEnv):
    """One world under RLlib; agents, infos and episodes are those of `WorldParallelEnv`.

    Every env of every env runner lives its own life.  RLlib hands several envs the same seed and
    leaves `vector_index` at 0 for all of them, so the life is fixed by three things: the seed of
    `reset` together with `config["seed"]`, the runner's `worker_index`, and a count of the envs
    built from one `EnvContext`, which is the true index of the env in its runner.  The last two
    make the uid, `worker_index * 2**20 + index`; a runner that Ray restarted after a failure takes
    uids that nobody had, so that its lives are never mistaken for those that were lost.

    A seed starts a new lifetime, except when it is the seed of the running one: RLlib repeats its
    seed before every sample of complete episodes, which would replay the same spawns and wipe the
    debts each time.

    Args:
        config: `world` (name), `profile`, `ledger`, `matchmaker` and `kinship` (mappings),
            `seed`, `render_mode`, and single parameters of the world; usually RLlib's `EnvContext`.

    Raises:
        ValueError: for an unknown name, key or value, in one sentence.
    """

    default_world = "harvest-v0"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        config = {} if config is None else config
        settings = {"world": self.default_world, "render_mode": "rgb_array", "seed": 0, **config}
        self._seed = int(settings.pop("seed"))
        self._life: int | None = None  # the seed of the running lifetime
        self._world = settings.pop("world")
        self._env = WorldParallelEnv(self._world, uid=_uid(config), **settings)
        self._settings = {k: v for k, v in settings.items() if k != "render_mode"}
        self.render_mode = self._env.render_mode
        self.metadata = self._env.metadata
        self.possible_agents = list(self._env.possible_agents)
        self.agents = list(self.possible_agents)  # RLlib reads it before the first reset
        self.observation_spaces: dict[str, Any] = dict(self._env.observation_spaces)
        self.action_spaces: dict[str, Any] = dict(self._env.action_spaces)
        self.observation_space = Dict(self.observation_spaces)
        self.action_space = Dict(self.action_spaces)
        super().__init__()

    @override(MultiAgentEnv)
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; with a new seed, of a new lifetime."""
        life = None
        if self._life is None or seed not in (None, self._life):
            self._life = 0 if seed is None else seed
            entropy = np.random.SeedSequence([self._seed, self._life])
            life = int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(2))
        result = self._env.reset(seed=life)
        self.agents = self._env.agents
        return result

    @override(MultiAgentEnv)
    def step(self, action_dict: dict[str, int]) -> tuple[dict[str, Any], ...]:
        """Play one env-step; `__all__` is true exactly when no agent is left."""
        obs, rewards, terminateds, truncateds, infos = self._env.step(action_dict)
        self.agents = self._env.agents
        over = not self.agents
        return (
            obs,
            rewards,
            {**terminateds, "__all__": False},
            {**truncateds, "__all__": over},
            infos,
        )

    @override(MultiAgentEnv)
    def render(self) -> Any:
        """The current frame in the env's render mode."""
        return self._env.render()

    @override(MultiAgentEnv)
    def close(self) -> None:
        """Close the window, if there is one."""
        self._env.close()

    def make_batched(
        self, num_worlds: int, seed: int = 0, first_uid: int = 0, num_threads: int = 1
    ) -> Lifetime:
        """The same world many times over, for a runner that steps all copies at once.

        Args:
            num_worlds: B, number of copies.
            seed: of the run.
            first_uid: uid of the first copy; copy b has `first_uid + b`.
            num_threads: threads of the step kernel.
        """
        return make_lifetime(
            self._world,
            num_worlds=num_worlds,
            seed=seed,
            first_uid=first_uid,
            num_threads=num_threads,
            **self._settings,
        )


def _uid(config: Mapping[str, Any]) -> int:
    """An identity that no other env of this algorithm's runners has."""
    index = getattr(config, "envs_built", 0)
    if isinstance(config, EnvContext):
        config.envs_built = index + 1
    uid = (getattr(config, "worker_index", 0) or 0) * 2**20 + index
    if getattr(config, "recreated_worker", False):
        uid += (1 + secrets.randbelow(2**20)) << 40
    return uid


class KinshipMultiAgentEnv(KarmaMultiAgentEnv):
    """The same with kinship-v0 as the world that a config without `world` means."""

    default_world = "kinship-v0"


def register_env() -> None:
    """Make our env names known to Ray Tune, and thereby to RLlib configs."""
    tune_register_env(GYM_ID, KarmaMultiAgentEnv)
    tune_register_env(KINSHIP_ID, KinshipMultiAgentEnv)
