"""The book of a batch of worlds: its rules as numbers, and where its arrays are.

Numba takes long to unpack a call with many arrays, so a world hands its kernels one record instead,
with every rule and the address of every array; `raw` turns addresses into bare typed pointers.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def write_book(rules: Any, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """One record, shape (1,), with every rule, and for every array its address and row length.

    Array `x` gives the fields `x`, the address of world 0 [bytes], and `x_step`, from there to the
    next world [bytes]; an array with one row is shared by all.  The arrays must outlive the
    book and must not be reallocated.

    Args:
        rules: NamedTuple of numbers.
        arrays: by name, C-contiguous.
    """
    fields: dict[str, int | float] = dict(rules._asdict())
    for name, array in arrays.items():
        fields[name] = array.ctypes.data
        fields[f"{name}_step"] = 0 if len(array) == 1 else array.strides[0]
    kinds = [(k, np.float64 if isinstance(v, float) else np.int64) for k, v in fields.items()]
    return np.array([tuple(fields.values())], dtype=kinds)
