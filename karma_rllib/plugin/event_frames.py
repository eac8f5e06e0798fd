"""From a fragment to the frames of its social events, for the learner's bank.

Shapes: P pairs of one aggressor and one victim, F single frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karma_rllib.plugin.fragment import Fragment
from karma_rllib.worlds.events import (
    IGNORE,
    NEUTRAL,
    bundle,
    decision_roles,
    outcome_roles,
    zap_id,
)

Frames = dict[str, np.ndarray]

# Columns that say who was what in each frame, in the order `nets.in_batch.InBatch` takes them.
LABELS = ("role_decision", "role_outcome", "zid_decision", "zid_outcome")


def pairs(
    fragment: Fragment,
    *,
    exclude_mutual: bool = True,
    exclude_boundary: bool = True,
    window: int = 1,
) -> dict[str, Any]:
    """Both sides of every hit, before and after it.

    Args:
        fragment: the data.
        exclude_mutual: leave out hits that were returned in the same step: there, each
            frame shows both roles.
        exclude_boundary: leave out hits on an episode's last step.
        window: also pair the k-th frames after the hit, k < window, within the episode.

    Returns:
        `agg_dec`, `agg_out`, `vic_dec`, `vic_out` frames (P, ...), `zid` int64 (P,) (both
        sides of a hit share it), `uid` int64 (P,), `weight` float32 (P,) (1 / victims of
        that shot), and `agg_state`, `vic_state` if the fragment keeps recurrent states.
    """
    hit = fragment.events["hit"]
    victims = hit.sum(-1)  # (T, W, N)
    wanted = hit & ~(hit & hit.swapaxes(-1, -2)) if exclude_mutual else hit
    if exclude_boundary:
        wanted = wanted & ~fragment.truncated[:, :, None, None]
    t, w, i, j = np.nonzero(wanted)
    shot = np.stack([t, w, i, j])
    parts = [_pair_rows(fragment, shot, victims, later) for later in range(window)]
    return _join(parts)


def _pair_rows(fragment: Fragment, shot: np.ndarray, victims: np.ndarray, later: int) -> dict:
    """Pairs whose outcome frames lie `later` steps further on, while the episode lasts."""
    t, w, i, j = shot[:, _alive(fragment, shot[0], shot[1], later)]
    rows = {
        "agg_dec": fragment.decision(t, w, i),
        "vic_dec": fragment.decision(t, w, j),
        "agg_out": fragment.outcome(t + later, w, i),
        "vic_out": fragment.outcome(t + later, w, j),
        "zid": zap_id(fragment.uid[w], fragment.events["g"][t, w], i, j),
        "uid": fragment.uid[w],
        "weight": (1.0 / victims[t, w, i]).astype(np.float32),
    }
    if fragment.states:
        after = t + later + 1
        rows["agg_state"] = {key: s[after, w, i] for key, s in fragment.states.items()}
        rows["vic_state"] = {key: s[after, w, j] for key, s in fragment.states.items()}
    return rows


def _alive(fragment: Fragment, t: np.ndarray, w: np.ndarray, later: int) -> np.ndarray:
    ok = t + later < len(fragment.reward)
    for k in range(later):
        ok &= ~fragment.truncated[np.minimum(t + k, len(fragment.reward) - 1), w]
    return ok


def _join(parts: list[dict]) -> dict:
    return {
        key: _join([part[key] for part in parts])
        if isinstance(parts[0][key], dict)
        else np.concatenate([part[key] for part in parts])
        for key in parts[0]
    }


def single_frames(fragment: Fragment, chosen: np.ndarray) -> dict[str, Frames]:
    """Decision and outcome frames of chosen agent-steps.

    Args:
        fragment: the data.
        chosen: bool (T, W, N).

    Returns:
        {"dec": frames (F, ...), "out": frames (F, ...)}.
    """
    t, w, i = np.nonzero(chosen)
    return {"dec": fragment.decision(t, w, i), "out": fragment.outcome(t, w, i)}


def neutral_steps(fragment: Fragment) -> np.ndarray:
    """Agent-steps in which the agent could act and nothing social happened; bool (T, W, N)."""
    events = bundle(fragment.events)
    return (decision_roles(events) == NEUTRAL) & events.active & ~events.fired


def labels(fragment: Fragment) -> dict[str, np.ndarray]:
    """Who was what in each frame o_0..o_{T-1}: the columns `LABELS`, (T, W, N).

    The outcome label of a frame tells of the step before it; a fragment's first frame and an
    episode's first frame have none.
    """
    events = bundle(fragment.events)
    chosen = decision_roles(events)
    frozen_next = np.concatenate([~events.active[1:], np.zeros_like(events.active[:1])])
    effect = outcome_roles(events, frozen_next)
    fired, got = _zaps(fragment)
    took_part = np.where(got >= 0, got, fired)
    fresh = np.concatenate([np.ones_like(fragment.truncated[:1]), fragment.truncated[:-1]])

    def shift(column: np.ndarray, empty: int) -> np.ndarray:
        later = np.concatenate([np.full_like(column[:1], empty), column[:-1]])
        return np.where(fresh[:, :, None], empty, later)

    columns = (chosen, shift(effect, IGNORE), fired, shift(took_part, -1))
    return dict(zip(LABELS, columns, strict=True))


def _zaps(fragment: Fragment) -> tuple[np.ndarray, np.ndarray]:
    """Identity of the zap each agent landed and of the one it received, -1 for none."""
    hit = fragment.events["hit"]
    t, w, i, j = np.nonzero(hit)
    zid = zap_id(fragment.uid[w], fragment.events["g"][t, w], i, j)
    landed, received = np.full((2, *hit.shape[:3]), -1, np.int64)
    landed[t, w, i] = zid
    received[t, w, j] = zid
    return landed, received
