"""The rules of the harvest world as plain numbers and a table, as the kernels want them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from karma_rllib.worlds.harvest_names import plane_names, vec_names
from karma_rllib.worlds.harvest_params import MAX_NEIGHBOURS, HarvestParams
from karma_rllib.worlds.harvest_state import LAYOUTS, RIM, WASTE_COUNTS, ZONES


class Rules(NamedTuple):
    """`HarvestParams` as plain numbers; the kernels read them from the book."""

    size: int  # G
    side: int  # P
    agents: int  # N
    planes: int  # C
    max_steps: int
    timeout: int
    remove: bool
    hits_to_tag: int
    frozen_immune: bool
    grace_steps: int
    beam_length: int
    beam_half_width: int
    first_hit: bool
    zap_cooldown: int
    zap_works: bool
    reward_apple: float
    reward_zap_waste: float
    reward_zap_agent: float
    victim_penalty: float
    victim_penalty_stacks: bool
    zap_cost: float
    layout: int
    apple_density: float
    patch_half: int
    n_patches: int
    by_density: bool
    disc2: bool
    sites_only: bool
    under_agent: bool
    respawn_delay: int
    waste_on: bool
    waste_local: bool
    waste_global: bool
    zone: int
    strip_rows: int
    waste_init_frac: float
    waste_spawn_prob: float
    waste_spread_prob: float
    waste_depletion: float
    waste_restoration: float
    ego: bool
    grid_fix: bool
    view_radius: int
    absolute: bool
    onehot: bool
    debt_pair: bool
    debt_self: bool
    show_time: bool
    feedback_flags: bool
    vec_size: int  # D
    sprout_max: float  # largest sprout probability at F_glob = 1; above 1 if rates are


def sprout_table(p: HarvestParams) -> np.ndarray:
    """Sprout probability of a cell with n apples and w waste cells around it, float64 (130,).

    Entry 10 n + w holds  speed * rate[n] * F_loc(w)  (density) or  respawn * F_loc(w)  (timer),
    with F_loc(w) = max(0, 1 - alpha w) when waste acts locally, else 1.  The kernel multiplies by
    F_glob.
    """
    table = np.zeros((MAX_NEIGHBOURS + 1) * WASTE_COUNTS)
    local = p.waste_mode in ("local", "both")
    for n in range(MAX_NEIGHBOURS + 1):
        if p.regrow_mode == "density":
            rate = p.regrow_speed * p.regrow_rates[min(n, len(p.regrow_rates) - 1)]
        else:
            rate = 1.0 if p.respawn_delay else p.respawn_prob
        for w in range(WASTE_COUNTS):
            f_loc = max(0.0, 1.0 - p.waste_alpha * w) if local else 1.0
            table[n * WASTE_COUNTS + w] = rate * f_loc
    return table


def build_rules(p: HarvestParams) -> Rules:
    """Translate validated parameters for the kernels."""
    return Rules(
        size=p.grid_size,
        side=p.grid_size + 2 * RIM,
        agents=p.num_agents,
        planes=len(plane_names(p)),
        max_steps=p.max_steps,
        timeout=p.timeout,
        remove=p.timeout_mode == "remove",
        hits_to_tag=p.hits_to_tag,
        frozen_immune=p.frozen_immune,
        grace_steps=p.grace_steps,
        beam_length=p.beam_length,
        beam_half_width=p.beam_half_width,
        first_hit=p.beam_blocking == "first_hit",
        zap_cooldown=p.zap_cooldown,
        zap_works=p.zap_works,
        reward_apple=p.reward_apple,
        reward_zap_waste=p.reward_zap_waste,
        reward_zap_agent=p.reward_zap_agent,
        victim_penalty=p.victim_penalty,
        victim_penalty_stacks=p.victim_penalty_stacks,
        zap_cost=p.zap_cost,
        layout=LAYOUTS.index(p.apple_layout),
        apple_density=p.apple_density,
        patch_half=p.half,
        n_patches=p.n_patches,
        by_density=p.regrow_mode == "density",
        disc2=p.regrow_radius == "disc2",
        sites_only=p.regrow_sites_only or p.regrow_mode == "timer",
        under_agent=p.regrow_under_agent,
        respawn_delay=p.respawn_delay if p.regrow_mode == "timer" else 0,
        waste_on=p.waste_mode != "none",
        waste_local=p.waste_mode in ("local", "both"),
        waste_global=p.waste_mode in ("global", "both"),
        zone=ZONES.index(p.waste_zone),
        strip_rows=p.waste_strip_rows,
        waste_init_frac=p.waste_init_frac,
        waste_spawn_prob=p.waste_spawn_prob,
        waste_spread_prob=p.waste_spread_prob,
        waste_depletion=p.waste_depletion,
        waste_restoration=p.waste_restoration,
        ego=p.obs_mode == "ego_planes",
        grid_fix=p.full_grid_fix,
        view_radius=p.view_radius,
        absolute=p.move_frame == "absolute",
        onehot=p.obs_identity == "onehot",
        debt_pair=p.obs_debt == "pair",
        debt_self=p.obs_debt == "self",
        show_time=p.obs_time,
        feedback_flags=p.feedback_flags,
        vec_size=len(vec_names(p)),
        sprout_max=float(sprout_table(p).max()),
    )
