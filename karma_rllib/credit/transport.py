"""Charge recalled crimes with the harm that their punishment did.

    Delta_m = alpha f w_m D                                                                   (1)

for each slot m that a punishment of harm D was traced to with share w_m; f is 1, or the contrast
factor. Where the crime lies in this fragment, Delta joins the reward of its step, before
advantages and deliberately across episode ends: a reset cuts returns, not guilt. A crime of an
earlier fragment, whose data the learner has spent, goes to the retroactive policy term with its
snapshot. Two attackers in one step are two punishments, each of which hands out its own Delta.

This is a tax on having zapped j, collected when j zaps back: a past crime is blamed whether or not
it caused the punishment. The placebos and the contrast are there to tell.

A placebo computes the same Delta, limits included, from the same crimes and then charges something
else with the sum of it; where there is nothing to charge, nothing is and `unplaced` counts it.
`shuffle` draws an own crime against another agent than the punisher, past the exclusion window;
`random_time` draws an own active step without a zap from the fragment's earlier ones of the same
world, past the exclusion window too. Draws depend on (seed, world, env-step, pair) alone.

Shapes: T env-steps, W worlds, N agents, P punishments, k slots of each, R retroactive shares.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from karma_rllib.credit.harm import harm, usual_value
from karma_rllib.credit.recall import Links, Recall
from karma_rllib.credit.snapshots import Snapshots

NOTHING, NOW, RETRO, LOST, STALE, UNPLACED = range(6)
NEVER = np.iinfo(np.int64).max


class Retro(NamedTuple):
    """Shares that go to crimes of earlier fragments, one row per (punishment, crime)."""

    world: np.ndarray  # int64 (R,)
    agent: np.ndarray  # who did it, int64 (R,)
    snap: np.ndarray  # snapshot of the decision, int64 (R,)
    delta: np.ndarray  # [reward], float32 (R,)
    age: np.ndarray  # fragments since, int64 (R,)


class Transport(NamedTuple):
    """What one fragment's punishments change."""

    delta: np.ndarray  # to be added to the rewards, float32 (T, W, N) [reward]
    retro: Retro
    sums: dict[str, float]  # counts and totals, see `transport`


def transport(
    recall: Recall,
    links: Links,
    *,
    reward: np.ndarray,
    value: np.ndarray,
    last_value: np.ndarray,
    truncated: np.ndarray,
    final_value: np.ndarray,
    hit: np.ndarray,
    active: np.ndarray,
    g: np.ndarray,
    timeout: int,
    gamma: float,
    snapshots: Snapshots | None = None,
) -> Transport:
    """Turn the punishments of a fragment into charges; call it once, before new snapshots.

    It writes the blame of the crimes and the agents' usual values into `recall`. The usual value
    that `gap` compares with is the one before this fragment, in the first fragment its own.

    Args:
        recall: the memory, at the end of the fragment.
        links: `recall.links()`.
        reward: float (T, W, N) [reward].
        value: V(o_t), float (T, W, N) [reward].
        last_value: V(o_T), float (W, N).
        truncated: the episode ended after the step, bool (T, W).
        final_value: V of the final observation where truncated, float (T, W, N).
        hit: i zapped j, bool (T, W, N, N).
        active: could act, bool (T, W, N).
        g: env-steps of each world's life before the step, int64 (T, W).
        timeout: length of the freeze [env-steps]; harm looks one step further.
        gamma: discount per env-step.
        snapshots: where earlier crimes are shown; None: they are lost.

    Returns:
        The charges. Their sums: `punishments` (hits received), `crimes` (hits dealt, the same
        number), `linked` (punishments traced to a crime), `links` (crimes they were traced to),
        `blamed` (of those, the ones charged), `harm` (all D) [reward], `transported` (charged in
        all) = `transported_now` (in this fragment) + `transported_retro` [reward], `capped` (kept
        back by the blame cap) [reward], `retro_samples` (retroactive shares), `retro_lost` (shares
        without a snapshot: evicted or never taken), `retro_stale` (shares too old), `unplaced`
        (placebos that found nothing to charge).
    """
    params = recall.params
    before = recall.usual
    recall.usual = usual_value(before, value, active)
    loss = harm(
        params.harm,
        params.harm_max,
        (links.step, links.world, links.victim),
        reward=reward,
        value=value,
        last_value=last_value,
        truncated=truncated,
        final_value=final_value,
        usual=np.where(np.isnan(before), recall.usual, before),
        gamma=gamma,
        horizon=timeout + 1,
    )
    with_retro = params.retro and snapshots is not None
    delta = np.zeros(reward.shape)
    kind, amount, kept = share_out(
        recall,
        links,
        np.asarray(g[0], np.int64),
        loss,
        oldest=snapshots.oldest if with_retro and snapshots else NEVER,
        delta=delta,
    )
    retro = _retro(recall, links, kind, amount)
    return Transport(delta.astype(np.float32), retro, _sums(links, hit, loss, kind, amount, kept))


def share_out(
    recall: Recall,
    links: Links,
    g0: np.ndarray,
    loss: np.ndarray,
    *,
    oldest: int,
    delta: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equation (1), the limits, and where each share goes.

    A crime is charged with `blame_cap` at most, in either sign: the last share that reaches it is
    cut. Only what is delivered counts as blame.

    Args:
        recall: its bank's blame is updated.
        links: of the fragment.
        g0: env-step of each world at row 0, int64 (W,).
        loss: D, float64 (P,) [reward].
        oldest: first snapshot still held.
        delta: receives the charges of this fragment, float64 (T, W, N).

    Returns:
        What became of each share, int8 (P, k); how much was charged, float64 (P, k) [reward];
        what the cap kept back, float64 (P,) [reward]. With a placebo column 0 stands for all.
    """
    params, shape = recall.params, links.event.shape
    kind, amount = np.zeros(shape, np.int8), np.zeros(shape)
    kept = np.zeros(shape[0])
    crime, at, blame = _crimes(links)
    _share_out(
        *(links, g0, loss * links.factor * params.alpha, crime, blame),
        *(float(params.blame_cap), params.placebo != "none"),
        *(recall.fragment - params.retro_max_age, oldest, delta, kind, amount, kept),
    )
    bank, slots = recall.bank, params.memory_slots
    held = at[2] >= bank.events[tuple(at[:2])] - slots  # else the ring has overwritten it
    world, agent, event = at[:, held]
    bank.blame[world, agent, event % slots] = blame[held]
    return kind, amount, kept


def _crimes(links: Links) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct events that links lead to.

    Returns:
        Row of each link's event in the other two, int64 (P, k), -1 for none; world, agent and
        number of each event, int64 (3, U); its blame before the fragment, float64 (U,) [reward].
    """
    p, m = np.nonzero(links.event >= 0)
    key = np.stack([links.world[p], links.victim[p], links.event[p, m]])
    at, one, row = np.unique(key, axis=1, return_index=True, return_inverse=True)
    crime = np.full(links.event.shape, -1)
    crime[p, m] = row.reshape(-1)
    return crime, at, links.blame[p[one], m[one]].astype(np.float64)


@njit(cache=True)
def _route(g: int, fragment: int, snap: int, g0: int, first: int, oldest: int) -> int:
    """Where a share for a step of env-step g goes."""
    if g >= g0:
        return NOW
    if fragment < first:
        return STALE
    return RETRO if snap >= oldest else LOST


@njit(cache=True)
def _room(wanted: float, borne: float, cap: float) -> float:
    """As much of `wanted` as keeps the blame within [-cap, cap]."""
    if wanted < 0:
        return max(wanted, min(0.0, -cap - borne))
    return min(wanted, max(0.0, cap - borne))


@njit(cache=True)
def _share_out(
    links: Links,
    g0: np.ndarray,
    sent: np.ndarray,
    crime: np.ndarray,
    blame: np.ndarray,
    cap: float,
    placebo: bool,
    first: int,
    oldest: int,
    delta: np.ndarray,
    kind: np.ndarray,
    amount: np.ndarray,
    kept: np.ndarray,
) -> None:
    """The loop of `share_out`.

    `sent` is alpha f D (P,), `crime` and `blame` as from `_crimes`, `first` the oldest fragment
    in use; `blame`, `delta`, `kind`, `amount`, `kept` are written.
    """
    P, k = kind.shape
    for p in range(P):
        if not links.linked[p]:
            continue
        w, v = links.world[p], links.victim[p]
        for m in range(k):
            c = crime[p, m]
            if c < 0:
                break
            into = 0 if placebo else m
            if placebo:
                g, fragment, snap = links.instead[p]
            else:
                g, fragment, snap = links.g[p, m], links.fragment[p, m], links.snap[p, m]
            kind[p, into] = _route(g, fragment, snap, g0[w], first, oldest) if g >= 0 else UNPLACED
            if kind[p, into] > RETRO:
                continue
            wanted = sent[p] * np.float64(links.weight[p, m])
            share = _room(wanted, blame[c], cap)
            blame[c] += share
            kept[p] += wanted - share
            amount[p, into] += share
            if kind[p, into] == NOW:
                delta[g - g0[w], w, v] += share


def _retro(recall: Recall, links: Links, kind: np.ndarray, amount: np.ndarray) -> Retro:
    """The shares for earlier fragments that are not 0."""
    p, m = np.nonzero((kind == RETRO) & (amount != 0))
    if recall.params.placebo == "none":
        fragment, snap = links.fragment[p, m], links.snap[p, m]
    else:
        fragment, snap = links.instead[p, 1], links.instead[p, 2]
    return Retro(
        world=links.world[p],
        agent=links.victim[p],
        snap=snap,
        delta=amount[p, m].astype(np.float32),
        age=recall.fragment - fragment,
    )


def _sums(
    links: Links,
    hit: np.ndarray,
    loss: np.ndarray,
    kind: np.ndarray,
    amount: np.ndarray,
    kept: np.ndarray,
) -> dict[str, float]:
    now, late = kind == NOW, kind == RETRO
    sums = {
        "punishments": len(links.step),
        "linked": links.linked.sum(),
        "links": (links.event >= 0).sum(),
        "blamed": (amount != 0).sum(),
        "crimes": np.count_nonzero(hit),
        "harm": loss.sum(),
        "transported": amount.sum(),
        "transported_now": amount[now].sum(),
        "transported_retro": amount[late].sum(),
        "capped": kept.sum(),
        "retro_samples": (late & (amount != 0)).sum(),
        "retro_lost": (kind == LOST).sum(),
        "retro_stale": (kind == STALE).sum(),
        "unplaced": (kind == UNPLACED).sum(),
    }
    return {key: float(x) for key, x in sums.items()}
