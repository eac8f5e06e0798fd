"""Each mirror loss against numbers worked out by hand, and what must never change it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.nets import alignment
from karma_rllib.nets.alignment import (
    centroid_loss,
    contrast_loss,
    hold,
    infonce_loss,
    pair_loss,
    vicreg_loss,
)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sides(P=6, D=5, seed=0):
    return randn(P, D, seed=seed), randn(P, D, seed=seed + 1)


LOSS = {
    "pair": pair_loss,
    "l2": lambda a, v, w=None: pair_loss(a, v, w, "l2"),
    "mean": lambda a, v, w=None: pair_loss(a, v, w, "mean"),
    "centroid": centroid_loss,
    "infonce": infonce_loss,
    "vicreg": vicreg_loss,
    "contrast": lambda a, v, w=None: contrast_loss(a, v, randn(*a.shape, seed=9), w),
}

# --- closed forms ---------------------------------------------------------------------------


def test_the_pair_loss_is_the_weighted_squared_distance_in_each_norm():
    a = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    v = torch.tensor([[0.0, 0.0], [0.0, 2.0]])
    assert pair_loss(a, v).item() == pytest.approx((25 + 5) / 2)
    weight = torch.tensor([1.0, 3.0])
    assert pair_loss(a, v, weight).item() == pytest.approx((25 + 3 * 5) / 4)
    assert pair_loss(a, v, weight, "mean").item() == pytest.approx(10 / 2)
    # unit vectors: (.6, .8) against 0 is 1; (1, 0) against (0, 1) is 2
    assert pair_loss(a, v, norm="l2").item() == pytest.approx(1.5)
    assert pair_loss(a, -a, norm="l2").item() == pytest.approx(4.0)


def test_the_centroid_loss_sees_means_only():
    a = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    v = torch.tensor([[2.0, 2.0], [2.0, -2.0]])
    assert centroid_loss(a, v).item() == 0.0
    assert centroid_loss(a + torch.tensor([0.0, 3.0]), v).item() == pytest.approx(9 / 2)
    only_first = torch.tensor([1.0, 0.0])
    assert centroid_loss(a, v, only_first).item() == pytest.approx((1 + 4) / 2)


def test_infonce_is_the_cross_entropy_of_finding_the_own_other_side():
    a, v = sides()
    s = torch.nn.functional.cosine_similarity(a[:, None], v[None], dim=-1) / 0.1
    target = torch.arange(6)
    oracle = (
        torch.nn.functional.cross_entropy(s, target)
        + torch.nn.functional.cross_entropy(s.T, target)
    ) / 2
    torch.testing.assert_close(infonce_loss(a, v), oracle)
    n = randn(7, 5, seed=5)
    further = [
        torch.nn.functional.cosine_similarity(x[:, None], n[None], dim=-1) / 0.1 for x in (a, v)
    ]
    oracle = (
        torch.nn.functional.cross_entropy(torch.cat((s, further[0]), 1), target)
        + torch.nn.functional.cross_entropy(torch.cat((s.T, further[1]), 1), target)
    ) / 2
    torch.testing.assert_close(infonce_loss(a, v, negatives=n), oracle)


def test_infonce_is_log_of_the_candidates_when_all_look_alike_and_less_for_identical_views():
    same = torch.ones(8, 4)
    assert infonce_loss(same, same).item() == pytest.approx(math.log(8), rel=1e-5)
    with_negatives = infonce_loss(same, same, negatives=torch.ones(3, 4)).item()
    assert with_negatives == pytest.approx(math.log(11), rel=1e-5)
    a, _ = sides(8)
    assert infonce_loss(a, a) < math.log(8)


def test_a_pair_of_weight_zero_is_absent_from_infonce_as_a_negative_too():
    a, v = sides(6)
    weight = torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    present = weight > 0
    n = randn(3, 5, seed=4)
    torch.testing.assert_close(
        infonce_loss(a, v, weight, negatives=n), infonce_loss(a[present], v[present], negatives=n)
    )


def test_vicreg_is_its_three_published_terms():
    a, v = sides(P=9, D=4)

    def variance(z):
        std = (z.var(0, unbiased=True) + 1e-4).sqrt()
        return torch.clamp(1 - std, min=0).mean()

    def covariance(z):
        c = torch.cov(z.T)
        return (c.square().sum() - c.diagonal().square().sum()) / 4

    invariance = (a - v).square().mean()
    oracle = (
        25 * invariance + 25 * (variance(a) + variance(v)) / 2 + covariance(a) + covariance(v)
    ) / 25
    torch.testing.assert_close(vicreg_loss(a, v), oracle)
    frames = randn(40, 4, seed=8)
    oracle = (25 * invariance + 25 * variance(frames) + 2 * covariance(frames)) / 25
    torch.testing.assert_close(vicreg_loss(a, v, frames=frames), oracle)


def test_identical_views_leave_vicreg_without_an_invariance_term():
    a, _ = sides()
    alone = vicreg_loss(a, a, coefficients=(1.0, 0.0, 0.0))
    assert alone.item() == 0.0
    assert pair_loss(a, a).item() == 0.0
    assert centroid_loss(a, a).item() == 0.0


def test_the_contrast_loss_pushes_cleaners_out_to_the_margin_and_no_further():
    v = torch.zeros(2, 2)
    c = torch.tensor([[3.0, 4.0], [0.0, 1.0]])  # distances 5 and 1
    loss = contrast_loss(v, v, c, margin=3.0)
    assert loss.item() == pytest.approx((0 + (3 - 1) ** 2) / 2)
    c.requires_grad_()
    v.requires_grad_()
    contrast_loss(v.detach(), v, c, margin=3.0).backward()
    assert c.grad[0].abs().max() == 0  # already far enough
    assert c.grad[1, 1] < 0  # descent moves it away from 0
    assert v.grad.abs().max() == 0  # the victim stands still


def test_the_hinge_has_a_finite_gradient_where_cleaner_and_victim_coincide():
    c = torch.zeros(3, 4, requires_grad=True)
    contrast_loss(torch.zeros(3, 4), torch.zeros(3, 4), c).backward()
    assert c.grad.isfinite().all()


# --- what must not change a loss ------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 100))
def test_scaling_both_sides_changes_neither_the_unit_pair_loss_nor_infonce(seed, factor):
    a, v = sides(seed=seed)
    torch.testing.assert_close(LOSS["l2"](factor * a, factor * v), LOSS["l2"](a, v))
    n = randn(4, 5, seed=seed + 2)
    torch.testing.assert_close(
        infonce_loss(factor * a, factor * v, negatives=factor * n),
        infonce_loss(a, v, negatives=n),
        rtol=1e-4,
        atol=1e-5,
    )
    raw = LOSS["pair"](factor * a, factor * v)  # the raw one does scale: shrinking pays
    torch.testing.assert_close(raw, factor**2 * LOSS["pair"](a, v), rtol=1e-4, atol=1e-5)


@settings(deadline=None)
@pytest.mark.parametrize("name", [n for n in LOSS if n != "contrast"])
@given(st.permutations(range(6)), st.integers(0, 1000))
def test_the_order_of_the_pairs_does_not_matter(name, order, seed):
    a, v = sides(seed=seed)
    w = torch.linspace(0.2, 1.0, 6)
    torch.testing.assert_close(
        LOSS[name](a[order], v[order], w[order]), LOSS[name](a, v, w), rtol=1e-4, atol=1e-5
    )


@settings(deadline=None)
@pytest.mark.parametrize("name", LOSS)
@given(st.integers(0, 10_000), st.floats(0.01, 30))
def test_no_loss_is_negative(name, seed, factor):
    a, v = sides(seed=seed)
    assert LOSS[name](factor * a, factor * v) >= 0


@pytest.mark.parametrize("name", LOSS)
def test_weights_are_relative(name):
    a, v = sides()
    w = torch.rand(6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(LOSS[name](a, v, 7 * w), LOSS[name](a, v, w))
    torch.testing.assert_close(LOSS[name](a, v, torch.ones(6)), LOSS[name](a, v))


@pytest.mark.parametrize("name", ["pair", "l2", "mean", "centroid", "infonce"])
def test_with_no_pair_that_counts_loss_and_gradient_are_exactly_zero(name):
    a, v = (x.requires_grad_() for x in sides())
    loss = LOSS[name](a, v, torch.zeros(6))
    grads = torch.autograd.grad(loss, (a, v))
    assert loss == 0
    assert all((g == 0).all() for g in grads)


# --- which side moves -----------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSS)
@pytest.mark.parametrize(
    ("mode", "moves"),
    [("agg_to_vic", (True, False)), ("symmetric", (True, True)), ("vic_to_agg", (False, True))],
)
def test_only_the_side_that_may_move_gets_a_gradient(name, mode, moves):
    a, v = (x.requires_grad_() for x in sides())
    LOSS[name](*hold(a, v, mode)).backward()
    for x, moved in zip((a, v), moves, strict=True):
        assert (x.grad is not None and bool(x.grad.abs().max() > 0)) == moved


def test_the_symmetric_pair_gradients_are_opposite():
    a, v = (x.requires_grad_() for x in sides())
    pair_loss(*hold(a, v, "symmetric")).backward()
    torch.testing.assert_close(a.grad, -v.grad)
    assert set(alignment.GRAD_MODES) == {"agg_to_vic", "symmetric", "vic_to_agg"}
