"""Parameters of the match world: one frozen, validated record.

Units: [steps] are env-steps, [cells] grid cells, probabilities are per env-step.  This module is
light: pydantic only.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class MatchParams(BaseModel):
    """Phases, room, rewards and observation; the defaults are profile `active`.

    Raises:
        ValidationError: (from pydantic) for a bad value; `worlds.resolve_params` turns it into one
            sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    profile: str = Field("active", description="profile the values started from")
    num_agents: int = Field(1, ge=1, le=1, description="agents per world: one, it is a solo task")
    room_size: int = Field(5, ge=3, le=31, description="side of the square room, odd [cells]")
    view_radius: int = Field(1, ge=1, le=15, description="how far the agent sees [cells]")
    # the three phases
    look_steps: int = Field(10, ge=1, le=10_000, description="phase 1: find the cue [steps]")
    delay_steps: int = Field(200, ge=0, le=100_000, description="phase 2: eat apples [steps]")
    choose_steps: int = Field(5, ge=1, le=10_000, description="phase 3: choose a pad [steps]")
    cue: Literal["hidden", "shown"] = Field(
        "hidden", description="hidden: in a corner out of sight; shown: beside the start"
    )
    cue_places: int = Field(
        2, ge=1, le=4, description="corners that may hold a hidden cue: NW, SE, NE, SW"
    )
    glow: bool = Field(
        True, description="once the cue is in sight the room's floor shines in its colour"
    )
    colours: int = Field(3, ge=2, le=4, description="colours, and so pads to choose from")
    pads: Literal["shuffled", "fixed"] = Field(
        "shuffled", description="the pads' order in each episode: at random, or always the same"
    )
    # rewards
    apple_prob: float = Field(0.01, ge=0, le=1, description="chance of a bare cell to sprout")
    reward_apple: float = Field(0.1, ge=-1e6, le=1e6, description="for an apple eaten")
    reward_match: float = Field(
        10.0, ge=-1e6, le=1e6, description="for the pad with the cue's colour"
    )

    @model_validator(mode="after")
    def _check(self) -> MatchParams:
        if self.room_size % 2 == 0:
            raise ValueError(
                f"room_size={self.room_size} must be odd: the agent starts in the middle"
            )
        if self.cue == "hidden" and self.room_size // 2 <= self.view_radius:
            raise ValueError(
                f"view_radius={self.view_radius} must be below {self.room_size // 2}, or a cue in a"
                f" corner of room_size={self.room_size} is in sight from the start (cue='hidden')"
            )
        return self

    @property
    def max_steps(self) -> int:
        """Length of an episode [steps]."""
        return self.look_steps + self.delay_steps + self.choose_steps
