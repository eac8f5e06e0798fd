"""Films: play a policy and keep the pictures."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from karma_rllib.envs import render
from karma_rllib.envs.bots import Policy
from karma_rllib.society.lifetime import make_lifetime

STRIP = (19, 22, 31)
QUIET, LOUD = (150, 156, 172), (240, 242, 248)


def record(
    policy: Policy,
    *,
    world: str = "harvest-v0",
    profile: str | None = None,
    seed: int = 0,
    episodes: int = 1,
    cell: int = 32,
    **params: Any,
) -> list[np.ndarray]:
    """Let one policy play all agents of one world and film it.

    Args:
        policy: the player; its state starts anew with each episode.
        world: name of the world.
        profile: named parameter set; None takes the world's default.
        seed: of the world.
        episodes: how many, of one lifetime (debts persist).
        cell: side of a grid cell [pixels], even.
        **params: single parameters of the world, or `ledger=...`.

    Returns:
        `episodes * (max_steps + 1)` pictures with a caption strip (step, hits so far in the
        episode, apples on the map), each uint8 (height, width, 3).
    """
    life = make_lifetime(world, seed=seed, profile=profile, **params)
    frames, draw = [], render.pen(world).draw
    for _ in range(episodes):
        obs, done, hits = life.reset(), False, 0
        state = policy.initial_state(life.num_agents)
        frames.append(shot(draw, life.world.frame(), 0, cell))
        while not done:
            actions, state = policy.step({key: rows[0] for key, rows in obs.items()}, state)
            obs, _, truncated, events = life.step(np.asarray(actions)[None])
            hits += int(events.hit[0].sum())
            lights = {"fired": events.fired[0], "hit": events.hit[0].any(0)}
            frames.append(shot(draw, life.world.frame(), hits, cell, **lights))
            done = bool(truncated[0])
    return frames


def save_gif(frames: list[np.ndarray], path: str | Path, fps: int = 8) -> Path:
    """Write pictures as an endless GIF.

    Args:
        frames: equally sized pictures, uint8 (height, width, 3).
        path: the file to write; missing folders are made.
        fps: pictures per second, 1 to 50.

    Returns:
        The path.

    Raises:
        ValueError: if there are no pictures, or fps is out of range.
    """
    if not frames:
        raise ValueError("frames is empty: a film needs at least one picture.")
    if not 1 <= fps <= 50:
        raise ValueError(f"fps is {fps}: a GIF can show between 1 and 50 pictures per second.")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    palette = Image.fromarray(_sample(frames)).quantize(255, dither=Image.Dither.NONE)
    first, *rest = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    )
    first.save(path, save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
    return path


def save_mp4(frames: Iterable[np.ndarray], path: str | Path, fps: int = 8) -> Path:
    """Write pictures as an H.264 film; it appears whole or not at all.

    Args:
        frames: equally sized pictures of even sides, uint8 (height, width, 3); taken one by one.
        path: the file to write; missing folders are made.
        fps: pictures per second, 1 to 120.

    Returns:
        The path.

    Raises:
        ValueError: if fps is out of range.
        ImportError: without imageio-ffmpeg, which brings the encoder.
    """
    import imageio

    if not 1 <= fps <= 120:
        raise ValueError(f"fps is {fps}: a film can show between 1 and 120 pictures per second.")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
    try:
        with imageio.get_writer(half, format="FFMPEG", fps=fps, macro_block_size=2) as film:
            for frame in frames:
                film.append_data(frame)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return path


def _sample(frames: list[np.ndarray], most: int = 16) -> np.ndarray:
    """Some of the frames side by side: what the common palette is made from."""
    return np.concatenate(frames[:: max(1, len(frames) // most)], axis=1)


def shot(draw: Any, frame: Any, hits: int, cell: int, **lights: np.ndarray) -> np.ndarray:
    """The picture of a frame over its caption strip, uint8 (height, width, 3)."""
    picture = draw(frame, cell=cell, **lights)
    words = [("step", int(frame.t)), ("hits", hits)]
    if draw is render.draw:
        words.append(("apples", int((frame.cells == render.APPLE).sum())))
    return np.concatenate([picture, _caption(words, picture.shape[1])])


def _caption(words: list[tuple[str, int]], width: int) -> np.ndarray:
    """One line of labelled numbers, evenly spread, uint8 (height, width, 3)."""
    size = max(10, min(18, width // 20))
    font = ImageFont.load_default(size)
    strip = Image.new("RGB", (width, 2 * size), STRIP)
    pen = ImageDraw.Draw(strip)
    for k, (name, value) in enumerate(words):
        x, y = (k + 0.5) * width / len(words), 0.9 * size
        pen.text((x, y), f"{name} ", fill=QUIET, font=font, anchor="rm")
        pen.text((x, y), f" {value}", fill=LOUD, font=font, anchor="lm")
    return np.asarray(strip)
