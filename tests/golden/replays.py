"""One short replay of every world on file, made at random.

Another machine, or a later version, must live the same frames from them.
"""

from pathlib import Path

import numpy as np

from karma_rllib.envs import replay as files
from karma_rllib.envs.replay_record import Recorder
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.rng import uniforms

FOLDER = Path(__file__).with_name("replays")
WORLDS = {
    "harvest-v0": {
        "profile": "gathering", "num_agents": 6, "max_steps": 60, "matchmaker": {"mode": "debt"},
    },
    "kinship-v0": {
        "num_agents": 6, "max_steps": 60, "layout": "rooms", "build": True, "destroy": True,
        "kinship": {"scheme": "families"},
    },
    "match-v0": {},
}  # fmt: skip


def record(name, *, num_worlds=1, watch=0, num_threads=1, seed=2017):
    """A replay of the second episode of a world under drawn actions: debts are carried over."""
    life = make_lifetime(
        name, num_worlds=num_worlds, seed=seed, num_threads=num_threads, **WORLDS[name]
    )
    recorder = Recorder(life, ["random"], [watch])
    for _ in range(2):
        life.reset()
        recorder.begin()
        ended = []
        while not ended:
            at = np.full(num_worlds, len(recorder.running[watch].actions))
            drawn = uniforms(seed, life.uid, at, life.num_agents)
            actions = (drawn * life.num_actions).astype(np.int64)
            ended = recorder.note(actions, life.step(actions))
    return ended[0].seal("on file")


def path(name):
    """Where the replay of a world is kept."""
    return FOLDER / f"{name}.replay"


def write():
    """Write all of them; returns the names of those that changed."""
    changed = []
    for name in WORLDS:
        data = files.pack(record(name))
        if not path(name).exists() or path(name).read_bytes() != data:
            FOLDER.mkdir(exist_ok=True)
            path(name).write_bytes(data)
            changed.append(name)
    return changed
