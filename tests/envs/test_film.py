"""Films: one picture per step, a true caption, a GIF that reads back."""

import numpy as np
import pytest
from PIL import Image

from karma_rllib.envs import film
from karma_rllib.envs.bots import RandomPolicy

SHORT = {"profile": "gathering", "max_steps": 12, "cell": 16}


class Script:
    """Plays the same action always; remembers what it was shown."""

    def __init__(self, action):
        self.action, self.seen = action, []

    def initial_state(self, n):
        return ("start", n)

    def step(self, obs, state):
        self.seen.append((state, {key: value.shape for key, value in obs.items()}))
        n = state[1]
        return np.full(n, self.action), ("going", n)


def test_a_film_has_one_picture_per_frame_of_every_episode():
    frames = film.record(RandomPolicy(), episodes=2, **SHORT)
    assert len(frames) == 2 * (12 + 1)
    assert len({frame.shape for frame in frames}) == 1
    assert frames[0].dtype == np.uint8
    assert len({frame.tobytes() for frame in frames}) > 20


def test_the_policy_is_played_as_its_protocol_says():
    policy = Script(0)
    film.record(policy, episodes=2, **SHORT)
    states = [state for state, _ in policy.seen]
    assert states[0] == states[12] == ("start", 4)
    assert states[1:12] == [("going", 4)] * 11
    assert policy.seen[0][1] == {"grid": (4, 7, 7, 10), "vec": (4, 15)}


def test_the_same_seed_gives_the_same_film_and_another_seed_another():
    tapes = [
        b"".join(f.tobytes() for f in film.record(RandomPolicy(), seed=s, **SHORT))
        for s in (1, 1, 2)
    ]
    assert tapes[0] == tapes[1] != tapes[2]


def test_the_caption_counts_hits_of_the_episode(monkeypatch):
    said = []
    caption = film._caption
    monkeypatch.setattr(
        film, "_caption", lambda words, w: said.append(dict(words)) or caption(words, w)
    )
    film.record(
        RandomPolicy(),
        profile="gathering",
        grid_size=5,
        timeout=2,
        max_steps=40,
        episodes=2,
        cell=8,
    )
    first = [words["hits"] for words in said[:41]]
    assert first == sorted(first)
    assert first[0] == said[41]["hits"] == 0
    assert first[-1] > 0
    assert [words["step"] for words in said[:41]] == list(range(41))


def test_a_gif_reads_back_with_all_its_pictures(tmp_path):
    frames = film.record(RandomPolicy(), **SHORT)
    path = film.save_gif(frames, tmp_path / "new" / "film.gif", fps=10)
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        total = 0
        for k in range(gif.n_frames):
            gif.seek(k)
            total += gif.info["duration"]
            shown = np.asarray(gif.convert("RGB")).astype(int)
            if gif.n_frames == len(frames):
                assert np.abs(shown - frames[k]).mean() < 6
        assert total == 100 * len(frames)


def test_an_empty_film_and_an_impossible_speed_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one picture"):
        film.save_gif([], tmp_path / "a.gif")
    with pytest.raises(ValueError, match="fps is 0"):
        film.save_gif([np.zeros((4, 4, 3), np.uint8)], tmp_path / "a.gif", fps=0)
