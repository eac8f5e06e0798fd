"""The role term: beta ramp(t) times the cross-entropy of telling roles apart.

Nearly all frames are neutral, so the frames come from the event bank, as many of each role, and
only where that is not wanted from the minibatch, with effective-number weights.

Shapes: M frames of a minibatch, R = 4 roles (neutral, aggressor, victim, cleaner).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from karma_rllib.nets.bank import EventBank
from karma_rllib.nets.losses import effective_number_weights, role_loss
from karma_rllib.nets.mirror import ramp
from karma_rllib.nets.net import NUM_ROLES, MirrorNet
from karma_rllib.worlds.events import ROLE_NAMES

_SOURCE = {"neutral": "neutral", "aggressor": "pair", "victim": "pair", "cleaner": "cleaner"}


@dataclass(frozen=True)
class RoleSpec:
    """How roles are learned.

    Attributes:
        weight: beta, the factor on the loss.
        sampling: "bank": balanced frames from the event bank; "batch": the minibatch itself,
            weighted by class.
        eff_num_beta: beta of `losses.effective_number_weights`.
        max_weight: largest class weight.
        per_class: frames of each role in a draw from the bank [frames].
        count_decay: decay of the class counts per iteration, in [0, 1).
        aux_start_step: start of the ramp [agent-steps].
        aux_warmup_steps: length of the ramp [agent-steps]; 0 for a step.
    """

    weight: float = 0.1
    sampling: str = "bank"
    eff_num_beta: float = 0.999
    max_weight: float = 50.0
    per_class: int = 32
    count_decay: float = 0.99
    aux_start_step: int = 0
    aux_warmup_steps: int = 0

    def __post_init__(self) -> None:
        if self.sampling not in ("bank", "batch"):
            raise ValueError(f"role key 'sampling' is {self.sampling!r} but must be bank or batch.")


class RoleTerm:
    """The role head's part of the loss.

    Args:
        spec: how roles are learned.
        bank: where balanced frames come from; may be shared with the mirror term.
    """

    def __init__(self, spec: RoleSpec, bank: EventBank) -> None:
        self.spec, self.bank = spec, bank
        self.counts = np.zeros(NUM_ROLES)

    def observe(self, counts: NDArray[np.floating]) -> None:
        """Take in how many frames of each role an iteration brought, (R,); "batch" only."""
        decay = self.spec.count_decay
        self.counts = decay * self.counts + (1 - decay) * np.asarray(counts, np.float64)

    def loss(
        self,
        net: MirrorNet,
        step: float,
        *,
        phi: Tensor | None = None,
        z: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Compute the loss of one draw, or of the minibatch.

        Args:
            net: the network being trained.
            step: lifetime agent-steps since the arm began.
            phi: encodings of the minibatch, (M, F); "batch" only.
            z: projections of the minibatch, (M, Z); "batch" only.
            labels: outcome roles of the minibatch, integer (M,); IGNORE for none; "batch" only.

        Returns:
            Scalar loss, ready to be added; and `loss` and `accuracy` ({} while inactive).
        """
        s = self.spec
        weight = s.weight * ramp(step, s.aux_start_step, s.aux_warmup_steps)
        zero = net.value_head.weight.new_zeros(())
        if weight == 0:
            return zero, {}
        if s.sampling == "bank":
            found = self._draw(net)
        else:
            if phi is None or z is None or labels is None:
                raise ValueError("role sampling 'batch' needs phi, z and labels of the minibatch.")
            w = effective_number_weights(self.counts, s.eff_num_beta, s.max_weight)
            found = phi, z, labels, torch.from_numpy(w).to(z.device)
        if found is None:
            return zero, {}
        phi, z, labels, class_weight = found
        raw, stats = role_loss(net.role_logits(phi, z), labels, class_weight)
        return weight * raw, dict(stats)

    def _draw(self, net: MirrorNet) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
        """Encode as many frames of each role the bank knows; None while it knows only one."""
        bank, n = self.bank, self.spec.per_class
        known = [r for r in ROLE_NAMES if bank.count(_SOURCE[r]) >= bank.min_pairs]
        if len(known) < 2:
            return None
        groups = [bank.singles(role, n) for role in known]
        device = net.value_head.weight.device
        x = {k: np.concatenate([g[k] for g in groups]) for k in ("grid", "vec")}
        grid, vec = (torch.from_numpy(x[k]).to(device) for k in ("grid", "vec"))
        phi, z = net.encode(grid, vec)
        codes = torch.tensor([ROLE_NAMES.index(r) for r in known], device=device)
        present = torch.zeros(NUM_ROLES, device=device).index_fill_(0, codes, 1.0)
        return phi, z, codes.repeat_interleave(n), present

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Class counts; the bank saves itself."""
        return {"counts": self.counts.copy()}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""
        self.counts = np.array(state["counts"], np.float64)
