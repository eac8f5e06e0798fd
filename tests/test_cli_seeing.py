"""`karma replay` as people use it."""

import pytest

from karma_rllib.envs import replay as files
from tests.envs.test_replay import lived
from tests.test_cli import karma, refusal


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    whole = lived("harvest-v0")[0][0].seal("best")
    return files.save(whole, tmp_path_factory.mktemp("kept") / "best.replay")


def test_a_replay_is_checked_and_becomes_a_page_beside_it(file):
    code, out, _ = karma("replay", file)
    assert code == 0
    assert "41 frames, all as they were lived" in out
    assert file.with_suffix(".html").read_text().startswith("<!DOCTYPE html>")


def test_checking_alone_writes_nothing(file, tmp_path):
    code, out, _ = karma("replay", file, "--check", "--out", tmp_path / "x.html")
    assert code == 0
    assert "written" not in out
    assert not (tmp_path / "x.html").exists()


def test_a_film_may_be_written_instead(file, tmp_path):
    code, _, _ = karma("replay", file, "--out", tmp_path / "x.gif", "--fps", "20")
    assert code == 0
    assert (tmp_path / "x.gif").read_bytes()[:3] == b"GIF"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda good: b"not a zip", "not a replay"),
        (lambda good: good[:300], "damaged"),
        (lambda good: None, "no such file"),
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_written(file, tmp_path, make, words):
    bad, data = tmp_path / "bad.replay", make(file.read_bytes())
    if data is not None:
        bad.write_bytes(data)
    assert words in refusal("replay", bad)
    assert not bad.with_suffix(".html").exists()


def test_a_film_of_an_unknown_kind_is_refused_before_the_file_is_read(tmp_path):
    assert "must end in .html, .gif, .mp4" in refusal("replay", "gone.replay", "--out", "x.avi")
