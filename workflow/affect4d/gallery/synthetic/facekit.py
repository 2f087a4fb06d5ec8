"""The `ict_facekit` source: synthetic people of ICT-FaceKit's shapes, on its own topology.

Identities are its principal components, so that faces vary as scanned people do. Its expression
shapes are taken for the action units that they come closest to, by the table in its README but for
the upper lip's, where the shape that moves as AU10 does has another name.
"""

import numpy as np
from scipy import sparse

from affect4d.formats.facekit import (
    LANDMARKS,
    NEUTRAL,
    facekit_files,
    read_positions,
    read_triangles,
)
from affect4d.gallery.synthetic.action_units import NAMES
from affect4d.gallery.synthetic.model import Model, store_model
from affect4d.gallery.synthetic.topology import Topology
from affect4d.template.template import make_template

# AU23 and AU43 have no shape of their own: those of AU24 and AU45 look alike.
UNIT_SHAPES = {
    "AU1": {"browInnerUp": 1.0},
    "AU2": {"browOuterUp": 1.0},
    "AU4": {"browDown": 1.0},
    "AU5": {"eyeWide": 1.0},
    "AU6": {"cheekSquint": 1.0},
    "AU7": {"eyeSquint": 1.0},
    "AU9": {"noseSneer": 1.0},
    "AU10": {"mouthUpperUp": 1.0},
    "AU12": {"mouthSmile": 1.0},
    "AU15": {"mouthFrown": 1.0},
    "AU17": {"mouthShrugLower": 1.0},
    "AU20": {"mouthStretch": 1.0},
    "AU23": {"mouthPress": 1.0},
    "AU25": {"mouthLowerDown": 0.5},
    "AU26": {"jawOpen": 0.5},
    "AU43": {"eyeBlink": 1.0},
}


def write_facekit(path, root, subdivisions, provenance):
    """Gather a clone's shapes into a generator and store it (rule `gallery_facekit`).

    Parameters
    ----------
    path : of the store
    root : folder of the clone
    subdivisions : int, how often a scan's triangles are divided in four
    provenance : store.Provenance

    Raises
    ------
    BadInput
        The folder is no clone, or not a whole one.
    """
    store_model(path, facekit_model(root, subdivisions), provenance)


def facekit_model(root, subdivisions):
    """The Model of a clone's shapes on the face of its topology, mm; parameters as above."""
    files = facekit_files(root)
    neutral = read_positions(files[NEUTRAL])
    identity = [
        read_positions(path) - neutral
        for name, path in files.items()
        if name.startswith("identity")
    ]
    template = make_template(neutral, read_triangles(files[NEUTRAL]), neutral[LANDMARKS])
    units = [_unit(UNIT_SHAPES[name], files, neutral) for name in NAMES]
    return Model(
        template,
        np.array(identity, dtype=np.float32),
        np.array(units, dtype=np.float32),
        [subdivided(template.triangles, subdivisions)],
    )


def _unit(shapes, files, neutral):
    """Displacement (V, 3) mm of an action unit in full; most shapes come as two sides."""
    field = np.zeros_like(neutral)
    for shape, share in shapes.items():
        for name in (shape, f"{shape}_L", f"{shape}_R"):
            if name in files:
                field += share * (read_positions(files[name]) - neutral)
    return field


def subdivided(triangles, times):
    """Topology of triangles whose sides are halved `times` times: new vertices at the middles.

    Parameters
    ----------
    triangles : (F, 3) int
    times : int

    Returns
    -------
    Topology; the first vertices are the old ones
    """
    count = int(triangles.max()) + 1
    place = sparse.identity(count, format="csr")
    for _ in range(times):
        sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        pairs, side = np.unique(sides, axis=0, return_inverse=True)
        middle = place.shape[0] + side.reshape(-1, 3)
        place = sparse.vstack([place, (place[pairs[:, 0]] + place[pairs[:, 1]]) / 2]).tocsr()
        (a, b, c), (ab, bc, ca) = triangles.T, middle.T
        corners = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        triangles = np.concatenate([np.stack(corner, axis=1) for corner in corners])
    anchors = np.zeros((place.shape[0], 3), dtype=np.int64)
    weights = np.zeros((place.shape[0], 3), dtype=np.float32)
    rows, columns = place.nonzero()
    # a new vertex lies in one old triangle, so it hangs on three vertices at most
    rank = np.arange(len(rows)) - place.indptr[rows]
    anchors[rows, rank], weights[rows, rank] = columns, place.data
    return Topology(anchors, weights, triangles.astype(np.int32))
