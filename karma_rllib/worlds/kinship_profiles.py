"""Named parameter sets of the kinship world, and its entry in the registry.

This module is light: pydantic only.
"""

from __future__ import annotations

from typing import Any

from karma_rllib.worlds.face import Entry, Traits
from karma_rllib.worlds.kinship_params import KinshipParams

_CARDS = (
    {"name": "battery_maker", "takes": {"diamond_1": 1}, "gives": {"battery": 1},
     "cooldown": 25, "count": 3},
    {"name": "heart_altar", "takes": {"battery": 3}, "gives": {"heart": 1}},
    {"name": "lab", "takes": {"diamond_1": 3, "battery": 3}, "gives": {"blueprint": 1},
     "cooldown": 5},
    {"name": "temple", "takes": {"heart": 1, "blueprint": 1}, "gives": {"heart": 5},
     "cooldown": 5},
)  # fmt: skip

PROFILES: dict[str, dict[str, Any]] = {
    "hearth": {},  # the defaults of KinshipParams
    "arena": {
        "grid_size": 40, "num_agents": 24, "generators": 40, "chargers": 12, "altars": 6,
        "blocks": 20, "layout": "clutter", "wall_density": 0.08,
    },
    "rich": {
        "grid_size": 21, "kinds": 2, "generators": 14, "chargers": 6, "layout": "rooms",
        "postures": True, "build": True, "destroy": True, "floor_marks": 50,
    },
    "predators": {
        "grid_size": 19, "num_agents": 10, "generators": 12, "chargers": 4,
        "bodies": ("predator", "prey", "prey", "prey", "prey"),
    },
    "strict_costs": {"cost_rotate": 1.0},
    "cards": {
        "grid_size": 17, "kinds": 3, "generators": 9, "generator_cooldown": 50, "chargers": 1,
        "altars": 1, "items": ("battery", "heart", "blueprint"), "stations": _CARDS,
        "item_rewards": (0.005, 0.0, 0.005, 0.01, 1.0), "inventory_cap": 50,
    },
}  # fmt: skip

PROFILE_LINES: dict[str, str] = {
    "hearth": "15x15, 6 agents: harvest, charge, and hearts at two altars; attacks, gifts, shields",
    "arena": "40x40 with blobs of wall, 24 agents",
    "rich": "21x21 in four rooms, two kinds of diamonds, postures, building and breaking",
    "predators": "19x19, two predators among eight prey",
    "strict_costs": "hearth where turning costs energy, too",
    "cards": "17x17, generic stations: batteries, hearts, blueprints; items are the reward",
}


def traits(p: KinshipParams) -> Traits:
    """What others must know before a world is built."""
    from karma_rllib.worlds.kinship_names import action_names, mask_start

    names = action_names(p)
    return Traits(
        zap=names.index("attack_nearest") if p.attack_range else None,
        zaps=tuple(n for n, name in enumerate(names) if name.startswith("attack_")),
        timeout=p.freeze,
        beam_length=p.attack_range,
        places=True,
        shows_kin=p.obs_kin,
        bonds=p.court,
        mask_start=mask_start(p),
    )


def grid_scale(p: KinshipParams) -> list[float]:
    """What brings each channel of the grid to [0, 1]."""
    from karma_rllib.worlds.kinship_names import grid_scale

    return [float(scale) for scale in grid_scale(p)]


ENTRY = Entry(
    world="karma_rllib.worlds.kinship:KinshipWorld",
    about="Diamonds, energy and hearts among kin and strangers: gifts, shields, attacks, markers.",
    params=KinshipParams,
    profiles=PROFILES,
    lines=PROFILE_LINES,
    default="hearth",
    traits=traits,
    grid_scale=grid_scale,
)
