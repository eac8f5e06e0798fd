"""The fast kinship world and the slow reference live the same life, step for step."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karma_rllib import worlds
from karma_rllib.worlds.kinship_state import EXTRA, TERRAIN
from tests.worlds.kinship_reference import ReferenceKinship

FIELDS = (
    "hit", "distance", "ate", "fired", "active", "aim", "aim_agent", "apple_ctx", "stock", "t", "g",
    *EXTRA,
)  # fmt: skip


def compare(world, references, out=None, obs=None):
    """Assert that batch and references agree on everything that either can show."""
    obs = out.obs if out is not None else obs
    for b, ref in enumerate(references):
        for i in range(world.num_agents):
            np.testing.assert_array_equal(obs["grid"][b, i], ref.grid(i))
            np.testing.assert_allclose(obs["vec"][b, i], ref.vec(i), rtol=1e-5, atol=1e-6)
        frame = world.frame(b)
        terrain = {
            (int(r), int(c)): TERRAIN[frame.cells[r, c]] for r, c in np.argwhere(frame.cells > 0)
        }
        assert terrain == {cell: thing.kind for cell, thing in ref.things.items()}
        for i, agent in enumerate(ref.agents):
            assert tuple(frame.pos[i]) == (agent.cell or (-1, -1))
            assert frame.head[i] == agent.head
            assert list(frame.inventory[i]) == list(agent.items.values())
            assert world.hearts[b, i] == agent.hearts
            assert set(np.flatnonzero(world.bonds[b, i])) == set(agent.mates)
        if out is not None:
            for name in FIELDS:
                got = getattr(out.events, name)[b]
                np.testing.assert_array_equal(got, ref.out[name], err_msg=name)
            np.testing.assert_allclose(out.reward[b], ref.reward, rtol=1e-5, atol=1e-6)


EVENTFUL = ("use", "attack_nearest", "swap", "court")


def biased(rng, world, shape):
    """Random actions, half of them of the kind that makes things happen."""
    actions = rng.integers(0, world.num_actions, shape)
    names = [n for n, a in enumerate(world.action_names) if a in EVENTFUL]
    return np.where(rng.random(shape) < 0.4, rng.choice(names, shape), actions)


def live_together(profile, params, steps, seed):
    """Play random actions in both implementations, with resets and a kin plane."""
    B = 2
    world = worlds.make("kinship-v0", num_worlds=B, seed=seed, profile=profile, **params)
    rng = np.random.default_rng(seed)
    world.kin[:] = rng.integers(0, 256, world.kin.shape)
    obs = world.reset()
    references = [ReferenceKinship(world, b) for b in range(B)]
    compare(world, references, obs=obs)
    for _ in range(steps):
        actions = biased(rng, world, (B, world.num_agents))
        out = world.step(actions, obs)
        for b, ref in enumerate(references):
            ref.step(actions[b])
        compare(world, references, out)
        if out.truncated.any():
            world.reset(out=obs)
            references = [ReferenceKinship(world, b) for b in range(B)]
            compare(world, references, obs=obs)


SMALL = {"grid_size": 8, "num_agents": 5, "generators": 4, "chargers": 3, "altars": 2,
         "max_steps": 40, "view_radius": 3, "energy_start": 200.0}  # fmt: skip


@pytest.mark.parametrize("profile", worlds.list_profiles("kinship-v0"))
def test_every_profile_agrees_with_the_reference(profile):
    live_together(profile, {"max_steps": 40, "view_radius": 3}, steps=50, seed=3)


@pytest.mark.parametrize("max_bonds", [1, 2])
def test_a_crowd_that_courts_agrees_with_the_reference(max_bonds):
    crowd = {"grid_size": 5, "num_agents": 8, "generators": 1, "chargers": 0, "altars": 1,
             "altar_cost": 1.0, "cost_court": 0.5, "attack_range": 0, "marks": 0, "gifts": False,
             "court": True, "max_bonds": max_bonds, "court_steps": 6, "max_steps": 60,
             "energy_start": 200.0, "view_radius": 2}  # fmt: skip
    live_together("hearth", crowd, steps=80, seed=5)


energy = st.integers(0, 3000).map(lambda n: n / 100)
maybe = st.booleans()


@st.composite
def drawn_params(draw):
    """Parameters over the range of every rule, on small maps so that rules meet often."""
    kinds = draw(st.integers(1, 3))
    stations = ({"name": "mill", "takes": {"diamond_1": 1}, "gives": {"flour": 2}, "count": 1,
                 "ticks": draw(st.integers(0, 3)), "cooldown": draw(st.integers(0, 3)),
                 "max_output": 3},
                {"name": "well", "gives": {"water": 1}, "count": 1, "max_output": 2,
                 "ticks": draw(st.integers(0, 2)),
                 "cooldown": draw(st.integers(0, 2))})  # fmt: skip
    cards = draw(maybe)
    return {
        **SMALL,
        "num_agents": draw(st.integers(2, 8)),
        "max_steps": draw(st.integers(1, 30)),
        "layout": draw(st.sampled_from(["open", "clutter", "rooms"])),
        "kinds": kinds,
        "random_kinds": draw(maybe),
        "free_altars": draw(st.integers(0, 2)),
        "blocks": draw(st.integers(0, 3)),
        "generators": 4,
        "grid_size": 9,
        "generator_cooldown": draw(st.integers(0, 5)),
        "generator_stock": draw(st.integers(0, 2)),
        "charger_energy": draw(energy),
        "charger_cooldown": draw(st.integers(0, 3)),
        "altar_cost": draw(energy),
        "altar_cooldown": draw(st.integers(0, 3)),
        "altar_turns": draw(st.sampled_from([0, 0, 1, 4])),
        "stations": stations if cards else (),
        "items": ("flour", "water") if cards else (),
        "item_rewards": draw(st.sampled_from([(), (0.5,)])),
        "inventory_cap": draw(st.integers(1, 4)),
        "items_start": draw(st.sampled_from([(), (1,)])),
        "energy_start": draw(energy),
        "energy_max": draw(st.integers(30, 200)) + 0.0,
        "energy_floor": draw(st.integers(0, 20)) + 0.0,
        "energy_regen": draw(energy),
        "cost_attack": draw(energy),
        "cost_move": draw(st.integers(0, 150)) / 100,
        "cost_rotate": draw(st.sampled_from([0.0, 0.5])),
        "attack_range": draw(st.integers(0, 3)),
        "attack_damage": draw(energy),
        "freeze": draw(st.integers(1, 5)),
        "loot_mode": draw(st.sampled_from(["on_attack", "on_use", "never"])),
        "steal_energy": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "shield": draw(maybe),
        "shield_upkeep": draw(st.integers(0, 300)) / 100,
        "destroy": draw(maybe),
        "wall_hp": draw(st.integers(1, 3)),
        "machine_hp": draw(st.integers(1, 4)),
        "gifts": draw(maybe),
        "marks": draw(st.integers(0, 3)),
        "floor_marks": draw(st.integers(0, 4)),
        "swap": draw(maybe),
        "jump": draw(maybe),
        "build": draw(maybe),
        "court": draw(maybe),
        "court_steps": draw(st.integers(1, 4)),
        "cost_court": draw(energy),
        "max_bonds": draw(st.integers(1, 3)),
        "cost_build": 2.0,
        "bodies": draw(
            st.sampled_from([("default",), ("predator", "prey"), ("prey", "owl"), ("owl", "cook")])
        ),
        "custom_bodies": (
            {"name": "owl", "view": 1, "other": 0.5, "can_charge": False, "start_energy": 3.0},
            {"name": "cook", "can_harvest": False},
        ),
        "postures": draw(maybe),
        "posture_cooldown": draw(st.integers(0, 3)),
        "mortal": draw(maybe),
        "reward_diamond": draw(st.sampled_from([0.0, 0.1])),
        "reward_energy": draw(st.sampled_from([0.0, 0.001])),
        "penalty_failure": draw(st.sampled_from([0.0, 0.1])),
        "prestige": draw(st.sampled_from([0.0, 0.5])),
        "prestige_every": draw(st.integers(1, 4)),
        "controls": draw(st.sampled_from(["turn", "simple"])),
        "egocentric_rotate": draw(maybe),
        "obs_kin": draw(maybe),
        "obs_others": draw(maybe),
        "obs_mask": draw(maybe),
    }


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(params=drawn_params(), seed=st.integers(0, 2**40))
def test_any_parameters_agree_with_the_reference(params, seed):
    live_together("hearth", params, steps=20, seed=seed)
