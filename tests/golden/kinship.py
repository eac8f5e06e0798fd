"""Short traces of the kinship world, reduced to hashes.

A change here is a change of dynamics: it bumps the world's version and the CHANGELOG.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from karma_rllib import worlds
from karma_rllib.worlds.kinship_state import EXTRA
from karma_rllib.worlds.rng import uniforms

FILE = Path(__file__).with_name("kinship.json")
STEPS = 120
LAYOUTS = ("open", "rooms", "corridors", "maze", "labyrinth", "radial", "clutter")
COURTSHIP = ("court_to", "energy_court", "bonded", "parted", "mate_hearts")
TOLD = ("hit", "distance", "ate", "fired", "active", "aim", "aim_agent", "apple_ctx", "stock",
        "t", "g", "episode", *(name for name in EXTRA if name not in COURTSHIP))  # fmt: skip


def trace(profile, **params):
    """Hash of 120 steps of 3 worlds under actions that are drawn from the world's own address."""
    params = {"max_steps": 50, **params}
    world = worlds.make("kinship-v0", num_worlds=3, seed=2017, profile=profile, **params)
    world.kin[:] = np.arange(world.kin.size).reshape(world.kin.shape) % 256
    buffers = world.reset()
    digest = hashlib.sha256(buffers["grid"].tobytes() + buffers["vec"].tobytes())
    for t in range(STEPS):
        u = uniforms(1, world.uid, np.full(3, t), world.num_agents)
        out = world.step((u * world.num_actions).astype(int), buffers)
        digest.update(buffers["grid"].tobytes() + buffers["vec"].tobytes())
        digest.update(out.reward.tobytes() + out.truncated.tobytes())
        for name in (*TOLD, *(COURTSHIP if world.params.court else ())):
            digest.update(getattr(out.events, name).tobytes())
        if out.truncated.any():
            world.reset(out.truncated, out=buffers)
    return digest.hexdigest()


DRAWN = """
>.1.A#
.a.2.<
A.b.c.
vh..B^"""
ON_A_MAP = {
    "map": DRAWN, "num_agents": 4, "kinds": 2, "fixed_starts": True, "altar_turns": 7,
    "items_start": (1, 2), "altar_cost": 20.0, "bodies": ("cook", "default"),
    "custom_bodies": ({"name": "cook", "can_harvest": False, "start_energy": 60.0},),
}  # fmt: skip


COURTING = {
    "grid_size": 7, "generators": 2, "chargers": 1, "altars": 1, "court": True, "max_bonds": 2,
    "cost_court": 0.5, "attack_range": 0, "marks": 0, "energy_start": 200.0,
}  # fmt: skip


def traces():
    """Hash of every profile, and of every layout of the default one."""
    found = {profile: trace(profile) for profile in worlds.list_profiles("kinship-v0")}
    found["hearth on a drawn map"] = trace("hearth", **ON_A_MAP)
    found["hearth with courtship"] = trace("hearth", **COURTING)
    return found | {f"hearth in {name}": trace("hearth", layout=name) for name in LAYOUTS}


def stored():
    """Hashes on file."""
    return json.loads(FILE.read_text())
