"""A replay: one episode in one small file, from which its world recomputes every frame.

The file holds how the world was built, its state before the first action, all actions, and a chain
of digests.  Nothing that follows from these is stored, so a file of 1000 steps and 24 agents takes
tens of kilobytes; `replay_life.relive` plays it again and `replay_life.first_difference` says
whether it is still the same life.

A file is a zip archive of `replay.json` and one `.npy` array each; nothing in it is ever executed.

Shapes: T env-steps, N agents, A actions; frames are numbered 0 .. T, step t leads from t to t + 1.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT, VERSION = "karma-replay", 1
HEADER, ARRAYS, SUFFIX = "replay.json", ("start", "tracks"), ".npy"
MOST_BYTES = 1 << 29  # of all arrays of a file when unpacked
_DATE = (1980, 1, 1, 0, 0, 0)  # in the archive: equal replays give equal files


class ReplayError(ValueError):
    """A replay that cannot be read, shown or relived; its text is one sentence for people."""


class Header(BaseModel):
    """What `replay.json` holds.

    Raises:
        ValidationError: (from pydantic) for a key that is missing, unknown or of another kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = Field(description=f"always {FORMAT!r}")
    version: int = Field(description="of the format")
    code_version: str = Field(description="of the package that lived the episode")
    world: str = Field(description="name of the world")
    params: dict[str, Any] = Field(description="all parameters of the world, its profile included")
    rules: dict[str, Any] = Field(description="of ledger, matchmaker and kinship")
    seed: int = Field(ge=0, description="run seed")
    uid: int = Field(description="identity of the world")
    episode: int = Field(description="number of the episode in the world's life, from 0")
    policies: tuple[str, ...] = Field(description="who played each agent")
    note: str = Field("", description="why the episode was kept")
    hashed: tuple[str, ...] = Field(description="what the chain of digests is made from")


@dataclass(frozen=True)
class Replay:
    """One episode, or the first part of one.

    Attributes:
        head: how the world was built, and who played.
        start: the state of a lifetime with one world, before the first action.
        actions: uint8 or int16 (T, N).
        chain: digest of all frames up to each one, uint64 (T + 1,).
        tracks: what the policies thought, may be empty: `value` float16 (T, N) [reward units],
            `chance` uint8 (T, N, A), the probability of each action x 255.
    """

    head: Header
    start: dict[str, np.ndarray]
    actions: np.ndarray
    chain: np.ndarray
    tracks: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """T [env-steps]."""
        return len(self.actions)


def save(replay: Replay, path: str | Path) -> Path:
    """Write a replay; the file appears whole or not at all.

    Args:
        replay: what to write.
        path: of the file; missing folders are made.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        half.write_bytes(pack(replay))
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return path


def pack(replay: Replay) -> bytes:
    """The bytes of a replay's file; equal replays give equal bytes."""
    arrays = {"actions": replay.actions, "chain": replay.chain}
    for group, members in zip(ARRAYS, (replay.start, replay.tracks), strict=True):
        arrays |= {f"{group}/{name}": array for name, array in members.items()}
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        _add(archive, HEADER, replay.head.model_dump_json(indent=1).encode())
        for name, array in sorted(arrays.items()):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            _add(archive, name + SUFFIX, member.getvalue())
    return memory.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data, compresslevel=9)


def load(path: str | Path) -> Replay:
    """Read a replay.

    Raises:
        ReplayError: there is no such file, or it is broken, foreign or too new.
    """
    path = Path(path)
    try:
        return unpack(path.read_bytes())
    except OSError as err:
        raise ReplayError(f"{path}: {(err.strerror or str(err)).lower()}") from None
    except ReplayError as err:
        raise ReplayError(f"{path}: {err}") from None


def unpack(data: bytes) -> Replay:
    """Read the bytes of a replay's file.

    Raises:
        ReplayError: they are broken, foreign or too new.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if HEADER not in archive.namelist():
                raise ReplayError(f"it is an archive without {HEADER}: not a replay")
            if sum(info.file_size for info in archive.infolist()) > MOST_BYTES:
                raise ReplayError(f"it unpacks to more than {MOST_BYTES >> 20} MiB: not read")
            head = _header(archive.read(HEADER))
            arrays = {
                name.removesuffix(SUFFIX): _array(archive, name)
                for name in archive.namelist()
                if name != HEADER
            }
    except zipfile.BadZipFile as err:
        whole = data[:2] == b"PK"
        what = f"the file is damaged ({str(err).rstrip('.')})" if whole else "it is not a replay"
        raise ReplayError(what) from None
    except (EOFError, OSError, NotImplementedError, RuntimeError, zlib.error) as err:
        raise ReplayError(f"the file is damaged ({err})") from None
    return _assemble(head, arrays)


def _header(text: bytes) -> Header:
    """Check the version before everything else: a newer file may hold anything."""
    try:
        data = json.loads(text)
    except ValueError:
        raise ReplayError(f"the file is damaged ({HEADER} is not JSON)") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ReplayError(f"it is not a replay (its format is not {FORMAT!r})")
    version = data.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise ReplayError(
            f"its format has version {version!r} and this package reads up to {VERSION}: update "
            "karma_rllib"
        )
    try:
        return Header(**data)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ReplayError(
            f"the file is damaged ({HEADER}: {key}: {first['msg'].lower()})"
        ) from None


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    try:
        return np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
    except ValueError:
        raise ReplayError(f"the file is damaged ({name} is no plain array)") from None


def _assemble(head: Header, arrays: dict[str, np.ndarray]) -> Replay:
    """Bind header and arrays, and check that they belong together."""
    for name in ("actions", "chain"):
        if name not in arrays:
            raise ReplayError(f"the file is damaged (it has no {name})")
    actions, chain = arrays.pop("actions"), arrays.pop("chain")
    T, N = len(actions) if actions.ndim else 0, len(head.policies)
    if actions.shape != (T, N) or actions.dtype.kind not in "iu":
        raise ReplayError(f"the file is damaged (actions have shape {actions.shape}, not (T, {N}))")
    if chain.shape != (T + 1,) or chain.dtype != np.uint64:
        raise ReplayError(f"the file is damaged (the chain is not one number for {T + 1} frames)")
    groups: dict[str, dict[str, np.ndarray]] = {group: {} for group in ARRAYS}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        if group not in groups or not rest:
            raise ReplayError(f"the file is damaged (it holds an unknown array {name!r})")
        groups[group][rest] = array
    for name, array in groups["tracks"].items():
        if array.shape[:2] != (T, N):
            raise ReplayError(f"the file is damaged (track {name} has shape {array.shape})")
    return Replay(head, groups["start"], actions, chain, groups["tracks"])
