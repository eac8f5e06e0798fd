"""Verdicts on run folders in which the truth was planted."""

import json
import math

import numpy as np
import pytest
from planted import planted_run
from rich.console import Console
from test_report import Page

from karma_rllib.analysis import rules, stats, verdict_view
from karma_rllib.analysis.predictions import PREDICTIONS, Part, Prediction, Term
from karma_rllib.analysis.rules import INCONCLUSIVE, NOT_TESTABLE, REFUTED, SUPPORTED, Rules
from karma_rllib.analysis.runs import open_runs
from karma_rllib.analysis.stats import Estimate
from karma_rllib.analysis.verdict import judge

RANDOM = {"violence_rate": 0.0044, "yield_rate": 0.03, "max_cooperation": 0.02}
FAST = Rules(resamples=1000)


def judged(*folders, rule=FAST, reference=RANDOM):
    """Verdicts by id, and the list as it came."""
    opened = open_runs(folders)
    verdicts = judge(opened, PREDICTIONS, rule, {folder.name: reference for folder in opened})
    return {v.prediction.id: v for v in verdicts}


# --- planted truth -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "sd", "n", "verdict"),
    [
        (0, 0.05, 5, REFUTED),  # no effect, and precise enough to exclude 20 %
        (0, 0.05, 10, REFUTED),
        (0, 0.6, 5, INCONCLUSIVE),  # no effect, too noisy to say so
        (2, 0.4, 5, SUPPORTED),
        (2, 0.4, 10, SUPPORTED),
        (-2, 0.4, 10, REFUTED),  # it does the opposite
    ],
)
def test_a_planted_effect_gets_its_verdict(tmp_path, effect, sd, n, verdict):
    """Effects in standard deviations of the log rates; one draw each (power at n = 5, 2 sd: .8)."""
    arms = {"baseline": {}, "karma": {"hits": math.exp(-effect * sd)}}
    folder = planted_run(tmp_path, arms, n=n, sd=sd, draw=1)
    got = judged(folder)["A3a"]
    assert got.verdict == verdict
    (part,) = got.parts
    assert part.n == n
    assert part.low <= part.value <= part.high
    if verdict == INCONCLUSIVE:
        assert part.seeds_needed > n


def test_the_numbers_of_a_verdict_are_those_of_the_statistics(tmp_path):
    folder = planted_run(tmp_path, {"baseline": {}, "karma": {"hits": 0.5}}, n=6, sd=0.3)
    (part,) = judged(folder)["A3a"].parts

    def rate(condition, seed):
        lines = (folder / f"{condition}_s{seed}" / "result.json").read_text().splitlines()
        counts = [json.loads(line)["counts"] for line in lines][-2:]  # a fifth of ten
        return sum(c["hits"] for c in counts) / sum(c["agent_steps"] for c in counts)

    seeds = sorted(int(path.name.split("_s")[1]) for path in folder.glob("karma_s*"))
    x, y = ([rate(name, seed) for seed in seeds] for name in ("karma", "baseline"))
    want = stats.rate_ratio(x, y)
    assert part.value == pytest.approx(want.value)
    assert (part.low, part.high) == pytest.approx((want.low, want.high), rel=0.05)
    assert part.p_improvement == stats.probability_of_improvement(y, x)
    logs = stats.log_rates(x) - stats.log_rates(y)
    assert part.p_permutation == pytest.approx(stats.sign_flip_p(logs, "less"))


@pytest.mark.parametrize(
    ("effect", "n", "least", "most"),
    [
        (0, 5, 0.0, 0.08),  # false alarms; the nominal rate is 2.5 %
        (0, 10, 0.0, 0.05),
        (1, 5, 0.2, 0.5),  # power
        (1, 10, 0.4, 0.7),
        (2, 5, 0.7, 0.95),
        (2, 10, 0.95, 1.0),
    ],
)
def test_a_claim_is_supported_as_often_as_its_power_says(effect, n, least, most):
    """300 experiments with noise of 0.6 log units; the bounds leave three standard errors."""
    x = np.random.default_rng(n).normal(-4.6, 0.6, size=(300, 2, n))
    x[:, 0] -= 0.6 * effect
    part = Part(metric="violence_rate", terms=(Term(condition="a"),), claim="<")
    calls = []
    for arms in x:
        logs = stats.contrast(arms, (1, -1), resamples=500)
        calls.append(rules.decide(part, Estimate(*np.exp(logs[:3]), n), FAST))
    assert least <= calls.count(SUPPORTED) / 300 <= most
    assert calls.count(REFUTED) / 300 <= (0.05 if effect else 0.2)


# --- rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "low", "value", "high", "verdict"),
    [
        ("<", 0.5, 0.7, 0.95, SUPPORTED),
        ("<", 0.75, 0.85, 0.95, INCONCLUSIVE),  # lower for sure, but by less than 20 %?
        ("<", 0.85, 0.9, 0.95, REFUTED),  # a fall by 20 % is excluded
        ("<", 1.1, 1.5, 2.0, REFUTED),
        ("<", 0.5, 0.9, 1.5, INCONCLUSIVE),
        (">", 1.05, 1.3, 2.0, SUPPORTED),
        (">", 0.9, 1.0, 1.2, REFUTED),
        (">", 0.9, 1.3, 2.0, INCONCLUSIVE),
        ("~", 0.85, 1.0, 1.2, SUPPORTED),
        ("~", 0.5, 0.6, 0.7, REFUTED),
        ("~", 0.7, 1.0, 1.2, INCONCLUSIVE),
        (">=", 0.71, 0.9, 1.2, SUPPORTED),
        (">=", 0.5, 0.6, 0.69, REFUTED),
        (">=", 0.5, 0.8, 0.9, INCONCLUSIVE),
    ],
)
def test_an_interval_decides_by_the_rules(claim, low, value, high, verdict):
    part = Part(metric="m", terms=(Term(condition="a"),), claim=claim, bound=0.7)
    assert rules.decide(part, Estimate(value, low, high, 5), FAST) == verdict


def test_differences_have_zero_for_one_and_margins_of_their_own():
    part = Part(metric="m", terms=(Term(condition="a"),), claim="<", scale="linear")
    assert rules.decide(part, Estimate(-0.1, -0.2, -0.01, 5), FAST) == SUPPORTED
    assert rules.decide(part, Estimate(-0.02, -0.04, -0.01, 5), FAST) == REFUTED
    wide = part.model_copy(update={"margin": 0.01})
    assert rules.decide(wide, Estimate(-0.02, -0.04, -0.01, 5), FAST) == SUPPORTED


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([SUPPORTED, SUPPORTED], SUPPORTED),
        ([SUPPORTED, REFUTED, NOT_TESTABLE], REFUTED),
        ([SUPPORTED, NOT_TESTABLE, INCONCLUSIVE], NOT_TESTABLE),
        ([SUPPORTED, INCONCLUSIVE], INCONCLUSIVE),
    ],
)
def test_a_conjunction_needs_all_and_falls_with_any(parts, whole):
    assert rules.combine(parts) == whole


# --- what cannot be tested ---------------------------------------------------------------------


def test_a_missing_arm_a_missing_metric_and_too_few_seeds_are_named(tmp_path):
    folder = planted_run(tmp_path, {"baseline": {}, "karma": {}, "broken": {}}, n=5)
    got = judged(folder)
    assert got["A3d"].verdict in (NOT_TESTABLE, REFUTED)
    assert "needs arm placebo_agg" in got["A3d"].reason
    assert got["A5"].reason.startswith("needs metric probe_auroc_z of baseline (run `karma probe`")
    assert got["B2-10"].reason == "needs arm tvt"
    assert "needs arm no_zap" in got["A1"].reason
    few = planted_run(tmp_path, {"baseline": {}, "karma": {}}, n=3, name="few")
    assert judged(few)["A3a"].reason == "needs 5 seeds per arm, has 3 of karma"


def test_a_peaceful_or_unprofitable_baseline_shuts_the_gate(tmp_path):
    arms = {"baseline": {}, "karma": {"hits": 0.3}}
    folder = planted_run(tmp_path, arms, n=5, hit_advantage=-0.1)
    got = judged(folder)["A3a"]
    assert got.verdict == NOT_TESTABLE
    assert got.reason.startswith("gate G0: hit advantage -0.10")
    assert got.parts[0].verdict == SUPPORTED  # the numbers are shown all the same
    starved = judged(planted_run(tmp_path, {**arms, "baseline": {"apples": 0.1}}, name="starved"))
    assert "yield" in starved["A3a"].reason
    calm = planted_run(tmp_path, arms, name="calm")
    harm_only = {**RANDOM, "max_cooperation": 0.0, "violence_rate": 0.009}
    assert "times random" in judged(calm, reference=harm_only)["A3a"].reason
    assert "not registered" in judged(calm, reference={})["A3a"].reason


def test_cooperation_is_judged_only_where_the_baseline_cleans(tmp_path):
    folder = planted_run(tmp_path, {"baseline": {"cleans": 0.1}, "karma": {}}, n=5)
    got = judged(folder)
    assert got["A3b"].verdict == NOT_TESTABLE
    assert "of the waste is cleaned" in got["A3b"].reason


# --- the rest of the table ---------------------------------------------------------------------


def test_selectivity_says_whether_the_published_figure_is_in_the_interval(tmp_path):
    arms = {"baseline": {}, "karma": {"hits": 1 / 8.3}}
    got = judged(planted_run(tmp_path, arms, n=5))["A3c"]
    assert (got.verdict, got.reason) == (SUPPORTED, "8.3 is in the interval")


def test_levels_of_a_setting_come_from_several_folders(tmp_path):
    folders = []
    for gae, fall in ((0.3, 0.1), (0.95, 1.0)):
        arms = {"baseline": {}, "karma_out": {"hits": fall}}
        settings = {"ppo": {"gae_lambda": gae}}
        folders.append(
            planted_run(tmp_path, arms, name=f"g{gae}", settings=settings, draw=int(gae))
        )
    got = judged(*folders)
    assert got["A6b"].verdict == SUPPORTED
    assert got["A6b"].parts[0].value == pytest.approx(0.11, rel=0.3)
    assert "needs one run per seed" in got["A7"].reason
    assert "two levels of ppo.gae_lambda" in judged(folders[0])["A6b"].reason


def test_one_verdict_per_size_of_the_map(tmp_path):
    folders = [
        planted_run(
            tmp_path,
            {"baseline": {}, "tvt": {"hits": 0.3 if size == 10 else 1.0}},
            name=f"grid{size}",
            settings={"world": {"profile": "contested_patch", "grid_size": size}},
            sd=0.03,
        )
        for size in (10, 20)
    ]
    got = judged(*folders)
    assert (got["B1-10"].verdict, got["B2-10"].verdict) == (SUPPORTED, SUPPORTED)
    assert got["B2-20"].verdict == SUPPORTED  # no difference, as claimed
    assert "world.grid_size 30" in got["B2-30"].reason


def test_a_correlation_needs_something_that_varies(tmp_path):
    world = {"world": {"profile": "contested_patch"}}  # planted runs link every crime
    folder = planted_run(tmp_path, {"baseline": {}, "karmic": {"hits": 0.5}}, n=5, settings=world)
    got = judged(folder)["B8c"]
    assert got.verdict == NOT_TESTABLE
    assert "link_rate is the same in every run of karmic" in got.reason


def test_trends_look_at_early_and_late_windows(tmp_path):
    arms = {"baseline": {}, "karma": {}}
    folder = planted_run(tmp_path, arms, early={"karma": 4.0, "baseline": 0.1}, sd=0.05)
    got = judged(folder)["A4"]
    assert got.parts[1].value == pytest.approx(0.25, rel=0.1)
    assert got.parts[1].verdict == SUPPORTED


def test_probes_of_the_runs_are_judged_with_their_gate(tmp_path):
    probes = {
        "baseline": {"auroc_z": 0.9, "transfer": 0.0, "zaps": 300},
        "karma": {"auroc_z": 0.6, "transfer": 0.2, "zaps": 120},
    }
    arms = {"baseline": {}, "karma": {}}
    got = judged(planted_run(tmp_path, arms, probes=probes))["A5"]
    assert got.verdict == SUPPORTED
    probes["karma"]["zaps"] = 40
    poor = judged(planted_run(tmp_path, arms, probes=probes, name="poor"))["A5"]
    assert poor.verdict == NOT_TESTABLE
    assert "40 zaps in the poorest run" in poor.reason


def test_the_probes_of_collapsed_latents_are_not_judged(tmp_path):
    probe = {"auroc_z": 0.9, "transfer": 0.0, "zaps": 120}
    probes = {"baseline": probe, "karma": {**probe, "auroc_z": 0.6, "transfer": 0.2}}
    arms = {"baseline": {}, "karma": {}}
    folder = planted_run(tmp_path, arms, probes=probes, collapsed=("karma",))
    got = judged(folder)["A5"]
    assert got.verdict == NOT_TESTABLE
    assert "the latent collapsed in every run of karma" in got.reason


def test_holm_flags_only_what_survives_all_that_was_tested(tmp_path):
    folder = planted_run(tmp_path, {"baseline": {}, "karma": {"hits": 0.2}}, n=10)
    got = judged(folder)
    tested = [v for v in got.values() if math.isfinite(v.p_holm)]
    assert got["A3a"].p == pytest.approx(2**-10)
    assert got["A3a"].p < got["A3a"].p_holm < 0.05
    assert all(v.p_holm >= v.p for v in tested)
    assert math.isnan(got["A3b-kept"].p_holm)  # equivalence has no such test


def test_the_same_runs_get_the_same_verdicts(tmp_path):
    folder = planted_run(tmp_path, {"baseline": {}, "karma": {"hits": 0.5}}, sd=0.4)
    first, second = (verdict_view.as_json(list(judged(folder).values()), FAST) for _ in range(2))
    assert first == second


# --- for people --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    folder = planted_run(
        tmp_path_factory.mktemp("some"), {"baseline": {}, "karma": {"hits": 0.3}}, n=5, sd=0.3
    )
    return list(judged(folder).values())


def test_the_terminal_shows_effects_and_what_each_other_prediction_needs(some):
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(verdict_view.terminal(some, FAST, ["a note"]))
    text = console.export_text()
    assert "violence_rate: karma < baseline" in text
    assert "not testable: needs arm tvt" in text
    assert verdict_view.count(some) in text
    assert "Note: a note" in text


def test_every_part_of_a_prediction_is_told_with_its_own_verdict(some):
    for verdict in some:
        told = list(verdict_view.rows(verdict))
        assert told[0][:2] == (verdict.prediction.id, verdict.verdict)
        parts = [(word, part) for _, word, part in told if part is not None]
        assert [part for _, part in parts] == list(verdict.parts)
        if len(verdict.parts) == 1:
            assert len(told) == 1
        else:
            assert told[0][2] is None
            assert [word for word, _ in parts] == [part.verdict for part in verdict.parts]
    assert any(len(verdict.parts) > 1 for verdict in some)


def test_the_json_is_strict_and_complete(some):
    data = json.loads(verdict_view.as_json(some, FAST), parse_constant=pytest.fail)
    assert [v["id"] for v in data["verdicts"]] == [p.id for p in PREDICTIONS]
    (a3a,) = [v for v in data["verdicts"] if v["id"] == "A3a"]
    assert a3a["verdict"] == SUPPORTED
    assert {"n", "value", "low", "high", "p_improvement", "p_permutation"} <= a3a["parts"][0].keys()
    assert sum(data["summary"].values()) == len(PREDICTIONS)


def test_the_section_nests_and_escapes(some):
    page = Page(verdict_view.section(some, FAST, ["<b>late</b>"]))
    told = " ".join(page.text)
    assert "karma lowers violence" in told
    assert "<b>late</b>" in told


def test_predictions_have_unique_names_and_survive_json():
    assert len({p.id for p in PREDICTIONS}) == len(PREDICTIONS)
    for prediction in PREDICTIONS:
        again = Prediction.of(json.loads(json.dumps(prediction.as_dict())))
        assert again == prediction
