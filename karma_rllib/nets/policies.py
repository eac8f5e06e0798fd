"""Policies by address: where a policy lies, which of several is meant, and how to make it act.

file://PATH, PATH       a policy folder, an RLlib checkpoint, or a trial (its newest checkpoint)
latest:RUN_DIR          the newest checkpoint of the only trial in there
best:METRIC:RUN_DIR     over all trials in there, the checkpoint at which METRIC was best
bot://NAME              a scripted player of the world at hand
random://               every action with equal probability
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from karma_rllib.analysis.definitions import METRICS
from karma_rllib.analysis.runs import trial_results
from karma_rllib.analysis.store import name_of
from karma_rllib.envs.bots import Policy, make_bot
from karma_rllib.hints import hint
from karma_rllib.nets.policy import DESCRIPTION, WEIGHTS, load_policy

SCHEMES = {
    "file://": "a policy folder, a checkpoint, or a trial's folder (its newest checkpoint)",
    "latest:": "latest:RUN_DIR, the newest checkpoint of the only trial in there",
    "best:": "best:METRIC:RUN_DIR, the checkpoint of all trials in there at which METRIC was best",
    "bot://": "bot://NAME, a scripted player of the world",
    "random://": "every action with equal probability",
}
FOLDER = "policy"  # of a checkpoint
BOT_VERSION = 1  # of scripted players; to be raised when one of them plays otherwise


class Found(NamedTuple):
    """A policy that is known to be there.

    Attributes:
        uri: its lasting address: of a checkpoint that of its trial, so that versions compare.
        version: agent-steps of training; of a bot its version.
        folder: where its files lie, None for a bot.
        bot: the bot's name, "" for a file.
        about: what is written of its origin: `world`, `condition`, `seed`, ...
    """

    uri: str
    version: int
    folder: Path | None
    bot: str
    about: dict[str, Any]

    @property
    def name(self) -> str:
        """What identifies it: address and version."""
        return name_of(self.uri, self.version)

    @property
    def label(self) -> str:
        """A short name for tables."""
        if self.folder is None:
            return self.bot
        return "/".join(Path(self.uri.removeprefix("file://")).parts[-2:])


def resolve(uri: str, world: Any, seed: int = 0, *, greedy: bool = False) -> Policy:
    """Make the policy of an address act in a world.

    Args:
        uri: see the module.
        world: the world or lifetime that it shall act in.
        seed: of its chances.
        greedy: networks take their likeliest action instead of sampling.

    Raises:
        ValueError: there is no such policy, or it cannot act in this world; one sentence.
    """
    return open_found(locate(uri), world, seed, greedy=greedy)


def open_found(found: Found, world: Any, seed: int = 0, *, greedy: bool = False) -> Policy:
    """`resolve` for a policy that `locate` has found."""
    if found.folder is None:
        return make_bot(found.bot, world, seed)
    policy = load_policy(found.folder, seed=seed, greedy=greedy)
    try:
        policy.fit(world)
    except ValueError as err:
        raise ValueError(f"{found.label} cannot act here: {err}") from None
    return policy


def locate(uri: str) -> Found:
    """Find the policy of an address, without loading it.

    Raises:
        ValueError: an unknown scheme or metric, nothing there, or several where one is meant.
    """
    scheme, _, rest = uri.partition(":")
    if uri.startswith("random://"):
        return Found("random://", BOT_VERSION, None, "random", {})
    if uri.startswith("bot://"):
        name = uri.removeprefix("bot://")
        return Found(f"bot://{name}", BOT_VERSION, None, name, {})
    if scheme == "latest" and rest:
        return _latest(Path(rest))
    if scheme == "best" and rest:
        return _best(*rest.partition(":")[::2])
    if "://" in uri and not uri.startswith("file://"):
        known = [key for key in SCHEMES if key.endswith("://")]
        raise ValueError(f"{uri}: nothing is addressed by {scheme}://; {hint(scheme, known)}")
    return _of_folder(find_folder(Path(uri.removeprefix("file://"))))


def find_folder(path: Path) -> Path:
    """The policy folder that a path means: itself, a checkpoint's, or a trial's newest.

    Raises:
        ValueError: there is none.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such checkpoint")
    if path.name in (DESCRIPTION, WEIGHTS):
        path = path.parent
    for folder in (path, path / FOLDER):
        if (folder / DESCRIPTION).is_file():
            return folder
    found = _checkpoints(path)
    if not found:
        raise ValueError(
            f"{path}: holds no trained policy (name a checkpoint_... folder or the trial around it)"
        )
    return found[-1]


def list_policies(run_dir: Path) -> list[Found]:
    """Every policy under a folder, trial by trial, oldest first.

    Raises:
        ValueError: there is none.
    """
    found = [_of_folder(folder) for trial in _trials(run_dir) for folder in _checkpoints(trial)]
    if not found:
        raise ValueError(f"{run_dir}: holds no trained policy")
    return found


def export(checkpoint: str, directory: Path) -> Path:
    """Copy the two files of a policy, after checking that they can be read.

    Args:
        checkpoint: an address of a trained policy.
        directory: where to; made if missing, refused if it holds another policy.

    Returns:
        The directory.

    Raises:
        ValueError: the address is a bot's, the policy is damaged, or the directory is taken.
    """
    found = locate(checkpoint)
    if found.folder is None:
        raise ValueError(f"{checkpoint} is a scripted player: it has no files to export")
    load_policy(found.folder)
    if (directory / DESCRIPTION).exists():
        raise ValueError(f"{directory} already holds a policy; name another folder")
    directory.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, DESCRIPTION):  # the description last: with it, the policy is whole
        shutil.copyfile(found.folder / name, directory / name)
    return directory


def _number(checkpoint: Path) -> int:
    """Number of a checkpoint_NNNNNN folder, -1 for another name."""
    digits = checkpoint.name.rpartition("_")[2]
    return int(digits) if digits.isdigit() else -1


def _checkpoints(trial: Path) -> list[Path]:
    """Policy folders of a trial, oldest first; numbers are compared as numbers."""
    found = [file.parent for file in trial.glob(f"checkpoint_*/{FOLDER}/{DESCRIPTION}")]
    return sorted(found, key=lambda folder: _number(folder.parent))


def _trials(path: Path) -> list[Path]:
    """Folders with checkpoints under a path, itself included."""
    if not path.is_dir():
        raise ValueError(f"{path}: no such run folder")
    files = path.rglob(f"checkpoint_*/{FOLDER}/{DESCRIPTION}")
    return sorted({file.parent.parent.parent for file in files})


def _of_folder(folder: Path) -> Found:
    """What is known of the policy in a folder.

    Raises:
        ValueError: its description cannot be read.
    """
    try:
        meta = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")).get("meta", {})
    except (OSError, ValueError, AttributeError) as err:
        raise ValueError(f"{folder / DESCRIPTION} is no policy description: {err}") from None
    folder = folder.resolve()
    in_trial = folder.name == FOLDER and folder.parent.name.startswith("checkpoint_")
    home = folder.parent.parent if in_trial else folder
    return Found(f"file://{home}", int(meta.get("agent_steps") or 0), folder, "", meta)


def _latest(path: Path) -> Found:
    """The newest checkpoint of the only trial under a path."""
    trials = _trials(path)
    if not trials:
        raise ValueError(f"{path}: holds no trained policy")
    if len(trials) > 1:
        some = ", ".join(str(trial.relative_to(path)) for trial in trials[:4])
        raise ValueError(
            f"latest:{path} could be one of {len(trials)} trials ({some}, ...): name one of them, "
            "or ask for best:METRIC:RUN_DIR"
        )
    return _of_folder(_checkpoints(trials[0])[-1])


def _best(metric: str, where: str) -> Found:
    """The checkpoint at which a metric was best; "-METRIC" asks for the lowest."""
    if not where:
        raise ValueError(f"best:{metric} names no run folder: write best:METRIC:RUN_DIR")
    lowest = metric.startswith("-")
    key = metric.removeprefix("-")
    name = key.removeprefix("social/")
    if name in METRICS:
        key, lowest = f"social/{name}", lowest or METRICS[name].better == "lower"
    scored = list(_scored(Path(where), key))
    if not scored:
        raise ValueError(
            f"best:{metric}:{where}: no checkpoint in there has a result {key!r}; known are "
            f"columns of result.json, such as social/yield"
        )
    # Of equals the newest counts.
    return max(scored, key=lambda row: (-row[0] if lowest else row[0], row[1].version))[1]


def _scored(run_dir: Path, key: str) -> Iterator[tuple[float, Found]]:
    """Every checkpoint with the value of a metric when it was written."""
    for trial in _trials(run_dir):
        rows = trial_results(trial)
        for folder in _checkpoints(trial):
            found = _of_folder(folder)
            lived = [row for row in rows if row.get("agent_steps", 0) <= found.version]
            if lived and isinstance(lived[-1].get(key), int | float):
                yield float(lived[-1][key]), found
