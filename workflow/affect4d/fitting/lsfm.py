"""Read an LSFM identity model (Booth, Roussos, Ponniah, Dunaway & Zafeiriou, IJCV 2018).

A published file holds `mean` (3 V,), `components` (3 V, K) as unit columns, `eigenvalues` (K,)
and the 0-based `trilist` (F, 3), coordinates running x1 y1 z1 x2 ...; MATLAB's .mat (up to version
7.2) or the same names in a NumPy .npz. Units and frame are the file's: the model is brought to
the template by a similarity, for which it must share the template's topology.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.config.fitting import Settings
from affect4d.formats.named_arrays import read_arrays
from affect4d.geometry.similarity import Similarity, fit_similarity
from affect4d.quarantine import BadInput
from affect4d.template.template import Template

FIELDS = ("mean", "components", "eigenvalues", "trilist")
MAX_DISTANCE_MM = 100.0  # of a vertex from the template's: a head's radius
LENGTH_TOLERANCE = 0.01  # of a component's length from 1: what float16 or a copy as text rounds
_AGAIN = "fetch it again"
_TOPOLOGY = "take its mean as `template.mesh`, with its 68 landmarks, or leave `lsfm_model` empty"


def read_lsfm(
    path: Path | str, template: Template, modes: int, *, settings: Settings | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and identity modes of an LSFM file in the template's frame.

    Parameters
    ----------
    path : .mat or .npz
    template : in whose topology the model is
    modes : how many of the leading modes to use
    settings : of the fitting: what reading may take; the defaults when absent

    Returns
    -------
    mean : (V, 3) mm
    identity : (K, V, 3) mm at one standard deviation

    Raises
    ------
    BadInput
        The file is missing or unreadable, takes more memory or time than the settings allow, lacks
        a field, holds other shapes or invalid numbers, or is not in the template's topology.
    """
    settings, path = settings or Settings(), Path(path)
    if not os.path.lexists(path):
        raise BadInput(path, "the model file does not exist", "check `fitting.lsfm_model`")
    limits = {"max_mb": settings.lsfm_model_mb, "max_seconds": settings.lsfm_model_seconds}
    mean, components, eigenvalues = _check(path, read_arrays(path, FIELDS, **limits), template)
    kept = components[:, : min(modes, len(eigenvalues))].T.reshape(-1, *mean.shape)
    alignment = _align(path, mean, template)
    with np.errstate(over="ignore"):
        scaled = kept * np.sqrt(eigenvalues[: len(kept), None, None]) * alignment.scale
        identity = (scaled @ alignment.rotation.T).astype(np.float32)
    if not np.isfinite(identity).all():
        raise BadInput(path, "an eigenvalue is too large", _AGAIN)
    return alignment.apply(mean).astype(np.float32), identity


def _align(path: Path, mean: NDArray[np.float64], template: Template) -> Similarity:
    """The similarity from the model's frame to the template's."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            alignment = fit_similarity(mean, template.vertices)
            distance = np.linalg.norm(alignment.apply(mean) - template.vertices, axis=1).max()
        except (ValueError, np.linalg.LinAlgError):
            distance = np.inf
    if not distance < MAX_DISTANCE_MM:
        raise BadInput(path, "its mean is not the face of the template", _TOPOLOGY)
    return alignment


def _check(
    path: Path, content: Mapping[str, Any], template: Template
) -> tuple[NDArray[np.float64], NDArray[np.floating], NDArray[np.floating]]:
    """The fields as mean (V, 3), components (3 V, K), eigenvalues (K,), or BadInput."""
    missing = [name for name in FIELDS if name not in content]
    if missing:
        raise BadInput(path, f"lacks the fields {', '.join(missing)}", "give a complete LSFM model")
    fields = {name: np.asarray(content[name]) for name in FIELDS}
    for name, array in fields.items():
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise BadInput(path, f"{name} holds other than finite numbers", _AGAIN)
    mean, eigenvalues = fields["mean"].ravel(), fields["eigenvalues"].ravel()
    count = len(template.vertices)
    if len(mean) != 3 * count:
        raise BadInput(path, f"has {len(mean) // 3} vertices, the template {count}", _TOPOLOGY)
    if not _same_surface(fields["trilist"], template.triangles):
        raise BadInput(path, "its triangles are not the template's", _TOPOLOGY)
    if fields["components"].shape != (3 * count, len(eigenvalues)) or not len(eigenvalues):
        raise BadInput(
            path,
            f"components of shape {fields['components'].shape} for {len(eigenvalues)} eigenvalues "
            f"and {count} vertices",
            "give one column of 3 V coordinates per eigenvalue",
        )
    if (eigenvalues <= 0).any():
        raise BadInput(path, "an eigenvalue is not positive", "drop that component")
    with np.errstate(over="ignore"):
        length = np.linalg.norm(fields["components"].astype(np.float64, copy=False), axis=0)
    if not (np.abs(length - 1) < LENGTH_TOLERANCE).all():
        raise BadInput(path, "a component is no unit column", "divide each by its length")
    return mean.reshape(-1, 3).astype(np.float64), fields["components"], eigenvalues


def _same_surface(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two triangle lists (F, 3) hold the same triangles, in whatever order."""
    if one.shape != other.shape:
        return False
    first, second = (np.sort(t, axis=1) for t in (one, other))
    return np.array_equal(first[np.lexsort(first.T)], second[np.lexsort(second.T)])
