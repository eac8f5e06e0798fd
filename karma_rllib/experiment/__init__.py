"""From an experiment's configuration to Ray Tune: run folders, stages, live table, resume.

>>> from karma_rllib.config import ExperimentConfig
>>> from karma_rllib import experiment
>>> outcome = experiment.run(ExperimentConfig.load("tuned_examples/smoke.yaml"))
>>> outcome.run_dir
"""

from karma_rllib.experiment.stages import Outcome, resume, run

__all__ = ["Outcome", "resume", "run"]
