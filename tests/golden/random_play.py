"""What a uniform random policy does in each profile: the reference of the calibration gates."""

import json
from pathlib import Path

import numpy as np

from karma_rllib import worlds

FILE = Path(worlds.__file__).with_name("random_reference.json")
NUM_WORLDS = 400


def play(profile, num_worlds, seed, first_uid=0):
    """Counts per world over one episode of uniform random actions, each (num_worlds,)."""
    world = worlds.make(
        "harvest-v0", num_worlds=num_worlds, seed=seed, first_uid=first_uid, profile=profile
    )
    rng, buffers = np.random.default_rng(seed), world.empty_obs()
    world.reset(out=buffers)
    sums = {
        name: np.zeros(num_worlds)
        for name in ("violence_rate", "yield_rate", "cooperation_rate", "beam_use", "frozen_share")
    }
    stock = np.zeros(num_worlds)
    for _ in range(world.max_steps):
        actions = rng.integers(0, 8, (num_worlds, world.num_agents))
        e = world.step(actions, buffers).events
        sums["violence_rate"] += e.hit.sum(axis=(1, 2))
        sums["yield_rate"] += e.ate.sum(axis=1)
        sums["cooperation_rate"] += (e.cleaned > 0).sum(axis=1)
        sums["beam_use"] += e.fired.sum(axis=1)
        sums["frozen_share"] += (~e.active).sum(axis=1)
        stock += e.stock
    agent_steps = world.max_steps * world.num_agents
    shots, active = sums.pop("beam_use"), agent_steps - sums["frozen_share"]
    rates = {name: total / agent_steps for name, total in sums.items()}
    return rates | {"beam_use": shots / active, "stock": stock / world.max_steps}


def reference(profile):
    """Mean of each rate over worlds and its standard error."""
    rates = play(profile, NUM_WORLDS, seed=0)
    return {
        name: {
            "mean": float(f"{x.mean():.4g}"),
            "stderr": float(f"{x.std(ddof=1) / np.sqrt(NUM_WORLDS):.2g}"),
        }
        for name, x in rates.items()
    }


def references():
    """Reference of every profile."""
    return {profile: reference(profile) for profile in worlds.list_profiles("harvest-v0")}


def stored():
    """References on file."""
    return json.loads(FILE.read_text())
