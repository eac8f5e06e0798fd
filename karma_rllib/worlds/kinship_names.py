"""What actions and observations of a kinship world mean, known from its parameters alone."""

from __future__ import annotations

import numpy as np

from karma_rllib.worlds import kinship_state as k
from karma_rllib.worlds.kinship_params import KinshipParams

_GRADED = {
    "kind": 1 / 16, "marker": 1 / 16, "floor": 1 / 16, "body": 1 / 16, "posture": 1 / 4,
    "courting": 1 / 2, "bonded": 1 / 2,
}  # fmt: skip
_BYTES = ("kin", "others_energy")


def actions(p: KinshipParams) -> list[tuple[str, int, int]]:
    """Every action as (name, verb, argument), in order."""
    table = [("noop", k.NOOP, 0)]
    if p.controls == "simple":
        table += [
            (f"go_{way}", k.GO, n) for n, way in enumerate(("north", "east", "south", "west"))
        ]
    else:
        table += [("move_forward", k.FORWARD, 0), ("move_back", k.BACKWARD, 0)]
        table += [
            (f"rotate_{way}", k.ROTATE, n) for n, way in enumerate(("up", "right", "down", "left"))
        ]
    if p.jump:
        table.append(("jump", k.JUMP, 0))
    table.append(("use", k.USE, 0))
    table += [(f"attack_{n + 1}", k.ATTACK, n) for n in range(3 * p.attack_range)]
    if p.attack_range:
        table.append(("attack_nearest", k.NEAREST, 0))
    if p.shield:
        table.append(("shield", k.SHIELD, 0))
    if p.gifts:
        table.append(("gift_energy", k.GIFT, 0))
        table += [(f"gift_{item}", k.GIFT, n + 1) for n, item in enumerate(p.item_names)]
    table += [(f"mark_{m}", k.MARK, m) for m in range(p.marks)]
    pairs = (("swap", k.SWAP), ("court", k.COURT))
    table += [(name, verb, 0) for name, verb in pairs if getattr(p, name)]
    if p.postures:
        table += [(f"posture_{name}", k.POSTURE, n) for n, name in enumerate(k.POSTURES)]
    if p.build:
        table.append(("build", k.BUILD, 0))
    if p.stations:
        table += [("put", k.PUT, 0), ("get", k.GET, 0)]
    return table


def action_names(p: KinshipParams) -> tuple[str, ...]:
    """Meaning of each action, (A,)."""
    return tuple(name for name, _, _ in actions(p))


def plane_names(p: KinshipParams) -> tuple[str, ...]:
    """Meaning of each channel of the grid observation, (C,)."""
    names: tuple[str, ...] = k.PLANES
    names += ("marker",) if p.marks else ()
    names += ("floor",) if p.marks and p.floor_marks else ()
    names += ("body",) if len(p.body_list) > 1 else ()
    names += ("posture",) if p.postures else ()
    names += ("courting", "bonded") if p.court else ()
    if p.obs_others:
        names += ("others_energy", *(f"others_{item}" for item in p.item_names))
    return names + (("kin",) if p.obs_kin else ())


def vec_names(p: KinshipParams) -> tuple[str, ...]:
    """Meaning of each entry of the vector observation, (D,)."""
    names = k.VEC_NAMES + p.item_names
    names += ("own_marker",) if p.marks else ()
    names += tuple(f"body_{body.name}" for body in p.body_list) if len(p.body_list) > 1 else ()
    names += tuple(f"posture_{name}" for name in k.POSTURES) if p.postures else ()
    names += ("courting_left", "bonds") if p.court else ()
    names += tuple(f"last_{name}" for name in action_names(p))
    return names + (tuple(f"can_{name}" for name in action_names(p)) if p.obs_mask else ())


def grid_scale(p: KinshipParams) -> np.ndarray:
    """Factor that brings each channel to [0, 1], float32 (C,): 1 for planes of 0 and 1."""
    scale = []
    for name in plane_names(p):
        graded = _GRADED.get(name, 1.0)
        if name in _BYTES:
            graded = 1 / 255
        elif name.startswith("others_"):
            graded = 1 / min(p.inventory_cap, 255)
        scale.append(graded)
    return np.array(scale, np.float32)


def mask_start(p: KinshipParams) -> int | None:
    """Where in the vector the mask of possible actions begins; None without `obs_mask`."""
    return len(vec_names(p)) - len(actions(p)) if p.obs_mask else None


def obs_shapes(p: KinshipParams) -> dict[str, tuple[int, ...]]:
    """Shapes of one agent's observation: grid (H, W, C), vec (D,)."""
    side = 2 * p.view_radius + 1
    return {"grid": (side, side, len(plane_names(p))), "vec": (len(vec_names(p)),)}
