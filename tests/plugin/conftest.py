"""Small algorithms to train."""

import pytest


@pytest.fixture
def make_config():
    """A function that makes a small, fast KarmaConfig."""
    from karma_rllib.plugin.algorithm_config import KarmaConfig

    def build(condition="baseline", *, preset="tiny", mirror=None, role=None, ppo=None, **world):
        mirror = {
            "aux_warmup_steps": 0,
            "min_pairs": 4,
            "pairs_per_minibatch": 16,
            "diag_every": 1,
            **(mirror or {}),
        }
        ppo = {
            "envs": 4, "rollout": 48, "minibatch": 256, "epochs": 2, "max_seq_len": 16,
            "action_floor": 0.0, **(ppo or {}),
        }  # fmt: skip
        return (
            KarmaConfig()
            .world("harvest-v0", profile="gathering", **{"max_steps": 40, **world})
            .module(preset=preset)
            .condition(condition)
            .mirror(**mirror)
            .role(**(role or {"weight": 0.1}))
            .ppo(**ppo)
            .debugging(seed=3, log_level="ERROR")
        )

    return build
