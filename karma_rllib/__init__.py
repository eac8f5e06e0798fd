"""karma_rllib: experiments on harm, cooperation and credit, for Ray RLlib.

Importing the package loads neither Ray nor torch nor Gymnasium; it only sees to it that
`gymnasium.make("KarmicHarvest-v0")` works.  `register()` makes the same name known to RLlib.
"""

from karma_rllib.registration import register_with_gymnasium_now_or_later

__all__ = ["__version__", "register"]
__version__ = "0.1.0"

register_with_gymnasium_now_or_later()


def register() -> None:
    """Register `KarmicHarvest-v0` with Ray Tune, so that RLlib configs can name it.

    Ray is imported here and not before.  Every process that builds envs by this name needs it;
    `PPOConfig().environment("KarmicHarvest-v0")` on the driver is enough for its env runners.
    """
    from karma_rllib.plugin.env import register_env

    register_env()
