"""Shortest plans with full knowledge: breadth-first search over cell and heading.

A pose is (row, column, heading).  One step moves forward or backward, turns to any heading, or acts
on the cell ahead.  A plan visits *stages* in order; a stage is done by its verb, facing one of its
cells.  Costs to go are int32 (rows, columns, 4) [steps].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numba import njit

from karma_rllib.envs.suites.canvas import AHEAD, Cell, Pose, next_to

FAR = 1 << 29  # no way leads there
_DOWN = np.array([step[0] for step in AHEAD])
_RIGHT = np.array([step[1] for step in AHEAD])
TURNS = ("rotate_up", "rotate_right", "rotate_down", "rotate_left")


class Stage(NamedTuple):
    """Something to be done, facing any one of these cells."""

    cells: tuple[Cell, ...]
    verb: str = "use"
    clears: bool = False  # the (only) cell can be entered afterwards
    enters: bool = False  # the verb also carries the agent there


class Plan(NamedTuple):
    """A shortest plan."""

    actions: tuple[str, ...]
    goals: tuple[Cell, ...]  # the cell that each stage was done at


@njit(cache=True)
def spread(free: np.ndarray, go: np.ndarray) -> None:
    """Lower costs to go until no step makes one cheaper, in place.

    Poses are linked both ways (forward is undone by backward, a turn by another), so costs to go
    spread like costs from: whatever became cheaper waits in a queue to tell its neighbours.

    Args:
        free: where one can walk, bool (rows, columns).
        go: costs to go at the poses that are known, `FAR` elsewhere, int32 (rows, columns, 4).
    """
    rows, cols = free.shape
    cost, poses = go.reshape(-1), rows * cols * 4
    queue, waits = np.empty(poses, np.int32), np.zeros(poses, np.bool_)
    first = count = 0
    for pose in range(poses):
        if cost[pose] < FAR:
            queue[count], waits[pose] = pose, True
            count += 1
    near = np.empty(6, np.int32)
    while count > 0:
        pose = queue[first]
        first, count, waits[pose] = (first + 1) % poses, count - 1, False
        cell, head = pose // 4, pose % 4
        for turn in range(4):
            near[turn] = cell * 4 + turn
        for n in range(2):
            row = cell // cols + (1 - 2 * n) * _DOWN[head]
            col = cell % cols + (1 - 2 * n) * _RIGHT[head]
            inside = 0 <= row < rows and 0 <= col < cols and free[row, col]
            near[4 + n] = (row * cols + col) * 4 + head if inside else pose
        for other in near:
            if cost[other] > cost[pose] + 1:
                cost[other] = cost[pose] + 1
                if not waits[other]:
                    queue[(first + count) % poses], waits[other] = other, True
                    count += 1


def costs_to_go(free: np.ndarray, stages: Sequence[Stage]) -> list[np.ndarray]:
    """Steps until all stages from the k-th on are done, for each k and each pose.

    Args:
        free: where one can walk at first, bool (rows, columns).
        stages: what to do, in order.

    Returns:
        One array (rows, columns, 4) per stage, and zeros at the end; `FAR` where no way leads.
    """
    boards = [free]
    for stage in stages:
        board = boards[-1].copy()
        if stage.clears:
            board[stage.cells[0]] = True
        boards.append(board)
    costs = [np.zeros((*free.shape, 4), np.int32)]
    for stage, board in zip(reversed(stages), reversed(boards[:-1]), strict=True):
        go = np.full((*free.shape, 4), FAR, np.int32)
        for cell in stage.cells:
            for head in range(4):
                stand = next_to(cell, head, -1)
                if _is_free(board, stand):
                    then = cell if stage.enters else stand
                    rest = costs[0][then[0], then[1], head]
                    go[stand[0], stand[1], head] = min(go[stand[0], stand[1], head], rest + 1)
        go[go > FAR] = FAR
        spread(board, go)
        costs.insert(0, go)
    return costs


def steps_from(free: np.ndarray, start: Pose) -> np.ndarray:
    """Steps from a pose to every other one, int32 (rows, columns, 4); `FAR` where none leads."""
    steps = np.full((*free.shape, 4), FAR, np.int32)
    steps[start] = 0
    spread(free, steps)
    return steps


def end_of(start: Pose, found: Plan) -> Pose:
    """Where a plan ends that only walks and uses."""
    row, col, head = start
    for action in found.actions:
        if action in TURNS:
            head = TURNS.index(action)
        elif action.startswith("move"):
            row, col = next_to((row, col), head, 1 if action == "move_forward" else -1)
    return row, col, head


def _is_free(free: np.ndarray, cell: Cell) -> bool:
    """Whether a cell is on the board and can be walked on."""
    inside = 0 <= cell[0] < free.shape[0] and 0 <= cell[1] < free.shape[1]
    return inside and bool(free[cell])


def moves(pose: Pose) -> list[tuple[str, Pose]]:
    """What can be done on the way, and the pose that it leads to if nothing is there."""
    row, col, head = pose
    found: list[tuple[str, Pose]] = [
        ("move_forward", (*next_to((row, col), head), head)),
        ("move_back", (*next_to((row, col), head, -1), head)),
    ]
    return found + [(name, (row, col, turn)) for turn, name in enumerate(TURNS) if turn != head]


def downhill(free: np.ndarray, go: np.ndarray, pose: Pose) -> tuple[str, Pose]:
    """The first move that brings a pose one step nearer.

    Raises:
        ValueError: no move does.
    """
    for name, after in moves(pose):
        if _is_free(free, after[:2]) and go[after] == go[pose] - 1:
            return name, after
    raise ValueError(f"no move leads on from {pose}")


def plan(free: np.ndarray, start: Pose, stages: Sequence[Stage]) -> Plan:
    """A shortest plan through the stages in order.

    Args:
        free: where one can walk at first, bool (rows, columns).
        start: where the agent stands.
        stages: what to do.

    Raises:
        ValueError: a stage cannot be reached.
    """
    costs = costs_to_go(free, stages)
    if costs[0][start] >= FAR:
        raise ValueError(f"no way leads from {start} through all stages")
    board, pose, actions, goals = free.copy(), start, [], []
    for k, stage in enumerate(stages):
        while True:
            ahead = next_to(pose[:2], pose[2])
            then = (*ahead, pose[2]) if stage.enters else pose
            if ahead in stage.cells and costs[k][pose] == 1 + costs[k + 1][then]:
                break
            name, pose = downhill(board, costs[k], pose)
            actions.append(name)
        actions.append(stage.verb)
        goals.append(ahead)
        pose = then
        if stage.clears:
            board[ahead] = True
    return Plan(tuple(actions), tuple(goals))


def length(free: np.ndarray, start: Pose, stages: Sequence[Stage]) -> int:
    """Steps of a shortest plan through the stages in order; `FAR` if there is none."""
    return int(costs_to_go(free, stages)[0][start])


def any_order(
    free: np.ndarray, start: Pose, first: Iterable[Stage], then: Sequence[Stage] = ()
) -> Plan:
    """A shortest plan that does some stages in the best order, then the others in theirs.

    Raises:
        ValueError: a stage cannot be reached.
    """
    orders = [(*order, *then) for order in permutations(first)]
    return plan(free, start, min(orders, key=lambda stages: length(free, start, stages)))
