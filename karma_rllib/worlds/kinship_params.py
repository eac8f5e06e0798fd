"""Parameters of the kinship world: one frozen, validated record.

Units: [steps] are env-steps, [cells] grid cells, [energy] units of energy, kept to the hundredth so
that every balance closes exactly.  This module is light: pydantic only.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from karma_rllib.worlds.kinship_bodies import BODIES, Body, Station
from karma_rllib.worlds.kinship_maps import read_map

MAX_ITEMS = 16
MAX_OBJECTS = 2000
Energy = Annotated[float, Field(ge=0, le=100_000)]


class KinshipParams(BaseModel):
    """Rules, map and observation of one kinship world; the defaults are profile `hearth`.

    Raises:
        ValidationError: (from pydantic) for a bad value; `worlds.resolve_params` turns it into one
            sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    profile: str = Field("hearth", description="profile the values started from")
    # the map and the clock
    grid_size: int = Field(15, ge=3, le=100, description="side of the square map [cells]")
    num_agents: int = Field(6, ge=1, le=64, description="agents per world")
    max_steps: int = Field(1000, ge=1, le=1_000_000, description="episode length [steps]")
    layout: Literal["open", "rooms", "corridors", "maze", "labyrinth", "radial", "clutter"] = Field(
        "open", description="how walls are drawn, anew for each episode"
    )
    rooms: int = Field(2, ge=1, le=10, description="layout rooms: rooms along a side")
    corridor_width: int = Field(1, ge=1, le=10, description="corridors, labyrinth, radial [cells]")
    arms: int = Field(8, ge=2, le=16, description="layouts corridors and radial: arms")
    wall_density: float = Field(
        0.15, ge=0, le=0.6, description="layout clutter: part of the map under wall blobs"
    )
    map: str = Field(
        "", max_length=20_000, description="ASCII map instead of a layout; its letters in the docs"
    )
    fixed_starts: bool = Field(
        False, description="agent i starts on the map's i-th start in reading order, not on any"
    )
    generators: int = Field(8, ge=0, le=500, description="sources of diamonds")
    chargers: int = Field(3, ge=0, le=500, description="machines that turn diamonds into energy")
    altars: int = Field(2, ge=0, le=500, description="heart altars")
    free_altars: int = Field(0, ge=0, le=500, description="altars that cost nothing, not refilled")
    free_hearts: int = Field(1, ge=1, le=1000, description="hearts in a free altar")
    blocks: int = Field(0, ge=0, le=1000, description="movable blocks")
    # diamonds and machines
    kinds: int = Field(1, ge=1, le=4, description="kinds of diamonds")
    random_kinds: bool = Field(
        False, description="kinds of generators are drawn, not dealt in turn"
    )
    generator_cooldown: int = Field(20, ge=0, le=10_000, description="[steps]")
    generator_stock: int = Field(
        0, ge=0, le=10_000, description="diamonds in a generator; 0: without end"
    )
    charger_energy: Energy = Field(100.0, description="for one diamond [energy]")
    charger_bonus: float = Field(
        3.0, ge=0, le=100, description="factor for the recipe that takes one of every kind"
    )
    charger_cooldown: int = Field(5, ge=0, le=10_000, description="[steps]")
    altar_cost: Energy = Field(100.0, description="price of a heart [energy]")
    altar_cooldown: int = Field(10, ge=0, le=10_000, description="[steps]")
    altar_turns: int = Field(
        0, ge=0, le=30_000, description="one heart altar works at a time, so long; 0: all [steps]"
    )
    stations: tuple[Station, ...] = Field((), max_length=32, description="generic converters")
    items: tuple[str, ...] = Field((), max_length=12, description="items beside the diamonds")
    inventory_cap: int = Field(5, ge=1, le=1000, description="of each item an agent can hold")
    items_start: tuple[int, ...] = Field(
        (), max_length=MAX_ITEMS, description="of each item at reset; missing: none"
    )
    # energy
    energy_start: Energy = Field(100.0, description="at reset [energy]")
    energy_max: Energy = Field(250.0, description="most that an agent holds [energy]")
    energy_floor: Energy = Field(10.0, description="below it an agent regains 1 per step [energy]")
    energy_regen: Energy = Field(0.0, description="above the floor, per step [energy]")
    cost_move: Energy = Field(1.0, description="forward, backward, go [energy]")
    cost_rotate: Energy = Field(0.0, description="[energy]")
    cost_jump: Energy = Field(3.0, description="[energy]")
    cost_use: Energy = Field(1.0, description="use, put, get [energy]")
    cost_gift: Energy = Field(1.0, description="[energy]")
    cost_mark: Energy = Field(1.0, description="[energy]")
    cost_shield: Energy = Field(1.0, description="raising it; lowering is free [energy]")
    cost_swap: Energy = Field(1.0, description="[energy]")
    cost_attack: Energy = Field(10.0, description="paid on a miss, too [energy]")
    cost_build: Energy = Field(20.0, description="[energy]")
    cost_court: Energy = Field(20.0, description="paid in vain, too [energy]")
    cost_posture: Energy = Field(5.0, description="[energy]")
    # strife
    attack_range: int = Field(3, ge=0, le=3, description="rows ahead; 0: nobody can attack [cells]")
    attack_damage: Energy = Field(10.0, description="what a shield must absorb [energy]")
    freeze: int = Field(10, ge=1, le=30_000, description="actions a frozen agent loses [steps]")
    loot_mode: Literal["on_attack", "on_use", "never"] = Field(
        "on_attack", description="when items are taken: by the freezing attack, or by `use`"
    )
    steal_energy: float = Field(
        0.0, ge=0, le=1, description="part of a frozen agent's energy that the attacker gains"
    )
    shield: bool = Field(True, description="agents have shields")
    shield_upkeep: Energy = Field(1.0, description="per step while it is up [energy]")
    destroy: bool = Field(False, description="attacks wear objects down")
    wall_hp: int = Field(10, ge=1, le=1000, description="attacks that a wall or block stands")
    machine_hp: int = Field(30, ge=1, le=1000, description="attacks that a machine stands")
    # company
    gifts: bool = Field(True, description="agents can give energy and items")
    gift_energy: Energy = Field(10.0, description="energy packet [energy]")
    marks: int = Field(8, ge=0, le=16, description="markers to choose from; 0: none")
    floor_marks: int = Field(
        0, ge=0, le=30_000, description="a marker also stays on the floor so long [steps]; 0: off"
    )
    swap: bool = Field(True, description="trade places with a frozen agent or a block ahead")
    jump: bool = Field(True, description="leap two cells ahead")
    court: bool = Field(False, description="agents can court each other and bond")
    court_steps: int = Field(
        10, ge=1, le=30_000, description="who is courted can court back so long [steps]"
    )
    max_bonds: int = Field(1, ge=1, le=63, description="bonds an agent can have at a time")
    build: bool = Field(False, description="place a block ahead")
    # bodies
    bodies: tuple[str, ...] = Field(
        ("default",), min_length=1, max_length=64, description="dealt to the agents in turn"
    )
    custom_bodies: tuple[Body, ...] = Field((), max_length=16, description="bodies of your own")
    postures: bool = Field(False, description="agents can rest, scout or fight")
    posture_cooldown: int = Field(10, ge=0, le=10_000, description="[steps]")
    mortal: bool = Field(False, description="an agent without energy leaves for the episode")
    # rewards
    reward_heart: float = Field(1.0, ge=-1e6, le=1e6, description="for a heart")
    reward_diamond: float = Field(0.0, ge=-1e6, le=1e6, description="for a diamond harvested")
    reward_energy: float = Field(0.0, ge=-1e6, le=1e6, description="per energy from a charger")
    penalty_failure: float = Field(0.0, ge=0, le=1e6, description="for an action that fails")
    item_rewards: tuple[float, ...] = Field(
        (), max_length=MAX_ITEMS, description="worth of an item held, paid as the change of the sum"
    )
    prestige: float = Field(0.0, ge=0, le=1e6, description="weight of the bonus for rank in hearts")
    prestige_every: int = Field(100, ge=1, le=1_000_000, description="[steps]")
    # control and observation
    controls: Literal["turn", "simple"] = Field(
        "turn", description="turn: forward, backward, rotate; simple: go north, east, south, west"
    )
    view_radius: int = Field(5, ge=1, le=30, description="how far an agent sees [cells]")
    egocentric_rotate: bool = Field(False, description="turn the view with the agent")
    obs_kin: bool = Field(True, description="a plane with my kinship to each visible agent")
    obs_others: bool = Field(False, description="planes with the energy and items of others")
    obs_mask: bool = Field(True, description="the vector tells which actions are possible")

    @model_validator(mode="after")
    def _check(self) -> KinshipParams:
        for check in (_check_items, _check_bodies, _check_map, _check_energy, _check_court):
            check(self)
        return self

    @property
    def item_names(self) -> tuple[str, ...]:
        """Everything an agent can hold: the kinds of diamonds, then `items`."""
        return tuple(f"diamond_{k + 1}" for k in range(self.kinds)) + self.items

    @property
    def body_list(self) -> tuple[Body, ...]:
        """The different bodies in play, in order of first appearance."""
        table = BODIES | {body.name: body for body in self.custom_bodies}
        return tuple(table[name] for name in dict.fromkeys(self.bodies))


def _check_items(p: KinshipParams) -> None:
    """Stations and rewards speak of items that exist."""
    known = p.item_names
    if len(set(known)) < len(known):
        raise ValueError(f"items={p.items} repeats a name, or one of the diamonds {known}")
    for station in p.stations:
        for item in (*station.takes, *station.gives):
            if item not in known:
                raise ValueError(
                    f"station {station.name!r} knows an item {item!r} that does not exist: known"
                    f" are {', '.join(known)}"
                )
    if len(p.items_start) > len(known):
        raise ValueError(f"items_start has {len(p.items_start)} entries for {len(known)} items")
    if any(not 0 <= n <= p.inventory_cap for n in p.items_start):
        raise ValueError(
            f"items_start={p.items_start} must hold numbers from 0 to inventory_cap="
            f"{p.inventory_cap}"
        )
    if len(p.item_rewards) > len(known):
        raise ValueError(f"item_rewards has {len(p.item_rewards)} entries for {len(known)} items")


def _check_bodies(p: KinshipParams) -> None:
    """Every body is in the table."""
    known = [*BODIES, *(body.name for body in p.custom_bodies)]
    if len(set(known)) < len(known):
        raise ValueError(f"custom_bodies repeats a name: bodies are {', '.join(known)}")
    for name in p.bodies:
        if name not in known:
            raise ValueError(f"unknown body {name!r} in bodies: known are {', '.join(known)}")


def _check_map(p: KinshipParams) -> None:
    """Everything has room."""
    if p.map:
        drawn = read_map(p.map)
        if max(drawn.height, drawn.width) > 100:
            raise ValueError(f"map has {drawn.height} x {drawn.width} cells, at most 100 x 100")
        has = {3: ("generator of kind", p.kinds, f"kinds={p.kinds}")}
        has[4] = ("charger of recipe", p.kinds + (p.kinds > 1), f"kinds={p.kinds}")
        has[7] = ("station", len(p.stations), f"{len(p.stations)} stations are described")
        for row, col, code, kind in drawn.cells:
            if code in has and kind >= has[code][1]:
                raise ValueError(
                    f"map has a {has[code][0]} {kind + 1} in row {row + 1}, column {col + 1},"
                    f" and {has[code][2]}"
                )
        if any(code == 7 for _, _, code, _ in drawn.cells) and not p.stations:
            raise ValueError("map has a station S and stations is empty: describe at least one")
        if drawn.places < p.num_agents:
            raise ValueError(
                f"num_agents={p.num_agents} must be at most {drawn.places}: the map has no more"
                " free cells to start on"
            )
        return
    things = p.generators + p.chargers + p.altars + p.free_altars
    things += sum(station.count for station in p.stations)
    if things > MAX_OBJECTS or 3 * (things + p.blocks) + p.num_agents > p.grid_size**2:
        raise ValueError(
            f"{things} machines, {p.blocks} blocks and num_agents={p.num_agents} do not fit on"
            f" grid_size={p.grid_size}: an object needs about three cells"
        )


def _check_energy(p: KinshipParams) -> None:
    """Energies come in hundredths and respect their bounds."""
    for key, value in p:
        is_energy = key.startswith(("cost_", "energy_")) or key in _MORE_ENERGIES
        if is_energy and abs(value * 100 - round(value * 100)) > 1e-6:
            raise ValueError(f"{key}={value} must be a multiple of 0.01")
    if p.energy_start > p.energy_max:
        raise ValueError(f"energy_start={p.energy_start} must be at most energy_max={p.energy_max}")
    if p.energy_floor > p.energy_max:
        raise ValueError(f"energy_floor={p.energy_floor} must be at most energy_max={p.energy_max}")


def _check_court(p: KinshipParams) -> None:
    """There is somebody to court."""
    if p.court and p.num_agents < 2:
        raise ValueError("court=True needs somebody to court: num_agents=1 must be at least 2")


_MORE_ENERGIES = ("charger_energy", "altar_cost", "attack_damage", "shield_upkeep", "gift_energy")
