"""Errors of registered faces against their truth, in mm: one definition for every benchmark.

"Inner" is the seen face within 75 mm of the nose tip. Distances are pooled over vertices and
frames; means and 95th percentiles are those of the pool.
"""

import numpy as np

from affect4d.geometry.similarity import fit_similarity


def rigid(found, truth, mask):
    """Distance (n,) of the masked vertices from the truth after the best rigid motion.

    Parameters
    ----------
    found, truth : (V, 3) mm
    mask : (V,) bool
    """
    motion = fit_similarity(found[mask], truth[mask], scale=False)
    return np.linalg.norm(motion.apply(found[mask]) - truth[mask], axis=1)


def aligned(found, faces, masks):
    """Registered vertices (T, V, 3) mm, each frame brought onto its truth by a rigid motion."""
    return np.array(
        [
            fit_similarity(x[mask], face[mask], scale=False).apply(x)
            for x, face, mask in zip(found, faces, masks, strict=True)
        ]
    )


def change(found, faces, seen, inner, neutral=0):
    """Errors of frame minus neutral within a sequence, and how they jitter.

    The error field of frame t is e_t = (X_t - X_0) - R (T_t - T_0): X are the registered vertices
    as they stand in the store, T the truth without its poses, R the rotation of the one rigid
    motion that carries the neutral's truth onto its registration. The error is the norm of e_t, the
    jitter that of e_t - e_(t-1), for frames that follow each other; e of the neutral is zero.

    Parameters
    ----------
    found, faces : (T, V, 3) mm, X and T, in order of time
    seen : (T, V) bool
    inner : (V,) bool
    neutral : index of the neutral frame

    Returns
    -------
    error, jitter : (n,), (m,) over the vertices seen in all the frames compared
    """
    base = inner & seen[neutral]
    rotation = fit_similarity(faces[neutral][base], found[neutral][base], scale=False).rotation
    error, jitter, before = [], [], None
    for t in range(len(found)):
        field = (found[t] - found[neutral]) - (faces[t] - faces[neutral]) @ rotation.T
        if t != neutral:
            error.append(np.linalg.norm(field[base & seen[t]], axis=1))
        if before is not None:
            both = base & seen[t] & seen[t - 1]
            jitter.append(np.linalg.norm(field[both] - before[both], axis=1))
        before = field
    return np.concatenate(error), np.concatenate(jitter)


def mean_p95(values):
    """Mean and 95th percentile of pooled distances (list of arrays, or one)."""
    pool = np.concatenate(values) if isinstance(values, list) else values
    return float(pool.mean()), float(np.percentile(pool, 95))
