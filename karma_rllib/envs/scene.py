"""What a page draws of a life: the same words for every world.

A *stage* says once what does not change; a *look* holds one frame.  The viewer of replays packs all
looks of an episode into columns (`film_of`), the page of `karma play` gets one at a time
(`as_json`); both are drawn by the same script.

Shapes: T env-steps, N agents, I items, G side of the map.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from karma_rllib.envs import render
from karma_rllib.envs.replay_life import Moment
from karma_rllib.envs.social_events import agent_names
from karma_rllib.society.lifetime import Lifetime
from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.events import ROLE_NAMES, outcome_roles

#: Tiles: terrain of harvest and match as it is (0 empty, 1 apple, 2 waste, 3 wall, 4 + c colour c),
#: block, and from `MACHINE` on ((terrain - generator) * 16 + kind) * 2 + ready.
WALL, BLOCK, MACHINE = 3, 12, 16
FROZEN, SHIELD, PRESENT, FIRED, ATE, STRUCK = 1, 2, 4, 8, 16, 32  # bits of `flags`
MILLI = 1000  # fractions travel as thousandths
COUNTS = ("total", "hits", "struck", "eaten")  # running totals of an episode
PER_AGENT = (
    "row", "col", "head", "flags", "left", "mark", "energy", "action", "reward", "role", *COUNTS,
)  # fmt: skip
LISTS = ("tiles", "shots", "hits_now", "gifts", "lit", "debt")


class Look(NamedTuple):
    """One frame; integers throughout."""

    t: int  # env-steps since the episode began
    tiles: np.ndarray  # (G * G,)
    agents: np.ndarray  # columns `PER_AGENT`, (N, 14); energy, reward and total in thousandths
    items: np.ndarray  # held, (N, I)
    shots: list[tuple[int, int, int]]  # who, and the row and column where the shot ended
    hits: list[tuple[int, int]]  # who hit whom
    gifts: list[tuple[int, int]]  # who gave to whom
    lit: list[int]  # cells lit or struck
    debt: np.ndarray  # what i owes j in thousandths [zaps], (N, N)


class Onlooker:
    """Looks at one world, moment by moment, and counts."""

    def __init__(self, num_agents: int) -> None:
        self.sums = np.zeros((num_agents, len(COUNTS)), np.float64)

    def look(self, now: Moment, b: int = 0) -> Look:
        """The look of a moment; a moment without a reward begins an episode."""
        frame, events, N = now.frame, now.events, len(now.frame.head)
        columns: dict[str, Any] = {name: np.zeros(N) for name in PER_AGENT}
        columns |= {"row": frame.pos[:, 0], "col": frame.pos[:, 1], "head": frame.head}
        flags = FROZEN * frame.frozen + PRESENT * frame.present
        flags = flags + SHIELD * getattr(frame, "shield", np.zeros(N, bool))
        frozen_for = now.life.get_state().get("frz")
        columns["left"] = np.zeros(N) if frozen_for is None else frozen_for[b]
        columns["mark"] = getattr(frame, "mark", np.full(N, -1))
        columns["energy"] = np.rint(MILLI * getattr(frame, "energy", np.zeros(N)))
        columns["action"], columns["role"] = np.full(N, -1), np.full(N, -1)
        hits: list[tuple[int, int]] = []
        gifts: list[tuple[int, int]] = []
        if events is None:
            self.sums[:] = 0
        else:
            struck = events.hit.any(0)
            flags = flags + FIRED * events.fired + ATE * events.ate + STRUCK * struck
            columns["action"], columns["role"] = now.action, outcome_roles(events, frame.frozen)
            columns["reward"] = np.rint(MILLI * np.asarray(now.reward, np.float64))
            gained = (now.reward, events.hit.sum(1), struck, events.ate)
            self.sums += np.stack([np.asarray(x, np.float64) for x in gained], 1)
            hits = [(int(i), int(j)) for i, j in np.argwhere(events.hit)]
            to = getattr(events, "gift_to", None)
            gifts = [] if to is None else [(int(i), int(to[i])) for i in np.flatnonzero(to >= 0)]
        columns["flags"] = flags
        for n, name in enumerate(COUNTS):
            columns[name] = np.rint((MILLI if name == "total" else 1) * self.sums[:, n])
        return Look(
            t=int(frame.t),
            tiles=tiles_of(frame).ravel(),
            agents=np.stack([np.asarray(columns[name], np.int32) for name in PER_AGENT], 1),
            items=np.asarray(getattr(frame, "inventory", np.zeros((N, 0))), np.int32),
            shots=_shots(frame, events, hits),
            hits=hits,
            gifts=gifts,
            lit=[int(c) for c in np.flatnonzero(frame.beam)],
            debt=np.rint(MILLI * now.debt.astype(np.float64)).astype(np.int32),
        )


def tiles_of(frame: Any) -> np.ndarray:
    """The map as tiles, uint8 (G, G)."""
    cells = frame.cells.astype(np.int32)
    if not hasattr(frame, "ready"):
        return cells.astype(np.uint8)
    kind = np.clip(frame.kind, 0, 15).astype(np.int32)
    machine = MACHINE + ((cells - k.GENERATOR) * 16 + kind) * 2 + frame.ready
    plain = np.where(cells == k.WALL, WALL, np.where(cells == k.BLOCK, BLOCK, 0))
    return np.where(cells >= k.GENERATOR, machine, plain).astype(np.uint8)


def _shots(frame: Any, events: Any, hits: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Where each shot of the last step ended; a kinship attack that met nobody only glows."""
    if events is None:
        return []
    if hasattr(frame, "ready"):
        return [(i, int(frame.pos[j, 0]), int(frame.pos[j, 1])) for i, j in hits]
    rays = [(int(i), render.ray(frame, int(i))) for i in np.flatnonzero(events.fired)]
    return [(i, int(ray[-1][0]), int(ray[-1][1])) for i, ray in rays if len(ray)]


def stage_of(life: Lifetime, policies: Sequence[str], kin: np.ndarray) -> dict[str, Any]:
    """What does not change during an episode, as JSON data.

    Args:
        life: the lifetime.
        policies: who plays each agent, N names.
        kin: K, float64 (N, N).
    """
    p, world = life.params, life.world
    bodies = getattr(p, "bodies", ("default",))
    N = life.num_agents
    related = life.relatives.on
    return {
        "world": world.name,
        "profile": p.profile,
        "size": len(world.frame().cells),
        "agents": agent_names(N),
        "policies": list(policies),
        "bodies": [bodies[n % len(bodies)] for n in range(N)] if len(set(bodies)) > 1 else [],
        "actions": list(world.action_names),
        "items": list(getattr(world, "item_names", ())),
        "energy_max": float(getattr(p, "energy_max", 0)),
        "max_steps": life.max_steps,
        "view": {
            "radius": int(getattr(p, "view_radius", 0)),
            "turns": getattr(p, "obs_mode", "") == "ego_planes"
            or bool(getattr(p, "egocentric_rotate", False)),
        },
        "eats": "hearts" if hasattr(p, "altar_cost") else "apples",
        "roles": list(ROLE_NAMES),
        "per_agent": list(PER_AGENT),
        "kin": np.round(kin, 3).tolist() if related else [],
    }


def as_json(look: Look) -> dict[str, Any]:
    """One frame as JSON data, for a page that is told frame by frame."""
    i, j = np.nonzero(look.debt)
    return {
        "t": look.t,
        "tiles": look.tiles.tolist(),
        "agents": look.agents.tolist(),
        "items": look.items.tolist(),
        "shots": look.shots,
        "hits": look.hits,
        "gifts": look.gifts,
        "lit": look.lit,
        "debt": np.stack([i, j, look.debt[i, j]], 1).tolist(),
    }


def film_of(looks: Iterable[Look], tracks: dict[str, np.ndarray]) -> dict[str, Any]:
    """All frames of an episode, packed: columns and lists of changes, deflated, in base64.

    Args:
        looks: of T + 1 frames.
        tracks: of a replay.

    Returns:
        JSON data: `frames`, `arrays` (name, kind, shape in the order of the bytes) and `data`.
        Arrays of kind `i4` come first; `agents` (14, T + 1, N), `items` (I, T + 1, N) and `clock`
        (T + 1,) hold differences from frame to frame; lists (rows, columns) begin with the number
        of the frame: `tiles` cell and tile, `debt` debtor, creditor and thousandths (both only
        what changed), `shots`, `hits_now`, `gifts`, `lit` as in `Look`.
    """
    agents, items, clock = [], [], []
    lists: dict[str, list[Any]] = {name: [] for name in LISTS}
    tiles = debt = None
    for f, look in enumerate(looks):
        agents.append(look.agents)
        items.append(look.items)
        clock.append(look.t)
        seen = np.full_like(look.tiles, 255) if tiles is None else tiles
        lists["tiles"] += [(f, int(c), int(look.tiles[c])) for c in _changed(look.tiles, seen)]
        owed = np.zeros_like(look.debt) if debt is None else debt
        lists["debt"] += [
            (f, int(i), int(j), int(look.debt[i, j])) for i, j in np.argwhere(look.debt != owed)
        ]
        tiles, debt = look.tiles, look.debt
        now: dict[str, Any] = {"shots": look.shots, "hits_now": look.hits, "gifts": look.gifts}
        for name, rows in now.items():
            lists[name] += [(f, *row) for row in rows]
        lists["lit"] += [(f, cell) for cell in look.lit]
    arrays: dict[str, np.ndarray] = {
        "agents": _differences(np.stack(agents)),
        "items": _differences(np.stack(items)),
        "clock": np.diff(np.array(clock, np.int32), prepend=0),
    }
    width = {"tiles": 3, "debt": 4, "shots": 4, "hits_now": 3, "gifts": 3, "lit": 2}
    for name, rows in lists.items():
        arrays[name] = np.array(rows, np.int32).reshape(-1, width[name])
    if "value" in tracks:
        arrays["value"] = np.rint(MILLI * tracks["value"].astype(np.float64)).astype(np.int32)
    packed = {name: np.ascontiguousarray(a, "<i4") for name, a in arrays.items()}
    if "chance" in tracks:
        packed["chance"] = np.ascontiguousarray(tracks["chance"], np.uint8)
    data = zlib.compress(b"".join(a.tobytes() for a in packed.values()), 9)
    kinds = [(name, "u1" if name == "chance" else "i4", a.shape) for name, a in packed.items()]
    return {
        "frames": len(clock),
        "arrays": [[name, kind, list(shape)] for name, kind, shape in kinds],
        "data": base64.b64encode(data).decode(),
    }


def _changed(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.flatnonzero(new != old)


def _differences(frames: np.ndarray) -> np.ndarray:
    """Quantities first, then frames as differences: (T + 1, N, Q) becomes (Q, T + 1, N)."""
    return np.diff(frames.transpose(2, 0, 1).astype(np.int32), axis=1, prepend=0)
