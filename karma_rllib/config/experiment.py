"""One experiment: a world, the conditions, the seeds, and everything that is held equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator, model_validator

from karma_rllib import worlds
from karma_rllib.config import checks, files
from karma_rllib.config.base import Section
from karma_rllib.config.counterparts import unknown_key
from karma_rllib.config.errors import ConfigError, Origin, shown
from karma_rllib.config.kinship import Kinship
from karma_rllib.config.sections import (
    Budget,
    Mirror,
    Module,
    Ppo,
    Resources,
    Role,
    Tracking,
    World,
)
from karma_rllib.config.society import Matchmaker, Tvt
from karma_rllib.hints import hint
from karma_rllib.worlds.face import Traits

SEEDS = (42, 123, 202, 303, 404)
"""The first seeds of every experiment; the k-th further one is 101 k (505, 606, ...)."""


def first_seeds(count: int) -> tuple[int, ...]:
    """The first `count` seeds of the registered list; paired over conditions and experiments."""
    return (*SEEDS, *(101 * k for k in range(len(SEEDS), count)))[:count]


class ExperimentConfig(Section):
    """A whole experiment, validated and immutable.

    Every condition is run with every seed; all other sections are common to all of them.
    """

    name: str = Field(
        min_length=1, max_length=80, description="a short name, used for the run folder"
    )
    about: str = Field(default="", description="what it shows, what it costs, what to expect")
    world: World = Field(description="the world and its parameters, such as {profile: gathering}")
    matchmaker: Matchmaker = Field(default=Matchmaker(), description="debts and rigged spawns")
    kinship: Kinship = Field(default=Kinship(), description="relatives and reward sharing")
    mirror: Mirror = Field(default=Mirror(), description="the mirror loss")
    role: Role = Field(default=Role(), description="the role loss")
    tvt: Tvt = Field(default=Tvt(), description="memory and transport")
    module: Module = Field(default=Module(), description="the network")
    ppo: Ppo = Field(default=Ppo(), description="the learner")
    budget: Budget = Field(default=Budget(), description="length and checkpoints")
    resources: Resources = Field(default=Resources(), description="what a trial occupies")
    tracking: Tracking = Field(default=Tracking(), description="Weights & Biases")
    conditions: tuple[str, ...] = Field(
        default=("baseline", "broken", "karma"),
        min_length=1,
        description="the arms, see `karma list conditions`",
    )
    seeds: tuple[int, ...] = Field(
        default=SEEDS, min_length=1, description="a list of seeds, or how many of the standard list"
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: Any) -> Any:
        """A section whose keys are all commented out reads as null in YAML: take its defaults."""
        if isinstance(data, Mapping):
            sections = section_models()
            return {k: {} if v is None and k in sections else v for k, v in data.items()}
        return data

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not all(c.isalnum() or c in "-_" for c in value) or not value.isascii():
            raise ValueError("must be made of letters, digits, - and _ (it names a folder)")
        return value

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, value: Any) -> Any:
        if type(value) is int:
            if not 1 <= value <= 1000:
                raise ValueError("must be a list of seeds or a count from 1 to 1000")
            return first_seeds(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentConfig:
        checks.check(self)
        return self

    # --- ways in -------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> ExperimentConfig:
        """Read and validate an experiment file.

        Args:
            path: a YAML file.
            overrides: ``section.key=value`` texts laid over it before validation.

        Raises:
            ConfigError: anything wrong with the file, a key or a value, in one sentence.
        """
        data, origin = files.read(path)
        data = files.apply_overrides(data, origin, list(overrides))
        return cls.of(data, origin=origin)

    def with_overrides(self, overrides: Iterable[str]) -> ExperimentConfig:
        """A validated copy with ``section.key=value`` texts laid over it.

        Raises:
            ConfigError: a malformed override, an unknown key, an impossible value.
        """
        origin = Origin()
        return type(self).of(
            files.apply_overrides(self.as_dict(), origin, list(overrides)), origin=origin
        )

    # --- ways out ------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        """Plain data; every section in full, of the world only what was written."""
        return self.model_dump(mode="json")

    def resolved(self) -> ExperimentConfig:
        """The same experiment with every parameter of the world written out.

        A later change of a profile then no longer changes what this experiment means.
        """
        world = {
            "name": self.world.name,
            "profile": self.world.profile,
            **self.world_params.model_dump(mode="json"),
        }
        return type(self).of({**self.as_dict(), "world": world})

    def dump(self, path: str | Path) -> None:
        """Write the experiment as YAML that `load` reads back to an equal experiment."""
        Path(path).write_text(files.dump(self.as_dict()), encoding="utf-8")

    def fingerprint(self) -> str:
        """Hash of everything that can change a result (sha256, 12 hex digits)."""
        data = self.resolved().as_dict()
        for key in ("name", "about", "tracking", "resources"):
            data.pop(key)
        if not self.world_traits.bonds:  # then keys about bonds change nothing
            data["kinship"].pop("bond")
            for key in ("court", "court_steps", "cost_court", "max_bonds"):
                data["world"].pop(key, None)
            if self.kinship.scheme == "none":  # then no other key does, either
                data["kinship"] = {"scheme": "none"}
        text = json.dumps(data, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    # --- what follows from it ------------------------------------------------------------------

    @cached_property
    def world_params(self) -> BaseModel:
        """The world's validated parameters."""
        return world_params(self.world)

    @property
    def world_traits(self) -> Traits:
        """What follows from the world's parameters."""
        return worlds.entry(self.world.name).traits(self.world_params)

    @property
    def num_agents(self) -> int:
        """Agents per world, N."""
        return int(self.world_params.num_agents)  # type: ignore[attr-defined]

    @property
    def agent_steps_per_iteration(self) -> int:
        """Size of one training batch over all env runners [agent-steps]."""
        runners = max(1, self.resources.num_env_runners)
        return runners * self.ppo.envs * self.ppo.rollout * self.num_agents

    @property
    def cure(self) -> bool:
        """Whether every arm branches from its seed's baseline stem."""
        return self.mirror.start_from == "cure"


def world_params(world: World) -> BaseModel:
    """Validate a world section with the world's own rules.

    Raises:
        ConfigError: unknown world, profile or parameter, impossible value.
    """
    known = worlds.list_worlds()
    if world.name not in known:
        raise ConfigError(
            f"`world.name` is '{world.name}', but there is no such world; {hint(world.name, known)}"
        )
    fields = worlds.entry(world.name).params.model_fields
    for key, value in world.params.items():
        if key not in fields:
            raise ConfigError(unknown_key(("world", key), value))
    try:
        return worlds.resolve_params(world.name, profile=world.profile, **world.params)
    except ValueError as err:
        raise ConfigError(_world_sentence(world, str(err))) from None


def _world_sentence(world: World, reason: str) -> str:
    """Put the key path before the world's own sentence."""
    for key, value in world.params.items():
        rest = reason.removeprefix(f"{key}={value!r} ")
        if rest != reason:
            return f"`world.{key}` is {shown(value)}, but it {rest}"
    named = next((key for key in world.params if key in reason), None)
    if named is None and world.profile and world.profile in reason:
        named = "profile"
    return f"`world.{named}`: {reason}" if named else f"`world`: {reason}"


def section_models() -> dict[str, type[Section]]:
    """The sections of an experiment by name, in schema order."""
    return {
        name: info.annotation
        for name, info in ExperimentConfig.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
    }


def experiment_from(data: Mapping[str, Any]) -> ExperimentConfig:
    """Validate a mapping made in Python.

    Raises:
        ConfigError: an unknown key or an impossible value, in one sentence.
    """
    return ExperimentConfig.of(dict(data))
