"""What is said about a word that nobody knows."""

from dataclasses import dataclass

import pytest

from karma_rllib.hints import check_choice, closest, hint, read_rules


@dataclass(frozen=True)
class Rules:
    speed: int = 1
    mode: str = "slow"


def test_the_closest_word_is_found_whatever_the_case():
    assert closest("GREDDY", ["softmax", "Greedy"]) == "Greedy"
    assert closest("xyz", ["softmax", "greedy"]) is None
    assert closest("xyz", ["softmax", "greedy"], cutoff=0.0) in ("softmax", "greedy")


def test_a_hint_asks_for_the_closest_word_or_lists_all():
    assert hint("gredy", ["softmax", "greedy"]) == "did you mean 'greedy'?"
    assert hint("xyz", ["softmax", "greedy"]) == "known are softmax, greedy"


def test_a_choice_that_is_none_is_refused_with_all_that_are():
    check_choice("match.pairing", "greedy", ["softmax", "greedy"])
    with pytest.raises(ValueError, match=r"^match.pairing is 7: it must be one of softmax, greedy"):
        check_choice("match.pairing", 7, ["softmax", "greedy"])


def test_rules_are_read_from_an_object_a_mapping_or_nothing():
    assert read_rules(Rules, Rules(3), "rules") == Rules(3)
    assert read_rules(Rules, {"speed": 2}, "rules") == Rules(2)
    assert read_rules(Rules, None, "rules") == Rules()
    with pytest.raises(ValueError, match=r"^rules has no key 'sped': did you mean 'speed'"):
        read_rules(Rules, {"sped": 2}, "rules")
