"""Arrays of the kinship world: its state, and the codes that it is written in.

Shape legend: B worlds, N agents, A actions, I items, O objects, G side of the map, P = G + 2 RIM
side of the padded map (the rim is WALL), M = P * P, R view radius, C planes, H = W = 2 R + 1.  Rows
run down, columns to the right; headings are 0 north, 1 east, 2 south, 3 west.  A map is kept flat:
the cell at (row, col) has number (row + RIM) * P + col + RIM.  Energy is counted in hundredths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from karma_rllib.worlds.kinship_rules import Rules

EMPTY, WALL, BLOCK, GENERATOR, CHARGER, ALTAR, FREE_ALTAR, STATION = range(8)
TERRAIN = ("empty", "wall", "block", "generator", "charger", "altar", "free_altar", "station")
RIM = 3  # wall around a map [cells]: the reach of an attack stays inside
CENT = 100  # hundredths in one unit of energy
STEP_ROW = (-1, 0, 1, 0)  # unit vector of each heading, rows
STEP_COL = (0, 1, 0, -1)  # and columns
(
    NOOP, FORWARD, BACKWARD, ROTATE, GO, JUMP, USE, ATTACK, NEAREST, SHIELD, GIFT, MARK, SWAP,
    POSTURE, BUILD, PUT, GET, COURT,
) = range(18)  # fmt: skip
VERBS = 18
NEUTRAL, REST, SCOUT, FIGHT = range(4)
POSTURES = ("neutral", "rest", "scout", "fight")
LATERAL = (0, -1, 1)  # columns in the order that the nearest is sought: middle, left, right
WAS_HIT, HIT_AGENT, FAILED = 1, 2, 4  # bits of `flag`: what the last step did
IDLE, WORKING, COOLING = range(3)  # of a station
LAYOUTS = ("open", "rooms", "corridors", "maze", "labyrinth", "radial", "clutter", "drawn")
OPEN, ROOMS, CORRIDORS, MAZE, LABYRINTH, RADIAL, CLUTTER, DRAWN = range(8)
LOOT_ON_ATTACK, LOOT_ON_USE, LOOT_NEVER = range(3)
LOOT = ("on_attack", "on_use", "never")
# planes that every kinship world has; others follow, see `kinship_names.plane_names`
P_WALL, P_BLOCK, P_GENERATOR, P_CHARGER, P_ALTAR, P_STATION, P_KIND, P_READY = range(8)
P_AGENT, P_FROZEN, P_SHIELD, P_HEADING = 8, 9, 10, 11
PLANES = (
    "wall", "block", "generator", "charger", "altar", "station", "kind", "ready",
    "agent", "frozen", "shield", "heading_north", "heading_east", "heading_south", "heading_west",
)  # fmt: skip
VEC_NAMES = (
    "energy", "frozen_left", "shield", "was_hit", "hit_agent", "failed", "last_reward", "time_left",
    "heading_north", "heading_east", "heading_south", "heading_west",
)  # fmt: skip
# purposes of random streams; the first group counts episodes, the second env-steps
S_WALLS, S_PLACES, S_KINDS, S_SPAWN, S_HEAD, S_TURN, S_NICHES = range(1, 8)
S_ORDER = 16

EXTRA = (
    "failed", "blocked", "froze", "harvested", "consumed", "produced", "looted", "gift_to",
    "gave_items", "gave_energy", "marked", "shielded", "swapped", "built", "destroyed", "energy",
    "energy_charged", "energy_regained", "energy_spent", "energy_lost", "energy_stolen",
    "energy_received", "court_to", "energy_court", "bonded", "parted", "mate_hearts",
)  # fmt: skip
"""Fields of the events beyond those of `worlds.events.Events`; (B, N) unless said otherwise.

failed: the action had no effect, or was not possible, bool.  blocked, froze: i's attack on j was
absorbed by its shield, or froze it (and it was not frozen), bool (B, N, N).  harvested: diamonds
taken from a generator; consumed: items put into a machine; produced: items taken out of a station;
looted: items taken from others; gave_items: items given; int16.  gift_to: to whom, -1 nobody, int8.
marked: marker set in this step, -1 none, int8.  shielded: the shield is up after the step, bool.
swapped, built, bool; destroyed: objects, int16.  energy: after the step; and why it changed, all
int32 [hundredths]: charged (by chargers), regained (floor, regeneration, rest), spent (costs,
upkeep, altars), lost (to an attack), stolen (from the one I froze), gave_energy (by a gift),
received (from gifts).  court_to: whom i courted, -1 nobody, int8; energy_court: what it spent on
courting, int32 [hundredths]; bonded, parted: bonds that i entered and lost; mate_hearts: hearts
that those it bonded with had taken by then; int16.
"""


class Frame(NamedTuple):
    """What a renderer needs of one world; copies."""

    cells: np.ndarray  # terrain code, uint8 (G, G)
    pos: np.ndarray  # row and column, -1 when off the map, int16 (N, 2)
    head: np.ndarray  # heading, int8 (N,)
    frozen: np.ndarray  # bool (N,)
    beam: np.ndarray  # struck by the last step, bool (G, G)
    t: int  # env-steps since reset
    present: np.ndarray  # on the map, bool (N,)
    ready: np.ndarray  # the machine there can be used, bool (G, G)
    kind: np.ndarray  # of the machine there, int8 (G, G)
    energy: np.ndarray  # float32 (N,) [energy]
    shield: np.ndarray  # up, bool (N,)
    mark: np.ndarray  # marker shown, -1 none, int8 (N,)
    inventory: np.ndarray  # int16 (N, I)


class State(NamedTuple):
    """Everything that changes in B worlds; row b is world b."""

    key: np.ndarray  # random key, uint64 (B,)
    uid: np.ndarray  # identity of the world, int64 (B,)
    t: np.ndarray  # env-steps since reset, int32 (B,)
    g: np.ndarray  # env-steps of this life, never reset, int64 (B,)
    episode: np.ndarray  # episodes begun before this one, -1 before the first, int64 (B,)
    cell: np.ndarray  # terrain code, uint8 (B, M)
    thing: np.ndarray  # object number + 1, else 0, int16 (B, M)
    hp: np.ndarray  # attacks that the cell still stands, int16 (B, M)
    ink: np.ndarray  # floor marker + 1, uint8 (B, M)
    dry: np.ndarray  # steps until it fades, int16 (B, M)
    o_at: np.ndarray  # cell number of the object, -1 gone, int32 (B, O)
    o_kind: np.ndarray  # kind of diamond, recipe or station, int8 (B, O)
    o_wait: np.ndarray  # steps until it is ready, or its work or pause is over, int16 (B, O)
    o_stock: np.ndarray  # diamonds or hearts left, -1 without end, int16 (B, O)
    o_work: np.ndarray  # IDLE, WORKING, COOLING, int8 (B, O)
    o_out: np.ndarray  # finished outputs, int16 (B, O, I)
    live: np.ndarray  # number of the only heart altar that works, -1 all, int16 (B,)
    pos: np.ndarray  # row and column, -1 off the map, int16 (B, N, 2)
    head: np.ndarray  # heading, int8 (B, N)
    energy: np.ndarray  # int32 (B, N) [hundredths]
    inv: np.ndarray  # items held, int16 (B, N, I)
    frz: np.ndarray  # actions still lost, int16 (B, N) [steps]
    shield: np.ndarray  # up, int8 (B, N)
    mark: np.ndarray  # marker + 1 on the body, int8 (B, N)
    posture: np.ndarray  # NEUTRAL, REST, SCOUT, FIGHT, int8 (B, N)
    pause: np.ndarray  # steps until the posture may change, int16 (B, N)
    dead: np.ndarray  # gone for this episode, int8 (B, N)
    act: np.ndarray  # last action in effect, -1 after reset, int16 (B, N)
    got: np.ndarray  # last reward, float32 (B, N)
    flag: np.ndarray  # bits of what the last step did, uint8 (B, N)
    hearts: np.ndarray  # in this episode, int32 (B, N)
    struck: np.ndarray  # cell number of the last attack, -1 none, int32 (B, N)
    kin: np.ndarray  # what i sees of its kinship to j, uint8 (B, N, N)
    suit: np.ndarray  # whom i courts, -1 nobody, int8 (B, N)
    suit_left: np.ndarray  # steps until it courts nobody any more, int16 (B, N)
    bond: np.ndarray  # number of the bond between i and j, 0 none, int32 (B, N, N)
    vows: np.ndarray  # bonds made in this episode, int32 (B,)


class Work(NamedTuple):
    """What follows from the state, kept up to date because it is quick to read; never saved."""

    occ: np.ndarray  # agent index + 1 on its cell, else 0, int8 (B, M)
    canvas: np.ndarray  # drawn map, uint8 (B, turns * (G + 2 R)**2 * C)
    order: np.ndarray  # order of actions, int8 (B, N)
    inv0: np.ndarray  # items at the start of the attacks, int16 (B, N * I)
    worth: np.ndarray  # of the items held before the step, float64 (B, N)
    list: np.ndarray  # numbers of cells in random order, int32 (B, M)
    label: np.ndarray  # component of a cell, int32 (B, M)
    todo: np.ndarray  # cells still to visit, int32 (B, M)


def allocate(rules: Rules, num_worlds: int) -> tuple[State, Work]:
    """Empty arrays for B worlds: all wall, no episode yet."""
    B, N, I, O = num_worlds, rules.agents, rules.items, rules.objects  # noqa: E741
    M, agents = rules.side**2, (num_worlds, rules.agents)
    state = State(
        key=np.zeros(B, np.uint64),
        uid=np.zeros(B, np.int64),
        t=np.zeros(B, np.int32),
        g=np.zeros(B, np.int64),
        episode=np.full(B, -1, np.int64),
        cell=np.full((B, M), WALL, np.uint8),
        thing=np.zeros((B, M), np.int16),
        hp=np.zeros((B, M), np.int16),
        ink=np.zeros((B, M), np.uint8),
        dry=np.zeros((B, M), np.int16),
        o_at=np.full((B, O), -1, np.int32),
        o_kind=np.zeros((B, O), np.int8),
        o_wait=np.zeros((B, O), np.int16),
        o_stock=np.zeros((B, O), np.int16),
        o_work=np.zeros((B, O), np.int8),
        o_out=np.zeros((B, O, I), np.int16),
        live=np.full(B, -1, np.int16),
        pos=np.full((B, N, 2), -1, np.int16),
        head=np.zeros(agents, np.int8),
        energy=np.zeros(agents, np.int32),
        inv=np.zeros((B, N, I), np.int16),
        frz=np.zeros(agents, np.int16),
        shield=np.zeros(agents, np.int8),
        mark=np.zeros(agents, np.int8),
        posture=np.zeros(agents, np.int8),
        pause=np.zeros(agents, np.int16),
        dead=np.zeros(agents, np.int8),
        act=np.full(agents, -1, np.int16),
        got=np.zeros(agents, np.float32),
        flag=np.zeros(agents, np.uint8),
        hearts=np.zeros(agents, np.int32),
        struck=np.full(agents, -1, np.int32),
        kin=np.zeros((B, N, N), np.uint8),
        suit=np.full(agents, -1, np.int8),
        suit_left=np.zeros(agents, np.int16),
        bond=np.zeros((B, N, N), np.int32),
        vows=np.zeros(B, np.int32),
    )
    drawn = rules.turns * rules.drawn_side**2 * rules.planes
    work = Work(
        occ=np.zeros((B, M), np.int8),
        canvas=np.zeros((B, drawn), np.uint8),
        order=np.zeros(agents, np.int8),
        inv0=np.zeros((B, N * I), np.int16),
        worth=np.zeros(agents, np.float64),
        list=np.zeros((B, M), np.int32),
        label=np.zeros((B, M), np.int32),
        todo=np.zeros((B, M), np.int32),
    )
    return state, work
