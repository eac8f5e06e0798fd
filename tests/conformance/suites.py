"""The suites of others, each as a function of an env constructor."""

import warnings

import numpy as np
from pettingzoo.test import (
    api_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
    seed_test,
)
from pettingzoo.test.state_test import state_test
from pettingzoo.utils.conversions import aec_to_parallel, parallel_to_aec

CYCLES = 60
#: Said about every env whose observation is a Dict, as ours is on purpose.
DICTS = ("Observation is not a NumPy array", "Observation space for each agent probably should be")


def aec(make):
    """A constructor of the turn-based env."""
    return lambda **kwargs: parallel_to_aec(make(**kwargs))


def run_parallel_api(make):
    parallel_api_test(make(), CYCLES)


def run_parallel_seed(make):
    parallel_seed_test(make, CYCLES)


def run_aec_api(make):
    api_test(aec(make)(), CYCLES)


def run_aec_seed(make):
    seed_test(aec(make), CYCLES)


def run_render(make):
    render_test(aec(make))


def run_state(make):
    state_test(aec(make)(), make(), CYCLES)


def run_supersuit(make):
    """Two copies as one vector env: constant agents, equal spaces, batched steps."""
    import supersuit

    vector = supersuit.pettingzoo_env_to_vec_env_v1(make())
    vector = supersuit.concat_vec_envs_v1(vector, 2, num_cpus=1, base_class="gymnasium")
    n = vector.num_envs
    assert n == 2 * len(make().possible_agents)
    obs, _ = vector.reset(seed=1)
    for _ in range(CYCLES):
        actions = np.full(n, 1)
        obs, rewards, _, _, _ = vector.step(actions)
        assert rewards.shape == (n,)
        for key, box in vector.observation_space.items():
            assert obs[key].shape == (n, *box.shape)
    vector.close()


SUITES = {
    "parallel_api_test": run_parallel_api,
    "parallel_seed_test": run_parallel_seed,
    "api_test": run_aec_api,
    "seed_test": run_aec_seed,
    "render_test": run_render,
    "state_test": run_state,
    "supersuit": run_supersuit,
}


def complains(suite, make):
    """Whether a suite raises, or warns, about an env."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for words in DICTS:
            warnings.filterwarnings("ignore", message=words)
        try:
            SUITES[suite](make)
        except Exception:
            return True
    return bool([w for w in said if issubclass(w.category, UserWarning)])


def round_trip(make):
    """The parallel env after a journey through the turn-based one."""
    return aec_to_parallel(parallel_to_aec(make()))
