"""Windows of decisions: which rows they hold, and what the ring forgets."""

import numpy as np
import pytest

from karma_rllib.credit.params import TvtParams
from karma_rllib.credit.snapshots import Snapshots, tail_weights, windows
from tests.credit.fragments import KEY, keep, make, random_fragment, remember


def write(store, frag, world, agent, row, states=()):
    columns = {"reward": frag["reward"], "logp": frag["value"]}
    states = dict.fromkeys(states, frag["value_vector"])
    at = [np.asarray(x) for x in (world, agent, row)]
    return store.write(columns, states, frag["truncated"], frag["active"], *at)


def fragment(seed=0, T=12):
    return random_fragment(np.random.default_rng(seed), T, 2, 3, p_end=0.0)


def test_a_window_stays_in_its_episode_and_its_fragment():
    truncated = np.zeros((12, 2), bool)
    truncated[5, 1] = True
    rows, steps = windows(truncated, np.array([0, 0, 1, 1, 1]), np.array([9, 1, 7, 5, 6]), 4)
    assert rows.tolist() == [[6, 7, 8, 9], [0, 1, 1, 1], [6, 7, 7, 7], [2, 3, 4, 5], [6, 6, 6, 6]]
    assert steps.tolist() == [4, 2, 2, 4, 1]


def test_a_window_holds_the_crimes_columns_and_the_state_before_its_first_step():
    frag = fragment()
    frag["active"][7, 0, 1] = False
    store = Snapshots(100, 3)
    numbers = write(store, frag, [0, 1], [1, 2], [8, 1], states=["h"])
    columns, held = store.take(numbers)
    assert held.all()
    np.testing.assert_array_equal(columns["reward"][0], frag["reward"][6:9, 0, 1])
    np.testing.assert_array_equal(columns["reward"][1, :2], frag["reward"][:2, 1, 2])
    np.testing.assert_array_equal(columns["state/h"][0], frag["value_vector"][6, 0, 1])
    np.testing.assert_array_equal(columns["state/h"][1], frag["value_vector"][0, 1, 2])
    assert columns["steps"].tolist() == [3, 2]
    np.testing.assert_array_equal(columns["mask"][0], [frag["active"][6, 0, 1], False, True])
    assert not columns["mask"][1, 2]


def test_weights_fall_off_before_the_crime_as_advantages_do():
    weights = tail_weights(np.array([3, 1]), 3, 0.9, 0.5)
    np.testing.assert_allclose(weights, [[0.45**2, 0.45, 1.0], [1.0, 0.0, 0.0]], rtol=1e-6)


def test_the_ring_grows_to_its_capacity_and_then_forgets_the_oldest():
    frag, store = fragment(T=300), Snapshots(700)
    for batch in range(3):
        row = np.arange(300)
        numbers = write(store, frag, row * 0 + batch % 2, row * 0, row)
        assert numbers.tolist() == list(range(300 * batch, 300 * batch + 300))
    assert (len(store), store.oldest) == (700, 200)
    columns, held = store.take(np.array([-1, 199, 200, 599, 899, 900]))
    assert held.tolist() == [False, False, True, True, True, False]
    expected = frag["reward"][[200, 299, 299], [0, 1, 0], 0]
    np.testing.assert_array_equal(columns["reward"][held, 0], expected)


def test_more_than_a_ringful_at_once_leaves_the_newest():
    frag, store = fragment(T=50), Snapshots(20)
    row = np.arange(50)
    columns, held = store.take(write(store, frag, row * 0, row * 0, row))
    assert held.sum() == 20
    np.testing.assert_array_equal(columns["reward"][held, 0], frag["reward"][30:, 0, 0])


def test_a_small_store_takes_little_memory():
    frag, store = fragment(), Snapshots(1_000_000, 1)
    write(store, frag, [0], [0], [3])
    assert store.nbytes() < 10_000


def test_columns_that_do_not_fit_are_named():
    frag, store = fragment(), Snapshots(10)
    write(store, frag, [0], [0], [3])
    with pytest.raises(ValueError, match="'state/c'"):
        write(store, frag, [0], [0], [3], states=["c"])


def test_a_restored_store_holds_and_continues_alike():
    frag, store = fragment(), Snapshots(5, 2)
    write(store, frag, [0, 1, 0, 1, 0, 1], [0, 1, 2, 0, 1, 2], [3, 4, 5, 6, 7, 8])
    other = Snapshots(5, 2)
    other.set_state(store.get_state())
    for one in (store, other):
        assert write(one, frag, [1], [1], [9]).tolist() == [6]
    (columns, held), (same, also) = (one.take(np.arange(7)) for one in (store, other))
    assert held.tolist() == also.tolist() == [False, False, True, True, True, True, True]
    for name, x in columns.items():
        np.testing.assert_array_equal(x[held], same[name][also])
    with pytest.raises(ValueError, match="capacity 5 and windows of 2"):
        Snapshots(5, 3).set_state(store.get_state())


def test_every_remembered_crime_is_photographed_at_its_own_decision():
    chosen = TvtParams(key_dim=KEY, memory_slots=4)
    recall, store = make(chosen, 2)
    rng, g = np.random.default_rng(4), np.array([0, 500])
    for _ in range(3):
        frag = random_fragment(rng, 40, 2, 3, g)
        g = g + 40
        remember(recall, frag)
        assert keep(store, recall, frag) > 0
        world, agent, slot, row = recall.crimes(frag["g"][0])
        columns, held = store.take(recall.bank.snap[world, agent, slot])
        assert held.all()
        np.testing.assert_array_equal(columns["reward"][:, 0], frag["reward"][row, world, agent])
        assert frag["hit"][row, world, agent].any(-1).all()
