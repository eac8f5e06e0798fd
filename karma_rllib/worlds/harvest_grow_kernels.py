"""Kernels of growth in the harvest world: apples sprout, waste spreads and is spilled.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
The *growth class* of a cell, 10 * neighbouring apples + waste in its 3x3, is an index into the
table of sprout probabilities and is kept up to date by `put`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds import rng
from karma_rllib.worlds.harvest_map_kernels import cell_number, pick, put
from karma_rllib.worlds.harvest_rows_kernels import One, phase
from karma_rllib.worlds.harvest_rules import Rules
from karma_rllib.worlds.raw import lowest_bit
from karma_rllib.worlds.rng import below, stream_key, unit


@phase
def grow(s: One, r: Rules) -> None:
    """Sprout apples from a snapshot, then spread the waste that was there, then spill new waste."""
    f_glob = 1.0
    if r.waste_global and s.pot[0] > 0:
        rho = s.waste[0] / s.pot[0]
        f_glob = (r.waste_depletion - rho) / (r.waste_depletion - r.waste_restoration)
        f_glob = min(max(f_glob, 0.0), 1.0)
    if r.respawn_delay > 0:
        ripen(s, r)
    sprout(s, r, f_glob)
    if r.waste_on and r.waste_spread_prob > 0.0:
        spread(s, r)
    if r.waste_on and r.waste_spawn_prob > 0.0:
        spill(s, r)


@njit
def ripen(s: One, r: Rules) -> None:
    """Count bare sites down; only those at zero can sprout."""
    for at in range(r.side * r.side):
        if s.cell[at] == h.EMPTY and s.wait[at] > 0:
            s.wait[at] -= 1


@phase
def sprout(s: One, r: Rules, f_glob: Any) -> None:
    """Grow apples: each cell on its own, with the probability of its class times F_glob.

    All cells draw before any changes.  A first pass over blocks of cells finds the few that are
    bare and drew below the largest probability there is; it has no branch and no store, gathers its
    answers in the bits of one number, and so compiles to vector code.
    """
    sk = stream_key(s.key[0], s.g[0], h.S_SPROUT)
    need = h.SITE if r.sites_only else 0
    most = np.uint64(min(1.0, r.sprout_max * f_glob) * rng.FROM_UNIT) + np.uint64(1)
    first, last = cell_number(r, 0, 0), cell_number(r, r.size - 1, r.size - 1)
    total = 0
    for start in range(first, last + 1, h.BLOCK):
        found = np.uint64(0)
        for k in range(h.BLOCK):
            bare = (s.cell[start + k] == h.EMPTY) & ((s.ground[start + k] & need) == need)
            maybe = bare & ((rng.bits(sk, start + k) >> rng.S11) < most)
            found |= np.uint64(maybe) << np.uint64(k)
        while found != 0:
            at = start + lowest_bit(found)
            found &= found - np.uint64(1)
            clear = r.under_agent | (s.occ[at] == 0)
            if clear and s.wait[at] == 0 and rng.unit(sk, at) < s.sprout[s.near[at]] * f_glob:
                s.grown[total] = at
                total += 1
    for k in range(total):
        row, col = s.grown[k] // r.side, s.grown[k] % r.side
        put(s, r, row - h.RIM, col - h.RIM, h.APPLE)


@phase
def spill(s: One, r: Rules) -> None:
    """Foul one random free cell of the zone, sometimes."""
    sk = stream_key(s.key[0], s.g[0], h.S_SPILL)
    if unit(sk, 0) < r.waste_spawn_prob:
        spot = pick(s, r, h.EMPTY, h.ZONE, sk, 1)
        if spot >= 0:
            put(s, r, spot // r.size, spot % r.size, h.WASTE)


@njit
def spread(s: One, r: Rules) -> None:
    """Let each waste cell foul one free zone cell beside it; new waste waits for the next step."""
    sk = stream_key(s.key[0], s.g[0], h.S_SPREAD)
    total = 0
    for at in range(r.side * r.side):
        if s.cell[at] == h.WASTE and unit(sk, at) < r.waste_spread_prob:
            s.grown[total] = at
            total += 1
    for k in range(total):
        foul_beside(s, r, s.grown[k] // r.side - h.RIM, s.grown[k] % r.side - h.RIM)


@phase
def foul_beside(s: One, r: Rules, row: Any, col: Any) -> None:
    """Foul one of the free zone cells beside a cell, if there is any."""
    n = 0
    for d in range(4):
        n += int(can_foul(s, r, row + h.STEP_ROW[d], col + h.STEP_COL[d]))
    if n == 0:
        return
    to = stream_key(s.key[0], s.g[0], h.S_SPREAD_TO)
    k = below(to, cell_number(r, row, col), n)
    for d in range(4):
        y, x = row + h.STEP_ROW[d], col + h.STEP_COL[d]
        if can_foul(s, r, y, x):
            if k == 0:
                put(s, r, y, x, h.WASTE)
            k -= 1


@phase
def can_foul(s: One, r: Rules, row: Any, col: Any) -> Any:
    """Whether waste can come to lie on a cell: empty, unoccupied, in the zone."""
    at = cell_number(r, row, col)
    return (s.ground[at] & h.ZONE) != 0 and s.cell[at] == h.EMPTY and s.occ[at] == 0
