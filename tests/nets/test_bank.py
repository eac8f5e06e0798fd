"""The bank: what a draw pairs, how much of it, how old, and that it resumes exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_frames import KIND, fill, frames, ids, kinds, states

from karma_rllib.nets.bank import BROKEN_PAIRS, PAIRINGS, EventBank


def bank(**kw):
    return EventBank(**{"size": 64, "max_age": 3, "min_pairs": 16, "seed": 0, **kw})


@pytest.mark.parametrize(("view", "side"), [("decision", "agg_dec"), ("outcome", "agg_out")])
def test_both_frames_of_a_pair_are_of_the_same_zap_in_the_same_world(view, side):
    box = fill(bank())
    for _ in range(20):
        draw = box.draw(32, "agg_vic", aggressor_view=view)
        np.testing.assert_array_equal(ids(draw.left), draw.zid_left)
        np.testing.assert_array_equal(ids(draw.right), draw.zid_right)
        np.testing.assert_array_equal(draw.zid_left, draw.zid_right)
        assert len(np.unique(draw.zid_left)) == 32  # without replacement
        assert kinds(draw.left) == {KIND[side]}
        assert kinds(draw.right) == {KIND["vic_out"]}
    assert kinds(box.draw(8, "agg_vic", victim_view="decision").right) == {KIND["vic_dec"]}
    stored = box.pairs.take(np.arange(40))
    np.testing.assert_array_equal(stored["uid"], stored["zid"] + 1000)


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_every_arm_gets_the_same_number_of_pairs(pairing):
    box = bank()
    fill(box, pairs=15)
    assert box.draw(64, pairing) is None
    fill(box, pairs=10, first=100, cleaners=0, neutrals=0)
    draw = box.draw(64, pairing)
    assert len(draw.weight) == len(draw.left["vec"]) == len(draw.right["vec"]) == 25
    assert len(box.draw(20, pairing).weight) == 20


def test_each_arm_aligns_what_it_claims():
    box = fill(bank(), foragers=20)
    sides = {p: (kinds(d.left), kinds(d.right)) for p in PAIRINGS if (d := box.draw(30, p))}
    agg, vic, neutral, out = ({KIND[k]} for k in ("agg_out", "vic_out", "neutral", "out"))
    assert sides == {
        "agg_vic": (agg, vic),
        "agg_vic_shuffled": (agg, vic),
        "agg_cleaner": (agg, out),
        "agg_neutral": (agg, neutral),
        "neutral_neutral": (neutral, neutral),
    }
    literal = box.draw(30, "agg_cleaner", aggressor_view="decision")
    assert (kinds(literal.left), kinds(literal.right)) == ({KIND["agg_dec"]}, {KIND["dec"]})
    assert BROKEN_PAIRS.keys() == {"zap_waste", "apple", "random"}
    assert kinds(box.draw(30, "agg_cleaner", broken_pair="random").right) == neutral
    apples = box.draw(30, "agg_cleaner", broken_pair="apple").right
    assert kinds(apples) == out
    assert ids(apples).max() < 20


@pytest.mark.parametrize("missing", ["cleaners", "neutrals"])
def test_an_arm_whose_frames_do_not_occur_draws_nothing(missing):
    box = fill(bank(), **{missing: 3})
    needs = {"cleaners": {"agg_cleaner"}, "neutrals": {"neutral_neutral", "agg_neutral"}}[missing]
    assert {p for p in PAIRINGS if box.draw(8, p) is None} == needs
    assert box.draw(8, "agg_cleaner", broken_pair="apple") is None


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(2, 40))
def test_shuffled_victims_are_victims_of_another_zap(seed, window, zaps):
    box = bank(size=1024, min_pairs=2, seed=seed)
    for _ in range(window):  # the frames after one hit share its zid
        fill(box, pairs=zaps, cleaners=0, neutrals=0)
    draw = box.draw(32, "agg_vic_shuffled")
    np.testing.assert_array_equal(ids(draw.right), draw.zid_right)
    own = draw.zid_left == draw.zid_right
    assert (draw.weight[own] == 0).all()
    assert (draw.weight[~own] == 1).all()
    if np.unique(draw.zid_left, return_counts=True)[1].max() * 2 <= len(own):
        assert not own.any()


def test_the_victims_of_a_shuffled_draw_are_those_of_the_draw():
    box = fill(bank())
    draw = box.draw(24, "agg_vic_shuffled")
    np.testing.assert_array_equal(np.sort(draw.zid_left), np.sort(draw.zid_right))


def test_rows_leave_after_max_age_iterations():
    box = bank()
    for iteration in range(5):
        box.next_iteration(iteration)
        fill(box, pairs=16, first=100 * iteration)
    held = set(box.pairs.take(np.arange(len(box.pairs)))["zid"] // 100)
    assert held == {2, 3, 4}
    box.next_iteration(100)
    assert (box.count("pair"), box.count("cleaner")) == (0, 0)
    assert box.draw(16) is None


def test_weights_travel_with_their_pairs():
    box = bank()
    zid = np.arange(20)
    box.add_pairs(
        **{side: frames(side, zid) for side in ("agg_dec", "agg_out", "vic_out")},
        zid=zid, uid=zid, weight=1.0 / (1 + zid),
    )  # fmt: skip
    draw = box.draw(16)
    np.testing.assert_allclose(draw.weight, 1.0 / (1 + draw.zid_left), rtol=1e-6)


def test_recurrent_states_come_back_with_the_outcome_frames():
    box = fill(bank(), cells=3)
    draw = box.draw(20)
    a, v = states(40, 3, 1), states(40, 3, 2)
    for key in ("h", "c"):
        np.testing.assert_array_equal(draw.left[key], a[key][draw.zid_left])
        np.testing.assert_array_equal(draw.right[key], v[key][draw.zid_left])
    assert "h" not in box.draw(20, aggressor_view="decision").left


def test_only_neutral_frames_that_are_kept_get_copied():
    box, copied = fill(bank()), []

    def take(k):
        copied.append(len(k))
        return frames("neutral", k)

    box.offer_neutrals(10_000, take)
    assert sum(copied) <= 64
    assert box.count("neutral") == 64


def test_the_latest_pairs_are_the_newest_and_use_no_randomness():
    box = fill(bank())
    before = box.get_state()["rng"]
    draw = box.latest_pairs(10)
    np.testing.assert_array_equal(draw.zid_left, np.arange(30, 40))
    np.testing.assert_array_equal(ids(draw.right), draw.zid_left)
    np.testing.assert_array_equal(box.get_state()["rng"], before)
    assert bank().latest_pairs(10) is None


def test_a_restored_bank_draws_and_ages_exactly_as_the_original_would_have():
    box = bank(size=40)
    for iteration in range(4):  # overflow, age and thin the rings
        box.next_iteration(iteration)
        fill(box, pairs=17, first=100 * iteration, neutrals=90, foragers=18)
    state = box.get_state()
    assert all(isinstance(v, np.ndarray) and v.dtype != object for v in state.values())
    twin = bank(size=40, seed=77)
    twin.set_state({k: v.copy() for k, v in state.items()})
    for iteration in range(4, 6):
        for one in (box, twin):
            one.next_iteration(iteration)
            fill(one, pairs=17, first=100 * iteration, neutrals=90)
        for pairing in PAIRINGS:
            a, b = box.draw(12, pairing), twin.draw(12, pairing)
            for x, y in ((a.left, b.left), (a.right, b.right)):
                for key in x:
                    np.testing.assert_array_equal(x[key], y[key])
            np.testing.assert_array_equal(a.weight, b.weight)


def test_different_seeds_draw_differently_and_the_same_seed_alike():
    draws = [fill(bank(seed=s)).draw(16).zid_left for s in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_a_bank_too_small_for_its_own_minimum_is_refused():
    with pytest.raises(ValueError, match=r"bank_size is 8 but must be at least min_pairs = 16"):
        EventBank(size=8)
