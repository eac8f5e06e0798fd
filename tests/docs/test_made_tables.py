"""What pages tell of runs is what the raw files beside them say, byte for byte."""

import re

import pytest
from doc_pages import ROOT

from karma_rllib.analysis import results

PAGES = results.pages(ROOT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_making_the_tables_of_a_page_again_changes_nothing(page):
    assert results.remade(page, ROOT) == page.read_text(encoding="utf-8")


def test_every_archived_run_is_judged_on_a_page():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    orders = re.findall(r"<!-- made: verdicts (.+?) -->", pages)
    judged = {name for order in orders for name in order.split()}
    archived = {path.parent.name for path in (ROOT / results.FOLDER).glob("*/windows.csv")}
    assert archived
    assert archived <= judged
