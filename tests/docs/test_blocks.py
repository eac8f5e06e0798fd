"""Every command and every example of the pages is run, as a reader would run it.

* Each fenced block is run alone, in a fresh folder with the repository's `tuned_examples/`,
  `docs/` and `Makefile`. Blocks that read `results/` find one finished smoke run there.
* `bash` is run by bash, line by line, to the first failure; `python` by a new interpreter;
  `console` shows commands behind `$ ` and exactly what they print; `yaml` must be a valid
  experiment; a block without a language is a drawing, and holds nothing that could be run.
* Long commands are run with the additions of `SHORTER`, and are otherwise what the page says.
* What starts Ray is marked `ray`, and outside the README also `slow`. The README's command that
  makes the finished run is run once, for all.
* A block below `<!-- not run: reason -->` is not run; its `karma` commands are still parsed, and
  the experiments they name are still read and validated.
"""

import re
import shlex
import shutil

import pytest
from conftest import RUN, shell
from doc_pages import ALL, ROOT
from typer.testing import CliRunner

from karma_rllib.cli import app, training
from karma_rllib.config import ExperimentConfig, files

SMALL = (
    "--seeds 1 --no-gif --set ppo.envs=4 --set ppo.rollout=64 --set ppo.minibatch=512 "
    "--set budget.cure_at_agent_steps=1_024 --set budget.agent_steps=2_048"
)
SHORTER = (
    (r"^make (\w[\w-]*)", r"make --dry-run \1"),
    (r"^karma train (\S*mirror_(?:test_laptop|harm_only)\S*)(?!.*--conditions)(.*)",
     rf"karma train \1 --conditions baseline\2 {SMALL}"),
    (r"^karma train (\S*mirror_(?:test_laptop|harm_only)\S*)(.*--conditions.*)",
     rf"karma train \1\2 {SMALL}"),
    (r"^karma train (\S*karmic_laptop\S*)(.*)",
     r"karma train \1\2 --conditions baseline,karmic --seeds 1 --no-gif --set ppo.envs=4 "
     "--set ppo.rollout=64 --set ppo.minibatch=512 --set budget.agent_steps=2_560"),
    (r"^karma train (\S*kinship_\S*)(.*)",
     r"karma train \1\2 --seeds 1 --no-gif --set ppo.envs=4 --set ppo.rollout=64 "
     "--set ppo.minibatch=512 --set budget.agent_steps=2_560"),
    (r"^karma train (\S*smoke\S*)(.*)", r"karma train \1\2 --set budget.agent_steps=9_600"),
)  # fmt: skip
"""(what a command line looks like, what is run in its place); the first that fits is used."""

NOISE = re.compile(
    r"^\[.*core_worker\.cc:\d+: Actor with class name: '_WandbLoggingActor'.*\n", re.M
)
"""A line of Ray's C++ log about its own actor for W&B; it heeds no log level of Python."""

LANGUAGES = {"bash", "console", "python", "yaml"}


def shortened(line: str) -> tuple[str, int | None]:
    """The command line that is run, and which rule made it."""
    for k, (pattern, short) in enumerate(SHORTER):
        if re.search(pattern, line):
            return re.sub(pattern, short, line), k
    return line, None


def marks(block):
    front = block.page == ROOT / "README.md"
    return [pytest.mark.ray, *([] if front else [pytest.mark.slow])] if block.starts_ray else []


def params(languages, *, run=True):
    """Blocks as test parameters."""
    return [
        pytest.param(block, id=block.name, marks=marks(block))
        for block in ALL
        if block.language in languages and (block.reason is None) == run
    ]


@pytest.fixture
def block_place(request):
    """The folder that a block is run in."""
    text = request.getfixturevalue("block").text
    reads = re.search(r"results/smoke|Path\(\"results\"\)", text)
    return request.getfixturevalue("place_with_run" if reads else "place")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", params({"bash"}))
def test_a_shell_block_runs_and_says_nothing_on_stderr(block, block_place, request):
    for line in block.commands():
        command = shortened(line)[0]
        if command == RUN:
            done = request.getfixturevalue("finished_run")[1]
        else:
            done = shell(command, block_place)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert NOISE.sub("", done.stderr) == "", line


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", params({"python"}))
def test_a_python_block_runs(block, block_place):
    (block_place / "block.py").write_text(block.text, encoding="utf-8")
    done = shell("block.py", block_place, "python")
    assert done.returncode == 0, done.stderr
    if not block.starts_ray:  # RLlib has its say on stderr
        assert done.stderr == ""


@pytest.mark.parametrize("block", params({"console"}))
def test_a_console_block_prints_what_it_shows(block, place):
    shown = re.split(r"^\$ (.+)$", block.text, flags=re.MULTILINE)[1:]
    for command, output in zip(shown[::2], shown[1::2], strict=True):
        done = shell(command, place)
        assert done.stdout + done.stderr == output.lstrip("\n")


@pytest.mark.parametrize("block", params({"yaml"}))
def test_a_yaml_block_is_a_valid_experiment(block):
    ExperimentConfig.of(files.parse(block.text, block.name)[0])


@pytest.mark.parametrize(
    "block", [b for b in ALL if b.language == "bash"], ids=lambda block: block.name
)
def test_every_karma_train_of_a_page_is_a_valid_experiment(block, monkeypatch, place):
    """Also of blocks that are not run, and of long ones before they are shortened.

    A file that a page copies from an example is copied first, as its reader would have.
    """
    seen = []
    for line in (line for b in ALL if b.page == block.page for line in b.commands()):
        if line.startswith("cp "):
            shutil.copy(*(place / name for name in shlex.split(line)[1:]))
    monkeypatch.chdir(place)
    monkeypatch.setattr(training, "train", lambda config, *_, **__: seen.append(config) or 0)
    commands = [line for line in block.commands() if line.startswith("karma train")]
    commands = [line for line in commands if "results/" not in line.split("--")[0]]
    for line in commands:
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, f"{line}\n{done.stderr}"
    assert len(seen) == len(commands)


def test_every_block_is_of_a_language_that_is_checked():
    drawings = [block for block in ALL if not block.language]
    assert {block.name for block in ALL if block.language not in {"", *LANGUAGES}} == set()
    for block in drawings:
        assert not re.search(r"^(\$ |karma \w+ |make |import |from )", block.text, re.M), block.name


def test_every_block_that_is_not_run_says_why():
    for block in ALL:
        assert block.reason is None or len(block.reason.split()) > 1, block.name


def test_every_rule_of_shortening_is_used():
    lines = [line for block in ALL if block.language == "bash" for line in block.commands()]
    assert {shortened(line)[1] for line in lines} >= set(range(len(SHORTER)))


def test_shortened_commands_keep_every_word_of_the_page():
    for block in ALL:
        for line in block.commands() if block.language == "bash" else ():
            assert set(shlex.split(line)) <= set(shlex.split(shortened(line)[0])), line


def test_the_pages_were_found():
    pages = {str(block.page.relative_to(ROOT)) for block in ALL}
    assert {
        "README.md",
        "docs/experiments.md",
        "docs/scaling.md",
        "docs/worlds/harvest.md",
    } <= pages
