"""Which past decisions pay for a punishment, how much, and what the placebos do instead."""

import numpy as np
import pytest

from karma_rllib.credit.contrast import chance_factor
from karma_rllib.credit.params import TvtParams
from tests.credit.fragments import KEY, charge, keep, make, quiet, random_fragment, remember


def params(**changes):
    return TvtParams(**{"key_dim": KEY, "exclusion": 5, "harm": "reward", **changes})


def life(*zaps, T=100, N=3, g0=0):
    """One world; (t, i, j): i zaps j, who loses 0.5."""
    frag = quiet(T, 1, N, g0)
    for t, i, j in zaps:
        frag["hit"][t, 0, i, j] = frag["fired"][t, 0, i] = True
        frag["reward"][t, 0, j] -= 0.5
    return frag


def run(chosen, *frags, **options):
    recall, snapshots = make(chosen, N=frags[0]["hit"].shape[2])
    done = []
    for frag in frags:
        _, links = remember(recall, frag)
        done.append(charge(recall, links, frag, snapshots, **options))
        keep(snapshots, recall, frag)
    return done if len(done) > 1 else done[0]


def charged(result):
    """{(row, agent): delta} of world 0."""
    rows, _, agents = np.nonzero(result.delta)
    return {(int(t), int(n)): float(result.delta[t, 0, n]) for t, n in zip(rows, agents)}


def test_a_punishment_in_the_next_episode_is_charged_to_the_crime_of_the_last():
    frag = life((10, 0, 1), (70, 1, 0))
    frag["truncated"][49] = True
    result = run(params(), frag)
    assert charged(result) == {(10, 0): pytest.approx(-0.45)}
    assert result.sums["linked"] == 1
    assert result.sums["punishments"] == result.sums["crimes"] == 2


def test_the_gap_is_charged_as_the_freeze_and_the_fall_of_value_say():
    frag = life((10, 0, 1), (70, 1, 0))
    frag["truncated"][49] = True
    frag["value"][:], frag["last_value"][:], frag["final_value"][:] = 2.0, 2.0, 2.0
    result = run(params(harm="gap"), frag, gamma=0.99, timeout=25)
    loss = -0.5 + 0.99**26 * 2.0 - 2.0
    assert charged(result) == {(10, 0): pytest.approx(0.9 * loss, rel=1e-5)}


def test_a_crime_of_an_earlier_fragment_goes_to_the_retroactive_term():
    first, then = life((10, 0, 1), T=60), life((10, 1, 0), T=60, g0=60)
    first["reward"][10, 0, 0] = 0.1  # to know the photograph by
    recall, snapshots = make(params())
    remember(recall, first)
    keep(snapshots, recall, first)
    _, links = remember(recall, then)
    result = charge(recall, links, then, snapshots)
    assert not result.delta.any()
    assert result.retro.delta.tolist() == [pytest.approx(-0.45)]
    assert (result.retro.world, result.retro.agent, result.retro.age) == (0, 0, 1)
    columns, held = snapshots.take(result.retro.snap)
    assert held.all()
    assert columns["reward"].tolist() == [[pytest.approx(0.1)]]
    assert result.sums["retro_samples"] == 1


def test_no_crime_no_charge():
    result = run(params(), life((70, 1, 0), (80, 1, 0)))
    assert not result.delta.any()
    assert result.sums["linked"] == 0


def test_a_crime_against_a_third_agent_pays_only_where_any_crime_does():
    frag = life((10, 0, 2), (70, 1, 0))
    assert not run(params(match="hard_opp"), frag).delta.any()
    assert charged(run(params(match="hard_role"), frag)) == {(10, 0): pytest.approx(-0.45)}


def test_a_mutual_zap_charges_nobody():
    assert not run(params(exclusion=0), life((10, 0, 1), (10, 1, 0))).delta.any()


def test_the_shares_of_a_punishment_sum_to_alpha_times_its_harm():
    zaps = [(t, 0, 1) for t in (3, 9, 21, 40)]
    result = run(params(alpha=0.7, beta=1.0), life(*zaps, (70, 1, 0)))
    assert len(charged(result)) == 4
    assert result.delta.sum() == pytest.approx(0.7 * -0.5)


def test_a_crime_pays_up_to_the_cap_and_no_further():
    zaps = [(t, 1, 0) for t in (30, 50, 70)]
    result = run(params(blame_cap=1.0), life((10, 0, 1), *zaps))
    assert charged(result)[10, 0] == pytest.approx(-1.0)
    assert result.sums["capped"] == pytest.approx(-0.35)


def test_the_cap_holds_over_fragments():
    frags = [life((10, 0, 1))] + [life((10, 1, 0), g0=100 * k) for k in (1, 2, 3)]
    results = run(params(blame_cap=1.0), *frags)
    paid = [float(r.retro.delta.sum()) for r in results[1:]]
    assert paid == [pytest.approx(-0.45), pytest.approx(-0.45), pytest.approx(-0.1)]


def test_what_has_left_the_snapshots_or_is_too_old_is_counted_and_not_used():
    first, then = life((10, 0, 1), (11, 2, 1)), life((10, 1, 0), g0=100)
    lost = run(params(snapshots=1), first, then)[1]
    assert (lost.sums["retro_lost"], lost.sums["retro_samples"]) == (1, 0)
    stale = run(params(retro_max_age=1), first, life(g0=100), life((10, 1, 0), g0=200))[2]
    assert (stale.sums["retro_stale"], stale.sums["retro_samples"]) == (1, 0)
    off = run(params(retro=False), first, then)[1]
    assert (off.sums["retro_lost"], off.sums["transported"]) == (1, 0.0)


def test_the_published_quantity_rewards_crimes_where_life_after_punishment_is_good():
    frag = life((10, 0, 1), (70, 1, 0))
    frag["value"][:] = 3.0
    assert charged(run(params(harm="value"), frag)) == {(10, 0): pytest.approx(2.7)}


def lively(seed=0, T=300):
    return random_fragment(np.random.default_rng(seed), T, 2, 4, p_hit=0.03)


def totals(frag, chosen):
    recall, snapshots = make(chosen, 2, 4)
    _, links = remember(recall, frag)
    return charge(recall, links, frag, snapshots), links


@pytest.mark.parametrize("placebo", ["shuffle", "random_time"])
def test_a_placebo_charges_as_much_as_the_crimes_would_have_paid(placebo):
    frag = lively()
    real, links = totals(frag, params(blame_cap=2.0))
    fake, same = totals(frag, params(blame_cap=2.0, placebo=placebo))
    np.testing.assert_array_equal(links.event, same.event)
    assert fake.sums["unplaced"] <= 0.05 * fake.sums["linked"]
    if not fake.sums["unplaced"]:
        assert fake.delta.sum() == pytest.approx(real.delta.sum(), rel=1e-4)
    assert abs(fake.delta - real.delta).max() > 0.1


def test_shuffle_charges_crimes_against_another_agent():
    frag = lively()
    _, links = totals(frag, params(placebo="shuffle"))
    placed = links.linked & (links.instead[:, 0] >= 0)
    row, w, v = links.instead[placed, 0], links.world[placed], links.victim[placed]
    age = links.step[placed] - row
    assert placed.sum() > 50
    assert (age > 5).all()
    victims = frag["hit"][row, w, v]  # (P, N)
    victims[np.arange(len(row)), links.attacker[placed]] = False
    assert victims.any(-1).all()


def test_shuffle_charges_earlier_crimes_against_another_agent_through_their_own_snapshots():
    recall, snapshots = make(params(placebo="shuffle"), 2, 4)
    g, charged_late = 0, 0
    for seed in range(4):
        frag = random_fragment(np.random.default_rng(seed), 60, 2, 4, g, p_hit=0.03)
        g += 60
        _, links = remember(recall, frag)
        retro = charge(recall, links, frag, snapshots).retro
        late = links.linked & (links.instead[:, 0] >= 0) & (links.instead[:, 0] < frag["g"][0, 0])
        windows, held = snapshots.take(links.instead[late, 2])
        assert held.all()
        assert set(retro.snap) <= set(links.instead[late, 2])
        if late.any():
            victims = windows["hit"][:, 0].copy()
            victims[np.arange(late.sum()), links.attacker[late]] = False
            assert victims.any(-1).all()
        charged_late += len(retro.snap)
        columns = {"hit": frag["hit"]}
        snapshots.keep(recall, columns, {}, frag["truncated"], frag["active"], frag["g"])
    assert charged_late > 20


def test_shuffle_with_nobody_else_to_have_harmed_charges_nothing():
    result = run(params(placebo="shuffle"), life((10, 0, 1), (70, 1, 0)))
    assert not result.delta.any()
    assert result.sums["unplaced"] == 1


def test_random_time_charges_own_earlier_active_steps_without_a_zap():
    frag = lively()
    _, links = totals(frag, params(placebo="random_time"))
    placed = links.linked & (links.instead[:, 0] >= 0)
    row, w, v = links.instead[placed, 0], links.world[placed], links.victim[placed]
    assert placed.sum() > 50
    assert frag["active"][row, w, v].all()
    assert not frag["fired"][row, w, v].any()
    assert (links.step[placed] - row > 5).all()
    # uniform: the mean place among earlier rows is the middle; 4 standard errors of 1/sqrt(12 n)
    share = row / (links.step[placed] - 5)
    assert abs(share.mean() - 0.5) < 4 / np.sqrt(12 * len(row)) + 0.02


def test_contrast_charges_nothing_where_crimes_do_not_provoke_and_much_where_they_do():
    assert chance_factor(np.zeros((2, 2))) == 0.0
    assert chance_factor(np.array([[1000.0, 10.0], [1000.0, 10.0]])) == 0.0
    assert chance_factor(np.array([[1000.0, 10.0], [1000.0, 5.0]])) == 0.0
    one_in_ten = chance_factor(np.array([[1e6, 1e3], [1e6, 1e4]]))
    assert one_in_ten == pytest.approx(0.9, abs=0.01)


def test_contrast_scales_the_charge():
    zaps = [(t, 0, 1) for t in range(5, 1500, 30)] + [(t, 1, 0) for t in range(20, 1500, 30)]
    frag = life(*zaps, T=1500)  # always tit for tat: every hit answers an open crime, or opens one
    plain, scaled = run(params(), frag), run(params(contrast=True), frag)
    share = scaled.sums["transported"] / plain.sums["transported"]
    assert 0.0 < share < 1.0


def test_only_crimes_that_provoke_are_charged_under_contrast():
    rng = np.random.default_rng(3)
    blind = random_fragment(rng, 3000, 1, 3, p_hit=0.01)
    free = charge_of(blind, contrast=True) / charge_of(blind, contrast=False)
    angry = quiet(3000, 1, 3)
    strike = (rng.random((3000, 3, 3)) < 0.002) & ~np.eye(3, dtype=bool)
    for t in range(3000 - 10):
        for i, j in np.argwhere(strike[t]):
            angry["hit"][t, 0, i, j] = angry["hit"][t + 8, 0, j, i] = True
    angry["reward"][:] = -0.5 * angry["hit"].any(2)
    bound = charge_of(angry, contrast=True) / charge_of(angry, contrast=False)
    assert free < 0.2
    assert bound > 0.6


def charge_of(frag, contrast):
    recall, snapshots = make(params(contrast=contrast))
    _, links = remember(recall, frag)
    return charge(recall, links, frag, snapshots).sums["transported"]
