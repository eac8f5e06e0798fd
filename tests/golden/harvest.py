"""Short traces of the harvest world, reduced to hashes.

A change here is a change of dynamics: it bumps the world's version and the CHANGELOG.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from karma_rllib import worlds
from karma_rllib.worlds.rng import uniforms

FILE = Path(__file__).with_name("harvest.json")
STEPS = 120
# What a trace is made of: the events that told the first stored traces.
TOLD = (
    "hit", "distance", "cleaned", "ate", "fired", "active", "aim", "apple_ctx", "stock", "waste",
    "t", "g", "episode", "predatory", "retributive",
)  # fmt: skip


def trace(profile):
    """Hash of 120 steps of 3 worlds under actions that are drawn from the world's own address."""
    world = worlds.make("harvest-v0", num_worlds=3, seed=2017, profile=profile, max_steps=50)
    buffers = world.reset()
    digest = hashlib.sha256(buffers["grid"].tobytes() + buffers["vec"].tobytes())
    for t in range(STEPS):
        u = uniforms(1, world.uid, np.full(3, t), world.num_agents)
        out = world.step((u * 8).astype(int), buffers)
        digest.update(buffers["grid"].tobytes() + buffers["vec"].tobytes())
        digest.update(out.reward.tobytes() + out.truncated.tobytes())
        for name in TOLD:
            digest.update(getattr(out.events, name).tobytes())
        if out.truncated.any():
            world.reset(out.truncated, out=buffers)
    return digest.hexdigest()


def traces():
    """Hash of every profile."""
    return {profile: trace(profile) for profile in worlds.list_profiles("harvest-v0")}


def stored():
    """Hashes on file."""
    return json.loads(FILE.read_text())
