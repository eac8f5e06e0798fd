"""What the world `suite-v0` declares: its parameters, profiles and traits.

This module is light: pydantic only.  Scenarios are looked up when parameters are checked.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from karma_rllib.worlds.face import Entry, Traits
from karma_rllib.worlds.kinship_maps import read_map

if TYPE_CHECKING:
    from karma_rllib.envs.suites.scenario import Scenario
    from karma_rllib.worlds.kinship_params import KinshipParams


class SuiteParams(BaseModel):
    """Which scenarios are played; the defaults are profile `navigation`.

    Raises:
        ValidationError: (from pydantic) for a bad value; `worlds.resolve_params` turns it into one
            sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    profile: str = Field("navigation", description="profile the values started from")
    scenarios: tuple[str, ...] = Field(
        ("navigation",), min_length=1, description="scenarios, or suites; see karma list scenarios"
    )
    max_steps: int = Field(
        1000, ge=1, le=1_000_000, description="longer episodes are cut to this length [steps]"
    )

    head_start: float = Field(
        0.0, ge=0, le=1, description="part of the episodes that begin along the shortest plan"
    )

    @model_validator(mode="after")
    def _alike(self) -> SuiteParams:
        """One policy must be able to play all of them."""
        first, *rest = self.tests
        for other in rest:
            for what, mine, its in zip(
                ("actions", "observation", "number of judged agents"),
                _face(first),
                _face(other),
                strict=True,
            ):
                if mine != its:
                    raise ValueError(
                        f"scenarios {first.name!r} and {other.name!r} differ in their {what}: name"
                        " only such as one policy can play"
                    )
        return self

    @property
    def tests(self) -> tuple[Scenario, ...]:
        """The scenarios, each once.

        Raises:
            ValueError: neither a scenario nor a suite has this name.
        """
        return _tests(self.scenarios)

    @property
    def example(self) -> KinshipParams:
        """The world of one episode; all look alike to an agent."""
        return _example(self.tests[0])

    @property
    def num_agents(self) -> int:
        """Judged agents, N: the others are played by bots, and not seen from outside."""
        return int(self.tests[0].episode(0).focal.sum())

    @property
    def grid_size(self) -> int:
        """Side of the largest map: those of one scenario are equally large, or of a few sizes."""
        return max(map(_side, self.tests))


@cache
def _tests(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    """The scenarios of these names, or of suites of these names."""
    from karma_rllib.envs import scenarios

    found: dict[str, Scenario] = {}
    for name in names:
        part = scenarios.suites().get(name) or (scenarios.scenario(name),)
        found |= {scenario.name: scenario for scenario in part}
    return tuple(found.values())


@cache
def _side(scenario: Scenario) -> int:
    """Side of the largest map among the episodes that judge [cells]."""
    from karma_rllib.envs.suites.scenario import SEEDS

    drawn = [read_map(scenario.episode(seed).params["map"]) for seed in SEEDS]
    return max(max(one.height, one.width) for one in drawn)


@cache
def _example(scenario: Scenario) -> Any:
    """The parameters of the world of a scenario's first episode."""
    from karma_rllib import worlds

    return worlds.resolve_params(scenario.world, **scenario.episode(0).params)


def _face(scenario: Scenario) -> tuple[Any, ...]:
    """What a policy must know: actions, observation, how many agents."""
    from karma_rllib.worlds import kinship_names as names

    params = _example(scenario)
    seen = (names.plane_names(params), names.vec_names(params), names.obs_shapes(params))
    return names.action_names(params), seen, int(scenario.episode(0).focal.sum())


PROFILES: dict[str, dict[str, Any]] = {
    "navigation": {"scenarios": ("navigation",)},
    "maze": {"scenarios": ("maze",)},
    "object_use": {
        "scenarios": (
            "harvest", "charge", "altar_ready", "full_chain", "shoot_out", "swap_out", "shield_up",
        ),
    },
}  # fmt: skip

PROFILE_LINES: dict[str, str] = {
    "navigation": "one agent looks for three altars, on all kinds of maps of that suite",
    "maze": "one agent in mazes, on all kinds of maps of that suite",
    "object_use": "one machine, one trick: the scenarios of that suite with one kind of diamond",
}


def traits(p: SuiteParams) -> Traits:
    """What others must know before a world is built: that of the episodes, but nobody is placed."""
    from karma_rllib.worlds.kinship_profiles import traits as of_kinship

    found = of_kinship(p.example)._replace(
        places=False, shows_kin=False, uneven=True, replays=False
    )
    return found if p.num_agents > 1 else found._replace(zap=None, zaps=())  # nobody to be harmed


def grid_scale(p: SuiteParams) -> list[float]:
    """What brings each channel of the grid to [0, 1]."""
    from karma_rllib.worlds.kinship_profiles import grid_scale as of_kinship

    return of_kinship(p.example)


ENTRY = Entry(
    world="karma_rllib.envs.suites.world:SuiteWorld",
    about="Scenarios to train on: every episode another map, machine or task of a suite.",
    params=SuiteParams,
    profiles=PROFILES,
    lines=PROFILE_LINES,
    default="navigation",
    traits=traits,
    grid_scale=grid_scale,
)
