"""Mazes: the way is the task; five times the steps of the shortest plan."""

from __future__ import annotations

from karma_rllib.envs.suites.canvas import AHEAD, HEADS, Canvas, Cell, next_to
from karma_rllib.envs.suites.dice import Dice
from karma_rllib.envs.suites.navigation import ALONE, ALTARS, collect
from karma_rllib.envs.suites.paths import Stage, plan
from karma_rllib.envs.suites.scenario import Episode, build, heart_share, horizon

RATIO = 5


def kruskal(dice: Dice, size: int) -> Canvas:
    """A maze without loops on an odd board: walls fall in random order unless they would close one.

    (Kruskal's algorithm for a spanning tree, with random weights.)
    """
    board = Canvas(size, size, "#")
    rooms = [(row, col) for row in range(1, size, 2) for col in range(1, size, 2)]
    board.put(".", *rooms)
    home = {room: room for room in rooms}

    def root(room: Cell) -> Cell:
        while home[room] != room:
            room = home[room]
        return room

    doors = [(room, head) for room in rooms for head in (1, 2)]
    for room, head in dice.shuffled(doors):
        other = next_to(room, head, 2)
        if board.inside(other) and root(room) != root(other):
            home[root(other)] = root(room)
            board.put(".", next_to(room, head))
    return board


def dead_ends(board: Canvas) -> list[Cell]:
    """Floor cells with one way out."""
    floor = set(board.find("."))
    return [
        cell
        for cell in board.find(".")
        if sum(next_to(cell, head) in floor for head in range(4)) == 1
    ]


def _hunt(dice: Dice, board: Canvas) -> Episode:
    """Altars in dead ends of a maze, the agent anywhere."""
    ends = dice.shuffled(dead_ends(board))
    board.put("h", *ends[:ALTARS])
    board.put(dice.choice(HEADS), dice.choice(board.find(".")))
    return collect(board, RATIO)


def kruskal_11(dice: Dice) -> Episode:
    """11x11, a maze without loops, altars in dead ends."""
    return _hunt(dice, kruskal(dice, 11))


def kruskal_21(dice: Dice) -> Episode:
    """21x21, a maze without loops, altars in dead ends."""
    return _hunt(dice, kruskal(dice, 21))


def labyrinth_33(dice: Dice) -> Episode:
    """33x33, corridors three wide dug by a walk that backs up when stuck, altars in far corners."""
    board, wide = Canvas(33, 33, "#"), 4
    rooms, stack = {(0, 0)}, [(0, 0)]

    def dig(room: Cell, height: int, width: int) -> None:
        row, col = 1 + wide * room[0], 1 + wide * room[1]
        board.letters[row : row + height, col : col + width] = "."

    dig((0, 0), 3, 3)
    while stack:
        here = stack[-1]
        ways = [next_to(here, head) for head in range(4)]
        ways = [way for way in ways if min(way) >= 0 and max(way) < 8 and way not in rooms]
        if not ways:
            stack.pop()
            continue
        there = dice.choice(ways)
        first = min(here, there)
        dig(first, 3 + wide * (here[1] == there[1]), 3 + wide * (here[0] == there[0]))
        rooms.add(there)
        stack.append(there)
    middles = [(2 + wide * row, 2 + wide * col) for row in range(8) for col in range(8)]
    spots = dice.shuffled(middles)
    board.put("h", *spots[:ALTARS])
    board.put(dice.choice(HEADS), spots[ALTARS])
    return collect(board, RATIO)


def radial_8(dice: Dice) -> Episode:
    """Eight arms from a hub, altars at the ends of three."""
    board = Canvas(27, 27, "#")
    board.letters[10:17, 10:17] = "."
    ends = []
    for side in (11, 15):
        for head, (down, right) in enumerate(AHEAD):
            root = (
                13 + 3 * down + (side - 13) * abs(right),
                13 + 3 * right + (side - 13) * abs(down),
            )
            end = next_to(root, head, 5 + dice.below(6))
            board.line(".", root, end)
            ends.append(end)
    board.put("h", *dice.shuffled(ends)[:ALTARS])
    board.put(dice.choice(HEADS), (13, 13))
    return collect(board, RATIO)


def spiral(dice: Dice) -> Episode:
    """A corridor that winds inwards, altars in its wall and at its end."""
    board, way = _wind(17)
    for part in (3, 3 / 2):
        niche = _niche(dice, board, way[: int(len(way) / part)][-8:])
        board.put("h", niche)
    board.put("h", way[-1])
    board.put(dice.choice(HEADS), way[0])
    board = board.mirrored() if dice.below(2) else board
    return collect(board, RATIO)


def _wind(size: int) -> tuple[Canvas, list[Cell]]:
    """A spiral dug into rock, and its cells from the outside in."""
    board = Canvas(size, size, "#")
    cell, head, way, turns = (1, 1), 1, [(1, 1)], 0
    board.put(".", cell)
    while turns < 2:  # straight on while two cells ahead are rock, else turn right
        ahead, two = next_to(cell, head), next_to(cell, head, 2)
        if board.inside(two) and board.letters[two] == board.letters[ahead] == "#":
            cell, turns = ahead, 0
            way.append(cell)
            board.put(".", cell)
        else:
            head, turns = (head + 1) % 4, turns + 1
    return board, way


def _niche(dice: Dice, board: Canvas, way: list[Cell]) -> Cell:
    """A wall cell beside one of these corridor cells."""
    walls = [next_to(cell, head) for cell in way for head in range(4)]
    return dice.choice([cell for cell in walls if board.letters[cell] == "#"])


def fetch_home(dice: Dice) -> Episode:
    """A diamond at the far end of a maze; the charger and the altar that it is for at the start."""
    board = kruskal(dice, 15)
    free = dice.shuffled(board.find("."))
    start = free[0]
    board.put(dice.choice(HEADS), start)
    walls = [cell for head in range(4) if board.letters[cell := next_to(start, head)] == "#"]
    if len(walls) < 2:  # a crossing has no room for two machines
        return fetch_home(dice)
    charger, altar = dice.shuffled(walls)[:2]
    far = max(dead_ends(board), key=lambda cell: _steps(board, cell))
    board.put("C", charger)
    board.put("A", altar)
    board.put("G", far)
    stages = [Stage((far,)), Stage((charger,)), Stage((altar,))]
    best = plan(board.free(), board.start(), stages)
    params = {
        **ALONE,
        "map": board.text(),
        "max_steps": horizon(RATIO, len(best.actions)),
        "energy_start": 0.0,
        "energy_floor": 0.0,
    }
    return Episode(params, len(best.actions), 1.0, best.actions)


def _steps(board: Canvas, cell: Cell) -> int:
    """Steps from the start until facing a cell."""
    return len(plan(board.free(), board.start(), [Stage((cell,))]).actions)


SCENARIOS = build(
    "maze", heart_share, (kruskal_11, kruskal_21, labyrinth_33, radial_8, spiral, fetch_home)
)
