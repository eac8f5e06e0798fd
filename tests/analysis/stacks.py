"""Hand-made and random stacks of events for the analysis tests."""

from types import SimpleNamespace

import numpy as np


def empty_stack(T, B=1, N=2):
    """A stack in which nothing happens: everyone active, ten apples, no waste, one episode."""
    return SimpleNamespace(
        hit=np.zeros((T, B, N, N), bool),
        distance=np.zeros((T, B, N, N), np.int8),
        cleaned=np.zeros((T, B, N), np.int16),
        ate=np.zeros((T, B, N), bool),
        fired=np.zeros((T, B, N), bool),
        active=np.ones((T, B, N), bool),
        aim=np.zeros((T, B, N), np.int8),
        apple_ctx=np.zeros((T, B, N), bool),
        stock=np.full((T, B), 10, np.int32),
        waste=np.zeros((T, B), np.int32),
        t=np.repeat(np.arange(T, dtype=np.int32)[:, None], B, axis=1),
        g=np.repeat(np.arange(T, dtype=np.int64)[:, None], B, axis=1),
        episode=np.zeros((T, B), np.int64),
        predatory=np.zeros((T, B, N, N), bool),
        retributive=np.zeros((T, B, N, N), bool),
    )


def random_stack(seed, T, B, N, max_steps=7):
    """Arbitrary events (not those of any game), episodes of `max_steps` that start staggered."""
    rng = np.random.default_rng(seed)
    s = empty_stack(T, B, N)
    s.hit = (rng.random((T, B, N, N)) < 0.2) & ~np.eye(N, dtype=bool)
    s.cleaned = rng.integers(0, 3, (T, B, N)).astype(np.int16)
    s.ate, s.fired, s.active = (rng.random((3, T, B, N)) < 0.4).astype(bool)
    s.aim = rng.integers(0, 4, (T, B, N)).astype(np.int8)
    s.stock = rng.integers(0, 3, (T, B)).astype(np.int32)
    s.waste = rng.integers(0, 5, (T, B)).astype(np.int32)
    s.predatory = s.hit & (rng.random(s.hit.shape) < 0.5)
    s.retributive = s.hit & ~s.predatory
    s.g = s.g + rng.integers(0, max_steps, B)
    s.episode, s.t = s.g // max_steps, (s.g % max_steps).astype(np.int32)
    reward = rng.normal(size=(T, B, N)).astype(np.float32)
    return s, reward, s.t == max_steps - 1


def rows_of(stack, part):
    """The stack of some rows of time only."""
    return SimpleNamespace(**{k: v[part] for k, v in vars(stack).items()})


def joined(*stacks, axis):
    """Stacks one after the other, in time (axis 0) or as further worlds (axis 1)."""
    names = vars(stacks[0])
    return SimpleNamespace(
        **{k: np.concatenate([getattr(s, k) for s in stacks], axis=axis) for k in names}
    )
