"""What a step reports: events as arrays, role labels, and the identity of a zap.

Shape legend: B worlds, N agents; every function also takes further leading axes, so a stack of T
steps, (T, B, N) and (T, B, N, N), works as it is.  All fields speak about one transition t:
the frame o_t, the joint action a_t, the outcome frame o_{t+1}.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from karma_rllib.worlds.rng import fold_words

NEUTRAL, AGGRESSOR, VICTIM, CLEANER, IGNORE = 0, 1, 2, 3, -100
ROLE_NAMES = ("neutral", "aggressor", "victim", "cleaner")

ASKED, SEEN, RIGHT_PAD, WRONG_PAD = 1, 2, 4, 8  # bits of `Events.match`


class Events(NamedTuple):
    """One transition of B worlds; the arrays are overwritten by the world's next step."""

    hit: np.ndarray  # i zapped j, bool (B, N, N)
    distance: np.ndarray  # cells from i to j along the beam, 0 where no hit, int8 (B, N, N)
    cleaned: np.ndarray  # waste cells that i removed, int16 (B, N)
    ate: np.ndarray  # i ate an apple, bool (B, N)
    fired: np.ndarray  # i fired a shot, bool (B, N)
    active: np.ndarray  # i could act at o_t (was not frozen), bool (B, N)
    aim: np.ndarray  # what a shot from o_t would meet first, int8 (B, N): 0 nothing, 1 active
    #                  rival, 2 waste, 3 frozen rival
    aim_agent: np.ndarray  # whom it would meet, active or frozen, -1 for nobody, int8 (B, N)
    apple_ctx: np.ndarray  # an apple in the 5x5 around i after the moves, bool (B, N)
    stock: np.ndarray  # apples on the map after the step, int32 (B,)
    waste: np.ndarray  # waste cells on the map after the step, int32 (B,)
    t: np.ndarray  # step index in the episode of this transition, int32 (B,)
    g: np.ndarray  # env-steps of this world's life before it, int64 (B,)
    episode: np.ndarray  # episodes of this world before this one, int64 (B,)
    predatory: np.ndarray  # a hit on one who owed nothing, bool (B, N, N); filled by society
    retributive: np.ndarray  # a hit on a debtor, bool (B, N, N); filled by society
    aim_debtor: np.ndarray  # the active rival in i's line owes i, bool (B, N); by society
    debt: np.ndarray  # sum of all debts after the step [zaps], float32 (B,); by society
    debt_made: np.ndarray  # debt that this step made [zaps], float32 (B,); by society
    debt_paid: np.ndarray  # debt that this step paid [zaps], float32 (B,); by society
    chance_retributive: np.ndarray  # retributive hits to expect had every victim been hit by
    #                  any other agent, all alike likely, float32 (B,); by society
    rigged: np.ndarray  # the matchmaker placed i this episode, int8 (B, N): 0 no, 1 as a
    #                     creditor, 2 as a debtor; filled by society
    pairs_wanted: np.ndarray  # pairs it chose for this episode, on the row t = 0, int8 (B,)
    pairs_rigged: np.ndarray  # and those it could place, on the row t = 0, int8 (B,)
    match: np.ndarray  # what the step decided in the match world, bits, uint8 (B, N): 1 the agent
    #                    is asked for the colour, 2 it has seen the cue (with 1), 4 it stepped on
    #                    the right pad, 8 on a wrong one
    raw_reward: np.ndarray  # reward before relatives share it, float32 (B, N); this and all that
    #                         follow are filled by society; i's kin are weighed by K[i, j]
    hit_kin: np.ndarray  # sum of K over the hits of the step, float32 (B,)
    hit_kin_chance: np.ndarray  # the same had each met any other agent, float32 (B,)
    hit_own: np.ndarray  # hits on own kin, K >= 0.5, int16 (B,)
    gift_kin: np.ndarray  # sum of K over the gifts of the step, float32 (B,)
    gift_kin_chance: np.ndarray  # the same had each gone to any other agent, float32 (B,)
    gifts: np.ndarray  # gifts received, int16 (B,)


class StepOut(NamedTuple):
    """Result of one step."""

    obs: dict[str, np.ndarray]  # "grid" uint8 (B, N, H, W, C), "vec" float32 (B, N, D)
    reward: np.ndarray  # float32 (B, N), overwritten by the next step
    truncated: np.ndarray  # the episode ended here, bool (B,), overwritten by the next step
    events: Events


def allocate_events(num_worlds: int, num_agents: int) -> Events:
    """Zeroed events of B worlds with N agents."""
    B, N = num_worlds, num_agents
    return Events(
        hit=np.zeros((B, N, N), np.bool_),
        distance=np.zeros((B, N, N), np.int8),
        cleaned=np.zeros((B, N), np.int16),
        ate=np.zeros((B, N), np.bool_),
        fired=np.zeros((B, N), np.bool_),
        active=np.zeros((B, N), np.bool_),
        aim=np.zeros((B, N), np.int8),
        aim_agent=np.full((B, N), -1, np.int8),
        apple_ctx=np.zeros((B, N), np.bool_),
        stock=np.zeros(B, np.int32),
        waste=np.zeros(B, np.int32),
        t=np.zeros(B, np.int32),
        g=np.zeros(B, np.int64),
        episode=np.zeros(B, np.int64),
        predatory=np.zeros((B, N, N), np.bool_),
        retributive=np.zeros((B, N, N), np.bool_),
        aim_debtor=np.zeros((B, N), np.bool_),
        debt=np.zeros(B, np.float32),
        debt_made=np.zeros(B, np.float32),
        debt_paid=np.zeros(B, np.float32),
        chance_retributive=np.zeros(B, np.float32),
        rigged=np.zeros((B, N), np.int8),
        pairs_wanted=np.zeros(B, np.int8),
        pairs_rigged=np.zeros(B, np.int8),
        match=np.zeros((B, N), np.uint8),
        raw_reward=np.zeros((B, N), np.float32),
        hit_kin=np.zeros(B, np.float32),
        hit_kin_chance=np.zeros(B, np.float32),
        hit_own=np.zeros(B, np.int16),
        gift_kin=np.zeros(B, np.float32),
        gift_kin_chance=np.zeros(B, np.float32),
        gifts=np.zeros(B, np.int16),
    )


@lru_cache
def _kind(names: tuple[str, ...]) -> Any:
    return namedtuple("WorldEvents", names)


def bundle(arrays: Mapping[str, np.ndarray]) -> Events:
    """Events from their arrays by name; fields that only their world has are attributes too."""
    names = tuple(arrays)
    return Events(**arrays) if names == Events._fields else _kind(names)(**arrays)


def mutual(events: Events) -> np.ndarray:
    """Pairs that zapped each other in the same step, bool (..., N, N)."""
    return events.hit & events.hit.swapaxes(-1, -2)


def _roles(events: Events, frozen: np.ndarray) -> np.ndarray:
    """Label agents by VICTIM > AGGRESSOR > CLEANER > NEUTRAL, IGNORE where frozen and not hit."""
    victim, aggressor = events.hit.any(axis=-2), events.hit.any(axis=-1)
    role = np.where(frozen, IGNORE, NEUTRAL)
    role = np.where((events.cleaned > 0) & ~frozen, CLEANER, role)
    role = np.where(aggressor & ~frozen, AGGRESSOR, role)
    return np.where(victim, VICTIM, role).astype(np.int8)


def outcome_roles(events: Events, frozen_next: np.ndarray) -> np.ndarray:
    """Role labels of the outcome frames o_{t+1}.

    Args:
        events: events of transition t, fields (..., N).
        frozen_next: agents that cannot act at o_{t+1}, bool (..., N) (`world.frozen` after the
            step; in a stack, `~active` of the next row).

    Returns:
        int8 (..., N) of NEUTRAL, AGGRESSOR, VICTIM, CLEANER, IGNORE.  The first frame of an episode
        is the outcome of nothing: callers label it IGNORE.
    """
    return _roles(events, np.asarray(frozen_next, np.bool_))


def decision_roles(events: Events) -> np.ndarray:
    """Role labels of the decision frames o_t, int8 (..., N): what the coming step makes of i."""
    return _roles(events, ~events.active)


def zap_id(
    uid: npt.ArrayLike, g: npt.ArrayLike, i: npt.ArrayLike, j: npt.ArrayLike
) -> npt.NDArray[np.int64]:
    """Identity of the zap of i on j at env-step g of world uid, int64 >= 0.

    The four arguments broadcast.  Both frames of one zap carry the same id, so it groups them in
    cross-validation.  It is a hash of 63 bits: two of a million zaps collide with probability
    below 1e-7.
    """
    words = np.broadcast_arrays(*(np.asarray(x, np.int64) for x in (uid, g, i, j)))
    keys = fold_words(np.stack([word.ravel() for word in words]))
    return (keys >> np.uint64(1)).astype(np.int64).reshape(words[0].shape)
