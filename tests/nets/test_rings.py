"""Rings against a deque, the reservoir against its law."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.nets.rings import Reservoir, Ring


def rows(values):
    values = np.asarray(values, np.int64)
    return {"x": values, "wide": np.repeat(values[:, None], 3, 1).astype(np.float32)}


@settings(deadline=None)
@given(
    st.integers(1, 7),
    st.lists(st.one_of(st.integers(0, 10), st.just("drop")), max_size=20),
)
def test_a_ring_holds_what_a_deque_of_its_length_holds(capacity, moves):
    ring, oracle, stamp = Ring(capacity), deque(maxlen=capacity), 0
    for move in moves:
        if move == "drop":  # everything older than half of what was ever added
            ring.drop_older("x", stamp // 2)
            oracle = deque((v for v in oracle if v >= stamp // 2), maxlen=capacity)
        else:
            new = list(range(stamp, stamp + move))
            stamp += move
            ring.add(rows(new))
            oracle.extend(new)
        assert len(ring) == len(oracle)
        got = ring.take(np.arange(len(ring)))
        if oracle:
            np.testing.assert_array_equal(got["x"], list(oracle))
            np.testing.assert_array_equal(got["wide"][:, 2], list(oracle))
    copy = Ring(capacity)
    copy.set_state(ring.get_state())
    assert len(copy) == len(ring)
    if oracle:
        np.testing.assert_array_equal(copy.take(np.arange(len(copy)))["x"], list(oracle))


def test_what_is_taken_is_a_copy_of_the_wanted_columns_only():
    ring = Ring(4)
    ring.add({"left.grid": np.arange(3), "left.vec": np.arange(3), "right.grid": np.arange(3)})
    got = ring.take(np.array([2, 0]), ("left",))
    assert set(got) == {"left.grid", "left.vec"}
    got["left.grid"][:] = 99
    np.testing.assert_array_equal(ring.take(np.array([0, 1, 2]))["left.grid"], [0, 1, 2])


def test_rows_with_other_columns_are_refused_by_name():
    ring = Ring(4)
    ring.add(rows([1]))
    with pytest.raises(ValueError, match=r"same columns; \['wide'\] differ"):
        ring.add({"x": np.arange(2)})


def test_a_reservoir_holds_every_row_it_was_offered_with_the_same_chance():
    # 3000 runs, 20 of 50 rows each: a row's count is binomial(3000, .4). 5 standard deviations
    # are exceeded by one of 50 rows with a chance below 1e-4.
    rng, held = np.random.default_rng(0), np.zeros(50)
    for _ in range(3000):
        box, offered = Reservoir(20), np.arange(50)
        for part in np.split(offered, [7, 30, 31]):
            chosen, slots = box.choose(rng, len(part))
            box.put(slots, rows(part[chosen]))
        values = box.take(np.arange(len(box)))["x"]
        assert len(np.unique(values)) == len(box) == 20
        held[values] += 1
    assert np.abs(held - 1200).max() < 5 * np.sqrt(3000 * 0.4 * 0.6)


def test_a_reservoir_that_forgets_holds_recent_rows():
    rng, box = np.random.default_rng(0), Reservoir(100)
    for block in range(60):
        box.forget(1 / 5)
        chosen, slots = box.choose(rng, 200)
        box.put(slots, {"x": np.full(len(chosen), block)})
    ages = 59 - box.take(np.arange(100))["x"]
    # the steady state replaces about a fifth per block: the mean age is near 4.5 blocks
    assert 2 < ages.mean() < 7
    assert len(box) == 100


def test_a_reservoir_that_is_not_full_takes_everything():
    rng, box = np.random.default_rng(0), Reservoir(10)
    chosen, slots = box.choose(rng, 6)
    np.testing.assert_array_equal(chosen, np.arange(6))
    box.put(slots, rows(np.arange(6)))
    assert sorted(box.take(np.arange(6))["x"]) == list(range(6))
    restored = Reservoir(10)
    restored.set_state(box.get_state())
    assert (len(restored), restored.seen) == (6, 6.0)
    np.testing.assert_array_equal(restored.take(np.arange(6))["x"], box.take(np.arange(6))["x"])
