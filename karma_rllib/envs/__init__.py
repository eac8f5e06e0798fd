"""Envs: how others see a world. PettingZoo, Gymnasium, pictures, films, scripted players."""

from typing import Any

__all__ = ["KarmicMatchmaker"]


def __getattr__(name: str) -> Any:
    """Import the wrapper when it is asked for: it brings Gymnasium and PettingZoo along."""
    if name == "KarmicMatchmaker":
        from karma_rllib.envs.matchmaker import KarmicMatchmaker

        return KarmicMatchmaker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
