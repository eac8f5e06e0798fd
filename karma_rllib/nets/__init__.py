"""Torch networks, losses and memory banks of the mirror mechanism; no ray in this room.

Import what you need from its module, for example
`from karma_rllib.nets.net import MirrorNet, PRESETS`; `load_policy` also stands here.
"""

from typing import Any

__all__ = ["load_policy"]


def __getattr__(name: str) -> Any:
    """Import torch when a network is asked for, not before."""
    if name == "load_policy":
        from karma_rllib.nets.policy import load_policy

        return load_policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
