"""Hand-made and random stacks of events for the analysis tests."""

import numpy as np

from karma_rllib.worlds.events import Events


def empty_stack(T, B=1, N=2):
    """A stack in which nothing happens: everyone active, ten apples, no waste, one episode."""
    return Events(
        hit=np.zeros((T, B, N, N), bool),
        distance=np.zeros((T, B, N, N), np.int8),
        cleaned=np.zeros((T, B, N), np.int16),
        ate=np.zeros((T, B, N), bool),
        fired=np.zeros((T, B, N), bool),
        active=np.ones((T, B, N), bool),
        aim=np.zeros((T, B, N), np.int8),
        aim_agent=np.full((T, B, N), -1, np.int8),
        apple_ctx=np.zeros((T, B, N), bool),
        stock=np.full((T, B), 10, np.int32),
        waste=np.zeros((T, B), np.int32),
        t=np.repeat(np.arange(T, dtype=np.int32)[:, None], B, axis=1),
        g=np.repeat(np.arange(T, dtype=np.int64)[:, None], B, axis=1),
        episode=np.zeros((T, B), np.int64),
        predatory=np.zeros((T, B, N, N), bool),
        retributive=np.zeros((T, B, N, N), bool),
        aim_debtor=np.zeros((T, B, N), bool),
        debt=np.zeros((T, B), np.float32),
        debt_made=np.zeros((T, B), np.float32),
        debt_paid=np.zeros((T, B), np.float32),
        chance_retributive=np.zeros((T, B), np.float32),
        rigged=np.zeros((T, B, N), np.int8),
        pairs_wanted=np.zeros((T, B), np.int8),
        pairs_rigged=np.zeros((T, B), np.int8),
        match=np.zeros((T, B, N), np.uint8),
        raw_reward=np.zeros((T, B, N), np.float32),
        hit_kin=np.zeros((T, B), np.float32),
        hit_kin_chance=np.zeros((T, B), np.float32),
        hit_own=np.zeros((T, B), np.int16),
        gift_kin=np.zeros((T, B), np.float32),
        gift_kin_chance=np.zeros((T, B), np.float32),
        gifts=np.zeros((T, B), np.int16),
    )


def random_stack(seed, T, B, N, max_steps=7):
    """Arbitrary events (not those of any game), episodes of `max_steps` that start staggered."""
    rng = np.random.default_rng(seed)
    hit = (rng.random((T, B, N, N)) < 0.2) & ~np.eye(N, dtype=bool)
    cleaned = rng.integers(0, 3, (T, B, N)).astype(np.int16)
    ate, fired, active = rng.random((3, T, B, N)) < 0.4
    aim = rng.integers(0, 4, (T, B, N)).astype(np.int8)
    stock = rng.integers(0, 3, (T, B)).astype(np.int32)
    waste = rng.integers(0, 5, (T, B)).astype(np.int32)
    predatory = hit & (rng.random(hit.shape) < 0.5)
    g = np.arange(T, dtype=np.int64)[:, None] + rng.integers(0, max_steps, B)
    t = (g % max_steps).astype(np.int32)
    stack = empty_stack(T, B, N)._replace(
        hit=hit,
        cleaned=cleaned,
        ate=ate,
        fired=fired,
        active=active,
        aim=aim,
        stock=stock,
        waste=waste,
        predatory=predatory,
        retributive=hit & ~predatory,
        g=g,
        t=t,
        episode=g // max_steps,
        aim_debtor=(aim == 1) & (rng.random(aim.shape) < 0.5),
        debt=rng.random((T, B), np.float32),
        debt_made=rng.random((T, B), np.float32),
        debt_paid=rng.random((T, B), np.float32),
        chance_retributive=rng.random((T, B), np.float32),
        rigged=rng.integers(0, 3, (T, B, N)).astype(np.int8),
        pairs_wanted=rng.integers(0, 3, (T, B)).astype(np.int8),
        pairs_rigged=rng.integers(0, 2, (T, B)).astype(np.int8),
        match=rng.integers(0, 16, (T, B, N)).astype(np.uint8),
        hit_kin=rng.random((T, B), np.float32),
        hit_kin_chance=rng.random((T, B), np.float32),
        hit_own=rng.integers(0, 3, (T, B)).astype(np.int16),
        gift_kin=rng.random((T, B), np.float32),
        gift_kin_chance=rng.random((T, B), np.float32),
        gifts=rng.integers(0, 3, (T, B)).astype(np.int16),
    )
    return stack, rng.normal(size=(T, B, N)).astype(np.float32), t == max_steps - 1


def rows_of(stack, part):
    """The stack of some rows of time only."""
    return Events(*(column[part] for column in stack))


def joined(*stacks, axis):
    """Stacks one after the other, in time (axis 0) or as further worlds (axis 1)."""
    return Events(*(np.concatenate(columns, axis=axis) for columns in zip(*stacks, strict=True)))
