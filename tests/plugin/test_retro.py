"""Windows of older acts are dealt out once per epoch and weigh what they should."""

import numpy as np
import pytest
import torch

from karma_rllib.plugin.retro import Retro

from .scripted import make_sampler

ACTING = torch.tensor(10.0)  # acting transitions of a minibatch


@pytest.fixture(scope="module", params=["tiny", "small"])
def played(request):
    """A network and the fragment that brings windows of eight worlds' crimes back."""
    sampler = make_sampler(request.param, worlds=8, retro_window=3)
    sampler.run(40)
    return sampler.net, sampler.run(60)


def make_retro(fragments, per_epoch=3, epochs=2, key=(1, 2)):
    retro = Retro(clip=0.2, dual_clip=3.0, device="cpu")
    retro.take(fragments, spread=0.5)
    retro.deal(per_epoch, epochs, key)
    return retro


def gradient(net, retro, minibatches):
    """Summed over minibatches; parameters that the policy does not use are left out."""
    losses = [retro.loss(net, ACTING) for _ in range(minibatches)]
    total = sum(loss for loss in losses if loss is not None)
    found = torch.autograd.grad(total, list(net.parameters()), allow_unused=True)
    return torch.cat([g.flatten() for g in found if g is not None])


def test_every_window_is_used_once_per_epoch(played):
    _, fragment = played
    retro = make_retro([fragment])
    assert len(retro) == 8
    for epoch in (0, 3):
        parts = retro._parts[epoch : epoch + 3]
        assert sorted(np.concatenate(parts).tolist()) == list(range(8))
    again, other = make_retro([fragment]), make_retro([fragment], key=(1, 3))
    same = [all(map(np.array_equal, retro._parts, x._parts)) for x in (again, other)]
    assert same == [True, False]


def test_minibatches_add_up_to_the_whole(played):
    net, fragment = played
    whole = gradient(net, make_retro([fragment], per_epoch=1), 1)
    parts = gradient(net, make_retro([fragment], per_epoch=3), 3)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-7)
    assert whole.abs().max() > 0


def test_learners_together_pull_as_one(played):
    net, fragment = played
    whole = gradient(net, make_retro([fragment], per_epoch=1), 1)
    shares = [gradient(net, make_retro([piece], per_epoch=1), 1) for piece in fragment.split(4)]
    torch.testing.assert_close(sum(shares), whole, rtol=1e-4, atol=1e-7)


def test_an_unchanged_policy_has_ratio_one_and_every_window_in_effect(played):
    net, fragment = played
    retro = make_retro([fragment])
    assert retro.stats() == {}
    for _ in range(6):
        retro.loss(net, ACTING)
    stats = retro.stats()
    assert stats["retro_ratio"] == pytest.approx(1, abs=1e-5)
    assert stats["retro_ess"] == pytest.approx(1, abs=1e-5)
    assert stats["retro_dropped"] == 0
    assert retro.loss(net, ACTING) is None  # the update is over


def test_blame_lowers_the_probability_of_the_act(played):
    net, fragment = played
    retro = make_retro([fragment], per_epoch=1, epochs=20)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        retro.loss(net, ACTING).backward()
        optimizer.step()
    assert retro.stats()["retro_ratio"] < 0.99
    net.load_state_dict(before)


def test_without_windows_there_is_no_term(played):
    net, _ = played
    retro = make_retro([make_sampler(worlds=1).run(5)])
    assert len(retro) == 0
    assert retro.loss(net, ACTING) is None
    assert retro.stats() == {}


def test_two_punishments_of_one_crime_share_its_window():
    sampler = make_sampler(plot={10: 0, 70: 1, 100: 1})
    sampler.run(40)
    fragment = sampler.run(80)
    assert fragment.links["linked"].sum() == 4
    np.testing.assert_allclose(fragment.retro["blame"], [[-0.9], [-0.9]], rtol=1e-6)
    assert fragment.retro["world"].tolist() == [0, 1]
