"""The role term: balanced draws, class weights, silence when there is nothing to tell apart."""

import numpy as np
import pytest
import torch
from nets_frames import GRID, D, fill

from karma_rllib.nets.bank import EventBank
from karma_rllib.nets.losses import effective_number_weights, role_loss
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.nets.role import RoleSpec, RoleTerm
from karma_rllib.worlds.events import IGNORE


def make_net(role="phi"):
    spec = make_spec("tiny", mlp=[16], projector=[12, 8])
    return MirrorNet(GRID, D, 8, spec, role_head_input=role, seed=1)


@pytest.mark.parametrize("head", ["phi", "z"])
def test_a_draw_from_the_bank_holds_as_many_frames_of_every_role(head):
    term = RoleTerm(RoleSpec(weight=0.3), fill(EventBank()))
    net = make_net(head)
    phi, z, labels, weight = term._draw(net)
    np.testing.assert_array_equal(np.bincount(labels), [32, 32, 32, 32])
    np.testing.assert_array_equal(weight, [1, 1, 1, 1])
    loss, stats = role_loss(net.role_logits(phi, z), labels, weight)
    term.bank.set_state(fill(EventBank()).get_state())
    again, got = term.loss(net, step=0)
    torch.testing.assert_close(again, 0.3 * loss)
    assert got["accuracy"] == stats["accuracy"]
    again.backward()
    assert net.role_head.weight.grad.abs().max() > 0
    assert net.mlp[0].weight.grad.abs().max() > 0  # it shapes the encoder as well


def test_a_role_that_does_not_occur_takes_no_part():
    term = RoleTerm(RoleSpec(), fill(EventBank(), cleaners=0))
    net = make_net()
    loss, _ = term.loss(net, step=0)
    loss.backward()
    assert (net.role_head.weight.grad[3] == 0).all()
    assert (net.role_head.weight.grad[:3].abs().sum(1) > 0).all()


def test_one_role_alone_cannot_be_told_apart():
    term = RoleTerm(RoleSpec(), fill(EventBank(), pairs=3, cleaners=0))
    loss, stats = term.loss(make_net(), step=0)
    assert loss == 0
    assert stats == {}


def test_the_minibatch_is_weighted_by_the_effective_number_of_its_classes():
    term, net = RoleTerm(RoleSpec(weight=2.0, sampling="batch"), EventBank()), make_net("z")
    for _ in range(5):
        term.observe(np.array([900.0, 10.0, 10.0, 0.0]))
    np.testing.assert_allclose(term.counts, np.array([900, 10, 10, 0]) * (1 - 0.99**5))
    z = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 1, 2, IGNORE, 0])
    loss, _ = term.loss(net, step=0, phi=z, z=z, labels=labels)
    w = torch.from_numpy(effective_number_weights(term.counts, 0.999, 50.0))
    torch.testing.assert_close(loss, 2 * role_loss(net.role_logits(z, z), labels, w)[0])
    copy = RoleTerm(term.spec, EventBank())
    copy.set_state(term.get_state())
    np.testing.assert_array_equal(copy.counts, term.counts)
    with pytest.raises(ValueError, match="needs phi, z and labels"):
        term.loss(net, step=0)


@pytest.mark.parametrize(("weight", "step"), [(0.0, 10**6), (0.1, 50)])
def test_at_weight_zero_nothing_is_drawn(weight, step):
    term = RoleTerm(
        RoleSpec(weight=weight, aux_start_step=50, aux_warmup_steps=9), fill(EventBank())
    )
    before = term.bank.get_state()["rng"]
    loss, stats = term.loss(make_net(), step=step)
    assert (loss, stats) == (0, {})
    np.testing.assert_array_equal(term.bank.get_state()["rng"], before)


def test_an_unknown_sampling_is_named():
    with pytest.raises(ValueError, match="'sampling' is 'all' but must be bank or batch"):
        RoleSpec(sampling="all")
