"""Random choices of a scenario's generator: the same on every machine and in every process."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from karma_rllib.worlds.rng import uniforms

T = TypeVar("T")
_BLOCK = 256  # numbers drawn at a time


class Dice:
    """Numbers that belong to a name and a seed.

    Args:
        name: what is drawn for, usually the name of a scenario.
        seed: which draw, 0 <= seed < 2**63.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.seed = seed
        self._uid = np.array([zlib.crc32(name.encode())], np.int64)
        self._drawn = 0
        self._numbers = np.empty(0)

    def unit(self) -> float:
        """The next number, in [0, 1)."""
        at = self._drawn % _BLOCK
        if at == 0:
            block = np.array([self._drawn // _BLOCK])
            self._numbers = uniforms(self.seed, self._uid, block, _BLOCK)[0]
        self._drawn += 1
        return float(self._numbers[at])

    def below(self, n: int) -> int:
        """A whole number in [0, n)."""
        return int(self.unit() * n)

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order."""
        deck = list(items)
        for m in range(len(deck) - 1, 0, -1):  # Fisher-Yates
            j = self.below(m + 1)
            deck[m], deck[j] = deck[j], deck[m]
        return deck

    def poisson(self, mean: float) -> int:
        """A count with this mean (Knuth 1969: multiply numbers until they fall below e^-mean)."""
        floor, product, count = math.exp(-mean), self.unit(), 0
        while product > floor:
            product *= self.unit()
            count += 1
        return count
