"""The fast world and the slow reference live the same life, step for step."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karma_rllib import worlds
from karma_rllib.worlds.placement import Placement
from tests.worlds.harvest_reference import ReferenceWorld

FIELDS = (
    "hit", "distance", "cleaned", "ate", "fired", "active", "aim", "aim_agent", "apple_ctx",
    "stock", "waste", "t", "g", "episode",
)  # fmt: skip


def compare(world, references, out=None):
    """Assert that batch and references agree on everything that either can show."""
    obs = world.observe(debt=getattr(world, "shown_debt", None)) if out is None else out.obs
    for b, ref in enumerate(references):
        np.testing.assert_array_equal(obs["grid"][b], ref.obs["grid"])
        np.testing.assert_allclose(obs["vec"][b], ref.obs["vec"], rtol=1e-6, atol=1e-7)
        frame = world.frame(b)
        names = np.array(["empty", "apple", "waste"])
        terrain = np.array([ref.terrain[cell] for cell in ref.cells]).reshape(frame.cells.shape)
        np.testing.assert_array_equal(names[frame.cells], terrain)
        for i, agent in enumerate(ref.agents):
            assert tuple(frame.pos[i]) == (agent.cell or (-1, -1))
            assert frame.head[i] == agent.head
            assert frame.present[i] == (agent.cell is not None)
            assert frame.frozen[i] == (agent.frozen > 0)
        assert {tuple(int(x) for x in cell) for cell in np.argwhere(frame.beam)} == ref.lit
        if out is not None:
            for name in FIELDS:
                got = getattr(out.events, name)[b]
                np.testing.assert_array_equal(got, ref.out[name], err_msg=name)
            np.testing.assert_allclose(out.reward[b], ref.out["reward"], rtol=1e-6, atol=1e-7)
            assert out.truncated[b] == ref.out["truncated"]


def live_together(params, steps, seed, actions_seed=0, num_worlds=2, zap_bias=0.0):
    """Play random actions in both implementations, with resets, a debt and rigged spawns."""
    profile = params.pop("profile", None)
    world = worlds.make("harvest-v0", num_worlds=num_worlds, seed=seed, profile=profile, **params)
    p, N, G = world.params, world.num_agents, world.params.grid_size
    references = [ReferenceWorld(p, seed, uid) for uid in range(num_worlds)]
    rng = np.random.default_rng(actions_seed)
    debt = rng.gamma(0.5, 2.0, (num_worlds, N, N)).astype(np.float32)
    world.shown_debt = debt
    world.reset(debt=debt)
    for b, ref in enumerate(references):
        ref.reset(debt=debt[b])
    compare(world, references)
    buffers = world.empty_obs()
    for _ in range(steps):
        actions = rng.integers(0, 8, (num_worlds, N))
        actions[rng.random((num_worlds, N)) < zap_bias] = 7
        out = world.step(actions, buffers, debt=debt)
        for b, ref in enumerate(references):
            ref.step([int(a) for a in actions[b]], debt=debt[b])
        compare(world, references, out)
        if out.truncated.any():
            pos = np.full((num_worlds, N, 2), -1, np.int16)
            head = np.full((num_worlds, N), -1, np.int8)
            pos[:, 0] = rng.integers(0, G, 2)
            head[:, 0] = rng.integers(0, 4)
            world.reset(out.truncated, placement=Placement(pos, head), out=buffers, debt=debt)
            for b, ref in enumerate(references):
                where = [tuple(int(x) for x in pos[b, 0])] + [None] * (N - 1)
                ref.reset(where, [int(head[b, 0])] + [None] * (N - 1), debt=debt[b])
            compare(world, references)


@pytest.mark.parametrize("profile", worlds.list_profiles("harvest-v0"))
def test_every_profile_agrees_with_the_reference(profile):
    live_together({"profile": profile, "max_steps": 40}, steps=90, seed=3, zap_bias=0.2)


@pytest.mark.parametrize("layout", ["central", "two_patch", "patches", "sites", "uniform"])
@pytest.mark.parametrize("size", [8, 9, 14])
def test_every_layout_agrees_with_the_reference(layout, size):
    live_together(
        {"apple_layout": layout, "grid_size": size, "patch_half": 2, "n_patches": 3,
         "apple_density": 0.7, "max_steps": 15},
        steps=40, seed=size,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["freeze", "remove"])
@pytest.mark.parametrize("immune", [True, False])
@pytest.mark.parametrize("hits", [1, 2])
@pytest.mark.parametrize("waste", [0.0, 0.9])
def test_a_brawl_in_a_small_room_agrees_with_the_reference(mode, immune, hits, waste):
    live_together(
        {"grid_size": 5, "num_agents": 8, "patch_half": 1, "max_steps": 60, "timeout": 3,
         "timeout_mode": mode, "frozen_immune": immune, "hits_to_tag": hits, "grace_steps": 2,
         "victim_penalty_stacks": True, "beam_half_width": 1, "apple_layout": "uniform",
         "waste_mode": "both" if waste else "none", "waste_zone": "everywhere",
         "waste_spawn_prob": waste, "allow_reward_pump": True},
        steps=70, seed=hits, zap_bias=0.3,
    )  # fmt: skip


rate = st.floats(0, 1)


@st.composite
def drawn_params(draw):
    """Parameters over the whole range of every rule, on small maps so that rules meet often."""
    size = draw(st.integers(5, 11))
    radius = draw(st.integers(1, 6))
    timer = draw(st.booleans())
    delay = draw(st.integers(0, 4)) if timer else 0
    layout = draw(st.sampled_from(["central", "two_patch", "patches", "sites", "uniform"]))
    room = size // 4 if layout == "two_patch" else size // 2
    restoration = draw(st.floats(0, 0.5))
    return {
        "grid_size": size,
        "num_agents": draw(st.integers(2, 7)),
        "max_steps": draw(st.integers(1, 30)),
        "timeout": draw(st.integers(1, 6)),
        "timeout_mode": draw(st.sampled_from(["freeze", "remove"])),
        "hits_to_tag": draw(st.integers(1, 3)),
        "frozen_immune": draw(st.booleans()),
        "grace_steps": draw(st.integers(0, 3)),
        "beam_length": draw(st.integers(1, radius)),
        "beam_half_width": draw(st.integers(0, min(2, radius))),
        "beam_blocking": draw(st.sampled_from(["first_hit", "pierce"])),
        "zap_cooldown": draw(st.integers(0, 3)),
        "zap_works": draw(st.integers(0, 9)) > 0,
        "reward_apple": draw(st.floats(-2, 2)),
        "reward_zap_waste": draw(st.floats(-2, 2)),
        "reward_zap_agent": draw(st.floats(-2, 2)),
        "victim_penalty": draw(st.floats(0, 2)),
        "victim_penalty_stacks": draw(st.booleans()),
        "zap_cost": draw(st.floats(0, 1)),
        "apple_layout": layout,
        "apple_density": draw(rate),
        "patch_half": draw(st.integers(1, room)),
        "n_patches": draw(st.integers(1, 3)),
        "regrow_mode": "timer" if timer else "density",
        "regrow_rates": draw(st.lists(rate, min_size=1, max_size=13).map(tuple)),
        "regrow_speed": draw(st.floats(0, 2)),
        "regrow_radius": draw(st.sampled_from(["8nbr", "disc2"])),
        "regrow_sites_only": draw(st.booleans()),
        "regrow_under_agent": draw(st.booleans()),
        "respawn_prob": 0.0 if delay else draw(rate),
        "respawn_delay": delay,
        "waste_mode": draw(st.sampled_from(["none", "local", "global", "both"])),
        "waste_zone": draw(st.sampled_from(["everywhere", "outside_apples", "strip"])),
        "waste_strip_rows": draw(st.integers(1, 12)),
        "waste_init_frac": draw(st.floats(0, 0.6)),
        "waste_spawn_prob": draw(rate),
        "waste_alpha": draw(st.floats(0, 0.6)),
        "waste_spread_prob": draw(st.floats(0, 0.2)),
        "waste_depletion": draw(st.floats(restoration + 0.01, 1)),
        "waste_restoration": restoration,
        "allow_reward_pump": True,
        "view_radius": radius,
        "move_frame": draw(st.sampled_from(["ego", "absolute"])),
        "obs_time": draw(st.booleans()),
        "feedback_flags": draw(st.booleans()),
        **draw(
            st.fixed_dictionaries(
                {
                    "obs_mode": st.just("ego_planes"),
                    "obs_identity": st.sampled_from(["none", "onehot"]),
                    "obs_debt": st.sampled_from(["none", "pair", "self"]),
                }
            )
            | st.fixed_dictionaries(
                {"obs_mode": st.just("full_grid"), "full_grid_fix": st.booleans()}
            )
        ),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(params=drawn_params(), seed=st.integers(0, 2**40), zap_bias=st.sampled_from([0.0, 0.4]))
def test_any_parameters_agree_with_the_reference(params, seed, zap_bias):
    live_together(params, steps=25, seed=seed, zap_bias=zap_bias)
