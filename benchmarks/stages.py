"""CPU seconds of the stages of a computation, and the peak memory of a process."""

import time

from affect4d.blendshapes import StoredFrames, compression, sparse_pca

# The functions that are timed in a fit of blendshapes, and the stage that each belongs to.
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
    """Within its context, adds up the CPU `seconds` of each stage, without those of nested stages.

    Products during the start count as the start's.

    Parameters
    ----------
    functions : (owner, name, stage) of each function that is timed
    """

    def __init__(self, functions=FIT):
        self._functions = functions

    def __enter__(self):
        self.seconds = {stage: 0.0 for _, _, stage in self._functions}
        self._inner, self._stage = 0.0, None
        self._originals = [
            (owner, name, getattr(owner, name)) for owner, name, _ in self._functions
        ]
        for owner, name, stage in self._functions:
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
