"""Keep freed memory in the process: glibc's defaults make CPU training pay for every page twice.

glibc returns each large tensor's pages to the kernel when it is freed and faults them in
again at the next step; on virtual machines this costs more than the arithmetic. Three
`mallopt` settings stop it. `make bench` prints what they are worth on your machine.
"""

from __future__ import annotations

import ctypes
import os
import sys

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
