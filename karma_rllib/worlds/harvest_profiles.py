"""Named parameter sets of the harvest world, and how a profile and overrides become parameters.

This module is light: pydantic only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

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


def nearest(word: str, options: Iterable[str]) -> str:
    """Return ", did you mean 'x'?" for the closest option, or the list of options."""
    known = list(options)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def _range(key: str) -> str:
    """Range of a numeric parameter, like [1, 64] or [0, 1)."""
    low, high, left, right = "-inf", "inf", "(", ")"
    for bound in HarvestParams.model_fields[key].metadata:
        low, left = (str(bound.ge), "[") if hasattr(bound, "ge") else (low, left)
        low, left = (str(bound.gt), "(") if hasattr(bound, "gt") else (low, left)
        high, right = (str(bound.le), "]") if hasattr(bound, "le") else (high, right)
        high, right = (str(bound.lt), ")") if hasattr(bound, "lt") else (high, right)
    return f"{left}{low}, {high}{right}"


_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def explain(error: ValidationError) -> str:
    """Say the first complaint of a pydantic error in one sentence (key, value, rule)."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    key, value, kind = str(first["loc"][0]), first["input"], first["type"]
    if kind == "extra_forbidden":
        return f"unknown parameter {key!r}: {nearest(key, HarvestParams.model_fields)}"
    field = HarvestParams.model_fields[key]
    if kind.startswith(("greater_than", "less_than")):
        rule = f"must lie in {_range(key)}"
    elif kind == "literal_error":
        options = field.annotation.__args__  # type: ignore[union-attr]
        rule = f"must be one of {', '.join(options)}"
        if "did you mean" in (hint := nearest(str(value), options)):
            rule += f"; {hint}"
    elif kind.split("_")[0] in _KINDS:
        rule = f"must be {_KINDS[kind.split('_')[0]]}"
    else:
        rule = f"is wrong: {first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{key}={value!r} {rule} ({field.description})"


def resolve(profile: str | None, params: dict[str, Any]) -> HarvestParams:
    """Build validated parameters from a profile and overrides.

    Args:
        profile: one of `PROFILES`, None for the default (`gathering`).
        params: overrides, any field of `HarvestParams`.

    Raises:
        ValueError: one sentence that names the parameter, its value and the rule.
    """
    name = "gathering" if profile is None else profile
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}: {nearest(name, PROFILES)}")
    try:
        return HarvestParams(**{**PROFILES[name], **params, "profile": name})
    except ValidationError as error:
        raise ValueError(explain(error)) from None
