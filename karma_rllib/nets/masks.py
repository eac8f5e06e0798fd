"""Policies over the actions that are possible: the observation says which, the network obeys.

A world that knows what an agent could do at all tells it in the vector of its observation, one
entry per action, 1 for possible.  Scores of impossible actions are lowered so far that their
probability is exactly 0, when acting and in every loss alike, and no gradient reaches them.

Shapes: A actions, D entries of the vector; leading axes are free.

References:
    Huang and Ontañón 2022, "A Closer Look at Invalid Action Masking in Policy Gradient
    Algorithms", arXiv:2006.14171.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

#: Score of an impossible action: finite, so that 0 times it is 0; its exponential is 0 in float32.
IMPOSSIBLE = -1e9


def possible_actions(vec: Tensor, start: int, num_actions: int) -> Tensor:
    """Which actions the vectors (..., D) call possible, from entry `start` on: bool (..., A)."""
    return vec[..., start : start + num_actions] > 0


def floored_log_probs(logits: Tensor, floor: float, possible: Tensor | None = None) -> Tensor:
    """Log-probabilities of the mixture (1 - floor) softmax(logits) + floor / n.

    Both parts live on the n possible actions; without `possible` these are all A.

    Args:
        logits: unnormalised scores, (..., A).
        floor: weight of the uniform policy, in [0, 1).
        possible: bool (..., A), or None.  A row without any, such as padding, counts as if all
            were possible, so that it stays finite.

    Returns:
        Normalised log-probabilities, (..., A): at least log(floor / n) where possible, else about
        `IMPOSSIBLE`.
    """
    if possible is None:
        logp = F.log_softmax(logits, dim=-1)
        if floor == 0.0:
            return logp
        uniform = logp.new_full((), math.log(floor / logits.shape[-1]))
        return torch.logaddexp(logp + math.log1p(-floor), uniform)
    possible = possible | ~possible.any(-1, keepdim=True)
    logp = F.log_softmax(logits.masked_fill(~possible, IMPOSSIBLE), dim=-1)
    if floor == 0.0:
        return logp
    uniform = math.log(floor) - possible.sum(-1, keepdim=True).to(logp.dtype).log()
    # The impossible are kept out of logaddexp: its gradient there would be lost in rounding.
    mixed = torch.logaddexp(logp.masked_fill(~possible, 0.0) + math.log1p(-floor), uniform)
    return torch.where(possible, mixed, logp)
