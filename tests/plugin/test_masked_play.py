"""In the kinship world only possible actions are drawn; all that it tells reaches the fragment."""

import numpy as np
import pytest
import torch

from karma_rllib.analysis import social
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.plugin.connectors import fingerprint
from karma_rllib.plugin.sampler import Sampler
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.events import Events, bundle
from karma_rllib.worlds.kinship_state import EXTRA

torch.set_num_threads(1)
SMALL = {"grid_size": 9, "num_agents": 6, "generators": 4, "chargers": 2, "altars": 1, "jump": True,
         "max_steps": 60, "energy_start": 20.0}  # fmt: skip


def make_sampler(preset="tiny", floor=0.01, **more):
    lives = make_lifetime("kinship-v0", num_worlds=4, seed=5, **{**SMALL, **more})
    grid, vec = lives.obs_shapes["grid"], lives.obs_shapes["vec"]
    net = MirrorNet(
        grid, vec[0], lives.num_actions, make_spec(preset), floor, seed=1,
        grid_scale=lives.world.grid_scale.tolist(), mask_start=lives.traits.mask_start,
    )  # fmt: skip
    return Sampler(lives, net, seed=5, max_seq_len=16)


def possible(fragment, sampler):
    start = sampler.lifetime.traits.mask_start
    A = fragment.logits.shape[-1]
    return fragment.obs["vec"][:-1, ..., start : start + A] > 0


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_an_impossible_action_is_never_drawn(preset):
    sampler = make_sampler(preset)
    fragment = sampler.run(150)
    can = possible(fragment, sampler)
    assert np.take_along_axis(can, fragment.action[..., None], -1).all()
    assert 0.2 < can.mean() < 0.9  # there was something to avoid
    assert (np.exp(fragment.logits)[~can] == 0).all()
    np.testing.assert_allclose(np.exp(fragment.logits).sum(-1), 1.0, atol=1e-5)
    assert np.isfinite(fragment.logp).all()


def test_the_frozen_do_nothing():
    sampler = make_sampler()
    fragment = sampler.run(150)
    frozen = ~fragment.events["active"]
    assert frozen.any()
    assert (fragment.action[frozen] == 0).all()


def test_a_greedy_player_obeys_the_mask_too():
    sampler = make_sampler()
    fragment = sampler.run(60, explore=False)
    assert np.take_along_axis(possible(fragment, sampler), fragment.action[..., None], -1).all()


def test_a_crumb_of_probability_goes_to_a_possible_action(monkeypatch):
    """The last action is impossible and the random number just below 1."""
    from karma_rllib.plugin import sampler as module

    sampler = make_sampler()
    logits = np.full((4, 6, sampler.lifetime.num_actions), -1e9, np.float32)
    logits[..., 2] = logits[..., 5] = np.log(np.float32(0.5)) - 1e-6
    monkeypatch.setattr(module, "uniforms", lambda *_: np.full((4, 6), 1 - 2.0**-53))
    assert (sampler._draw(logits, True) == 5).all()
    monkeypatch.setattr(module, "uniforms", lambda *_: np.zeros((4, 6)))
    assert (sampler._draw(logits, True) == 2).all()


def test_a_fragment_carries_all_that_the_world_tells():
    sampler = make_sampler(kinship={"scheme": "teams", "team_size": 2})
    fragment = sampler.run(60)
    assert {*Events._fields, *EXTRA} <= set(fragment.events)
    halves = fragment.split(2)
    assert halves[0].events["froze"].shape == (60, 2, 6, 6)
    events = bundle(fragment.events)
    spent = events.energy_spent.sum()
    assert spent > 0
    assert events.hit_kin.shape == (60, 4)
    assert not np.array_equal(events.raw_reward, fragment.reward) or not events.raw_reward.any()


def test_metrics_count_rewards_as_earned():
    fragment = make_sampler(
        kinship={"scheme": "teams", "team_size": 2, "share": "inclusive"}, reward_diamond=1.0
    ).run(120)
    events = bundle(fragment.events)
    counts = social.tally(events, events.raw_reward, max_steps=60, timeout=10)
    assert counts["reward"] == pytest.approx(events.harvested.sum() + events.ate.sum())
    assert fragment.reward.sum() == pytest.approx(1.5 * counts["reward"])  # teams of two


def test_the_probability_of_harm_is_that_of_any_attack():
    sampler = make_sampler(floor=0.1)
    fragment = sampler.run(60)
    zaps = sampler.lifetime.traits.zaps
    assert len(zaps) == 10
    sums = fingerprint([fragment], [np.zeros_like(fragment.value)], 0.1, zaps)
    active = fragment.events["active"]
    own = np.exp(fragment.logits.astype(float))[..., list(zaps)].sum(-1)[active]
    assert sums["zap_probability_sum"] == pytest.approx(own.sum(), rel=1e-5)
    can = possible(fragment, sampler)
    least = 0.1 * can[..., list(zaps)].sum(-1) / can.sum(-1)
    floor_hits = (own <= 2 * least[active]) & (least[active] > 0)
    assert sums["floor_hits_sum"] == floor_hits.sum()
