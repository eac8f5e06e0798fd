"""The matchmaker: who is paired, where they start, and what it must leave alone."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.society.match_kernels import choose_pairs, draw_spot
from karma_rllib.society.matchmaker import (
    CREDITOR,
    DEBTOR,
    MatchmakerParams,
    compile_rules,
)
from karma_rllib.worlds.harvest_state import STEP_COL, STEP_ROW, ZAP
from tests.society.test_lifetime import live

EMPTY = {
    "grid_size": 10, "num_agents": 5, "max_steps": 20, "apple_density": 0.0, "respawn_prob": 0.0,
}  # fmt: skip
DEBTS = np.array(
    [
        [0, 3.0, 0, 0, 0.5],
        [0, 0, 4.0, 0, 0],
        [0, 0, 0, 0, 0.05],  # not above the threshold
        [1.0, 0, 2.0, 0, 0],
        [0, 0, 0, 0.2, 0],
    ],
    np.float32,
)


def indebted(num_worlds=4, debts=DEBTS, **more):
    """A lifetime with a fixed ledger in every world."""
    settings = {**EMPTY, "matchmaker": {"mode": "debt"}, **more}
    life = make_lifetime(num_worlds=num_worlds, seed=more.pop("seed", 3), **settings)
    life.ledger[:] = debts
    return life


def ahead(pos, head, distance=1):
    """The cell `distance` ahead of an agent."""
    return pos[0] + distance * STEP_ROW[head], pos[1] + distance * STEP_COL[head]


def pairs_of(ledger, seed=0, **rules):
    """What `choose_pairs` takes off one ledger."""
    N = len(ledger)
    compiled = compile_rules(MatchmakerParams(mode="debt", **rules), N, 0.1)
    out = np.full((N // 2, 2), -1, np.int8)
    n = choose_pairs(compiled, np.uint64(seed), 0, np.asarray(ledger, np.float32), out)
    return [tuple(int(x) for x in pair) for pair in out[:n]]


def test_the_largest_debt_is_paired_first_and_nobody_twice():
    assert pairs_of(DEBTS) == [(1, 2), (3, 0)]


@given(
    st.integers(1, 9), st.integers(0, 2**31), st.sampled_from(["greedy", "softmax"]),
    st.integers(1, 5),
)  # fmt: skip
def test_pairs_are_disjoint_debts_above_the_threshold_for_any_number_of_agents(
    N, seed, pairing, most
):
    rng = np.random.default_rng(seed)
    ledger = np.round(rng.gamma(0.3, 2.0, (N, N)), 1).astype(np.float32)
    np.fill_diagonal(ledger, 0)
    if N < 2:
        assert pairs_of(ledger, pairing=pairing, max_pairs=most) == []
        return
    pairs = pairs_of(ledger, seed=seed, pairing=pairing, max_pairs=most)
    agents = [agent for pair in pairs for agent in pair]
    assert len(set(agents)) == len(agents)
    assert len(pairs) <= min(most, N // 2)
    assert all(ledger[pair] > np.float32(0.1) for pair in pairs)
    left = [i for i in range(N) if i not in agents]
    if len(pairs) < min(most, N // 2):  # it stopped because no debt was left
        assert not (ledger[np.ix_(left, left)] > np.float32(0.1)).any()
    if pairing == "greedy" and pairs:
        assert ledger[pairs[0]] == ledger.max()


def test_softmax_follows_its_temperature():
    ledger = np.zeros((2, 2))
    ledger[0, 1], ledger[1, 0] = 2.0, 1.0
    drawn = [pairs_of(ledger, seed=s, pairing="softmax", temperature=1.0)[0] for s in range(4000)]
    share = np.mean([pair == (0, 1) for pair in drawn])
    assert share == pytest.approx(np.e / (1 + np.e), abs=0.03)


def test_the_creditor_always_faces_its_debtor_on_distinct_free_cells():
    life = indebted(num_worlds=50)
    for _ in range(20):  # a thousand resets
        life.reset()
        for b in range(50):
            frame = life.world.frame(b)
            assert life.pairs[b].tolist() == [[1, 2], [3, 0]]
            assert life.pair_rigged[b].all()
            assert len({tuple(cell) for cell in frame.pos}) == 5
            for debtor, creditor in life.pairs[b]:
                assert ahead(frame.pos[creditor], frame.head[creditor]) == tuple(frame.pos[debtor])
                assert frame.head[debtor] == frame.head[creditor]  # looks away
        np.testing.assert_array_equal(life.rigged, [[CREDITOR, DEBTOR, CREDITOR, DEBTOR, 0]] * 50)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["debt", "random_pairs", "anti"]))
def test_nobody_starts_on_waste_on_a_wall_or_on_another(seed, mode):
    life = make_lifetime(
        num_worlds=3, seed=seed, profile="karma_seed", grid_size=8, num_agents=6,
        waste_init_frac=0.5, matchmaker={"mode": mode, "pair_distance": 2},
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    life.ledger[:] = rng.gamma(0.5, 2.0, life.ledger.shape)
    for b in range(3):
        np.fill_diagonal(life.ledger[b], 0)
    life.reset()
    for b in range(3):
        frame = life.world.frame(b)
        assert frame.present.all()
        assert len({tuple(cell) for cell in frame.pos}) == 6
        assert (frame.cells[frame.pos[:, 0], frame.pos[:, 1]] == 0).all()


@pytest.mark.parametrize("size", [3, 30])  # found at random, and by counting
def test_every_spot_that_fits_is_drawn_alike_often(size):
    free = np.zeros((size, size), bool)
    free[0, 0] = free[0, 1] = free[1, 0] = True  # four spots: east, west, south, north
    drawn = [draw_spot(1, np.uint64(n), 1, free) for n in range(2000)]
    counts = np.unique(drawn, return_counts=True)[1]
    assert len(counts) == 4
    assert stats.chisquare(counts).pvalue > 1e-3
    free[:] = False
    assert draw_spot(1, np.uint64(0), 0, free) == -1


def test_no_second_pair_stands_in_a_creditors_line():
    life = indebted(num_worlds=300, matchmaker={"mode": "debt", "pair_distance": 3})
    life.reset()
    assert life.pair_rigged.mean() > 0.95
    for b in range(300):
        frame = life.world.frame(b)
        others = {tuple(frame.pos[n]) for pair in life.pairs[b] for n in pair}
        for _, creditor in life.pairs[b]:
            line = {ahead(frame.pos[creditor], frame.head[creditor], k) for k in (1, 2)}
            assert not line & others


def test_a_pair_without_room_is_counted_as_wanted_and_not_as_rigged():
    life = make_lifetime(
        num_worlds=2, grid_size=5, num_agents=2, max_steps=5, apple_layout="uniform",
        apple_density=1.0, matchmaker={"mode": "debt"},
    )  # fmt: skip
    life.ledger[:, 0, 1] = 1.0
    life.reset()
    out = life.step(np.zeros((2, 2), int))
    assert out.events.pairs_wanted.tolist() == [1, 1]
    assert out.events.pairs_rigged.tolist() == [0, 0]
    assert not life.rigged.any()


def test_third_parties_start_anywhere_alike():
    life = indebted(num_worlds=400, max_steps=3)
    counts = np.zeros((10, 10))
    for _ in range(10):
        life.reset()
        for b in range(400):
            row, col = life.world.frame(b).pos[4]
            counts[row, col] += 1
    inner = counts[2:8, 2:8].ravel()  # away from the rim, where pairs fit less often
    assert stats.chisquare(inner).pvalue > 1e-3
    assert abs(counts.mean() - inner.mean()) < 0.1 * counts.mean()


def test_the_first_observation_shows_the_debtor_straight_ahead():
    life = indebted(num_worlds=8)
    obs = life.reset()
    radius = life.params.view_radius
    active = life.world.plane_names.index("agent_active")
    for b in range(8):
        for _, creditor in life.pairs[b]:
            assert obs["grid"][b, creditor, radius - 1, radius, active] == 1


def test_a_creditor_that_zaps_at_once_always_hits_and_the_debt_falls():
    life = indebted(num_worlds=30)
    life.reset()
    out = life.step(np.where(life.rigged == CREDITOR, ZAP, 0))
    for b in range(30):
        for debtor, creditor in life.pairs[b]:
            assert out.events.hit[b, creditor, debtor]
            assert out.events.retributive[b, creditor, debtor]
            assert out.events.aim_debtor[b, creditor]
            assert life.ledger[b, debtor, creditor] == DEBTS[debtor, creditor] - 1
    np.testing.assert_allclose(out.events.debt_paid, 2.0)
    np.testing.assert_allclose(out.events.debt, DEBTS.sum() - 2.0, rtol=1e-6)


def test_off_is_the_bare_world_and_strength_zero_spawns_like_it():
    off, none = (
        make_lifetime(num_worlds=300, seed=9, matchmaker=rules, **EMPTY)
        for rules in (None, {"mode": "debt", "debt_strength": 0.0})
    )
    bare = make_lifetime(num_worlds=300, seed=9, **EMPTY).world
    for life in (off, none):
        life.ledger[:] = DEBTS
    a, b, c = off.reset(), none.reset(), bare.reset()
    for key in a:
        np.testing.assert_array_equal(a[key], c[key])
        np.testing.assert_array_equal(a[key], b[key])
    assert none.pairs[:, 0].tolist() == [[1, 2]] * 300  # chosen, but not placed
    assert not none.pair_rigged.any()


def test_a_matchmaker_that_never_rigs_leaves_a_whole_life_as_it_is():
    small = {"num_worlds": 3, "seed": 4, "grid_size": 6, "num_agents": 4, "max_steps": 15}
    off, none = (
        make_lifetime(matchmaker=rules, **small)
        for rules in (None, {"mode": "debt", "debt_strength": 0.0})
    )
    off.reset()
    none.reset()
    for (_, _, a), (_, _, b) in zip(live(off, 100), live(none, 100)):
        np.testing.assert_array_equal(a.obs["grid"], b.obs["grid"])
        np.testing.assert_array_equal(off.ledger, none.ledger)
        assert not b.events.rigged.any()
    assert none.pairs.max() > 0


def test_strength_is_the_probability_of_being_rigged():
    life = indebted(num_worlds=2000, matchmaker={"mode": "debt", "debt_strength": 0.3})
    life.reset()
    assert life.pair_rigged.mean() == pytest.approx(0.3, abs=0.03)


def test_random_pairs_meet_as_often_as_debtors_do_but_for_no_reason():
    adjacent, owed = {}, {}
    for mode in ("debt", "random_pairs"):
        life = indebted(num_worlds=2000, matchmaker={"mode": mode})
        life.reset()
        adjacent[mode] = life.pair_rigged.sum()
        chosen = np.zeros((5, 5))
        np.add.at(chosen, (life.pairs[:, :, 0], life.pairs[:, :, 1]), 1)
        owed[mode] = chosen
    assert adjacent["debt"] == adjacent["random_pairs"]
    off = ~np.eye(5, dtype=bool)
    assert stats.chisquare(owed["random_pairs"][off]).pvalue > 1e-3  # every ordered pair alike
    assert abs(np.corrcoef(owed["random_pairs"][off], DEBTS[off])[0, 1]) < 0.5
    assert owed["debt"][DEBTS <= 0.1].sum() == 0


def test_random_pairs_can_be_as_many_as_there_are_agents_for():
    life = indebted(
        debts=np.zeros((5, 5)), matchmaker={"mode": "random_pairs", "random_count": "max"}
    )
    life.reset()
    assert life.pair_rigged.sum(1).tolist() == [2] * 4


def test_anti_starts_debtor_and_creditor_in_opposite_corners():
    life = indebted(num_worlds=20, matchmaker={"mode": "anti", "max_pairs": 1})
    life.reset()
    for b in range(20):
        debtor, creditor = life.pairs[b, 0]
        pos = life.world.frame(b).pos.astype(int)
        assert np.abs(pos[debtor] - pos[creditor]).sum() == 18
    assert not life.rigged.any()


def test_the_matchmaker_reads_debts_before_they_decay():
    life = indebted(ledger={"debt_decay": 0.0})
    life.reset()
    assert life.pairs[0].tolist() == [[1, 2], [3, 0]]
    assert not life.ledger.any()
    np.testing.assert_array_equal(life.pair_debt[0], [4.0, 1.0])


@pytest.mark.parametrize("mode", ["debt", "random_pairs", "anti"])
def test_a_world_lives_the_same_life_alone_and_in_a_batch_on_two_threads(mode):
    rules = {"mode": mode, "debt_strength": 0.7, "pairing": "softmax"}
    small = {"grid_size": 6, "num_agents": 5, "max_steps": 15, "timeout": 3}
    many = make_lifetime(
        num_worlds=5, seed=1, first_uid=10, num_threads=2, matchmaker=rules, **small
    )
    one = make_lifetime(num_worlds=1, seed=1, first_uid=13, matchmaker=rules, **small)
    many.reset()
    one.reset()
    for _, _ in zip(live(many, 100), live(one, 100)):
        np.testing.assert_array_equal(many.ledger[3], one.ledger[0])
        np.testing.assert_array_equal(many.pairs[3], one.pairs[0])
    assert one.pairs.max() > 0


@pytest.mark.parametrize("way", ["state", "pickle"])
def test_a_restored_lifetime_goes_on_with_the_same_matches(way):
    rules = {"mode": "debt"}
    small = {"grid_size": 6, "num_agents": 4, "max_steps": 15, "timeout": 3}
    life = make_lifetime(num_worlds=3, seed=2, matchmaker=rules, **small)
    life.reset()
    for _ in live(life, 20):
        pass
    copy = make_lifetime(num_worlds=3, seed=2, matchmaker=rules, **small)
    copy.set_state(life.get_state())
    if way == "pickle":
        copy = pickle.loads(pickle.dumps(life))
    np.testing.assert_array_equal(copy.rigged, life.rigged)
    for (_, _, a), (_, _, b) in zip(live(life, 40, seed=5), live(copy, 40, seed=5)):
        np.testing.assert_array_equal(a.obs["grid"], b.obs["grid"])
        np.testing.assert_array_equal(a.events.rigged, b.events.rigged)


def test_the_events_of_a_step_still_tell_its_episode_after_the_reset():
    life = indebted()
    life.reset()
    events = life.step(np.zeros((4, 5), int)).events
    told = events.rigged.copy()
    life.ledger[:] = 0
    life.reset()
    np.testing.assert_array_equal(events.rigged, told)
    assert not life.rigged.any()


def test_debt_made_minus_debt_paid_adds_up_to_the_debt():
    life = make_lifetime(
        num_worlds=3, grid_size=6, num_agents=4, max_steps=15, timeout=3, seed=6,
        matchmaker={"mode": "debt"},
    )  # fmt: skip
    life.reset()
    total = np.zeros(3)
    for _, _, out in live(life, 200):
        total += out.events.debt_made - out.events.debt_paid
        np.testing.assert_allclose(out.events.debt, total, atol=1e-4)
        np.testing.assert_allclose(out.events.debt, life.ledger.sum((1, 2)), atol=1e-4)
    assert total.sum() > 0


def test_a_policy_that_knows_no_debts_retaliates_at_chance_level():
    """Chance: each hit dealt by any agent but its victim, all alike likely."""
    life = make_lifetime(num_worlds=64, seed=8, grid_size=8, num_agents=5, max_steps=100, timeout=5)
    life.reset()
    hits = retributive = chance = 0.0
    for before, _, out in live(life, 1000, zap=0.2):
        events = out.events
        hits += events.hit.sum()
        retributive += events.retributive.sum()
        creditors = (before > np.float32(0.1)).sum(2)  # of each victim, (B, N)
        expected = (events.hit.sum(1) * creditors).sum(1) / 4
        np.testing.assert_allclose(events.chance_retributive, expected, rtol=1e-6)
        chance += expected.sum()
    assert hits > 5000
    assert retributive / hits == pytest.approx(chance / hits, abs=0.05)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"mode": False}, ["mode is False", '"off" in quotes']),
        ({"mode": "dept"}, ["matchmaker.mode", "'dept'", "did you mean 'debt'"]),
        ({"debt_strengh": 1}, ["debt_strengh", "did you mean 'debt_strength'"]),
        ({"debt_strength": 1.5}, ["debt_strength", "1.5", "[0, 1]"]),
        ({"temperature": 0}, ["temperature", "greater than 0"]),
        ({"max_pairs": 0}, ["max_pairs", "whole number >= 1"]),
        ({"mode": "debt", "pair_distance": 9}, ["pair_distance is 9", "beam_length = 3"]),
    ],
)
def test_a_wrong_rule_is_one_sentence(rules, words):
    with pytest.raises(ValueError, match=words[0]) as caught:
        make_lifetime(matchmaker=rules, **EMPTY)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)
