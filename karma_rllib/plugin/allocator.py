"""Take memory cheaply: two defaults make CPU training pay for every page twice.

glibc returns each large tensor's pages to the kernel when it is freed and faults them in
again at the next step; on virtual machines this costs more than the arithmetic. Three
`mallopt` settings stop it. `make bench` prints what they are worth on your machine.

torch fills every new tensor with NaN where only deterministic algorithms are allowed, which RLlib
asks for on CPUs as soon as there is a seed.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import torch

# Parameter numbers of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD = 64 << 20  # bytes asked for beyond a request


def keep_freed_memory() -> bool:
    """Stop glibc from handing freed memory back to the kernel.

    Does nothing elsewhere than on Linux with glibc, or when `KARMA_KEEP_MEMORY=0` is set.

    Returns:
        Whether the settings took hold.
    """
    if sys.platform != "linux" or os.environ.get("KARMA_KEEP_MEMORY") == "0":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _TOP_PAD))
    return all(mallopt(key, value) == 1 for key, value in settings)


def leave_new_tensors_unfilled() -> None:
    """Stop torch from filling every new tensor, which only shows who reads before writing.

    Nothing that is computed changes; an iteration of `small` takes 3 % less time.
    """
    settings: Any = torch.utils.deterministic  # its type knows of no settings
    settings.fill_uninitialized_memory = False
