"""Two containers of array rows with a fixed capacity: the newest rows, or a fair sample.

Both hold `Rows`: a dict of arrays with one common leading axis. Columns are allocated at the
first rows they see; later rows must have the same columns, shapes and dtypes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = dict[str, NDArray[Any]]
Index = NDArray[np.int64]


class _Store:
    """Columns of `capacity` rows, of which `size` are filled."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.size = capacity, 0
        self.columns: Rows = {}

    def __len__(self) -> int:
        return self.size

    def _write(self, slots: Index, rows: Rows) -> None:
        """Write rows into physical slots."""
        if not self.columns:
            for key, x in rows.items():
                self.columns[key] = np.zeros((self.capacity, *x.shape[1:]), x.dtype)
        if rows.keys() != self.columns.keys():
            odd = sorted(rows.keys() ^ self.columns.keys())
            raise ValueError(f"rows added to one bank must have the same columns; {odd} differ.")
        for key, x in rows.items():
            self.columns[key][slots] = x

    def _read(self, slots: Index, prefixes: tuple[str, ...] | None) -> Rows:
        """Copy rows at physical slots; only columns whose name starts with a prefix."""
        return {
            key: x[slots]
            for key, x in self.columns.items()
            if prefixes is None or key.startswith(prefixes)
        }


class Ring(_Store):
    """The newest `capacity` rows, addressed from the oldest (0) to the newest."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.start = 0  # physical slot of the oldest row

    def _slots(self, index: Index) -> Index:
        return (self.start + index) % self.capacity

    def add(self, rows: Rows) -> None:
        """Append rows; the oldest make room."""
        n = len(next(iter(rows.values())))
        if n == 0:
            return
        if n > self.capacity:
            rows, n = {key: x[-self.capacity :] for key, x in rows.items()}, self.capacity
        slots = self._slots(np.arange(self.size, self.size + n))
        self._write(slots, rows)
        overflow = max(0, self.size + n - self.capacity)
        self.start = int((self.start + overflow) % self.capacity)
        self.size += n - overflow

    def drop_older(self, column: str, limit: int) -> None:
        """Drop the rows whose `column`, which never decreases, is below `limit`."""
        if self.size:
            values = self.columns[column][self._slots(np.arange(self.size))]
            old = int((values < limit).sum())
            self.start, self.size = int((self.start + old) % self.capacity), self.size - old

    def take(self, index: Index, prefixes: tuple[str, ...] | None = None) -> Rows:
        """Copy rows by age; only the columns whose name starts with one of `prefixes`."""
        return self._read(self._slots(np.asarray(index)), prefixes)

    def get_state(self) -> Rows:
        """Return the filled rows, oldest first."""
        return self.take(np.arange(self.size))

    def set_state(self, state: Rows) -> None:
        """Hold exactly these rows, or the newest that fit."""
        self.columns, self.start, self.size = {}, 0, 0
        if state:
            self.add(state)


class Reservoir(_Store):
    """A sample of all rows ever offered, in which old rows fade.

    Without `forget` it is algorithm R: every row offered so far is held with the same chance.
    `forget` lowers the number of rows it believes to have seen, so that later rows replace
    earlier ones at a steady rate, as in a stream whose source changes.

    References:
        Vitter 1985, "Random sampling with a reservoir"; Aggarwal 2006, "On biased reservoir
        sampling in the presence of stream evolution".
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.seen = 0.0

    def forget(self, share: float) -> None:
        """Forget a share of the rows seen, in [0, 1]."""
        self.seen *= 1.0 - share

    def choose(self, rng: np.random.Generator, n: int) -> tuple[Index, Index]:
        """Decide which of n offered rows are kept, and where.

        Args:
            rng: generator of the draws.
            n: rows offered.

        Returns:
            Indices of the kept rows, increasing, and the slot of each; slots are distinct.
        """
        fill = min(n, self.capacity - self.size)
        slots = np.full(n, -1)
        slots[:fill] = np.arange(self.size, self.size + fill)
        before = max(self.seen, float(self.size))
        if n > fill:  # row k is the (before + k + 1)-th: it lands in one of as many places
            places = before + 1.0 + np.arange(fill, n)
            slots[fill:] = rng.random(n - fill) * places
            slots[slots >= self.capacity] = -1
        self.seen = before + n
        chosen = np.flatnonzero(slots >= 0)
        # of several rows that land in one slot the last stays
        last = len(chosen) - 1 - np.unique(slots[chosen][::-1], return_index=True)[1]
        chosen = chosen[np.sort(last)]
        return chosen, slots[chosen]

    def put(self, slots: Index, rows: Rows) -> None:
        """Store the rows that `choose` kept."""
        if len(slots):
            self._write(slots, rows)
            self.size = max(self.size, int(slots.max()) + 1)

    def take(self, index: Index) -> Rows:
        """Copy the rows at these slots."""
        return self._read(np.asarray(index), None)

    def get_state(self) -> Rows:
        """Return the filled rows in their slots, and the number of rows seen."""
        return {**self.take(np.arange(self.size)), "seen": np.array(self.seen)}

    def set_state(self, state: Rows) -> None:
        """Hold exactly these rows, or the first that fit."""
        rows = {key: x[: self.capacity] for key, x in state.items() if key != "seen"}
        self.columns, self.size, self.seen = {}, 0, float(state["seen"])
        if rows:
            n = len(next(iter(rows.values())))
            self._write(np.arange(n), rows)
            self.size = n
