"""The rules of the kinship world that are tables: costs, recipes, plans, one row for all worlds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_maps import read_map
from karma_rllib.worlds.kinship_names import actions, plane_names
from karma_rllib.worlds.kinship_params import KinshipParams
from karma_rllib.worlds.kinship_rules import cents, number_of_recipes, object_plan, side_of


class Tables(NamedTuple):
    """Small arrays that all worlds share, each with one row."""

    verb: np.ndarray  # of an action, int8 (1, A)
    arg: np.ndarray  # its argument, int8 (1, A)
    cost: np.ndarray  # int32 (1, bodies * postures * verbs) [hundredths]
    body: np.ndarray  # of an agent, int8 (1, N)
    top: np.ndarray  # most energy of a body, int32 (1, bodies) [hundredths]
    upkeep: np.ndarray  # of the shield, int32 (1, bodies * postures) [hundredths]
    can_attack: np.ndarray  # int8 (1, bodies)
    can_jump: np.ndarray  # int8 (1, bodies)
    can_harvest: np.ndarray  # int8 (1, bodies)
    can_charge: np.ndarray  # int8 (1, bodies)
    first: np.ndarray  # energy of a body at reset, int32 (1, bodies) [hundredths]
    sight: np.ndarray  # view radius of a body, int16 (1, bodies) [cells]
    need: np.ndarray  # diamonds that a recipe takes, int16 (1, recipes * kinds)
    yields: np.ndarray  # energy it gives, int32 (1, bodies * recipes) [hundredths]
    takes: np.ndarray  # items a station takes, int16 (1, stations * I)
    gives: np.ndarray  # and gives, int16 (1, stations * I)
    ticks: np.ndarray  # int16 (1, stations)
    rest: np.ndarray  # its cooldown, int16 (1, stations)
    most: np.ndarray  # its max_output, int16 (1, stations)
    self_run: np.ndarray  # needs no input, int8 (1, stations)
    value: np.ndarray  # of an item, float64 (1, I)
    given: np.ndarray  # of an item at reset, int16 (1, I)
    plan: np.ndarray  # terrain, kind and cell of each object, int32 (1, O * 3)
    sketch: np.ndarray  # terrain of a drawn map, uint8 (1, G * G)
    start: np.ndarray  # cells where agents start on it, int32 (1, starts)
    facing: np.ndarray  # heading that they start with, -1 any, int8 (1, starts)
    wall: np.ndarray  # one cell that shows wall, uint8 (1, C)


_BASE_COST = (
    "", "cost_move", "cost_move", "cost_rotate", "cost_move", "cost_jump", "cost_use",
    "cost_attack", "cost_attack", "cost_shield", "cost_gift", "cost_mark", "cost_swap",
    "cost_posture", "cost_build", "cost_use", "cost_use", "cost_court",
)  # fmt: skip
_MOVES = (k.FORWARD, k.BACKWARD, k.GO, k.JUMP)
_ATTACKS = (k.ATTACK, k.NEAREST)


def _costs(p: KinshipParams) -> np.ndarray:
    """Cost of each verb to each body in each posture, int32 (bodies, 4, verbs) [hundredths]."""
    table = np.zeros((len(p.body_list), len(k.POSTURES), k.VERBS), np.int32)
    for b, body in enumerate(p.body_list):
        for posture in range(len(k.POSTURES)):
            for verb in range(1, k.VERBS):
                factor = body.other
                if verb in _MOVES:
                    factor = body.move * {k.SCOUT: 0.5, k.FIGHT: 2.0}.get(posture, 1.0)
                elif verb in _ATTACKS:
                    factor = body.attack * {k.FIGHT: 0.5}.get(posture, 1.0)
                table[b, posture, verb] = cents(getattr(p, _BASE_COST[verb]) * factor)
    return table


def _upkeeps(p: KinshipParams) -> np.ndarray:
    """Upkeep of a shield, int32 (bodies, 4) [hundredths]: nothing at rest."""
    table = np.zeros((len(p.body_list), len(k.POSTURES)), np.int32)
    for b, body in enumerate(p.body_list):
        table[b] = cents(p.shield_upkeep * body.upkeep)
        table[b, k.REST] = 0
    return table


def _recipes(p: KinshipParams) -> tuple[np.ndarray, np.ndarray]:
    """Diamonds each charger recipe takes (recipes, kinds), energy it gives (bodies, recipes)."""
    n = number_of_recipes(p)
    need = np.zeros((n, p.kinds), np.int16)
    need[: p.kinds] = np.eye(p.kinds, dtype=np.int16)
    need[p.kinds :] = 1
    yields = np.zeros((len(p.body_list), n), np.int32)
    for b, body in enumerate(p.body_list):
        for m in range(n):
            factor = body.charge[m] if m < len(body.charge) else 1.0
            bonus = p.charger_bonus if m == p.kinds else 1.0
            yields[b, m] = cents(p.charger_energy * bonus * factor)
    return need, yields


def _stations(p: KinshipParams) -> tuple[np.ndarray, np.ndarray]:
    """Items that each station takes and gives, int16 (stations, I) twice."""
    names = p.item_names
    takes = np.zeros((len(p.stations), len(names)), np.int16)
    gives = np.zeros_like(takes)
    for n, station in enumerate(p.stations):
        for item, count in station.takes.items():
            takes[n, names.index(item)] = count
        for item, count in station.gives.items():
            gives[n, names.index(item)] = count
    return takes, gives


def _row(values: Any, kind: type) -> np.ndarray:
    """Values as one flat row, never empty, (1, n)."""
    flat: np.ndarray = np.asarray(values, kind).reshape(1, -1)
    return np.ascontiguousarray(flat if flat.size else np.zeros((1, 1), kind))


def build_tables(p: KinshipParams) -> Tables:
    """Small arrays for the kernels."""
    table, bodies = actions(p), p.body_list
    names = [body.name for body in bodies]
    need, yields = _recipes(p)
    takes, gives = _stations(p)
    drawn = read_map(p.map) if p.map else None
    size = side_of(p)
    sketch = np.full((size, size), k.WALL, np.uint8)
    for row, col, code, _ in drawn.cells if drawn else ():
        sketch[row, col] = code if code < k.GENERATOR else k.EMPTY
    value = np.zeros(len(p.item_names))
    value[: len(p.item_rewards)] = p.item_rewards
    given = np.zeros(len(p.item_names))
    given[: len(p.items_start)] = p.items_start
    wall = np.zeros(len(plane_names(p)), np.uint8)
    wall[k.P_WALL] = 1
    return Tables(
        verb=_row([verb for _, verb, _ in table], np.int8),
        arg=_row([arg for _, _, arg in table], np.int8),
        cost=_row(_costs(p), np.int32),
        body=_row([names.index(p.bodies[i % len(p.bodies)]) for i in range(p.num_agents)], np.int8),
        top=_row(
            [cents(p.energy_max if b.max_energy is None else b.max_energy) for b in bodies],
            np.int32,
        ),
        upkeep=_row(_upkeeps(p), np.int32),
        can_attack=_row([b.can_attack for b in bodies], np.int8),
        can_jump=_row([b.can_jump for b in bodies], np.int8),
        can_harvest=_row([b.can_harvest for b in bodies], np.int8),
        can_charge=_row([b.can_charge for b in bodies], np.int8),
        first=_row(
            [cents(p.energy_start if b.start_energy is None else b.start_energy) for b in bodies],
            np.int32,
        ),
        sight=_row(
            [p.view_radius if b.view is None else min(b.view, p.view_radius) for b in bodies],
            np.int16,
        ),
        need=_row(need, np.int16),
        yields=_row(yields, np.int32),
        takes=_row(takes, np.int16),
        gives=_row(gives, np.int16),
        ticks=_row([s.ticks for s in p.stations], np.int16),
        rest=_row([s.cooldown for s in p.stations], np.int16),
        most=_row([s.max_output for s in p.stations], np.int16),
        self_run=_row([not s.takes for s in p.stations], np.int8),
        value=_row(value, np.float64),
        given=_row(given, np.int16),
        plan=_row(object_plan(p, drawn), np.int32),
        sketch=_row(sketch, np.uint8),
        start=_row([r * size + c for r, c, _ in drawn.starts] if drawn else [], np.int32),
        facing=_row([head for _, _, head in drawn.starts] if drawn else [], np.int8),
        wall=_row(wall, np.uint8),
    )
