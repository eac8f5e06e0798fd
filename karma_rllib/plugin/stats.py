"""Names and averages of what the learner reports.

Every name here is a column `family/name` defined in docs/metrics.md.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch import Tensor

FAMILIES: dict[str, tuple[str, ...]] = {
    "ppo": (
        "policy_loss",
        "vf_loss",
        "entropy",
        "kl",
        "clip_fraction",
        "ratio_epoch0",
        "explained_variance",
        "grad_norm",
    ),
    "mirror": (
        "loss",
        "weight",
        "active",
        "pairs",
        "grad_norm",
        "grad_norm_reference",
        "std_min",
        "std_median",
        "dead_fraction",
        "effective_rank",
        "participation_ratio",
        "align",
        "uniform",
        "align_ratio",
        "role_gap",
        "norm_ratio",
        "collapsed",
    ),
    "role": ("loss", "accuracy"),
    "policy": (),
    "probe": ("zaps", "dv_out", "auroc_z", "align_ratio", "effective_rank"),
    "tvt": (
        "loss",
        "retro_ratio",
        "retro_ess",
        "retro_dropped",
        "key_loss",
        "key_accuracy",
        "role_loss",
        "role_accuracy",
        "rebuild_loss",
        "read_strength",
    ),
}
# What a column holds before its first measurement, where that is not 0.
START = {
    "norm_ratio": 1.0,
    "align_ratio": 1.0,
    "retro_ratio": 1.0,
    "retro_ess": 1.0,
    "auroc_z": 0.5,
}


class Averages:
    """Means over the minibatches of one update, without a device sync per minibatch."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], list[Any]] = defaultdict(list)

    def clear(self) -> None:
        """Forget everything."""
        self.values.clear()

    def add(self, family: str, stats: dict[str, Any]) -> None:
        """Note one minibatch's scalars, tensors (detached) or numbers."""
        for name, value in stats.items():
            self.values[family, name].append(value.detach() if isinstance(value, Tensor) else value)

    def means(self) -> dict[tuple[str, str], float]:
        """Mean of every scalar noted since `clear`."""
        return {key: sum(map(float, items)) / len(items) for key, items in self.values.items()}
