"""What bonds make of kinship: shares, the kin plane, states."""

import numpy as np
import pytest

from karma_rllib.society.kinship import KinshipRules, bonded, weights
from karma_rllib.society.lifetime import make_lifetime

PAIR = {"map": ">h\nv.\n^h", "num_agents": 3, "fixed_starts": True, "court": True,
        "free_hearts": 5, "view_radius": 2}  # fmt: skip
RNG = np.random.default_rng


def life(kinship=None, **params):
    """Agents 1 and 2 face each other; agent 0 faces a free altar."""
    return make_lifetime("kinship-v0", seed=3, kinship=kinship, **{**PAIR, **params})


def act(lives, *names):
    """One step by names of actions."""
    known = lives.world.action_names
    return lives.step(np.array([[known.index(name) for name in names]]))


def test_strangers_who_bond_share_from_the_next_step_on():
    lives = life({"strength": 0.5})
    lives.reset()
    act(lives, "noop", "noop", "noop")
    out = act(lives, "use", "court", "court")
    assert out.events.raw_reward.tolist() == out.reward.tolist() == [[1, 0, 0]]
    K = lives.relatives.matrix[0]
    np.testing.assert_array_equal(K, [[1, 0, 0], [0, 1, 0.25], [0, 0.25, 1]])
    act(lives, "noop", "rotate_right", "rotate_right")
    out = act(lives, "noop", "noop", "use")
    assert out.events.raw_reward.tolist() == [[0, 0, 1]]
    np.testing.assert_allclose(out.reward, [[0, 0.1, 0.9]], atol=1e-7)  # .5 * .25 / 1.25


def test_the_frame_after_the_step_shows_the_new_kin():
    lives = life()
    lives.reset()
    out = act(lives, "noop", "court", "court")
    kin = lives.world.plane_names.index("kin")
    assert out.obs["grid"][0, 1, :, :, kin].max() == 64  # a quarter of 255
    assert out.obs["grid"][0, 0, :, :, kin].max() == 0


def test_a_bond_that_ends_gives_back_what_was_drawn():
    lives = life({"scheme": "random", "observe": "noisy"}, map=".v.\n>^.", max_bonds=1, marks=0,
                 num_agents=3, fixed_starts=False)  # fmt: skip
    lives.reset()
    drawn = lives.relatives.matrix.copy()
    rng, bonds = RNG(0), 0
    for _ in range(400):
        names = lives.world.action_names
        lively = [n for n, name in enumerate(names) if name.startswith(("court", "rotate"))]
        out = lives.step(rng.choice(lively, (1, 3)))
        bonds += int(out.events.bonded.sum())
        want = bonded(lives.relatives.rules, drawn, lives.world.bonds)
        np.testing.assert_array_equal(lives.relatives.matrix, want)
    assert bonds > 0
    lives.reset()
    assert not lives.world.bonds.any()


def test_bonds_never_make_more_than_a_clone():
    K = np.full((2, 2), 0.9) + 0.1 * np.eye(2)
    more = bonded(KinshipRules(), K, ~np.eye(2, dtype=bool))
    np.testing.assert_array_equal(more, np.ones((2, 2)))


@pytest.mark.parametrize("share", ["conserve", "inclusive"])
def test_shares_balance_whoever_bonds(share):
    params = {"map": "", "grid_size": 5, "num_agents": 6, "generators": 1, "chargers": 0,
              "altars": 1, "altar_cost": 0.0, "altar_cooldown": 0, "cost_court": 0.1,
              "cost_use": 0.0, "attack_range": 0, "marks": 0, "gifts": False, "max_bonds": 2,
              "max_steps": 100, "fixed_starts": False}  # fmt: skip
    kinship = {"scheme": "teams", "team_size": 2, "share": share, "bond": 0.5}
    lives = life(kinship, num_worlds=8, **params)
    lives.reset()
    rng, bonds = RNG(1), 0
    rules = lives.relatives.rules
    for _ in range(400):
        K = lives.relatives.matrix.copy()
        out = lives.step(rng.integers(0, lives.num_actions, (8, 6)))
        raw, shared = out.events.raw_reward.astype(float), out.reward.astype(float)
        want = np.einsum("bij,bj->bi", weights(rules, K), raw)
        np.testing.assert_allclose(shared, want, atol=1e-6)
        if share == "conserve":
            np.testing.assert_allclose(shared.sum(1), raw.sum(1), atol=1e-5)
        assert ((lives.relatives.matrix >= 0) & (lives.relatives.matrix <= 1)).all()
        bonds += int(out.events.bonded.sum())
        if out.truncated.any():
            lives.reset(out.truncated)
    assert bonds > 0


def test_a_state_taken_between_bonds_lives_on_the_same():
    lives, again = life(), life()
    lives.reset()
    act(lives, "noop", "court", "court")
    again.reset()
    again.set_state(lives.get_state())
    np.testing.assert_array_equal(lives.relatives.matrix, again.relatives.matrix)
    for names in (("noop", "rotate_right", "noop"), ("noop", "use", "noop")):
        one, two = act(lives, *names), act(again, *names)
        np.testing.assert_array_equal(one.reward, two.reward)
        np.testing.assert_array_equal(one.obs["grid"], two.obs["grid"])


@pytest.mark.parametrize("scheme", ["none", "teams"])
def test_a_bond_that_is_worth_nothing_changes_no_reward(scheme):
    kinship = {"scheme": scheme, "team_size": 3, "bond": 0.0}
    bare, lives = life({**kinship}, court=False), life(kinship)
    for one in (bare, lives):
        one.reset()
    assert lives.relatives.on == (scheme == "teams")
    act(lives, "noop", "court", "court")
    act(bare, "noop", "noop", "noop")
    np.testing.assert_array_equal(bare.relatives.matrix, lives.relatives.matrix)


def test_worth_of_bonds_that_nobody_can_make_is_refused():
    with pytest.raises(ValueError, match=r"`kinship.bond` is 0.5, but nobody can court"):
        life({"bond": 0.5}, court=False)
    with pytest.raises(ValueError, match=r"`kinship.bond` is 0.5, but nobody can court"):
        make_lifetime("harvest-v0", kinship={"bond": 0.5})
