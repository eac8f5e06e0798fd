"""Impossible actions have probability zero, exactly, and no gradient; nothing else changes."""

import math

import numpy as np
import pytest
import torch

from karma_rllib.nets.losses import ppo_loss, retro_loss
from karma_rllib.nets.masks import floored_log_probs
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.nets.policy import load_policy, save_policy

A, START, D = 7, 3, 12
GRID = (7, 7, 4)


def draw_masks(rows, seed=0):
    """Random masks in which the first action is always possible."""
    rng = np.random.default_rng(seed)
    masks = torch.from_numpy(rng.random((rows, A)) < 0.4)
    masks[:, 0] = True
    return masks


def make_net(preset="tiny", floor=0.01, mask_start=START):
    return MirrorNet(GRID, D, A, make_spec(preset), floor, seed=2, mask_start=mask_start)


def frames(rows, masks, seed=1):
    rng = np.random.default_rng(seed)
    grid = torch.from_numpy(rng.integers(0, 2, (rows, *GRID), dtype=np.uint8))
    vec = torch.from_numpy(rng.random((rows, D), dtype=np.float32))
    vec[:, START : START + A] = masks.float()
    return grid, vec


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_probabilities_are_those_of_the_possible_actions_alone(floor):
    scores, masks = torch.randn(50, A, generator=torch.Generator().manual_seed(0)), draw_masks(50)
    p = floored_log_probs(scores, floor, masks).exp()
    assert (p[~masks] == 0).all()
    for row, mask, mine in zip(scores.double(), masks, p, strict=True):
        own = row[mask].softmax(-1) * (1 - floor) + floor / mask.sum()
        torch.testing.assert_close(mine[mask].double(), own, atol=1e-6, rtol=1e-5)


def test_a_mask_of_ones_changes_nothing():
    scores = torch.randn(50, A, generator=torch.Generator().manual_seed(0))
    ones = torch.ones(50, A, dtype=torch.bool)
    for floor in (0.0, 0.1):
        torch.testing.assert_close(
            floored_log_probs(scores, floor, ones), floored_log_probs(scores, floor)
        )


def test_rows_without_any_possible_action_stay_finite():
    none = torch.zeros(2, A, dtype=torch.bool)
    logp = floored_log_probs(torch.randn(2, A), 0.01, none)
    torch.testing.assert_close(logp.exp().sum(-1), torch.ones(2))


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_acting_and_training_obey_the_same_mask(preset):
    net, masks = make_net(preset), draw_masks(20)
    grid, vec = frames(20, masks)
    logits, value, _ = net.step(grid, vec, net.initial_state(20))
    assert (logits.exp()[~masks] == 0).all()
    out = net(grid[:, None], vec[:, None], net.initial_state(20))
    torch.testing.assert_close(out.logits[:, 0], logits, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(out.value[:, 0], value)


def test_values_and_latents_are_those_of_an_unmasked_network():
    masks = draw_masks(20)
    grid, vec = frames(20, masks)
    masked, plain = make_net(), make_net(mask_start=None)
    assert torch.equal(masked.encode(grid, vec)[1], plain.encode(grid, vec)[1])
    assert torch.equal(masked.step(grid, vec, {})[1], plain.step(grid, vec, {})[1])


def test_losses_and_gradients_are_finite_and_spare_the_impossible():
    """Frozen agents (only the first action possible) and padding (none) included."""
    net, masks = make_net(), draw_masks(40)
    masks[:5, 1:], masks[5:7] = False, False
    grid, vec = frames(40, masks)
    with torch.no_grad():
        old = net.step(grid, vec, {})[0]
        net.policy_head.bias += torch.linspace(-2, 2, A)
    action = (old.exp().cumsum(-1) < 0.5).sum(-1).clamp(max=A - 1)
    old_logp = old.gather(-1, action[:, None])[:, 0]
    new = net.step(grid, vec, {})[0]
    valid = torch.ones(40, dtype=torch.bool)
    valid[5:7] = False
    advantage, value = torch.randn(40), torch.zeros(40)
    loss, stats = ppo_loss(
        new, old, action, old_logp, advantage, value, value, valid, valid,
        entropy_coeff=0.01, kl_coeff=0.3, normalised=True,
    )  # fmt: skip
    again, *_ = retro_loss(new, action, old_logp, advantage, valid, 40)
    (loss + again).backward()
    assert all(math.isfinite(float(x)) for x in (loss.detach(), again.detach(), *stats.values()))
    assert 0 < float(stats["entropy"]) < math.log(A)
    assert float(stats["kl"]) > 0
    for p in net.parameters():
        assert p.grad is None or torch.isfinite(p.grad).all()


def test_the_gradient_of_an_impossible_score_is_zero():
    scores = torch.randn(4, A, requires_grad=True)
    masks = draw_masks(4)
    p = floored_log_probs(scores, 0.05, masks)
    (p.exp() * p).sum().backward()
    assert (scores.grad[~masks] == 0).all()
    assert torch.isfinite(scores.grad).all()


def test_a_mask_must_fit_the_vector_and_be_given():
    with pytest.raises(ValueError, match="mask_start is 6 but 7 entries must follow"):
        make_net(mask_start=6)
    with pytest.raises(ValueError, match="this network needs vec"):
        make_net().decide(torch.zeros(1, 64), {})


def test_a_saved_policy_keeps_its_mask(tmp_path):
    masks = draw_masks(30)
    grid, vec = frames(30, masks)
    policy = load_policy(save_policy(make_net(), tmp_path))
    action, _ = policy.step({"grid": grid.numpy(), "vec": vec.numpy()}, policy.initial_state(30))
    assert masks[np.arange(30), action].all()
