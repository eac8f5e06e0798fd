"""Named parameter sets of the match world, and what it declares.  Light: pydantic only."""

from __future__ import annotations

from typing import Any

from karma_rllib.worlds.face import Entry, Traits
from karma_rllib.worlds.match_params import MatchParams

PROFILES: dict[str, dict[str, Any]] = {
    "active": {},  # the defaults of MatchParams
    "passive": {"cue": "shown"},
}

PROFILE_LINES: dict[str, str] = {
    "active": "the cue is in a corner: seeing it takes a walk that pays 200 steps later",
    "passive": "the cue is in sight at the start: memory alone solves it",
}


def traits(p: MatchParams) -> Traits:
    """What others must know before a world is built: there is nothing to fear."""
    return Traits()


def grid_scale(p: MatchParams) -> list[float]:
    """All channels are planes of 0 and 1: wall, apple, three floors, colours."""
    return [1.0] * (5 + p.colours)


ENTRY = Entry(
    world="karma_rllib.worlds.match:MatchWorld",
    about="see a colour, eat apples for 200 steps, choose the colour: does credit jump the delay?",
    params=MatchParams,
    profiles=PROFILES,
    lines=PROFILE_LINES,
    default="active",
    traits=traits,
    grid_scale=grid_scale,
)
