"""The experiment schema: YAML in, YAML out, and errors in sentences.

>>> from karma_rllib.config import ExperimentConfig
>>> config = ExperimentConfig.load("tuned_examples/smoke.yaml", ["ppo.lr=1e-3"])
"""

from karma_rllib.config.errors import ConfigError
from karma_rllib.config.experiment import ExperimentConfig, first_seeds
from karma_rllib.config.kinship import Kinship
from karma_rllib.config.sections import (
    Budget,
    Mirror,
    Module,
    Ppo,
    Resources,
    Role,
    Tracking,
    World,
)
from karma_rllib.config.society import Matchmaker, Tvt

__all__ = [
    "Budget",
    "ConfigError",
    "ExperimentConfig",
    "Kinship",
    "Matchmaker",
    "Mirror",
    "Module",
    "Ppo",
    "Resources",
    "Role",
    "Tracking",
    "Tvt",
    "World",
    "first_seeds",
]
