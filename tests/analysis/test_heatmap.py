"""The heatmap shows what was measured, in three views, in one page that needs nothing else."""

from html.parser import HTMLParser

import pandas as pd
import pytest

from karma_rllib.analysis import heatmap
from karma_rllib.analysis.store import EpisodeStore, Key, Row

HOSTILE = "file:///runs/<script>alert(1)</script>"


@pytest.fixture
def table(tmp_path):
    """Two versions of a trained policy and a bot, the bot played last."""
    with EpisodeStore(tmp_path / "e.sqlite") as store:
        for uri, version, mean in ((HOSTILE, 10, 2.0), (HOSTILE, 9, 1.0), ("bot://bully", 1, 5.0)):
            for scenario in ("gathering 1+3", "dual_cleanup 1+4"):
                for seed in range(4):
                    key = Key(uri, version, "harvest-v0", scenario, seed, "focal",
                              "bot://forager@1", "0.1.0")  # fmt: skip
                    other = key._replace(policy_uri="bot://forager", version=1, role="background")
                    store.add(
                        [
                            Row(key, 0, None, mean + seed, mean, 40),
                            Row(other, 1, None, 99.0, 99.0, 40),
                        ]
                    )
        return store.frame()


def test_a_cell_is_the_focal_return_per_head_with_its_interval(table):
    found = heatmap.tidy(table)
    row = found[(found["policy_uri"] == "bot://bully")].iloc[0]
    assert (row["mean"], row["n"]) == (6.5, 4)
    assert row["low"] <= 6.5 <= row["high"]
    assert row["column"] == "dual_cleanup 1+4 | forager"
    assert 99.0 not in found["mean"].to_numpy()


def test_each_view_has_its_policies_in_its_order(table):
    found = heatmap.tidy(table)
    order = {name: heatmap.view(found, name)[0].index.to_list() for name in heatmap.VIEWS}
    pairs = {name: [(uri, version) for uri, version, *_ in rows] for name, rows in order.items()}
    assert pairs["latest"] == [("bot://bully", 1), (HOSTILE, 10)]
    assert pairs["versions"] == [("bot://bully", 1), (HOSTILE, 9), (HOSTILE, 10)]
    assert pairs["chronological"] == [(HOSTILE, 10), (HOSTILE, 9), ("bot://bully", 1)]
    means = heatmap.view(found, "latest")[0]
    assert means[heatmap.OVERALL].tolist() == [6.5, 3.5]


class Page(HTMLParser):
    """Tags of a page, and the tips of its cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tips, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        fields = dict(attrs)
        self.tips.append(fields.get("data-n"))
        self.links += [value for key, value in attrs if key in ("src", "href")]


def test_the_page_is_self_contained_tells_n_and_escapes_names(table):
    text = heatmap.page(heatmap.tidy(table), "Returns <b>")
    page = Page(text)
    assert page.links == []
    assert "http" not in text
    assert page.tags.count("script") == 1
    assert page.tags.count("section") == 3
    assert "n = 4, 95 % interval" in " ".join(tip for tip in page.tips if tip)


def test_all_files_are_written(table, tmp_path):
    files = heatmap.write(table, tmp_path / "out")
    assert {file.name for file in files.values()} == {
        "heatmap.html", "heatmap.csv", "heatmap_latest.png", "heatmap_versions.png",
        "heatmap_chronological.png",
    }  # fmt: skip
    assert all(file.stat().st_size > 100 for file in files.values())
    assert len(pd.read_csv(files["csv"])) == 6
    with pytest.raises(ValueError, match="no episode in the file has a score"):
        heatmap.write(table, tmp_path, "score")
