"""Lifetimes: debts outlive episodes, belong to one world, and travel with the state."""

import pickle

import numpy as np
import pytest

from karma_rllib.society import lifetime
from karma_rllib.society.ledger import BOOKS, LedgerParams
from karma_rllib.worlds.rng import uniforms

SOCIETYS_OWN = {
    "predatory", "retributive", "aim_debtor", "debt", "debt_made", "debt_paid",
    "chance_retributive",
    "rigged", "pairs_wanted", "pairs_rigged",
    "raw_reward", "hit_kin", "hit_kin_chance", "hit_own", "gift_kin", "gift_kin_chance", "gifts",
}  # fmt: skip
SMALL = {"grid_size": 5, "num_agents": 4, "max_steps": 30, "timeout": 3}


def live(life, steps, seed=0, zap=0.5):
    """Random play with many zaps, fresh episodes where they end.

    Yields the ledger before each step, the actions and the result.
    """
    B, N = life.num_worlds, life.num_agents
    for k in range(steps):
        u = uniforms(seed, life.uid, np.full(B, k), 2 * N)
        actions = np.where(u[:, :N] < zap, 7, (u[:, N:] * 7).astype(int))
        before = life.ledger.copy()
        out = life.step(actions)
        yield before, actions, out
        if out.truncated.any():
            life.reset(out.truncated)


def test_every_hit_is_either_predatory_or_retributive_by_the_ledger_before_the_step():
    life = lifetime.make_lifetime(num_worlds=8, **SMALL)
    life.reset()
    hits = 0
    for before, _, out in live(life, 200):
        events = out.events
        owed = before.swapaxes(1, 2) > np.float32(0.1)  # [i, j]: j owes i
        np.testing.assert_array_equal(events.retributive, events.hit & owed)
        np.testing.assert_array_equal(events.predatory, events.hit & ~owed)
        np.testing.assert_array_equal(life.ledger_before, before)
        hits += events.hit.sum()
    assert hits > 300


def test_debts_survive_a_reset_unchanged_without_decay():
    life = lifetime.make_lifetime(num_worlds=4, **SMALL)
    life.reset()
    for _ in live(life, 20):
        pass
    before = life.ledger.copy()
    assert before.sum() > 0
    life.reset()
    np.testing.assert_array_equal(life.ledger, before)


def test_decay_applies_at_reset_and_only_to_the_worlds_that_reset():
    life = lifetime.make_lifetime(num_worlds=4, ledger={"debt_decay": 0.5}, **SMALL)
    life.reset()
    for _ in live(life, 20):
        pass
    before = life.ledger.copy()
    mask = np.array([True, False, True, False])
    life.reset(mask)
    np.testing.assert_allclose(life.ledger[mask], before[mask] * 0.5)
    np.testing.assert_array_equal(life.ledger[~mask], before[~mask])


@pytest.mark.parametrize(
    "rules",
    [
        {"debt_decay": 0.9},
        {"payment_mode": "scale", "payment": 0.8, "apple_weight": 1.5, "debt_decay": 0.75},
        {"payment_mode": "clear", "netting": True},
    ],
)
def test_debt_made_minus_paid_minus_netted_minus_decayed_is_the_debt_there_is(rules):
    life = lifetime.make_lifetime(num_worlds=4, ledger=rules, **SMALL)
    life.reset()
    for _ in live(life, 300):
        made, *gone = life.ledger_books.T
        np.testing.assert_allclose(life.ledger.sum((1, 2)), made - sum(gone), atol=1e-3)
    moved = dict(zip(BOOKS, life.ledger_books.sum(0)))
    assert moved["made"] > 0
    assert moved["paid"] > 0


def test_the_step_is_the_worlds_own_but_for_the_labels():
    from karma_rllib import worlds

    life = lifetime.make_lifetime(num_worlds=3, seed=5, first_uid=7, **SMALL)
    world = worlds.make("harvest-v0", num_worlds=3, seed=5, first_uid=7, **SMALL)
    life.reset()
    world.reset()
    for _, actions, out in live(life, 25):
        bare = world.step(actions)
        np.testing.assert_array_equal(bare.obs["grid"], out.obs["grid"])
        np.testing.assert_array_equal(bare.obs["vec"], out.obs["vec"])
        np.testing.assert_array_equal(bare.reward, out.reward)
        for name in set(bare.events._fields) - SOCIETYS_OWN:
            np.testing.assert_array_equal(getattr(bare.events, name), getattr(out.events, name))


def test_a_world_lives_the_same_life_alone_and_in_a_batch():
    many = lifetime.make_lifetime(num_worlds=5, seed=1, first_uid=10, **SMALL)
    one = lifetime.make_lifetime(num_worlds=1, seed=1, first_uid=13, **SMALL)
    many.reset()
    one.reset()
    for _, _ in zip(live(many, 70), live(one, 70)):
        np.testing.assert_array_equal(many.ledger[3], one.ledger[0])
    assert one.ledger.sum() > 0


def fingerprint(life, steps):
    return [
        (out.obs["grid"].tobytes(), out.reward.tobytes(), out.events.predatory.tobytes())
        for _, _, out in live(life, steps, seed=9)
    ] + [life.ledger.tobytes(), life.ledger_books.tobytes()]


@pytest.mark.parametrize("way", ["state", "pickle"])
def test_a_life_goes_on_exactly_from_its_state_and_from_a_pickle(way):
    life = lifetime.make_lifetime(num_worlds=3, seed=2, ledger={"debt_decay": 0.5}, **SMALL)
    life.reset()
    for _ in live(life, 45):
        pass
    if way == "state":
        twin = lifetime.make_lifetime(num_worlds=3, seed=2, ledger={"debt_decay": 0.5}, **SMALL)
        state = life.get_state()
        assert all(isinstance(array, np.ndarray) for array in state.values())
        twin.set_state(state)
    else:
        twin = pickle.loads(pickle.dumps(life))
    assert fingerprint(life, 60) == fingerprint(twin, 60)


def test_a_state_is_a_copy():
    life = lifetime.make_lifetime(**SMALL)
    life.reset()
    state = life.get_state()
    state["ledger"][:] = 5
    assert life.ledger.sum() == 0


def test_a_state_of_another_shape_is_refused_by_name():
    life = lifetime.make_lifetime(num_worlds=2, **SMALL)
    state = lifetime.make_lifetime(num_worlds=3, **SMALL).get_state()
    with pytest.raises(ValueError, match=r"ledger of the state has shape \(3, 4, 4\)"):
        life.set_state(state)
    with pytest.raises(ValueError, match="no array 'ledger'"):
        life.set_state({})


@pytest.mark.parametrize("mode", ["pair", "self"])
def test_the_debt_observation_shows_the_ledger_after_the_step(mode):
    life = lifetime.make_lifetime(num_worlds=4, obs_debt=mode, **SMALL)
    life.reset()
    shown = 0
    for _, _, out in live(life, 29):
        fresh = life.world.observe(debt=life.ledger)
        np.testing.assert_array_equal(out.obs["grid"], fresh["grid"])
        np.testing.assert_array_equal(out.obs["vec"], fresh["vec"])
        nothing = life.world.observe()
        shown += any((nothing[key] != out.obs[key]).any() for key in nothing)
    assert shown > 5


def test_make_lifetime_takes_rules_as_a_mapping_or_as_an_object():
    rules = LedgerParams(payment_mode="clear")
    assert lifetime.make_lifetime(ledger=rules, **SMALL).ledger_params == rules
    assert lifetime.make_lifetime(ledger={"payment_mode": "clear"}, **SMALL).ledger_params == rules
    with pytest.raises(ValueError, match="did you mean 'payment_mode'"):
        lifetime.make_lifetime(ledger={"paymentmode": "clear"}, **SMALL)
