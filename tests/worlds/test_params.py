"""Parameters: profiles, bounds, and sentences that name what is wrong."""

import re
import subprocess
import sys

import numpy as np
import pytest

from karma_rllib import worlds


def complaint(**params):
    with pytest.raises(ValueError, match=r"\S") as caught:
        worlds.resolve_params("harvest-v0", **params)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"grid_size": 4}, r"grid_size=4 must lie in \[5, 256\].*cells"),
        ({"num_agents": 1}, r"num_agents=1 must lie in \[2, 64\]"),
        ({"num_agents": 65}, r"num_agents=65 must lie in \[2, 64\]"),
        ({"timeout": 0}, r"timeout=0 must lie in \[1, 30000\].*steps"),
        ({"timeout": 2.5}, "timeout=2.5 must be a whole number"),
        ({"victim_penalty": -0.5}, r"victim_penalty=-0.5 must lie in \[0"),
        ({"zap_cost": float("nan")}, "zap_cost=nan"),
        ({"reward_apple": float("inf")}, "reward_apple=inf"),
        ({"apple_density": 1.5}, r"apple_density=1.5 must lie in \[0, 1\]"),
        ({"waste_restoration": 1.0}, r"waste_restoration=1.0 must lie in \[0, 1\)"),
        ({"frozen_immune": "maybe"}, "frozen_immune='maybe' must be true or false"),
        ({"respawn_prob": "often"}, "respawn_prob='often' must be a number"),
        ({"timeout_mode": "frezze"}, "timeout_mode='frezze' must be.*did you mean 'freeze'"),
        ({"obs_mode": "rgb"}, "obs_mode='rgb'.*ego_planes.*full_grid"),
        ({"time_out": 3}, "unknown parameter 'time_out': did you mean 'timeout'"),
        ({"profile": "gatherin"}, "unknown profile 'gatherin': did you mean 'gathering'"),
        ({"beam_length": 4}, "view_radius=3 must be at least 4"),
        ({"beam_half_width": 4}, "view_radius=3 must be at least 4"),
        ({"patch_half": 5}, "patch_half=5 is too large.*10.*grid_size is 9"),
        ({"apple_layout": "two_patch", "patch_half": 3}, "patch_half=3 .*two_patch.* 12"),
        ({"grid_size": 5, "num_agents": 26}, "num_agents=26 do not fit.*25 cells"),
        ({"regrow_rates": (0, 1.2)}, "regrow_rates=.*1.2"),
        ({"regrow_rates": ()}, "regrow_rates"),
        ({"respawn_delay": 5}, "respawn_delay=5 needs respawn_prob=0"),
        (
            {"waste_mode": "global", "waste_restoration": 0.5},
            "waste_restoration=0.5 must be below waste_depletion=0.4",
        ),
        (
            {"profile": "dual_cleanup", "reward_zap_waste": 1.0},
            "reward_zap_waste=1.0 pays 0.1 .*allow_reward_pump",
        ),
        ({"obs_mode": "full_grid", "obs_identity": "onehot"}, "obs_identity='onehot'.*ego_planes"),
        ({"obs_mode": "full_grid", "obs_debt": "pair"}, "obs_debt='pair'.*ego_planes"),
    ],
)
def test_a_bad_parameter_is_named_with_its_value_and_its_rule(params, words):
    assert re.search(words, complaint(**params)), complaint(**params)


def test_an_unknown_world_is_named():
    with pytest.raises(ValueError, match="unknown world 'harvest': did you mean 'harvest-v0'"):
        worlds.make("harvest")


@pytest.mark.parametrize(
    ("key", "value"), [("num_worlds", 0), ("seed", -1), ("first_uid", -3), ("num_threads", 1.5)]
)
def test_a_bad_size_is_named(key, value):
    with pytest.raises(ValueError, match=f"{key}={value}"):
        worlds.make("harvest-v0", **{key: value})


def test_the_reward_pump_can_be_allowed():
    p = worlds.resolve_params(
        "harvest-v0", "dual_cleanup", reward_zap_waste=1.0, allow_reward_pump=True
    )
    assert p.reward_zap_waste == 1.0


def test_the_pump_bound_is_a_tenth_of_the_apple_flow():
    """dual_cleanup: 36 sites * 0.02 = 0.72 apples per step at most; waste comes at 0.1 per step."""
    assert worlds.resolve_params("harvest-v0", "dual_cleanup").max_apple_flow == pytest.approx(0.72)
    worlds.resolve_params("harvest-v0", "dual_cleanup", reward_zap_waste=0.719)
    assert "tenth" in complaint(profile="dual_cleanup", reward_zap_waste=0.721)


def test_every_profile_resolves_and_every_profile_has_a_line():
    for profile, line in worlds.list_profiles("harvest-v0").items():
        params = worlds.resolve_params("harvest-v0", profile)
        assert params.profile == profile
        assert line
        world = worlds.make("harvest-v0", profile=profile)
        assert world.reset()["grid"].shape[2:] == world.obs_shapes["grid"]


def test_the_default_profile_is_gathering_with_the_published_values():
    p = worlds.resolve_params("harvest-v0")
    assert p == worlds.resolve_params("harvest-v0", "gathering")
    assert (p.grid_size, p.num_agents, p.max_steps, p.timeout) == (9, 4, 250, 25)
    assert (p.reward_zap_agent, p.victim_penalty, p.zap_cost) == (0.1, 0.5, 0.01)
    assert (p.respawn_prob, p.half, p.max_sites, p.view_radius) == (0.02, 2, 16, 3)


@pytest.mark.parametrize(("size", "half"), [(5, 2), (9, 2), (13, 3), (15, 3), (20, 5)])
def test_the_patch_follows_the_map_unless_it_is_given(size, half):
    assert worlds.resolve_params("harvest-v0", grid_size=size).half == half
    assert worlds.resolve_params("harvest-v0", grid_size=size, patch_half=1).half == 1


@pytest.mark.parametrize("size", [10, 20, 30])
def test_the_contested_patch_keeps_its_sixteen_sites_in_the_middle_and_its_zaps_at_any_size(size):
    world = worlds.make(
        "harvest-v0", num_worlds=16, seed=0, profile="contested_patch", grid_size=size
    )
    world.reset()
    rows, cols = (world.frame().cells == 1).nonzero()  # every site holds an apple at first
    middle = range(size // 2 - 2, size // 2 + 2)
    assert set(zip(rows.tolist(), cols.tolist())) == {(r, c) for r in middle for c in middle}
    draw = np.random.default_rng(0)
    hits = 0
    for _ in range(250):
        hits += world.step(draw.integers(0, 8, (16, 5))).events.hit.sum()
    assert hits > 5  # even of players who look at nothing


def test_the_contested_patch_is_gathering_but_for_its_sizes():
    patch, usual = (worlds.resolve_params("harvest-v0", name) for name in
                    ("contested_patch", "gathering"))  # fmt: skip
    differ = {key for key, value in patch.model_dump().items() if value != getattr(usual, key)}
    assert differ == {"profile", "grid_size", "num_agents"}
    assert patch.patch_half == usual.patch_half == 2
    assert (patch.max_steps, patch.timeout, patch.respawn_prob) == (250, 25, 0.02)
    assert (patch.reward_zap_agent, patch.victim_penalty, patch.zap_cost) == (0.1, 0.5, 0.01)
    assert patch.waste_mode == "none"


def test_parameters_cannot_be_changed_and_survive_a_round_trip():
    p = worlds.resolve_params("harvest-v0", "karma_seed", timeout=50)
    with pytest.raises(ValueError, match="frozen"):
        p.timeout = 3
    assert type(p)(**p.model_dump()) == p
    assert type(p).model_validate_json(p.model_dump_json()) == p


def test_every_parameter_is_described():
    for name, field in type(worlds.resolve_params("harvest-v0")).model_fields.items():
        assert field.description, name


def test_importing_worlds_loads_nothing_heavy():
    script = (
        "import sys; import karma_rllib.worlds as w; "
        "print([m for m in ('numpy', 'numba', 'torch', 'ray', 'pydantic') if m in sys.modules]); "
        "w.resolve_params('harvest-v0', 'karma_seed'); "
        "print([m for m in ('numpy', 'numba', 'torch', 'ray') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["[]", "[]"]
