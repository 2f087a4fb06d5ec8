"""Read an LSFM identity model (Booth, Roussos, Ponniah, Dunaway & Zafeiriou, IJCV 2018).

A published file holds `mean` (3 V,), `components` (3 V, K) as unit columns, `eigenvalues` (K,)
and the 0-based `trilist` (F, 3), coordinates running x1 y1 z1 x2 ...; MATLAB's .mat (up to version
7.2) or the same names in a NumPy .npz. Units and frame are the file's: the model is brought to
the template by a similarity, for which it must share the template's topology.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from affect4d.geometry.similarity import fit_similarity
from affect4d.quarantine import BadInput
from affect4d.template.template import Template

FIELDS = ("mean", "components", "eigenvalues", "trilist")
_TOPOLOGY = "take its mean as `template.mesh`, with its 68 landmarks, or leave `lsfm_model` empty"


def read_lsfm(
    path: Path | str, template: Template, modes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and identity modes of an LSFM file in the template's frame.

    Parameters
    ----------
    path : .mat or .npz
    template : in whose topology the model is
    modes : how many of the leading modes to use

    Returns
    -------
    mean : (V, 3) mm
    identity : (K, V, 3) mm at one standard deviation

    Raises
    ------
    BadInput
        The file is missing or unreadable, lacks a field, holds other shapes or invalid numbers,
        or is not in the template's topology.
    """
    content = _load(Path(path))
    mean, components, eigenvalues = _check(Path(path), content, template)
    kept = components[:, : min(modes, len(eigenvalues))].T.reshape(-1, *mean.shape)
    alignment = fit_similarity(mean, template.vertices)
    scaled = kept * np.sqrt(eigenvalues[: len(kept), None, None]) * alignment.scale
    return (
        alignment.apply(mean).astype(np.float32),
        (scaled @ alignment.rotation.T).astype(np.float32),
    )


def _load(path: Path) -> Mapping[str, Any]:
    readers = {".mat": _load_mat, ".npz": _load_npz}
    if path.suffix.lower() not in readers:
        raise BadInput(path, f"unknown model format {path.suffix!r}", "give an LSFM .mat or .npz")
    try:
        return readers[path.suffix.lower()](path)
    except FileNotFoundError:
        raise BadInput(path, "the model file does not exist", "check `lsfm_model`") from None
    except Exception as error:  # scipy and NumPy raise of everything on damaged files
        raise BadInput(path, f"cannot be read as a model ({error})", "fetch it again") from None


def _load_mat(path: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = loadmat(str(path), appendmat=False, variable_names=FIELDS)
    return content


def _load_npz(path: Path) -> Mapping[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in FIELDS if name in archive.files}


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
            raise BadInput(path, f"{name} holds other than finite numbers", "fetch it again")
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
    return mean.reshape(-1, 3).astype(np.float64), fields["components"], eigenvalues


def _same_surface(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two triangle lists (F, 3) hold the same triangles, in whatever order."""
    if one.shape != other.shape:
        return False
    first, second = (np.sort(np.asarray(t, dtype=np.int64), axis=1) for t in (one, other))
    return np.array_equal(first[np.lexsort(first.T)], second[np.lexsort(second.T)])
