"""Episodes in which policies meet are functions of seed, world and players."""

import numpy as np
import pytest

from karma_rllib.envs.bots import make_bot
from karma_rllib.envs.meeting import build, play_episodes
from karma_rllib.society.lifetime import make_lifetime

SHORT = {"world": "harvest-v0", "profile": "gathering", "max_steps": 40}


def players(*names, world=SHORT, seed=0):
    made = {name: make_bot(name, build(world), seed) for name in names}
    return [made[name] for name in names]


def test_an_episode_is_the_same_alone_and_among_others():
    cast = players("bully", "random", "random", "forager")
    together = play_episodes(SHORT, cast, [3, 4, 5, 9])
    alone = play_episodes(SHORT, cast, [5])
    assert alone == [row for row in together if row.seed == 5]
    assert [row.seed for row in together] == [3] * 4 + [4] * 4 + [5] * 4 + [9] * 4
    assert len({row.raw_return for row in together}) > 4


def test_returns_and_counts_are_those_of_the_world():
    cast = players("bully", "forager", "forager", "forager")
    seen = {"reward": 0, "hit": 0, "steps": 0}

    def watch(life, actions, out):
        if out is not None:
            seen["reward"] = seen["reward"] + out.reward[0].astype(float)
            seen["hit"] = seen["hit"] + out.events.hit[0].astype(int)
            seen["steps"] += 1

    rows = play_episodes(SHORT, cast, [7], watch)
    np.testing.assert_allclose([row.raw_return for row in rows], seen["reward"])
    assert [row.stats["hits"] for row in rows] == seen["hit"].sum(1).tolist()
    assert [row.stats["hits_taken"] for row in rows] == seen["hit"].sum(0).tolist()
    assert {row.steps for row in rows} == {seen["steps"]} == {40}


def test_two_players_of_one_policy_take_chances_of_their_own():
    life = make_lifetime(seed=0, max_steps=40)
    actions = []
    play_episodes(SHORT, players(*["random"] * 4), [0], lambda _, a, __: actions.append(a))
    drawn = np.stack(actions[1:])[:, 0]
    assert drawn.shape == (40, life.num_agents)
    assert len({tuple(column) for column in drawn.T}) == 4


def test_rewards_shared_among_relatives_are_told_apart_from_those_earned():
    kin = {**SHORT, "kinship": {"scheme": "teams", "team_size": 2, "strength": 0.5}}
    rows = play_episodes(kin, players("bully", "forager", "forager", "forager"), [1])
    raw, shared = ([getattr(row, key) for row in rows] for key in ("raw_return", "shared_return"))
    assert sum(raw) == pytest.approx(sum(shared), abs=1e-3)
    assert raw != pytest.approx(shared)


def test_as_many_policies_as_agents_must_be_named():
    with pytest.raises(ValueError, match="3 policies for 4 agents"):
        play_episodes(SHORT, players("bully", "forager", "forager"), [0])
