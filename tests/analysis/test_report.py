import re
from html.parser import HTMLParser

import imageio.v3 as iio
import numpy as np
import pytest
from synthetic import ITERATION, edit_results, write_run

from karma_rllib.analysis import report, report_parts
from karma_rllib.analysis.compare import compare
from karma_rllib.analysis.report import write_report

VOID = {"meta", "img", "source", "br"}


class Page(HTMLParser):
    """Checks that tags nest and gathers links, text and cells."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.text = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("src", "srcset", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    return compare([write_run(root, stem=4, length=6)], root / "out")


@pytest.fixture
def quick(monkeypatch):
    """Empty figures: for tests of everything around them."""
    monkeypatch.setattr(report.figures, "png", lambda figure, dark: b"\x89PNG")
    for make in ("learning_curves", "late_dots"):
        monkeypatch.setattr(report.figures, make, lambda comparison, dark: None)


def film(path, size=24, frames=3):
    rng = np.random.default_rng(0)
    iio.imwrite(path, rng.integers(0, 255, (frames, size, size, 3), dtype=np.uint8))
    return path


def test_the_page_is_whole_and_loads_nothing(comparison, tmp_path):
    gifs = {"karma_out": film(tmp_path / "k.gif"), "baseline": film(tmp_path / "b.gif")}
    path = write_report(comparison, gifs=gifs, command="karma compare results/mirror")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path.name == "report.html"
    assert path.stat().st_size < 5_000_000
    assert len(page.links) == 6 + 2  # three figures in two themes, two films
    assert all(link.startswith("data:image/") for link in page.links)
    assert not re.search(r"https?://|<script|@import|url\(", text)
    assert "$" not in "".join(page.text)  # no field of the template was left


def test_the_page_says_what_was_run_what_differs_and_how_to_get_it_again(comparison, quick):
    text = write_report(comparison, command="karma compare results/mirror").read_text()
    told = " ".join(Page(text).text)
    for words in (
        "2 conditions with 3 seeds each (6 runs)",
        "karma_out against baseline (3 pairs of seeds)",
        "karma train mirror.yaml",
        "karma compare results/mirror",
        "gae_lambda: 0.3",  # settings
        "versions.ray",  # provenance
        "2.60.0",
        "leads, not findings",
    ):
        assert words in told, words
    cell = comparison.cell("karma_out", "violence_rate")
    assert f"{cell.mean:.4f}" in told


def test_the_page_reads_on_a_phone_and_in_the_dark(comparison, quick):
    text = write_report(comparison).read_text()
    assert 'name="viewport" content="width=device-width' in text
    assert text.count("prefers-color-scheme: dark") == 1 + 3  # the style, and three figures


def test_films_come_in_table_order(comparison, tmp_path, quick):
    gifs = {name: film(tmp_path / f"{name}.gif") for name in ("karma_out", "baseline")}
    text = write_report(comparison, gifs=gifs).read_text()
    assert text.index("one episode of baseline") < text.index("one episode of karma_out")


def test_a_film_too_large_for_the_page_is_named_instead(comparison, tmp_path, quick, monkeypatch):
    small, large = film(tmp_path / "small.gif"), film(tmp_path / "large.gif", 200, 20)
    without = write_report(comparison).stat().st_size
    monkeypatch.setattr(report, "MAX_BYTES", without + 100_000)
    path = write_report(comparison, gifs={"baseline": large, "karma_out": small})
    text = path.read_text()
    assert path.stat().st_size < report.MAX_BYTES
    assert "one episode of karma_out" in text
    assert "one episode of baseline" not in text
    assert re.search(r"Too large for this page: large\.gif \(\d\.\d MB\)\.", text)


def test_a_film_that_is_no_gif_is_refused(comparison, tmp_path, quick):
    (tmp_path / "x.gif").write_bytes(b"nonsense")
    with pytest.raises(
        ValueError, match=r"The film of condition karma_out, .*x\.gif, is not a GIF"
    ):
        write_report(comparison, gifs={"karma_out": tmp_path / "x.gif"})


def test_names_settings_and_commands_cannot_inject_markup(tmp_path, quick):
    evil = "<script>alert('x')</script>&$title"
    folder = write_run(tmp_path, length=2, name="a<b>&c")
    edit_results(folder, lambda row: row.update(condition=evil), "karma_out*/result.json")
    text = (folder / "experiment.yaml").read_text()
    (folder / "experiment.yaml").write_text(text + f'about: "{evil}"\n')
    (folder / "provenance.json").write_text('{"command": ["karma", "<b>x</b>"], "<i>": "</td>"}')
    page = write_report(compare([folder], tmp_path / "out"), command="karma <img src=x>")
    html = page.read_text(encoding="utf-8")
    Page(html)
    assert "<script" not in html
    assert "<img src=x>" not in html
    assert "karma &#x27;&lt;b&gt;x&lt;/b&gt;&#x27;" in html
    assert evil in " ".join(Page(html).text)


def test_provenance_is_listed_leaf_by_leaf():
    data = {"git": {"commit": "0123abc", "clean": True}, "seeds": [1, 2], "none": None}
    data["resumed"] = [{"time": "noon"}, {"time": "night"}]
    assert list(report._leaves(data)) == [
        ("git.commit", "0123abc"),
        ("git.clean", "True"),
        ("seeds", "1, 2"),
        ("resumed.1.time", "noon"),
        ("resumed.2.time", "night"),
    ]


def test_a_folder_without_settings_or_provenance_is_reported_as_such(tmp_path, quick):
    folder = write_run(tmp_path, length=2)
    (folder / "experiment.yaml").unlink()
    (folder / "provenance.json").unlink()
    told = " ".join(Page(write_report(compare([folder], tmp_path / "out")).read_text()).text)
    assert "The settings of mirror_2024 were not recorded." in told
    assert "What mirror_2024 ran on was not recorded." in told
    assert "The command was not recorded." in told


def test_the_same_comparison_gives_the_same_page(comparison):
    assert write_report(comparison).read_bytes() == write_report(comparison).read_bytes()


def test_society_and_cost_have_their_tables(tmp_path, quick):
    folder = write_run(tmp_path, stem=4, length=6)
    edit_results(folder, lambda row: row.update(iteration_s=36.0))
    text = (folder / "experiment.yaml").read_text()
    (folder / "experiment.yaml").write_text(text + "resources: {num_env_runners: 1}\n")
    c = compare([folder], tmp_path / "out")
    told = " ".join(Page(write_report(c).read_text()).text)
    for words in ("equality E", "peace P", "What these mean", "CPU hours", "agent-steps"):
        assert words in told, words
    spent = report_parts.costs(c.frame, c.folders).set_index("part")
    assert spent.loc["stem", "hours"] == pytest.approx(3 * 4 * 0.01)
    assert spent.loc["karma_out", "cpu_hours"] == pytest.approx(2 * 3 * 6 * 0.01)
    assert spent.loc["karma_out", "agent_steps"] == 3 * 6 * ITERATION
    assert spent.loc["all", "runs"] == 9
    assert spent.loc["all", "agent_steps"] == 3 * (4 + 6 + 6) * ITERATION


def test_times_that_were_not_logged_are_missing_not_zero(comparison):
    assert report_parts.costs(comparison.frame, comparison.folders)["hours"].isna().all()


def test_figures_name_the_command_that_draws_them(comparison, quick):
    text = write_report(comparison, command="karma compare results/mirror").read_text()
    assert text.count("Drawn by <code>karma compare results/mirror</code>.") == 3


def test_a_registered_run_shows_its_verdicts(comparison, quick):
    text = write_report(comparison, verdicts="<h2>Registered predictions</h2>").read_text()
    assert text.index("Registered predictions") < text.index("<h2>Numbers")
    assert "Registered predictions" not in write_report(comparison).read_text()


def test_tables_without_columns_are_left_out(comparison, quick):
    text = write_report(comparison).read_text()
    assert "<th>n</th></tr>" not in text
