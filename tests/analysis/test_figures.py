import hashlib
import math

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from synthetic import ITERATION, edit_results, write_run

from karma_rllib.analysis import figures
from karma_rllib.analysis.compare import compare
from karma_rllib.analysis.curves import binned, over_seeds
from karma_rllib.analysis.runs import load_runs
from karma_rllib.analysis.social import pool, rates
from karma_rllib.conditions import CONDITIONS


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    root = tmp_path_factory.mktemp("figures")
    folder = write_run(root, conditions=("baseline", "broken", "karma_out"), stem=5, length=8)
    return compare([folder], root / "out")


def digests(paths):
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_a_bin_is_the_ratio_of_the_sums_of_its_iterations(tmp_path):
    folder = write_run(tmp_path, conditions=("baseline",), seeds=(1,), length=8)
    frame = load_runs([folder])
    curves = binned(frame, bins=4)
    assert curves["x"].tolist() == pytest.approx([(k + 0.5) * 2 * ITERATION for k in range(4)])
    counts = frame.filter(regex="^counts/").rename(columns=lambda c: c.removeprefix("counts/"))
    want = rates(pool(counts.iloc[[2, 3]].to_dict(orient="records")))
    assert curves["violence_rate"].iloc[1] == pytest.approx(want["violence_rate"])
    assert curves["selectivity"].iloc[1] == pytest.approx(math.exp(want["log_selectivity"]))


def test_a_bin_is_never_shorter_than_an_iteration(tmp_path):
    folder = write_run(tmp_path, conditions=("baseline",), seeds=(1, 2), length=3)
    assert len(binned(load_runs([folder]), bins=500)) == 2 * 3


@pytest.mark.parametrize(("length", "kept"), [(7, 2), (8, 2), (5, 1), (1, 1)])
def test_a_run_that_ends_early_in_a_bin_loses_that_bin(tmp_path, length, kept):
    """Bins of four iterations, set by a longer run beside it."""
    long = write_run(tmp_path, conditions=("baseline",), seeds=(1,), length=16, name="long")
    short = write_run(tmp_path, conditions=("baseline",), seeds=(2,), length=length, name="short")
    curves = binned(load_runs([long, short]), bins=4)
    assert (curves["seed"] == 1).sum() == 4
    assert (curves["seed"] == 2).sum() == kept


def test_the_band_is_the_range_over_seeds_and_the_line_their_mean():
    import pandas as pd

    curves = pd.DataFrame({"x": [1, 1, 1], "seed": [1, 2, 3], "m": [1.0, 2.0, 6.0]})
    assert over_seeds(curves, "m", log=False).iloc[0].tolist() == pytest.approx([3, 1, 6])
    geometric = 12 ** (1 / 3)
    assert over_seeds(curves, "m", log=True).iloc[0].tolist() == pytest.approx([geometric, 1, 6])


def test_drawing_twice_gives_the_same_bytes_and_touches_no_global_state(comparison):
    before, backend = dict(mpl.rcParams), mpl.get_backend()
    paths = figures.draw(comparison)
    assert [path.name for path in paths] == [
        f"{name}.{kind}" for name in ("curves", "late", "profiles") for kind in ("png", "svg")
    ]
    first = digests(paths)
    with mpl.rc_context({"font.size": 30, "axes.grid": False}):  # someone else's taste
        assert digests(figures.draw(comparison)) == first
    assert dict(mpl.rcParams) == before
    assert mpl.get_backend() == backend
    for path in paths[::2]:
        with Image.open(path) as image:
            assert image.size[0] == 1650
            assert np.asarray(image.convert("L")).std() > 5  # something is drawn
    for path in paths[1::2]:
        text = path.read_text()
        assert text.startswith("<?xml")
        assert "<dc:date>" not in text


def test_every_condition_is_drawn_for_every_seed_with_its_stem_and_its_branch(comparison):
    figure = figures.learning_curves(comparison)
    ax = figure.axes[0]
    thin = [line for line in ax.lines if line.get_linewidth() < 1 and len(line.get_xdata()) > 2]
    assert len(thin) == 3 + 3 * 3  # stems, then conditions
    branch = [line for line in ax.lines if len(line.get_xdata()) == 2]
    assert branch[0].get_xdata()[0] == pytest.approx(5 * ITERATION / 1e6)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["baseline", "broken", "karma_out"]


def test_a_dot_stands_for_every_seed_at_its_own_value(comparison):
    figure = figures.late_dots(comparison)
    dots = figure.axes[0].collections[2].get_offsets()  # violence of karma_out
    runs = comparison.runs[comparison.runs["condition"] == "karma_out"].sort_values("seed")
    assert dots[:, 0].tolist() == pytest.approx((1000 * runs["violence_rate"]).tolist())


def test_one_seed_and_no_stem_can_be_drawn(tmp_path):
    folder = write_run(tmp_path, seeds=(1,), length=1)
    figure = figures.late_dots(compare([folder], tmp_path / "out"))
    assert len(figures.png(figure)) > 1000
    assert len(figure.axes[0].collections) == 2


def test_a_world_without_waste_is_drawn_without_cleaning(tmp_path):
    folder = write_run(tmp_path, length=3)
    edit_results(folder, lambda row: row["counts"].update(cleans=0.0, aim_waste=0.0))
    figure = figures.learning_curves(compare([folder], tmp_path / "out"))
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["Violence", "Yield", "Targeting", "Temptation", "Frozen", "Zapping"]


def test_conditions_of_one_study_have_colours_of_their_own_and_unknown_ones_get_one():
    names = [*CONDITIONS, "mine", "yours"]
    karmic = {n for n, row in CONDITIONS.items() if row.tvt or row.matchmaker != "off"}
    crossed = {n for n in karmic if CONDITIONS[n].mirror}
    for dark in (False, True):
        for study in (set(CONDITIONS) - karmic, (karmic - crossed) | {"baseline"}, crossed):
            own = [figures.colour(name, names, dark) for name in study]
            assert len(set(own)) == len(own)
        assert figures.colour("mine", names, dark) != figures.colour("yours", names, dark)
