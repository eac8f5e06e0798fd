"""Kernels of growth in the harvest world: apples sprout, waste spreads and is spilled.

Every function is about one world: `s` holds its raw rows (`One`), `r` the `Rules`.  Sprouting reads
a snapshot: first every cell gets its *growth class*, an index into the table of sprout
probabilities, in passes without branches that compile to vector code; then every cell draws.
"""

from __future__ import annotations

from typing import Any

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.harvest_map_kernels import One, phase, pick, put
from karma_rllib.worlds.harvest_state import Rules
from karma_rllib.worlds.rng import below, stream_key, unit


@phase
def grow(s: One, r: Rules) -> None:
    """Sprout apples from a snapshot, then spread the waste that was there, then spill new waste."""
    f_glob = 1.0
    if r.waste_global and s.pot[0] > 0:
        rho = s.waste[0] / s.pot[0]
        f_glob = (r.waste_depletion - rho) / (r.waste_depletion - r.waste_restoration)
        f_glob = min(max(f_glob, 0.0), 1.0)
    mark_free(s, r)
    if r.respawn_delay > 0:
        hold_unripe(s, r)
    if r.by_density:
        add_apples(s, r)
    if r.waste_local:
        add_waste(s, r)
    sprout(s, r, f_glob)
    if r.waste_on and r.waste_spread_prob > 0.0:
        spread(s, r)
    if r.waste_on and r.waste_spawn_prob > 0.0:
        spill(s, r)


@phase
def mark_free(s: One, r: Rules) -> None:
    """Class of every cell that can sprout: 0; of all others: NEVER."""
    need = h.SITE if r.sites_only else 0
    for row in range(r.pad, r.pad + r.size):
        for at in range(row * r.side + r.pad, row * r.side + r.pad + r.size):
            bare = s.cell[at] == h.EMPTY
            fertile = (s.ground[at] & need) == need
            clear = r.under_agent or s.occ[at] == 0
            s.grown[at] = 0 if bare & fertile & clear else h.NEVER


@phase
def hold_unripe(s: One, r: Rules) -> None:
    """Count bare sites down; those whose time has not come cannot sprout."""
    for row in range(r.pad, r.pad + r.size):
        for at in range(row * r.side + r.pad, row * r.side + r.pad + r.size):
            if s.cell[at] == h.EMPTY and s.wait[at] > 0:
                s.wait[at] -= 1
                if s.wait[at] > 0:
                    s.grown[at] = h.NEVER


@phase
def add_apples(s: One, r: Rules) -> None:
    """Add ten times the (capped) number of neighbouring apples to the class."""
    P = r.side
    for row in range(r.pad, r.pad + r.size):
        for at in range(row * P + r.pad, row * P + r.pad + r.size):
            n = int(s.cell[at - P - 1] == h.APPLE) + int(s.cell[at - P] == h.APPLE)
            n += int(s.cell[at - P + 1] == h.APPLE) + int(s.cell[at - 1] == h.APPLE)
            n += int(s.cell[at + 1] == h.APPLE) + int(s.cell[at + P - 1] == h.APPLE)
            n += int(s.cell[at + P] == h.APPLE) + int(s.cell[at + P + 1] == h.APPLE)
            if r.disc2:
                n += int(s.cell[at - 2 * P] == h.APPLE) + int(s.cell[at + 2 * P] == h.APPLE)
                n += int(s.cell[at - 2] == h.APPLE) + int(s.cell[at + 2] == h.APPLE)
            s.grown[at] = (
                h.NEVER if s.grown[at] == h.NEVER else h.WASTE_COUNTS * min(n, r.last_rate)
            )


@phase
def add_waste(s: One, r: Rules) -> None:
    """Add the number of waste cells in the 3x3 to the class."""
    P = r.side
    for row in range(r.pad, r.pad + r.size):
        for at in range(row * P + r.pad, row * P + r.pad + r.size):
            n = int(s.cell[at - P - 1] == h.WASTE) + int(s.cell[at - P] == h.WASTE)
            n += int(s.cell[at - P + 1] == h.WASTE) + int(s.cell[at - 1] == h.WASTE)
            n += int(s.cell[at + 1] == h.WASTE) + int(s.cell[at + P - 1] == h.WASTE)
            n += int(s.cell[at + P] == h.WASTE) + int(s.cell[at + P + 1] == h.WASTE)
            s.grown[at] = h.NEVER if s.grown[at] == h.NEVER else s.grown[at] + n


@phase
def sprout(s: One, r: Rules, f_glob: Any) -> None:
    """Grow apples: each cell on its own, with the probability of its class times F_glob."""
    sk = stream_key(s.key[0], s.g[0], h.S_SPROUT)
    for row in range(r.size):
        start, n = (row + r.pad) * r.side + r.pad, 0
        for col in range(r.size):
            yes = int(unit(sk, row * r.size + col) < s.sprout[s.grown[start + col]] * f_glob)
            s.grown[start + col] = yes
            n += yes
        if n > 0:
            for col in range(r.size):
                if s.grown[start + col] != 0:
                    put(s, r, row + r.pad, col + r.pad, h.APPLE)


@phase
def spill(s: One, r: Rules) -> None:
    """Foul one random free cell of the zone, sometimes."""
    sk = stream_key(s.key[0], s.g[0], h.S_SPILL)
    if unit(sk, 0) < r.waste_spawn_prob:
        at = pick(s, r, h.EMPTY, h.ZONE, sk, 1)
        if at >= 0:
            put(s, r, at // r.side, at % r.side, h.WASTE)


@phase
def spread(s: One, r: Rules) -> None:
    """Let each waste cell foul one free zone cell beside it; new waste waits for the next step."""
    sk = stream_key(s.key[0], s.g[0], h.S_SPREAD)
    for row in range(r.size):
        for col in range(r.size):
            at = (row + r.pad) * r.side + col + r.pad
            waste = s.cell[at] == h.WASTE
            s.grown[at] = int(waste and unit(sk, row * r.size + col) < r.waste_spread_prob)
    for row in range(r.size):
        for col in range(r.size):
            if s.grown[(row + r.pad) * r.side + col + r.pad] != 0:
                foul_beside(s, r, row, col)


@phase
def foul_beside(s: One, r: Rules, row: Any, col: Any) -> None:
    """Foul one of the free zone cells beside a (unpadded) cell, if there is any."""
    n = 0
    for d in range(4):
        n += int(can_foul(s, r, row + h.STEP_ROW[d], col + h.STEP_COL[d]))
    if n == 0:
        return
    to = stream_key(s.key[0], s.g[0], h.S_SPREAD_TO)
    k = below(to, row * r.size + col, n)
    for d in range(4):
        y, x = row + h.STEP_ROW[d], col + h.STEP_COL[d]
        if can_foul(s, r, y, x):
            if k == 0:
                put(s, r, y + r.pad, x + r.pad, h.WASTE)
            k -= 1


@phase
def can_foul(s: One, r: Rules, row: Any, col: Any) -> Any:
    """Whether waste can come to lie on a (unpadded) cell: empty, unoccupied, in the zone."""
    at = (row + r.pad) * r.side + col + r.pad
    return (s.ground[at] & h.ZONE) != 0 and s.cell[at] == h.EMPTY and s.occ[at] == 0
