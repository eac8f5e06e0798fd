"""The checks are checked: every broken env must be caught, and the sound one must not."""

import checks
import pytest
import suites
from mutants import MAX_STEPS, MUTANTS, Sound


def test_the_sound_env_passes_everything():
    checks.check_parallel_env(Sound, MAX_STEPS)
    assert not [suite for suite in suites.SUITES if suites.complains(suite, Sound)]


@pytest.mark.parametrize("name", MUTANTS)
def test_our_checks_catch_every_mutant(name):
    with pytest.raises(AssertionError):
        checks.check_parallel_env(MUTANTS[name], MAX_STEPS)


@pytest.mark.parametrize("name", [n for n, mutant in MUTANTS.items() if not mutant.silent])
def test_the_suites_of_others_catch_what_they_are_known_to_catch(name):
    assert any(suites.complains(suite, MUTANTS[name]) for suite in suites.SUITES)


def test_there_are_at_least_eighteen_mutants_and_some_only_we_see():
    assert len(MUTANTS) >= 18
    assert sum(mutant.silent for mutant in MUTANTS.values()) >= 4
