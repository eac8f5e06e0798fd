"""Episode summaries: right numbers, right order, whatever the fragments are cut into."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.rllib.callbacks.callbacks import RLlibCallback

from karma_rllib.plugin.episodes import EpisodeLog
from tests.plugin.test_fragment import N, T, W, make_fragment


def follow(log, fragment):
    return [(what, world, len(e), e.get_return()) for what, world, e in log.follow(fragment)]


def with_episodes(truncated):
    fragment = make_fragment(truncated)
    fragment.events["episode"] = np.cumsum(truncated, 0) - truncated
    return fragment


@given(st.integers(0, 2**32 - 1), st.integers(1, T - 1))
def test_cutting_a_fragment_in_two_changes_nothing(seed, cut):
    truncated = np.random.default_rng(seed).random((T, W)) < 0.3
    whole = with_episodes(truncated)
    parts = []
    for rows in (slice(0, cut), slice(cut, T)):
        part = with_episodes(truncated[rows])
        part.reward = whole.reward[rows]
        parts.append(part)
    log = EpisodeLog(W, N)
    assert follow(EpisodeLog(W, N), whole) == [x for part in parts for x in follow(log, part)]


def test_a_finished_episode_has_its_return_and_length():
    truncated = np.zeros((T, W), bool)
    truncated[2, 1] = True
    fragment = with_episodes(truncated)
    ends = [e for what, _, e in EpisodeLog(W, N).follow(fragment) if what == "end"]
    assert [(e.uid, e.length, e.id_, e.is_done) for e in ends] == [(1, 3, "1:0", True)]
    assert ends[0].get_return() == pytest.approx(float(fragment.reward[:3, 1].sum()))


class Listener(RLlibCallback):
    """Writes down what it hears, into the runner's metrics."""

    def on_episode_end(self, *, episode, metrics_logger, **kwargs):
        metrics_logger.log_value("heard_return", episode.get_return(), reduce="sum")
        metrics_logger.log_value("heard_ends", 1, reduce="sum")

    def on_sample_end(self, *, samples, metrics_logger, **kwargs):
        metrics_logger.log_value("heard_samples", len(samples), reduce="sum")

    def on_environment_created(self, *, env, **kwargs):
        assert len(env.possible_agents) == 4


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # RLlib's own, when an Algorithm is built
def test_callbacks_of_a_user_are_fired(cluster, make_config):
    algorithm = make_config().callbacks(Listener).build_algo()
    heard = [algorithm.train()["env_runners"] for _ in range(2)]
    algorithm.stop()
    # 48 steps per fragment, episodes of 40 steps, 4 worlds.
    assert [result["heard_ends"] for result in heard] == [4, 4]
    assert [result["heard_samples"] for result in heard] == [1, 1]
    total = sum(result["counts"]["finished_episode_return"] for result in heard)
    returns = sum(result["heard_return"] for result in heard)
    assert returns == pytest.approx(total * 4, rel=1e-5)
