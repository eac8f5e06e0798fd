"""The outer loops over worlds: what Python calls.

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

from karma_rllib.worlds.events import Events
from karma_rllib.worlds.harvest_grow_kernels import grow
from karma_rllib.worlds.harvest_map_kernels import fill, foul, lay_out, look, redraw, spawn, wipe
from karma_rllib.worlds.harvest_observe_kernels import observe
from karma_rllib.worlds.harvest_state import Rules, State, Work
from karma_rllib.worlds.harvest_step_kernels import decide, fire, move, settle, tick, turn
from karma_rllib.worlds.raw import row

_PARTS = (
    "raw.py", "rng.py", "harvest_state.py", "harvest_map_kernels.py", "harvest_step_kernels.py",
    "harvest_grow_kernels.py", "harvest_observe_kernels.py", "harvest_kernels.py",
)  # fmt: skip
SOURCE = zlib.crc32(b"".join((Path(__file__).parent / name).read_bytes() for name in _PARTS))


def _compile(source: int) -> tuple[Callable[..., Any], ...]:
    """Build the outer loops for this state of the sources."""

    @njit(cache=True, nogil=True)
    def advance(
        s: State, w: Work, r: Rules, e: Events, actions: Any, debt: Any,
        reward: Any, truncated: Any, grid: Any, vec: Any, lo: Any, hi: Any,
    ) -> Any:  # fmt: skip
        """One env-step of worlds lo..hi-1."""
        for b in range(lo, hi):
            one = look(s, w, e, b)
            decide(one, r, row(actions, b))
            turn(one, r)
            move(one, r)
            fire(one, r)
            settle(one, r, row(reward, b))
            grow(one, r)
            tick(one, r, row(truncated, b))
            observe(one, r, row(debt, b), row(grid, b), row(vec, b))
        return source

    @njit(cache=True, nogil=True)
    def restart(
        s: State, w: Work, r: Rules, e: Events, mask: Any, pos: Any, head: Any, debt: Any,
        grid: Any, vec: Any, lo: Any, hi: Any,
    ) -> Any:  # fmt: skip
        """Begin a new episode in those of the worlds lo..hi-1 that `mask` names."""
        for b in range(lo, hi):
            if mask[b]:
                one = look(s, w, e, b)
                wipe(one, r)
                lay_out(one, r)
                fill(one, r)
                foul(one, r)
                spawn(one, r, row(pos, b), row(head, b))
                observe(one, r, row(debt, b), row(grid, b), row(vec, b))
        return source

    @njit(cache=True, nogil=True)
    def show(
        s: State, w: Work, r: Rules, e: Events, debt: Any, grid: Any, vec: Any, lo: Any, hi: Any
    ) -> Any:
        """Write the current observations of worlds lo..hi-1 once more."""
        for b in range(lo, hi):
            observe(look(s, w, e, b), r, row(debt, b), row(grid, b), row(vec, b))
        return source

    @njit(cache=True, nogil=True)
    def derive(s: State, w: Work, r: Rules, e: Events, lo: Any, hi: Any) -> Any:
        """Rebuild the working arrays of worlds lo..hi-1 from their state."""
        for b in range(lo, hi):
            redraw(look(s, w, e, b), r)
        return source

    return advance, restart, show, derive


advance, restart, show, derive = _compile(SOURCE)


@njit(cache=True)
def first_bad_action(actions: Any, num_actions: int) -> int:
    """Flat index of the first action outside [0, num_actions), or -1; actions int64 (B, N)."""
    flat = actions.ravel()
    for k in range(flat.size):
        if flat[k] < 0 or flat[k] >= num_actions:
            return k
    return -1


@njit(cache=True)
def first_stopped(episode: Any, t: Any, max_steps: int) -> int:
    """Return the first world whose episode has not begun or is over, or -1."""
    for b in range(t.size):
        if episode[b] < 0 or t[b] >= max_steps:
            return b
    return -1
