"""Runs of several degrees of relatedness stand apart, side by side, and in one picture."""

import numpy as np
import pandas as pd
import pytest
from synthetic import edit_results, write_run

from karma_rllib.analysis import figures, kin_figures, report
from karma_rllib.analysis.compare import compare_settings
from karma_rllib.analysis.runs import open_runs
from karma_rllib.analysis.scales import Setting, setting_of

WORLD = {"name": "kinship-v0", "profile": "hearth", "grid_size": 9, "num_agents": 6}
EQUALS = [[1.0 if i == j else 0.3 for j in range(6)] for i in range(6)]
DEGREES = (0.0, 0.25, 0.5, 1.0)


def family(close):
    return {"scheme": "families", "sizes": [3], "closeness": [close], "strength": 1.0}


def kin_run(root, close, **options):
    """Three seeds in which hearts grow with relatedness and kin are hit half as often."""
    name = f"r{close}"
    folder = write_run(
        root, ("baseline",), name=name, length=3, world=WORLD, kinship=family(close), **options
    )

    def fill(row):
        c = row["counts"]
        c["hearts"] = c["agent_episodes"] * (1 + close)
        c["gifts"] = c["agent_episodes"] * 2.0
        c["hit_kin_chance"], c["gift_kin_chance"] = (
            0.4 * close * c["hits"],
            0.4 * close * c["gifts"],
        )
        c["hit_kin"], c["gift_kin"] = 0.5 * c["hit_kin_chance"], 1.5 * c["gift_kin_chance"]

    edit_results(folder, fill)
    return folder


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    root = tmp_path_factory.mktemp("kin")
    runs = [kin_run(root, close) for close in (1.0, 0.0, 0.5, 0.25)]
    return root / "out", compare_settings(runs, root / "out")


@pytest.mark.parametrize(
    ("kinship", "close"),
    [
        ({"scheme": "none"}, 0.0),
        ({"scheme": "teams", "team_size": 3}, 1.0),
        (family(0.25), 0.25),
        ({"scheme": "families", "sizes": [2], "closeness": [0.5]}, 0.5),
        ({"scheme": "custom", "matrix": EQUALS}, 0.3),
        ({"scheme": "random", "distribution": "uniform"}, 5 / 6),  # the most of five, on average
    ],
)  # fmt: skip
def test_relatedness_of_a_run_is_that_to_the_closest_other_agent(tmp_path, kinship, close):
    folder = write_run(tmp_path, ("baseline",), (42,), length=1, world=WORLD, kinship=kinship)
    (run,) = open_runs([folder])
    assert setting_of(run) == Setting(9, pytest.approx(close, abs=0.02))


def test_runs_of_several_degrees_are_compared_degree_by_degree(sweep):
    out, each = sweep
    assert [c.setting.relatedness for c in each] == list(DEGREES)
    assert [c.out_dir for c in each] == [out / f"related_{degree:g}" for degree in DEGREES]
    assert all(c.notes == [] for c in each)
    table = pd.read_csv(out / "scales.csv")
    runs = pd.read_csv(out / "runs.csv")
    assert set(runs["relatedness"]) == set(DEGREES)
    assert len(runs) == sum(len(c.runs) for c in each)
    for c in each:
        row = table.query(f"relatedness == {c.setting.relatedness} and metric == 'hearts'")
        assert row["mean"].item() == pytest.approx(1 + c.setting.relatedness)


def test_sizes_and_degrees_name_folders_and_headings_only_where_they_differ():
    four = [Setting(9, 0.0), Setting(9, 0.5), Setting(20, 0.0), Setting(20, 0.5)]
    assert four[1].folder(four) == "grid_9_related_0.5"
    assert four[1].title(four) == "map of 9x9 cells, relatedness 0.5"
    assert four[0].folder(four[:2]) == "related_0"
    assert four[0].folder(four[:1]) == ""


def means(ax):
    """Heights of the ticks that mark means, in drawing order."""
    return [line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 2.2]


def test_the_picture_shows_six_measures_against_relatedness(sweep):
    figure = kin_figures.kin(sweep[1][0])
    hearts, attacks, _, gini, gifts, _ = figure.axes
    assert [t.get_text() for t in gini.get_xticklabels()] == ["0", "0.25", "0.5", "1"]
    assert means(hearts) == pytest.approx([1, 1.25, 1.5, 2])
    assert means(gifts) == pytest.approx([2, 2, 2, 2])
    want = [1000 * c.cell("baseline", "violence_rate").mean for c in sweep[1]]
    assert means(attacks) == pytest.approx(want)
    assert all(ax.get_title(loc="left") for ax in figure.axes)
    dots = np.concatenate(
        [d.get_offsets()[:, 1] for d in attacks.collections if len(d.get_offsets()) == 3]
    )
    assert len(dots) >= 12  # three seeds at each of four degrees


def test_among_strangers_the_two_ratios_have_no_value(sweep):
    _, _, victims, _, _, receivers = kin_figures.kin(sweep[1][0]).axes
    assert means(victims) == pytest.approx([0.5] * 3)
    assert means(receivers) == pytest.approx([1.5] * 3)


def test_the_picture_is_written_for_sweeps_only_and_stands_in_the_report(sweep, tmp_path):
    _, each = sweep
    names = [path.name for path in figures.draw_sweep(each[0], tmp_path)]
    assert names == ["kinship.png", "kinship.svg"]
    page = report.write_report(each[1]).read_text(encoding="utf-8")
    assert "Against relatedness" in page
    (alone,) = compare_settings([kin_run(tmp_path, 0.5)], tmp_path / "alone")
    assert figures.draw_sweep(alone, tmp_path / "alone") == []
    assert not kin_figures.shown(alone)


def test_a_partial_last_row_is_no_point_of_the_curve():
    table = pd.DataFrame(
        {
            "seed": [1, 1, 1, 2, 2, 2],
            "agent_steps": [100, 200, 210, 100, 200, 260],
            "agent_episodes": [10.0, 10.0, 1.0, 10.0, 10.0, 6.0],
            "hearts": [10, 20, 9, 10, 20, 15],
        }
    )
    assert kin_figures.whole_rows(table)["agent_steps"].tolist() == [100, 200, 100, 200, 260]
    figure = kin_figures.hearts_curve(table, {"forager": 3.0})
    lines = figure.axes[0].get_lines()
    assert lines[0].get_ydata().tolist() == [1.0, 2.0]
    assert lines[1].get_ydata().tolist() == [1.0, 2.0, 2.5]
    assert list(lines[2].get_ydata()) == [3.0, 3.0]
