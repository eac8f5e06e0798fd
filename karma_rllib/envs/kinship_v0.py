"""PettingZoo constructors of world kinship-v0.

from karma_rllib.envs import kinship_v0
env = kinship_v0.parallel_env(profile="hearth", render_mode="rgb_array")
"""

from typing import Any

from pettingzoo.utils.conversions import parallel_to_aec

from karma_rllib.envs.parallel import WorldParallelEnv, to_aec

WORLD = "kinship-v0"


def parallel_env(
    profile: str | None = None, render_mode: str | None = None, **params: Any
) -> WorldParallelEnv:
    """All agents act at once; see `WorldParallelEnv` for arguments and infos."""
    return WorldParallelEnv(WORLD, profile=profile, render_mode=render_mode, **params)


def env(profile: str | None = None, render_mode: str | None = None, **params: Any) -> Any:
    """Agents act in turn (AEC), with checks of order and of action bounds."""
    return to_aec(parallel_env(profile, render_mode, **params))


def raw_env(profile: str | None = None, render_mode: str | None = None, **params: Any) -> Any:
    """Agents act in turn (AEC), with the check of order that every conversion adds."""
    return parallel_to_aec(parallel_env(profile, render_mode, **params))
