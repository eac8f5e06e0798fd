"""Probes that are cheap enough to run while training, every few iterations.

They ask of the fragments at hand what `karma probe` asks of a checkpoint, with fewer zaps and
without intervals. Nothing is kept, drawn or computed in the iterations between.

Shapes: T env-steps, W worlds, N agents, P zaps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.utils.annotations import override

from karma_rllib.analysis import linear
from karma_rllib.nets.diagnostics import closeness, spread
from karma_rllib.nets.mirror import latents
from karma_rllib.nets.net import MirrorNet
from karma_rllib.plugin.fragment import Fragment

MOST = 512  # zaps that are looked at
_STREAM = 2  # of the learner's generator; 1 is the event bank's


class CheapProbes:
    """P1, P4 and P5 on the zaps of one iteration.

    Args:
        every: period [iterations]; 0: never.
        seed: of the run.
        learner: index of the learner.

    Attributes:
        iteration: where the run stands; the caller sets it.
    """

    def __init__(self, every: int, seed: int = 0, learner: int = 0) -> None:
        self.every, self.seed = every, (seed, learner, _STREAM)
        self.iteration = 0
        self._seen: dict[str, Any] = {}

    def connectors(self) -> list[ConnectorV2]:
        """What the learner's pipeline needs for it: nothing if it never runs."""
        return [ShowZaps(self)] if self.every else []

    def take_in(self, fragments: list[Fragment]) -> None:
        """Set the zaps of these fragments aside, if it is time."""
        self._seen = {}
        if not self.every or self.iteration % self.every:
            return
        parts = [_zaps(fragment, k) for k, fragment in enumerate(fragments)]
        total = sum(len(part["episode"]) for part in parts)
        rng = np.random.default_rng(np.random.SeedSequence((*self.seed, self.iteration)))
        rows = np.sort(rng.choice(total, min(MOST, total), replace=False))
        _, episode = np.unique(np.concatenate([p["episode"] for p in parts]), return_inverse=True)
        self._seen = {
            "total": total,
            "gap": np.concatenate([part["gap"] for part in parts])[rows],
            "episode": episode[rows],
            **{
                side: {
                    key: np.concatenate([part[side][key] for part in parts])[rows]
                    for key in ("grid", "vec")
                }
                for side in ("attacker", "victim")
            },
        }

    def measure(self, net: MirrorNet) -> dict[str, float]:
        """What the network makes of the zaps set aside; {} where it is not time.

        Returns:
            `zaps`, and as far as there are zaps enough: `dv_out` (mean V of attackers minus V of
            their victims after the hit, as the acting network saw them) [reward], `align_ratio`
            and `effective_rank` (see `nets.diagnostics`) of the two sides' latents, `auroc_z` (see
            `analysis.linear`).
        """
        if not self._seen:
            return {}
        seen, self._seen = self._seen, {}
        found = {"zaps": float(seen["total"])}
        if len(seen["gap"]) < 2:
            return found
        with torch.no_grad():
            left, right = latents(net, [seen["attacker"], seen["victim"]])
            found["dv_out"] = float(seen["gap"].mean())
            found["align_ratio"] = closeness(left, right)["align_ratio"]
            found["effective_rank"] = spread(torch.cat([left, right]))["effective_rank"]
        a, v = (side.float().cpu().numpy() for side in (left, right))
        area = linear.grouped(a, v, seen["episode"])
        return found | ({"auroc_z": area} if np.isfinite(area) else {})


class ShowZaps(ConnectorV2):
    """Learner connector: show the fragments to the probes; the batch is untouched."""

    def __init__(self, probes: CheapProbes) -> None:
        super().__init__()
        self.probes = probes

    @override(ConnectorV2)
    def __call__(self, *, episodes: list[Fragment], batch: dict, **kwargs: Any) -> dict:
        """See the class."""
        self.probes.take_in(episodes)
        return batch


def _zaps(fragment: Fragment, k: int) -> dict[str, Any]:
    """Both frames after every hit that was not returned and did not end the episode.

    Returns:
        `attacker` and `victim` frames (P, ...), `gap` of their values (P,), `episode` (P,), a
        number made of the fragment, the world, and how many episodes had ended there before.
    """
    hit = fragment.events["hit"]
    wanted = hit & ~hit.swapaxes(-1, -2) & ~fragment.truncated[:, :, None, None]
    t, w, i, j = np.nonzero(wanted)
    ended = np.cumsum(fragment.truncated, axis=0)[t, w]
    after = (fragment.outcome_value(t, w, agent) for agent in (i, j))
    return {
        "attacker": fragment.outcome(t, w, i),
        "victim": fragment.outcome(t, w, j),
        "gap": np.subtract(*after).astype(np.float64),
        "episode": (k << 48) + (w.astype(np.int64) << 24) + ended,
    }
