"""The recurrent path learns what cannot be learned without memory."""

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore"),  # RLlib's own, when an Algorithm is built
]

AGENT_STEPS = 480_000
SEQUENCE = 4  # training sequences are shorter than episodes: the state stored between them matters


def late_accuracy(preset: str, seed: int) -> np.ndarray:
    """Share of right answers per step of the episode, over the last sixth of training."""
    from ray.tune.registry import register_env
    from recall import RecallEnv

    from karma_rllib.plugin.algorithm_config import KarmaConfig

    register_env("recall-v0", RecallEnv)
    algorithm = (
        KarmaConfig()
        .module(preset=preset)
        .condition("baseline")
        .ppo(
            lr=1e-3, gae_lambda=0.9, gamma=0.9, envs=32, rollout=48, minibatch=512,
            epochs=4, max_seq_len=SEQUENCE,
        )
        .environment("recall-v0", env_config={})
        .debugging(seed=seed, log_level="ERROR")
        .build_algo()
    )  # fmt: skip
    lives, steps = algorithm.env_runner.lifetime, 0
    while steps < AGENT_STEPS:
        if steps < 5 * AGENT_STEPS // 6:
            lives.right[:], lives.asked[:] = 0, 0
        steps = algorithm.train()["agent_steps"]
    algorithm.stop()
    return lives.right / lives.asked


def test_a_recurrent_network_remembers_across_training_sequences(cluster):
    """Right answers before and after the seam between two training sequences.

    After the seam the right answer is reversed, so a learner that starts sequences from anything
    but the stored state cannot learn it (with zeros in its place: .00). Over ten seeds the worst
    step of the worst seed had .93, most had .995, which the action floor allows at most.
    """
    from recall import ASKED_FROM, LENGTH, REVERSED_FROM

    assert ASKED_FROM < SEQUENCE == REVERSED_FROM < LENGTH
    accuracy = late_accuracy("small", seed=7)
    assert (accuracy[:ASKED_FROM] == 0).all()
    assert (accuracy[ASKED_FROM:] > 0.8).all(), accuracy


def test_a_network_without_memory_stays_at_chance(cluster):
    """The world keeps its secret: what the test above finds is memory.

    Each answer is right with probability 1/2 whatever the policy, and there are more than 13,000
    at each step: .45 to .55 is eleven standard deviations.
    """
    from recall import ASKED_FROM

    accuracy = late_accuracy("tiny", seed=7)[ASKED_FROM:]
    assert ((accuracy > 0.45) & (accuracy < 0.55)).all(), accuracy
