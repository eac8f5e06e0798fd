"""The room with Ray: env, module, sampler, env runner, learner, algorithm.

`Karma` and `KarmaConfig` can be taken from here; they are imported when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from karma_rllib.plugin.algorithm import Karma
    from karma_rllib.plugin.algorithm_config import KarmaConfig

__all__ = ["Karma", "KarmaConfig"]


def __getattr__(name: str) -> Any:
    if name == "Karma":
        from karma_rllib.plugin.algorithm import Karma

        return Karma
    if name == "KarmaConfig":
        from karma_rllib.plugin.algorithm_config import KarmaConfig

        return KarmaConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
