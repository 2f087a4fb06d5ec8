"""Identities of ICT-FaceKit (Li et al., CVPR 2020) as an identity model on the template.

Its shapes share a topology of their own. The neutral face is registered to the template as any scan
is; the place on its surface that each vertex came from carries every shape's displacement over.
"""

import numpy as np

from affect4d.formats.facekit import (
    LANDMARKS,
    NEUTRAL,
    facekit_files,
    read_positions,
    read_triangles,
)
from affect4d.geometry.similarity import fit_similarity
from affect4d.geometry.surface import cotangent
from affect4d.registration import Registrar
from affect4d.registration.fill import Filler

REACH_MM = 40.0  # over which a displacement fades beyond the skin that both faces have
TOLERANCE, SWEEPS = 1e-4, 2000


def read_facekit(root, template, modes):
    """Mean and identity modes of a clone of ICT-FaceKit in the template's frame and topology.

    Parameters
    ----------
    root : folder of the clone
    template : affect4d.formats.template.Template
    modes : int, how many of the leading modes to take

    Returns
    -------
    mean : (V, 3) float32, mm
    identity : (K, V, 3) float32, mm at one standard deviation

    Raises
    ------
    affect4d.formats.quarantine.BadInput
        The folder is no clone, or not a whole one.
    """
    files = facekit_files(root)
    neutral, triangles = read_positions(files[NEUTRAL]), read_triangles(files[NEUTRAL])
    shapes = [path for name, path in files.items() if name.startswith("identity")][:modes]
    found = Registrar(template).register(neutral, triangles, neutral[LANDMARKS])
    seen = found.triangle >= 0
    corners, weights = triangles[found.triangle], found.weights[..., None]
    turn = fit_similarity((weights * neutral[corners]).sum(1)[seen], found.vertices[seen]).rotation
    placing = fit_similarity(found.vertices[seen], template.vertices[seen])
    laplacian, area = cotangent(template.vertices, template.triangles)
    filler = Filler(laplacian, area, REACH_MM)
    carried = []
    for path in shapes:
        change = (weights * (read_positions(path) - neutral)[corners]).sum(1)
        carried.append(filler.fill(change @ turn.T, seen, tolerance=TOLERANCE, sweeps=SWEEPS))
    identity = placing.scale * np.array(carried) @ placing.rotation.T
    return placing.apply(found.vertices).astype(np.float32), identity.astype(np.float32)
