"""The auxiliary losses of one learner: from fragments to banks to a term of the loss.

`nets` holds the mathematics; this room knows the config, the fragments and the minibatch.
A condition without auxiliary losses costs nothing here: no bank, no draw, no frame copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns
from ray.rllib.utils.annotations import override
from torch import Tensor

from karma_rllib.conditions import CONDITIONS
from karma_rllib.nets.bank import EventBank
from karma_rllib.nets.diagnostics import Diagnostics
from karma_rllib.nets.in_batch import InBatch
from karma_rllib.nets.memory_term import MemorySpec, MemoryTerm
from karma_rllib.nets.mirror import MirrorSpec, MirrorTerm, latents
from karma_rllib.nets.net import NUM_ROLES, MirrorNet
from karma_rllib.nets.role import RoleSpec, RoleTerm
from karma_rllib.plugin import event_frames
from karma_rllib.plugin.fragment import Fragment
from karma_rllib.plugin.module import FEATURES, HIDDEN, LATENT
from karma_rllib.plugin.stats import Averages

# Generator streams of one learner: (seed, learner, stream).
_BANK_STREAM = 1
OUTCOME = "role_outcome"


class Auxiliary:
    """Mirror, role and memory terms over one event bank.

    Args:
        bank: where events are kept, or None if no term is on.
        mirror: the mirror term, or None.
        role: the role term, or None.
        settings: the `mirror` section, for pair extraction.
        seed: of the diagnostics' choice of frames.
        memory: the term that learns the names in the external memory, or None.
    """

    def __init__(
        self,
        bank: EventBank | None,
        mirror: MirrorTerm | None,
        role: RoleTerm | None,
        settings: dict[str, Any],
        seed: tuple[int, ...],
        memory: MemoryTerm | None = None,
    ) -> None:
        self.bank, self.mirror, self.role, self.settings = bank, mirror, role, settings
        self.memory = memory
        self.diagnostics = Diagnostics()
        self.seed = seed
        self.step, self.iteration = 0, 0
        self._sample: dict[str, np.ndarray] = {}

    @classmethod
    def of(cls, config: Any, learner_index: int) -> Auxiliary:
        """Build what the config's condition asks for."""
        row, mirror, role = (
            CONDITIONS[config.condition_name],
            config.mirror_settings,
            config.role_settings,
        )
        seed = (int(config.seed or 0), learner_index, _BANK_STREAM)
        mirror_on = row.mirror and mirror["weight"] > 0
        role_on = row.role_loss and role["weight"] > 0
        names = row.tvt and config.tvt_settings["match"] != "hung"  # whose memory has no names
        if not (mirror_on or role_on or names):
            return cls(None, None, None, mirror, seed)
        bank = EventBank(mirror["bank_size"], mirror["bank_max_age"], mirror["min_pairs"], seed)
        return cls(
            bank,
            MirrorTerm(mirror_spec(row, mirror), bank) if mirror_on else None,
            RoleTerm(role_spec(role, mirror), bank) if role_on else None,
            mirror,
            seed,
            MemoryTerm(MemorySpec(config.tvt_settings["key_weight"]), bank) if names else None,
        )

    @property
    def on(self) -> bool:
        """Whether any auxiliary loss is part of this condition."""
        return self.bank is not None

    @property
    def needs_labels(self) -> bool:
        """Whether minibatches must carry who was what in each frame."""
        return self.on and (
            self.settings["bank_mode"] == "in_batch"
            or (self.role is not None and self.role.spec.sampling == "batch")
        )

    def at(self, timesteps: dict[str, Any]) -> None:
        """Note where the run stands."""
        self.step = int(timesteps.get("since_branch", 0))
        self.iteration = int(timesteps.get("iteration", 0))

    def connector(self) -> ConnectorV2:
        """The pipeline piece that fills the banks."""
        return FillBanks(self)

    def take_in(self, fragments: list[Fragment]) -> None:
        """Age the bank and add the events of this iteration's fragments."""
        self._keep_diagnostic_frames(fragments)
        if self.bank is None:
            return
        if self.mirror is not None:
            self.mirror.begin_iteration(self.iteration)
        else:
            self.bank.next_iteration(self.iteration)
        for fragment in fragments:
            fill(self.bank, fragment, self.settings)
        if self.role is not None and self.role.spec.sampling == "batch":
            parts = [event_frames.labels(fragment)[OUTCOME].ravel() for fragment in fragments]
            roles = np.concatenate(parts)
            counts = np.bincount(roles[roles >= 0], minlength=NUM_ROLES)
            self.role.observe(counts.astype(np.float64))

    def loss(
        self,
        net: MirrorNet,
        batch: dict[str, Any],
        outputs: dict[str, Tensor],
        averages: Averages,
    ) -> Tensor:
        """The auxiliary part of the loss, a scalar.

        The role head always takes part, with factor 0 where its loss is off: with several
        learners every parameter must receive a gradient in every step.
        """
        phi, z = (outputs[key].detach()[:1] for key in (FEATURES, LATENT))  # one frame, no gradient
        total = 0.0 * net.role_logits(phi, z).sum()
        if self.mirror is not None:
            term, stats = self.mirror.loss(
                net,
                self.step,
                batch=self._in_batch(batch, outputs),
                frames=self._frames(batch, outputs),
            )
            averages.add("mirror", stats)
            total = total + term
        if self.role is not None:
            term, stats = self.role.loss(
                net,
                self.step,
                phi=outputs[FEATURES].flatten(0, -2),
                z=outputs[LATENT].flatten(0, -2),
                labels=batch[OUTCOME].flatten() if self.needs_labels else None,
            )
            averages.add("role", stats)
            total = total + term
        if self.memory is not None:
            term, stats = self.memory.loss(net)
            averages.add("tvt", stats)
            total = total + term
        return total

    def _frames(self, batch: dict[str, Any], outputs: dict[str, Tensor]) -> Tensor | None:
        """Latents of the minibatch without padding, for vicreg's statistics."""
        if self.mirror is None or self.mirror.spec.loss != "vicreg":
            return None
        mask = batch.get(Columns.LOSS_MASK)
        return outputs[LATENT] if mask is None else outputs[LATENT][mask]

    def _in_batch(self, batch: dict[str, Any], outputs: dict[str, Tensor]) -> InBatch | None:
        if self.settings["bank_mode"] != "in_batch":
            return None
        layer = outputs[LATENT if self.settings["align_layer"] == "z" else HIDDEN]
        columns = (batch[name].flatten().cpu().numpy() for name in event_frames.LABELS)
        return InBatch(layer.flatten(0, -2), *columns)

    def _keep_diagnostic_frames(self, fragments: list[Fragment]) -> None:
        """Every `diag_every` iterations, set aside up to 1024 random frames."""
        self._sample = {}
        if self.iteration % self.settings["diag_every"]:
            return
        rng = np.random.default_rng(np.random.SeedSequence((*self.seed, self.iteration)))
        grid, vec = (
            np.concatenate([_rows(f.obs[key][:-1]) for f in fragments]) for key in ("grid", "vec")
        )
        index = rng.choice(len(vec), min(1024, len(vec)), replace=False)
        self._sample = {"grid": grid[index], "vec": vec[index]}

    def diagnose(self, net: MirrorNet, averages: Averages) -> None:
        """Report the geometry of z on the frames set aside for it, if any."""
        if not self._sample:
            return
        pairs = self.bank.latest_pairs(1024) if self.bank is not None else None
        groups = [self._sample] if pairs is None else [self._sample, pairs.left, pairs.right]
        with torch.no_grad():
            averages.add("mirror", self.diagnostics.measure(*latents(net, groups)))

    def get_state(self) -> dict[str, Any]:
        """Banks, matching, role counts and diagnostic baselines, as nested dicts of arrays."""
        state: dict[str, Any] = {"diagnostics": self.diagnostics.get_state()}
        if self.mirror is not None:
            state["mirror"] = self.mirror.get_state()
        elif self.bank is not None:
            state["bank"] = self.bank.get_state()
        if self.role is not None:
            state["role"] = self.role.get_state()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what fits: a branch from a baseline starts with empty banks."""
        self.diagnostics.set_state(state["diagnostics"])
        if self.mirror is not None and "mirror" in state:
            self.mirror.set_state(state["mirror"])
        elif self.bank is not None and "bank" in state:
            self.bank.set_state(state["bank"])
        if self.role is not None and "role" in state:
            self.role.set_state(state["role"])


def mirror_spec(row: Any, settings: dict[str, Any]) -> MirrorSpec:
    """What a condition aligns, under the experiment's settings."""
    own = {key: settings[key] for key in MirrorSpec.__dataclass_fields__ if key in settings}
    return MirrorSpec(
        **{
            **own,
            "pairing": row.pairs,
            "aggressor_view": settings["aggressor_view"] or row.aggressor_view,
            "loss": row.loss or settings["loss"],
            "grad_match": row.grad_match and settings["grad_match"],
        }
    )


def role_spec(role: dict[str, Any], mirror: dict[str, Any]) -> RoleSpec:
    """The role loss under the experiment's settings; it ramps up as the mirror's does."""
    schedule = {key: mirror[key] for key in ("aux_start_step", "aux_warmup_steps")}
    return RoleSpec(**role, **schedule)


def fill(bank: EventBank, fragment: Fragment, settings: dict[str, Any]) -> None:
    """Add a fragment's events to the bank."""
    pairs = event_frames.pairs(
        fragment,
        exclude_mutual=settings["exclude_mutual"],
        exclude_boundary=settings["exclude_boundary"],
        window=settings["pair_window"],
    )
    if len(pairs["zid"]):
        bank.add_pairs(**pairs)
    cleaned, ate = fragment.events["cleaned"] > 0, fragment.events["ate"]
    if cleaned.any():
        bank.add_cleaners(**event_frames.single_frames(fragment, cleaned))
    if settings["broken_pair"] == "apple" and ate.any():
        bank.add_foragers(**event_frames.single_frames(fragment, ate))
    step, world, agent = np.nonzero(event_frames.neutral_steps(fragment))
    bank.offer_neutrals(len(step), lambda k: fragment.outcome(step[k], world[k], agent[k]))


class FillBanks(ConnectorV2):
    """Learner connector: hand the fragments to the auxiliary terms; the batch is untouched."""

    def __init__(self, auxiliary: Auxiliary) -> None:
        super().__init__()
        self.auxiliary = auxiliary

    @override(ConnectorV2)
    def __call__(self, *, episodes: list[Fragment], batch: dict, **kwargs: Any) -> dict:
        """See the class."""
        self.auxiliary.take_in(episodes)
        return batch


def _rows(column: np.ndarray) -> np.ndarray:
    return column.reshape(-1, *column.shape[3:])
