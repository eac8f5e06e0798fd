"""The outer loops over kinship worlds: what Python calls.

Numba caches a compiled function under the date of its own file only, so these loops close over
`SOURCE`, a digest of every kernel file: a change in any of them makes a new cache entry.  They
release the interpreter lock and touch only worlds lo..hi-1, so that threads can share a batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

from karma_rllib.worlds.kinship_act_kernels import act
from karma_rllib.worlds.kinship_attack_kernels import attack
from karma_rllib.worlds.kinship_begin_kernels import lay_out, spawn, wipe
from karma_rllib.worlds.kinship_map_kernels import redraw
from karma_rllib.worlds.kinship_observe_kernels import observe
from karma_rllib.worlds.kinship_rows_kernels import look
from karma_rllib.worlds.kinship_step_kernels import begin, settle, shuffle, sustain, tend, tick
from karma_rllib.worlds.raw import row

_HERE = Path(__file__).parent
_PARTS = [_HERE / name for name in ("raw.py", "rng.py", "kinship_state.py", "kinship_rules.py")]
_PARTS += sorted(_HERE.glob("kinship*kernels.py"))
SOURCE = zlib.crc32(b"".join(part.read_bytes() for part in _PARTS))


def _compile(source: int) -> tuple[Callable[..., Any], ...]:
    """Build the outer loops for this state of the sources."""

    @njit(cache=True, nogil=True)
    def advance(book: Any, actions: Any, grid: Any, vec: Any, lo: int, hi: int) -> int:
        """One env-step of worlds lo..hi-1; they share one book, or each has its own."""
        for b in range(lo, hi):
            r = book[min(b, len(book) - 1)]
            s = look(r, b)
            begin(s, r, row(actions, b))
            tend(s, r)
            sustain(s, r)
            shuffle(s, r)
            attack(s, r)
            act(s, r)
            settle(s, r)
            tick(s, r)
            observe(s, r, row(grid, b), row(vec, b))
        return source

    @njit(cache=True, nogil=True)
    def prepare(book: Any, mask: Any, lo: int, hi: int) -> int:
        """Lay out the next episode's map, nobody on it, in the worlds lo..hi-1 of `mask`."""
        r = book[0]
        for b in range(lo, hi):
            if mask[b]:
                s = look(r, b)
                wipe(s, r)
                lay_out(s, r)
        return source

    @njit(cache=True, nogil=True)
    def populate(
        book: Any, mask: Any, pos: Any, head: Any, grid: Any, vec: Any, lo: int, hi: int
    ) -> int:
        """Let the agents of the worlds lo..hi-1 of `mask` enter the map that was laid out."""
        r = book[0]
        for b in range(lo, hi):
            if mask[b]:
                s = look(r, b)
                spawn(s, r, row(pos, b), row(head, b))
                observe(s, r, row(grid, b), row(vec, b))
        return source

    @njit(cache=True, nogil=True)
    def show(book: Any, grid: Any, vec: Any, lo: int, hi: int) -> int:
        """Write the current observations of worlds lo..hi-1 once more."""
        r = book[0]
        for b in range(lo, hi):
            observe(look(r, b), r, row(grid, b), row(vec, b))
        return source

    @njit(cache=True, nogil=True)
    def derive(book: Any, lo: int, hi: int) -> int:
        """Rebuild the working arrays of worlds lo..hi-1 from their state."""
        r = book[0]
        for b in range(lo, hi):
            redraw(look(r, b), r)
        return source

    return advance, prepare, populate, show, derive


advance, prepare, populate, show, derive = _compile(SOURCE)
