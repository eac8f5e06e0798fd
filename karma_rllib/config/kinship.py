"""The section about relatives: who is related to whom, what they share, what they see of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, model_validator

from karma_rllib.config.base import Section
from karma_rllib.config.errors import ConfigError, Origin, Path, shown


class Kinship(Section):
    """Relatedness, drawn anew for each episode, and reward sharing by it; in any world."""

    scheme: Literal["none", "teams", "random", "families", "custom", "genomes"] = Field(
        default="none", description="how relatedness is drawn for each episode; none: no relatives"
    )
    share: Literal["conserve", "inclusive"] = Field(
        default="conserve", description="hand rewards out to relatives, or add theirs to one's own"
    )
    strength: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="p of conserve, lambda of inclusive; 0: nothing is shared",
    )
    shuffle: bool = Field(
        default=True, description="teams, families: draw the members for each episode"
    )
    team_size: int = Field(default=4, ge=1, le=64, description="teams: agents in a team")
    distribution: Literal["beta", "uniform"] = Field(
        default="beta", description="random: of relatedness"
    )
    alpha: float = Field(default=1.0, gt=0, le=1000, description="random: first parameter of beta")
    beta: float = Field(default=3.0, gt=0, le=1000, description="random: second parameter of beta")
    low: float = Field(default=0.0, ge=0, le=1, description="random: least of uniform")
    high: float = Field(default=1.0, ge=0, le=1, description="random: most of uniform")
    symmetric: bool = Field(default=True, description="random: i is as close to j as j to i")
    sizes: tuple[int, ...] = Field(
        default=(3, 9, 27), min_length=1, max_length=6, description="families: nested group sizes"
    )
    closeness: tuple[float, ...] = Field(
        default=(0.5, 0.25, 0.125),
        min_length=1,
        max_length=6,
        description="families: relatedness within each size",
    )
    matrix: tuple[tuple[float, ...], ...] = Field(
        default=(), description="custom: the rows of the relatedness matrix, 1 on its diagonal"
    )
    genes: int = Field(default=16, ge=1, le=4096, description="genomes: random bits of an agent")
    observe: Literal["off", "own", "noisy", "group"] = Field(
        default="own",
        description="what a world with a kin plane shows there: nothing, relatedness, the same "
        "with noise, or the group's number",
    )
    noise: float = Field(default=0.1, ge=0, le=10, description="noisy: standard deviation")
    bond: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="relatedness that a bond adds both ways until it ends, in a world where agents "
        "court; 0: bonds change nothing",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Kinship:
        for rule in (_groups, _bounds, _custom):
            rule(self)
        return self

    @classmethod
    def of(cls, values: Any, where: Path = ("kinship",), origin: Origin | None = None) -> Kinship:
        """Rules from rules, from a mapping of keys, or from None for no relatives.

        Raises:
            ConfigError: a ValueError; the first thing that is wrong, in one sentence.
        """
        return values if isinstance(values, cls) else super().of(values or {}, where, origin)

    def check_world(self, bonds: bool) -> None:
        """Refuse a worth of bonds that was set for a world without any.

        Args:
            bonds: agents can court each other and bond there.

        Raises:
            ConfigError: `bond` is neither its default nor 0, and nobody can bond.
        """
        if not bonds and self.bond not in (0, type(self).model_fields["bond"].default):
            raise ConfigError(
                f"`kinship.bond` is {self.bond:g}, but nobody can court and bond in this world; "
                "use kinship-v0 with `world.court`: true, or drop the former"
            )

    def check_agents(self, num_agents: int) -> None:
        """Refuse a world whose number of agents these rules do not fit.

        Raises:
            ConfigError: a matrix of another size, or a team larger than everybody.
        """
        rows = len(self.matrix)
        if self.scheme == "custom" and rows != num_agents:
            raise ConfigError(
                f"`kinship.matrix` is {rows} x {rows}, but there are {num_agents} agents: it must "
                "have a row and a column for each"
            )
        if self.scheme == "teams" and self.team_size > num_agents:
            raise ConfigError(
                f"`kinship.team_size` is {self.team_size}, but there are only {num_agents} agents"
            )


def _groups(rules: Kinship) -> None:
    """Families are nested and have a relatedness each."""
    sizes, closeness = rules.sizes, rules.closeness
    if len(sizes) != len(closeness):
        raise ValueError(
            f"`kinship.closeness` has {len(closeness)} entries, but `kinship.sizes` has "
            f"{len(sizes)}: they must be equally long"
        )
    if sizes[0] < 1 or any(big <= small for small, big in pairwise(sizes)):
        raise ValueError(f"`kinship.sizes` is {shown(sizes)}, but must grow from at least 1")
    if any(big % small for small, big in pairwise(sizes)):
        raise ValueError(
            f"`kinship.sizes` is {shown(sizes)}, but must be nested: each divides the next"
        )
    for value in closeness:
        if not 0 <= value <= 1:
            raise ValueError(f"`kinship.closeness` holds {value:g}, but it must lie in [0, 1]")


def _bounds(rules: Kinship) -> None:
    """The uniform distribution has a range, and a group's number needs groups."""
    if rules.low > rules.high:
        raise ValueError(
            f"`kinship.low` is {rules.low:g}, but must be at most `kinship.high` = {rules.high:g}"
        )
    if rules.observe == "group" and rules.scheme not in ("teams", "families"):
        raise ValueError(
            f"`kinship.observe` is group, which needs scheme teams or families, not {rules.scheme}"
        )


def _custom(rules: Kinship) -> None:
    """A square matrix of numbers in [0, 1] with ones on its diagonal, and only where it is read."""
    matrix, N = rules.matrix, len(rules.matrix)
    if rules.scheme != "custom":
        if N:
            raise ValueError(
                f"`kinship.matrix` belongs to scheme custom, but the scheme is {rules.scheme}"
            )
        return
    if not N:
        raise ValueError("`kinship.scheme` is custom, which needs `kinship.matrix`: its rows")
    for i, row in enumerate(matrix):
        if len(row) != N:
            raise ValueError(
                f"`kinship.matrix` must be square: row {i} has {len(row)} entries, not {N}"
            )
        for j, value in enumerate(row):
            if not 0 <= value <= 1:
                raise ValueError(f"`kinship.matrix`[{i}][{j}] is {value:g}: must lie in [0, 1]")
        if row[i] != 1:
            raise ValueError(
                f"`kinship.matrix`[{i}][{i}] is {row[i]:g}, but must be 1: everybody is its own kin"
            )
