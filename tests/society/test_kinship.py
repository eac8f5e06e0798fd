"""Who is related to whom, and that sharing neither makes nor loses a reward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.society.kinship import KinshipRules, groups, relatedness, shared, shown, weights

UID, EPISODE = np.arange(5), np.full(5, 3)


def draw(rules, n, seed=1, uid=UID, episode=EPISODE):
    return relatedness(rules, n, seed, uid, episode)


SCHEMES = {
    "none": {},
    "teams": {"team_size": 3},
    "random": {"symmetric": False},
    "families": {"sizes": (2, 4), "closeness": (0.5, 0.25)},
    "custom": {"matrix": tuple(tuple(1.0 if i == j else 0.3 for i in range(8)) for j in range(8))},
    "genomes": {"genes": 12},
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_matrix_lies_between_stranger_and_self(scheme):
    K = draw(KinshipRules(scheme=scheme, **SCHEMES[scheme]), 8)
    assert K.shape == (5, 8, 8)
    assert (K >= 0).all()
    assert (K <= 1).all()
    assert (K[:, np.arange(8), np.arange(8)] == 1).all()


@pytest.mark.parametrize(
    ("p", "raw", "expected"),
    [(1.0, [1, 0, 0, 0], [0.5, 0.5, 0, 0]), (0.5, [1, 1, 0, 0], [1, 1, 0, 0]),
     (0.5, [1, 0, -2, 0], [0.75, 0.25, -1.5, -0.5])],
)  # fmt: skip
def test_teams_share_their_mean(p, raw, expected):
    rules = KinshipRules(scheme="teams", team_size=2, strength=p, shuffle=False)
    W = weights(rules, draw(rules, 4))[0]
    assert shared(W, raw).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(
    scheme=st.sampled_from(sorted(SCHEMES)),
    p=st.floats(0, 1),
    seed=st.integers(0, 2**40),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_conserving_shares_add_up_to_what_was_earned(scheme, p, seed, scale):
    rules = KinshipRules(scheme=scheme, strength=p, **SCHEMES[scheme])
    W = weights(rules, draw(rules, 8, seed))
    raw = np.random.default_rng(seed).normal(0, scale, (5, 8))
    np.testing.assert_allclose(shared(W, raw).sum(1), raw.sum(1), rtol=1e-9, atol=1e-9 * scale)
    assert (W >= 0).all()


def test_inclusive_fitness_adds_the_fortune_of_relatives():
    matrix = ((1, 0.5), (0.25, 1))
    rules = KinshipRules(scheme="custom", matrix=matrix, share="inclusive", strength=0.5)
    W = weights(rules, draw(rules, 2))[0]
    assert shared(W, [4, 8]).tolist() == [4 + 0.25 * 8, 8 + 0.125 * 4]


def test_nothing_is_shared_without_a_scheme_or_strength():
    raw = np.random.default_rng(0).normal(size=(5, 8))
    for rules in (KinshipRules(strength=1.0), KinshipRules(scheme="random", strength=0.0)):
        np.testing.assert_array_equal(shared(weights(rules, draw(rules, 8)), raw), raw)


def test_families_are_nested():
    rules = KinshipRules(scheme="families", shuffle=False)
    K = draw(rules, 30)[0]
    assert K[0, 1] == 0.5
    assert K[0, 5] == 0.25
    assert K[0, 20] == 0.125
    assert K[0, 28] == 0
    shuffled = draw(KinshipRules(scheme="families"), 27)
    for value, count in ((0.5, 2), (0.25, 6), (0.125, 18)):
        assert ((shuffled == value).sum(-1) == count).all()


def test_random_relatedness_has_the_mean_of_its_distribution():
    """Standard error .001: the false alarm rate at .006 is below 1e-8."""
    rules = KinshipRules(scheme="random", symmetric=False)
    K = draw(rules, 40, uid=np.arange(30), episode=np.zeros(30))
    off = K[:, ~np.eye(40, dtype=bool)]
    assert abs(off.mean() - 0.25) < 0.006  # Beta(1, 3)
    rules = KinshipRules(scheme="random", distribution="uniform", low=0.2, high=0.4)
    K = draw(rules, 20)
    off = K[:, ~np.eye(20, dtype=bool)]
    assert (off >= 0.2).all()
    assert (off <= 0.4).all()
    np.testing.assert_array_equal(K, K.swapaxes(1, 2))


def test_unrelated_genomes_are_strangers_on_average():
    K = draw(KinshipRules(scheme="genomes", genes=4096), 10)
    assert K[:, ~np.eye(10, dtype=bool)].max() < 0.15


@pytest.mark.parametrize("scheme", ["teams", "random", "families", "genomes"])
def test_a_world_is_related_the_same_way_in_every_batch(scheme):
    rules = KinshipRules(scheme=scheme, **SCHEMES[scheme])
    many = draw(rules, 8, uid=np.arange(6), episode=np.arange(6))
    one = draw(rules, 8, uid=np.array([4]), episode=np.array([4]))
    np.testing.assert_array_equal(many[4], one[0])
    assert (draw(rules, 8, seed=2) != draw(rules, 8)).any()
    assert (draw(rules, 8, episode=EPISODE + 1) != draw(rules, 8)).any()


def test_the_plane_shows_kinship_noise_or_groups():
    rules = KinshipRules(scheme="teams", team_size=2)
    K = draw(rules, 6)
    place = (1, UID, EPISODE)
    np.testing.assert_array_equal(shown(rules, K, *place), 255 * K)
    off = rules.model_copy(update={"observe": "off"})
    assert not shown(off, K, *place).any()
    grouped = shown(rules.model_copy(update={"observe": "group"}), K, *place)
    np.testing.assert_array_equal(grouped[:, 0], 1 + groups(rules, 6, *place))
    noisy = shown(rules.model_copy(update={"observe": "noisy"}), K, *place)
    assert (noisy != 255 * K).any()
    sure = shown(rules.model_copy(update={"observe": "noisy", "noise": 0.0}), K, *place)
    np.testing.assert_array_equal(sure, 255 * K)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"scheme": "custom"}, "needs `kinship.matrix`"),
        ({"scheme": "custom", "matrix": ((1, 0), (0,))}, "must be square: row 1"),
        (
            {"scheme": "custom", "matrix": ((1, 2), (0, 1))},
            r"`kinship.matrix`\[0\]\[1\] is 2: must lie in",
        ),
        ({"scheme": "custom", "matrix": ((0.5,),)}, "must be 1"),
        ({"scheme": "team"}, "did you mean 'teams'"),
        ({"schema": "teams"}, "unknown key `kinship.schema` .*; did you mean `kinship.scheme`"),
        ({"strength": 1.5}, "`kinship.strength` is 1.5, but it must be at most 1"),
        ({"scheme": "families", "sizes": (2, 5), "closeness": (0.5, 0.2)}, "must be nested"),
        ({"sizes": (3,)}, "equally long"),
        ({"low": 0.9, "high": 0.1}, "must be at most `kinship.high`"),
        ({"observe": "group"}, "needs scheme teams or families"),
    ],
)
def test_bad_rules_are_one_sentence(rules, words):
    with pytest.raises(ValueError, match=words) as caught:
        KinshipRules.of(rules)
    assert "\n" not in str(caught.value)


def test_rules_must_fit_the_agents():
    with pytest.raises(ValueError, match=r"`kinship\.matrix` is 2 x 2, but there are 3 agents"):
        draw(KinshipRules(scheme="custom", matrix=((1, 0), (0, 1))), 3)
    with pytest.raises(ValueError, match=r"`kinship\.team_size` is 4, but there are only 3"):
        draw(KinshipRules(scheme="teams"), 3)
