"""Every world in every profile, seen through every face, against our checks and those of others."""

import copy
import functools
import warnings
from types import SimpleNamespace

import checks
import gymnasium
import pytest
import suites
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import max_cycles_test

import karma_rllib
from karma_rllib import worlds
from karma_rllib.envs.parallel import WorldParallelEnv, to_aec

MAX_STEPS = 50
GYM_IDS = {"harvest-v0": "KarmicHarvest-v0", "kinship-v0": "KinshipGrid-v0"}
# how an episode of another length is asked for
LENGTH = {"match-v0": lambda steps: {"look_steps": 1, "delay_steps": steps - 2, "choose_steps": 1}}
EVERY = [(world, p) for world in worlds.list_worlds() for p in worlds.list_profiles(world)]
# further rules that change the shape or the flow of a game
VARIANTS = {
    "remove": {"timeout_mode": "remove"},
    "full_grid": {"obs_mode": "full_grid"},
    "debt_plane": {"obs_debt": "pair", "obs_identity": "onehot"},
    "wide_beam": {"beam_half_width": 1, "beam_blocking": "pierce", "hits_to_tag": 2},
    "absolute": {"move_frame": "absolute", "obs_time": True, "zap_cooldown": 3},
}

every_world = pytest.mark.parametrize(("world", "profile"), EVERY)


def lasting(world, steps):
    """The rules under which an episode of a world has so many steps."""
    return LENGTH.get(world, lambda steps: {"max_steps": steps})(steps)


def maker(world, profile, steps=MAX_STEPS, **rules):
    rules = {**lasting(world, steps), **rules}
    return functools.partial(WorldParallelEnv, world, profile=profile, **rules)


@every_world
@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_every_world_keeps_our_promises(world, profile, check):
    check(maker(world, profile), MAX_STEPS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_keeps_our_promises(variant):
    checks.check_parallel_env(maker("harvest-v0", "dual_cleanup", **VARIANTS[variant]), MAX_STEPS)


@every_world
@pytest.mark.parametrize("suite", suites.SUITES)
def test_every_world_passes_the_suites_of_others(world, profile, suite):
    with warnings.catch_warnings():
        for words in suites.DICTS:
            warnings.filterwarnings("ignore", message=words)
        suites.SUITES[suite](maker(world, profile))


@every_world
def test_episodes_have_the_length_that_the_suite_asks_for(world, profile):
    module = SimpleNamespace(
        parallel_env=lambda max_cycles: maker(world, profile, max_cycles)(),
        env=lambda max_cycles: to_aec(maker(world, profile, max_cycles)()),
    )
    max_cycles_test(module)


@every_world
def test_a_round_trip_through_turns_gives_the_same_life(world, profile):
    make = maker(world, profile)
    there, back = make(), suites.round_trip(make)
    tales = []
    for env in (there, back):
        told = [env.reset(seed=11)]
        told += [copy.deepcopy(env.step(checks.actions_at(env, k))) for k in range(MAX_STEPS)]
        assert env.agents == []
        tales.append(checks.digest(told))
    assert tales[0] == tales[1]


@every_world
def test_gymnasiums_checker_has_nothing_to_say(world, profile):
    assert karma_rllib.__version__
    if world not in GYM_IDS:
        pytest.skip(f"{world} has no Gymnasium id")
    env = gymnasium.make(GYM_IDS[world], profile=profile, max_steps=MAX_STEPS)
    check_env(env.unwrapped)


@every_world
def test_rllibs_checker_has_nothing_to_say(world, profile):
    pre_checks = pytest.importorskip("ray.rllib.utils.pre_checks.env")
    from karma_rllib.plugin.env import KarmaMultiAgentEnv

    config = {"world": world, "profile": profile, **lasting(world, MAX_STEPS)}
    pre_checks.check_multiagent_environments(KarmaMultiAgentEnv(config))
