"""Moving, eating, blocking, and the random order of moves."""

import numpy as np
import pytest

from karma_rllib import worlds
from tests.worlds.scene import (
    BACKWARD,
    EAST,
    FORWARD,
    LEFT,
    NOOP,
    NORTH,
    RIGHT,
    SOUTH,
    WEST,
    act,
    arrange,
    scene,
    where,
)  # fmt: skip


@pytest.mark.parametrize(
    ("head", "moves"),
    [
        (NORTH, {FORWARD: (3, 4), BACKWARD: (5, 4), LEFT: (4, 3), RIGHT: (4, 5)}),
        (EAST, {FORWARD: (4, 5), BACKWARD: (4, 3), LEFT: (3, 4), RIGHT: (5, 4)}),
        (SOUTH, {FORWARD: (5, 4), BACKWARD: (3, 4), LEFT: (4, 5), RIGHT: (4, 3)}),
        (WEST, {FORWARD: (4, 3), BACKWARD: (4, 5), LEFT: (5, 4), RIGHT: (3, 4)}),
    ],
)
def test_moves_are_relative_to_the_heading(head, moves):
    for action, cell in moves.items():
        world = scene([(4, 4, head), (0, 0, NORTH)])
        act(world, action, NOOP)
        assert where(world, 0) == cell
        assert world.frame().head[0] == head


@pytest.mark.parametrize("head", range(4))
def test_absolute_moves_are_north_south_west_east_whatever_the_heading(head):
    for action, cell in {1: (3, 4), 2: (5, 4), 3: (4, 3), 4: (4, 5)}.items():
        world = scene([(4, 4, head), (0, 0, NORTH)], move_frame="absolute")
        act(world, action, NOOP)
        assert where(world, 0) == cell


def test_walls_waste_and_agents_block():
    world = scene([(0, 4, NORTH), (4, 4, EAST), (4, 5, WEST)], waste=[(4, 6)])
    act(world, FORWARD, FORWARD, BACKWARD)
    assert [where(world, i) for i in range(3)] == [(0, 4), (4, 4), (4, 5)]


def test_entering_an_apple_eats_it():
    world = scene([(4, 4, NORTH), (0, 0, NORTH)], apples=[(3, 4), (2, 4)])
    out = act(world, FORWARD, NOOP)
    assert out.events.ate[0].tolist() == [True, False]
    assert out.reward[0].tolist() == [1, 0]
    assert out.events.stock[0] == 1
    assert world.frame().cells[3, 4] == 0


def test_one_of_two_who_want_the_same_cell_gets_it_each_about_half_the_time():
    """Binomial(2000, 1/2) within 4 sigma: false alarm below one in ten thousand."""
    world = worlds.make(
        "harvest-v0", num_worlds=2000, num_agents=2, respawn_prob=0.0, apple_density=0.0
    )
    world.reset()
    arrange(world, [(4, 3, EAST), (4, 5, WEST)], apples=[(4, 4)])
    out = world.step(np.full((2000, 2), FORWARD))
    assert (out.events.ate.sum(axis=1) == 1).all()
    assert abs(int(out.events.ate[:, 0].sum()) - 1000) < 4 * np.sqrt(500)


def test_a_queue_of_three_advances_as_often_as_uniform_orders_say():
    """Chi-square with 2 degrees of freedom at level 0.001.

    Each wants the cell of the next, so an agent moves only after the one ahead of it: one agent
    advances in 3 of the 6 orders, two in 2, all three in 1.
    """
    B = 6000
    world = worlds.make(
        "harvest-v0", num_worlds=B, num_agents=3, respawn_prob=0.0, apple_density=0.0
    )
    world.reset()
    arrange(world, [(4, 1, EAST), (4, 2, EAST), (4, 3, EAST)])
    world.step(np.full((B, 3), FORWARD))
    moved = (world.get_state()["pos"][:, :, 1] - np.array([1, 2, 3])).sum(axis=1)
    counts = np.bincount(moved, minlength=4)[1:]
    expected = np.array([3, 2, 1]) / 6 * B
    assert ((counts - expected) ** 2 / expected).sum() < 13.8


def test_an_agent_can_follow_into_a_cell_that_was_left_before_it_moved():
    world = worlds.make("harvest-v0", num_worlds=200, num_agents=2, apple_density=0.0)
    world.reset()
    arrange(world, [(4, 3, EAST), (4, 4, EAST)])
    world.step(np.full((200, 2), FORWARD))
    cols = world.get_state()["pos"][:, :, 1]
    assert (cols[:, 1] == 5).all()
    assert set(cols[:, 0].tolist()) == {3, 4}  # too early, or in time
