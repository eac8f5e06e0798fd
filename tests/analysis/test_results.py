"""Archived runs, and pages whose tables are made of them."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from planted import planted_run
from typer.testing import CliRunner

from karma_rllib.analysis import archive, registration, results, verdict_view
from karma_rllib.analysis.cells import CELLS
from karma_rllib.analysis.compare import compare
from karma_rllib.cli import app, judging
from karma_rllib.config import ConfigError, ExperimentConfig


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A planted, registered run of two arms and five seeds."""
    arms = {"baseline": {}, "karma": {"hits": 0.3}}
    folder = planted_run(tmp_path_factory.mktemp("run"), arms, n=5)
    config = ExperimentConfig.load(folder / "experiment.yaml")
    data = registration.make(config, "2029-12-31T00:00:00+00:00", None)
    (folder / registration.IN_RUN).write_text(json.dumps(data), encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path, run):
    """A repository with that run archived as `planted`."""
    (tmp_path / results.FOLDER).mkdir(parents=True)
    assert archive.take(run, tmp_path / results.FOLDER / "planted") == []
    return tmp_path


def page(root, order):
    path = root / "README.md"
    path.write_text(f"Before.\n\n<!-- made: {order} -->\nold\n<!-- end -->\n\nAfter.\n")
    return path


def made(root, order):
    """The lines of one made block."""
    text = results.remade(page(root, order), root)
    assert text.startswith(f"Before.\n\n<!-- made: {order} -->\n")
    assert text.endswith("\n<!-- end -->\n\nAfter.\n")
    return text.splitlines()[3:-3]


def test_an_archive_gives_the_verdicts_of_its_run(root, run):
    live, rules, _ = judging.judged([run])
    stored, kept, notes = archive.judged([root / results.FOLDER / "planted"])
    assert kept == rules
    one, two = (verdict_view.as_data(found, rules, notes) for found in (live, stored))
    assert one == two
    assert any(record["verdict"] == "supported" for record in one["verdicts"])


def test_archives_of_several_levels_are_judged_together(tmp_path):
    (tmp_path / results.FOLDER).mkdir(parents=True)
    runs, kept = [], []
    for size in (10, 30):
        world = {"name": "harvest-v0", "profile": "contested_patch", "grid_size": size}
        arms = {
            "baseline": {},
            "tvt": {"hits": 0.9},
            "karmic": {"hits": 0.9 if size == 10 else 0.2},
        }
        named = {"name": f"planted_{size}", "settings": {"world": world}}
        runs.append(planted_run(tmp_path, arms, n=5, **named))
        config = ExperimentConfig.load(runs[-1] / "experiment.yaml")
        data = registration.make(config, "2029-12-31T00:00:00+00:00", None)
        (runs[-1] / registration.IN_RUN).write_text(json.dumps(data), encoding="utf-8")
        kept.append(tmp_path / results.FOLDER / f"kept_{size}")
        archive.take(runs[-1], kept[-1])
    live, rules, _ = judging.judged(runs)
    stored, _, notes = archive.judged(kept)
    one, two = (verdict_view.as_data(found, rules, notes) for found in (live, stored))
    assert one == two
    (needed,) = [verdict for verdict in stored if verdict.prediction.id == "B4s"]
    assert len(needed.parts) == 2
    assert all(part.n == 5 for part in needed.parts)

    text = "\n".join(made(tmp_path, "verdicts kept_10 kept_30 only=B4s,B2"))
    assert "**B4s**" in text
    assert "**B2-30**" in text
    assert "A1" not in text
    assert "B4-10" not in text
    assert "B5" not in text
    with pytest.raises(ConfigError, match="no prediction whose name begins with C1"):
        made(tmp_path, "verdicts kept_10 only=C1")
    told = json.loads((kept[1] / registration.IN_RUN).read_text())
    told["rules"]["sesoi"] = 0.5
    told["seal"] = registration.seal(told)
    (kept[1] / registration.IN_RUN).write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="kept_30: was registered under other rules"):
        archive.judged(kept)


def test_its_runs_are_those_that_compare_writes(root, run, tmp_path):
    table = pd.read_csv(root / results.FOLDER / "planted" / "runs.csv")
    wanted = compare([run], tmp_path / "out").runs
    for name in ("violence_rate", "yield_rate", "log_selectivity"):
        np.testing.assert_allclose(table[name], wanted[name])


def test_making_a_page_twice_gives_the_same_bytes(root):
    path = page(root, "verdicts planted")
    once = results.remade(path, root)
    path.write_text(once)
    assert results.remade(path, root) == once


def test_arms_are_means_over_runs_with_their_interval(root):
    lines = made(root, 'arms planted/runs.csv seeds violence pooled karma="the mirror"')
    runs = pd.read_csv(root / results.FOLDER / "planted" / "runs.csv")
    own = runs[runs["condition"] == "karma"]
    assert lines[0] == "| condition | seeds | violence | C/V |"
    assert lines[3].startswith("| the mirror | 5 | .00")
    mean = float(lines[3].split("|")[3].split("[")[0])
    assert mean == pytest.approx(own["violence_rate"].mean(), abs=5e-5)
    ratio = own["cooperation_rate"].sum() / own["violence_rate"].sum()
    assert float(lines[3].split("|")[4]) == pytest.approx(ratio, abs=0.05)


def test_levels_of_a_swept_setting_stand_row_by_row(root):
    rows = [(r, 10 * r + k, 2.0 + r) for r in (0.5, 0.0, 1.0) for k in (-1, 0, 1)]
    runs = pd.DataFrame(rows, columns=["relatedness", "hearts", "gifts"])
    runs.to_csv(root / results.FOLDER / "sweep.csv", index=False)
    lines = made(root, "levels sweep.csv relatedness seeds hearts gifts")
    assert lines[0] == "| relatedness | seeds | hearts | gifts |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 0", "| 0.5", "| 1"]
    half = 4.302653 / 3**0.5  # Student's t with 2 degrees of freedom, standard deviation 1
    assert lines[3].split(" | ")[2] == f"5.00 [{5 - half:.2f}, {5 + half:.2f}]"


def test_ratios_to_the_baseline_are_paired(root):
    lines = made(root, "versus planted/runs.csv violence_rate")
    assert len(lines) == 3
    ratio = float(lines[2].split("| x")[1].split(" [")[0])
    assert ratio == pytest.approx(0.3, rel=0.2)


def test_ratios_to_an_arm_that_was_run_elsewhere(root):
    folder = root / results.FOLDER
    runs = pd.read_csv(folder / "planted" / "runs.csv")
    (folder / "elsewhere").mkdir()
    base = runs[runs["condition"] == "baseline"]
    base.assign(condition="tvt").to_csv(folder / "elsewhere" / "runs.csv", index=False)
    here = made(root, "versus planted/runs.csv violence_rate")
    lines = made(root, "versus planted/runs.csv violence_rate against=elsewhere/runs.csv:tvt")
    assert lines[0].startswith("| against tvt |")
    assert lines[2:] == here[2:]
    with pytest.raises(ConfigError, match=r"there is no arm 'tvd'.*tvt"):
        made(root, "versus planted/runs.csv violence_rate against=elsewhere/runs.csv:tvd")


def test_one_arm_in_several_runs_has_the_ratios_it_has_in_each(root):
    folder = root / results.FOLDER
    runs = pd.read_csv(folder / "planted" / "runs.csv")
    (folder / "elsewhere").mkdir()
    runs.iloc[2:].to_csv(folder / "elsewhere" / "runs.csv", index=False)
    arm = next(name for name in runs["condition"] if name != "baseline")
    order = f"across {arm} violence_rate yield_rate"
    lines = made(
        root, f'{order} planted/runs.csv="all of it" elsewhere/runs.csv="without its first two"'
    )
    assert lines[0] == f"| {arm} against baseline | violence | apples |"
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| all of it",
        "| without its first two",
    ]
    for line, name in zip(lines[2:], ("planted", "elsewhere"), strict=True):
        alone = made(root, f"versus {name}/runs.csv violence_rate yield_rate")
        (own,) = (other for other in alone if other.startswith(f"| {arm} |"))
        assert line.split(" | ")[1:] == own.split(" | ")[1:]
    assert lines[2].split(" | ")[1:] != lines[3].split(" | ")[1:]
    with pytest.raises(ConfigError, match="there is no arm 'nobody'"):
        made(root, "across nobody violence_rate planted/runs.csv=it")
    with pytest.raises(ConfigError, match="names no run"):
        made(root, order)


def test_what_a_world_without_waste_does_not_have_is_left_empty(root):
    folder = root / results.FOLDER
    runs = pd.read_csv(folder / "planted" / "runs.csv")
    (folder / "bare").mkdir()
    runs.assign(cooperation_rate=0.0).to_csv(folder / "bare" / "runs.csv", index=False)
    arm = next(name for name in runs["condition"] if name != "baseline")
    (line,) = made(root, f"across {arm} violence_rate cooperation_rate bare/runs.csv=bare")[2:]
    assert line.startswith("| bare | x")
    assert line.endswith(" |  |")


def test_ratios_need_seeds_that_both_have(root):
    folder = root / results.FOLDER
    runs = pd.read_csv(folder / "planted" / "runs.csv")
    (folder / "elsewhere").mkdir()
    base = runs[runs["condition"] == "baseline"]
    base.assign(seed=base["seed"] + 10_000).to_csv(folder / "elsewhere" / "runs.csv", index=False)
    with pytest.raises(ConfigError, match=r"planted/runs.csv.*seed in common with the baseline"):
        made(root, "versus planted/runs.csv violence_rate against=elsewhere/runs.csv:baseline")
    base.to_csv(folder / "elsewhere" / "runs.csv", index=False)
    with pytest.raises(ConfigError, match=r"elsewhere/runs.csv.*in common with the baseline"):
        made(root, "across karma violence_rate elsewhere/runs.csv=it")


def test_a_pilots_numbers_stand_beneath_in_italics(root):
    pilot = "condition,violence\nkarma,.0123\n"
    (root / results.FOLDER / "pilot.csv").write_text(pilot)
    lines = made(root, "arms planted/runs.csv violence pilot=pilot.csv")
    assert lines[4] == "| *pilot* | *.0123* |"
    assert len(lines) == 5


def test_verdicts_name_what_cannot_be_tested(root):
    text = "\n".join(made(root, "verdicts planted"))
    assert "| **A3a** | **supported** | violence_rate: karma < baseline |" in text
    assert "- Needs arm no_zap: A1\n" in text
    assert "- Needs arm broken: A2a, A2b, A2c" in text


def test_probes_are_told_arm_by_arm(root):
    folder = root / results.FOLDER / "planted" / archive.PROBED
    folder.mkdir()
    told = {
        "zaps": 120,
        "behaviour": "baseline",
        "values": {
            **{key: [value, 0, 9] for key, value in zip(("v_before", "v_after"), (3.0, 2.5))},
            "v_victim": [2.4, 2, 3],
            "dv_out": [0.1, -0.05, 0.25],
        },
        "linear": {"raw": [1.0, 1, 1], "z": [0.62, 0.5, 0.7]},
        "transfer": {"effect": 0.4},
        "geometry": {"role_gap": 0.05},
    }
    for arm in ("karma", "baseline"):
        own = {**told, "origin": {"condition": arm, "seed": 42}}
        (folder / f"{arm}_s42.json").write_text(json.dumps(own))
    lines = made(root, "probes planted")
    assert lines[2].startswith("| baseline, seed 42 | 120 of baseline | 3.00 / 2.50 / 2.40 |")
    assert lines[3].endswith("| 0.10 [\N{MINUS SIGN}0.05, 0.25] | 1.00 / .62 | .40 | 0.05 |")
    other = {**told, "values": {**told["values"], "dv_out": [0.3, 0.2, 0.4]}, "zaps": 40}
    other["origin"] = {"condition": "karma", "seed": 43}
    (folder / "karma_s43.json").write_text(json.dumps(other))
    half = 12.706205 * 0.1  # Student's t with 1 degree of freedom, standard error 0.1
    (row,) = made(root, "probes planted")[3:]
    assert row.startswith("| karma, 2 seeds | 160 of baseline | 3.00 / 2.50 / 2.40 | 0.20 [")
    assert f"[\N{MINUS SIGN}{half - 0.2:.2f}, {half + 0.2:.2f}]" in row


def test_charges_are_means_over_the_probed_runs_of_an_arm(root):
    folder = root / results.FOLDER / "charged" / archive.PROBED
    folder.mkdir(parents=True)
    for seed, slope in ((1, 0.1), (2, 0.3)):
        told = {"crimes": 50, "precision": 1.0, "revenge": [-0.03, -0.1, 0.04]}
        told |= {"charged": [-0.5, -0.6, -0.4], "cost": [0.3, 0.2, 0.4], "slope": [slope, 0, 1]}
        whole = {"origin": {"condition": "tvt", "seed": seed}, "transport": told}
        (folder / f"tvt_s{seed}.json").write_text(json.dumps(whole))
    (folder / "baseline_s1.json").write_text(
        json.dumps({"origin": {"condition": "baseline", "seed": 1}, "transport": None})
    )
    (row,) = made(root, "charges charged")[2:]
    cells = row.strip("| ").split(" | ")
    minus, half = (
        "\N{MINUS SIGN}",
        12.706205 * 0.1,
    )  # Student's t with 1 degree of freedom, s / sqrt(2)
    assert cells[:3] == ["tvt, 2 seeds", "100", "100 %"]
    assert cells[3] == f"{minus}.50 [{minus}.50, {minus}.50]"
    assert cells[5] == f".20 [{minus}{half - 0.2:.2f}, {0.2 + half:.2f}]"


def test_what_was_run_says_command_seeds_and_cost(root):
    text = "\n".join(made(root, "run planted"))
    for words in ("karma train planted.yaml", "5: 42, 123", "million agent-steps", "registered"):
        assert words in text


def test_only_whole_seeds_are_archived(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    file = copy / "karma_s123" / "result.json"
    file.write_text("".join(line + "\n" for line in file.read_text().splitlines()[:4]))
    (note,) = archive.take(copy, tmp_path / "out")
    assert "123" in note
    table = pd.read_csv(tmp_path / "out" / "windows.csv")
    assert set(table["seed"]) == {42, 202, 303, 404}
    assert json.loads((tmp_path / "out" / "run.json").read_text())["seeds"] == [42, 202, 303, 404]


def test_the_command_line_leaves_places_of_a_machine_out():
    words = ["karma", "train", "/home/somebody/mine.yaml", "--storage", "/mnt/disk", "--seeds", "3"]
    assert archive._command(words) == "karma train mine.yaml --seeds 3"


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("arm planted/runs.csv violence", "is no table"),
        ("arms planted/runs.csv violense", "did you mean 'violence'"),
        ("arms nowhere.csv violence", "cannot be read"),
        ("levels planted/runs.csv condtion violence", "did you mean 'condition'"),
        ("levels planted/runs.csv", "there is no column ''"),
        ("verdicts nowhere", "no such registration"),
        ("probes planted", "holds no probes"),
    ],
)
def test_an_order_that_cannot_be_made_is_refused_in_a_sentence(root, order, words):
    with pytest.raises(ConfigError, match=words) as caught:
        made(root, order)
    assert "\n" not in str(caught.value)


def test_every_cell_is_empty_or_a_number_for_a_run_without_counts():
    runs = pd.DataFrame([{"condition": "baseline", "seed": 1}])
    names = {"v_before", "v_after", "v_victim", "hit_advantage"}
    full = runs.assign(**dict.fromkeys({*_used(), *names}, 0.0))
    for name, cell in CELLS.items():
        assert "nan" not in cell.write(full), name


def _used():
    from karma_rllib.analysis.late import COLUMNS

    return [column.name for column in COLUMNS] + ["log_selectivity"]


def test_karma_results_archives_makes_and_checks(run, tmp_path, monkeypatch):
    (tmp_path / results.FOLDER).mkdir(parents=True)
    path = page(tmp_path, "arms mine/runs.csv violence")
    monkeypatch.chdir(tmp_path)
    karma = lambda *words: CliRunner().invoke(app, ["results", *map(str, words)])  # noqa: E731
    assert karma("--take", run, "--name", "mine").exit_code == 0
    assert "| baseline |" in path.read_text()
    assert karma("--check").exit_code == 0
    path.write_text(path.read_text().replace("| baseline |", "| bassline |"))
    assert karma("--check").exit_code == 1
    assert "bassline" in path.read_text()
    refused = karma("--name", "mine")
    assert refused.exit_code == 2
