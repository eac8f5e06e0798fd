"""The table of conditions: each row differs from baseline in what it claims and nothing else."""

from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from karma_rllib import conditions
from karma_rllib.conditions import CONDITIONS, Condition, condition

NAMES = [
    "baseline",
    "broken",
    "karma",
    "karma_out",
    "karma_contrast",
    "placebo_inert",
    "placebo_agg",
    "shuffled",
    "role_only",
    "no_zap",
    "cap_only",
    "tvt",
    "memory",
    "matchmaker",
    "karmic",
    "tvt_shuffle",
    "tvt_random_time",
    "karmic_shuffle",
    "karmic_value",
    "matchmaker_random",
    "tvt_random_pairs",
    "karma+karmic",
    "karma_out+karmic",
]
KARMIC = {"tvt": True, "matchmaker": "debt"}
DECISION = {"pairs": "agg_vic", "aggressor_view": "decision", "role_loss": True}


def difference(a: str, b: str) -> dict[str, object]:
    """Fields of `a` that differ from `b`, name and description aside."""
    left, right = asdict(condition(a)), asdict(condition(b))
    return {k: v for k, v in left.items() if v != right[k] and k not in ("name", "about")}


def test_the_table_has_the_registered_rows_in_order():
    assert list(CONDITIONS) == NAMES
    assert all(name == row.name for name, row in CONDITIONS.items())


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("baseline", {}),
        ("cap_only", {}),
        ("role_only", {"role_loss": True}),
        ("no_zap", {"zap": False}),
        ("karma", {"pairs": "agg_vic", "aggressor_view": "decision", "role_loss": True}),
        ("karma_out", {"pairs": "agg_vic", "role_loss": True}),
        ("karma_contrast", {"pairs": "agg_vic", "loss": "contrast", "role_loss": True}),
        ("broken", {"pairs": "agg_cleaner", "grad_match": True, "role_loss": True}),
        ("placebo_inert", {"pairs": "neutral_neutral", "grad_match": True, "role_loss": True}),
        ("placebo_agg", {"pairs": "agg_neutral", "grad_match": True, "role_loss": True}),
        ("shuffled", {"pairs": "agg_vic_shuffled", "grad_match": True, "role_loss": True}),
        ("tvt", {"tvt": True}),
        ("matchmaker", {"matchmaker": "debt"}),
        ("karmic", KARMIC),
        ("tvt_shuffle", {"tvt": True, "tvt_placebo": "shuffle"}),
        ("tvt_random_time", {"tvt": True, "tvt_placebo": "random_time"}),
        ("karmic_shuffle", {**KARMIC, "tvt_placebo": "shuffle"}),
        ("karmic_value", {**KARMIC, "harm": "value"}),
        ("matchmaker_random", {"matchmaker": "random_pairs"}),
        ("tvt_random_pairs", {"tvt": True, "matchmaker": "random_pairs"}),
        ("karma+karmic", {**DECISION, **KARMIC}),
        ("karma_out+karmic", {"pairs": "agg_vic", "role_loss": True, **KARMIC}),
    ],
)
def test_a_condition_differs_from_baseline_in_exactly_the_fields_it_claims(name, claims):
    assert difference(name, "baseline") == claims


def test_karma_and_broken_differ_in_what_they_pair_not_in_the_society():
    assert set(difference("karma", "broken")) == {"pairs", "aggressor_view", "grad_match"}


def test_the_role_loss_runs_in_every_mirror_arm_and_in_role_only():
    for row in CONDITIONS.values():
        assert row.role_loss == (row.mirror or row.name == "role_only")


def test_only_controls_are_matched_in_gradient():
    matched = {name for name, row in CONDITIONS.items() if row.grad_match}
    assert matched == {"broken", "placebo_inert", "placebo_agg", "shuffled"}


def test_a_row_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        condition("karma").pairs = "none"
    assert {f.name for f in fields(Condition)} >= {"tvt", "matchmaker"}


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("karmaa", "did you mean 'karma'?"),
        ("Broken", "did you mean 'broken'?"),
        ("zz", "known are baseline"),
    ],
)
def test_an_unknown_condition_names_the_nearest(word, hint):
    with pytest.raises(ValueError, match=f"there is no condition '{word}'") as caught:
        conditions.condition(word)
    assert hint in str(caught.value)
