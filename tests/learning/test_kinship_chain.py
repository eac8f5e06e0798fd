"""A recurrent PPO learns the chain diamond, charger, altar with the settings of its example."""

from pathlib import Path

import numpy as np
import pytest

from karma_rllib.analysis import social
from karma_rllib.config import ExperimentConfig
from karma_rllib.experiment.build import build_algorithm_config
from karma_rllib.society.lifetime import make_lifetime

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # RLlib's own, when an Algorithm is built
]

EXAMPLE = Path(__file__).parents[2] / "tuned_examples" / "kinship_laptop.yaml"
AGENT_STEPS = 500_000
LATE = 100_000  # the last agent-steps, which results are read from


def random_hearts(config: ExperimentConfig, worlds: int = 64) -> float:
    """Hearts per agent and episode of players that draw among the possible actions."""
    life = make_lifetime(config.world.name, num_worlds=worlds, seed=1, **config.world.params)
    rng, obs, hearts = np.random.default_rng(1), life.reset(), 0
    for _ in range(life.max_steps):
        possible = obs["vec"][..., life.traits.mask_start :] > 0
        out = life.step((rng.random(possible.shape) * possible).argmax(-1))
        obs, hearts = out.obs, hearts + int(out.events.ate.sum())
    return hearts / (worlds * life.num_agents)


def test_the_whole_chain_is_learned_within_minutes(cluster):
    """A sixth of the example's length.

    Random play takes 0.10 hearts (standard error .02).  Two pilots, of either network, had 1.0 to
    1.2 at this point: the bound lies at half of that, and at five times random play.
    """
    config = ExperimentConfig.load(EXAMPLE)
    algorithm = build_algorithm_config(config, "baseline", 42).build_algo()
    late, steps = [], 0
    while steps < AGENT_STEPS:
        result = algorithm.train()
        steps = result["agent_steps"]
        if steps > AGENT_STEPS - LATE:
            late.append(result["counts"])
    algorithm.stop()
    counts = social.pool(late)
    hearts = counts["hearts"] / counts["agent_episodes"]
    charges = counts["energy_charged"] / 100 / counts["agent_episodes"]
    assert hearts > max(0.5, 5 * random_hearts(config))
    assert counts["diamonds"] / counts["agent_episodes"] > charges > hearts
