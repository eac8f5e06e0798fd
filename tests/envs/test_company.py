"""One agent among frozen others lives in the very world that they all live in."""

import numpy as np
import pytest

from karma_rllib.envs.bots import make_bot
from karma_rllib.envs.company import Company
from karma_rllib.society.lifetime import make_lifetime

WORLD = {"profile": "gathering", "max_steps": 12, "num_worlds": 3, "seed": 4}


class Noted:
    """A policy that notes what it is shown and what it does."""

    def __init__(self, policy):
        self.policy, self.seen, self.did = policy, [], []

    def initial_state(self, n, rows=None):
        self.rows = rows
        return self.policy.initial_state(n, rows=rows)

    def step(self, obs, state):
        actions, state = self.policy.step(obs, state)
        self.seen.append({key: x.copy() for key, x in obs.items()})
        self.did.append(actions.copy())
        return actions, state


def test_our_step_is_the_worlds_step_with_the_actions_of_all():
    twin, life = make_lifetime(**WORLD), make_lifetime(**WORLD)
    others = Noted(make_bot("bully", life, 0))
    company, rng = Company(life, others), np.random.default_rng(0)
    places = []
    for _ in range(2):  # episodes
        obs, whole = company.reset(), twin.reset()
        ours = np.arange(4) == company.seats[:, None]
        places.append(company.seats)
        for _ in range(12):
            assert all(np.array_equal(obs[key][:, 0], whole[key][ours]) for key in whole)
            action = rng.integers(0, life.num_actions, (3, 1))
            out = company.step(action)
            assert all(np.array_equal(others.seen[-1][key], whole[key][~ours]) for key in whole)
            joint = np.zeros((3, 4), np.int64)
            joint[ours], joint[~ours] = action[:, 0], others.did[-1]
            result = twin.step(joint)
            assert np.array_equal(out.reward[:, 0], result.reward[ours])
            assert np.array_equal(out.events.active[:, 0], result.events.active[ours])
            assert out.events.hit.shape == (3, 1, 1)
            assert not out.events.hit.any()
            assert np.array_equal(out.truncated, result.truncated)
            obs, whole = out.obs, result.obs
    assert [list(seats) for seats in places] == [[0, 1, 2], [1, 2, 3]]
    assert out.truncated.all()


def test_observations_are_written_into_the_callers_buffers():
    life = make_lifetime(**WORLD)
    company = Company(life, make_bot("forager", life, 0))
    out = company.reset()
    shown = company.step(np.zeros((3, 1), np.int64), out).obs
    assert all(shown[key] is out[key] for key in out)


def test_a_world_of_one_and_a_partial_reset_are_refused():
    lone = make_lifetime("kinship-v0", num_agents=1)
    with pytest.raises(ValueError, match="nobody whom a policy could meet"):
        Company(lone, make_bot("forager", lone, 0))
    life = make_lifetime(**WORLD)
    company = Company(life, make_bot("forager", life, 0))
    with pytest.raises(ValueError, match="begin their episodes together"):
        company.reset(np.array([True, False, True]))
