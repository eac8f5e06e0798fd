"""Collapse diagnostics against latents whose numbers are known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.nets.diagnostics import Diagnostics, closeness, spread


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_equal_spread_in_k_directions_has_rank_k():
    corners = torch.cat((torch.eye(5), -torch.eye(5)))  # in 8 dimensions, 3 of them unused
    z = torch.cat((corners, torch.zeros(10, 3)), 1)
    now = spread(z)
    assert now["effective_rank"] == pytest.approx(5)
    assert now["participation_ratio"] == pytest.approx(5)
    assert now["std_min"] == 0
    assert now["norm"] == pytest.approx(1)


def test_effective_rank_is_the_exponential_of_the_entropy_of_singular_values():
    z = torch.diag(torch.tensor([3.0, 1.0]))
    z = torch.cat((z, -z))
    p = np.array([0.75, 0.25])
    assert spread(z)["effective_rank"] == pytest.approx(math.exp(-(p * np.log(p)).sum()))
    assert spread(z)["participation_ratio"] == pytest.approx((9 + 1) ** 2 / (81 + 1))


def test_uniformity_is_the_log_mean_gaussian_potential_of_unit_vectors():
    z = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])  # squared distances 2, 2, 4
    expected = math.log((2 * math.exp(-4) + math.exp(-8)) / 3)
    assert spread(z)["uniform"] == pytest.approx(expected)
    assert spread(torch.ones(4, 3))["uniform"] == pytest.approx(0)
    assert spread(torch.ones(4, 3))["effective_rank"] == 0


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_what_claims_to_be_scale_free_is(seed, factor):
    z, a, v = (randn(20, 6, seed=seed + k) for k in range(3))
    one, two = spread(z), spread(factor * z)
    for key in ("effective_rank", "participation_ratio", "uniform"):
        assert two[key] == pytest.approx(one[key], rel=1e-5)
    near, far = closeness(a, v), closeness(factor * a, factor * v)
    for key in near:
        assert far[key] == pytest.approx(near[key], rel=1e-5)


def test_the_align_ratio_compares_partners_with_strangers():
    a, v = randn(12, 5), randn(12, 5, seed=1)
    distance = torch.cdist(a.double(), v.double()).square()
    stranger = (distance.sum() - distance.trace()) / (12 * 11)
    now = closeness(a, v)
    assert now["align_ratio"] == pytest.approx((distance.trace() / 12 / stranger).item())
    unit = torch.nn.functional.normalize(a) - torch.nn.functional.normalize(v)
    assert now["align"] == pytest.approx(unit.square().sum(-1).mean().item())
    assert closeness(a, a)["align_ratio"] == 0
    assert closeness(a, a)["role_gap"] == 0


def test_the_role_gap_is_the_squared_distance_of_means_in_units_of_variance():
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # trace of covariance 4/3
    shifted = z + torch.tensor([2.0, 0.0])
    assert closeness(z, shifted)["role_gap"] == pytest.approx(4 / (4 / 3))


def test_dead_dimensions_and_shrinking_are_judged_by_the_start():
    watch, z = Diagnostics(), randn(200, 10)
    assert watch.measure(z)["dead_fraction"] == 0
    thinned = z.clone()
    thinned[:, :3] *= 0.001
    now = watch.measure(thinned)
    assert now["dead_fraction"] == pytest.approx(0.3)
    assert now["collapsed"] == 0
    assert watch.measure(0.2 * z)["norm_ratio"] == pytest.approx(0.2)
    copy = Diagnostics()
    copy.set_state(watch.get_state())
    assert copy.measure(0.2 * z) == watch.measure(0.2 * z)
    fresh = Diagnostics()
    fresh.set_state(Diagnostics().get_state())
    assert fresh.measure(z)["norm_ratio"] == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda z: 0.05 * z,  # shrunk
        lambda z: z * torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 0, 0, 0]),  # thin
        lambda z: z + 30,  # all in one direction
    ],
)
def test_each_way_of_collapsing_raises_the_alarm(spoil):
    watch, z = Diagnostics(), randn(300, 10)
    assert watch.measure(z)["collapsed"] == 0
    assert watch.measure(spoil(z))["collapsed"] == 1
