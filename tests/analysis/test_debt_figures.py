import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import ITERATION, edit_results, write_run

from karma_rllib.analysis import debt_figures, figures, report
from karma_rllib.analysis.compare import compare, compare_settings
from karma_rllib.analysis.curves import binned, with_intervals

CONDITIONS = ("baseline", "tvt", "matchmaker", "karmic")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    root = tmp_path_factory.mktemp("debts")
    folder = write_run(root, conditions=CONDITIONS, length=8, world={"grid_size": 10})
    return compare([folder], root / "out")


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    root = tmp_path_factory.mktemp("sizes")
    options = {"conditions": ("baseline", "karmic"), "length": 4}
    runs = [
        write_run(root, name=f"r{g}", world={"grid_size": g}, scale={"karmic": 10 / g}, **options)
        for g in (30, 10, 20)
    ]
    return root / "out", compare_settings(runs, root / "out")


def thick(ax, dotted=False):
    """(x, y) of the lines that stand for conditions."""
    width = 1.4 if dotted else 2.0
    return [line.get_xydata() for line in ax.lines if line.get_linewidth() == width]


def test_the_four_pictures_say_what_they_show_in_which_units_and_for_whom(comparison):
    figure = debt_figures.debts(comparison)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        *("Aggression", "Debt", "Retribution", "Scale"),
    ]
    units = [ax.texts[0].get_text() for ax in figure.axes]
    assert units[0] == "predatory hits per episode and world"
    assert "by chance" in units[2]
    assert all(ax.get_xlabel() for ax in figure.axes)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == list(CONDITIONS)


def test_aggression_is_the_mean_over_seeds_of_predatory_hits_per_episode(comparison):
    drawn = thick(debt_figures.debts(comparison).axes[0])
    assert len(drawn) == len(CONDITIONS)
    rows = comparison.frame[comparison.frame["condition"] == "karmic"]
    per_episode = rows["counts/predatory"] / rows["counts/episodes"]
    want = per_episode.groupby(rows["agent_steps"]).mean()
    assert drawn[3][:, 1] == pytest.approx(want.to_numpy())


def test_a_band_is_the_t_interval_over_seeds_where_there_is_more_than_one():
    curves = pd.DataFrame({"x": [1, 1, 1, 2, 2, 3], "m": [1.0, 2.0, 6.0, 5.0, np.nan, np.nan]})
    table = with_intervals(curves, "m")
    want = stats.t.interval(0.95, 2, 3.0, stats.sem([1.0, 2.0, 6.0]))
    assert table.loc[1].tolist() == pytest.approx([3.0, *want, 3])
    assert table.loc[2, "mean"] == 5.0
    assert math.isnan(table.loc[2, "low"])
    assert math.isnan(table.loc[3, "mean"])


def test_retribution_is_drawn_beside_its_chance_level(comparison):
    ax = debt_figures.debts(comparison).axes[2]
    assert [line[:, 1].tolist() for line in thick(ax)] == [pytest.approx([0.4] * 8)] * 4
    assert [line[:, 1].tolist() for line in thick(ax, True)] == [pytest.approx([0.35] * 8)] * 4


def test_bins_without_a_hit_or_without_an_ended_episode_are_left_out(tmp_path):
    def quiet(row):
        if row["agent_steps"] == 2 * ITERATION:
            names = ("hits", "predatory", "retributive", "chance_retributive")
            row["counts"].update(dict.fromkeys(names, 0.0))
        if row["agent_steps"] == 3 * ITERATION:
            row["counts"].update(ended_episodes=0.0, debt_at_end=0.0)

    folder = write_run(tmp_path, conditions=("tvt",), length=4)
    edit_results(folder, quiet)
    axes = debt_figures.debts(compare([folder], tmp_path / "out")).axes
    assert np.isnan(thick(axes[2])[0][:, 1]).tolist() == [False, True, False, False]
    assert np.isnan(thick(axes[1])[0][:, 1]).tolist() == [False, False, True, False]
    assert np.isfinite(thick(axes[0])[0][:, 1]).all()  # no hit is no aggression


def test_one_map_size_is_shown_alone_and_says_so(comparison):
    ax = debt_figures.debts(comparison).axes[3]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10x10"]
    assert "one size" in ax.get_xlabel()
    points = [dots.get_offsets()[0, 1] for dots in ax.collections[1::2]]
    want = [1000 * comparison.cell(name, "predatory_rate").mean for name in CONDITIONS]
    assert points == pytest.approx(want)


def test_runs_on_maps_of_several_sizes_are_compared_size_by_size(sizes):
    out, each = sizes
    assert [c.out_dir for c in each] == [out / f"grid_{g}" for g in (10, 20, 30)]
    assert all((c.out_dir / "comparison.csv").is_file() for c in each)
    assert all(c.notes == [] for c in each)  # sizes are not "different settings" of one mean
    assert [c.scales["grid_size"].nunique() for c in each] == [3, 3, 3]
    table = pd.read_csv(out / "scales.csv")
    for c, size in zip(each, (10, 20, 30), strict=True):
        row = table.query(
            f"grid_size == {size} and condition == 'karmic' and metric == 'predatory_rate'"
        )
        assert row["mean"].item() == pytest.approx(c.cell("karmic", "predatory_rate").mean)


def test_the_scale_picture_has_a_point_per_condition_and_size(sizes):
    _, each = sizes
    ax = debt_figures.debts(each[1]).axes[3]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10x10", "20x20", "30x30"]
    assert ax.get_xlabel() == "cells of the map"
    points = ax.collections[3].get_offsets()[:, 1]  # karmic
    want = [1000 * c.cell("karmic", "predatory_rate").mean for c in each]
    assert points.tolist() == pytest.approx(want)


def test_runs_of_one_size_are_pooled_as_ever(tmp_path):
    runs = [
        write_run(tmp_path, seeds=(s,), length=2, name=f"s{s}", world={"grid_size": 9})
        for s in (1, 2)
    ]
    (c,) = compare_settings(runs, tmp_path / "out")
    assert c.out_dir == tmp_path / "out"
    assert set(c.runs["seed"]) == {1, 2}
    assert not (tmp_path / "out" / "scales.csv").exists()


def test_the_pictures_are_drawn_twice_alike_and_stand_in_the_report(comparison):
    names = [path.name for path in figures.draw(comparison)]
    assert names[-2:] == ["debts.png", "debts.svg"]
    first, second = (figures.svg(debt_figures.debts(comparison)) for _ in range(2))
    assert first == second
    page = report.write_report(comparison).read_text()
    assert page.count("<picture>") == 4
    assert "Who owes whom of baseline, tvt, matchmaker and karmic" in page


def test_runs_without_memory_or_matchmaker_have_no_pictures_of_debts(tmp_path):
    c = compare([write_run(tmp_path, length=2)], tmp_path / "out")
    assert not debt_figures.shown(c)
    assert "predatory" not in set(c.table["metric"])
    assert [p.stem for p in figures.draw(c)] == [
        *("curves", "curves", "late", "late", "profiles", "profiles")
    ]


def test_counts_that_say_whether_a_bin_says_anything_stand_beside_the_metrics(comparison):
    curves = binned(comparison.frame)
    total = curves.groupby("condition")["hits"].sum()
    want = comparison.frame.groupby("condition")["counts/hits"].sum()
    assert total.sort_index().tolist() == want.sort_index().tolist()


def test_karma_compare_reports_every_map_size(sizes, tmp_path, capsys):
    from karma_rllib.cli import comparing

    runs = [sizes[0].parent / f"r{size}" for size in (10, 30)]
    comparing.compare(runs, tmp_path / "out", films=False)
    told = capsys.readouterr().out
    for size in (10, 30):
        assert f"map of {size}x{size} cells" in told
        assert (tmp_path / "out" / f"grid_{size}" / "report.html").is_file()
        assert (tmp_path / "out" / f"grid_{size}" / "debts.png").is_file()
