"""The rules of the kinship world as plain numbers, as the kernels want them."""

from __future__ import annotations

from typing import NamedTuple

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_maps import Drawn, read_map
from karma_rllib.worlds.kinship_names import actions, mask_start, plane_names, vec_names
from karma_rllib.worlds.kinship_params import KinshipParams


class Rules(NamedTuple):
    """`KinshipParams` as plain numbers; the kernels read them from the book."""

    size: int  # G
    side: int  # P
    drawn_side: int  # G + 2 R
    turns: int  # drawn copies of the map: 4 if the view turns, else 1
    radius: int  # R
    agents: int  # N
    items: int  # I
    kinds: int
    recipes: int
    objects: int  # O
    planes: int  # C
    vec_size: int  # D
    actions: int  # A
    masked: bool
    max_steps: int
    layout: int
    rooms: int
    width: int  # of a corridor
    arms: int
    wall_density: float
    blocks: int
    random_kinds: bool
    starts: int
    fixed_starts: bool
    generator_cooldown: int
    generator_stock: int  # -1 without end
    free_hearts: int
    charger_cooldown: int
    altar_cost: int
    altar_cooldown: int
    altar_turns: int
    cap: int
    energy_start: int
    energy_max: int
    floor: int
    regen: int
    range: int
    damage: int
    freeze: int
    loot: int
    steal: float
    destroy: bool
    wall_hp: int
    machine_hp: int
    gift: int
    marks: int
    floor_marks: int
    posture_cooldown: int
    court: bool
    court_steps: int
    max_bonds: int
    mortal: bool
    reward_heart: float
    reward_diamond: float
    reward_energy: float  # per hundredth
    penalty: float
    potential: bool  # items held are worth something
    prestige: float
    prestige_every: int
    p_marker: int  # numbers of planes, -1 for none
    p_floor: int
    p_body: int
    p_posture: int
    p_courting: int
    p_bonded: int
    p_others: int
    p_kin: int
    bodies: int
    postures: bool


def cents(energy: float) -> int:
    """Energy in hundredths."""
    return round(energy * k.CENT)


def side_of(p: KinshipParams) -> int:
    """Side of the map: of the drawn one if there is one [cells]."""
    if not p.map:
        return p.grid_size
    drawn = read_map(p.map)
    return max(drawn.height, drawn.width)


def number_of_recipes(p: KinshipParams) -> int:
    """One per kind, and one for all kinds together if there are several."""
    return p.kinds + (p.kinds > 1)


def object_plan(p: KinshipParams, drawn: Drawn | None) -> list[tuple[int, int, int]]:
    """Terrain, kind and cell (-1: anywhere) of each object; kinds are dealt in turn."""
    deal = {k.GENERATOR: p.kinds, k.CHARGER: number_of_recipes(p), k.STATION: len(p.stations)}
    if drawn is None:
        plan = [(k.GENERATOR, n % p.kinds, -1) for n in range(p.generators)]
        plan += [(k.CHARGER, n % deal[k.CHARGER], -1) for n in range(p.chargers)]
        plan += [(k.ALTAR, 0, -1)] * p.altars + [(k.FREE_ALTAR, 0, -1)] * p.free_altars
        for n, station in enumerate(p.stations):
            plan += [(k.STATION, n, -1)] * station.count
        return plan
    plan, dealt = [], dict.fromkeys(deal, 0)
    size = side_of(p)
    for row, col, code, kind in drawn.cells:
        if code < k.GENERATOR:
            continue
        if kind < 0:
            kind = dealt[code] % deal[code] if code in deal else 0
            if code in deal:
                dealt[code] += 1
        plan.append((code, kind, row * size + col))
    return plan


def _plane(names: tuple[str, ...], name: str) -> int:
    """Number of a plane, -1 if there is none."""
    return names.index(name) if name in names else -1


def build_rules(p: KinshipParams) -> Rules:
    """Translate validated parameters for the kernels."""
    planes, size = plane_names(p), side_of(p)
    drawn = read_map(p.map) if p.map else None
    return Rules(
        size=size,
        side=size + 2 * k.RIM,
        drawn_side=size + 2 * p.view_radius,
        turns=4 if p.egocentric_rotate else 1,
        radius=p.view_radius,
        agents=p.num_agents,
        items=len(p.item_names),
        kinds=p.kinds,
        recipes=number_of_recipes(p),
        objects=len(object_plan(p, drawn)),
        planes=len(planes),
        vec_size=len(vec_names(p)),
        actions=len(actions(p)),
        masked=mask_start(p) is not None,
        max_steps=p.max_steps,
        layout=k.LAYOUTS.index("drawn" if drawn else p.layout),
        rooms=p.rooms,
        width=p.corridor_width,
        arms=p.arms,
        wall_density=p.wall_density,
        blocks=p.blocks,
        random_kinds=p.random_kinds and p.kinds > 1,
        starts=len(drawn.starts) if drawn else 0,
        fixed_starts=p.fixed_starts,
        generator_cooldown=p.generator_cooldown,
        generator_stock=p.generator_stock or -1,
        free_hearts=p.free_hearts,
        charger_cooldown=p.charger_cooldown,
        altar_cost=cents(p.altar_cost),
        altar_cooldown=p.altar_cooldown,
        altar_turns=p.altar_turns,
        cap=p.inventory_cap,
        energy_start=cents(p.energy_start),
        energy_max=cents(p.energy_max),
        floor=cents(p.energy_floor),
        regen=cents(p.energy_regen),
        range=p.attack_range,
        damage=cents(p.attack_damage),
        freeze=p.freeze,
        loot=k.LOOT.index(p.loot_mode),
        steal=p.steal_energy,
        destroy=p.destroy,
        wall_hp=p.wall_hp,
        machine_hp=p.machine_hp,
        gift=cents(p.gift_energy),
        marks=p.marks,
        floor_marks=p.floor_marks if p.marks else 0,
        posture_cooldown=p.posture_cooldown,
        court=p.court,
        court_steps=p.court_steps,
        max_bonds=p.max_bonds,
        mortal=p.mortal,
        reward_heart=p.reward_heart,
        reward_diamond=p.reward_diamond,
        reward_energy=p.reward_energy / k.CENT,
        penalty=p.penalty_failure,
        potential=any(p.item_rewards),
        prestige=p.prestige,
        prestige_every=p.prestige_every,
        p_marker=_plane(planes, "marker"),
        p_floor=_plane(planes, "floor"),
        p_body=_plane(planes, "body"),
        p_posture=_plane(planes, "posture"),
        p_courting=_plane(planes, "courting"),
        p_bonded=_plane(planes, "bonded"),
        p_others=_plane(planes, "others_energy"),
        p_kin=_plane(planes, "kin"),
        bodies=len(p.body_list),
        postures=p.postures,
    )
