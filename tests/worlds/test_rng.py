"""The counter generator: known values, agreement with plain integers, independence."""

import numpy as np

from karma_rllib.worlds import rng
from tests.worlds.harvest_reference import Stream


def test_the_sequence_is_splitmix64():
    """First outputs for state 0, as published with the algorithm."""
    known = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(rng.bits(np.uint64(0), i)) for i in range(3)] == known


def test_draws_agree_with_plain_integers():
    draw = np.random.default_rng(0)
    for seed, uid, g in draw.integers(0, 2**62, (50, 3)).tolist():
        got = rng.uniforms(seed, np.array([uid]), np.array([g]), 4, stream=3)[0]
        stream = Stream(seed, uid, g, rng.USER_STREAMS + 3)
        assert got.tolist() == [stream.unit(i) for i in range(4)]
        world = np.uint64(rng.world_key(seed, uid))
        key = np.uint64(rng.stream_key(world, g, rng.USER_STREAMS + 3))
        assert [int(rng.below(key, i, 7)) for i in range(4)] == [
            stream.below(i, 7) for i in range(4)
        ]


def test_uniforms_are_uniform_over_every_axis_of_the_address():
    """Chi-square over 64 bins at level 0.001, along each axis and for lag-1 pairs."""
    n, bins = 64 * 200, 64
    one, zero = np.arange(n), np.zeros(n, int)
    axes = {
        "index": rng.uniforms(1, zero[:1], zero[:1], n)[0],
        "step": rng.uniforms(1, zero, one, 1)[:, 0],
        "uid": rng.uniforms(1, one, zero, 1)[:, 0],
        "seed": np.array([rng.uniforms(s, zero[:1], zero[:1], 1)[0, 0] for s in range(n)]),
        "stream": np.array(
            [rng.uniforms(1, zero[:1], zero[:1], 1, stream=k)[0, 0] for k in range(n)]
        ),
    }
    for name, u in axes.items():
        assert 0 <= u.min() < u.max() < 1
        counts = np.bincount((u * bins).astype(int), minlength=bins)
        assert ((counts - 200) ** 2 / 200).sum() < 104.0, name  # 63 degrees of freedom: 103.4
        pairs = (u[:-1] * 8).astype(int) * 8 + (u[1:] * 8).astype(int)
        counts = np.bincount(pairs, minlength=64)
        expected = (n - 1) / 64
        assert ((counts - expected) ** 2 / expected).sum() < 110.0, name


def test_below_is_uniform():
    key = np.uint64(rng.stream_key(np.uint64(rng.world_key(0, 0)), 0, 0))
    counts = np.bincount([rng.below(key, i, 7) for i in range(7000)], minlength=7)
    assert counts.size == 7
    assert ((counts - 1000) ** 2 / 1000).sum() < 22.5  # chi-square, 6 degrees, level 0.001


def test_a_scalar_step_serves_all_worlds():
    wide = rng.uniforms(0, np.arange(3), np.array(5), 2)
    np.testing.assert_array_equal(wide, rng.uniforms(0, np.arange(3), np.full(3, 5), 2))
