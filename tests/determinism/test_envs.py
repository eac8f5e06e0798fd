"""One seed, one life: in one process, in two, after a pickle, and for every env of every runner."""

import functools
import hashlib
import os
import pickle
import subprocess
import sys

import pytest

from karma_rllib import worlds
from karma_rllib.envs import harvest_v0
from karma_rllib.worlds.rng import uniforms

EPISODES = 2


def play(env, start, steps, told):
    """Play a shared script of actions for up to `steps` steps and hash all that is said."""
    for k in range(start, start + steps):
        if not env.agents:
            return
        u = uniforms(1, [0], [k], 2 * len(env.agents))[0]
        pairs = zip(env.agents, u[::2], u[1::2])
        obs, *rest = env.step({a: 7 if x < 0.3 else int(8 * y) for a, x, y in pairs})
        for agent in env.possible_agents:
            told.update(obs[agent]["grid"].tobytes() + obs[agent]["vec"].tobytes())
        told.update(repr(rest).encode())


def life_hash(profile, seed=7, pickled=False):
    """Hash of two full-length episodes of one lifetime, the second perhaps from a pickle."""
    env = harvest_v0.parallel_env(profile=profile)
    told = hashlib.blake2b(digest_size=16)
    full = env.stage.life.max_steps
    env.reset(seed=seed)
    for _ in range(EPISODES):
        play(env, 0, full // 2, told)
        if pickled:
            env = pickle.loads(pickle.dumps(env))
        play(env, full // 2, full, told)
        assert not env.agents
        told.update(repr(env.stage.life.ledger.tolist()).encode())
        env.reset()
    return told.hexdigest()


every_profile = pytest.mark.parametrize("profile", worlds.list_profiles("harvest-v0"))
once = functools.lru_cache(life_hash)


@every_profile
def test_a_seed_gives_the_same_life_twice_in_a_process(profile):
    assert life_hash(profile) == once(profile)
    assert life_hash(profile, seed=8) != once(profile)


@every_profile
def test_a_life_goes_on_from_a_pickle_in_the_middle_of_an_episode(profile):
    assert life_hash(profile, pickled=True) == once(profile)


@pytest.mark.parametrize("hash_seed", ["0", "4321"])
def test_another_process_with_another_hash_seed_lives_the_same_life(hash_seed):
    profiles = list(worlds.list_profiles("harvest-v0"))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_envs as t;"
        f"print(*(t.life_hash(p) for p in {profiles!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__)],  # noqa: PTH120
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [once(p) for p in profiles]
