"""Courtship in the kinship world, on scenes small enough to see through."""

import numpy as np
import pytest

from karma_rllib import worlds
from karma_rllib.worlds.kinship_profiles import ENTRY
from tests.worlds.test_kinship import EAST, WEST, Scene

TWO = {"heads": [EAST, WEST], "court": True}


def plane(s, name, i):
    """What agent i sees on a plane."""
    return s.obs["grid"][0, i, :, :, s.world.plane_names.index(name)]


def test_who_is_courted_back_in_time_is_bonded():
    s = Scene("@@", **TWO)
    e = s.do("court")
    assert e.court_to[0].tolist() == [1, -1]
    assert e.energy_court[0].tolist() == [2000, 0]
    assert not s.world.bonds.any()
    assert s.tell(0, "courting_left") == 1
    assert plane(s, "courting", 1).max() == 2  # agent 1 sees that it is meant
    e = s.do("noop", "court")
    assert e.bonded[0].tolist() == [1, 1]
    assert s.world.bonds[0].tolist() == [[False, True], [True, False]]
    assert s.tell(0, "bonds") == s.tell(1, "bonds") == 1
    assert s.tell(0, "courting_left") == 0
    assert plane(s, "courting", 1).max() == 0
    assert plane(s, "bonded", 0).max() == 2


@pytest.mark.parametrize(("waited", "bonded"), [(2, True), (3, False)])
def test_an_answer_counts_only_within_the_steps_it_may_take(waited, bonded):
    s = Scene("@@", **TWO, court_steps=3)
    s.do("court")
    for _ in range(waited):
        s.do()
    s.do("noop", "court")
    assert bool(s.world.bonds.any()) == bonded


def test_both_may_court_in_the_same_step():
    s = Scene("@@", **TWO)
    e = s.do("court", "court")
    assert e.bonded[0].tolist() == [1, 1]
    assert sorted(e.court_to[0].tolist()) == [0, 1]


def test_courting_somebody_else_ends_the_bond():
    s = Scene("@@@", heads=[EAST, WEST, WEST], court=True)
    s.do("court", "court")
    assert s.world.bonds[0, 0, 1]
    s.do("noop", "rotate_right")
    e = s.do("noop", "court")
    assert e.parted[0].tolist() == [1, 1, 0]
    assert not s.world.bonds.any()
    e = s.do("noop", "noop", "court")
    assert e.bonded[0].tolist() == [0, 1, 1]


def test_with_room_for_two_only_the_third_ends_the_oldest():
    s = Scene("""
        .@.
        @@@""", heads=[2, EAST, WEST, WEST], court=True, max_bonds=2)  # fmt: skip
    middle = 2  # of the lower row; agent 0 is above it
    s.do("noop", "court", "court")
    s.do("noop", "noop", "rotate_right")
    s.do("noop", "noop", "court", "court")
    assert s.world.bonds[0, middle].tolist() == [False, True, False, True]
    s.do("noop", "noop", "rotate_up")
    e = s.do("noop", "noop", "court")
    assert e.parted[0].tolist() == [0, 1, 1, 0]  # with agent 1, who came first
    s.do("court")
    assert s.world.bonds[0, middle].tolist() == [True, False, False, True]


def test_courting_nobody_or_ones_mate_costs_and_fails():
    s = Scene("@@.", **TWO)
    s.do("court", "court")
    e = s.do("court")
    assert e.failed[0, 0]
    assert e.energy_court[0, 0] == 2000
    assert s.world.bonds.any()
    s.do("noop", "rotate_up")
    assert s.do("noop", "court").failed[0, 1]
    assert s.energy(1) == 200 - 2 * 20


def test_courting_is_masked_without_the_energy_and_while_frozen():
    s = Scene("@@", **TWO, energy_start=19.0)
    assert s.tell(0, "can_court") == 0
    assert s.do("court").failed[0, 0]
    s = Scene("@@", **TWO, cost_court=0.0, cost_attack=0.0)
    s.do("attack_nearest")
    assert s.tell(1, "can_court") == 0
    assert s.do("noop", "court").court_to[0, 1] == -1


def test_a_partners_hearts_before_the_bond_are_told():
    s = Scene("@h\n@.", heads=[EAST, 0], court=True)
    s.do("use")
    s.do("rotate_down")
    e = s.do("court", "court")
    assert e.mate_hearts[0].tolist() == [0, 1]


def test_bonds_end_with_the_episode():
    s = Scene("@@", **TWO, max_steps=2)
    s.do("court", "court")
    assert s.world.bonds.any()
    s.do()
    s.world.reset()
    assert not s.world.bonds.any()
    assert s.world._state.suit.tolist() == [[-1, -1]]


def test_a_world_without_courtship_has_no_word_of_it():
    off = worlds.make("kinship-v0")
    assert not off.traits.bonds
    names = " ".join((*off.action_names, *off.plane_names, *off.vec_names))
    assert "court" not in names
    assert "bond" not in names
    on = worlds.make("kinship-v0", court=True)
    assert on.num_actions == off.num_actions + 1
    assert on.obs_shapes["grid"][-1] == off.obs_shapes["grid"][-1] + 2


def test_nobody_to_court_is_one_sentence():
    with pytest.raises(ValueError, match="court=True needs somebody to court: num_agents=1"):
        ENTRY.resolve("hearth", {"court": True, "num_agents": 1})


def test_a_state_carries_courtship_and_bonds():
    s = Scene("@@", **TWO)
    s.do("court")
    copy = worlds.make("kinship-v0", map="@@", num_agents=2, view_radius=2, court=True)
    copy.set_state(s.world.get_state())
    answer = np.array([[0, s.names.index("court")]])
    assert copy.step(answer).events.bonded[0].tolist() == [1, 1]
