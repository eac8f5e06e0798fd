"""The layer that visits set bytes only is the dense layer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from karma_rllib.nets import planes
from karma_rllib.nets.net import MirrorNet, make_spec


def frames(m, shape, d, density, seed=0, top=2):
    g = torch.Generator().manual_seed(seed)
    size = (m, *shape)
    grid = torch.randint(1, top, size, generator=g, dtype=torch.uint8)
    return grid * (torch.rand(size, generator=g) < density), torch.randn(m, d, generator=g)


@settings(max_examples=30, deadline=None)
@given(
    m=st.integers(0, 9),
    d=st.integers(0, 4),
    width=st.sampled_from([1, 5, 32]),
    density=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 99),
)
def test_it_gives_the_outputs_and_gradients_of_the_dense_layer(m, d, width, density, seed):
    grid, vec = frames(m, (3, 4, 2), d, density, seed, top=256)
    scale = torch.tensor([1 / 255, 1 / 64]).repeat(12)
    layer = nn.Linear(24 + d, width)
    sparse = planes.linear(layer, grid, vec, scale)
    dense = layer(torch.cat((grid.flatten(1) * scale, vec), 1))
    torch.testing.assert_close(sparse, dense, rtol=1e-4, atol=1e-3)
    back = torch.randn_like(dense)
    for ours, theirs in zip(
        torch.autograd.grad(sparse, layer.parameters(), back),
        torch.autograd.grad(dense, layer.parameters(), back),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_a_frame_is_seen_the_same_whatever_else_is_in_the_batch():
    grid, vec = frames(50, (5, 5, 3), 4, 0.2)
    layer, scale = nn.Linear(79, 16), torch.ones(75)
    together = planes.linear(layer, grid, vec, scale)
    alone = [planes.linear(layer, grid[i : i + 1], vec[i : i + 1], scale) for i in range(50)]
    assert torch.equal(together, torch.cat(alone))


def test_the_gradient_of_many_frames_keeps_float_precision():
    grid, vec = frames(20_000, (2, 2, 1), 1, 1.0)
    layer = nn.Linear(5, 8)
    out = planes.linear(layer, grid, vec, torch.ones(4))
    back = torch.rand(out.shape, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad(out, layer.weight, back)
    exact = back.double().T @ torch.cat((grid.flatten(1), vec), 1).double()
    assert ((ours - exact).abs().max() / exact.abs().max()) < 1e-4


@pytest.mark.parametrize("density", [0.05, 0.9])
def test_a_network_computes_the_same_by_either_road(density, monkeypatch):
    grid, vec = frames(40, (7, 7, 10), 15, density)
    net = MirrorNet((7, 7, 10), 15, 8, make_spec("tiny"))
    assert net._sparse(grid)
    sparse = net.encode(grid, vec)
    monkeypatch.setattr(net, "_sparse", lambda grid: False)
    for ours, theirs in zip(sparse, net.encode(grid, vec), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_graded_images_take_the_dense_road():
    net = MirrorNet((7, 7, 3), 0, 8, make_spec("tiny"), grid_scale=1 / 255)
    assert not net._sparse(torch.zeros(1, 7, 7, 3, dtype=torch.uint8))
