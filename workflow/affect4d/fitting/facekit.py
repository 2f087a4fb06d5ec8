"""Identities of ICT-FaceKit (Li et al., CVPR 2020) as an identity model on the template.

Its shapes share another topology. The neutral face is registered to the template as any scan is;
the point of its surface that each vertex came from gives the displacement of each shape.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
from affect4d.template.template import Template

FADE_MM = 40.0  # over which a displacement fades beyond the skin that both faces have
TOLERANCE, MAX_SWEEPS = 1e-4, 2000  # of the filling: share of the largest displacement, sweeps


def read_facekit(
    root: Path | str, template: Template, modes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and identity modes of a clone of ICT-FaceKit in the template's frame and topology.

    Parameters
    ----------
    root : folder of the clone
    template : to which the neutral face is registered
    modes : how many of the leading modes to use

    Returns
    -------
    mean : (V, 3) mm
    identity : (K, V, 3) mm at one standard deviation

    Raises
    ------
    BadInput
        The folder is no clone, or not a complete one.
    """
    files = facekit_files(root)
    neutral, triangles = read_positions(files[NEUTRAL]), read_triangles(files[NEUTRAL])
    shapes = [path for name, path in files.items() if name.startswith("identity")][:modes]
    registered = Registrar(template).register(neutral, triangles, neutral[LANDMARKS])
    seen = registered.triangle >= 0
    corners, weights = triangles[registered.triangle], registered.weights[..., None]
    source = (weights * neutral[corners]).sum(1)
    turn = fit_similarity(source[seen], registered.vertices[seen]).rotation
    alignment = fit_similarity(registered.vertices[seen], template.vertices[seen])
    laplacian, area = cotangent(template.vertices, template.triangles)
    filler = Filler(laplacian, area, FADE_MM)
    displacements = []
    for path in shapes:
        change = (weights * (read_positions(path) - neutral)[corners]).sum(1)
        displacements.append(
            filler.fill(change @ turn.T, seen, tolerance=TOLERANCE, sweeps=MAX_SWEEPS)
        )
    identity = alignment.scale * np.array(displacements) @ alignment.rotation.T
    return alignment.apply(registered.vertices).astype(np.float32), identity.astype(np.float32)
