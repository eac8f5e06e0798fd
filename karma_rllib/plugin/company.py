"""Training one agent among frozen policies: `Karma`, in worlds whose other agents are played.

The network, the loss and the loop are those of every other run; only the worlds that the batched
env runner steps are seen through the eyes of a single agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.registry import register_env

from karma_rllib.envs.company import Company
from karma_rllib.nets.policies import resolve
from karma_rllib.plugin.algorithm_config import KarmaConfig
from karma_rllib.plugin.env import KarmaMultiAgentEnv

ENV_NAME = "karma-company"
AMONG, CHANCES = "among", "chances"


class CompanyEnv(KarmaMultiAgentEnv):
    """A world whose batched form has one agent; `config` also holds who plays the others.

    Args:
        config: that of `KarmaMultiAgentEnv`, `among`, the address of a policy, and `chances`, the
            seed of its chances.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        rest = {key: value for key, value in config.items() if key not in (AMONG, CHANCES)}
        super().__init__(rest)
        self._among, self._chances = config[AMONG], config[CHANCES]

    def make_batched(self, num_worlds: int, *args: Any, **kwargs: Any) -> Any:
        """The worlds of `KarmaMultiAgentEnv.make_batched`, as one agent lives them."""
        life = super().make_batched(num_worlds, *args, **kwargs)
        return Company(life, resolve(self._among, life, self._chances))


def among(
    config: KarmaConfig, world: Mapping[str, Any], policy: str, chances: int = 0
) -> KarmaConfig:
    """Let an algorithm train one agent among others that a policy plays.

    Args:
        config: of the algorithm, complete but for this.
        world: what to build, as the env's own `config`.
        policy: address of who plays the others.
        chances: seed of the policy's chances.
    """
    register_env(ENV_NAME, CompanyEnv)
    config.replays(0)  # of one agent's view of an episode nobody could live it again
    return config.environment(ENV_NAME, env_config={**world, AMONG: policy, CHANCES: chances})
