import json

import pandas as pd
import pytest
from synthetic import ITERATION, result, write_lines, write_run

from karma_rllib.analysis.runs import flatten, load_runs, missing_runs, open_runs


def one_life(folder, **where):
    table = load_runs([folder])
    for key, value in where.items():
        table = table[table[key] == value]
    return table


def test_every_iteration_of_every_run_becomes_one_row(tmp_path):
    table = load_runs([write_run(tmp_path, stem=4, length=6)])
    assert table.groupby(["stage", "condition", "seed"]).size().to_dict() == {
        **{("main", c, s): 6 for c in ("baseline", "karma_out") for s in (42, 123, 202)},
        **{("stem", "baseline", s): 4 for s in (42, 123, 202)},
    }
    assert not table.duplicated(["stage", "condition", "seed", "training_iteration"]).any()
    row = table[(table["condition"] == "karma_out") & (table["seed"] == 123)].iloc[-1]
    want = result("karma_out", 123, 5, 4 * ITERATION, start=4 * ITERATION)
    assert row["counts/hits"] == want["counts"]["hits"]
    assert row["agent_steps"] == 10 * ITERATION
    assert row["branch_agent_steps"] == 4 * ITERATION


def test_columns_that_name_the_machine_or_repeat_the_config_are_left_out(tmp_path):
    table = load_runs([write_run(tmp_path, length=1)])
    assert not [c for c in table if c.startswith(("config", "hostname", "env_runners"))]


def test_half_a_line_at_the_end_is_skipped(tmp_path):
    folder = write_run(tmp_path, length=3)
    path = folder / "karma_out_s42" / "result.json"
    whole = path.read_text()
    path.write_text(whole + json.dumps(result("karma_out", 42, 3, 0))[:200])
    assert one_life(folder, condition="karma_out", seed=42)["training_iteration"].tolist() == [
        *(1, 2, 3)
    ]


def test_a_resumed_run_glued_to_half_a_line_is_read_from_where_it_starts(tmp_path):
    folder = write_run(tmp_path, length=3)
    path = folder / "karma_out_s42" / "result.json"
    rows = [json.dumps(result("karma_out", 42, i, 0)) + "\n" for i in range(6)]
    for cut in (1, 40, 300, 700):
        path.write_text("".join(rows[:3]) + rows[3][:cut] + "".join(rows[3:]))
        got = one_life(folder, condition="karma_out", seed=42)["training_iteration"].tolist()
        assert got == [1, 2, 3, 4, 5, 6]


def test_of_an_iteration_lived_twice_the_later_life_counts(tmp_path):
    folder = write_run(tmp_path, length=1)
    first = [result("karma_out", 42, i, 0) for i in range(5)]
    again = [result("karma_out", 42, i, 0) | {"timestamp": 1_800_000_000} for i in (2, 3)]
    for row in again:
        row["counts"]["hits"] = 777.0
    write_lines(folder / "karma_out_s42", first + again)
    life = one_life(folder, condition="karma_out", seed=42)
    assert life["training_iteration"].tolist() == [1, 2, 3, 4]  # 5 belongs to the lost life
    assert life["counts/hits"].tolist()[2:] == [777.0, 777.0]


def test_a_retried_run_in_a_second_folder_replaces_the_first(tmp_path):
    folder = write_run(tmp_path, length=3)
    again = [result("karma_out", 42, i, 0) | {"timestamp": 1_800_000_000} for i in range(2)]
    write_lines(folder / "karma_out_s42_retry", again)
    life = one_life(folder, condition="karma_out", seed=42)
    assert life["training_iteration"].tolist() == [1, 2]
    assert (life["timestamp"] == 1_800_000_000).all()


def test_folders_with_other_seeds_are_pooled(tmp_path):
    a = write_run(tmp_path, seeds=(1, 2), length=2, name="a")
    b = write_run(tmp_path, seeds=(3,), length=2, name="b")
    table = load_runs([a, b, a])  # naming a folder twice changes nothing
    assert table.groupby("condition")["seed"].nunique().to_dict() == {"baseline": 3, "karma_out": 3}
    assert set(table["run"]) == {"a", "b"}


def test_a_run_found_in_two_folders_is_refused(tmp_path):
    a = write_run(tmp_path, seeds=(1, 2), length=1, name="a")
    b = write_run(tmp_path, seeds=(2, 3), length=1, name="b")
    with pytest.raises(ValueError, match=r"baseline with seed 2 is in both .*leave one"):
        load_runs([a, b])


def test_conditions_come_baseline_first_then_as_written(tmp_path):
    folder = write_run(tmp_path, conditions=("karma_out", "baseline", "broken"), length=1)
    assert list(dict.fromkeys(load_runs([folder])["condition"])) == [
        *("baseline", "karma_out", "broken")
    ]


def test_runs_that_have_not_started_are_known_by_name(tmp_path):
    folder = write_run(tmp_path, length=1)
    (folder / "karma_out_s202" / "result.json").write_text("")
    opened = open_runs([folder])[0]
    assert missing_runs(opened, load_runs([folder])) == [("karma_out", 202)]


def test_nested_results_are_flattened_and_lists_dropped():
    row = {"a": {"b": {"c": 1}}, "d": [1], "e": None, "f": "x", "config": {"g": 1}, "h": True}
    assert flatten(row) == {"a/b/c": 1, "f": "x"}


def test_a_missing_folder_is_named_with_its_neighbours(tmp_path):
    write_run(tmp_path, length=1, name="mirror_1")
    with pytest.raises(ValueError, match=r"mirror_2 does not exist; beside it are mirror_1\.$"):
        load_runs([tmp_path / "mirror_2"])


def test_an_empty_folder_and_a_file_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty is not a run folder"):
        load_runs([tmp_path / "empty"])
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="file is a file"):
        load_runs([tmp_path / "file"])
    with pytest.raises(ValueError, match="No run folder was named"):
        load_runs([])


def test_a_folder_of_run_folders_says_which_to_name(tmp_path):
    write_run(tmp_path, length=1, name="mirror_1")
    with pytest.raises(ValueError, match="is none itself; name mirror_1 inside it"):
        load_runs([tmp_path])


def test_an_experiment_without_results_says_so(tmp_path):
    folder = write_run(tmp_path, seeds=(), length=0)
    with pytest.raises(ValueError, match="has no results yet"):
        load_runs([folder])


def test_results_of_another_trainer_are_refused(tmp_path):
    write_lines(tmp_path / "ppo" / "trial", [{"training_iteration": 1, "episode_len_mean": 3.0}])
    with pytest.raises(ValueError, match="have no column 'condition'"):
        load_runs([tmp_path / "ppo"])


def test_provenance_that_is_no_json_is_named(tmp_path):
    folder = write_run(tmp_path, length=1)
    (folder / "provenance.json").write_text("{")
    with pytest.raises(ValueError, match=r"provenance\.json is not JSON"):
        load_runs([folder])


def test_the_table_is_numeric_where_results_are(tmp_path):
    table = load_runs([write_run(tmp_path, length=2)])
    counts = [c for c in table if c.startswith("counts/")]
    assert all(pd.api.types.is_numeric_dtype(table[c]) for c in counts)
