"""Named parameter sets of the harvest world, and what it declares.  Light: pydantic only."""

from __future__ import annotations

from typing import Any

from karma_rllib.worlds.face import Entry, Traits
from karma_rllib.worlds.harvest_params import HarvestParams

_SEED_RATES = (0.0, 0.001, 0.005, 0.025, 0.05)

PROFILES: dict[str, dict[str, Any]] = {
    "gathering": {},  # the defaults of HarvestParams
    "dual_cleanup": {
        "grid_size": 13, "num_agents": 5, "patch_half": 3, "view_radius": 4,
        "waste_mode": "global", "waste_zone": "strip", "waste_strip_rows": 2,
        "waste_spawn_prob": 0.10, "reward_zap_waste": 0.3,
    },
    "karma_seed": {
        "grid_size": 15, "num_agents": 6, "max_steps": 1000, "view_radius": 5,
        "apple_density": 0.65, "regrow_mode": "density", "regrow_rates": _SEED_RATES,
        "regrow_sites_only": False, "waste_mode": "both", "waste_zone": "outside_apples",
        "waste_init_frac": 0.10, "waste_spawn_prob": 0.02, "waste_alpha": 0.10,
    },
    "karmic_seed": {
        "grid_size": 20, "num_agents": 5, "max_steps": 1000, "beam_length": 5, "view_radius": 5,
        "reward_zap_waste": 0.0, "reward_zap_agent": 0.0, "zap_cost": 0.0,
        "apple_layout": "patches", "n_patches": 2, "patch_half": 3, "apple_density": 0.8,
        "regrow_mode": "density", "regrow_rates": (0.0, 0.005, 0.02, 0.05, 0.1),
        "regrow_sites_only": False, "obs_identity": "onehot",
    },
    "contested_patch": {
        "grid_size": 10, "num_agents": 5, "patch_half": 2,  # one 4x4 patch, however large the map
    },
    "leibo_tag": {
        "grid_size": 15, "num_agents": 6, "max_steps": 1000, "view_radius": 5,
        "reward_zap_waste": 0.0, "reward_zap_agent": 0.0, "victim_penalty": 0.0, "zap_cost": 0.0,
        "apple_density": 0.30, "regrow_mode": "density", "regrow_rates": _SEED_RATES,
        "regrow_speed": 0.75, "regrow_sites_only": False,
    },
}  # fmt: skip

PROFILE_LINES: dict[str, str] = {
    "gathering": "9x9, 4 agents, one contested patch with a fixed respawn rate; harm only",
    "dual_cleanup": "13x13, 5 agents, one patch that dies when its waste strip fills; harm, help",
    "karma_seed": "15x15, 6 agents, density regrowth, waste everywhere; the mirror-test seed",
    "karmic_seed": "20x20, 5 agents, two random patches, no waste; the retroactive-credit seed",
    "contested_patch": "10x10 or larger, 5 agents, one central patch of 16 sites; harm only",
    "leibo_tag": "15x15, 6 agents, sparse density regrowth, no reward but apples",
}


def traits(p: HarvestParams) -> Traits:
    """What others must know before a world is built."""
    return Traits(
        zap=7,  # harvest_state.ZAP, which is not imported: this module is light
        zaps=(7,),
        timeout=p.timeout,
        waste_cells=p.waste_cells_possible,
        shows_debt=p.obs_debt != "none",
        beam_length=p.beam_length,
        places=True,
    )


def grid_scale(p: HarvestParams) -> list[float]:
    """What brings each channel of the grid to [0, 1]."""
    from karma_rllib.worlds.harvest_names import grid_scale

    return [float(scale) for scale in grid_scale(p)]


ENTRY = Entry(
    world="karma_rllib.worlds.harvest:HarvestWorld",
    about="Harvest with a dual-use zap: one tool that helps or harms, depending on what it meets.",
    params=HarvestParams,
    profiles=PROFILES,
    lines=PROFILE_LINES,
    default="gathering",
    traits=traits,
    grid_scale=grid_scale,
    reference="random_reference.json",
)
