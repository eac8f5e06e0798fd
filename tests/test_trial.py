"""Trials that follow one another in one process are the trials that processes of their own run."""

import pytest

from karma_rllib.config import ExperimentConfig
from karma_rllib.experiment.trial import KarmaTrial, trial_space

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),  # RLlib's own, when an Algorithm is built
]

TINY = {
    "name": "tiny",
    "world": {"profile": "contested_patch", "max_steps": 40},
    "mirror": {"start_from": "scratch", "bank_size": 64, "pairs_per_minibatch": 16},
    "module": {"preset": "tiny"},
    "ppo": {"envs": 2, "rollout": 32, "minibatch": 64, "epochs": 2},
    "budget": {"agent_steps": 10_000, "probe_every": 0},
    "conditions": ["baseline", "karma_out+karmic"],
    "seeds": [1, 2],
}
CLOCKS = ("time", "date", "perf", "pid", "node", "hostname", "rate", "throughput")


def space(condition, seed):
    return {**trial_space(ExperimentConfig.of(TINY)), "condition": condition, "seed": seed}


def told(result):
    """What a result says of the experiment: all our columns, without clocks."""
    sections = ("social", "counts", "mirror", "role", "ppo", "policy", "tvt", "matchmaker")
    flat = {key: result[key] for key in ("condition", "seed", "agent_steps", "training_iteration")}
    for section in sections:
        flat |= {f"{section}/{k}": repr(x) for k, x in result.get(section, {}).items()}
    return {k: x for k, x in flat.items() if not any(clock in k for clock in CLOCKS)}


def life(trial):
    return [told(trial.train()) for _ in range(3)]


@pytest.fixture(scope="module")
def alone(cluster):
    """Every trial in an object of its own."""
    lives = {}
    for condition in TINY["conditions"]:
        trial = KarmaTrial(space(condition, 1))
        lives[condition] = life(trial)
        trial.stop()
    return lives


def test_a_trial_that_follows_another_is_the_trial_alone(alone):
    assert alone["baseline"] != alone["karma_out+karmic"]
    trial = KarmaTrial(space("karma_out+karmic", 2))
    life(trial)
    for condition in ("baseline", "karma_out+karmic", "baseline"):
        assert trial.reset(space(condition, 1))
        assert life(trial) == alone[condition]
    trial.stop()


def test_a_trial_that_follows_another_goes_on_from_a_checkpoint(alone, tmp_path):
    """As Tune does it after an interruption: reset, then restore, then train."""
    first = KarmaTrial(space("karma_out+karmic", 1))
    assert told(first.train()) == alone["karma_out+karmic"][0]
    first.save(str(tmp_path))
    assert first.reset(space("baseline", 2))
    first.train()
    assert first.reset(space("karma_out+karmic", 1))
    first.restore(str(tmp_path))
    rest = [told(first.train()) for _ in range(2)]
    first.stop()
    assert rest == alone["karma_out+karmic"][1:]


def test_a_trial_that_cannot_begin_says_so_when_it_is_trained(alone):
    """Tune gives one that fails while it is being reset no second attempt."""
    trial = KarmaTrial(space("baseline", 1))
    assert trial.reset({**space("baseline", 2), "condition": "bassline"})
    with pytest.raises(Exception, match="bassline"):
        trial.train()
