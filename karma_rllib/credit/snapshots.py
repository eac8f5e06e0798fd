"""Decisions that may be judged later: frames, actions and recurrent states of past crimes.

A fragment is spent after one update, but a crime may be punished thousands of env-steps later. So
each crime's transition is kept with the steps before it, to be evaluated by the network of that
later day.

Shapes: T env-steps, W worlds, N agents, R crimes, L steps of a window, C recurrent cells.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from karma_rllib.credit.recall import Recall

Arrays = Mapping[str, np.ndarray]
FIRST_ROWS = 256  # allocated at first, then doubled up to the capacity


def windows(
    truncated: np.ndarray, world: np.ndarray, row: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of windows that end with a given row and stay in its episode and fragment.

    Args:
        truncated: the episode ended after the step, bool (T, W).
        world: int (R,).
        row: last row of each window, int (R,).
        length: L.

    Returns:
        Rows in order, int64 (R, L), where a short window starts at column 0 and then repeats its
        last row; and how many are real, int64 (R,).
    """
    start = np.zeros(len(row), np.int64)
    for r, (w, last) in enumerate(zip(world, row)):
        first = max(0, int(last) - length + 1)
        (ends,) = np.nonzero(truncated[first:last, w])
        start[r] = first + ends[-1] + 1 if len(ends) else first
    rows = start[:, None] + np.arange(length)
    return np.minimum(rows, row[:, None]), row - start + 1


def tail_weights(steps: np.ndarray, length: int, gamma: float, lambda_: float) -> np.ndarray:
    """What a charge of 1 on the last real step of a window is worth to the advantages before it.

        weight_l = (gamma lambda)^{steps - 1 - l} for l < steps, else 0                        (1)

    Args:
        steps: real steps of each window, int (R,).
        length: L.
        gamma: discount per env-step.
        lambda_: lambda of the advantages.

    Returns:
        float32 (R, L); 1 at the crime.
    """
    back = np.asarray(steps)[:, None] - 1 - np.arange(length)
    return np.where(back >= 0, (gamma * lambda_) ** np.maximum(back, 0), 0.0).astype(np.float32)


class Snapshots:
    """A ring of windows, addressed by numbers that are never used twice.

    Args:
        capacity: windows held, >= 1; the oldest make room.
        window: L >= 1.

    Attributes:
        oldest: number of the oldest window held.
        written: windows ever written, the next one's number.
    """

    def __init__(self, capacity: int, window: int = 1) -> None:
        self.capacity, self.window, self.written = capacity, window, 0
        self._columns: dict[str, np.ndarray] = {}

    @property
    def oldest(self) -> int:
        """Number of the oldest window held."""
        return max(0, self.written - self.capacity)

    def __len__(self) -> int:
        return self.written - self.oldest

    def nbytes(self) -> int:
        """Memory in use [bytes]."""
        return sum(column.nbytes for column in self._columns.values())

    def keep(
        self,
        recall: Recall,
        columns: Arrays,
        states: Arrays,
        truncated: np.ndarray,
        active: np.ndarray,
        g: np.ndarray,
    ) -> int:
        """Take a window for every crime of the fragment that `recall` still holds.

        Crimes of one shot share a window. Call it after `transport`, for it may evict windows.

        Args:
            recall: the memory; its crimes learn their windows' numbers.
            columns: as in `write`.
            states: as in `write`.
            truncated: bool (T, W).
            active: bool (T, W, N).
            g: env-steps of each world's life before the step, int64 (T, W).

        Returns:
            How many windows were written.
        """
        world, agent, slot, row = recall.crimes(g[0])
        if not len(world):
            return 0
        shots, which = np.unique(np.stack([row, world, agent]), axis=1, return_inverse=True)
        numbers = self.write(columns, states, truncated, active, shots[1], shots[2], shots[0])
        recall.attach(world, agent, slot, numbers[which.reshape(-1)])
        return shots.shape[1]

    def write(
        self,
        columns: Arrays,
        states: Arrays,
        truncated: np.ndarray,
        active: np.ndarray,
        world: np.ndarray,
        agent: np.ndarray,
        row: np.ndarray,
    ) -> np.ndarray:
        """Keep windows of a fragment.

        Args:
            columns: by name, (T or more, W, N, ...) each: frames, action, logp, value, reading.
            states: recurrent state before every step by name, (T or more, W, N, C) each; empty for
                a network without one.
            truncated: the episode ended after the step, bool (T, W).
            active: could act, bool (T, W, N).
            world: int (R,).
            agent: int (R,).
            row: last row of each window, int (R,).

        Returns:
            Numbers of the windows, int64 (R,), increasing.

        Raises:
            ValueError: if the columns are not those of earlier calls.
        """
        rows, steps = windows(truncated, world, row, self.window)
        at = (rows, world[:, None], agent[:, None])
        cut = {name: column[at] for name, column in columns.items()}
        first = (rows[:, 0], world, agent)
        cut |= {f"state/{name}": column[first] for name, column in states.items()}
        cut["steps"] = steps.astype(np.int16)
        cut["mask"] = active[at] & (np.arange(self.window) < steps[:, None])
        numbers = self.written + np.arange(len(row))
        self._put(numbers, cut)
        return numbers

    def _put(self, numbers: np.ndarray, cut: dict[str, np.ndarray]) -> None:
        if not len(numbers):
            return
        if self._columns and cut.keys() != self._columns.keys():
            odd = sorted(cut.keys() ^ self._columns.keys())
            raise ValueError(f"windows kept together must have the same columns; {odd} differ.")
        self.written = int(numbers[-1]) + 1
        self._make_room(min(self.written, self.capacity), cut)
        late = numbers >= self.oldest  # of more than a ring's worth only the newest stay
        for name, x in cut.items():
            self._columns[name][numbers[late] % self.capacity] = x[late]

    def _make_room(self, need: int, like: dict[str, np.ndarray]) -> None:
        """Have at least `need` rows; before the ring is full, numbers are rows."""
        have = len(next(iter(self._columns.values()))) if self._columns else 0
        if need <= have:
            return
        rows = max(have, min(FIRST_ROWS, self.capacity))
        while rows < need:
            rows = min(2 * rows, self.capacity)
        for name, x in like.items():
            grown = np.zeros((rows, *x.shape[1:]), x.dtype)
            if have:
                grown[:have] = self._columns[name]
            self._columns[name] = grown

    def take(self, numbers: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Copy windows.

        Args:
            numbers: as returned by `write`, int (R,).

        Returns:
            Columns by name, (R, L, ...), beside them `state/...` (R, C), before the first step;
            `steps` int16 (R,), real steps, which come first; `mask` bool (R, L), real steps where
            the agent could act. And which windows are still held, bool (R,); rows of the others
            are arbitrary. No columns before the first `write`.
        """
        numbers = np.asarray(numbers, np.int64)
        held = (numbers >= self.oldest) & (numbers < self.written)
        at = np.where(held, numbers, self.oldest) % self.capacity
        return {name: column[at] for name, column in self._columns.items()}, held

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything, as arrays."""
        used = min(self.written, self.capacity)
        state = {f"column/{name}": x[:used].copy() for name, x in self._columns.items()}
        return {**state, "shape": np.array([self.capacity, self.window, self.written])}

    def set_state(self, state: Arrays) -> None:
        """Hold what `get_state` returned.

        Raises:
            ValueError: if the capacity or the window is another.
        """
        capacity, window, written = (int(x) for x in state["shape"])
        if (capacity, window) != (self.capacity, self.window):
            raise ValueError(
                f"the saved snapshots have capacity {capacity} and windows of {window}, these "
                f"{self.capacity} and {self.window}: keep the tvt section as it was when the "
                "checkpoint was written."
            )
        self.written = written
        self._columns = {
            name.removeprefix("column/"): x.copy()
            for name, x in state.items()
            if name.startswith("column/")
        }
