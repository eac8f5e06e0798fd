"""What pages tell of runs is what the raw files beside them say, byte for byte."""

import re

import pytest
from doc_pages import ROOT

from karma_rllib.analysis import archive, results
from karma_rllib.analysis.registration import IN_RUN
from karma_rllib.analysis.rules import NOT_TESTABLE

PAGES = results.pages(ROOT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_making_the_tables_of_a_page_again_changes_nothing(page):
    assert results.remade(page, ROOT) == page.read_text(encoding="utf-8")


def test_every_archived_run_is_told_on_a_page_and_judged_on_all_that_was_registered():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    orders = [order.split() for order in re.findall(r"<!-- made: (.+?) -->", pages)]
    told = {name for kind, *names in orders if kind == "run" for name in names}
    archived = [path.parent for path in (ROOT / results.FOLDER).glob("*/windows.csv")]
    assert archived
    assert {folder.name for folder in archived} <= told
    for folder in archived:
        if (folder / IN_RUN).is_file():
            own = [names for kind, *names in orders if kind == "verdicts" and folder.name in names]
            kept = [part[5:] for names in own for part in names if part.startswith("only=")]
            heads = tuple(",".join(kept).split(",")) if len(kept) == len(own) else ("",)
            for found in archive.judged([folder])[0]:
                hidden = own == [] or not found.prediction.id.startswith(heads)
                assert found.verdict == NOT_TESTABLE or not hidden, found.prediction.id
            assert own
