"""P7 against planted charges, planted grudges, and hits counted by hand."""

import numpy as np
import pytest
from scipy.stats import linregress

from karma_rllib.credit.params import TvtParams
from karma_rllib.probes import charges, replayed
from karma_rllib.worlds import resolve_params
from karma_rllib.worlds.harvest_names import vec_names

DUEL = {
    "world": "harvest-v0", "profile": "gathering", "grid_size": 5, "num_agents": 2,
    "beam_length": 4, "beam_half_width": 2, "view_radius": 4,
    "max_steps": 200, "timeout": 3,
    "victim_penalty": 1.0, "reward_zap_agent": 0.0,
    "zap_cost": 0.0, "reward_apple": 0.0,
}  # fmt: skip
HIT = vec_names(resolve_params("harvest-v0", "gathering")).index("was_hit")
TURN, ZAP = 5, 7


class Scripted:
    """Spins, zaps rarely for no reason and, if `grudge`, often in the steps after it was hit."""

    class net:  # noqa: N801  (a policy's network, of which nothing but the memory is asked)
        memory = None

    def __init__(self, grudge, seed=0):
        self.grudge, self.rng = grudge, np.random.default_rng(seed)

    def check(self, obs_shapes, num_actions):
        assert num_actions > ZAP

    def initial_state(self, n):
        return {"angry": np.zeros((n, 1), np.float32)}

    def logits(self, obs, state):
        angry = np.where(obs["vec"][:, HIT : HIT + 1] > 0, 12.0, state["angry"] - 1)
        zapping = np.where(angry[:, 0] > 0, 0.5 if self.grudge else 0.05, 0.05)
        p = np.full((len(zapping), 8), 1e-9)
        p[:, ZAP], p[:, TURN] = zapping, 1 - zapping
        return np.log(p), np.zeros(len(p), np.float32), {"angry": angry.astype(np.float32)}


def recalled(policy, **options):
    params = TvtParams.of({"exclusion": 0, "read_top_k": 1, "harm": "reward", "alpha": 1.0})
    return charges.crimes(
        policy,
        DUEL,
        params,
        **{"episodes": 32, "wanted": 48, "horizon": 60, "discounts": (0.99, 0.9), **options},
    )


def test_a_planted_line_is_found_and_noise_is_not():
    rng = np.random.default_rng(0)
    charge, episode = -rng.exponential(size=400), np.arange(400) // 10
    noise = 0.3 * rng.normal(size=400)
    true = replayed.calibrate(charge, 0.2 + charge + noise, episode)
    line = linregress(charge, 0.2 + charge + noise)
    assert true["slope"][0] == pytest.approx(line.slope)
    assert true["intercept"][0] == pytest.approx(line.intercept)
    assert true["slope"][1] < 1 < true["slope"][2]
    assert true["intercept"][1] < 0.2 < true["intercept"][2]
    tax = replayed.calibrate(charge, noise, episode)
    assert tax["slope"][1] < 0 < tax["slope"][2]
    assert tax["slope"][2] < 0.2


def test_charges_that_do_not_vary_have_no_slope():
    found = replayed.calibrate(np.full(9, -0.5), np.full(9, -0.25), np.arange(9))
    assert np.isnan(found["slope"][0])
    assert found["ratio"] == pytest.approx([0.5] * 3)
    assert np.isnan(replayed.calibrate(np.zeros(9), np.ones(9), np.arange(9))["ratio"][0])


def test_kept_crimes_are_hits_of_the_policy_that_can_be_lived_again():
    seen, told = recalled(Scripted(grudge=True))
    assert len(seen) == 48
    rows = np.arange(48)
    assert (seen.actions[rows, seen.agent] == ZAP).all()
    assert (seen.agent != seen.victim).all()
    assert (seen.delta <= 0).all()
    assert seen.delta.min() < 0
    assert told["punishments"] >= told["linked"] > 0
    assert told["precision"] == 1.0  # a hard match recalls nothing else
    assert told["found"] == 1.0


def test_a_grudge_is_a_true_cost_and_indifference_is_none():
    costs = {}
    for grudge in (True, False):
        policy = Scripted(grudge)
        seen, _ = recalled(policy)
        cost = replayed.relive(policy, DUEL, seen, rollouts=8, horizon=60, gamma=1.0)
        costs[grudge] = cost.returns.mean(), cost.revenge.mean()
        assert cost.returns.shape == cost.revenge.shape == (48,)
    assert costs[True][1] > 0.3
    assert costs[True][0] < -0.3  # every hit costs 1, and nothing else is paid
    assert abs(costs[False][0]) < 0.2 < -costs[True][0]


def test_lives_with_and_without_the_act_share_their_past_and_their_luck():
    """A policy without randomness that is not angry: the act itself is all that differs."""
    policy = Scripted(grudge=False)
    seen, _ = recalled(policy)
    payed = {**DUEL, "reward_zap_agent": 0.25}
    cost = replayed.relive(policy, payed, seen, rollouts=2, horizon=1, gamma=1.0)
    assert cost.returns + cost.revenge == pytest.approx(0.25)


def test_who_never_zaps_has_no_transport_to_calibrate():
    policy = Scripted(grudge=False)
    policy.logits = lambda obs, state: (
        np.log(np.eye(8)[[TURN] * len(obs["vec"])] + 1e-300),
        np.zeros(len(obs["vec"]), np.float32),
        state,
    )
    found = replayed.probe(
        policy, DUEL, TvtParams(), episodes=2, branches=5, discounts=(0.99, 0.9), horizon=60
    )
    assert found["crimes"] == 0


def test_soft_recall_needs_learned_keys():
    with pytest.raises(ValueError, match="learned none"):
        charges.crimes(
            Scripted(grudge=False),
            DUEL,
            TvtParams(match="soft"),
            episodes=1,
            wanted=1,
            horizon=1,
            discounts=(0.99, 0.9),
        )
