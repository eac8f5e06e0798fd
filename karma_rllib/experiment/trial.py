"""What Tune runs: `Karma`, built inside the trial from the experiment's plain data.

Tune stores each trial's configuration in its state files and beside its results.  Plain data keeps
these small and readable, and lets an interrupted experiment resume under a newer RLlib.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from karma_rllib.config import ExperimentConfig
from karma_rllib.experiment.build import build_algorithm_config
from karma_rllib.plugin.algorithm import Karma


def trial_space(config: ExperimentConfig, stems: dict[int, str] | None = None) -> dict[str, Any]:
    """What is common to all trials of a stage; Tune adds `condition` and `seed`.

    Args:
        config: the experiment.
        stems: seed to checkpoint folder, relative to the run folder; None: no branching here.
    """
    return {
        "experiment": config.as_dict(),
        "stems": {str(seed): path for seed, path in (stems or {}).items()},
    }


def algorithm_config(trial: dict[str, Any], run_dir: str | None) -> AlgorithmConfig:
    """The algorithm's configuration of one trial.

    Args:
        trial: `trial_space` with its `condition` and `seed`.
        run_dir: the run folder that `stems` is relative to.
    """
    config = ExperimentConfig.of(trial["experiment"])
    start = trial["stems"].get(str(trial["seed"]))
    if start is not None and run_dir is not None:
        start = str(Path(run_dir, start))
    elif not config.cure and config.mirror.start_from != "scratch":
        start = config.mirror.start_from
    return build_algorithm_config(config, trial["condition"], trial["seed"], start)


class KarmaTrial(Karma):
    """`Karma` whose configuration is the plain data of `trial_space`."""

    def __init__(self, config: Any = None, **kwargs: Any) -> None:
        self.trial_config: dict[str, Any] = {}
        self._next: tuple[dict[str, Any], Any] | None = None
        if isinstance(config, dict) and "experiment" in config:
            self.trial_config = {k: config[k] for k in ("condition", "seed")}
            storage = kwargs.get("storage")
            config = algorithm_config(config, storage.experiment_fs_path if storage else None)
        super().__init__(config, **kwargs)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Become another trial: spares that one the start of a process and its imports.

        The new trial is made at its first call and not here: Tune (2.60) gives a trial that fails
        while it is being reset no second attempt.
        """
        self._next = (new_config, self._storage)
        return True

    def _begin(self) -> None:
        """Make the trial that this object was reset to; nothing of the old one is kept."""
        if self._next is not None:
            config, storage = self._next
            self.cleanup()
            self.__dict__.clear()
            KarmaTrial.__init__(self, config, storage=storage)

    def train(self) -> dict[str, Any]:
        """One iteration."""
        self._begin()
        result: dict[str, Any] = super().train()
        return result

    def restore(self, checkpoint_path: Any) -> None:
        """Go on from a checkpoint."""
        self._begin()
        super().restore(checkpoint_path)

    @classmethod
    def default_resource_request(cls, config: Any) -> Any:
        """What the trial occupies, by RLlib's own reckoning."""
        if isinstance(config, dict) and "experiment" in config:
            config = algorithm_config(config, None)
        return super().default_resource_request(config)

    def get_auto_filled_metrics(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Tune's own columns, with the trial's few settings instead of RLlib's hundreds."""
        return {**super().get_auto_filled_metrics(*args, **kwargs), "config": self.trial_config}
