"""World k lives the same life, wherever and however it is computed."""

import copy
import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from karma_rllib import worlds
from karma_rllib.worlds.rng import uniforms

PROFILES = tuple(worlds.list_profiles("harvest-v0"))


def actions_for(world, t):
    """Actions that belong to world and moment, (B, N)."""
    u = uniforms(7, world.uid, np.full(world.num_worlds, t), world.num_agents)
    return (u * 8).astype(int)


def digests(world, steps, start=0):
    """One hash per world over everything that happens in `steps` steps, with resets."""
    hashes = [hashlib.sha256() for _ in range(world.num_worlds)]
    buffers = world.empty_obs()
    if start == 0:
        world.reset(out=buffers)
    for t in range(start, start + steps):
        out = world.step(actions_for(world, t), buffers)
        for b, digest in enumerate(hashes):
            digest.update(buffers["grid"][b].tobytes() + buffers["vec"][b].tobytes())
            digest.update(out.reward[b].tobytes() + out.truncated[b].tobytes())
            for field in out.events:
                digest.update(field[b].tobytes())
        if out.truncated.any():
            world.reset(out.truncated, out=buffers)
    return [digest.hexdigest() for digest in hashes]


@pytest.mark.parametrize("profile", PROFILES)
def test_e12_a_world_does_not_depend_on_the_batch_it_is_in(profile):
    """Over one and a half full episodes."""
    steps = worlds.resolve_params("harvest-v0", profile).max_steps * 3 // 2
    many = digests(worlds.make("harvest-v0", num_worlds=5, seed=3, profile=profile), steps)
    few = digests(
        worlds.make("harvest-v0", num_worlds=2, seed=3, first_uid=2, profile=profile), steps
    )
    assert many[2:4] == few
    assert len(set(many)) == 5  # distinct uids, distinct lives


@pytest.mark.parametrize("profile", ["dual_cleanup", "karmic_seed"])
def test_e12_a_world_does_not_depend_on_the_number_of_threads(profile):
    one = digests(worlds.make("harvest-v0", num_worlds=7, profile=profile), 300)
    for threads in (2, 3):
        many = worlds.make("harvest-v0", num_worlds=7, num_threads=threads, profile=profile)
        assert digests(many, 300) == one


def test_another_seed_is_another_life():
    lives = [digests(worlds.make("harvest-v0", seed=s), 20)[0] for s in (0, 1, 2**61)]
    assert len(set(lives)) == 3


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("overrides", [{}, {"timeout_mode": "remove", "zap_cooldown": 3}])
def test_a_state_taken_amid_an_episode_continues_exactly(profile, overrides):
    world = worlds.make("harvest-v0", num_worlds=4, seed=5, profile=profile, **overrides)
    digests(world, 130)
    state = pickle.loads(pickle.dumps(world.get_state()))
    shown = world.observe()
    other = worlds.make("harvest-v0", num_worlds=4, seed=99, profile=profile, **overrides)
    other.reset()
    other.step(np.zeros((4, world.num_agents), int))
    other.set_state(state)
    again = other.observe()
    for key in shown:
        np.testing.assert_array_equal(shown[key], again[key])
    assert digests(other, 140, start=130) == digests(world, 140, start=130)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))])
def test_a_copy_of_a_world_lives_on_independently(clone):
    world = worlds.make("harvest-v0", num_worlds=3, seed=2, num_threads=2, profile="karma_seed")
    digests(world, 50)
    other = clone(world)
    future = digests(other, 60, start=50)
    assert digests(world, 60, start=50) == future


SCRIPT = """
from karma_rllib import worlds
from tests.worlds.test_determinism import digests
print(*digests(worlds.make("harvest-v0", num_worlds=2, seed=11, profile="dual_cleanup"), 260))
"""


def test_e12_two_processes_with_different_hash_seeds_agree():
    here = digests(worlds.make("harvest-v0", num_worlds=2, seed=11, profile="dual_cleanup"), 260)
    for hash_seed in ("0", "12345"):
        there = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.split() == here


def test_exogenous_noise_does_not_depend_on_what_agents_do():
    """The same sites sprout at the same time in two worlds whose agents act differently."""
    one, other = (
        worlds.make("harvest-v0", num_agents=2, respawn_prob=0.5, apple_density=0.0, seed=4)
        for _ in range(2)
    )
    for world in (one, other):
        world.reset()
        state = world.get_state()
        state["pos"][:] = [[0, 0], [8, 8]]
        world.set_state(state)
    rng = np.random.default_rng(0)
    for _ in range(4):
        one.step(np.zeros((1, 2), int))
        other.step(rng.choice([5, 6, 7], (1, 2)))
        np.testing.assert_array_equal(one.frame().cells, other.frame().cells)
    assert (one.frame().cells == 1).any()
