import pytest
from synthetic import edit_results, write_run

from karma_rllib.analysis.compare import compare
from karma_rllib.analysis.late import Interval
from karma_rllib.analysis.words import change, sentence, summarise


@pytest.mark.parametrize(
    ("low", "high", "claim"),
    [
        (0.5, 0.9, "Violence is lower: 0.0020 against 0.0040"),
        (1.1, 1.5, "Violence is higher: 0.0020 against 0.0040"),
        (0.5, 1.5, "Violence: no difference shown, 0.0020 against 0.0040"),
        (1.0, 1.5, "Violence: no difference shown"),
        (0.5, 1.0, "Violence: no difference shown"),
    ],
)
def test_a_difference_is_claimed_only_where_the_interval_excludes_none(low, high, claim):
    text = sentence("violence_rate", 0.002, 0.004, Interval(0.7, low, high, 5))
    assert text.startswith(claim)


def test_one_pair_of_seeds_allows_no_judgement():
    text = sentence("yield_rate", 0.05, 0.1, Interval(0.5, float("nan"), float("nan"), 1))
    assert text.endswith("from one pair of seeds no difference can be judged.")


def test_changes_are_percentages_below_threefold_and_factors_above():
    minus = "\N{MINUS SIGN}"
    assert change(0.06) == f"{minus}94\N{NO-BREAK SPACE}%"
    assert change(1.25) == "+25\N{NO-BREAK SPACE}%"
    assert change(1.0) == "0\N{NO-BREAK SPACE}%"
    assert change(16) == "\N{MULTIPLICATION SIGN}16.0"


def test_the_setup_says_what_was_run(tmp_path):
    folder = write_run(tmp_path, stem=10, length=10)
    setup = summarise(compare([folder], tmp_path / "out")).setup
    assert setup.startswith("2 conditions with 3 seeds each (6 runs) learned in harvest-v0,")
    assert "profile dual_cleanup" in setup
    assert "branch from one baseline run at 256 thousand agent-steps" in setup


def test_strong_effects_are_found_and_equal_conditions_are_not_told_apart(tmp_path):
    folder = write_run(tmp_path, conditions=("baseline", "karma_out"), stem=24, length=36)
    (finding,) = summarise(compare([folder], tmp_path / "out")).findings
    assert finding.head == "karma_out against baseline (3 pairs of seeds)"
    assert finding.sentences[0].startswith("Violence is lower")
    same = write_run(tmp_path, conditions=("baseline", "cap_only_twin"), length=0, name="same")
    for seed in (42, 123, 202):
        text = (folder / f"baseline_s{seed}" / "result.json").read_text()
        for name in ("baseline", "cap_only_twin"):
            path = same / f"{name}_s{seed}" / "result.json"
            path.write_text(text.replace('"condition": "baseline"', f'"condition": "{name}"'))
    (finding,) = summarise(compare([same], tmp_path / "out")).findings
    assert len(finding.sentences) == 4
    assert all("no difference shown" in text for text in finding.sentences)


def test_few_seeds_are_called_leads_and_five_are_not(tmp_path):
    few = write_run(tmp_path, seeds=(1, 2, 3), length=2, name="few")
    enough = write_run(tmp_path, seeds=(1, 2, 3, 4, 5), length=2, name="enough")
    assert "leads, not findings" in summarise(compare([few], tmp_path / "out")).caution
    caution = summarise(compare([enough], tmp_path / "out")).caution
    assert "leads" not in caution
    assert "about 0.2 of them would still seem to show one" in caution  # 5 % of 4


@pytest.mark.parametrize(
    ("advantage", "verdict"),
    [
        ({42: 0.30, 123: 0.31, 202: 0.29}, "so there is something to unlearn"),
        ({42: -0.30, 123: -0.31, 202: -0.29}, "harming others does not pay here"),
        ({42: -0.30, 123: 0.30, 202: 0.01}, "is not settled"),
    ],
)
def test_the_baseline_says_whether_harming_others_pays(tmp_path, advantage, verdict):
    def edit(row):
        row["counts"]["hit_advantage_sum"] = advantage[row["seed"]] * row["counts"]["hits"]

    folder = write_run(tmp_path, length=3)
    edit_results(folder, edit)
    assert verdict in summarise(compare([folder], tmp_path / "out")).gate


def test_without_a_baseline_nothing_is_compared_and_that_is_said(tmp_path):
    folder = write_run(tmp_path, conditions=("karma", "karma_out"), length=2)
    summary = summarise(compare([folder], tmp_path / "out"))
    assert summary.findings == []
    assert summary.gate == ""
    assert "There is no baseline" in summary.caution


def test_one_seed_is_reported_without_any_claim(tmp_path):
    folder = write_run(tmp_path, seeds=(7,), length=3)
    summary = summarise(compare([folder], tmp_path / "out"))
    (finding,) = summary.findings
    assert all("no difference can be judged" in text for text in finding.sentences)
    assert "(one seed, no interval)" in summary.gate
    assert "chance alone may explain" in summary.caution
    assert "comparisons without correction" not in summary.caution


def test_memory_and_matchmaker_are_judged_by_predation_and_by_their_own_placebos(tmp_path):
    conditions = ("baseline", "karmic", "matchmaker")
    summary = summarise(compare([write_run(tmp_path, conditions=conditions)], tmp_path / "out"))
    sentences = summary.findings[0].sentences
    assert any(text.startswith("Predation is lower") for text in sentences)
    assert "matchmaker_random" in summary.caution
    assert "mirror" not in summary.caution
    mirrors = summarise(compare([write_run(tmp_path, name="mirrors")], tmp_path / "out"))
    assert "mirror aligns" in mirrors.caution
    assert "matchmaker_random" not in mirrors.caution
