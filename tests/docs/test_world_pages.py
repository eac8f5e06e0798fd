"""The pages of the worlds: code blocks run, pictures exist, profiles are all there."""

import re
from pathlib import Path

import pytest
from PIL import Image

from karma_rllib import worlds

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "worlds").glob("*.md"))
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{k}")
    for page in PAGES
    for k, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_code_block_runs_as_printed(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "<page>", "exec"), {"__name__": "__page__"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_picture_of_a_page_can_be_opened(page):
    links = re.findall(r"!\[.+?\]\((.+?)\)", page.read_text())
    assert links
    for link in links:
        with Image.open(page.parent / link) as image:
            assert min(image.size) >= 200


def test_every_world_has_a_page():
    names = {f"{page.stem}-v0" for page in PAGES}
    assert set(worlds.list_worlds()) <= names
