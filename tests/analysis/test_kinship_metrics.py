"""The kinship family: counted from real play, and defined by the formulas that are printed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.analysis import social
from karma_rllib.analysis.definitions_kinship import KINSHIP
from karma_rllib.envs.kinship_bots import KinshipBot
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds.events import bundle

STEPS = 150


def played(scheme, bots=("raider", "giver"), name="kinship-v0"):
    """A stack of random and scripted play, the rewards after sharing, truncations, and the life."""
    life = make_lifetime(name, num_worlds=3, seed=2, kinship=scheme, max_steps=STEPS // 2)
    obs, rng, N = life.reset(), np.random.default_rng(0), life.num_agents
    players = [KinshipBot(bot, life.params, 1) for bot in bots] if name == "kinship-v0" else []
    states, rows = [player.initial_state(3) for player in players], []
    for _ in range(STEPS):
        actions = rng.integers(0, life.num_actions, (3, N))
        for n, player in enumerate(players):
            own = {key: column[:, n] for key, column in obs.items()}
            actions[:, n], states[n] = player.step(own, states[n])
        out = life.step(actions)
        matrix = life.relatives.matrix.copy()
        events = {key: np.array(column) for key, column in out.events._asdict().items()}
        rows.append((events, out.reward.copy(), out.truncated.copy(), matrix))
        obs = life.reset(out.truncated) if out.truncated.any() else out.obs
    stack = {key: np.stack([row[0][key] for row in rows]) for key in rows[0][0]}
    return bundle(stack), *(np.stack([row[k] for row in rows]) for k in (1, 2, 3)), life


def loop(e, shared, K):
    """Counts again, one agent and step at a time."""
    c = dict.fromkeys(
        ("hearts", "gifts", "gift_kin", "gift_kin_chance", "hit_own", "hit_kin", "hit_kin_chance",
         "marks", "shield_steps", "freezes", "energy_spent", "energy_given", "shared_reward"), 0.0
    )  # fmt: skip
    T, B, N = e.ate.shape
    for t, b, i in np.ndindex(T, B, N):
        row = K[t, b, i]
        chance = (row.sum() - row[i]) / (N - 1)
        c["hearts"] += e.ate[t, b, i]
        c["marks"] += e.marked[t, b, i] >= 0
        c["shield_steps"] += e.shielded[t, b, i]
        c["energy_spent"] += e.energy_spent[t, b, i] / 100
        c["energy_given"] += e.gave_energy[t, b, i] / 100
        c["shared_reward"] += float(shared[t, b, i])
        if (to := e.gift_to[t, b, i]) >= 0:
            c["gifts"] += 1
            c["gift_kin"] += row[to]
            c["gift_kin_chance"] += chance
        for j in np.flatnonzero(e.hit[t, b, i]):
            c["hit_own"] += row[j] >= 0.5
            c["hit_kin"] += row[j]
            c["hit_kin_chance"] += chance
            c["freezes"] += e.froze[t, b, i, j]
    return c


@pytest.mark.parametrize(
    "scheme",
    [{"scheme": "families", "sizes": [2, 4], "closeness": [0.5, 0.25]}, {"scheme": "random"}],
)
def test_kin_counts_of_real_play_equal_a_plain_loop(scheme):
    events, shared, _, K, life = played(scheme)
    sums = social.tally(events, events.raw_reward, max_steps=life.max_steps, shared=shared)
    for name, value in loop(events, shared, K).items():
        assert sums[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name
    assert min(sums["gifts"], sums["hits"], sums["marks"], sums["freezes"]) > 0
    assert sums["shared_reward"] == pytest.approx(sums["reward"], rel=1e-5)  # conserve


def test_counts_of_two_halves_add_up_to_those_of_the_whole():
    events, shared, _, _, life = played({"scheme": "teams", "team_size": 3})
    whole = social.tally(events, events.raw_reward, max_steps=life.max_steps, shared=shared)
    parts = []
    for rows in (slice(0, 60), slice(60, STEPS)):
        part = bundle({key: column[rows] for key, column in events._asdict().items()})
        parts.append(
            social.tally(part, part.raw_reward, max_steps=life.max_steps, shared=shared[rows])
        )
    pooled = social.pool(parts)
    for name in social.FAMILIES["kinship"]:
        if name in whole:
            assert pooled[name] == pytest.approx(whole[name])


def test_in_another_world_kin_are_counted_and_energy_is_zero():
    events, shared, _, _, life = played({"scheme": "teams", "team_size": 2}, name="harvest-v0")
    sums = social.tally(events, events.raw_reward, max_steps=life.max_steps, shared=shared)
    rates = social.rates(sums, "kinship")
    assert sums["hit_kin"] > 0
    assert rates["victim_kin_ratio"] > 0
    assert rates["hearts"] == rates["energy_in"] == rates["gifts"] == rates["shield_use"] == 0


def test_the_gini_index_is_that_of_the_episodes_hearts():
    events, _, truncated, _, life = played({"scheme": "none"}, bots=("forager", "forager"))
    book = social.EpisodeBook(life.num_worlds, life.num_agents)
    book.update(events, events.raw_reward, truncated)
    halves = (events.ate[: STEPS // 2], events.ate[STEPS // 2 :])
    hearts = [h for episode in halves for h in episode.sum(0) if h.sum()]  # (N,) of one world
    ginis = [np.abs(h[:, None] - h).sum() / (2 * len(h) * h.sum()) for h in hearts]
    rates = social.rates(book.drain(), "kinship")
    assert rates["gini"] == pytest.approx(np.mean(ginis))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_printed_formula_of_a_kinship_metric_computes_its_value(seed):
    drawn = np.random.default_rng(seed).integers(1, 1000, len(social.COUNTS))
    sums = dict(zip(social.COUNTS, map(float, drawn), strict=True))
    values = social.rates(sums, "kinship")
    for metric in KINSHIP.values():
        if metric.name != "gini":
            want = eval(metric.formula, {}, dict(sums))
            assert values[metric.name] == pytest.approx(want), metric


def test_nothing_counted_gives_zeros():
    assert set(social.rates({}, "kinship").values()) == {0.0}
