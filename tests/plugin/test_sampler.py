"""The sampler plays what the network says, records what happened, and resumes exactly."""

import numpy as np
import pytest
import torch

from karma_rllib.envs.replay import unpack
from karma_rllib.envs.replay_life import verify
from karma_rllib.envs.replay_watch import Watch
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.plugin.sampler import Sampler
from karma_rllib.society.lifetime import make_lifetime

torch.set_num_threads(1)


def make_sampler(preset="tiny", worlds=3, first_uid=0, **options):
    lifetime = make_lifetime(
        "harvest-v0", num_worlds=worlds, seed=5, first_uid=first_uid, profile="gathering",
        max_steps=20,
    )  # fmt: skip
    grid, vec = lifetime.obs_shapes["grid"], lifetime.obs_shapes["vec"]
    net = MirrorNet(grid, vec[0], lifetime.num_actions, make_spec(preset), 0.01, seed=1)
    return Sampler(lifetime, net, seed=5, max_seq_len=8, **options)


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_recorded_choices_are_those_of_a_training_forward_pass(preset):
    sampler = make_sampler(preset)
    fragment = sampler.run(50)
    rows = zip(fragment.seq_step, fragment.seq_world, fragment.seq_len, strict=True)
    for s, (t, w, n) in enumerate(rows):
        state = {k: torch.from_numpy(v[s]) for k, v in fragment.seq_state.items()}
        grid, vec = (
            torch.from_numpy(fragment.obs[key][t : t + n, w].swapaxes(0, 1).copy())
            for key in ("grid", "vec")
        )
        out = sampler.net(grid, vec, state)
        want = fragment.logits[t : t + n, w].swapaxes(0, 1)
        np.testing.assert_allclose(out.logits.detach().numpy(), want, atol=1e-5)
        np.testing.assert_allclose(
            out.value.detach().numpy(), fragment.value[t : t + n, w].T, atol=1e-5
        )


def test_logp_is_the_logit_of_the_action_taken():
    fragment = make_sampler().run(30)
    want = np.take_along_axis(fragment.logits, fragment.action[..., None], -1)[..., 0]
    assert np.array_equal(fragment.logp, want)
    np.testing.assert_allclose(np.exp(fragment.logits).sum(-1), 1.0, atol=1e-5)


def test_a_world_lives_the_same_life_in_any_batch():
    together, alone = make_sampler(worlds=4), make_sampler(worlds=1, first_uid=2)
    many, one = together.run(60), alone.run(60)
    assert np.array_equal(many.action[:, 2], one.action[:, 0])
    assert np.array_equal(many.obs["grid"][:, 2], one.obs["grid"][:, 0])


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_two_short_fragments_equal_one_long(preset):
    long, short = make_sampler(preset), make_sampler(preset)
    whole, parts = long.run(30), [short.run(13), short.run(17)]
    for name in ("action", "reward", "truncated"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(joined, getattr(whole, name)), name


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_a_restored_sampler_goes_on_exactly(preset):
    first = make_sampler(preset)
    first.run(13)
    state = first.get_state()
    second = make_sampler(preset)
    second.set_state(state)
    a, b = first.run(25), second.run(25)
    assert np.array_equal(a.action, b.action)
    assert np.array_equal(a.value, b.value)
    assert np.array_equal(a.last_value, b.last_value)


def test_a_state_of_other_worlds_is_refused():
    with pytest.raises(ValueError, match="2 worlds, this runner 3"):
        make_sampler(worlds=3).set_state(make_sampler(worlds=2).get_state())


def test_final_observations_are_kept_where_episodes_end():
    fragment = make_sampler().run(45)
    assert fragment.end_step.tolist() == [19] * 3 + [39] * 3
    # The next row is a new episode's first frame: no last action in its vector yet.
    last_actions = slice(7, 15)
    assert fragment.end_obs["vec"][:, :, last_actions].any()
    assert not fragment.obs["vec"][20][..., last_actions].any()


def test_recurrent_state_is_zero_after_an_episode_ends():
    fragment = make_sampler("small", keep_states=True).run(30)
    assert not fragment.states["h"][20].any()
    assert fragment.states["h"][19].any()


def test_greedy_play_takes_the_most_probable_action():
    fragment = make_sampler().run(20, explore=False)
    assert np.array_equal(fragment.action, fragment.logits.argmax(-1))


def watch_over(sampler, worlds=2):
    """Let a fresh sampler be watched from its first frame."""
    sampler.watch = Watch(sampler.lifetime, "net", worlds)
    sampler.watch.begin()
    return sampler


def test_a_watched_sampler_plays_as_an_unwatched_one_and_keeps_what_it_played():
    plain, watched = make_sampler(), watch_over(make_sampler())
    whole = plain.run(50)
    assert np.array_equal(watched.run(50).action, whole.action)
    kept = {name: unpack(data) for name, data in watched.watch.files().items()}
    assert set(kept) == {"best", "median", "violent"}
    totals = whole.reward[:40, :2].reshape(2, 20, 2, -1).sum((1, 3))  # (episode, world)
    episode, world = np.unravel_index(totals.argmax(), totals.shape)
    best = kept["best"]
    verify(best)
    steps = slice(20 * episode, 20 * episode + 20)
    assert np.array_equal(best.actions, whole.action[steps, world])
    np.testing.assert_allclose(best.tracks["value"], whole.value[steps, world], atol=1e-3)
    chance = np.exp(whole.logits[steps, world])
    np.testing.assert_allclose(best.tracks["chance"] / 255, chance, atol=1 / 255)


def test_an_episode_that_was_restored_midway_is_not_kept():
    first = make_sampler()
    first.run(13)
    second = watch_over(make_sampler())
    second.set_state(first.get_state())
    second.run(7)
    assert second.watch.files() == {}
    second.run(20)
    assert unpack(second.watch.files()["best"]).steps == 20
