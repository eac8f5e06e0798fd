"""Blame for consumed transitions: the same gradient as in place, bounded where it is stale."""

import pytest
import torch
from torch.nn import functional as F

from karma_rllib.nets.losses import ppo_loss, retro_loss


def logits_at(rho, p=0.1, actions=4):
    """Logits of a policy under which action 0, once of probability p, has become rho p."""
    rest = (1 - rho * p) / (actions - 1)
    probabilities = torch.tensor([[[rho * p] + [rest] * (actions - 1)]], dtype=torch.float64)
    return probabilities.log().requires_grad_()


def slope(rho, advantage, **options):
    """Derivative of the objective (not the loss) along the log-probability of the act."""
    logits = logits_at(rho)
    old = torch.full((1, 1), 0.1, dtype=torch.float64).log()
    loss, _, counts = retro_loss(
        logits, torch.zeros(1, 1), old, torch.full((1, 1), advantage, dtype=torch.float64),
        torch.ones(1, 1, dtype=torch.bool), 1.0, **options,
    )  # fmt: skip
    (gradient,) = torch.autograd.grad(-loss, logits)
    return float(gradient[0, 0, 0]), bool(counts)


@pytest.mark.parametrize(("rho", "sign"), [(0.5, 0), (1.0, -1), (1.5, -1), (4.0, 0)])
def test_blame_pushes_down_inside_the_dual_clip_and_not_outside(rho, sign):
    gradient, counts = slope(rho, -1.0)
    assert counts
    assert (gradient > 0) - (gradient < 0) == sign


@pytest.mark.parametrize(("rho", "sign"), [(0.5, 1), (1.0, 1), (1.5, 0), (4.0, 0)])
def test_praise_is_clipped_as_in_ppo(rho, sign):
    gradient, _ = slope(rho, 1.0)
    assert (gradient > 0) - (gradient < 0) == sign


@pytest.mark.parametrize(("rho", "counts"), [(0.049, 0), (0.051, 1), (9.99, 1), (10.01, 0)])
def test_acts_that_the_policy_has_left_far_behind_are_dropped(rho, counts):
    logits = logits_at(rho, p=0.05)
    old = torch.full((1, 1), 0.05, dtype=torch.float64).log()
    A = torch.full((1, 1), -1.0, dtype=torch.float64)
    loss, seen, kept = retro_loss(
        logits, torch.zeros(1, 1), old, A, torch.ones(1, 1, dtype=torch.bool), 1.0
    )
    assert bool(kept) == bool(counts)
    assert float(seen.detach()) == pytest.approx(rho)
    assert (float(loss.detach()) != 0) == bool(counts)


def test_padding_neither_counts_nor_pulls():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, generator=generator).requires_grad_()
    actions = torch.randint(0, 5, (3, 4), generator=generator)
    old = F.log_softmax(logits.detach(), -1).gather(-1, actions[..., None])[..., 0]
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1, :3] = False
    old[1, :3] = float("inf")
    A = -torch.rand(3, 4, generator=generator)
    loss, rho, counts = retro_loss(logits, actions, old, A, mask, 7.0)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(loss, -A[mask].sum() / 7)
    assert not rho[1, :3].any()
    assert torch.equal(counts, mask)
    assert gradient.isfinite().all()
    assert not gradient[1, :3].any()


def test_blame_in_place_and_after_the_fact_have_the_same_gradient():
    """At lambda = 0 and rho = 1, a transition's blame adds -Delta / (sigma M) grad log pi."""
    generator = torch.Generator().manual_seed(1)
    R, M, actors, sigma = 4, 20, 3, 1.7
    logits = torch.randn(M, 1, actors, generator=generator).requires_grad_()
    actions = torch.randint(0, actors, (M, 1), generator=generator)
    old = F.log_softmax(logits.detach(), -1)
    logp = old.gather(-1, actions[..., None])[..., 0]
    advantage = torch.randn(M, 1, generator=generator)
    delta = torch.zeros(M, 1)
    delta[:R] = -torch.rand(R, 1, generator=generator)
    every, value = torch.ones(M, 1, dtype=torch.bool), torch.zeros(M, 1)

    def ppo(a):
        return ppo_loss(logits, old, actions, logp, a, value, value, every, every)[0]

    in_place = ppo((advantage + delta) / sigma)
    blame, _, _ = retro_loss(
        logits[:R], actions[:R], logp[:R], delta[:R] / sigma, every[:R], float(M)
    )
    afterwards = ppo(advantage / sigma) + blame
    a, b = (torch.autograd.grad(x, logits, retain_graph=True)[0] for x in (in_place, afterwards))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    assert not torch.allclose(a, torch.autograd.grad(ppo(advantage / sigma), logits)[0])
