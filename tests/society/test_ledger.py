"""The ledger against hand-computed stories and against a plain-Python, one-hit-at-a-time loop."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.society.ledger import BOOKS, LedgerParams, rates, settle


class Book:
    """One ledger with its labels, for stories told hit by hit."""

    def __init__(self, B=1, N=3, **rules):
        self.rules = rates(LedgerParams(**rules))
        self.ledger = np.zeros((B, N, N), np.float32)
        self.before = np.zeros((B, N, N), np.float32)
        self.predatory = np.zeros((B, N, N), bool)
        self.retributive = np.zeros((B, N, N), bool)
        self.books = np.zeros((B, len(BOOKS)))

    def step(self, hits, apples=(), b=0):
        """Settle `hits` = [(shooter, victim), ...]; returns their labels, 'p' or 'r'."""
        B, N, _ = self.ledger.shape
        hit, near = np.zeros((B, N, N), bool), np.zeros((B, N), bool)
        for i, j in hits:
            hit[b, i, j] = True
        near[b, list(apples)] = True
        settle(
            self.rules, hit, near, self.before, self.predatory, self.retributive,
            self.ledger, self.books,
        )  # fmt: skip
        assert not (self.predatory & self.retributive).any()
        np.testing.assert_array_equal(self.predatory | self.retributive, hit)
        return "".join("r" if self.retributive[b, i, j] else "p" for i, j in hits)


def oracle(ledger, hits, apples, p: LedgerParams, order):
    """One world's step in plain Python, hit after hit in `order`, paid from a copy that only falls.

    Returns the new ledger and the label of each hit.
    """
    before = [row[:] for row in ledger]
    purse = [row[:] for row in ledger]  # what is left to collect
    change = [[0.0] * len(ledger) for _ in ledger]
    labels = {}
    for i, j in order:
        if before[j][i] > p.debt_threshold:
            labels[i, j] = "r"
            left = {
                "subtract": max(0.0, purse[j][i] - p.payment),
                "scale": purse[j][i] * p.payment,
                "clear": 0.0,
            }[p.payment_mode]
            change[j][i] -= purse[j][i] - left
            purse[j][i] = left
        else:
            labels[i, j] = "p"
            change[i][j] += p.debt_unit * (p.apple_weight if j in apples else 1.0)
    new = [[a + d for a, d in zip(*rows)] for rows in zip(before, change)]
    if p.netting:
        net = [[max(0.0, new[i][j] - new[j][i]) for j in range(len(new))] for i in range(len(new))]
        new = net
    return new, "".join(labels[h] for h in hits)


def test_a_crime_is_predatory_its_answer_retributive_and_a_second_answer_a_new_crime():
    book = Book()
    assert book.step([(0, 1)]) == "p"
    assert book.ledger[0, 0, 1] == 1
    assert book.step([(1, 0)]) == "r"
    assert book.ledger[0].sum() == 0
    assert book.step([(1, 0)]) == "p"
    assert book.ledger[0, 1, 0] == 1
    assert book.ledger[0].sum() == 1


def test_a_crime_beside_an_apple_weighs_more_and_only_the_victims_apple_counts():
    book = Book(apple_weight=1.5)
    book.step([(0, 1)], apples=[1])
    book.step([(0, 2)], apples=[0, 1])
    assert book.ledger[0, 0].tolist() == [0, 1.5, 1]


@pytest.mark.parametrize(
    ("rules", "licensed"),
    [
        ({"payment_mode": "subtract"}, 1),
        ({"payment_mode": "subtract", "payment": 0.25}, 4),
        ({"payment_mode": "scale", "payment": 0.8}, 11),
        ({"payment_mode": "scale", "payment": 0.8, "apple_weight": 1.5}, 13),
        ({"payment_mode": "clear"}, 1),
    ],
)
def test_one_crime_licenses_as_many_answers_as_its_payment_mode_says(rules, licensed):
    book = Book(**rules)
    book.step([(0, 1)], apples=[1])
    answers = "".join(book.step([(1, 0)]) for _ in range(20))
    assert answers.index("p") == licensed


def test_clear_ends_a_debt_of_many_crimes_at_once():
    book = Book(payment_mode="clear")
    for _ in range(5):
        book.step([(0, 1)])
    book.step([(1, 0)])
    assert book.ledger.sum() == 0
    assert book.books[0].tolist() == [5, 5, 0, 0]


def test_a_mutual_zap_without_debts_is_two_crimes():
    book = Book()
    assert book.step([(0, 1), (1, 0)]) == "pp"
    assert book.ledger[0, 0, 1] == book.ledger[0, 1, 0] == 1


def test_a_mutual_zap_over_a_debt_is_judged_by_the_ledger_before_the_step():
    book = Book()
    book.step([(0, 1)])
    assert book.step([(0, 1), (1, 0)]) == "pr"
    assert book.ledger[0, 0, 1] == 1  # the old debt paid, a new one made
    assert book.before[0, 0, 1] == 1


def test_a_debt_at_the_threshold_does_not_yet_justify():
    book = Book(debt_unit=0.1, debt_threshold=0.1)
    book.step([(0, 1)])
    assert book.step([(1, 0)]) == "p"


def test_netting_cancels_what_two_agents_owe_each_other():
    book = Book(netting=True, debt_threshold=5.0)
    for hits in ([(0, 1)], [(0, 1)], [(1, 0)], [(2, 0)]):
        book.step(hits)
    assert book.ledger[0, 0, 1] == 1
    assert book.ledger[0, 1, 0] == 0
    assert book.ledger[0, 2, 0] == 1
    assert book.books[0].tolist() == [4, 0, 2, 0]


def test_worlds_of_a_batch_do_not_share_debts():
    book = Book(B=3)
    book.step([(0, 1)], b=1)
    assert book.ledger.sum((1, 2)).tolist() == [0, 1, 0]
    assert book.step([(1, 0)], b=0) == "p"


@pytest.mark.parametrize("mode", ["subtract", "scale", "clear"])
def test_two_attackers_of_one_agent_settle_the_same_in_every_order(mode):
    params = LedgerParams(payment_mode=mode, payment=0.5, apple_weight=2.0)
    hits = [(1, 0), (2, 0), (3, 0), (0, 1)]
    book = Book(N=4, payment_mode=mode, payment=0.5, apple_weight=2.0)
    start = np.zeros((4, 4), np.float32)
    start[0, 1], start[0, 2], start[1, 0] = 2.0, 0.25, 0.0625  # 0 owes 1 and 2, nothing to 3
    book.ledger[0] = start
    labels = book.step(hits, apples=[0])
    for order in itertools.permutations(hits):
        expected, said = oracle(start.tolist(), hits, {0}, params, order)
        np.testing.assert_allclose(book.ledger[0], expected, rtol=1e-6)
        assert labels == said == "rrpp"


rules = st.fixed_dictionaries(
    {
        "payment_mode": st.sampled_from(["subtract", "scale", "clear"]),
        "payment": st.sampled_from([0.25, 0.5, 0.75]),
        "debt_unit": st.sampled_from([0.5, 1.0]),
        "apple_weight": st.sampled_from([1.0, 1.5]),
        "debt_threshold": st.sampled_from([0.0, 0.1, 1.2]),
        "netting": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(rules, st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_a_long_life_agrees_with_the_plain_loop_and_keeps_its_books(rules, N, seed):
    draw = random.Random(seed)
    params, book = LedgerParams(**rules), Book(N=N, **rules)
    ledger = [[0.0] * N for _ in range(N)]
    pairs = [(i, j) for i in range(N) for j in range(N) if i != j]
    for _ in range(40):
        hits = [pair for pair in pairs if draw.random() < 0.25]
        apples = {j for j in range(N) if draw.random() < 0.5}
        ledger, said = oracle(ledger, hits, apples, params, draw.sample(hits, len(hits)))
        assert book.step(hits, apples) == said
        np.testing.assert_allclose(book.ledger[0], ledger, atol=1e-4)
        ledger = book.ledger[0].astype(float).tolist()  # judge the next step from the same numbers
        made, paid, netted, _ = book.books[0]
        assert book.ledger[0].sum() == pytest.approx(made - paid - netted, abs=1e-4)
    assert (book.ledger >= 0).all()
    assert (np.diagonal(book.ledger[0]) == 0).all()


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"debt_unti": 1}, "did you mean 'debt_unit'"),
        ({"payment_mode": "subtrac"}, "did you mean 'subtract'"),
        ({"payment_mode": "scale", "payment": 1.0}, r"payment is 1.0: it must be in \[0, 1\)"),
        ({"debt_decay": 1.2}, r"debt_decay is 1.2: it must be in \[0, 1\]"),
        ({"debt_threshold": float("nan")}, "debt_threshold is nan"),
        ({"debt_unit": "1"}, "debt_unit is '1'"),
        ({"netting": 1}, "netting is 1"),
    ],
)
def test_a_wrong_rule_is_one_sentence_that_names_it(rules, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        LedgerParams.of(rules)
    assert "\n" not in str(error.value)
