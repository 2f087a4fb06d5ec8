"""Where iBUG's 68 points lie on MediaPipe's face mesh.

No point of the mesh is iBUG's: those that come nearest lie 3 % of the outer-eye distance off in the
mean, always to the same side. So each landmark is a weighted mean of three points of the mesh,
which turn with the head; of the inner lips it is a single one, on its own side. `mesh_points.yaml`
holds what `benchmarks/detector_points.py` measured on neutral photographs that annotators have
marked, and how far from there these put each point; the file names the photographs.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_yaml

Floats = NDArray[np.float64]
FILE = Path(__file__).with_name("mesh_points.yaml")


@dataclass(frozen=True)
class MeshPoints:
    """iBUG's points on the mesh.

    Attributes
    ----------
    corners : (68, 3), points of the mesh
    weights : (68, 3), theirs, which add up to 1
    """

    corners: NDArray[np.int64]
    weights: Floats

    def of(self, mesh: Floats) -> Floats:
        """The landmarks (..., 68, 2) of meshes (..., 478, 2), in their unit."""
        placed: Floats = (mesh[..., self.corners, :] * self.weights[:, :, None]).sum(-2)
        return placed


@lru_cache
def read_mesh_points() -> MeshPoints:
    """What was measured."""
    rows = np.array(read_yaml(FILE, "table of points")["points"], dtype=np.float64)
    corners, weights, _ = np.split(rows, [3, 6], axis=1)
    return MeshPoints(corners.astype(np.int64), weights)
