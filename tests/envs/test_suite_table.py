"""The page of scores says what the command measures."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from karma_rllib.cli import app
from karma_rllib.envs import scenarios
from karma_rllib.envs.suites import table

PAGE = Path(__file__).parents[2] / "docs" / "suites.md"


def stored():
    """The table of the page."""
    return PAGE.read_text().partition(table.BEGIN)[2].partition(table.END)[0].strip()


def test_the_page_lists_every_scenario_in_order():
    names = re.findall(r"^\| \w+ \| `(\w+)`", stored(), re.MULTILINE)
    assert names == list(scenarios.scenarios())


@pytest.mark.parametrize("name", ["open_near", "kruskal_11", "cue_10", "harvest", "shield_up"])
def test_a_row_of_the_page_is_what_is_measured(name):
    row = table.markdown([table.measure(scenarios.scenario(name))]).splitlines()[-1]
    assert row in stored().splitlines()


@pytest.mark.slow
def test_the_table_of_the_page_is_what_is_measured():
    rows = map(table.measure, scenarios.scenarios().values())
    assert table.markdown(rows) == stored()


def test_the_command_prints_the_table_or_writes_it_into_a_page(tmp_path):
    run = CliRunner()
    printed = run.invoke(app, ["suites", "cue_10", "marker_cue"])
    assert printed.exit_code == 0
    rows = [line for line in printed.stdout.splitlines() if line.startswith("| memory")]
    assert len(rows) == 2
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    assert run.invoke(app, ["suites", "cue_10", "--write", str(page)]).exit_code == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert rows[0] in text
    assert "old" not in text


def test_a_page_without_marks_and_an_unknown_name_are_refused_in_a_sentence(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    refused = CliRunner().invoke(app, ["suites", "cue_10", "--write", str(page)])
    assert refused.exit_code == 2
    assert "must hold the marks" in refused.stderr
    assert page.read_text() == "nothing"
    refused = CliRunner().invoke(app, ["suites", "mazes"])
    assert refused.exit_code == 2
    assert "unknown scenario 'mazes'" in refused.stderr
