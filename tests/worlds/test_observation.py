"""What agents see and feel."""

import numpy as np
import pytest

from karma_rllib import worlds
from karma_rllib.worlds.harvest_state import PLANES, VEC_NAMES
from tests.worlds.scene import (
    EAST,
    FORWARD,
    NOOP,
    NORTH,
    SOUTH,
    TURN_RIGHT,
    WEST,
    ZAP,
    act,
    arrange,
    scene,
)  # fmt: skip

PLANE = {name: k for k, name in enumerate(PLANES)}
VEC = {name: k for k, name in enumerate(VEC_NAMES)}
STEP = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])


def seen(world, plane, i=0):
    """Cells of agent i's window where a plane is set."""
    return np.argwhere(world.observe()["grid"][0, i, :, :, PLANE[plane]]).tolist()


@pytest.mark.parametrize(
    ("head", "cell"), [(NORTH, (3, 5)), (EAST, (5, 5)), (SOUTH, (5, 3)), (WEST, (3, 3))]
)
def test_ahead_is_up_and_right_is_right(head, cell):
    world = scene([(4, 4, head), (8, 0, NORTH)], apples=[cell])  # one ahead, one to the right
    assert seen(world, "apple") == [[2, 4]]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_e6_rotating_the_whole_world_leaves_observations_unchanged(turns):
    rng = np.random.default_rng(turns)
    params = {"profile": "karma_seed", "num_agents": 6, "obs_identity": "onehot"}
    one, other = (worlds.make("harvest-v0", **params) for _ in range(2))
    one.reset()
    other.reset()
    G = one.params.grid_size
    cells = rng.permutation(G * G)
    where = [divmod(int(k), G) for k in cells]
    heads = rng.integers(0, 4, 6)

    def turn(cell):
        for _ in range(turns):
            cell = (cell[1], G - 1 - cell[0])  # clockwise: north becomes east
        return cell

    things = {"apples": where[6:60], "waste": where[60:90]}
    agents = [(*where[i], int(heads[i])) for i in range(6)]
    arrange(one, agents, **things)
    arrange(
        other,
        [(*turn((r, c)), (d + turns) % 4) for r, c, d in agents],
        **{name: [turn(cell) for cell in things[name]] for name in things},
    )
    actions = np.array([[ZAP, ZAP, TURN_RIGHT, NOOP, ZAP, FORWARD]])
    for step in range(2):
        a, b = one.observe(), other.observe()
        np.testing.assert_array_equal(a["grid"], b["grid"])
        np.testing.assert_array_equal(a["vec"], b["vec"])
        if step == 0:
            for world in (one, other):  # beams, freezes and flags too, but no growth
                state = world.get_state()
                state["ground"][:] = 0
                world.set_state(state)
                world.step(actions)
                arranged = world.get_state()
                arranged["cell"][:] = np.where(arranged["cell"] == 3, 3, 0)
                world.set_state(arranged)


def test_e7_every_hit_can_be_perceived_by_both_sides():
    """On ten thousand random hits: pain, attacker, success and victim are all in view."""
    B, found = 64, 0
    world = worlds.make("harvest-v0", profile="gathering", num_worlds=B, num_agents=5, timeout=4)
    rng, buffers = np.random.default_rng(0), world.empty_obs()
    world.reset(out=buffers)
    R = world.params.view_radius
    while found < 10_000:
        actions = rng.integers(0, 8, (B, 5))
        actions[rng.random((B, 5)) < 0.3] = ZAP
        out = world.step(actions, buffers)
        state = world.get_state()
        grid, vec = buffers["grid"], buffers["vec"]
        b, i, j = np.nonzero(out.events.hit)
        found += b.size
        k = out.events.distance[b, i, j]
        assert (vec[b, j, VEC["was_hit"]] == 1).all()
        assert (vec[b, j, VEC["freeze_left"]] == 1).all()
        assert (vec[b, j, VEC["frozen"]] == 1).all()
        assert (grid[b, j, R, R, PLANE["beam"]] == 1).all()
        assert (vec[b, i, VEC["hit_agent"]] == 1).all()
        assert (grid[b, i, R - k, R, PLANE["agent_frozen"]] == 1).all()
        # where the victim sees the attacker: back along the beam, in the victim's frame
        away = -k[:, None] * STEP[state["head"][b, i]]
        facing = state["head"][b, j]
        ahead = (away * STEP[facing]).sum(axis=1)
        right = (away * STEP[(facing + 1) % 4]).sum(axis=1)
        cell = grid[b, j, R - ahead, R + right]
        assert (cell[:, PLANE["agent_active"]] + cell[:, PLANE["agent_frozen"]] == 1).all()
        assert (np.maximum(abs(ahead), abs(right)) <= world.params.beam_length).all()
        if out.truncated.any():
            world.reset(out.truncated, out=buffers)


def test_the_heading_of_others_is_relative_to_mine():
    world = scene([(4, 4, EAST), (4, 5, EAST), (4, 3, SOUTH), (3, 4, WEST), (5, 4, NORTH)])
    assert seen(world, "heading_same") == [[2, 3]]
    assert seen(world, "heading_right") == [[4, 3]]
    assert seen(world, "heading_facing") == [[3, 2]]
    assert seen(world, "heading_left") == [[3, 4]]


def test_an_agent_does_not_see_itself():
    world = scene([(4, 4, EAST), (0, 0, EAST)], obs_identity="onehot")
    assert not world.observe()["grid"][0, 0, 3, 3].any()


def test_the_wall_is_what_lies_outside_of_the_map():
    world = scene([(0, 0, NORTH), (8, 8, NORTH)])
    wall = world.observe()["grid"][0, 0, :, :, PLANE["wall"]]
    assert wall[:3].all()
    assert wall[:, :3].all()
    assert not wall[3:, 3:].any()


def test_identity_planes_name_the_agent():
    world = scene([(4, 4, NORTH), (3, 4, NORTH), (4, 5, NORTH)], obs_identity="onehot")
    grid = world.observe()["grid"][0, 0]
    assert world.plane_names[10:] == ("agent_0", "agent_1", "agent_2")
    assert grid[2, 3, 10:].tolist() == [0, 1, 0]
    assert grid[3, 4, 10:].tolist() == [0, 0, 1]


def test_debt_planes_show_what_a_visible_agent_owes_me():
    world = scene([(4, 4, EAST), (4, 5, NORTH), (0, 0, NORTH)], obs_debt="pair")
    debt = np.zeros((1, 3, 3), np.float32)
    debt[0, 1, 0], debt[0, 2, 0], debt[0, 0, 1] = 1.0, 5.0, 3.0
    grid = world.observe(debt=debt)["grid"]
    assert grid[0, 0, 2, 3, -1] == 128  # 255 * 1/2, rounded
    assert (grid[0, 0, :, :, -1] > 0).sum() == 1  # agent 2 is out of sight
    assert grid[0, 1, :, :, -1].max() == 191  # agent 0 owes agent 1: 255 * 3/4
    np.testing.assert_allclose(world.grid_scale[[0, -1]], [1, 1 / 255])


def test_own_debt_is_the_last_entry_of_the_vector():
    world = scene([(4, 4, EAST), (4, 5, NORTH)], obs_debt="self", obs_time=True)
    assert world.vec_names[-2:] == ("time", "own_debt")
    debt = np.array([[[0, 3], [0, 0]]], np.float32)
    out = world.step(np.zeros((1, 2), int), debt=debt)
    np.testing.assert_allclose(out.obs["vec"][0, :, -1], [0.75, 0])
    np.testing.assert_allclose(out.obs["vec"][0, :, -2], 1 / 250)


def test_the_vector_tells_what_happened():
    world = scene([(4, 2, EAST), (4, 4, NORTH)], timeout=4)
    vec = act(world, ZAP, FORWARD).obs["vec"][0]  # the victim has left the line
    assert vec[0, VEC["hit_agent"]] == 0
    world = scene([(4, 2, EAST), (4, 4, NORTH)], timeout=4)
    vec = act(world, ZAP, NOOP).obs["vec"][0]
    np.testing.assert_allclose(vec[0, :7], [0, 0, 0, 1, 0, 1, 0.09], atol=1e-6)
    np.testing.assert_allclose(vec[1, :7], [1, 1, 1, 0, 0, 0, -0.5])
    assert vec[0, 7:].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert vec[1, 7:].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    vec = act(world, NOOP, ZAP).obs["vec"][0]
    np.testing.assert_allclose(vec[1, :7], [0.75, 1, 0, 0, 0, 0, 0])


def test_after_a_reset_there_is_no_last_action():
    world = scene([(4, 2, EAST), (4, 4, NORTH)])
    act(world, ZAP, NOOP)
    vec = world.reset()["vec"]
    assert not vec[0, :, 7:].any()
    assert vec[0, :, VEC["ready"]].all()


def test_without_feedback_flags_they_are_zero_and_the_rest_stays():
    world = scene([(4, 2, EAST), (4, 4, NORTH)], feedback_flags=False)
    vec = act(world, ZAP, NOOP).obs["vec"][0]
    assert vec.shape == (2, 15)
    assert not vec[:, 2:5].any()
    np.testing.assert_allclose(vec[1, :2], 1)


def test_the_full_grid_shows_codes_as_the_seeds_do():
    agents = [(4, 4, EAST), (4, 6, SOUTH)]
    world = scene(
        agents, apples=[(3, 4)], waste=[(5, 4)], obs_mode="full_grid", full_grid_fix=False
    )
    grid = world.observe()["grid"][0, 0]
    assert grid.shape == (9, 9, 3)
    assert grid[4, 4].tolist() == [0, 10, 2]
    assert grid[4, 6].tolist() == [0, 11, 3]
    assert (grid[3, 4, 0], grid[5, 4, 0], grid[0, 0, 0]) == (64, 128, 0)
    act(world, ZAP, NOOP)
    assert world.observe()["grid"][0, 0, 4, 6].tolist() == [0, 11, 3]  # frozen, and no sign of it


def test_the_repaired_full_grid_marks_self_frozen_and_fog():
    world = scene([(4, 4, EAST), (4, 6, SOUTH)], obs_mode="full_grid", view_radius=3)
    act(world, ZAP, NOOP)
    grid = world.observe()["grid"][0]
    assert grid[0, 4, 4].tolist() == [0, 255, 120]
    assert grid[0, 4, 6].tolist() == [0, 111, 180]
    assert grid[0, 0, 4].tolist() == [32, 0, 0]
    assert grid[0, 1, 4].tolist() == [0, 0, 0]
    assert grid[1, 4, 6].tolist() == [0, 255, 180]
