"""What becomes of crimes: how long until they are paid, and whether they are answered at all.

A crime is a predatory hit i -> j. It is *settled* by a retributive hit j -> i, the oldest crime of
that ordered pair first, and *answered* by any hit j -> i, all crimes of the pair at once. Both may
take many episodes, so the open crimes are kept from stack to stack.

Shapes: T rows of time, B worlds, N agents, K intervals of age (`life_table.ENDS`), Q open crimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from karma_rllib.analysis.life_table import ENDS

if TYPE_CHECKING:
    from karma_rllib.worlds.events import Events

#: Open crimes that are followed per ordered pair; the oldest makes room and counts as censored.
FOLLOWED = 64
#: The two spells, and the names that their sums are drained under.
SPELLS = ("settled", "answered")
_ENDS = np.array(ENDS)


def count_names(spell: str) -> list[tuple[str, str]]:
    """(events, exposure) count names of a spell, one pair per interval of `ENDS`."""
    ends = ["ever" if end == np.inf else str(int(end)) for end in ENDS]
    return [(f"{spell}_by_{end}", f"{spell}_risk_{end}") for end in ends]


class DebtBook:
    """Open crimes of every world, and the life tables of what happened since the last `drain`.

    Feeding a stack in two pieces gives the same sums as feeding it whole.

    Args:
        num_worlds: B.
        num_agents: N.
    """

    def __init__(self, num_worlds: int, num_agents: int) -> None:
        shape = (len(SPELLS), num_worlds, num_agents, num_agents)
        self._since = np.zeros((*shape, FOLLOWED), np.int64)  # life step of each open crime
        self._first = np.zeros(shape, np.int64)  # where the ring of a pair begins
        self._open = np.zeros(shape, np.int64)  # how many are open
        self._seen = np.full(num_worlds, -1, np.int64)  # life step up to which exposure is booked
        self._tables = np.zeros((len(SPELLS), 2, len(ENDS)), np.float64)

    def update(self, events: Events) -> None:
        """Book a stack of transitions, in time order.

        Args:
            events: stacks with leading axes (T, B).
        """
        rows = np.argwhere(events.hit)  # (H, 4): t, b, i, j, in time order
        paid = events.retributive[tuple(rows.T)]
        begin = np.where(self._seen < 0, events.g[0], self._seen)
        for spell in range(len(SPELLS)):
            _follow(
                spell == 0,
                rows,
                paid,
                events.g,
                begin,
                self._since[spell],
                self._first[spell],
                self._open[spell],
                self._tables[spell],
                _ENDS,
            )
        self._seen = events.g[-1] + 1

    def drain(self) -> dict[str, float]:
        """Return the sums since the last call by the names of `count_names`, and forget them."""
        sums = {}
        for spell, (events, exposure) in zip(SPELLS, self._tables, strict=True):
            for k, (n, risk) in enumerate(count_names(spell)):
                sums[n], sums[risk] = float(events[k]), float(exposure[k])
        self._tables[:] = 0.0
        return sums

    def get_state(self) -> dict[str, NDArray[Any]]:
        """The whole book as arrays (copies)."""
        names = ("since", "first", "open", "seen", "tables")
        return {name: getattr(self, f"_{name}").copy() for name in names}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `get_state` of a book of the same size returned.

        Raises:
            ValueError: an array is missing or has another shape.
        """
        for name, own in self.get_state().items():
            shape = np.shape(state[name]) if name in state else None
            if shape != own.shape:
                raise ValueError(f"the debt book needs {name!r} of shape {own.shape}, not {shape}.")
            setattr(self, f"_{name}", np.array(state[name], own.dtype))


@njit(cache=True)
def _follow(
    fifo: bool,
    rows: np.ndarray,
    paid: np.ndarray,
    g: np.ndarray,
    begin: np.ndarray,
    since: np.ndarray,
    first: np.ndarray,
    number: np.ndarray,
    table: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Follow the open crimes of all worlds through the hits of one stack.

    Args:
        fifo: true: a retributive hit closes the oldest crime; false: any hit back closes all.
        rows: (t, b, i, j) of each hit, in time order, int (H, 4).
        paid: which of them are retributive, bool (H,).
        g: life steps, int64 (T, B).
        begin: life step from which each world's exposure is to be booked, int64 (B,).
        since: life steps of open crimes, rings, int64 (B, N, N, Q).
        first: start of each ring, int64 (B, N, N).
        number: length of each ring, int64 (B, N, N).
        table: receives events and exposure, float64 (2, K).
        ends: ends of the intervals (K,).
    """
    Q = since.shape[3]
    for h in range(len(rows)):
        t, b, i, j = rows[h]
        now = g[t, b]
        closes = number[b, j, i] if not fifo else min(number[b, j, i], 1 if paid[h] else 0)
        for _ in range(closes):  # crimes of j against i, which this hit answers
            start = since[b, j, i, first[b, j, i]]
            if start == now:  # a mutual hit answers nothing
                break
            _expose(table[1], ends, max(start, begin[b]) - start, now - start)
            table[0, _interval(ends, now - start)] += 1
            first[b, j, i] = (first[b, j, i] + 1) % Q
            number[b, j, i] -= 1
        if not paid[h]:
            if number[b, i, j] == Q:  # the oldest makes room: censored here
                start = since[b, i, j, first[b, i, j]]
                _expose(table[1], ends, max(start, begin[b]) - start, now - start)
                first[b, i, j] = (first[b, i, j] + 1) % Q
                number[b, i, j] -= 1
            since[b, i, j, (first[b, i, j] + number[b, i, j]) % Q] = now
            number[b, i, j] += 1
    for b in range(number.shape[0]):
        now = g[-1, b] + 1
        for i in range(number.shape[1]):
            for j in range(number.shape[1]):
                for k in range(number[b, i, j]):
                    start = since[b, i, j, (first[b, i, j] + k) % Q]
                    _expose(table[1], ends, max(start, begin[b]) - start, now - start)


@njit(cache=True)
def _interval(ends: np.ndarray, age: int) -> int:
    """The interval that an age falls into: (previous end, end]."""
    k = 0
    while age > ends[k]:
        k += 1
    return k


@njit(cache=True)
def _expose(risk: np.ndarray, ends: np.ndarray, young: int, old: int) -> None:
    """Add the time from age `young` to age `old` to the intervals it falls into."""
    low = 0.0
    for k in range(len(ends)):
        risk[k] += max(0.0, min(old, ends[k]) - max(young, low))
        low = ends[k]
