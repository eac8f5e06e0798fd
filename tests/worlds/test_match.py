"""The match world: against a slow reference, whatever the batch, and what chance gets in it."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib import worlds
from karma_rllib.analysis import social
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.events import ASKED, RIGHT_PAD, SEEN, Events
from tests.worlds.match_reference import ReferenceMatch

SHORT = {"look_steps": 8, "delay_steps": 12, "choose_steps": 4, "apple_prob": 0.2}


def play(world, actions):
    """Observations, rewards and events of a run with resets, by step."""
    buffers, rows = world.reset(), []
    for action in actions:
        out = world.step(action, buffers)
        rows.append(
            [buffers["grid"].copy(), buffers["vec"].copy(), out.reward.copy()]
            + [array.copy() for array in out.events]
        )
        if out.truncated.any():
            world.reset(out.truncated, out=buffers)
    return rows


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    colours=st.integers(2, 4),
    places=st.integers(1, 4),
    cue=st.sampled_from(["hidden", "shown"]),
    pads=st.sampled_from(["shuffled", "fixed"]),
    size=st.sampled_from([5, 7]),
    glow=st.booleans(),
)
def test_it_lives_the_life_of_a_slow_reference(seed, colours, places, cue, pads, size, glow):
    world = worlds.make(
        "match-v0", num_worlds=2, seed=seed, first_uid=3, colours=colours, cue_places=places,
        cue=cue, pads=pads, room_size=size,
        glow=glow, **SHORT,
    )  # fmt: skip
    references = [ReferenceMatch(world.params, seed, uid) for uid in (3, 4)]
    buffers = world.reset()
    for ref in references:
        ref.reset()
    rng = np.random.default_rng(seed)
    for _ in range(60):
        actions = rng.integers(0, 5, (2, 1))
        out = world.step(actions, buffers)
        for b, ref in enumerate(references):
            assert ref.step(int(actions[b, 0])) == out.truncated[b]
            np.testing.assert_array_equal(buffers["grid"][b, 0], ref.grid)
            np.testing.assert_allclose(buffers["vec"][b, 0], ref.vec, rtol=1e-6)
            assert out.reward[b, 0] == pytest.approx(ref.reward)
            assert (out.events.match[b, 0], out.events.ate[b, 0]) == (ref.match, ref.ate)
            assert out.events.stock[b] == list(ref.things.values()).count("apple")
        if out.truncated.any():
            world.reset(out.truncated, out=buffers)
            for ref in references:
                ref.reset()


def test_a_world_does_not_depend_on_the_batch_it_is_in():
    actions = np.random.default_rng(0).integers(0, 5, (70, 5, 1))
    many = play(worlds.make("match-v0", num_worlds=5, seed=3, **SHORT), actions)
    few = play(worlds.make("match-v0", num_worlds=2, seed=3, first_uid=2, **SHORT), actions[:, 2:4])
    for row, other in zip(many, few, strict=True):
        for array, part in zip(row, other, strict=True):
            np.testing.assert_array_equal(array[2:4], part)


def test_a_state_taken_amid_an_episode_continues_exactly():
    actions = np.random.default_rng(1).integers(0, 5, (40, 3, 1))
    world, twin = (worlds.make("match-v0", num_worlds=3, seed=s, **SHORT) for s in (5, 5))
    play(world, actions[:17])
    twin.reset()
    twin.set_state(world.get_state())
    for action in actions[17:23]:
        a, b = world.step(action), twin.step(action)
        for key in a.obs:
            np.testing.assert_array_equal(a.obs[key], b.obs[key])
        np.testing.assert_array_equal(a.reward, b.reward)


def test_random_play_seldom_sees_the_cue_and_matches_by_chance():
    """4,000 episodes of the default: standard errors are .008."""
    life = make_lifetime("match-v0", num_worlds=4000, seed=1)
    rng, parts = np.random.default_rng(1), []
    life.reset()
    for _ in range(life.max_steps):
        out = life.step(rng.integers(0, 5, (4000, 1)))
        stack = Events(*(array[None].copy() for array in out.events))
        parts.append(social.tally(stack, out.reward[None], max_steps=life.max_steps))
    rates = social.rates(social.pool(parts), "match")
    assert 0.2 < rates["cue_seen"] < 0.4
    chosen = rates["success"] + rates["wrong"]
    assert 0.7 < chosen <= 1
    assert rates["success"] / chosen == pytest.approx(1 / life.params.colours, abs=0.04)


def test_looking_around_and_remembering_earns_every_episode():
    """A script: north-west, south-east, wait out the delay, choose by what it has seen."""
    world = worlds.make("match-v0", num_worlds=200, seed=2, pads="fixed")
    tour = [1, 3, 2, 2, 4, 4]
    obs, colour = world.reset(), np.zeros(200, int)
    for t in range(world.max_steps):
        seen = obs["grid"][:, 0, :, :, 5:].any((1, 2))  # (B, colours)
        if t < world.params.look_steps:
            colour = np.where(seen.any(1), seen.argmax(1), colour)
        action = np.full((200, 1), tour[t] if t < len(tour) else 0)
        if t == world.params.look_steps + world.params.delay_steps:
            action[:, 0] = 1 + colour
        out = world.step(action, obs)
        if t == world.params.look_steps + world.params.delay_steps - 1:
            assert (out.events.match == ASKED | SEEN).all()
        if t == world.params.look_steps + world.params.delay_steps:
            assert (out.events.match == RIGHT_PAD).all()
            assert (out.reward == 10).all()
    assert out.truncated.all()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"room_size": 6}, "room_size=6 must be odd"),
        ({"view_radius": 2}, "view_radius=2 must be below 2"),
        ({"colours": 5}, r"colours=5 must lie in \[2, 4\]"),
        ({"num_agents": 2}, r"num_agents=2 must lie in \[1, 1\]"),
        ({"delay": 3}, "unknown parameter 'delay': did you mean 'delay_steps'"),
        ({"profile": "activ"}, "unknown profile 'activ': did you mean 'active'"),
    ],
)
def test_a_bad_parameter_is_named_with_its_value_and_its_rule(params, words):
    with pytest.raises(ValueError, match=r"\S") as caught:
        worlds.resolve_params("match-v0", **params)
    assert re.search(words, str(caught.value)), caught.value


def test_steps_that_cannot_be_are_refused_in_a_sentence():
    world = worlds.make("match-v0", **SHORT)
    with pytest.raises(RuntimeError, match="world 0 has not begun"):
        world.step(np.zeros((1, 1), int))
    world.reset()
    with pytest.raises(ValueError, match=r"action 5 of agent 0 in world 0 must lie in \[0, 5\)"):
        world.step(np.full((1, 1), 5))
    with pytest.raises(ValueError, match="matchmaker mode is 'debt': it must be 'off' in match-v0"):
        make_lifetime("match-v0", matchmaker={"mode": "debt"})
