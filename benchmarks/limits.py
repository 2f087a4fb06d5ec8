"""Limits of this machine: bytes moved and single-precision operations per second of CPU time.

And the peak memory of a process, which `getrusage` starts at that of whoever started it.

Other jobs on the machine can only slow it down: the best of several runs counts.
"""

import time
from pathlib import Path

import numpy as np

_COPIED = 1 << 26  # floats, far beyond any cache
_SIDE = 2048


def bandwidth():
    """Bytes read and written per second by a copy of memory."""
    source, target = np.ones(_COPIED, np.float32), np.empty(_COPIED, np.float32)
    return 2 * source.nbytes / _quickest(lambda: np.copyto(target, source))


def arithmetic():
    """Operations per second of the matrix product in single precision (sgemm)."""
    left = np.ones((_SIDE, _SIDE), np.float32)
    return 2 * _SIDE**3 / _quickest(lambda: left @ left)


def peak_memory():
    """The largest resident memory of this process, bytes, as the kernel reports it."""
    status = Path("/proc/self/status").read_text().split()
    return 1024 * int(status[status.index("VmHWM:") + 1])


def _quickest(function, times=8):
    spent = []
    for _ in range(times + 1):  # the first touches fresh memory
        start = time.process_time()
        function()
        spent.append(time.process_time() - start)
    return min(spent)
