"""Replays made on another machine, in another batch, or before a parameter existed, come alive."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from karma_rllib import worlds
from karma_rllib.envs import replay as files
from karma_rllib.envs.replay_life import code_version, first_difference, verify
from karma_rllib.envs.replay_record import Recorder
from karma_rllib.society.lifetime import make_lifetime
from tests.golden import replays

STALE = (
    "frame {} of the {} replay on file (version {}) is lived otherwise by this code (version {}): "
    "if the rules were meant to change, bump the world's version, say so under Results-affecting "
    "in CHANGELOG.md, and run `make golden` (python -m tests.golden.regenerate)"
)


@pytest.mark.parametrize("name", replays.WORLDS)
def test_every_frame_of_the_file_is_lived_again(name):
    kept = files.load(replays.path(name))
    assert replays.path(name).stat().st_size < 20_000
    frame = first_difference(kept)
    assert frame is None, STALE.format(frame, name, kept.head.code_version, code_version())


def test_every_world_that_has_replays_has_a_file():
    assert set(replays.WORLDS) == {w for w in worlds.list_worlds() if worlds.traits(w).replays}


def test_a_world_whose_state_is_more_than_numbers_has_no_replays_and_loads_none():
    life = make_lifetime("suite-v0", num_worlds=2, seed=1, profile="navigation")
    recorder = Recorder(life, ["anybody"], [0, 1])
    life.reset()
    recorder.begin()
    assert recorder.note(np.zeros((2, 1), int), life.step(np.zeros((2, 1), int))) == []
    assert recorder.running == {}
    with pytest.raises(files.ReplayError, match="no replays are made of suite-v0"):
        recorder.cut(0)
    kept = files.load(replays.path("match-v0"))
    head = kept.head.model_copy(update={"world": "suite-v0", "params": {"profile": "navigation"}})
    with pytest.raises(files.ReplayError, match="no replays are made of suite-v0"):
        verify(replace(kept, head=head))


@pytest.mark.parametrize("name", replays.WORLDS)
def test_batch_and_threads_leave_no_trace_in_a_file(name):
    alone = replays.record(name)
    among = replays.record(name, num_worlds=3, num_threads=2)
    assert files.pack(among) == files.pack(alone)


CHECK = """
import sys
from karma_rllib.envs.replay import load
from karma_rllib.envs.replay_life import verify
for path in sys.argv[1:]:
    verify(load(path))
    print(path)
"""


def test_a_fresh_process_with_other_threads_lives_the_same_frames(tmp_path):
    paths = [str(replays.path(name)) for name in replays.WORLDS]
    for name in replays.WORLDS:
        among = replays.record(name, num_worlds=4, watch=2, num_threads=2, seed=5)
        paths.append(str(files.save(among, tmp_path / f"{name}.replay")))
    for threads in ("1", "3"):
        environment = {**os.environ, "NUMBA_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        done = subprocess.run(
            [sys.executable, "-c", CHECK, *paths],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == paths


def without(kept, keys, arrays=()):
    """A replay as it would be if some parameters and arrays had not existed yet."""
    params = {key: value for key, value in kept.head.params.items() if key not in keys}
    start = {name: array for name, array in kept.start.items() if name not in arrays}
    return replace(kept, head=kept.head.model_copy(update={"params": params}), start=start)


@pytest.mark.parametrize("name", replays.WORLDS)
def test_a_file_older_than_a_parameter_or_an_array_still_lives(name):
    kept = files.load(replays.path(name))
    usual = worlds.entry(name).params().model_dump(mode="json")
    new = [key for key, value in kept.head.params.items() if usual.get(key) == value]
    assert new
    verify(without(kept, new, ["ledger_before"]))  # an array that the first step overwrites


def test_a_parameter_that_did_not_exist_has_its_default_whatever_the_profile_now_says():
    kept = files.load(replays.path("harvest-v0"))
    entry = worlds.entry("harvest-v0")
    assert kept.head.params["timeout"] == entry.params().timeout
    short = kept.head.model_copy(update={"params": {**kept.head.params, "timeout": 3}})
    with pytest.raises(files.ReplayError, match="differs"):
        verify(replace(kept, head=short))
    changed = {**entry.profiles, "gathering": {**entry.profiles["gathering"], "timeout": 3}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "entry", lambda name: entry._replace(profiles=changed))
        assert worlds.resolve_params("harvest-v0", "gathering").timeout == 3
        verify(without(kept, ["timeout"]))


def test_a_lost_array_that_matters_is_noticed():
    kept = files.load(replays.path("harvest-v0"))
    with pytest.raises(files.ReplayError, match="frame 0 of 60 differs"):
        verify(without(kept, [], ["pos"]))
