"""The Schelling test tells planted dilemmas from games that are none."""

import math

import numpy as np
import pandas as pd
import pytest

from karma_rllib.analysis import look, schelling, schelling_figure
from karma_rllib.analysis.schelling import COLUMNS, Payoffs, payoffs_of, schelling_test
from karma_rllib.envs.dilemma import GAMES, rounds


def planted(cooperator, defector, noise=0.3, seeds=24):
    """Payoffs with these means over the others' cooperators."""
    rng = np.random.default_rng(5)
    return Payoffs(
        *(np.array(x, float)[:, None] + noise * rng.normal(size=(len(x), seeds))
          for x in (cooperator, defector))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cooperator", "defector", "verdict", "reasons"),
    [
        ([0, 1, 2, 3], [1, 2, 3, 4], "dilemma", ("greed", "fear")),  # prisoners' dilemma
        ([2, 2.5, 3, 3.5], [1, 3, 4, 5], "dilemma", ("greed",)),  # chicken
        ([0, 1, 2, 5], [1, 2, 3, 4], "dilemma", ("fear",)),  # stag hunt
        ([1, 2, 3, 4], [0, 1, 2, 3], "no dilemma", ()),  # cooperating pays anyway
        ([0, 1, 2, 3], [4, 4, 4, 4], "no dilemma", ()),  # all are better off defecting
        ([4, 4, 4, 3], [1, 2, 3, 5], "no dilemma", ()),  # cooperators are better off alone
    ],
)
def test_planted_games_are_told(cooperator, defector, verdict, reasons):
    test = schelling_test(planted(cooperator, defector))
    assert (test.verdict, test.reasons) == (verdict, reasons)


def test_what_the_noise_hides_stays_open_and_more_seeds_tell():
    game = ([0, 1, 2, 3], [1, 2, 3, 3.3])
    assert schelling_test(planted(*game, noise=20, seeds=6)).verdict == "open"
    assert schelling_test(planted(*game, noise=2, seeds=1000)).verdict == "dilemma"


def test_a_shift_or_a_change_of_unit_changes_no_verdict():
    C, D = planted([2, 2.5, 3, 3.5], [1, 3, 4, 5])
    one, other = schelling_test(Payoffs(C, D)), schelling_test(Payoffs(10 * C - 70, 10 * D - 70))
    assert one.verdict == other.verdict
    for name, found in one.differences.items():
        np.testing.assert_allclose(np.array(other.differences[name][:3]), 10 * np.array(found[:3]))


def test_payoffs_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="must both be"):
        schelling_test(Payoffs(np.zeros((3, 4)), np.zeros((2, 4))))
    rows = [["p", "a", "b", m, 0, 1.0, 1.0] for m in (0, 2, 3)]
    with pytest.raises(ValueError, match=r"\[0, 2, 3\]"):
        payoffs_of(pd.DataFrame(rows, columns=COLUMNS))


def test_rows_become_payoffs_seen_by_one_among_the_others():
    rows = []
    for seed in (4, 9):
        for m in range(4):  # of three players
            mine = 10 * m + seed if m else math.nan
            rows.append(["p", "a", "b", m, seed, mine, 100 * m + seed if m < 3 else math.nan])
    C, D = payoffs_of(pd.DataFrame(rows, columns=COLUMNS))
    np.testing.assert_array_equal(C, [[14, 19], [24, 29], [34, 39]])
    np.testing.assert_array_equal(D, [[4, 9], [104, 109], [204, 209]])


def test_real_play_fills_every_proportion_on_the_same_seeds():
    found = list(rounds("gathering", "forager", "bully", (3, 8), {"max_steps": 40}))
    assert [(one.cooperators, one.seed) for one in found] == [
        (m, seed) for m in range(5) for seed in (3, 8)
    ]
    for one in found:
        assert math.isnan(one.cooperator_return) == (one.cooperators == 0)
        assert math.isnan(one.defector_return) == (one.cooperators == 4)
    again = list(rounds("gathering", "forager", "bully", (8,), {"max_steps": 40}))
    np.testing.assert_array_equal([one for one in found if one.seed == 8], again)


def test_the_picture_and_the_table_show_every_game():
    table = pd.DataFrame(
        [
            (name, "forager", "bully", *one)
            for name in ("gathering", "leibo_tag")
            for one in rounds(name, "forager", "bully", (1, 2), {"max_steps": 15})
        ],
        columns=COLUMNS,
    )
    figure = schelling_figure.diagrams(table)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_visible()]
    assert titles == ["gathering", "leibo_tag"]
    assert look.png(figure).startswith(b"\x89PNG")
    assert schelling.markdown(table).count("\n") == 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_cleaning_dual_cleanup_and_peace_in_karma_seed_are_dilemmas_of_greed():
    """With 64 seeds the smallest of these six differences lay 6 standard errors above zero."""
    for game in (("dual_cleanup", *GAMES["dual_cleanup"][1]), ("karma_seed", "forager", "bully")):
        rows = [(*game, *one) for one in rounds(*game, range(100, 124))]
        test = schelling_test(payoffs_of(pd.DataFrame(rows, columns=COLUMNS)))
        assert (test.verdict, test.reasons) == ("dilemma", ("greed",))
