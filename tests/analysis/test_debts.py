"""What becomes of crimes: by hand, against a slow list of them, and in real play."""

import numpy as np
import pytest
from stacks import empty_stack, random_stack, rows_of

from karma_rllib.analysis.debts import DebtBook, count_names
from karma_rllib.analysis.definitions_kinship import KINSHIP
from karma_rllib.analysis.definitions_match import MATCH
from karma_rllib.analysis.definitions_society import MATCHMAKER, TRANSPORT
from karma_rllib.analysis.life_table import ENDS
from karma_rllib.analysis.social import FAMILIES, METRICS, pool, rates, tally
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.events import Events


def hits_at(T, *rows, N=3):
    """A stack with hits (t, i, j, retributive) in one world."""
    stack = empty_stack(T, 1, N)
    for t, i, j, paid in rows:
        stack.hit[t, 0, i, j] = True
        (stack.retributive if paid else stack.predatory)[t, 0, i, j] = True
    return stack


def interval(age):
    """Number of the interval that an age falls into."""
    return next(k for k, end in enumerate(ENDS) if age <= end)


def drained(stack, N=3):
    """Sums of one stack."""
    book = DebtBook(1, N)
    book.update(stack)
    return book.drain()


def of(sums, spell, k):
    """(events, exposure) of one interval."""
    events, risk = count_names(spell)[k]
    return sums[events], sums[risk]


def total_risk(sums, spell):
    """Time at risk over all intervals."""
    return sum(sums[risk] for _, risk in count_names(spell))


def test_a_crime_is_settled_and_answered_by_the_hit_back():
    sums = drained(hits_at(100, (10, 0, 1, False), (50, 1, 0, True)))
    for spell in ("settled", "answered"):
        assert of(sums, spell, interval(40))[0] == 1
        assert total_risk(sums, spell) == 40


def test_an_open_crime_gives_time_at_risk_and_no_event():
    sums = drained(hits_at(100, (10, 0, 1, False)))
    assert total_risk(sums, "settled") == 90
    assert sum(sums[n] for n, _ in count_names("settled")) == 0


def test_payments_settle_the_oldest_crime_first_but_answer_all():
    sums = drained(
        hits_at(100, (0, 0, 1, False), (20, 0, 1, False), (50, 1, 0, True), (90, 1, 0, True))
    )
    assert of(sums, "settled", interval(50))[0] == 1
    assert of(sums, "settled", interval(70))[0] == 1
    assert total_risk(sums, "settled") == 50 + 70
    assert of(sums, "answered", interval(50))[0] == 1
    assert of(sums, "answered", interval(30))[0] == 1
    assert total_risk(sums, "answered") == 50 + 30


def test_a_mutual_hit_answers_nothing():
    sums = drained(hits_at(60, (10, 0, 1, False), (10, 1, 0, False)))
    assert total_risk(sums, "answered") == 2 * 50
    assert sum(sums[n] for n, _ in count_names("answered")) == 0


def test_another_agents_hit_is_no_answer():
    sums = drained(hits_at(60, (10, 0, 1, False), (20, 2, 0, False), (30, 1, 2, False)))
    assert sum(sums[n] for n, _ in count_names("answered")) == 0


def slow(stacks, N):
    """The same sums from lists of crimes."""
    sums = {
        name: 0.0 for spell in ("settled", "answered") for p in count_names(spell) for name in p
    }
    for b in range(stacks[0].hit.shape[1]):
        for spell in ("settled", "answered"):
            crimes, g = [], 0
            for stack in stacks:
                for t in range(len(stack.g)):
                    g = stack.g[t, b]
                    for i, j in np.argwhere(stack.hit[t, b]):
                        paid = stack.retributive[t, b, i, j]
                        mine = [
                            c
                            for c in crimes
                            if tuple(c[:2]) == (j, i) and c[3] is None and c[2] < g
                        ]
                        if spell == "settled":
                            mine = mine[:1] if paid else []
                        for crime in mine:
                            crime[3] = g
                        if not paid:
                            crimes.append([i, j, g, None])
            for _, _, start, end in crimes:
                age = (g + 1 if end is None else end) - start
                low = 0
                for k, limit in enumerate(ENDS):
                    events, risk = count_names(spell)[k]
                    sums[risk] += max(0, min(age, limit) - low)
                    sums[events] += end is not None and low < age <= limit
                    low = limit
    return sums


@pytest.mark.parametrize("seed", range(5))
def test_the_book_agrees_with_lists_of_crimes_in_one_piece_and_in_three(seed):
    stack, _, _ = random_stack(seed, 60, 3, 3)
    sparse = stack.hit & (np.random.default_rng(seed).random(stack.hit.shape) < 0.1)
    stack = stack._replace(
        hit=sparse, predatory=stack.predatory & sparse, retributive=stack.retributive & sparse
    )
    expected = slow([stack], 3)
    book, split = DebtBook(3, 3), DebtBook(3, 3)
    book.update(stack)
    parts = []
    for part in (slice(0, 7), slice(7, 40), slice(40, 60)):
        split.update(rows_of(stack, part))
        parts.append(split.drain())
        copy = DebtBook(3, 3)
        copy.set_state(split.get_state())
        split = copy
    whole, summed = book.drain(), pool(parts)
    for name, value in expected.items():
        assert whole[name] == pytest.approx(value), name
        assert summed[name] == pytest.approx(value), name


def test_a_state_of_another_size_is_refused():
    with pytest.raises(ValueError, match="the debt book needs"):
        DebtBook(2, 3).set_state(DebtBook(3, 3).get_state())


def random_life(steps=3000, **rules):
    """Pooled sums of random play."""
    life = make_lifetime(
        num_worlds=16, seed=1, profile="gathering", grid_size=6, num_agents=4, max_steps=50,
        timeout=3, **rules,
    )  # fmt: skip
    rng, book, parts = np.random.default_rng(0), DebtBook(16, 4), []
    life.reset()
    for _ in range(steps // 50):
        rows = []
        for _ in range(50):
            actions = np.where(rng.random((16, 4)) < 0.3, 7, rng.integers(0, 7, (16, 4)))
            rows.append(Events(*(np.array(x) for x in life.step(actions).events)))
        life.reset()
        stack = Events(*(np.stack(column) for column in zip(*rows, strict=True)))
        book.update(stack)
        reward = np.zeros(stack.active.shape, np.float32)
        parts.append(tally(stack, reward, max_steps=50, timeout=3) | book.drain())
    return pool(parts)


def test_the_retribution_of_random_agents_is_that_of_chance():
    sums = random_life()
    values = rates(sums, "matchmaker")
    assert sums["predatory"] + sums["retributive"] > 3000
    assert abs(values["retribution_excess"]) < 0.03
    assert 0.2 < values["retribution_null"] < 0.8
    assert values["intent_index"] == pytest.approx(1.0, abs=0.1)


def test_debt_made_less_debt_paid_is_the_change_of_debt():
    life = make_lifetime(num_worlds=8, grid_size=5, num_agents=4, max_steps=40, timeout=2)
    rng = np.random.default_rng(0)
    life.reset()
    made = paid = np.zeros(8)
    for _ in range(200):
        out = life.step(np.where(rng.random((8, 4)) < 0.5, 7, rng.integers(0, 7, (8, 4))))
        made, paid = made + out.events.debt_made, paid + out.events.debt_paid
        np.testing.assert_allclose(out.events.debt, made - paid, atol=1e-3)
        if out.truncated.any():
            life.reset(out.truncated)
    assert made.min() > 5


def test_rigged_creditors_and_debtors_are_watched_in_their_first_steps_only():
    sums = random_life(200, matchmaker={"mode": "debt"})
    values = rates(sums, "matchmaker")
    assert values["rig_rate"] > 0.9
    assert 0 < sums["creditor_steps"] <= 20 * sums["pairs_rigged"]
    assert values["creditor_zap_rate"] == pytest.approx(0.3, abs=0.05)


def test_names_of_metrics_are_unique_over_families():
    names = [name for family in FAMILIES.values() for name in family]
    assert len(set(names)) == len(names)
    assert set(FAMILIES) == {"social", "matchmaker", "tvt", "match", "kinship"}
    assert len(names) == sum(map(len, (METRICS, MATCHMAKER, TRANSPORT, MATCH, KINSHIP)))


def test_without_counts_every_metric_is_zero():
    for family in FAMILIES:
        assert set(rates({}, family).values()) == {0.0}


def test_transport_metrics_are_ratios_of_sums():
    sums = {
        "tvt_punishments": 10.0, "tvt_linked": 4.0, "tvt_crimes": 10.0, "tvt_transported": -5.0,
        "tvt_transported_retro": -1.0, "tvt_harm": -20.0,
    }  # fmt: skip
    values = rates(sums, "tvt")
    assert values["coverage"] == 0.4
    assert values["transported_per_crime"] == -0.5
    assert values["harm"] == -2.0
    assert values["retro_share"] == 0.2  # both are negative, as harm is
