"""The match world through the faces that others see worlds by."""

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from karma_rllib.envs.parallel import WorldParallelEnv


def test_pettingzoo_accepts_it():
    parallel_api_test(WorldParallelEnv("match-v0", delay_steps=20), num_cycles=100)


def test_it_can_be_drawn_in_every_room():
    env = WorldParallelEnv("match-v0", delay_steps=5, render_mode="rgb_array")
    env.reset(seed=1)
    rooms = [env.render()]
    for _ in range(env.stage.life.max_steps - 1):
        env.step({"agent_0": 0})
        rooms.append(env.render())
    assert all(room.dtype == np.uint8 and room.shape[-1] == 3 for room in rooms)
    assert len({room.tobytes() for room in rooms}) >= 3
    assert env.state_space.contains(env.state())


@pytest.mark.parametrize("cue", ["hidden", "shown"])
def test_a_text_shows_the_colours(cue):
    env = WorldParallelEnv("match-v0", cue=cue, delay_steps=0, render_mode="ansi")
    env.reset(seed=3)
    assert sum(letter in env.render() for letter in "abc") == 1
