"""Kinship in a lifetime: drawn per episode, shown, and shared, and nothing at all without it."""

import numpy as np
import pytest

from karma_rllib.config import ConfigError
from karma_rllib.society.kinship import KinshipRules, relatedness, shown
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.rng import uniforms

TEAMS = {"scheme": "teams", "team_size": 2, "strength": 0.5}
SMALL = {
    "kinship-v0": {"grid_size": 9, "num_agents": 4, "generators": 3, "chargers": 2, "altars": 1,
                   "max_steps": 12, "reward_diamond": 1.0},
    "harvest-v0": {"profile": "gathering", "num_agents": 4, "max_steps": 12},
    "match-v0": {"delay_steps": 5},
}  # fmt: skip


def life(world="kinship-v0", kinship=None, num_worlds=3, **more):
    return make_lifetime(
        world, num_worlds=num_worlds, **{"seed": 5, **SMALL[world], "kinship": kinship, **more}
    )


def play(lives, steps=30):
    """Random play, resetting whoever ends; yields copies of what each step tells."""
    obs = lives.reset()
    for t in range(steps):
        chance = uniforms(3, lives.uid, np.full(lives.num_worlds, t), lives.num_agents)
        out = lives.step((chance * lives.num_actions).astype(int), out=obs)
        events = {name: array.copy() for name, array in out.events._asdict().items()}
        yield {key: rows.copy() for key, rows in obs.items()}, out.reward.copy(), events
        if out.truncated.any():
            lives.reset(out.truncated, out=obs)


@pytest.mark.parametrize("world", SMALL)
def test_without_a_scheme_a_life_is_what_it_was(world):
    plain, none = life(world), life(world, {"scheme": "none", "strength": 1.0})
    for (obs, reward, events), (_, again, _) in zip(play(plain), play(none), strict=True):
        np.testing.assert_array_equal(reward, again)
        np.testing.assert_array_equal(events["raw_reward"], reward)
        assert not any(events[name].any() for name in ("hit_kin", "hit_own", "gift_kin"))
        assert obs["grid"].dtype == np.uint8
    assert "kinship" not in plain.get_state()


@pytest.mark.parametrize("world", ["kinship-v0", "harvest-v0"])
@pytest.mark.parametrize("share", ["conserve", "inclusive"])
def test_every_world_shares_by_the_matrix_of_its_episode(world, share):
    rules = KinshipRules(scheme="random", symmetric=False, share=share, strength=0.7)
    lives = life(world, rules)
    N, earned = lives.num_agents, 0
    for _, reward, events in play(lives):
        raw = events["raw_reward"].astype(float)
        K = relatedness(rules, N, 5, lives.uid, events["episode"])
        for b in range(3):
            for i in range(N):
                if share == "inclusive":
                    more = sum(K[b, i, j] * raw[b, j] for j in range(N) if j != i)
                    expected = raw[b, i] + 0.7 * more
                else:
                    part = [K[b, i, j] / K[b, :, j].sum() * raw[b, j] for j in range(N)]
                    expected = 0.3 * raw[b, i] + 0.7 * sum(part)
                assert reward[b, i] == pytest.approx(expected, rel=1e-6, abs=1e-7)
        earned += np.abs(raw).sum()
    assert earned > 0


def test_the_first_frame_of_an_episode_shows_its_kin():
    lives = life(kinship=TEAMS, num_worlds=2)
    plane = lives.world.plane_names.index("kin")
    for episode in range(3):
        obs = lives.reset()
        rules, place = KinshipRules.of(TEAMS), (5, lives.uid, np.full(2, episode))
        K = relatedness(rules, 4, *place)
        np.testing.assert_array_equal(lives.relatives.matrix, K)
        np.testing.assert_array_equal(lives.world.kin, shown(rules, K, *place))
        pos = lives.world.get_state()["pos"].astype(int)
        for b, i, j in np.ndindex(2, 4, 4):
            at = pos[b, j] - pos[b, i] + 5
            if i != j and (at >= 0).all() and (at <= 10).all():
                assert obs["grid"][b, i, at[0], at[1], plane] == 255 * K[b, i, j]


def test_kinship_changes_only_in_the_worlds_that_begin_an_episode():
    lives = life(kinship={"scheme": "random"})
    lives.reset()
    before = lives.relatives.matrix.copy()
    lives.reset(np.array([False, True, False]))
    changed = (lives.relatives.matrix != before).any((1, 2))
    assert changed.tolist() == [False, True, False]


def test_acts_among_kin_are_counted_by_a_loop_too():
    """Two teams in a crowd: hits and gifts weighed pair by pair."""
    crowd = {"grid_size": 6, "num_agents": 8, "generators": 1, "chargers": 1, "altars": 1}
    lives = life(kinship={"scheme": "random", "strength": 0}, freeze=1, **crowd)
    sums = np.zeros(2)
    for _, reward, events in play(lives, 200):
        K = relatedness(lives.relatives.rules, 8, 5, lives.uid, events["episode"])
        for b in range(3):
            hits = [tuple(pair) for pair in np.argwhere(events["hit"][b])]
            gifts = [(i, j) for i, j in enumerate(events["gift_to"][b]) if j >= 0]
            for acts, what in ((hits, "hit"), (gifts, "gift")):
                kin = sum(K[b, i, j] for i, j in acts)
                chance = sum((K[b, i].sum() - 1) / 7 for i, _ in acts)
                assert events[f"{what}_kin"][b] == pytest.approx(kin, abs=1e-5)
                assert events[f"{what}_kin_chance"][b] == pytest.approx(chance, abs=1e-5)
            assert events["hit_own"][b] == sum(K[b, i, j] >= 0.5 for i, j in hits)
            assert events["gifts"][b] == len(gifts)
            sums += (len(hits), len(gifts))
        np.testing.assert_array_equal(reward, events["raw_reward"])  # strength 0
    assert (sums > 0).all()


def test_a_restored_lifetime_goes_on_with_the_same_relatives():
    first = life(kinship={"scheme": "random", "observe": "noisy"})
    steps = play(first, 20)
    for _ in range(5):
        next(steps)
    second = life(kinship={"scheme": "random", "observe": "noisy"}, seed=77)
    second.set_state(first.get_state())
    obs = second.world.observe()
    for t in range(5, 20):
        theirs, reward, events = next(steps)
        chance = uniforms(3, second.uid, np.full(3, t), 4)
        out = second.step((chance * second.num_actions).astype(int), out=obs)
        np.testing.assert_array_equal(out.reward, reward)
        np.testing.assert_array_equal(out.obs["grid"], theirs["grid"])
        np.testing.assert_array_equal(out.events.hit_kin, events["hit_kin"])
        if out.truncated.any():
            second.reset(out.truncated, out=obs)
    np.testing.assert_array_equal(first.relatives.matrix, second.relatives.matrix)


def test_a_state_without_relatives_is_refused_where_there_are_some():
    with pytest.raises(ValueError, match="no array 'kinship': it was saved without kinship"):
        life(kinship=TEAMS).set_state(life().get_state())


@pytest.mark.parametrize(
    ("kinship", "words"),
    [
        ({"scheme": "teams", "team_size": 5}, "`kinship.team_size` is 5, but there are only 4"),
        ({"scheme": "custom", "matrix": [[1.0]]}, "`kinship.matrix` is 1 x 1, but there are 4"),
        ({"shcheme": "teams"}, "did you mean `kinship.scheme`"),
    ],
)
def test_rules_that_do_not_fit_are_refused_when_the_world_is_built(kinship, words):
    with pytest.raises(ConfigError, match=words):
        life(kinship=kinship)
