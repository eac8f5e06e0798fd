"""Arrays of the harvest world: its state, and the codes that it is written in.

Shape legend: B worlds, N agents, G side of the map, P = G + 2 RIM side of the padded map (the rim
is WALL, so that no neighbourhood leaves the array), M = P * P + one block of slack, L most cells
that beams can light, C planes, H = W side of a window.  Rows run down, columns to the right;
headings are 0 north, 1 east, 2 south, 3 west.  A map is kept flat: the cell at (row, col) has
number (row + RIM) * P + col + RIM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from karma_rllib.worlds.harvest_rules import Rules

EMPTY, APPLE, WASTE, WALL = 0, 1, 2, 3  # terrain
COLOUR = 4  # in a renderer's frame: a coloured cell, 4 + k (no such terrain in this world)
RIM = 2  # wall around a map [cells]: the radius-2 disc of a border cell stays inside
BLOCK = 64  # cells that growth treats at once
SITE, ZONE = 1, 2  # bits of `ground`: apples may grow here, waste may lie here
NOOP, FORWARD, BACKWARD, LEFT, RIGHT, TURN_RIGHT, TURN_LEFT, ZAP = range(8)
ACTION_NAMES = ("noop", "forward", "backward", "left", "right", "turn_right", "turn_left", "zap")
NUM_ACTIONS = len(ACTION_NAMES)
ABSOLUTE_NAMES = ("noop", "north", "south", "west", "east", "turn_right", "turn_left", "zap")
STEP_ROW = (-1, 0, 1, 0)  # unit vector of each heading, rows
STEP_COL = (0, 1, 0, -1)  # and columns
MOVE_TURN = (0, 2, 3, 1)  # actions 1-4: heading of the move, relative (ego) or as it is (absolute)
WAS_HIT, HIT_AGENT, HIT_WASTE = 1, 2, 4  # bits of `flag`: what the last step did
PLANES = (
    "wall", "apple", "waste", "agent_active", "agent_frozen", "beam",
    "heading_same", "heading_right", "heading_facing", "heading_left",
)  # fmt: skip
P_WALL, P_ACTIVE, P_FROZEN, P_BEAM, P_HEADING, P_IDENTITY = 0, 3, 4, 5, 6, 10
VEC_NAMES = (
    "freeze_left", "frozen", "was_hit", "hit_agent", "hit_waste", "ready", "last_reward",
    *(f"last_{name}" for name in ACTION_NAMES),
)  # fmt: skip
V_ACTION = 7  # first entry of the one-hot last action
WASTE_COUNTS = 10  # waste cells in a 3x3 block: 0..9
AIM_NOTHING, AIM_RIVAL, AIM_WASTE, AIM_FROZEN = 0, 1, 2, 3
SEED_TERRAIN, SEED_AGENT = 64, 10  # `full_grid`: terrain code times, agent index plus
SEED_FOG, SEED_SELF, SEED_FROZEN, SEED_HEADING = 32, 255, 100, 60  # and its repairs
CENTRAL, TWO_PATCH, PATCHES, SITES, UNIFORM = range(5)
LAYOUTS = ("central", "two_patch", "patches", "sites", "uniform")
EVERYWHERE, OUTSIDE_APPLES, STRIP = range(3)
ZONES = ("everywhere", "outside_apples", "strip")
# purposes of random streams; the first group counts episodes, the second env-steps
S_LAYOUT, S_FILL, S_FOUL, S_SPAWN = range(1, 5)
S_ORDER, S_REENTER, S_SPROUT, S_SPREAD, S_SPREAD_TO, S_SPILL = range(16, 22)


class Frame(NamedTuple):
    """What a renderer needs of one world; copies."""

    cells: np.ndarray  # terrain code, uint8 (G, G)
    pos: np.ndarray  # row and column, -1 when off the map, int16 (N, 2)
    head: np.ndarray  # heading, int8 (N,)
    frozen: np.ndarray  # bool (N,)
    beam: np.ndarray  # lit by the last step, bool (G, G)
    t: int  # env-steps since reset
    present: np.ndarray  # on the map, bool (N,)


class State(NamedTuple):
    """Everything that changes in B worlds; row b is world b."""

    key: np.ndarray  # random key, uint64 (B,)
    uid: np.ndarray  # identity of the world, int64 (B,)
    t: np.ndarray  # env-steps since reset, int32 (B,)
    g: np.ndarray  # env-steps of this life, never reset, int64 (B,)
    episode: np.ndarray  # episodes begun before this one, -1 before the first, int64 (B,)
    cell: np.ndarray  # terrain code, uint8 (B, M)
    ground: np.ndarray  # bits SITE, ZONE, uint8 (B, M)
    wait: np.ndarray  # growth phases until a bare site is ripe [steps], int16 (B, M)
    pos: np.ndarray  # row and column, -1 off the map, int16 (B, N, 2)
    head: np.ndarray  # heading, int8 (B, N)
    frz: np.ndarray  # decisions still lost, int16 (B, N) [steps]
    grace: np.ndarray  # immunity left, int16 (B, N) [steps]
    cool: np.ndarray  # decisions until the next shot, int16 (B, N) [steps]
    tags: np.ndarray  # hits since the last freeze, int16 (B, N)
    act: np.ndarray  # last action in effect, -1 after reset, int8 (B, N)
    got: np.ndarray  # last reward, float32 (B, N)
    flag: np.ndarray  # bits of what the last step did, uint8 (B, N)
    lit: np.ndarray  # cells lit by the last step, repeats allowed, int16 (B, L, 2)
    lit_n: np.ndarray  # how many of them, int32 (B,)
    stock: np.ndarray  # apples on the map, int32 (B,)
    waste: np.ndarray  # waste cells on the map, int32 (B,)
    pot: np.ndarray  # cells of the waste zone, int32 (B,)


class Work(NamedTuple):
    """What follows from the state, kept up to date because it is quick to read; never saved."""

    occ: np.ndarray  # agent index + 1 on its cell, else 0, int8 (B, M)
    near: np.ndarray  # growth class: 10 * apples nearby + waste in the 3x3, uint8 (B, M)
    canvas: np.ndarray  # drawn map: ego uint8 (B, 4 G G C), full grid uint8 (B, 3 G G)
    grown: np.ndarray  # numbers of the cells that change now, int32 (B, M)
    order: np.ndarray  # order of moves, int8 (B, N)
    wall: np.ndarray  # a window that shows nothing but wall, uint8 (1, H W C)
    sprout: np.ndarray  # sprout probability of each growth class at F_glob = 1, float64 (1, 130)


def allocate(rules: Rules, sprout: np.ndarray, num_worlds: int) -> tuple[State, Work]:
    """Empty arrays for B worlds: all wall, no episode yet; `sprout` (130,) is kept as it is."""
    B, N, P = num_worlds, rules.agents, rules.side
    L = N * rules.beam_length * (2 * rules.beam_half_width + 1)
    M = P * P + BLOCK  # growth reads whole blocks
    maps, agents = (B, M), (B, N)
    state = State(
        key=np.zeros(B, np.uint64),
        uid=np.zeros(B, np.int64),
        t=np.zeros(B, np.int32),
        g=np.zeros(B, np.int64),
        episode=np.full(B, -1, np.int64),
        cell=np.full(maps, WALL, np.uint8),
        ground=np.zeros(maps, np.uint8),
        wait=np.zeros(maps, np.int16),
        pos=np.full((B, N, 2), -1, np.int16),
        head=np.zeros(agents, np.int8),
        frz=np.zeros(agents, np.int16),
        grace=np.zeros(agents, np.int16),
        cool=np.zeros(agents, np.int16),
        tags=np.zeros(agents, np.int16),
        act=np.full(agents, -1, np.int8),
        got=np.zeros(agents, np.float32),
        flag=np.zeros(agents, np.uint8),
        lit=np.zeros((B, L, 2), np.int16),
        lit_n=np.zeros(B, np.int32),
        stock=np.zeros(B, np.int32),
        waste=np.zeros(B, np.int32),
        pot=np.zeros(B, np.int32),
    )
    drawn = 4 * rules.size**2 * rules.planes if rules.ego else 3 * rules.size**2
    wall = np.zeros((2 * rules.view_radius + 1) ** 2 * rules.planes, np.uint8)
    wall[P_WALL :: rules.planes] = 1
    work = Work(
        occ=np.zeros(maps, np.int8),
        near=np.zeros(maps, np.uint8),
        canvas=np.zeros((B, drawn), np.uint8),
        grown=np.zeros(maps, np.int32),
        order=np.zeros(agents, np.int8),
        wall=wall[None],
        sprout=sprout[None],
    )
    return state, work
