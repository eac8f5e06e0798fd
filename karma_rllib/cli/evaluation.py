"""``karma evaluate``: play a policy against itself and count.

Shapes: T env-steps, B worlds, N agents.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from karma_rllib.config import ConfigError

if TYPE_CHECKING:
    from karma_rllib.envs.replay_record import Keeper, Recorder
    from karma_rllib.nets.policy import Policy

WIDTH = 120  # columns where the output is not a terminal
WORLDS = 32  # played side by side at most
POLICIES = "checkpoint_*/policy/policy.json"  # in a trial's folder
FILM_SIDE, FILM_LENGTH = 320, 300  # of a picture [pixels], of a film [pictures]


def evaluate(
    checkpoint: Path, episodes: int, seed: int, gif: Path | None, replays: Path | None = None
) -> None:
    """Play, print the metrics, and film an episode if asked to.

    Args:
        checkpoint: a checkpoint, its policy folder, or a trial's folder.
        episodes: to play, every agent acting on the policy.
        seed: of worlds and actions.
        gif: file for a film of one episode.
        replays: folder for the best, the median and the most violent episode.

    Raises:
        ConfigError: there is no policy, or it cannot be played.
    """
    policy, world = open_policy(checkpoint, seed)
    keeper = None if replays is None else _keeper(episodes)
    metrics = play(policy, world, episodes, seed, keeper)
    _print(policy, metrics, episodes)
    if keeper is not None and replays is not None:
        for name, file in keeper.write(replays).items():
            Console().print(f"{name} episode: {file}", soft_wrap=True, highlight=False)
    if gif is not None:
        Console().print(f"film: {film(policy, world, seed, gif)}", soft_wrap=True)


def _keeper(episodes: int) -> Keeper:
    """What remembers every episode; worlds side by side may play a few more than asked for."""
    from karma_rllib.envs.replay_record import Keeper

    return Keeper(episodes + WORLDS)


def find_policy(path: Path) -> Path:
    """The policy folder that a path means: itself, a checkpoint's, or a trial's newest.

    Raises:
        ConfigError: there is none.
    """
    from karma_rllib.nets.policies import find_folder

    try:
        return find_folder(path)
    except ValueError as err:
        raise ConfigError(str(err)) from None


def open_policy(path: Path, seed: int) -> tuple[Policy, dict[str, Any]]:
    """Load a policy and the description of the world it was trained in.

    Returns:
        The policy, and the arguments of `make_lifetime` that its world is made with.

    Raises:
        ConfigError: the files are missing or damaged, or do not say which world.
    """
    from karma_rllib.nets.policy import load_policy

    folder = find_policy(path)
    try:
        policy = load_policy(folder, seed=seed)
    except (ValueError, OSError, json.JSONDecodeError) as err:
        raise ConfigError(f"{folder}: {_flat(err)}") from None
    world = policy.meta.get("world")
    if not isinstance(world, dict) or "name" not in world:
        raise ConfigError(f"{folder}: its policy.json does not say in which world it was trained")
    return policy, {
        "world": world["name"],
        "profile": world.get("profile"),
        **({"kinship": world["kinship"]} if world.get("kinship") else {}),
        **world.get("params", {}),
    }


def play(
    policy: Policy,
    world: dict[str, Any],
    episodes: int,
    seed: int,
    keeper: Keeper | None = None,
) -> dict[str, float]:
    """Play whole episodes and compute the social metrics.

    Args:
        policy: acts for every agent.
        world: arguments of `make_lifetime`.
        episodes: at least so many; worlds side by side all play equally many.
        seed: of the worlds.
        keeper: is given every episode, for replays.

    Raises:
        ConfigError: the policy does not fit the world.
    """
    from karma_rllib.analysis import social
    from karma_rllib.society.lifetime import make_lifetime

    rounds = -(-episodes // WORLDS)
    name, rest = world["world"], {k: v for k, v in world.items() if k != "world"}
    life = make_lifetime(name, num_worlds=-(-episodes // rounds), seed=seed, **rest)
    if life.traits.uneven:
        raise ConfigError(
            f"episodes of {name} differ in length and cannot be counted together: score the policy"
            " with --suite or --scenario"
        )
    try:
        policy.check(life.obs_shapes, life.num_actions)
    except ValueError as err:
        raise ConfigError(_flat(err)) from None
    book = social.EpisodeBook(life.num_worlds, life.num_agents)
    sums: dict[str, float] = {}
    for _ in range(rounds):
        events, shared, truncated = _episode(policy, life, keeper)
        counts = social.tally(
            events,
            events.raw_reward,
            max_steps=life.max_steps,
            timeout=life.traits.timeout,
            waste_zone=life.traits.waste_cells,
            shared=shared,
        )
        book.update(events, events.raw_reward, truncated)
        sums = social.pool([sums, counts])
    # What the book drains are the sums of all finished episodes at once.
    return social.rates({**sums, **book.drain()})


def _episode(
    policy: Policy, life: Any, keeper: Keeper | None
) -> tuple[Any, np.ndarray, np.ndarray]:
    """One episode in every world.

    Returns:
        Stacks of events (T, B, ...), rewards as earned among them, rewards after kin
        have shared them (T, B, N), and truncations (T, B).
    """
    obs = life.reset()
    state = policy.initial_state(life.num_worlds * life.num_agents)
    recorder = None if keeper is None else _recorder(policy, life)
    steps = []
    for _ in range(life.max_steps):
        rows = {key: column.reshape(-1, *column.shape[2:]) for key, column in obs.items()}
        actions, state = policy.step(rows, state)
        joint = actions.reshape(life.num_worlds, life.num_agents)
        out = life.step(joint)
        obs = out.obs
        if keeper is not None and recorder is not None:
            keeper.add(recorder.note(joint, out))
        # The world overwrites what a step returned: keep copies.
        steps.append([np.array(a) for a in (*out.events, out.reward, out.truncated)])
    *events, shared, truncated = (np.stack(column) for column in zip(*steps, strict=True))
    return type(out.events)(*events), shared, truncated


def _recorder(policy: Policy, life: Any) -> Recorder:
    """What records the episode that has just begun in every world."""
    from karma_rllib.envs.replay_record import Recorder

    parts = (policy.meta.get("condition"), policy.meta.get("seed"))
    name = "_s".join(str(part) for part in parts if part is not None) or "policy"
    recorder = Recorder(life, [name], range(life.num_worlds))
    recorder.begin()
    return recorder


def film(policy: Policy, world: dict[str, Any], seed: int, path: Path) -> Path:
    """Film one episode of a policy to a GIF, its beginning if it is long; returns the file."""
    from karma_rllib import worlds
    from karma_rllib.envs import film

    rest = {k: v for k, v in world.items() if k not in ("world", "profile", "kinship")}
    side = worlds.resolve_params(world["world"], world["profile"], **rest).grid_size
    cell = max(4, FILM_SIDE // side // 2 * 2)  # [pixels], even
    pictures = film.record(policy, seed=seed, cell=cell, **world)
    return film.save_gif(pictures[:FILM_LENGTH], path)


def _print(policy: Policy, metrics: dict[str, float], episodes: int) -> None:
    from karma_rllib.analysis.definitions import METRICS

    origin = ", ".join(
        f"{key} {policy.meta[key]}"
        for key in ("condition", "seed", "agent_steps")
        if policy.meta.get(key) is not None
    )
    table = Table(title=f"{episodes} episodes: {origin}", title_justify="left", box=box.SIMPLE_HEAD)
    for head, side in (("metric", "left"), ("value", "right"), ("meaning", "left")):
        table.add_column(head, justify=side)  # type: ignore[arg-type]
    for name, value in metrics.items():
        table.add_row(f"social/{name}", f"{value:.4g}", METRICS[name].description)
    width = None if sys.stdout.isatty() else WIDTH
    Console(markup=False, highlight=False, width=width).print(table)


def _flat(err: Exception) -> str:
    """An error's text on one line."""
    return re.sub(r"\s+", " ", str(err)).strip()
