"""What is remembered, what is recalled, and what a memory survives."""

import numpy as np
import pytest

from karma_rllib.credit.params import TvtParams
from karma_rllib.credit.recall import FIRST_SLOTS
from tests.credit.fragments import KEY, make, quiet, random_fragment, remember, unit


def params(**changes):
    return TvtParams(**{"key_dim": KEY, "exclusion": 5, **changes})


def life(*zaps, T=40, N=3):
    """A fragment of one world with some zaps (t, i, j); i zaps j."""
    frag = quiet(T, 1, N)
    for t, i, j in zaps:
        frag["hit"][t, 0, i, j] = frag["fired"][t, 0, i] = True
    frag["value_vector"][:, 0] = np.arange(T)[:, None, None]  # a reading says when
    return frag


def recalled(links):
    """{(t, victim, attacker): env-steps of the crimes}."""
    return {
        (int(t), int(v), int(i)): [int(x) for x, e in zip(g, event) if e >= 0]
        for t, v, i, g, event in zip(links.step, links.victim, links.attacker, links.g, links.event)
    }


def test_nothing_is_recalled_without_a_crime():
    recall, _ = make(params())
    readings, links = remember(recall, life((3, 0, 1), (20, 0, 1)))
    assert recalled(links) == {(3, 1, 0): [], (20, 1, 0): []}
    assert not links.linked.any()
    assert not readings.any()


def test_a_crime_against_somebody_else_counts_only_where_any_crime_does():
    zaps = life((3, 0, 2), (20, 1, 0))
    assert recalled(remember(make(params(match="hard_opp"))[0], zaps)[1])[20, 0, 1] == []
    assert recalled(remember(make(params(match="hard_role"))[0], zaps)[1])[20, 0, 1] == [3]


def test_a_mutual_zap_does_not_blame_itself():
    _, links = remember(make(params(exclusion=0))[0], life((9, 0, 1), (9, 1, 0)))
    assert recalled(links) == {(9, 0, 1): [], (9, 1, 0): []}


def test_crimes_within_the_window_are_left_to_ordinary_advantages():
    recall, _ = make(params(exclusion=5))
    _, links = remember(recall, life((10, 0, 1), (15, 1, 0), (16, 1, 0)))
    assert recalled(links)[15, 0, 1] == []
    assert recalled(links)[16, 0, 1] == [10]


def test_reading_one_slot_takes_the_latest_crime_whatever_its_key():
    frag = life((3, 0, 1), (7, 0, 1), (30, 1, 0))
    frag["query"][30] = frag["key"][3] = unit(np.array([1.0, 0, 0, 0]))
    frag["key"][7] = -frag["key"][3]
    assert recalled(remember(make(params(read_top_k=1))[0], frag)[1])[30, 0, 1] == [7]
    assert recalled(remember(make(params(read_top_k=2))[0], frag)[1])[30, 0, 1] == [3, 7]


def test_shares_are_the_softmax_of_likeness_and_age():
    frag = life((3, 0, 1), (7, 0, 1), (30, 1, 0))
    frag["query"][30], frag["key"][3] = unit(np.eye(4)[0]), unit(np.array([0.6, 0.8, 0, 0]))
    frag["key"][7] = unit(np.eye(4)[1])
    _, links = remember(make(params(beta=2.0, tau_age=10.0))[0], frag)
    score = np.array([0.6 - 2.7, 0.0 - 2.3])
    share = np.exp(2 * score) / np.exp(2 * score).sum()
    punished = links.step == 30
    np.testing.assert_allclose(links.weight[punished, :2], [share], rtol=1e-5)
    assert (links.event[punished, 2:] == -1).all()


def test_a_soft_match_needs_the_least_score():
    frag = life((3, 0, 2), (20, 1, 0))  # an aggression, but against another agent
    frag["query"][20], frag["key"][3] = unit(np.eye(4)[0]), unit(np.array([0.7, 0.714142843, 0, 0]))
    for theta, linked in ((1.5, True), (1.8, False)):
        _, links = remember(make(params(match="soft", theta_read=theta))[0], frag)
        assert links.linked[links.step == 20] == linked
        assert (links.event[links.step == 20] >= 0).any() == linked


def test_readings_of_several_punishers_are_averaged_and_their_links_kept_apart():
    recall, _ = make(params())
    readings, links = remember(recall, life((3, 0, 1), (8, 0, 2), (30, 1, 0), (30, 2, 0)))
    assert recalled(links)[30, 0, 1] == [3]
    assert recalled(links)[30, 0, 2] == [8]
    np.testing.assert_allclose(readings[30, 0, 0], 5.5)


def test_a_full_ring_forgets_its_oldest_event():
    zaps = [(t, 0, 1) for t in range(11)]
    recall, _ = make(params(memory_slots=10, read_top_k=10, exclusion=0))
    _, links = remember(recall, life(*zaps, (30, 1, 0)))
    assert recalled(links)[30, 0, 1] == list(range(10, 0, -1))


def test_the_thousand_and_first_event_overwrites_the_first():
    recall, _ = make(params(read_top_k=1000, beta=0.0, exclusion=0))
    frag = life(*[(t, 0, 1) for t in range(1001)], (1010, 1, 0), T=1020)
    _, links = remember(recall, frag)
    assert recalled(links)[1010, 0, 1] == list(range(1000, 0, -1))


def test_memory_grows_with_what_happens():
    recall, _ = make(params())
    assert recall.bank.role.shape[2] == FIRST_SLOTS
    remember(recall, life(*[(t, 0, 1) for t in range(100)], T=110))
    assert recall.bank.role.shape[2] == 2 * FIRST_SLOTS
    assert make(params(memory_slots=7))[0].bank.role.shape[2] == 7


def test_a_persistent_memory_survives_episodes_and_a_mortal_one_does_not():
    frag = life((3, 0, 1), (30, 1, 0))
    frag["truncated"][12] = True
    assert recalled(remember(make(params(memory_persist=True))[0], frag)[1])[30, 0, 1] == [3]
    assert recalled(remember(make(params(memory_persist=False))[0], frag)[1])[30, 0, 1] == []


@pytest.mark.parametrize("placebo", ["none", "shuffle", "random_time"])
def test_a_restored_memory_recalls_the_same(placebo):
    rng = np.random.default_rng(5)
    first, then = (random_fragment(rng, 60, 2, 3, g) for g in (0, 60))
    recall, _ = make(params(placebo=placebo, contrast=True, memory_slots=20), 2)
    remember(recall, first)
    other, _ = make(params(placebo=placebo, contrast=True, memory_slots=20), 2)
    other.set_state(recall.get_state())
    for one, two in zip(remember(recall, then)[1], remember(other, then)[1]):
        np.testing.assert_array_equal(one, two)
    for name, x in recall.get_state().items():
        np.testing.assert_array_equal(x, other.get_state()[name])


def test_a_memory_of_another_shape_is_refused():
    recall, other = make(params(), 2)[0], make(params(memory_slots=9), 2)[0]
    with pytest.raises(ValueError, match=r"keep ppo\.envs and the tvt section"):
        other.set_state(recall.get_state())


@pytest.mark.parametrize("placebo", ["none", "shuffle", "random_time"])
def test_a_world_remembers_alike_whatever_its_batch(placebo):
    frag = random_fragment(np.random.default_rng(2), 80, 3, 4, p_hit=0.1)
    chosen = params(placebo=placebo, contrast=True)
    _, together = remember(make(chosen, 3, 4)[0], frag, uid=np.array([7, 8, 9]))
    one = {name: x[1:2] if name == "last_value" else x[:, 1:2] for name, x in frag.items()}
    _, alone = remember(make(chosen, 1, 4)[0], one, uid=np.array([8]))
    mine = together.world == 1
    assert mine.sum() > 20
    for name in alone._fields:
        if name != "world":
            np.testing.assert_array_equal(getattr(together, name)[mine], getattr(alone, name))
