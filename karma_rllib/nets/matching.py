"""Gradient matching: a control arm pulls at the network as hard as the arm it controls for.

Raw losses on frames that cannot be aligned stay large and wreck the encoder, so that a placebo
may change behaviour merely by its size. With g the gradient norm of a loss over all parameters,
the control's weight is multiplied by

    EMA(g_reference) / EMA(g_control),    kept inside [MATCH_MIN, MATCH_MAX]                (1)

once per iteration. g_reference is measured in the same run on the reference pairs (aggressor
after the hit and its own victim), by a second backward pass that is not applied, or taken from a
schedule recorded in the reference arm of the same seed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

MATCH_MIN, MATCH_MAX = 1e-3, 1e3


def gradient_norm(loss: Tensor, net: nn.Module) -> Tensor:
    """Euclidean norm of d loss / d theta over all parameters; their `.grad` is left alone.

    Args:
        loss: scalar with a graph, which is kept.
        net: owner of the parameters.

    Returns:
        Detached scalar; 0 where the loss depends on no parameter.
    """
    parameters = [p for p in net.parameters() if p.requires_grad]
    if not loss.requires_grad:
        return loss.detach().new_zeros(())
    grads = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    norms = [g.norm() for g in grads if g is not None]
    return torch.stack(norms).norm() if norms else loss.detach().new_zeros(())


@dataclass(frozen=True)
class GradientSchedule:
    """Gradient norms recorded in a reference run.

    Attributes:
        steps: lifetime agent-steps since the branch, increasing, (n,).
        norms: gradient norm of the unweighted loss there, (n,).
    """

    steps: NDArray[np.float64]
    norms: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("steps", "norms"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))
        if self.steps.ndim != 1 or self.steps.shape != self.norms.shape or not len(self.steps):
            raise ValueError(
                f"a gradient schedule needs as many norms as steps, at least one; it has "
                f"{self.steps.shape} steps and {self.norms.shape} norms."
            )
        if (np.diff(self.steps) < 0).any():
            raise ValueError("the steps of a gradient schedule must not decrease.")

    def __call__(self, step: float) -> float:
        """Norm at an agent-step: linear in between, constant outside."""
        return float(np.interp(step, self.steps, self.norms))

    @classmethod
    def load(cls, path: str | Path) -> GradientSchedule:
        """Read {"steps": [...], "norms": [...]} from a JSON file.

        Raises:
            ValueError: the file is not such an object.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(data["steps"], data["norms"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is no gradient schedule: it must be a JSON object with the lists "
                '"steps" and "norms".'
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the schedule as JSON."""
        data = {"steps": self.steps.tolist(), "norms": self.norms.tolist()}
        Path(path).write_text(json.dumps(data), encoding="utf-8")


class Matcher:
    """The two moving averages of (1) and the scale that follows from them.

    Args:
        decay: of the moving averages, per measurement, in [0, 1); both start at their first
            measurement.
    """

    def __init__(self, decay: float = 0.9) -> None:
        self.decay = decay
        self.own = self.reference = float("nan")

    def update(self, own: float, reference: float) -> None:
        """Take in one measurement of each norm."""
        self.own = self._mix(self.own, own)
        self.reference = self._mix(self.reference, reference)

    def _mix(self, old: float, new: float) -> float:
        return new if np.isnan(old) else self.decay * old + (1 - self.decay) * new

    @property
    def scale(self) -> float:
        """Factor (1) on the control's weight; 1 before the first measurement."""
        if np.isnan(self.own) or np.isnan(self.reference):
            return 1.0
        ratio = self.reference / max(self.own, 1e-12)
        return float(np.clip(ratio, MATCH_MIN, MATCH_MAX))

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Both averages, as one array."""
        return {"norms": np.array([self.own, self.reference])}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""
        self.own, self.reference = (float(x) for x in state["norms"])
