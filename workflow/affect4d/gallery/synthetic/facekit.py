"""The `ict_facekit` source: synthetic people of ICT-FaceKit's shapes, on its own topology.

Identities are its principal components, so that faces vary as scanned people do. Each action unit
is the expression shape that comes closest to it by the table in its README, except for the upper
lip's, where the shape that moves as AU10 does has another name.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from affect4d.artifacts.gallery import FACEKIT
from affect4d.formats.facekit import (
    LANDMARKS,
    NEUTRAL,
    facekit_files,
    read_positions,
    read_triangles,
)
from affect4d.gallery.synthetic.action_units import NAMES, SMILING_JAW, smiling_jaw
from affect4d.gallery.synthetic.model import Model, store_model
from affect4d.gallery.synthetic.topology import Topology
from affect4d.geometry.surface import subdivide
from affect4d.pipeline.context import RunContext
from affect4d.template.template import make_template

# The shapes of each unit, with their weights. AU23 and AU43 have no shape of their own: those of
# the rolled lips (AU28) and AU45 look alike. The half weights are chosen by eye.
UNIT_SHAPES = {
    "AU1": {"browInnerUp": 1.0},
    "AU1+4": {"browInnerUp": 1.0, "browDown": 0.5},
    "AU2": {"browOuterUp": 1.0},
    "AU4": {"browDown": 1.0},
    "AU5": {"eyeWide": 1.0},
    "AU6": {"cheekSquint": 1.0},
    "AU7": {"eyeSquint": 1.0},
    "AU9": {"noseSneer": 1.0},
    "AU10": {"mouthUpperUp": 1.0},
    "AU12": {"mouthSmile": 1.0},
    SMILING_JAW: {},
    "AU15": {"mouthFrown": 1.0},
    "AU16": {"mouthLowerDown": 1.0},
    "AU17": {"mouthShrugLower": 1.0},
    "AU20": {"mouthStretch": 1.0},
    "AU23": {"mouthRollLower": 0.5, "mouthRollUpper": 0.5},
    "AU24": {"mouthPress": 1.0},
    "AU25": {"mouthLowerDown": 0.5},
    "AU26": {"jawOpen": 0.5},
    "AU43": {"eyeBlink": 1.0},
}


def write_facekit(root: str, subdivisions: int, context: RunContext) -> None:
    """Gather a clone's shapes in a generator, `gallery/facekit.zarr` (rule `gallery_facekit`).

    Parameters
    ----------
    root : folder of the clone
    subdivisions : how often each triangle of a scan is divided into four
    context : of the run

    Raises
    ------
    BadInput
        The folder is no clone, or an incomplete one.
    """
    model = facekit_model(root, subdivisions)
    store_model(FACEKIT.path(context.root), model, context.provenance())


def facekit_model(root: str | Path, subdivisions: int) -> Model:
    """The Model of a clone's shapes on the face of its topology, mm; parameters as above."""
    files = facekit_files(root)
    neutral = read_positions(files[NEUTRAL])
    identity = [
        read_positions(path) - neutral
        for name, path in files.items()
        if name.startswith("identity")
    ]
    template = make_template(neutral, read_triangles(files[NEUTRAL]), neutral[LANDMARKS])
    units = np.array([_unit(UNIT_SHAPES[name], files, neutral) for name in NAMES], np.float32)
    units[NAMES.index(SMILING_JAW)] = smiling_jaw(units, template)
    return Model(
        template,
        np.array(identity, dtype=np.float32),
        units,
        [subdivided(template.triangles, subdivisions)],
    )


def _unit(
    shapes: dict[str, float], files: dict[str, Path], neutral: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Displacement (V, 3) mm of an action unit in full; most shapes come as two sides."""
    field = np.zeros_like(neutral)
    for shape, weight in shapes.items():
        for name in (shape, f"{shape}_L", f"{shape}_R"):
            if name in files:
                field += weight * (read_positions(files[name]) - neutral)
    return field


def subdivided(triangles: NDArray[np.integer], times: int) -> Topology:
    """Topology of triangles (F, 3) whose sides are halved `times` times, with vertices in between.

    The first vertices are the old ones.
    """
    count = int(triangles.max()) + 1
    # each row gives a vertex as a weighted mean of old ones
    blend = sparse.identity(count, format="csr")
    for _ in range(times):
        triangles, ends = subdivide(triangles, blend.shape[0])
        blend = sparse.vstack([blend, (blend[ends[:, 0]] + blend[ends[:, 1]]) / 2]).tocsr()
    anchors = np.zeros((blend.shape[0], 3), dtype=np.int64)
    weights = np.zeros((blend.shape[0], 3), dtype=np.float32)
    rows, columns = blend.nonzero()
    # a new vertex lies in one old triangle, so it hangs on three vertices at most
    rank = np.arange(len(rows)) - blend.indptr[rows]
    anchors[rows, rank], weights[rows, rank] = columns, blend.data
    return Topology(anchors, weights, triangles.astype(np.int32))
