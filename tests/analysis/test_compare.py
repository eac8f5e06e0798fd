import json
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats
from synthetic import ITERATION, edit_results, result, write_lines, write_run

from karma_rllib.analysis.compare import compare
from karma_rllib.analysis.late import (
    COLUMNS,
    OFFSET,
    late_runs,
    summarise,
    t_interval,
    window_metrics,
)
from karma_rllib.analysis.runs import load_runs
from karma_rllib.analysis.social import pool, rates
from karma_rllib.analysis.tables import bounds, markdown, number, terminal


@pytest.fixture(scope="module")
def cure(tmp_path_factory):
    root = tmp_path_factory.mktemp("cure")
    return write_run(root, conditions=("baseline", "broken", "karma_out"), stem=10, length=20)


def last_results(folder, condition, seed, n):
    text = (folder / f"{condition}_s{seed}" / "result.json").read_text()
    return [json.loads(line) for line in text.splitlines()][-n:]


def test_a_run_counts_with_the_last_fifth_after_its_branch_as_ratio_of_sums(cure, tmp_path):
    c = compare([cure], tmp_path)
    row = c.runs[(c.runs["condition"] == "karma_out") & (c.runs["seed"] == 123)].iloc[0]
    late = last_results(cure, "karma_out", 123, 4)  # a fifth of 20 iterations
    sums = pool(r["counts"] for r in late)
    for name, value in rates(sums).items():
        assert row[name] == pytest.approx(value), name
    assert row["hit_advantage"] == pytest.approx(sums["hit_advantage_sum"] / sums["hits"])
    assert row["v_victim"] == pytest.approx(sums["v_victim_sum"] / sums["hits"])
    assert row["branch"] == 10 * ITERATION
    assert row["agent_steps"] == 30 * ITERATION


@pytest.mark.parametrize(("fraction", "iterations"), [(0.2, 4), (0.5, 10), (1.0, 20), (0.01, 1)])
def test_the_late_window_never_reaches_before_the_branch_and_is_never_empty(
    cure, fraction, iterations
):
    runs = late_runs(load_runs([cure]), fraction)
    row = runs[(runs["condition"] == "baseline") & (runs["seed"] == 42)].iloc[0]
    sums = pool(r["counts"] for r in last_results(cure, "baseline", 42, iterations))
    assert row["violence_rate"] == pytest.approx(rates(sums)["violence_rate"])


def test_the_interval_is_scipys_t_interval():
    values = np.array([1.0, 2.0, 4.0, 4.5])
    got = t_interval(values)
    want = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert (got.low, got.high) == pytest.approx(want)
    assert got.mean == pytest.approx(values.mean())
    assert t_interval(np.append(values, np.nan)) == got


def test_one_seed_has_a_mean_and_no_interval():
    got = t_interval(np.array([3.0]))
    assert (got.mean, got.n) == (3.0, 1)
    assert math.isnan(got.low)
    assert math.isnan(got.high)
    assert bounds(got, 2) == "-"
    assert t_interval(np.array([])).n == 0


def test_a_condition_is_the_mean_over_its_seeds_and_selectivity_a_geometric_one(cure, tmp_path):
    c = compare([cure], tmp_path)
    own = c.runs[c.runs["condition"] == "broken"]
    assert c.cell("broken", "violence_rate").mean == pytest.approx(own["violence_rate"].mean())
    pairs = zip(own["selectivity"], own["violence_rate"], strict=True)
    assert all(s > 0 and v > 0 for s, v in pairs)
    want = math.exp(own["log_selectivity"].mean())
    assert c.cell("broken", "selectivity").mean == pytest.approx(want)
    assert c.cell("broken", "selectivity").n == 3


def test_bounds_stay_inside_what_a_metric_can_be(cure, tmp_path):
    table = compare([cure], tmp_path).table
    signed = ["hit_advantage", "v_before", "v_after", "v_victim", "exclusion_gain"]
    assert (table[~table["metric"].isin(signed)]["low"] >= 0).all()
    got = summarise(next(c for c in COLUMNS if c.name == "link_rate"), np.array([0.8, 1.0, 1.0]))
    assert got.high == 1.0


def test_a_contrast_is_the_mean_log_ratio_paired_by_seed(cure, tmp_path):
    c = compare([cure], tmp_path)
    wide = c.runs.pivot_table(index="seed", columns="condition", values="violence_rate")
    change = np.log(wide["karma_out"] + OFFSET) - np.log(wide["baseline"] + OFFSET)
    want = stats.t.interval(0.95, 2, change.mean(), stats.sem(change))
    rows = c.contrasts.set_index(["condition", "metric"])
    got = rows.loc[("karma_out", "violence_rate")]
    assert got["ratio"] == pytest.approx(math.exp(change.mean()))
    assert (got["low"], got["high"]) == pytest.approx(tuple(np.exp(want)))
    assert "baseline" not in set(c.contrasts["condition"])


def test_only_seeds_that_both_have_are_paired(tmp_path):
    folder = write_run(tmp_path, seeds=(1, 2, 3), length=5)
    (folder / "karma_out_s3" / "result.json").unlink()
    c = compare([folder], tmp_path / "out")
    assert set(c.contrasts["n"]) == {2}
    assert c.notes == ["mirror_2024 has no result yet of karma_out with seed 3."]


def test_an_unfinished_run_is_counted_and_named(tmp_path):
    folder = write_run(tmp_path, length=10)
    write_lines(folder / "karma_out_s42", [result("karma_out", 42, i, 0) for i in range(6)])
    (note,) = compare([folder], tmp_path / "out").notes
    assert note.startswith(
        "karma_out with seed 42 has 154 thousand of 256 thousand agent-steps: it is unfinished"
    )


def test_folders_with_other_settings_are_pooled_with_a_note(tmp_path):
    a = write_run(tmp_path, seeds=(1,), length=2, name="a")
    b = write_run(tmp_path, seeds=(2,), length=2, name="b")
    assert compare([a, b], tmp_path / "out").notes == []
    text = (b / "experiment.yaml").read_text()
    (b / "experiment.yaml").write_text(text.replace("gae_lambda: 0.3", "gae_lambda: 0.95"))
    (note,) = compare([a, b], tmp_path / "out").notes
    assert "different settings" in note


def test_a_stem_alone_cannot_be_compared(tmp_path):
    folder = write_run(tmp_path, stem=3, length=0)
    with pytest.raises(ValueError, match="only the baseline stem"):
        compare([folder], tmp_path / "out")


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5])
def test_a_late_window_outside_0_to_1_is_refused(cure, tmp_path, fraction):
    with pytest.raises(ValueError, match=r"late_fraction must lie in \(0, 1\]"):
        compare([cure], tmp_path, late_fraction=fraction)


def test_a_world_without_waste_has_no_cleaning_metrics(tmp_path):
    folder = write_run(tmp_path, length=2)
    edit_results(folder, lambda row: row["counts"].update(cleans=0.0, aim_waste=0.0))
    c = compare([folder], tmp_path / "out")
    assert not {"cooperation_rate", "selectivity"} & set(c.table["metric"])
    assert set(c.contrasts["metric"]) == {"violence_rate", "yield_rate"}
    assert "cooperation" not in markdown(c)


def test_metrics_the_learner_did_not_log_are_shown_as_missing(tmp_path):
    def edit(row):
        row["counts"] = {k: v for k, v in row["counts"].items() if not k.endswith("_sum")}

    folder = write_run(tmp_path, length=2)
    edit_results(folder, edit)
    c = compare([folder], tmp_path / "out")
    assert math.isnan(c.cell("baseline", "hit_advantage").mean)
    assert "| - - |" in markdown(c)
    assert math.isnan(window_metrics(load_runs([folder]))["v_after"])


def test_the_files_hold_the_same_numbers_as_the_comparison(cure, tmp_path):
    c = compare([cure], tmp_path / "a")
    data = json.loads((tmp_path / "a" / "comparison.json").read_text())
    table = pd.read_csv(tmp_path / "a" / "comparison.csv")
    for condition, metric in (("karma_out", "violence_rate"), ("baseline", "v_before")):
        want = c.cell(condition, metric)
        (row,) = [
            r for r in data["conditions"] if (r["condition"], r["metric"]) == (condition, metric)
        ]
        assert row["mean"] == want.mean
        own = table[(table["condition"] == condition) & (table["metric"] == metric)]
        assert own["low"].item() == pytest.approx(want.low)
    assert len(pd.read_csv(tmp_path / "a" / "runs.csv")) == len(data["runs"]) == 9


def test_the_same_runs_give_the_same_files(cure, tmp_path):
    compare([cure], tmp_path / "a")
    compare([cure], tmp_path / "b")
    for name in ("comparison.csv", "comparison.json", "comparison.md", "runs.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_terminal_table_fits_80_columns_and_shows_every_condition(cure, tmp_path):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(terminal(compare([cure], tmp_path)))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    for title in ("violence", "cooperation", "selectivity", "P(zap|rival)", "V victim"):
        assert any(title in line for line in lines), title
    for condition in ("baseline", "broken", "karma_out"):
        assert sum(line.strip().startswith(condition) for line in lines) == 3


def test_numbers_have_true_minus_signs_and_no_negative_zero():
    assert number(-0.4444, 2) == "\N{MINUS SIGN}0.44"
    assert number(-0.001, 2) == "0.00"
    assert number(1234.5, 1) == "1,234.5"
    assert number(math.nan, 2) == "-"
