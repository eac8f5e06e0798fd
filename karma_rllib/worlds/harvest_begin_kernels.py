"""Kernels that begin an episode of the harvest world: wipe, lay out, fill, foul, spawn.

Every function is about one world: `s` holds its rows (`One`), `r` the rules (fields of `Rules`).
Random draws are keyed by the episode.
"""

from __future__ import annotations

from typing import Any

from karma_rllib.worlds import harvest_state as h
from karma_rllib.worlds.harvest_map_kernels import (
    blank,
    cell_number,
    enter,
    enter_anywhere,
    pick,
    put,
)
from karma_rllib.worlds.harvest_rows_kernels import One, phase
from karma_rllib.worlds.harvest_rules import Rules
from karma_rllib.worlds.rng import below, stream_key, unit


@phase
def mark_square(s: One, r: Rules, top: Any, left: Any) -> None:
    """Mark a patch of sites."""
    for row in range(top, top + 2 * r.patch_half):
        for col in range(left, left + 2 * r.patch_half):
            s.ground[cell_number(r, row, col)] |= h.SITE


@phase
def lay_out(s: One, r: Rules) -> None:
    """Mark the apple sites."""
    room = r.size - 2 * r.patch_half
    if r.layout == h.CENTRAL:
        mark_square(s, r, room // 2, room // 2)
    elif r.layout == h.TWO_PATCH:
        near = (r.size // 2 - 2 * r.patch_half) // 2
        mark_square(s, r, near, near)
        mark_square(s, r, room - near, room - near)
    elif r.layout == h.PATCHES:
        sk = stream_key(s.key[0], s.episode[0], h.S_LAYOUT)
        for n in range(r.n_patches):
            mark_square(s, r, below(sk, 2 * n, room + 1), below(sk, 2 * n + 1, room + 1))
    else:
        pitch, first = (3, 1) if r.layout == h.SITES else (1, 0)
        for row in range(first, r.size, pitch):
            for col in range(first, r.size, pitch):
                s.ground[cell_number(r, row, col)] |= h.SITE


@phase
def fill(s: One, r: Rules) -> None:
    """Put the first apples on the sites and mark the waste zone."""
    sk = stream_key(s.key[0], s.episode[0], h.S_FILL)
    s.pot[0] = 0
    for row in range(r.size):
        for col in range(r.size):
            at = cell_number(r, row, col)
            site = (s.ground[at] & h.SITE) != 0
            if site:
                if unit(sk, at) < r.apple_density:
                    put(s, r, row, col, h.APPLE)
                else:
                    s.wait[at] = r.respawn_delay
            zone = r.zone == h.EVERYWHERE
            zone |= r.zone == h.OUTSIDE_APPLES and not site
            zone |= r.zone == h.STRIP and row < r.strip_rows
            if zone and r.waste_on:
                s.ground[at] |= h.ZONE
                s.pot[0] += 1


@phase
def foul(s: One, r: Rules) -> None:
    """Put the first waste on random empty cells of its zone."""
    sk = stream_key(s.key[0], s.episode[0], h.S_FOUL)
    for n in range(int(r.waste_init_frac * s.pot[0] + 0.5)):
        spot = pick(s, r, h.EMPTY, h.ZONE, sk, n)
        if spot >= 0:
            put(s, r, spot // r.size, spot % r.size, h.WASTE)


@phase
def spawn(s: One, r: Rules, where: Any, facing: Any) -> None:
    """Place the agents: first where the caller wants them, then the others at random."""
    sk = stream_key(s.key[0], s.episode[0], h.S_SPAWN)
    for i in range(r.agents):
        if where[2 * i] >= 0:
            put(s, r, where[2 * i], where[2 * i + 1], h.EMPTY)
            enter(s, r, i, where[2 * i], where[2 * i + 1])
            s.head[i] = below(sk, 2 * i + 1, 4)
    for i in range(r.agents):
        if where[2 * i] < 0:
            enter_anywhere(s, r, i, sk)
        if facing[i] >= 0:
            s.head[i] = facing[i]


@phase
def wipe(s: One, r: Rules) -> None:
    """Forget the last episode; the life clock `g` goes on."""
    s.t[0] = 0
    s.episode[0] += 1
    s.lit_n[0] = 0
    s.stock[0] = 0
    s.waste[0] = 0
    for row in range(r.size):
        for col in range(r.size):
            at = cell_number(r, row, col)
            s.ground[at] = 0
            s.wait[at] = 0
            s.cell[at] = h.EMPTY
    for i in range(r.agents):
        s.pos[2 * i] = -1
        s.pos[2 * i + 1] = -1
        s.frz[i] = 0
        s.grace[i] = 0
        s.cool[i] = 0
        s.tags[i] = 0
        s.act[i] = -1
        s.got[i] = 0
        s.flag[i] = 0
    blank(s, r)
