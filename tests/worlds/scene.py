"""Small situations, set up cell by cell, for tests of one rule at a time."""

import numpy as np

from karma_rllib import worlds
from karma_rllib.worlds.harvest_state import APPLE, EMPTY, RIM, WASTE

NOOP, FORWARD, BACKWARD, LEFT, RIGHT, TURN_RIGHT, TURN_LEFT, ZAP = range(8)
NORTH, EAST, SOUTH, WEST = range(4)
STILL = {"respawn_prob": 0.0, "apple_density": 0.0, "waste_spawn_prob": 0.0}  # nothing grows


def scene(agents, *, apples=(), waste=(), seed=0, **params):
    """A world with exactly these agents (row, col, heading), apples and waste cells.

    Nothing grows unless `params` say so.
    """
    if waste:
        params = {"waste_mode": "global", "waste_zone": "everywhere", **params}
    params = {**STILL, "num_agents": len(agents), **params}
    world = worlds.make("harvest-v0", seed=seed, **params)
    world.reset()
    arrange(world, agents, apples=apples, waste=waste)
    return world


def arrange(world, agents, *, apples=(), waste=()):
    """Put agents, apples and waste of every copy of `world` exactly here."""
    state = world.get_state()
    G = world.params.grid_size
    side = G + 2 * RIM
    for cells in state["cell"]:
        square = cells[: side * side].reshape(side, side)[RIM : RIM + G, RIM : RIM + G]
        square[:] = EMPTY
        for terrain, where in ((APPLE, apples), (WASTE, waste)):
            for cell in where:
                square[cell] = terrain
    for i, (row, col, head) in enumerate(agents):
        state["pos"][:, i] = row, col
        state["head"][:, i] = head
    world.set_state(state)


def act(world, *actions):
    """One step of a world with one copy."""
    return world.step(np.array([actions]))


def where(world, i):
    """Row and column of agent i."""
    return tuple(int(x) for x in world.frame().pos[i])
