"""The mirror term: lambda(t) times the alignment of two kinds of frame, from draw to loss.

One use, per SGD minibatch and in this order: draw P pairs from the bank, encode them with the
current network, stop the gradient of the side that stands still, compute the loss, weigh it.

    L = lambda ramp(t) scale L_mirror,    ramp(t) = clip((t - start) / warmup, 0, 1)        (1)

with t the lifetime agent-steps since the arm began and `scale` that of gradient matching. An
abrupt start extinguishes the act altogether, its good use included, hence the ramp. With
lambda ramp(t) = 0 nothing is drawn, encoded or computed.

Shapes: P pairs, M frames of a minibatch, Z width of the latent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from karma_rllib.nets import alignment
from karma_rllib.nets.bank import BROKEN_PAIRS, PAIRINGS, VIEWS, Draw, EventBank, Frames
from karma_rllib.nets.in_batch import InBatch
from karma_rllib.nets.matching import GradientSchedule, Matcher, gradient_norm
from karma_rllib.nets.net import MirrorNet

_CHOICES: dict[str, tuple[str, ...]] = {
    "pairing": PAIRINGS,
    "aggressor_view": tuple(VIEWS),
    "victim_view": tuple(VIEWS),
    "loss": alignment.LOSSES,
    "pair_norm": alignment.PAIR_NORMS,
    "grad_mode": alignment.GRAD_MODES,
    "align_layer": ("z", "h"),
    "bank_mode": ("bank", "in_batch"),
    "broken_pair": tuple(BROKEN_PAIRS),
}


@dataclass(frozen=True)
class MirrorSpec:
    """What is aligned, how and how strongly.

    Attributes:
        pairing: which frames make a pair, see `EventBank.draw`.
        aggressor_view: "decision" (the frame in which the zap was chosen) or "outcome" (after
            the hit). Only the latter changes the value of the zap's consequence.
        victim_view: the same for the victim.
        loss: "pair", "centroid", "infonce", "vicreg" or "contrast", see `nets.alignment`; contrast
            is pair while there are too few cleaner frames.
        weight: lambda in (1).
        pair_norm: scale of the pair loss, see `alignment.pair_loss`.
        grad_mode: which side moves, see `alignment.hold`.
        align_layer: "z", the projection, or "h", what the LSTM makes of it in the agent's own
            memory (outcome frames with stored recurrent states only).
        bank_mode: "bank", or "in_batch": only pairs with both frames in the SGD minibatch.
        pairs_per_minibatch: P.
        tau: temperature of infonce.
        n_neg_neutral: neutral frames among infonce's negatives.
        broken_pair: right side of "agg_cleaner", see `bank.BROKEN_PAIRS`.
        margin: of contrast [latent units]; "auto": half the median distance of two neutral
            frames when the loss is first used.
        grad_match: whether the weight is matched to the reference's gradient norm.
        aux_start_step: start of the ramp in (1) [agent-steps].
        aux_warmup_steps: length of the ramp in (1) [agent-steps]; 0 for a step.
    """

    pairing: str = "agg_vic"
    aggressor_view: str = "outcome"
    victim_view: str = "outcome"
    loss: str = "pair"
    weight: float = 0.1
    pair_norm: str = "none"
    grad_mode: str = "agg_to_vic"
    align_layer: str = "z"
    bank_mode: str = "bank"
    pairs_per_minibatch: int = 64
    tau: float = 0.1
    n_neg_neutral: int = 128
    broken_pair: str = "zap_waste"
    margin: float | Literal["auto"] = "auto"
    grad_match: bool = False
    aux_start_step: int = 0
    aux_warmup_steps: int = 0

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in _CHOICES and value not in _CHOICES[f.name]:
                raise ValueError(
                    f"mirror key {f.name!r} is {value!r} but must be one of "
                    f"{', '.join(_CHOICES[f.name])}."
                )
        if self.align_layer == "h" and "decision" in (self.aggressor_view, self.victim_view):
            raise ValueError(
                "mirror key 'align_layer' is 'h', which aligns the memory after the hit, so "
                "aggressor_view and victim_view must both be 'outcome'."
            )


def ramp(step: float, start: float, warmup: float) -> float:
    """Share of a weight that is switched on at an agent-step: (1), in [0, 1]."""
    if warmup <= 0:
        return float(step >= start)
    return min(max((step - start) / warmup, 0.0), 1.0)


class Latents(NamedTuple):
    """Both sides of P pairs and what the loss needs beside them, all (., Z)."""

    left: Tensor
    right: Tensor
    weight: Tensor
    cleaners: Tensor | None
    negatives: Tensor | None


class MirrorTerm:
    """The mirror's part of the loss, with its bank and its matching.

    Once per iteration call `begin_iteration`, then add events to `bank`; once per minibatch
    call `loss`.

    Args:
        spec: what is aligned.
        bank: where pairs come from; may be shared with the role term.
        reference: recorded gradient norms to match; None measures the reference in this run.
    """

    def __init__(
        self, spec: MirrorSpec, bank: EventBank, reference: GradientSchedule | None = None
    ) -> None:
        self.spec, self.bank, self.reference = spec, bank, reference
        self.matcher = Matcher()
        self.margin = math.nan if spec.margin == "auto" else float(spec.margin)
        self._measure = True

    def weight_at(self, step: float) -> float:
        """Evaluate lambda ramp(t) of (1), without gradient matching."""
        s = self.spec
        return s.weight * ramp(step, s.aux_start_step, s.aux_warmup_steps)

    def begin_iteration(self, iteration: int) -> None:
        """Age the bank; the next loss also measures gradient norms."""
        self.bank.next_iteration(iteration)
        self._measure = True

    def loss(
        self,
        net: MirrorNet,
        step: float,
        *,
        batch: InBatch | None = None,
        frames: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Compute (1) on one draw.

        Args:
            net: the network being trained.
            step: t, lifetime agent-steps since the arm began.
            batch: latents and roles of the SGD minibatch; needed with bank_mode "in_batch".
            frames: latents of the SGD minibatch, (M, Z), for vicreg's statistics; without them
                the pairs themselves serve.

        Returns:
            Scalar loss, ready to be added; and `loss` (before any weight), `weight` (the factor
            in (1)), `active` (1 if pairs were found), `pairs` (held by the bank), and once per
            iteration `grad_norm` (of `loss`) and, when matching, `grad_norm_reference`.
        """
        weight = self.weight_at(step)
        zero = net.value_head.weight.new_zeros(())
        stats: dict[str, float | Tensor] = {"loss": 0.0, "weight": weight, "active": 0.0}
        stats["pairs"] = float(len(self.bank.pairs))
        found = self._latents(net, self.spec.pairing, batch) if weight > 0 else None
        if found is None:
            return zero, stats
        frames = batch.latent if frames is None and batch is not None else frames
        raw = self._distance(net, found, frames)
        if self._measure:
            stats |= self._match(net, raw, step, batch)
        scale = self.matcher.scale if self.spec.grad_match else 1.0
        stats |= {"loss": raw.detach(), "weight": weight * scale, "active": 1.0}
        return weight * scale * raw, stats

    def _distance(self, net: MirrorNet, found: Latents, frames: Tensor | None) -> Tensor:
        """Evaluate the unweighted loss of the spec."""
        s, (left, right, weight, cleaners, negatives) = self.spec, found
        if s.loss == "centroid":
            return alignment.centroid_loss(left, right, weight)
        if s.loss == "infonce":
            return alignment.infonce_loss(left, right, weight, s.tau, negatives)
        if s.loss == "vicreg":
            return alignment.vicreg_loss(left, right, weight, frames)
        if s.loss == "contrast" and cleaners is not None:
            if math.isnan(self.margin):
                self.margin = self._auto_margin(net)
            return alignment.contrast_loss(left, right, cleaners, weight, s.pair_norm, self.margin)
        return alignment.pair_loss(left, right, weight, s.pair_norm)

    def _latents(
        self, net: MirrorNet, pairing: str, batch: InBatch | None, view: str | None = None
    ) -> Latents | None:
        """Find pairs and encode them, or None if there are too few."""
        s = self.spec
        agg_view, vic_view = view or s.aggressor_view, view or s.victim_view
        if s.bank_mode == "in_batch":
            if batch is None:
                raise ValueError("bank_mode 'in_batch' needs the minibatch: pass `batch`.")
            kind = BROKEN_PAIRS[s.broken_pair]
            both = batch.pairs(pairing, agg_view, vic_view, kind, self.bank.rng)
            if both is None:
                return None
            left, right = alignment.hold(*both, s.grad_mode)
            cleaners, negatives = self._extras(batch, len(left))
            return Latents(left, right, left.new_ones(len(left)), cleaners, negatives)
        n, bank = s.pairs_per_minibatch, self.bank
        draw = bank.draw(n, pairing, agg_view, vic_view, s.broken_pair)
        return None if draw is None else self._encode(net, draw)

    def _extras(self, batch: InBatch, P: int) -> tuple[Tensor | None, Tensor | None]:
        """Cleaner frames and negatives from the minibatch itself."""
        s, rng = self.spec, self.bank.rng
        cleaners = batch.singles("cleaner", P, rng) if s.loss == "contrast" else None
        negatives = None
        if s.loss == "infonce" and s.n_neg_neutral:
            negatives = batch.singles("neutral", s.n_neg_neutral, rng)
        return cleaners, None if negatives is None else negatives.detach()

    def _encode(self, net: MirrorNet, draw: Draw) -> Latents:
        """Encode what moves with a graph and what stands still without one, each in one pass."""
        s, bank, P = self.spec, self.bank, len(draw.weight)
        moving, still = [draw.left], [draw.right]
        if s.grad_mode == "vic_to_agg":
            moving, still = still, moving
        elif s.grad_mode == "symmetric":
            moving, still = moving + still, []
        extra = len(moving)
        if s.loss == "contrast" and bank.count("cleaner") >= bank.min_pairs:
            moving.append(bank.singles("cleaner", P))
        if s.loss == "infonce" and s.n_neg_neutral and bank.count("neutral"):
            still.append(bank.singles("neutral", s.n_neg_neutral))
        live = latents(net, moving, s.align_layer)
        with torch.no_grad():
            fixed = latents(net, still, s.align_layer)
        cleaners = live[extra] if len(live) > extra else None
        negatives = fixed[-1] if len(fixed) > 2 - extra else None
        if s.grad_mode == "symmetric":
            left, right = live[0], live[1]
        else:
            left, right = live[0], fixed[0]
            if s.grad_mode == "vic_to_agg":
                left, right = right, left
        weight = torch.from_numpy(draw.weight).to(left.device)
        return Latents(left, right, weight, cleaners, negatives)

    def _match(
        self, net: MirrorNet, raw: Tensor, step: float, batch: InBatch | None
    ) -> dict[str, float | Tensor]:
        """Measure gradient norms, once per iteration, and update the matching scale."""
        self._measure = False
        own = float(gradient_norm(raw, net))
        if not self.spec.grad_match:
            return {"grad_norm": own}
        if self.reference is not None:
            target = self.reference(step)
        else:
            found = self._latents(net, "agg_vic", batch, view="outcome")
            if found is None:
                return {"grad_norm": own}
            loss = alignment.pair_loss(found.left, found.right, found.weight, self.spec.pair_norm)
            target = float(gradient_norm(loss, net))
        self.matcher.update(own, target)
        return {"grad_norm": own, "grad_norm_reference": self.matcher.reference}

    @torch.no_grad()
    def _auto_margin(self, net: MirrorNet) -> float:
        """Half the median distance of two neutral frames, from 256 random pairs."""
        if not self.bank.count("neutral"):
            return 3.0
        sides = [self.bank.singles("neutral", 256) for _ in range(2)]
        a, b = latents(net, sides, self.spec.align_layer)
        return 0.5 * float(alignment.distance(a, b).median())

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Bank, matching and margin, as a flat dict of arrays."""
        state = {f"bank/{k}": v for k, v in self.bank.get_state().items()}
        state |= {f"matcher/{k}": v for k, v in self.matcher.get_state().items()}
        return {**state, "margin": np.array(self.margin), "measure": np.array(self._measure)}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned; the bank and its generator included."""
        for part in ("bank", "matcher"):
            own = {k.partition("/")[2]: v for k, v in state.items() if k.startswith(f"{part}/")}
            getattr(self, part).set_state(own)
        self.margin, self._measure = float(state["margin"]), bool(state["measure"])


def latents(net: MirrorNet, groups: list[Frames], layer: str = "z") -> list[Tensor]:
    """Encode several groups of frames in one pass.

    Args:
        net: the network.
        groups: frames (n_k, ...) each; with layer "h" also their states "h" and "c".
        layer: "z", or "h" for the LSTM's output.

    Returns:
        Latents (n_k, Z) or (n_k, cells), one tensor per group.

    Raises:
        ValueError: layer "h" for a network without memory or frames without a state.
    """
    if not groups:
        return []
    device = net.value_head.weight.device
    keys = ["grid", "vec"] if layer == "z" else ["grid", "vec", "h", "c"]
    if layer == "h" and not net.stateful:
        raise ValueError("align_layer 'h' needs a network with memory, but lstm is 0.")
    if any(key not in group for group in groups for key in keys):
        raise ValueError("align_layer 'h' needs the recurrent states of all frames in the bank.")
    x = {k: torch.from_numpy(np.concatenate([g[k] for g in groups])).to(device) for k in keys}
    _, out = net.encode(x["grid"], x["vec"])
    if layer == "h":
        out = net.recur(out, {"h": x["h"], "c": x["c"]})
    return list(out.split([len(group["vec"]) for group in groups]))
