"""What pages tell of runs is what the raw files beside them say, byte for byte."""

import pytest
from doc_pages import ROOT

from karma_rllib.analysis import results

PAGES = results.pages(ROOT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_making_the_tables_of_a_page_again_changes_nothing(page):
    assert results.remade(page, ROOT) == page.read_text(encoding="utf-8")


def test_the_pages_with_archived_runs_have_made_tables():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for folder in sorted((ROOT / results.FOLDER).glob("*/windows.csv")):
        assert f"<!-- made: verdicts {folder.parent.name} -->" in pages
