"""What the pages say about the project holds: links, pictures, names, tables."""

import re

import pytest
import typer
import yaml
from doc_pages import PAGES, ROOT, anchors, links, prose, spans
from PIL import Image

import karma_rllib
from karma_rllib import worlds
from karma_rllib.analysis.metric_table import TABLE
from karma_rllib.cli import app, examples
from karma_rllib.conditions import CONDITIONS
from karma_rllib.config import ExperimentConfig
from karma_rllib.config.counterparts import KARMIC_OPTIONS, SEED_KEYS, SEED_OPTIONS, keys_of
from karma_rllib.config.experiment import section_models

README = ROOT / "README.md"
EXPERIMENTS = ROOT / "docs" / "experiments.md"
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_links_within_the_project_lead_somewhere(page):
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


@each_page
def test_pictures_can_be_opened_are_light_and_say_what_they_show(page):
    for words, link in re.findall(r"!\[(.*?)\]\((.+?)\)", prose(page)):
        assert len(words.split()) > 2, link
        picture = page.parent / link
        assert picture.stat().st_size < 400_000
        with Image.open(picture) as image:
            assert min(image.size) >= 200


@each_page
def test_make_targets_and_karma_commands_in_the_text_exist(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = typer.main.get_command(app).commands
    for words in (span.split() for span in spans(page)):
        if words[0] == "make" and len(words) > 1:
            assert words[1] in targets, words
        if words[0] == "karma" and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in commands, words
            known = {o for p in commands[words[1]].params for o in (*p.opts, *p.secondary_opts)}
            assert {w for w in words if w.startswith("--")} <= known, words


@each_page
def test_options_in_the_text_belong_to_a_karma_command(page):
    commands = typer.main.get_command(app).commands.values()
    known = {o for c in commands for p in c.params for o in (*p.opts, *p.secondary_opts)}
    theirs = {
        word.split()[0] for word in (*SEED_OPTIONS, *KARMIC_OPTIONS)
    }  # of the original scripts
    for span in spans(page):
        if span.startswith("--"):
            assert span.split()[0] in known | theirs, span


@each_page
def test_keys_and_metrics_in_the_text_exist(page):
    sections, families = section_models(), {key.partition("/")[0] for key in TABLE if "/" in key}
    theirs = {*SEED_KEYS, *(path.name for path in ROOT.rglob("*.md"))}
    for span in spans(page):
        word = span.split()[0].rstrip(":")
        section, _, key = word.partition(".")
        if section in sections and re.fullmatch(r"\w+", key) and word not in theirs:
            assert key in keys_of(section), span
        family, _, metric = word.partition("/")
        if family in families and re.fullmatch(r"\w+", metric):
            assert word in TABLE, span


@each_page
def test_files_in_the_text_exist(page):
    for span in spans(page):
        if re.fullmatch(r"(karma_rllib|tests|docs|tuned_examples|benchmarks)/[\w/.]+", span):
            assert (ROOT / span).exists() or span == "docs/results/", span


def test_the_readme_shows_the_tables_of_conditions():
    mirror, karmic = [], []
    for row in CONDITIONS.values():
        table = karmic if row.tvt or row.matchmaker != "off" else mirror
        table.append(f"| `{row.name}` | {row.about} |")
    for table in (mirror, karmic):
        assert "\n".join(table) in README.read_text()


def test_the_readme_shows_the_counterpart_of_every_original_key():
    text = README.read_text()
    for there, here in {**SEED_OPTIONS, **SEED_KEYS}.items():
        key, note, rest = here.partition(" (")
        assert f"| `{there}` | `{key}`{note}{rest} |" in text


def test_the_readme_shows_the_counterpart_of_every_option_of_the_karmic_script():
    for there, here in KARMIC_OPTIONS.items():
        assert f"| `{there}` | `{here}` |" in README.read_text()


def test_the_readme_marks_where_measured_results_go():
    begin, end = (README.read_text().index(f"<!-- results:{mark} -->") for mark in ("begin", "end"))
    assert begin < end


@pytest.mark.parametrize("path", examples.examples().values(), ids=lambda path: path.stem)
def test_every_example_is_valid_says_its_cost_and_is_listed(path):
    assert ExperimentConfig.load(path).name == path.stem
    header = path.read_text(encoding="utf-8").partition("\nname:")[0]
    for words in ("What it shows:", "What it costs:", "What to expect:"):
        assert words in header
    assert f"[{path.stem}](../tuned_examples/{path.name})" in EXPERIMENTS.read_text()


def test_every_world_has_a_page():
    for name in worlds.list_worlds():
        assert (ROOT / "docs" / "worlds" / f"{name.rpartition('-v')[0]}.md").is_file()


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == karma_rllib.__version__
    assert {"cff-version", "title", "authors", "license", "message"} <= cited.keys()


def test_every_page_of_docs_can_be_reached_from_the_readme():
    reached, todo = set(), [README]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        local = (link.partition("#")[0] for link in links(page) if "://" not in link)
        todo += [(page.parent / link).resolve() for link in local if link]
    assert set(PAGES) - reached == set()
