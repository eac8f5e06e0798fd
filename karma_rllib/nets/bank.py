"""The event bank: recent frames of social events, kept as raw observations.

Zaps are rare (a few per thousand agent-steps), so a minibatch of them cannot be found inside a
minibatch of play. The learner keeps the last few thousand pairs of frames and re-encodes a
draw of them with the current network at every use. Every arm of an experiment draws the same
number of pairs from the same kind of bank, whatever it aligns.

`Frames` are a dict of arrays with one leading row axis: "grid" uint8 (n, H, W, C), "vec" float32
(n, D), and, for a network with memory whose memory is to be aligned, the recurrent state before
the frame, "h" and "c" float32 (n, cells).

All randomness comes from one NumPy generator that the bank owns and saves with its state; a bank
that is never drawn from never draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from karma_rllib.nets.rings import Reservoir, Ring, Rows

Frames = dict[str, NDArray[Any]]

PAIRINGS = ("agg_vic", "agg_cleaner", "neutral_neutral", "agg_neutral", "agg_vic_shuffled")
BROKEN_PAIRS = {"zap_waste": "cleaner", "apple": "forager", "random": "neutral"}
"""What the broken mirror aligns a zap with: the kind of frame on the right."""
VIEWS = {"decision": "dec", "outcome": "out"}
"""Frame in which the act was chosen, and frame in which its effect is seen."""


class Draw(NamedTuple):
    """P pairs of frames, left the aggressor's side and right what it is aligned with."""

    left: Frames
    right: Frames
    weight: NDArray[np.float32]
    """Weight of each pair, (P,); 0 where a pair must not count."""
    zid_left: NDArray[np.int64]
    """Zap that the left frame belongs to, (P,); -1 for frames of no zap."""
    zid_right: NDArray[np.int64]
    """Zap that the right frame belongs to, (P,); -1 for frames of no zap."""


class EventBank:
    """Rings of pairs, cleaner and forager frames, and a reservoir of neutral frames.

    Args:
        size: capacity of each ring and of the reservoir [rows].
        max_age: age at which rows are dropped [iterations].
        min_pairs: fewest pairs, and fewest single frames of a kind, that are drawn from.
        seed: of the bank's generator: an integer or a sequence of integers.

    Raises:
        ValueError: the bank could never hold `min_pairs`.
    """

    def __init__(
        self,
        size: int = 4096,
        max_age: int = 20,
        min_pairs: int = 16,
        seed: int | tuple[int, ...] = 0,
    ) -> None:
        if size < min_pairs:
            raise ValueError(f"bank_size is {size} but must be at least min_pairs = {min_pairs}.")
        self.max_age, self.min_pairs = max_age, min_pairs
        self.iteration = 0
        self.rng = np.random.default_rng(seed)
        self.pairs, self.cleaners, self.foragers = Ring(size), Ring(size), Ring(size)
        self.neutrals = Reservoir(size)

    def next_iteration(self, iteration: int) -> None:
        """Drop rows that are `max_age` iterations old; rows added from now on carry `iteration`.

        Call it once before the rows of an iteration are added. The reservoir forgets at the
        matching rate, so that neutral frames are about as recent as the pairs are.
        """
        for ring in (self.pairs, self.cleaners, self.foragers):
            ring.drop_older("iteration", iteration - self.max_age + 1)
        for _ in range(max(0, iteration - self.iteration)):
            self.neutrals.forget(1.0 / self.max_age)
        self.iteration = iteration

    def add_pairs(
        self,
        *,
        agg_dec: Frames,
        agg_out: Frames,
        vic_out: Frames,
        zid: NDArray[np.int64],
        uid: NDArray[np.int64],
        weight: NDArray[np.floating],
        vic_dec: Frames | None = None,
        agg_state: Frames | None = None,
        vic_state: Frames | None = None,
    ) -> None:
        """Add P pairs; row p of every argument belongs to one zap.

        Args:
            agg_dec: aggressor's frame when it chose to zap, (P, ...).
            agg_out: aggressor's frame after the hit, (P, ...).
            vic_out: victim's frame after the hit, (P, ...).
            zid: identity of the zap, (P,), >= 0.
            uid: world of the zap, (P,).
            weight: 1 / victims of that shot, (P,).
            vic_dec: victim's frame before the hit, (P, ...).
            agg_state: recurrent state with which `agg_out` was seen, "h" and "c".
            vic_state: recurrent state with which `vic_out` was seen, "h" and "c".
        """
        rows: Rows = {"zid": zid, "uid": uid, "weight": np.asarray(weight, np.float32)}
        rows |= _flat("agg_dec", agg_dec) | _flat("agg_out", {**agg_out, **(agg_state or {})})
        rows |= _flat("vic_out", {**vic_out, **(vic_state or {})})
        if vic_dec is not None:
            rows |= _flat("vic_dec", vic_dec)
        self._add(self.pairs, rows)

    def add_cleaners(self, dec: Frames, out: Frames) -> None:
        """Add frames before (`dec`) and after (`out`) a zap that removed waste, (n, ...)."""
        self._add(self.cleaners, _flat("dec", dec) | _flat("out", out))

    def add_foragers(self, dec: Frames, out: Frames) -> None:
        """Add frames before (`dec`) and after (`out`) an apple was eaten, (n, ...)."""
        self._add(self.foragers, _flat("dec", dec) | _flat("out", out))

    def add_neutrals(self, frames: Frames) -> None:
        """Offer n frames in which nothing social happened to the reservoir."""
        self.offer_neutrals(len(frames["vec"]), lambda k: {key: x[k] for key, x in frames.items()})

    def offer_neutrals(self, n: int, take: Callable[[NDArray[np.int64]], Frames]) -> None:
        """Offer n neutral frames of which only those that are kept get copied.

        Args:
            n: how many frames there are.
            take: maps indices (k,) in [0, n) to those frames.
        """
        chosen, slots = self.neutrals.choose(self.rng, n)
        if len(chosen):  # `take` need not cope with nothing
            self.neutrals.put(slots, _flat("out", take(chosen)))

    def _add(self, ring: Ring, rows: Rows) -> None:
        n = len(next(iter(rows.values())))
        ring.add({**rows, "iteration": np.full(n, self.iteration)})

    def count(self, kind: str) -> int:
        """Rows held of a kind: "pair", "neutral", "cleaner" or "forager"."""
        return len(getattr(self, f"{kind}s"))

    def draw(
        self,
        n: int,
        pairing: str = "agg_vic",
        aggressor_view: str = "outcome",
        victim_view: str = "outcome",
        broken_pair: str = "zap_waste",
    ) -> Draw | None:
        """Draw pairs uniformly, without replacement.

        Whatever the pairing, as many pairs are drawn as there are zaps to draw from, and none
        while there are fewer than `min_pairs`: the dose is the same in every arm.

        Args:
            n: pairs wanted; fewer come while the bank is smaller.
            pairing: "agg_vic": both frames of a zap; "agg_vic_shuffled": victims of other zaps;
                "agg_cleaner": with a frame of `broken_pair`; "agg_neutral" and
                "neutral_neutral": with, or among, neutral frames.
            aggressor_view: "decision" or "outcome", of the aggressor (and of cleaners).
            victim_view: "decision" or "outcome", of the victim.
            broken_pair: key of `BROKEN_PAIRS`.

        Returns:
            The draw, or None while the bank holds too few rows of a kind that is needed.
        """
        right_kind = {
            "agg_vic": "pair",
            "agg_vic_shuffled": "pair",
            "agg_cleaner": BROKEN_PAIRS[broken_pair],
        }.get(pairing, "neutral")
        if min(self.count("pair"), self.count(right_kind)) < self.min_pairs:
            return None
        P = min(n, len(self.pairs))
        nowhere = np.full(P, -1)
        if pairing == "neutral_neutral":
            left, right = (self.singles("neutral", P) for _ in range(2))
            return Draw(left, right, np.ones(P, np.float32), nowhere, nowhere)
        index = self.rng.choice(len(self.pairs), P, replace=False)
        side = f"agg_{VIEWS[aggressor_view]}"
        if right_kind != "pair":
            rows = self.pairs.take(index, (side, "weight", "zid"))
            right = self.singles(right_kind, P, aggressor_view)
            return Draw(_part(rows, side), right, rows["weight"], rows["zid"], nowhere)
        other = index if pairing == "agg_vic" else self._another(index)
        left_rows = self.pairs.take(index, (side, "weight", "zid"))
        right_side = f"vic_{VIEWS[victim_view]}"
        right_rows = self.pairs.take(other, (right_side, "zid"))
        weight, zid, zid_right = left_rows["weight"], left_rows["zid"], right_rows["zid"]
        if pairing == "agg_vic_shuffled":
            weight = np.where(zid == zid_right, np.float32(0), weight)
        return Draw(_part(left_rows, side), _part(right_rows, right_side), weight, zid, zid_right)

    def _another(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Permute rows so that none meets a row of its own zap, where that is possible.

        Rows are put in order of their zap and turned by at least the size of the largest zap.
        """
        zid = self.pairs.take(index, ("zid",))["zid"]
        order = np.argsort(zid, kind="stable")
        _, sizes = np.unique(zid, return_counts=True)
        P, largest = len(index), int(sizes.max())
        turn = P // 2  # if one zap holds most rows some must meet their own
        if 2 * largest <= P:
            turn = int(self.rng.integers(largest, P - largest + 1))
        out = np.empty_like(index)
        out[order] = index[np.roll(order, turn)]
        return out

    def singles(self, kind: str, n: int, view: str = "outcome") -> Frames:
        """Draw n single frames uniformly, with replacement.

        Args:
            kind: "neutral", "cleaner", "forager", "aggressor" or "victim".
            n: frames wanted.
            view: "decision" or "outcome"; neutral frames have only one.
        """
        if kind == "neutral":
            index = self.rng.integers(len(self.neutrals), size=n)
            return _part(self.neutrals.take(index), "out")
        if kind in ("aggressor", "victim"):
            ring, side = self.pairs, f"{kind[:3]}_{VIEWS[view]}"
        else:
            ring, side = getattr(self, f"{kind}s"), VIEWS[view]
        index = self.rng.integers(len(ring), size=n)
        return _part(ring.take(index, (side,)), side)

    def latest_pairs(self, n: int) -> Draw | None:
        """Return the newest outcome pairs, oldest first, without using the generator."""
        if len(self.pairs) < self.min_pairs:
            return None
        index = np.arange(max(0, len(self.pairs) - n), len(self.pairs))
        rows = self.pairs.take(index, ("agg_out", "vic_out", "weight", "zid"))
        zid = rows["zid"]
        return Draw(_part(rows, "agg_out"), _part(rows, "vic_out"), rows["weight"], zid, zid)

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Everything, as a flat dict of arrays: rows, reservoir, generator, iteration."""
        state: dict[str, NDArray[Any]] = {"iteration": np.array(self.iteration)}
        for name in ("pairs", "cleaners", "foragers", "neutrals"):
            for key, value in getattr(self, name).get_state().items():
                state[f"{name}:{key}"] = value
        state["rng"] = _rng_words(self.rng)
        return state

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned; later draws continue exactly as they would have."""
        self.iteration = int(state["iteration"])
        for name in ("pairs", "cleaners", "foragers", "neutrals"):
            own = {k.partition(":")[2]: v for k, v in state.items() if k.startswith(f"{name}:")}
            getattr(self, name).set_state(own)
        _set_rng_words(self.rng, state["rng"])


def _flat(side: str, frames: Frames) -> Rows:
    """Name the columns of one side: {"agg_out.grid": ..., "agg_out.vec": ...}."""
    return {f"{side}.{key}": np.asarray(column) for key, column in frames.items()}


def _part(rows: Rows, side: str) -> Frames:
    """Undo `_flat` for one side."""
    return {k[len(side) + 1 :]: v for k, v in rows.items() if k.startswith(f"{side}.")}


def _rng_words(rng: np.random.Generator) -> NDArray[np.uint64]:
    """State of a PCG64 generator as six words: two 128-bit numbers and the half-used word."""
    state: Any = rng.bit_generator.state
    words = [state["state"][k] >> s & (2**64 - 1) for k in ("state", "inc") for s in (64, 0)]
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)


def _set_rng_words(rng: np.random.Generator, words: NDArray[np.uint64]) -> None:
    """Undo `_rng_words`."""
    w = [int(x) for x in words]
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": w[0] << 64 | w[1], "inc": w[2] << 64 | w[3]},
        "has_uint32": w[4],
        "uinteger": w[5],
    }
