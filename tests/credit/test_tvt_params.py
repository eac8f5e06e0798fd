"""Settings of value transport: every wrong one is named, with the nearest right one."""

import pytest

from karma_rllib.credit.params import TvtParams, exclusion_steps


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"match": "hard"}, r"tvt\.match is 'hard'.*did you mean 'hard_\w+'"),
        ({"harm": "gaps"}, r"did you mean 'gap'"),
        ({"placebo": None}, r"tvt\.placebo is None: it must be one of none, shuffle"),
        ({"memory_slots": 0}, r"tvt\.memory_slots is 0: it must be a whole number of at least 1"),
        ({"memory_slots": 5.0}, r"tvt\.memory_slots is 5\.0"),
        ({"read_top_k": True}, r"tvt\.read_top_k is True"),
        ({"alpha": 1.1}, r"tvt\.alpha is 1\.1: it must be in \[0, 1\]"),
        ({"tau_age": float("inf")}, r"tvt\.tau_age is inf: it must be greater than 0"),
        ({"retro_dual_clip": 1}, r"greater than 1"),
        ({"retro": "yes"}, r"tvt\.retro is 'yes': it must be true or false"),
        ({"exclusion": "gamma"}, r"it must be 'gl', 'g' or a whole number"),
        ({"exclusion": -1}, r"tvt\.exclusion is -1"),
    ],
)
def test_a_wrong_value_is_one_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        TvtParams(**changes)


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(ValueError, match=r"no key 'memory_slot': did you mean 'memory_slots'"):
        TvtParams.of({"memory_slot": 10})
    assert TvtParams.of({"alpha": 0.5}) == TvtParams(alpha=0.5)
    assert TvtParams.of(None) == TvtParams.of(TvtParams())


def test_the_exclusion_window_is_the_horizon_of_advantages_or_of_values():
    assert exclusion_steps("gl", 0.99, 0.95) == 17
    assert exclusion_steps("gl", 0.9, 1.0) == 10
    assert exclusion_steps("g", 0.99, 0.3) == 100
    assert exclusion_steps("g", 0.92, 0.3) == 12
    assert exclusion_steps(3, 1.0, 1.0) == 3
    with pytest.raises(ValueError, match="give it as a number of env-steps"):
        exclusion_steps("gl", 1.0, 1.0)
