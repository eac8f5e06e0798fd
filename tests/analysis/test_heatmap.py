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
    files = heatmap.write(heatmap.tidy(table), tmp_path / "out", "raw_return")
    assert {file.name for file in files.values()} == {
        "heatmap.html", "heatmap.csv", "heatmap_latest.png", "heatmap_versions.png",
        "heatmap_chronological.png",
    }  # fmt: skip
    assert all(file.stat().st_size > 100 for file in files.values())
    assert len(pd.read_csv(files["csv"])) == 6
    with pytest.raises(ValueError, match="no episode in the file has a score"):
        heatmap.tidy(table, "score")


def test_a_cell_leads_to_its_best_its_median_and_its_most_violent_episode(tmp_path):
    evil = 'replays/a/"><script>x</script>.replay'
    with EpisodeStore(tmp_path / "e.sqlite") as store:
        for seed, earned, hits in ((0, 1.0, 0), (1, 3.0, 2), (2, 9.0, 1), (3, 5.0, 8)):
            key = Key("bot://bully", 1, "harvest-v0", "gathering 1+3", seed, "focal",
                      "bot://forager@1", "0.1.0")  # fmt: skip
            other = key._replace(policy_uri="bot://forager", version=1, role="background")
            file = ("replays/a/0.replay", evil, "replays/a/2.replay", "")[seed]
            rows = [(key, earned, 0), (other, 100 - earned, hits)]
            store.add(
                [
                    Row(k, i, None, x, x, 40, {"hits": float(n)}, replay=file)
                    for i, (k, x, n) in enumerate(rows)
                ]
            )
        found = heatmap.tidy(store.frame())
    row = found.iloc[0]
    # The episode of seed 3 has no file; the median of all four is 4.
    assert (row["best"], row["median"], row["violent"]) == ("replays/a/2.replay", evil, evil)
    page = Page(
        heatmap.page(found, "x", {evil: 'a/"><script>.html', "replays/a/2.replay": "2.html"})
    )
    assert page.links == ["2.html", 'a/"><script>.html', 'a/"><script>.html'] * 3
    assert page.tags.count("script") == 1
    assert Page(heatmap.page(found, "x")).links == []


def test_without_hits_nothing_is_violent(table):
    found = heatmap.tidy(table.assign(replay="replays/x.replay"))
    assert set(found["violent"]) == {""}
    assert set(found["best"]) == {"replays/x.replay"}
