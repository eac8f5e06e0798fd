"""Replays and the worlds that live them: record, relive, verify.

Shapes: B worlds, T env-steps, N agents, A actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from hashlib import blake2b
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from karma_rllib import worlds
from karma_rllib.envs.replay import FORMAT, VERSION, Header, Replay, ReplayError
from karma_rllib.society.lifetime import Lifetime, make_lifetime

#: What the chain of digests is made from, where a world has it; a file names its own.
HASHED = (
    "cells", "pos", "head", "frozen", "beam", "present", "ready", "kind", "energy", "shield",
    "mark", "inventory", "reward", "hit", "ate", "fired", "cleaned", "debt", "kin",
)  # fmt: skip
FINE = 10_000  # digests are of numbers rounded to this part of one: the last bit may differ between
#                processors that sum in another order


class Moment(NamedTuple):
    """One frame of a life and what led to it; arrays are overwritten by the next moment."""

    t: int  # env-steps since the replay's start
    frame: Any  # what the world's `frame()` returns
    action: np.ndarray | None  # that led here, (N,); None in the first frame
    reward: np.ndarray | None  # float32 (N,) [reward units]
    events: Any  # of one world, fields as in `Events` without the axis B; None in the first frame
    debt: np.ndarray  # what i owes j, float32 (N, N) [zaps]
    kin: np.ndarray  # K, float64 (N, N)
    life: Lifetime  # that lives it again


@lru_cache
def code_version() -> str:
    """Version of the installed package; the root of the package is above this layer."""
    try:
        return metadata.version("karma_rllib")
    except metadata.PackageNotFoundError:
        return "unknown"


def kinship_of(life: Lifetime, b: int) -> np.ndarray:
    """K of world b, float64 (N, N)."""
    return life.relatives.matrix[b]


def rules_of(life: Lifetime) -> dict[str, Any]:
    """The rules of ledger, matchmaker and kinship as plain data."""
    return {
        "ledger": asdict(life.ledger_params),
        "matchmaker": asdict(life.matchmaker_params),
        "kinship": life.relatives.rules.model_dump(mode="json"),
    }


def rows_of(state: Mapping[str, np.ndarray], b: int, num_worlds: int) -> dict[str, np.ndarray]:
    """The state of world b as that of a lifetime with one world; copies.

    Arrays without the axis B, such as a seed, are common to all worlds.
    """
    return {
        name: np.array(array[b : b + 1] if np.ndim(array) and len(array) == num_worlds else array)
        for name, array in state.items()
    }


def describe(life: Lifetime, b: int, policies: Sequence[str], note: str = "") -> Header:
    """The header of an episode that world b of a lifetime is about to live.

    Raises:
        ValueError: there is not one policy name for each agent.
    """
    names = tuple(policies)
    if len(names) == 1:
        names *= life.num_agents
    if len(names) != life.num_agents:
        raise ValueError(
            f"{len(names)} policy names for {life.num_agents} agents: give one for each, or one "
            "for all."
        )
    world: Any = life.world
    return Header(
        format=FORMAT,
        version=VERSION,
        code_version=code_version(),
        world=life.world.name,
        params=life.params.model_dump(mode="json"),
        rules=rules_of(life),
        seed=int(life.seed),
        uid=int(life.uid[b]),
        episode=int(world.episode[b]),
        policies=names,
        note=note,
        hashed=HASHED,
    )


def build(head: Header, start: Mapping[str, np.ndarray]) -> Lifetime:
    """The lifetime of a replay, in its first frame.

    Raises:
        ReplayError: this version of the package cannot build or continue it.
    """
    rules = {key: value for key, value in head.rules.items() if value}
    try:
        life = make_lifetime(
            head.world,
            seed=head.seed,
            first_uid=head.uid,
            profile=head.params.get("profile"),
            **rules,
            **_params(head),
        )
        if not life.traits.replays:  # its state is not numbers alone, and a file is not trusted
            raise ValueError(f"no replays are made of {head.world}")
        life.set_state({**_younger(life, start), **start})
    except (ValueError, TypeError) as err:
        raise ReplayError(
            f"made by version {head.code_version}, it cannot be relived by {code_version()}: {err}"
        ) from None
    if life.num_agents != len(head.policies):
        raise ReplayError(
            f"the file is damaged ({len(head.policies)} policies for {life.num_agents} agents)"
        )
    return life


def _params(head: Header) -> dict[str, Any]:
    """Parameters of a replay's world.

    One that the world did not have yet is as if it were not there, at its default: a profile may
    say otherwise by now.
    """
    fields = worlds.entry(head.world).params.model_fields
    usual = {
        name: field.get_default(call_default_factory=True)
        for name, field in fields.items()
        if not field.is_required()
    }
    return {key: value for key, value in {**usual, **head.params}.items() if key != "profile"}


def _younger(life: Lifetime, start: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of a state that are younger than the file, as they are when an episode begins.

    Should the file have lost them instead, its digests tell.
    """
    if set(start) >= set(life.get_state()):
        return {}
    life.reset()
    return {name: array for name, array in life.get_state().items() if name not in start}


def relive(replay: Replay) -> Iterator[Moment]:
    """Play a replay again, T + 1 moments.

    Raises:
        ReplayError: this version of the package cannot, or an action does not exist.
    """
    life = build(replay.head, replay.start)
    if replay.steps and int(replay.actions.max()) >= life.num_actions:
        raise ReplayError(
            f"the file is damaged (action {int(replay.actions.max())}, and the world has "
            f"{life.num_actions})"
        )
    yield moment(life, 0)
    for t, action in enumerate(replay.actions):
        try:
            out = life.step(action[None].astype(np.int64))
        except RuntimeError as err:  # more actions than the episode has steps
            raise ReplayError(f"the file is damaged ({err})") from None
        yield moment(life, t + 1, action, out)


def moment(
    life: Lifetime, t: int, action: np.ndarray | None = None, out: Any = None, b: int = 0
) -> Moment:
    """What is to be seen of world b after a step, or after a reset without `action` and `out`."""
    events = reward = None
    if out is not None:
        events = out.events._replace(**{k: v[b] for k, v in out.events._asdict().items()})
        reward = out.reward[b]
    kin = kinship_of(life, b)
    return Moment(t, life.world.frame(b), action, reward, events, life.ledger[b], kin, life)


def digests(replay: Replay) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Relive a replay and digest it anew.

    Returns:
        The chain, uint64 (T + 1,), and the state in which the life ends.
    """
    link, chain = b"", []
    for now in relive(replay):
        link = digest(link, now, replay.head.hashed)
        chain.append(int.from_bytes(link, "little"))
    return np.array(chain, np.uint64), now.life.get_state()


def digest(link: bytes, now: Moment, hashed: Sequence[str]) -> bytes:
    """Digest of a moment and of all before it, whose digest is `link`; 8 bytes."""
    state = blake2b(link, digest_size=8)
    for name in hashed:
        value = _look(now, name)
        if value is not None:
            state.update(name.encode())
            state.update(_plain(value))
    return state.digest()


def _look(now: Moment, name: str) -> Any:
    """A quantity of a moment; None where the world has none of it."""
    if name in ("reward", "debt", "kin"):
        return getattr(now, name)
    found = getattr(now.frame, name, None)
    return getattr(now.events, name, None) if found is None else found


def _plain(value: Any) -> bytes:
    """Numbers as little-endian integers, the same on every machine."""
    array = np.asarray(value)
    if array.dtype.kind == "f":
        array = np.rint(array.astype(np.float64) * FINE)
    return np.ascontiguousarray(array, "<i8").tobytes()


def first_difference(replay: Replay) -> int | None:
    """The first frame that is not what it was when the replay was made; None if all are.

    Raises:
        ReplayError: this version of the package cannot relive it.
    """
    unequal = np.flatnonzero(digests(replay)[0] != replay.chain)
    return int(unequal[0]) if len(unequal) else None


def verify(replay: Replay) -> None:
    """Make sure that the frames recomputed here are those that were lived.

    Raises:
        ReplayError: a frame differs, and which; or this version cannot relive it.
    """
    frame = first_difference(replay)
    if frame is not None:
        made, here = replay.head.code_version, code_version()
        other = f" (made by version {made}, this is {here})" if made != here else ""
        raise ReplayError(
            f"frame {frame} of {replay.steps} differs from the one that was lived: the file was "
            f"changed, or the rules of {replay.head.world} were{other}"
        )
