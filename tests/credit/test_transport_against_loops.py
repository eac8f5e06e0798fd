"""Recall and transport against plain loops, over random lives of several fragments."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from karma_rllib.credit.params import TvtParams
from tests.credit.fragments import KEY, charge, keep, make, random_fragment, remember
from tests.credit.transport_reference import SlowSociety


@st.composite
def params(draw):
    return TvtParams(
        match=draw(st.sampled_from(["hard_opp", "hard_role", "soft"])),
        memory_slots=draw(st.sampled_from([2, 5, 1000])),
        memory_persist=draw(st.booleans()),
        key_dim=KEY,
        read_top_k=draw(st.sampled_from([1, 2, 5])),
        beta=draw(st.sampled_from([0.0, 1.0, 10.0])),
        tau_age=draw(st.sampled_from([20.0, 2000.0])),
        theta_read=draw(st.sampled_from([-1.0, 1.5])),
        exclusion=draw(st.sampled_from([0, 3, 17])),
        harm=draw(st.sampled_from(["gap", "surprise", "reward", "value"])),
        harm_max=draw(st.sampled_from([0.5, 5.0])),
        blame_cap=draw(st.sampled_from([0.5, 3.0, 1000.0])),
        retro_max_age=draw(st.sampled_from([1, 2, 20])),
        snapshots=draw(st.sampled_from([4, 1000])),
    )


#: A case in which float32 leaves a share of about 1e-6 where float64 leaves none.
DUST = TvtParams(
    match="hard_opp", memory_slots=1000, key_dim=4, read_top_k=2, beta=10.0, theta_read=-1.0,
    exclusion=0, harm="surprise", harm_max=5.0, alpha=0.9, blame_cap=1000.0,
    retro_max_age=1, retro_window=1, snapshots=1000,
)  # fmt: skip


def shares(rows):
    """Sum what goes to each (world, agent, snapshot, age)."""
    found = defaultdict(float)
    for world, agent, snap, delta, age in rows:
        found[world, agent, snap, age] += delta
    return found


def assert_same_shares(got, wanted):
    for crime in got.keys() | wanted.keys():
        assert got.get(crime, 0.0) == pytest.approx(wanted.get(crime, 0.0), abs=2e-5), crime


@settings(deadline=None, max_examples=150)
@given(params(), st.integers(0, 2**32 - 1), st.sampled_from([2, 5]))
@example(DUST, 89887977, 2)
def test_three_fragments_agree_with_plain_loops(chosen, seed, timeout):
    rng = np.random.default_rng(seed)
    T, W, N = 30, 2, 3
    recall, snapshots = make(chosen, W, N)
    slow = SlowSociety(W, N, chosen, chosen.exclusion)
    g = np.array([0, 1000])
    for _ in range(3):
        frag = random_fragment(rng, T, W, N, g)
        g = g + T
        readings, links = remember(recall, frag)
        fast = charge(recall, links, frag, snapshots, timeout=timeout)
        keep(snapshots, recall, frag)
        expected_readings, delta, retro, sums = slow.play(frag, 0.99, timeout)

        expected = np.zeros_like(readings)
        for at, reading in expected_readings.items():
            expected[at] = reading
        np.testing.assert_allclose(readings, expected, atol=1e-5)
        expected = np.zeros(frag["reward"].shape)
        for at, amount in delta.items():
            expected[at] = amount
        np.testing.assert_allclose(fast.delta, expected, atol=2e-5)
        # summed per crime: a share of nothing in float64 may be a grain of dust in float32
        assert_same_shares(shares(zip(*fast.retro, strict=True)), shares(retro))
        for key, name in {
            "harm": "harm",
            "transported_now": "now",
            "transported_retro": "late",
            "retro_lost": "lost",
            "retro_stale": "stale",
            "capped": "capped",
        }.items():
            assert fast.sums[key] == pytest.approx(sums[name], abs=1e-4), key
        known = np.array([[np.nan if x is None else x for x in row] for row in slow.usual])
        np.testing.assert_allclose(recall.usual, known, atol=1e-5)
