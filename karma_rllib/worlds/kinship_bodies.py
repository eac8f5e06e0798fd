"""Bodies and stations of the kinship world: small records that its parameters hold."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A static energy profile: what being this kind of agent costs and allows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=32, description="what `bodies` calls it")
    max_energy: float | None = Field(
        None, ge=0, le=100_000, description="none: energy_max [energy]"
    )
    move: float = Field(1.0, ge=0, le=100, description="factor on the cost of moving and jumping")
    attack: float = Field(1.0, ge=0, le=100, description="factor on the cost of an attack")
    other: float = Field(1.0, ge=0, le=100, description="factor on the cost of everything else")
    upkeep: float = Field(1.0, ge=0, le=100, description="factor on the upkeep of the shield")
    charge: tuple[float, ...] = Field(
        (), max_length=5, description="factor on what each charger recipe yields; missing: 1"
    )
    can_attack: bool = Field(True, description="may attack")
    can_jump: bool = Field(True, description="may jump")
    can_harvest: bool = Field(True, description="may take diamonds from generators")
    can_charge: bool = Field(True, description="may use chargers and altars")
    start_energy: float | None = Field(
        None, ge=0, le=100_000, description="at reset; none: energy_start [energy]"
    )
    view: int | None = Field(
        None, ge=0, le=30, description="sees so far; none: view_radius [cells]"
    )


class Station(BaseModel):
    """A generic converter: `put` all inputs, wait, `get` the outputs; anyone may take them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=32, description="what it is called")
    takes: dict[str, int] = Field(default_factory=dict, description="inputs, items and numbers")
    gives: dict[str, int] = Field(default_factory=dict, description="outputs, items and numbers")
    ticks: int = Field(1, ge=0, le=10_000, description="from put to output [steps]")
    cooldown: int = Field(10, ge=0, le=10_000, description="after it [steps]")
    max_output: int = Field(5, ge=1, le=1000, description="starts only below so many outputs")
    count: int = Field(1, ge=0, le=100, description="how many stand on the map")


_ROWS: tuple[dict[str, Any], ...] = (
    {"name": "default"},
    {"name": "prey", "max_energy": 50.0, "upkeep": 2.0, "can_attack": False, "can_jump": False},
    {"name": "predator", "attack": 0.5, "charge": (0.25,)},
)
BODIES: dict[str, Body] = {body.name: body for body in map(Body.model_validate, _ROWS)}
