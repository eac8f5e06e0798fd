"""Parameters of the harvest world: one frozen, validated record.

Units: [steps] are env-steps, [cells] grid cells, [apples] reward units (one apple is worth
`reward_apple`), probabilities are per env-step.  This module is light: pydantic only.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_NEIGHBOURS = 12  # cells in the larger neighbourhood (disc2)


class HarvestParams(BaseModel):
    """Rules, map and observation of one harvest world; the defaults are profile `gathering`.

    Raises:
        ValidationError: (from pydantic) for a bad value; `worlds.resolve_params` turns it into one
            sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    profile: str = Field("gathering", description="profile the values started from")
    # the map and the clock
    grid_size: int = Field(9, ge=5, le=256, description="side of the square map [cells]")
    num_agents: int = Field(4, ge=2, le=64, description="agents per world")
    max_steps: int = Field(250, ge=1, le=1_000_000, description="episode length [steps]")
    # the zap
    timeout: int = Field(25, ge=1, le=30_000, description="decisions a tagged agent loses [steps]")
    timeout_mode: Literal["freeze", "remove"] = Field(
        "freeze",
        description="freeze: stays as an obstacle; remove: off the map, re-enters anywhere",
    )
    hits_to_tag: int = Field(1, ge=1, le=100, description="hits that freeze an agent")
    frozen_immune: bool = Field(
        True,
        description="a frozen agent cannot be hit (false: every hit pays and restarts its timer)",
    )
    grace_steps: int = Field(0, ge=0, le=30_000, description="immunity after a freeze [steps]")
    beam_length: int = Field(3, ge=1, le=60, description="reach of a zap [cells]")
    beam_half_width: int = Field(0, ge=0, le=60, description="extra rays on each side [cells]")
    beam_blocking: Literal["first_hit", "pierce"] = Field(
        "first_hit", description="does a ray end on the first agent or waste it meets"
    )
    zap_cooldown: int = Field(0, ge=0, le=30_000, description="pause after a shot [steps]")
    zap_works: bool = Field(True, description="false: action ZAP fires nothing and costs nothing")
    # rewards
    reward_apple: float = Field(1.0, ge=-1e6, le=1e6, description="for an apple eaten")
    reward_zap_waste: float = Field(0.3, ge=-1e6, le=1e6, description="per waste cell removed")
    reward_zap_agent: float = Field(0.1, ge=-1e6, le=1e6, description="per agent hit")
    victim_penalty: float = Field(0.5, ge=0, le=1e6, description="taken from an agent that is hit")
    victim_penalty_stacks: bool = Field(False, description="once per attacker, not once per step")
    zap_cost: float = Field(0.01, ge=0, le=1e6, description="taken for every shot fired")
    # apples
    apple_layout: Literal["central", "two_patch", "patches", "sites", "uniform"] = Field(
        "central", description="where the apple sites are"
    )
    apple_density: float = Field(
        1.0, ge=0, le=1, description="chance of an apple on a site at reset"
    )
    patch_half: int | None = Field(
        None,
        ge=1,
        le=128,
        description="half the side of a patch [cells]; none: max(2, grid_size//4)",
    )
    n_patches: int = Field(1, ge=1, le=1000, description="patches of layout `patches`")
    regrow_mode: Literal["density", "timer"] = Field(
        "timer", description="density: by neighbouring apples; timer: each bare site on its own"
    )
    regrow_rates: tuple[float, ...] = Field(
        (0.0, 0.001, 0.005, 0.025, 0.05),
        min_length=1,
        max_length=MAX_NEIGHBOURS + 1,
        description="density: sprout probability with 0, 1, 2, ... neighbouring apples",
    )
    regrow_speed: float = Field(1.0, ge=0, le=1000, description="density: factor on regrow_rates")
    regrow_radius: Literal["8nbr", "disc2"] = Field(
        "8nbr", description="neighbourhood: 3x3 or the disc of radius 2, both without the centre"
    )
    regrow_sites_only: bool = Field(True, description="density: only sites sprout")
    regrow_under_agent: bool = Field(False, description="a cell with an agent on it may sprout")
    respawn_prob: float = Field(
        0.02, ge=0, le=1, description="timer: chance of a bare site to sprout"
    )
    respawn_delay: int = Field(
        0, ge=0, le=30_000, description="timer: exact delay [steps] instead of respawn_prob; 0: off"
    )
    # waste
    waste_mode: Literal["none", "local", "global", "both"] = Field(
        "none", description="how waste holds apples back; none: a world without waste"
    )
    waste_zone: Literal["everywhere", "outside_apples", "strip"] = Field(
        "strip", description="cells that can hold waste"
    )
    waste_strip_rows: int = Field(2, ge=1, le=256, description="rows of zone `strip`, from the top")
    waste_init_frac: float = Field(0.0, ge=0, le=1, description="part of the zone wasted at reset")
    waste_spawn_prob: float = Field(0.1, ge=0, le=1, description="chance of one new waste cell")
    waste_alpha: float = Field(
        0.1, ge=0, le=100, description="local: loss per waste cell in the 3x3"
    )
    waste_spread_prob: float = Field(
        0.0, ge=0, le=1, description="chance of a waste cell to spread"
    )
    waste_depletion: float = Field(
        0.4, gt=0, le=1, description="global: wasted part of the zone at which nothing grows"
    )
    waste_restoration: float = Field(
        0.0, ge=0, lt=1, description="global: wasted part of the zone below which all grows"
    )
    allow_reward_pump: bool = Field(
        False,
        description="accept a reward for cleaning that rivals the apples: without this key"
        " reward_zap_waste * waste_spawn_prob may be at most a tenth of the largest apple flow",
    )
    # observation
    obs_mode: Literal["ego_planes", "full_grid"] = Field(
        "ego_planes", description="egocentric binary planes, or the whole map in three channels"
    )
    full_grid_fix: bool = Field(
        True, description="full_grid: mark self, frozen agents and fog; larger heading codes"
    )
    view_radius: int = Field(3, ge=1, le=60, description="how far an agent sees [cells]")
    move_frame: Literal["ego", "absolute"] = Field(
        "ego",
        description="actions 1-4 are forward, backward, left, right or north, south, west, east",
    )
    obs_identity: Literal["none", "onehot"] = Field("none", description="one plane per agent index")
    obs_debt: Literal["none", "pair", "self"] = Field(
        "none",
        description="pair: a plane of what each agent owes me; self: what I owe, in the vector",
    )
    obs_time: bool = Field(False, description="append t / max_steps to the vector")
    feedback_flags: bool = Field(
        True, description="vector tells: I was hit, I hit an agent, I hit waste (false: zeros)"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_patch_half(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("patch_half") is None:
            size = data.get("grid_size", cls.model_fields["grid_size"].default)
            if isinstance(size, int):
                data = {**data, "patch_half": max(2, size // 4)}
        return data

    @model_validator(mode="after")
    def _check(self) -> HarvestParams:
        for check in (_check_view, _check_map, _check_growth, _check_waste):
            check(self)
        return self

    @property
    def half(self) -> int:
        """Half the side of an apple patch [cells]."""
        assert self.patch_half is not None  # filled by the validator
        return self.patch_half

    @property
    def waste_cells_possible(self) -> int:
        """Size of the waste zone [cells]; beside random patches a lower bound."""
        if self.waste_mode == "none":
            return 0
        cells = self.grid_size**2
        zones = {
            "everywhere": cells,
            "outside_apples": cells - self.max_sites,
            "strip": self.grid_size * min(self.waste_strip_rows, self.grid_size),
        }
        return zones[self.waste_zone]

    @property
    def max_sites(self) -> int:
        """Number of apple sites [cells] (overlapping random patches have fewer)."""
        cells, patch = self.grid_size**2, (2 * self.half) ** 2
        lattice = len(range(1, self.grid_size, 3)) ** 2
        layouts = {"central": patch, "two_patch": 2 * patch, "patches": self.n_patches * patch}
        layouts |= {"sites": lattice, "uniform": cells}
        return min(cells, layouts[self.apple_layout])

    @property
    def max_apple_flow(self) -> float:
        """Largest number of apples that can sprout per env-step on average, all cells bare."""
        if self.regrow_mode == "timer":
            rate = 1.0 / self.respawn_delay if self.respawn_delay else self.respawn_prob
            return self.max_sites * rate
        cells = self.max_sites if self.regrow_sites_only else self.grid_size**2
        return cells * min(1.0, self.regrow_speed * max(self.regrow_rates))


def _check_view(p: HarvestParams) -> None:
    """A victim must be able to see who zapped it, and the observation keys must fit the mode."""
    reach = max(p.beam_length, p.beam_half_width)
    if p.view_radius < reach:
        raise ValueError(
            f"view_radius={p.view_radius} must be at least {reach}, the reach of the beam"
            " (beam_length, beam_half_width), or a victim could not see its attacker"
        )
    for key in ("obs_identity", "obs_debt"):
        value = getattr(p, key)
        if p.obs_mode == "full_grid" and value not in ("none", "self"):
            raise ValueError(
                f"{key}={value!r} adds a plane and needs obs_mode='ego_planes', not 'full_grid'"
            )


def _check_map(p: HarvestParams) -> None:
    """Patches fit on the map and leave room for the agents."""
    need = 2 * p.half * (2 if p.apple_layout == "two_patch" else 1)
    if p.apple_layout in ("central", "two_patch", "patches") and need > p.grid_size:
        raise ValueError(
            f"patch_half={p.half} is too large: apple_layout={p.apple_layout!r} then needs {need}"
            f" cells a side and grid_size is {p.grid_size}"
        )
    wasted = round(p.waste_init_frac * p.waste_cells_possible)
    free = p.grid_size**2 - wasted
    if p.num_agents > free:
        raise ValueError(
            f"num_agents={p.num_agents} do not fit: grid_size={p.grid_size} leaves {free} cells"
            f" beside {wasted} waste cells"
        )


def _check_growth(p: HarvestParams) -> None:
    """Growth has one rule, and its probabilities are probabilities."""
    for rate in p.regrow_rates:
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"regrow_rates={p.regrow_rates} must lie in [0, 1]; {rate} does not")
    if p.regrow_mode == "timer" and p.respawn_delay and p.respawn_prob:
        raise ValueError(
            f"respawn_delay={p.respawn_delay} needs respawn_prob=0 (it is {p.respawn_prob}):"
            " a bare site waits either an exact or a random time"
        )


def _check_waste(p: HarvestParams) -> None:
    """Waste thresholds are ordered, and cleaning cannot become the better harvest."""
    if p.waste_mode == "none":
        return
    if p.waste_restoration >= p.waste_depletion:
        raise ValueError(
            f"waste_restoration={p.waste_restoration} must be below"
            f" waste_depletion={p.waste_depletion}"
        )
    pay, bound = p.reward_zap_waste * p.waste_spawn_prob, 0.1 * p.reward_apple * p.max_apple_flow
    if pay > bound and not p.allow_reward_pump:
        raise ValueError(
            f"reward_zap_waste={p.reward_zap_waste} pays {pay:.3g} per env-step for waste that"
            f" returns, more than a tenth of the apples ({bound:.3g}): lower it, or set"
            " allow_reward_pump=True"
        )
