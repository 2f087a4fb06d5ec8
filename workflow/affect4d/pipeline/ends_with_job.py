"""Preloaded by the processes of Dask that a job starts: they end with it, even if it is killed.

A killed job cannot end them, and they would wait for it without end. Only Linux tells a process of
its parent's end.
"""

import ctypes
import os
import signal
import sys
from typing import Any

JOB = "AFFECT4D_DASK_JOB"  # in the environment: the number of the job's process
_PR_SET_PDEATHSIG = 1  # prctl(2)


def dask_setup(_: Any) -> None:
    """Have Linux kill this process once its parent has ended; Dask calls it at the start."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[JOB]):  # it ended before
        os.kill(os.getpid(), signal.SIGKILL)
