"""Counter-based random numbers: every draw is a pure function of where it is used.

A draw is addressed by (run seed, world uid, counter, stream, index).  Nothing is stored and nothing
is consumed in order, so world k lives the same life whatever the batch size, the thread count or
the process, and two conditions of one experiment can share the same exogenous noise.

    key    = fold(fold(0, seed), uid)                      one per world
    stream = fold(fold(key, counter), stream)              one per (step or episode, purpose)
    draw_i = mix64(stream + (i + 1) * GOLDEN)              i-th number of the stream

`mix64` is the output function of SplitMix64, so `draw_0, draw_1, ...` is the SplitMix64 sequence
started at `stream`.  All arithmetic is modulo 2**64.

References:
    Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MUL_1 = np.uint64(0xBF58476D1CE4E5B9)
MUL_2 = np.uint64(0x94D049BB133111EB)
S11, S27, S30, S31, S32 = (np.uint64(n) for n in (11, 27, 30, 31, 32))
ONE, ZERO, LOW_32 = np.uint64(1), np.uint64(0), np.uint64(0xFFFFFFFF)
TO_UNIT, FROM_UNIT = 2.0**-53, 2.0**53  # a 53-bit integer times the first is in [0, 1)
USER_STREAMS = 1 << 16  # streams of `uniforms` start here, those of the worlds stay below


@njit(inline="always")
def mix64(z: Any) -> Any:
    """Scramble one 64-bit integer (the SplitMix64 finaliser)."""
    z = (z ^ (z >> S30)) * MUL_1
    z = (z ^ (z >> S27)) * MUL_2
    return z ^ (z >> S31)


@njit(inline="always")
def fold(key: Any, word: Any) -> Any:
    """Fold one 64-bit word into a key."""
    return mix64(key ^ mix64(word + GOLDEN))


@njit(inline="always")
def world_key(seed: Any, uid: Any) -> Any:
    """Key of one world, uint64, from the run seed and the world's uid."""
    return fold(fold(ZERO, np.uint64(seed)), np.uint64(uid))


@njit(inline="always")
def stream_key(key: Any, counter: Any, stream: Any) -> Any:
    """Key of one stream, uint64: `counter` is an env-step or an episode, `stream` the purpose."""
    return fold(fold(key, np.uint64(counter)), np.uint64(stream))


@njit(inline="always")
def bits(stream: Any, i: Any) -> Any:
    """Number i of a stream, uint64."""
    return mix64(stream + (np.uint64(i) + ONE) * GOLDEN)


@njit(inline="always")
def unit(stream: Any, i: Any) -> Any:
    """Number i of a stream as a float64 in [0, 1)."""
    return np.float64(bits(stream, i) >> S11) * TO_UNIT


@njit(inline="always")
def below(stream: Any, i: Any, n: Any) -> Any:
    """Number i of a stream as an integer in [0, n), 1 <= n < 2**31 (bias below 2**-32 n)."""
    return np.int64(((bits(stream, i) >> S32) * np.uint64(n)) >> S32)


@njit(cache=True)
def _fill_uniforms(seed: int, uid: np.ndarray, g: np.ndarray, stream: int, out: np.ndarray) -> None:
    """Write row b of `out` (B, n) from the stream of (seed, uid[b], g[b])."""
    for b in range(out.shape[0]):
        sk = stream_key(world_key(seed, uid[b]), g[b], stream)
        for i in range(out.shape[1]):
            out[b, i] = unit(sk, i)


@njit(cache=True)
def world_keys(seed: int, uid: np.ndarray) -> np.ndarray:
    """Keys of many worlds, uint64 (B,), from the run seed and their uids int64 (B,)."""
    out = np.empty(uid.shape[0], np.uint64)
    for b in range(uid.shape[0]):
        out[b] = world_key(seed, uid[b])
    return out


@njit(cache=True)
def fold_words(words: np.ndarray) -> np.ndarray:
    """Hash the columns of `words`, int64 (K, M), into one uint64 each, (M,)."""
    out = np.zeros(words.shape[1], np.uint64)
    for m in range(words.shape[1]):
        for k in range(words.shape[0]):
            out[m] = fold(out[m], np.uint64(words[k, m]))
    return out


def uniforms(seed: int, uid: np.ndarray, g: np.ndarray, n: int, stream: int = 0) -> np.ndarray:
    """Uniform numbers that belong to a world and a moment, not to a process.

    The same counter generator that drives the worlds, on streams that they never touch: a policy
    that samples its actions from `uniforms(seed, world.uid, events.g, N)` acts the same in every
    batch, thread and process.

    Args:
        seed: run seed, 0 <= seed < 2**63.
        uid: uid of each world, integer (B,).
        g: counter of each world, usually its env-step, integer (B,).
        n: how many numbers per world.
        stream: which of the caller's own streams, 0 <= stream < 2**31.

    Returns:
        float64 (B, n) in [0, 1).
    """
    uid = np.ascontiguousarray(uid, np.int64)
    out = np.empty((uid.shape[0], n), np.float64)
    counter = np.ascontiguousarray(np.broadcast_to(g, uid.shape), np.int64)
    _fill_uniforms(int(seed), uid, counter, USER_STREAMS + int(stream), out)
    return out
