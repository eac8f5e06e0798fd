import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import empty_stack, joined, random_stack

from karma_rllib.analysis.social import COUNTS, METRICS, EpisodeBook, pool, rates, tally
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.events import Events

SIZES = st.tuples(st.integers(1, 16), st.integers(1, 4), st.integers(2, 5))
SEEDS = st.integers(0, 2**32 - 1)


def loop_tally(s, reward, max_steps, timeout, waste_zone):
    """The counts again, one transition and one agent at a time."""
    T, B, N = s.active.shape
    others = ("finished", "running", "settled", "answered", "tvt")  # not of single transitions
    c = dict.fromkeys((n for n in COUNTS if not n.startswith(others)), 0.0)
    rigs = {1: "creditor", 2: "debtor"}
    aims = {0: "aim_nothing", 1: "aim_rival", 2: "aim_waste", 3: "aim_frozen"}
    for t in range(T):
        for b in range(B):
            c["env_steps"] += 1
            c["episodes"] += 1 / max_steps
            c["stock"] += s.stock[t, b]
            c["depleted_steps"] += s.stock[t, b] == 0
            c["waste"] += s.waste[t, b]
            c["waste_zone"] += waste_zone
            kin = ("hit_kin", "hit_kin_chance", "hit_own", "gift_kin", "gift_kin_chance", "gifts")
            for name in ("chance_retributive", "debt_made", "debt_paid", *kin):
                c[name] += float(getattr(s, name)[t, b])
            c["pairs_wanted"] += s.pairs_wanted[t, b]
            c["pairs_rigged"] += s.pairs_rigged[t, b]
            if s.t[t, b] == max_steps - 1:
                c["ended_episodes"] += 1
                c["debt_at_end"] += float(s.debt[t, b])
            for i in range(N):
                c["agent_steps"] += 1
                c["agent_episodes"] += 1 / max_steps
                c["active_steps"] += s.active[t, b, i]
                c["cleans"] += s.cleaned[t, b, i] > 0
                c["cleaned_cells"] += s.cleaned[t, b, i]
                c["shots"] += s.fired[t, b, i]
                c["apples"] += s.ate[t, b, i]
                c["match_asked"] += s.match[t, b, i] & 1
                c["match_seen"] += s.match[t, b, i] >> 1 & 1
                c["match_right"] += s.match[t, b, i] >> 2 & 1
                c["match_wrong"] += s.match[t, b, i] >> 3 & 1
                c["reward"] += float(reward[t, b, i])
                c["shared_reward"] += float(reward[t, b, i])
                for j in range(N):
                    c["hits"] += s.hit[t, b, i, j]
                    c["predatory"] += s.predatory[t, b, i, j]
                    c["retributive"] += s.retributive[t, b, i, j]
                if s.active[t, b, i]:
                    c[aims[int(s.aim[t, b, i])]] += 1
                    c[aims[int(s.aim[t, b, i])] + "_shots"] += s.fired[t, b, i]
                    if s.aim_debtor[t, b, i]:
                        c["aim_debtor"] += 1
                        c["aim_debtor_shots"] += s.fired[t, b, i]
                    if s.t[t, b] < 20 and s.rigged[t, b, i]:
                        c[rigs[s.rigged[t, b, i]] + "_steps"] += 1
                        c[rigs[s.rigged[t, b, i]] + "_shots"] += s.fired[t, b, i]
                end = t + timeout
                if end >= T or s.episode[end, b] != s.episode[t, b]:
                    continue
                window = sum(s.ate[k, b, i] for k in range(t + 1, end + 1))
                if s.hit[t, b, i].any():
                    c["after_hit_windows"] += 1
                    c["after_hit_apples"] += window
                if s.active[t, b, i] and s.aim[t, b, i] == 1 and not s.fired[t, b, i]:
                    c["control_windows"] += 1
                    c["control_apples"] += window
    return c


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIZES, st.integers(1, 6))
def test_the_counts_equal_a_plain_loop_over_transitions_and_agents(seed, size, timeout):
    stack, reward, _ = random_stack(seed, *size)
    got = tally(stack, reward, max_steps=7, timeout=timeout, waste_zone=5)
    want = loop_tally(stack, reward, 7, timeout, 5)
    assert list(got) == [name for name in COUNTS if name in want]
    assert got == pytest.approx(want)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, SIZES)
def test_the_tally_of_more_worlds_is_the_sum_of_the_tallies(seed, size, other):
    T, _, N = size
    left, r_left, _ = random_stack(seed, T, size[1], N)
    right, r_right, _ = random_stack(seed + 1, T, other[1], N)
    both = joined(left, right, axis=1)
    options = {"max_steps": 7, "timeout": 3, "waste_zone": 4}
    whole = tally(both, np.concatenate([r_left, r_right], axis=1), **options)
    parts = pool([tally(left, r_left, **options), tally(right, r_right, **options)])
    assert parts == pytest.approx(whole)
    assert rates(parts) == pytest.approx(rates(whole))


def test_the_tally_of_two_stacks_in_time_is_the_sum_but_for_windows_across_the_cut():
    first, r1, _ = random_stack(1, 6, 2, 3)
    second, r2, _ = random_stack(2, 9, 2, 3)
    whole = tally(joined(first, second, axis=0), np.concatenate([r1, r2]), max_steps=7, timeout=4)
    parts = pool([tally(s, r, max_steps=7, timeout=4) for s, r in ((first, r1), (second, r2))])
    for name, value in parts.items():
        if "windows" in name or name in ("after_hit_apples", "control_apples"):
            assert value <= whole[name]
        else:
            assert value == pytest.approx(whole[name]), name


def test_a_small_life_gives_the_rates_worked_out_by_hand():
    s = empty_stack(T=10, B=1, N=2)
    s.aim[0, 0, 0], s.fired[0, 0, 0], s.hit[0, 0, 0, 1] = 1, True, True  # 0 hits 1 ...
    s.predatory[0, 0, 0, 1] = True
    s.active[1:4, 0, 1] = False  # ... which is frozen for 3 decisions
    s.aim[5, 0, 0] = 1  # a rival in line, no zap
    s.aim[6, 0, 1], s.fired[6, 0, 1], s.cleaned[6, 0, 1] = 2, True, 2  # 1 cleans two cells
    s.fired[7, 0, 1] = True  # 1 shoots at nothing
    s.ate[[1, 2, 6, 9], 0, 0] = True
    s.stock[8:, 0] = 0
    s.waste[:, 0] = 4
    m = rates(tally(s, np.full((10, 1, 2), 0.5), max_steps=5, timeout=3, waste_zone=8))
    assert m["violence_rate"] == pytest.approx(1 / 20)
    assert m["violence_per_1000"] == pytest.approx(50)
    assert m["violence_per_episode"] == pytest.approx(1 / 2)  # ten steps are two episodes of five
    assert m["violence_rate_active"] == pytest.approx(1 / 17)
    assert m["frozen_share"] == pytest.approx(3 / 20)
    assert m["cooperation_rate"] == pytest.approx(1 / 20)
    assert m["cleaned_rate"] == pytest.approx(2 / 20)
    assert m["beam_use"] == pytest.approx(3 / 17)
    assert m["hit_ratio"] == pytest.approx(1 / 3)
    assert m["zap_given_rival"] == pytest.approx(1 / 2)
    assert m["zap_given_waste"] == pytest.approx(1)
    assert m["zap_given_nothing"] == pytest.approx(1 / 14)  # 17 active steps, 3 with a target
    assert m["targeting_index"] == pytest.approx(7)
    assert m["waste_targeting"] == pytest.approx(14)
    assert m["yield"] == pytest.approx(4 / (2 * 2))
    assert m["yield_rate"] == pytest.approx(4 / 20)
    assert m["reward_rate"] == pytest.approx(0.5)
    assert m["stock"] == pytest.approx(8)
    assert m["depleted_share"] == pytest.approx(0.2)
    assert m["waste_cells"] == pytest.approx(4)
    assert m["waste_level"] == pytest.approx(0.5)
    assert m["selectivity"] == pytest.approx(1)
    assert m["log_selectivity"] == pytest.approx(0)
    assert m["predatory_rate"] == pytest.approx(1 / 20)
    assert m["retribution_ratio"] == 0
    # after the hit at 0: apples at 1 and 2; after holding fire at 5: the apple at 6
    assert m["exclusion_gain"] == pytest.approx(2 - 1)


def test_a_window_never_reaches_into_the_next_episode_nor_past_the_stack():
    s = empty_stack(T=6)
    s.hit[:, 0, 0, 1] = True
    s.ate[:, 0, 0] = True
    s.episode[3:] = 1
    sums = tally(s, np.zeros((6, 1, 2)), max_steps=3, timeout=2)
    assert sums["after_hit_windows"] == 2  # rows 0 and 3
    assert sums["after_hit_apples"] == 4
    assert tally(s, np.zeros((6, 1, 2)), max_steps=3, timeout=6)["after_hit_windows"] == 0


def test_an_agent_that_never_zaps_at_nothing_has_a_finite_targeting_index():
    one_shot = {"aim_rival": 10, "aim_rival_shots": 5, "aim_nothing": 100, "aim_nothing_shots": 0}
    assert rates(one_shot)["targeting_index"] == pytest.approx(0.5 * 100 / 0.5)
    assert rates(one_shot | {"aim_nothing_shots": 1})["targeting_index"] == pytest.approx(50)
    assert rates(one_shot | {"aim_rival_shots": 0})["targeting_index"] == 0


def test_every_metric_of_nothing_at_all_is_zero():
    assert rates({}) == dict.fromkeys(METRICS, 0.0)
    s = empty_stack(T=1)
    s.active[:] = False
    s.stock[:] = 0
    values = rates(pool([tally(s, np.zeros((1, 1, 2)), max_steps=5), EpisodeBook(1, 2).drain()]))
    assert all(math.isfinite(v) for v in values.values())


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(list(COUNTS)), st.integers(0, 10**12)))
def test_no_counts_whatever_make_a_rate_nan_or_infinite(sums):
    assert all(math.isfinite(v) for v in rates(sums).values())


def test_a_metric_reads_only_counts_that_are_declared():
    class Spy(dict):
        def get(self, key, default=None):
            assert key in COUNTS, key
            return 1.0

    rates(Spy())


def play(T, **params):
    """Random play in a real world: stacked events, rewards and truncations."""
    life = make_lifetime(num_worlds=3, seed=5, **params)
    life.reset()
    rng = np.random.default_rng(1)
    steps = []
    for _ in range(T):
        out = life.step(rng.integers(0, life.num_actions, (3, life.num_agents)))
        steps.append([np.array(a) for a in (*out.events, out.reward, out.truncated)])
        if out.truncated.any():
            life.reset(out.truncated)
    *events, reward, truncated = (np.stack(column) for column in zip(*steps, strict=True))
    return life, Events(*events), reward, truncated


def test_counts_of_a_real_world_obey_its_rules():
    life, events, reward, truncated = play(500, profile="dual_cleanup", timeout=10)
    sums = tally(
        events, reward, max_steps=250, timeout=10, waste_zone=life.params.waste_cells_possible
    )
    book = EpisodeBook(3, life.num_agents)
    book.update(events, reward, truncated)
    m = rates(pool([sums, book.drain()]))
    p = life.params
    assert sums["hits"] > 20
    assert sums["cleans"] > 5
    paid = (  # rewards are the rules applied to the counts
        p.reward_apple * sums["apples"]
        + p.reward_zap_waste * sums["cleaned_cells"]
        + p.reward_zap_agent * sums["hits"]
        - p.zap_cost * sums["shots"]
        - p.victim_penalty * np.count_nonzero(events.hit.any(axis=2))
    )
    assert sums["reward"] == pytest.approx(paid, rel=1e-4)
    assert sums["predatory"] + sums["retributive"] == sums["hits"]
    aims = ("rival", "waste", "frozen", "nothing")
    assert sum(sums[f"aim_{aim}"] for aim in aims) == sums["active_steps"]
    assert sum(sums[f"aim_{aim}_shots"] for aim in aims) == sums["shots"]
    assert 0 < m["waste_level"] < 1
    # whole episodes: two per world, all of them inside the stack
    assert m["peace"] == pytest.approx(life.num_agents * (1 - m["frozen_share"]))
    assert m["efficiency"] == pytest.approx(life.num_agents * m["yield_rate"])
    assert m["episode_return"] == pytest.approx(250 * m["reward_rate"], rel=1e-5)
    # a random policy sprays: what is in line makes no difference to it
    assert m["zap_given_rival"] == pytest.approx(1 / 8, abs=0.06)
    assert m["zap_given_nothing"] == pytest.approx(1 / 8, abs=0.02)
