"""CPU seconds of the stages of some work, and the peak memory of a process."""

import time
from pathlib import Path

from affect4d.blendshapes import StoredFrames, compression, sparse_pca

# What is watched in a fit of blendshapes, and the stage it belongs to.
FIT = [
    (StoredFrames, "__getitem__", "read"),
    (sparse_pca.SparseLocalizedPCA, "_read", "compress"),
    (sparse_pca.SparseLocalizedPCA, "_initialise", "start"),
    (sparse_pca.SparseLocalizedPCA, "_recentre", "centres"),
    (sparse_pca, "update_components", "components_step"),
    (sparse_pca, "update_weights", "weights_step"),
    (compression.TrainingFrames, "project", "products"),
    (compression.TrainingFrames, "match", "products"),
]


class Stages:
    """Within its context, adds up the CPU `seconds` of each stage, less those of stages inside.

    The start's products are its own.

    Parameters
    ----------
    watched : list of (owner, name of a function, stage)
    """

    def __init__(self, watched=FIT):
        self._watched = watched

    def __enter__(self):
        self.seconds = {stage: 0.0 for _, _, stage in self._watched}
        self._inner, self._stage = 0.0, None
        self._originals = [(owner, name, getattr(owner, name)) for owner, name, _ in self._watched]
        for owner, name, stage in self._watched:
            setattr(owner, name, self._timed(getattr(owner, name), stage))
        return self

    def __exit__(self, *error):
        for owner, name, original in self._originals:
            setattr(owner, name, original)

    def _timed(self, function, stage):
        def run(*arguments):
            if self._stage == "start":
                return function(*arguments)
            outer, self._inner = self._inner, 0.0
            around, self._stage = self._stage, stage
            start = time.process_time()
            try:
                return function(*arguments)
            finally:
                spent = time.process_time() - start
                self.seconds[stage] += spent - self._inner
                self._inner, self._stage = outer + spent, around

        return run


def peak_gb():
    """The kernel's figure of this process's largest resident memory; not that of its parent."""
    status = Path("/proc/self/status").read_text().split()
    return 1024 * int(status[status.index("VmHWM:") + 1]) / 1e9
