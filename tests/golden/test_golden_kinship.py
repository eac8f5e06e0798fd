"""The dynamics of the kinship world on file are the dynamics in the code."""

import pytest

from karma_rllib import worlds
from tests.golden import kinship


@pytest.mark.parametrize("profile", worlds.list_profiles("kinship-v0"))
def test_the_trace_is_the_one_on_file(profile):
    """If this was meant: `python -m tests.golden.regenerate`, a new version, a changelog entry."""
    assert kinship.trace(profile) == kinship.stored()[profile]


def test_the_trace_of_courtship_is_the_one_on_file():
    name = "hearth with courtship"
    assert kinship.trace("hearth", **kinship.COURTING) == kinship.stored()[name]


@pytest.mark.parametrize("layout", kinship.LAYOUTS)
def test_the_trace_of_a_layout_is_the_one_on_file(layout):
    assert kinship.trace("hearth", layout=layout) == kinship.stored()[f"hearth in {layout}"]
