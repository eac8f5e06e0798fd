"""The page of a replay: whole, alone, and true to the world."""

import base64
import json
import re
import zlib

import numpy as np
import pytest

from karma_rllib.envs import replay as files
from karma_rllib.envs import viewer
from karma_rllib.envs.scene import PER_AGENT, film_of
from tests.browser import CHROMIUM, Browser
from tests.envs.test_replay import lived

EVIL = '</script><img src=x onerror="document.title=1">&amp;'
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


def made(name="harvest-v0", **params):
    """A replay at random, played by somebody with a wicked name."""
    whole = lived(name, **params)[0][0].seal("best")
    policies = (EVIL,) * len(whole.head.policies)
    return files.Replay(
        whole.head.model_copy(update={"policies": policies}),
        whole.start, whole.actions, whole.chain, whole.tracks,
    )  # fmt: skip


def unpacked(film):
    """The arrays of a film, as a page unpacks them."""
    data, at, found = zlib.decompress(base64.b64decode(film["data"])), 0, {}
    for name, kind, shape in film["arrays"]:
        count = int(np.prod(shape))
        found[name] = np.frombuffer(data, "<" + kind, count, at).reshape(shape)
        at += found[name].nbytes
    assert at == len(data)
    return found


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))


@pytest.mark.parametrize("name", ["harvest-v0", "kinship-v0", "match-v0"])
def test_what_a_page_holds_is_what_the_world_showed(name):
    replay = made(name)
    looks = [look for look, _ in viewer.looks_of(replay)]
    frames = [now.frame for _, now in viewer.looks_of(replay)]
    arrays = unpacked(film_of(looks, replay.tracks))
    columns = dict(zip(PER_AGENT, arrays["agents"].cumsum(1), strict=True))
    G = len(frames[0].cells)
    tiles, debt = np.zeros(G * G, int), np.zeros((frames[0].head.size,) * 2)
    for f, (look, frame) in enumerate(zip(looks, frames, strict=True)):
        for _, cell, tile in arrays["tiles"][arrays["tiles"][:, 0] == f]:
            tiles[cell] = tile
        for _, i, j, owed in arrays["debt"][arrays["debt"][:, 0] == f]:
            debt[i, j] = owed
        np.testing.assert_array_equal(tiles, look.tiles)
        np.testing.assert_array_equal(debt, look.debt)
        np.testing.assert_array_equal(columns["row"][f], frame.pos[:, 0])
        np.testing.assert_array_equal(columns["flags"][f] & 1 > 0, frame.frozen)
        np.testing.assert_array_equal(np.flatnonzero(frame.beam), look.lit)
        assert ((tiles == 0) == (frame.cells.ravel() == 0)).all()
    if name == "kinship-v0":
        held = arrays["items"].cumsum(1)[:, -1].T
        np.testing.assert_array_equal(held, frames[-1].inventory)


def test_totals_are_sums_of_rewards_and_hits():
    replay = made("harvest-v0", seed=4)
    reward, hits = 0.0, 0
    for seen, now in viewer.looks_of(replay):
        look = seen
        if now.events is not None:
            reward, hits = reward + now.reward.astype(float), hits + now.events.hit.sum(1)
    at = [PER_AGENT.index(name) for name in ("total", "hits")]
    np.testing.assert_allclose(look.agents[:, at[0]] / 1000, reward, atol=1e-3)
    np.testing.assert_array_equal(look.agents[:, at[1]], hits)


def test_a_page_names_no_other_place_and_no_name_becomes_markup():
    page = viewer.to_html(made(), title=f"a {EVIL}")
    assert EVIL not in page
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert data_of(page)["stage"]["policies"][0] == EVIL
    assert not re.search(r"""(src|href)=["'](?!data:)|https?://|@import|url\(""", page)


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_films_have_a_picture_for_every_frame(suffix, tmp_path):
    imageio = pytest.importorskip("imageio.v3")
    path = viewer.write(made("kinship-v0", max_steps=6), tmp_path / "a" / f"x{suffix}")
    assert len(imageio.imread(path)) == 7
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.html, \.gif, \.mp4"):
        viewer.write(made(), tmp_path / "x.avi")


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_works_by_keys_alone(tmp_path, dark):
    page = viewer.write(made(seed=4, max_steps=60, num_agents=8), tmp_path / "x.html")
    with Browser(tmp_path, dark=dark) as browser:
        browser.open(page.as_uri(), "document.documentElement.dataset.opened")
        assert browser.ask("document.title") == "harvest-v0, best episode"
        for key, frame in (("ArrowRight", 1), ("End", 60), ("ArrowLeft", 59), ("Home", 0)):
            browser.press(key)
            browser.until(f"viewer.f === {frame}")
        browser.press("ArrowRight", shift=True)
        browser.until("viewer.f === 10")
        browser.press("n")
        browser.until("!document.getElementById('detail').hidden")
        assert EVIL in browser.ask("document.getElementById('who').textContent")
        browser.press("e")
        browser.until("document.getElementById('told').textContent.includes(' hits agent_')")
        browser.press("d")
        browser.until("document.getElementById('debt-toggle').ariaPressed === 'false'")
        browser.press("+")
        browser.press(" ")
        browser.until("viewer.f === 60 && !viewer.playing")
        browser.press("Escape")
        browser.until("document.getElementById('detail').hidden")
        assert browser.ask("document.querySelectorAll('img').length") == 0
        assert not browser.complaints()
        assert browser.requests() == [page.as_uri()]


@pytest.mark.slow
@needs_chromium
def test_a_thousand_steps_of_24_agents_open_in_two_seconds(tmp_path):
    whole = lived("kinship-v0", worlds=1, watch=(0,), profile="arena", max_steps=1000,
                  num_agents=24, kinship={"scheme": "families"})[0][0].seal()  # fmt: skip
    page = viewer.write(whole, tmp_path / "x.html")
    assert page.stat().st_size < 3_000_000
    with Browser(tmp_path) as browser:
        browser.open(page.as_uri(), "document.documentElement.dataset.opened")
        assert float(browser.ask("document.documentElement.dataset.opened")) < 2000
        each = browser.ask(
            "(() => { const t = performance.now();"
            " for (let k = 0; k < 100; k++) { viewer.go(7 * k); viewer.show(); }"
            " return (performance.now() - t) / 100 })()"
        )
        assert each < 100  # [ms]
        assert not browser.complaints()
