"""What callers hand to a harvest world, checked: what every world checks, and placements."""

from __future__ import annotations

from karma_rllib.worlds.checks import array_of, buffer, buffers, may_step, state_of, whole_number
from karma_rllib.worlds.placement import placement_of

__all__ = [
    "array_of",
    "buffer",
    "buffers",
    "may_step",
    "placement_of",
    "state_of",
    "whole_number",
]
