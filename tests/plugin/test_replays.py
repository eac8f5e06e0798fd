"""A checkpoint holds the replays that one runner kept; keeping them changes nothing."""

import logging

import numpy as np
import pytest

from karma_rllib.cli.playing import session_of
from karma_rllib.envs.replay import ReplayError, load
from karma_rllib.envs.replay_life import verify
from karma_rllib.envs.replay_record import KEPT
from karma_rllib.envs.replay_watch import Watch
from karma_rllib.plugin.algorithm_config import KarmaConfig
from karma_rllib.plugin.env_runner import EVALUATION_UID, SHARED_MODULE

ray_test = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),  # RLlib's own, when an Algorithm is built
]


def test_a_negative_number_of_worlds_is_refused():
    with pytest.raises(ValueError, match="at least 0"):
        KarmaConfig().replays(-1)


def kept(folder):
    """The verified replays of a checkpoint, by name."""
    found = {path.stem: load(path) for path in (folder / "replays").glob("*.replay")}
    for replay in found.values():
        verify(replay)
    return found


class TestWithRay:
    """Real algorithms."""

    pytestmark = ray_test

    def test_a_checkpoint_holds_replays_and_training_is_bit_for_bit_what_it_was(
        self, cluster, make_config, tmp_path
    ):
        weights = []
        for worlds in (0, 2):
            algorithm = make_config().replays(worlds).build_algo()
            for k in range(2):
                algorithm.train()
                algorithm.save_to_path(str(tmp_path / f"{worlds}_{k}"))
            weights.append(algorithm.learner_group.get_weights()[SHARED_MODULE])
            algorithm.stop()
        assert all(np.array_equal(weights[0][key], weights[1][key]) for key in weights[0])
        assert not (tmp_path / "0_1" / "replays").exists()
        for k in range(2):
            found = kept(tmp_path / f"2_{k}")
            assert set(found) == set(KEPT)
            assert found["best"].steps == 40
            assert set(found["best"].head.policies) == {"baseline_s3"}
            assert {replay.head.uid for replay in found.values()} <= {0, 1}
        session = session_of(None, None, [str(tmp_path / "2_1")], [], None, 0)
        while not session.over:
            session.step(0, 7)  # a person zaps, the policy of the checkpoint plays the others
        assert session.look.t == 40
        assert len(np.unique(session.replay().actions[:, 1:])) > 2

    @pytest.mark.parametrize("evaluators", [0, 1])
    def test_the_remote_runner_that_watched_is_found_and_evaluation_goes_first(
        self, cluster, make_config, tmp_path, evaluators
    ):
        config = make_config().env_runners(num_env_runners=2 - evaluators).replays(1)
        if evaluators:
            config.evaluation(
                evaluation_num_env_runners=1, evaluation_interval=1, evaluation_duration=4
            )
        algorithm = config.build_algo()
        algorithm.train()
        algorithm.save_to_path(str(tmp_path))
        algorithm.stop()
        uid = EVALUATION_UID if evaluators else 0
        assert {replay.head.uid for replay in kept(tmp_path).values()} == {uid}

    def test_an_episode_that_cannot_be_sealed_costs_no_checkpoint(
        self, cluster, make_config, tmp_path, monkeypatch, caplog
    ):
        def files(self):
            raise ReplayError("did not live it twice alike")

        monkeypatch.setattr(Watch, "files", files)
        algorithm = make_config().replays(1).build_algo()
        with caplog.at_level(logging.WARNING):
            algorithm.save_to_path(str(tmp_path / "early"))
            assert "no replays" not in caplog.text  # nobody played yet: nothing to complain of
            algorithm.train()
            algorithm.save_to_path(str(tmp_path / "late"))
        algorithm.stop()
        assert (tmp_path / "late" / "policy").is_dir()
        assert not (tmp_path / "late" / "replays").exists()
        assert "no replays were kept: did not live it twice alike" in caplog.text
