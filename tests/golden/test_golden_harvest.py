"""The dynamics on file are the dynamics in the code."""

import numpy as np
import pytest

from karma_rllib import worlds
from tests.golden import harvest, random_play

PROFILES = tuple(worlds.list_profiles("harvest-v0"))


@pytest.mark.parametrize("profile", PROFILES)
def test_the_trace_is_the_one_on_file(profile):
    """If this was meant: `python -m tests.golden.regenerate`, a new version, a changelog entry."""
    assert harvest.trace(profile) == harvest.stored()[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_e16_random_play_has_the_rates_on_file(profile):
    """Fresh worlds and actions, within 4 standard errors of the difference, false alarm < 1e-3."""
    n = 60
    rates = random_play.play(profile, n, seed=1, first_uid=10_000)
    for name, on_file in random_play.stored()[profile].items():
        spread = np.hypot(rates[name].std(ddof=1) / np.sqrt(n), on_file["stderr"])
        assert abs(rates[name].mean() - on_file["mean"]) <= 4 * spread + 1e-12, name


@pytest.mark.parametrize(
    ("profile", "violence", "apples", "cooperation"),
    [
        ("gathering", (0.0060, 0.0066), (0.031, 0.035), (0, 0)),
        ("dual_cleanup", (0.0037, 0.0046), (0.025, 0.037), (0.0045, 0.0066)),
    ],
)
def test_e16_random_play_lies_where_the_pilot_study_found_it(
    profile, violence, apples, cooperation
):
    """Pilot: gathering .0063 hits and .033 apples per agent-step; dual .0037-.0046, .035, .005."""
    found = worlds.random_reference(profile)
    assert violence[0] <= found["violence_rate"] <= violence[1]
    assert apples[0] <= found["yield_rate"] <= apples[1]
    assert cooperation[0] <= found["cooperation_rate"] <= cooperation[1]


def test_the_reference_of_an_unknown_profile_is_an_error():
    with pytest.raises(ValueError, match="did you mean 'gathering'"):
        worlds.random_reference("gatherin")
