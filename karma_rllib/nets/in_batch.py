"""Pairs that happen to lie in one SGD minibatch: what a mirror without a bank has to live on.

An ablation. With few zaps per thousand agent-steps most minibatches hold no pair, so the loss
is mostly 0; the share of minibatches in which it is not is reported as `mirror/active`.

Shapes: M frames of the minibatch, Z width of the latent, P pairs found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from karma_rllib.worlds.events import AGGRESSOR, CLEANER, NEUTRAL, VICTIM

_CODES = {"neutral": NEUTRAL, "aggressor": AGGRESSOR, "victim": VICTIM, "cleaner": CLEANER}


@dataclass(frozen=True)
class InBatch:
    """Latents of a minibatch and who was what in them.

    Attributes:
        latent: latents of the aligned layer, with their graph, (M, Z).
        role_decision: role of frame o_t in the step that follows it, integer (M,); IGNORE for
            padding.
        role_outcome: role of frame o_t in the step before it, integer (M,).
        zid_decision: zap that the frame's agent fires, int64 (M,); -1 for none.
        zid_outcome: zap that the frame's agent has fired or received, int64 (M,); -1 for none.
            A shot with several victims has several; one of them must be named.
    """

    latent: Tensor
    role_decision: NDArray[np.integer]
    role_outcome: NDArray[np.integer]
    zid_decision: NDArray[np.int64]
    zid_outcome: NDArray[np.int64]

    def rows(self, kind: str, view: str = "outcome") -> NDArray[np.int64]:
        """Indices of the frames with a role: "neutral", "aggressor", "victim" or "cleaner"."""
        role = self.role_decision if view == "decision" else self.role_outcome
        return np.flatnonzero(np.asarray(role) == _CODES[kind])

    def pairs(
        self,
        pairing: str,
        aggressor_view: str,
        victim_view: str,
        broken_kind: str,
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor] | None:
        """Both sides of the pairs of the minibatch, (P, Z) each, with gradients.

        Args:
            pairing: see `EventBank.draw`.
            aggressor_view: "decision" or "outcome".
            victim_view: "decision" or "outcome".
            broken_kind: right side of "agg_cleaner": "cleaner" or "neutral".
            rng: generator for random partners; not used for "agg_vic".

        Returns:
            The two sides, or None if there is no pair.

        Raises:
            ValueError: `broken_kind` has no role label.
        """
        if broken_kind not in _CODES:
            raise ValueError(
                f"bank_mode 'in_batch' has no label for {broken_kind} frames; set broken_pair to "
                "zap_waste or random."
            )
        left, right = self._matched(aggressor_view, victim_view)
        if pairing == "agg_vic_shuffled":
            right = (
                np.roll(right, int(rng.integers(1, len(right)))) if len(right) > 1 else right[:0]
            )
            left = left[: len(right)]
        elif pairing != "agg_vic":
            kind = broken_kind if pairing == "agg_cleaner" else "neutral"
            pool = self.rows(kind, aggressor_view if kind == "cleaner" else "outcome")
            if pairing == "neutral_neutral":
                left = rng.choice(pool, len(left)) if len(pool) else pool
            right = rng.choice(pool, len(left)) if len(pool) else pool
            left = left[: len(right)]
        if not len(left):
            return None
        return self._take(left), self._take(right)

    def _matched(self, aggressor_view: str, victim_view: str) -> tuple[NDArray, NDArray]:
        """Rows of aggressors and of victims of the same zap, aligned."""
        sides = []
        for kind, view in (("aggressor", aggressor_view), ("victim", victim_view)):
            rows = self.rows(kind, view)
            zid = self.zid_decision if view == "decision" else self.zid_outcome
            sides.append((rows, np.asarray(zid)[rows]))
        (a_rows, a_zid), (v_rows, v_zid) = sides
        _, a, v = np.intersect1d(a_zid, v_zid, return_indices=True)
        return a_rows[a], v_rows[v]

    def singles(self, kind: str, n: int, rng: np.random.Generator) -> Tensor | None:
        """Draw n latents of a kind with replacement, (n, Z), or None if there are none."""
        pool = self.rows(kind)
        return self._take(rng.choice(pool, n)) if len(pool) else None

    def _take(self, rows: NDArray) -> Tensor:
        return self.latent[torch.from_numpy(rows).to(self.latent.device)]
