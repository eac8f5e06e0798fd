"""An episodic memory, written in every step and read by content: the memory half of the RMA.

Row s of the memory is sg(z_s), the encoding of step s of the running episode, cut off from
gradients.  In each step the controller (the LSTM's output h_t) emits, for every read head, a key k
and a strength beta, and gets back a mixture of the rows that are most like the key:

    beta = softplus(b),   w_s = softmax over the top_k rows of  beta cos(k, z_s),  s < t        (1)
    m_t = sum_s w_s z_s                                                                       (2)

Policy and value see h_t and the m_t of all heads.  Rows that are not written yet do not exist: in
the first step the read is 0.

Who learns what: the read heads learn from the policy and value losses, through (1).  The rows get
no gradient from being read; that they hold what was seen is `rebuild_loss`'s work, which asks for
the observation back from z.  So what decides can lie any number of steps in the past without a
gradient through those steps.

The rows are part of the recurrent state ("memory", "known"): they start empty with each episode and
travel with checkpoints, policy files and the state at the start of each training sequence.  A
sequence's own rows are written anew from the current encoder.

Shapes: S sequences, T steps, U rows of the memory, Z width of a row, C width of h, R heads.

References:
    Hung et al. 2019, "Optimizing agent behavior over long time scales by transporting value",
    methods, "Reconstructive Memory Agent"; reads as in Graves et al. 2016, "Hybrid computing using
    a neural network with dynamic external memory".  Against the RMA, the reads enter policy and
    value but not the controller's next step, and only the observation (which holds the last action
    and reward) is asked back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TINY = 1e-6


@dataclass(frozen=True)
class ReadSpec:
    """What the memory of a network looks like; plain data that goes into policy files.

    Attributes:
        slots: U, rows; a full memory writes no more.
        heads: R.
        top_k: most rows that one read mixes.
        strength: beta of an untrained head, > 0.
    """

    slots: int = 1000
    heads: int = 3
    top_k: int = 50
    strength: float = math.log(2.0)

    def __post_init__(self) -> None:
        for key in ("slots", "heads", "top_k"):
            if not (isinstance(getattr(self, key), int) and getattr(self, key) > 0):
                raise ValueError(f"reads.{key} is {getattr(self, key)!r} but must be at least 1.")
        if not self.strength > 0:
            raise ValueError(f"reads.strength is {self.strength!r} but must be greater than 0.")


class Read(NamedTuple):
    """What came back; leading axes are those of h."""

    content: Tensor
    """All heads' reads joined, (..., R Z)."""
    weights: Tensor
    """w of every row, 0 where it was not read, (..., R, U)."""
    strength: Tensor
    """beta, (..., R)."""


class EpisodicReads(nn.Module):
    """The read heads, and the layer that asks the observation back.

    Args:
        controller: C, width of the controller's output.
        row: Z, width of a row.
        seen: entries of an observation, planes and vector together.
        spec: see `ReadSpec`.
    """

    def __init__(self, controller: int, row: int, seen: int, spec: ReadSpec) -> None:
        super().__init__()
        self.row, self.spec = row, spec
        self.ask = nn.Linear(controller, spec.heads * (row + 1))
        self.rebuild = nn.Linear(row, seen)

    @property
    def width(self) -> int:
        """Width of what comes back: R Z."""
        return self.spec.heads * self.row

    def initialise(self, generator: torch.Generator) -> None:
        """Draw orthogonal weights; every strength starts near `ReadSpec.strength`."""
        nn.init.orthogonal_(self.rebuild.weight, math.sqrt(2.0), generator=generator)
        nn.init.orthogonal_(self.ask.weight, 1.0, generator=generator)
        nn.init.zeros_(self.rebuild.bias)
        nn.init.zeros_(self.ask.bias)
        with torch.no_grad():
            self.ask.weight.view(self.spec.heads, self.row + 1, -1)[:, -1] *= 0.1
            start = math.log(math.expm1(self.spec.strength))  # softplus of it is the strength
            self.ask.bias.view(self.spec.heads, self.row + 1)[:, -1] = start

    def forward(self, h: Tensor, rows: Tensor, known: Tensor) -> Read:
        """Read.

        Args:
            h: controller outputs, (S, T, C).
            rows: the memory, (S, U, Z); no gradient reaches it.
            known: which of the U rows exist at each of the T steps, bool (S, T, U).

        Returns:
            The reads of the T steps.
        """
        S, T = h.shape[:2]
        asked = self.ask(h).unflatten(-1, (self.spec.heads, self.row + 1))
        key, strength = asked[..., :-1], F.softplus(asked[..., -1])  # (S, T, R, Z), (S, T, R)
        rows = rows.detach()
        # the strength goes into the key: the wide product is then the score itself
        pointed = F.normalize(key, dim=-1, eps=TINY) * strength[..., None]
        like = F.normalize(rows, dim=-1, eps=TINY)
        score = torch.bmm(pointed.flatten(1, 2), like.mT).view(S, T, self.spec.heads, -1)
        weights = self._softmax(score, known.unsqueeze(-2))
        content = torch.bmm(weights.flatten(1, 2), rows)
        return Read(content.view(S, T, self.width), weights, strength)

    def _softmax(self, score: Tensor, known: Tensor) -> Tensor:
        """Softmax over the top_k known rows; all zeros where nothing is known."""
        score = score.masked_fill(~known, -torch.inf)
        if score.shape[-1] > self.spec.top_k:
            best = score.detach().topk(self.spec.top_k, -1, sorted=False).values
            score = score.masked_fill(score < best.amin(-1, keepdim=True), -torch.inf)
        nothing = ~known.any(-1, keepdim=True)
        return torch.where(nothing, 0.0, score.masked_fill(nothing, 0.0).softmax(-1))


def empty_rows(n: int, slots: int, row: int, device: torch.device | str) -> dict[str, Tensor]:
    """Memories at the start of an episode: "memory" (n, U Z) and "known" (n, 1), all zero."""
    return {
        "memory": torch.zeros(n, slots * row, device=device),
        "known": torch.zeros(n, 1, device=device),
    }


def written(rows: Tensor, count: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Write the steps of a sequence behind what is there; what does not fit is left out.

    Args:
        rows: (S, U Z), as in the recurrent state.
        count: rows that exist, (S, 1).
        z: encodings, (S, T, Z); no gradient passes.

    Returns:
        The memory after the last step, (S, U, Z), and which of its rows exist *before* each step,
        bool (S, T, U).
    """
    T, Z = z.shape[1:]
    rows = rows.unflatten(1, (-1, Z))
    U = rows.shape[1]
    before = count.long() + torch.arange(T, device=z.device)  # (S, T): rows before each step
    place = before.clamp(max=U)[..., None].expand(-1, -1, Z)
    after = F.pad(rows, (0, 0, 0, 1)).scatter(1, place, z.detach())[:, :U]
    return after, torch.arange(U, device=z.device) < before[..., None]


def rebuild_loss(reads: EpisodicReads, z: Tensor, seen: Tensor, planes: int) -> Tensor:
    """How badly the observation is told from its encoding.

        L = mean BCE(planes) + mean (vec - vec^)^2,   logits and vec^ = W relu(z) + b          (3)

    Args:
        reads: whose `rebuild` layer is W, b.
        z: encodings, (M, Z).
        seen: planes in [0, 1] and vector, joined, (M, P + D).
        planes: P.

    Returns:
        A scalar.
    """
    told = reads.rebuild(F.relu(z))
    return F.binary_cross_entropy_with_logits(told[:, :planes], seen[:, :planes]) + F.mse_loss(
        told[:, planes:], seen[:, planes:]
    )
