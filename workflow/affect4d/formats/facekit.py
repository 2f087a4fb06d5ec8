"""A clone of ICT-FaceKit (Li et al., CVPR 2020): paths and readers of its shapes.

All shapes share one topology in centimetres; its first vertices are the face. A shape's file is the
neutral face plus that shape with weight 1.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content, read_json, without_mark
from affect4d.quarantine import BadInput

FACE_VERTICES = 9409  # of the vertex ranges in ICT-FaceKit's README
# Multi-PIE's 68 points (those of iBUG-68) as vertices, from the list in ICT-FaceKit's README.
LANDMARKS = np.array([
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088,
    3443, 268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140,
    2075, 1147, 4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216,
    6207, 6470, 5517, 5966,
])  # fmt: skip
NEUTRAL = "generic_neutral_mesh"
_FOLDER, _INDEX = "FaceXModel", "vertex_indices.json"
_REMEDY = "clone the complete ICT-FaceKit and name its folder in gallery.ict_facekit.root"
_MAX_BYTES = 64 << 20  # a shape of ICT-FaceKit takes some 3 MB
_MM = 10.0  # per centimetre


def facekit_files(root: Path | str) -> dict[str, Path]:
    """The files of a complete clone that are read: {shape: Path}, the index as "".

    Raises
    ------
    BadInput
        The folder is not a complete clone.
    """
    folder = Path(root) / _FOLDER
    index = folder / _INDEX
    if not index.is_file():
        raise BadInput(root, f"the folder holds no {_FOLDER}/{_INDEX}", _REMEDY)
    try:
        expressions = read_json(index, _MAX_BYTES, "index")["expressions"]
        files = {str(name): folder / f"{Path(name).name}.obj" for name in (NEUTRAL, *expressions)}
    except BadInput as problem:
        raise BadInput(root, f"{_FOLDER}/{_INDEX}: {problem.rule}", _REMEDY) from None
    except (ValueError, KeyError, TypeError) as error:
        reason = type(error).__name__ if isinstance(error, KeyError | TypeError) else error
        raise BadInput(root, f"{_FOLDER}/{_INDEX} cannot be read ({reason})", _REMEDY) from None
    missing = [path.name for path in files.values() if not path.is_file()]
    identities = sorted(folder.glob("identity[0-9][0-9][0-9].obj"))
    if not identities:
        missing.append("identity000.obj")
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise BadInput(root, f"{_FOLDER} lacks {missing[0]}{more}", _REMEDY)
    return {"": index} | files | {path.stem: path for path in identities}


def read_positions(path: Path | str) -> NDArray[np.float64]:
    """The face's vertices of one shape: (FACE_VERTICES, 3) mm.

    Raises
    ------
    BadInput
        The file is not one of ICT-FaceKit's shapes.
    """
    rows = [line.split() for line in _lines(path) if line.startswith(b"v ")][:FACE_VERTICES]
    try:
        points = np.array([row[1:4] for row in rows], dtype=np.float64)
    except ValueError:
        points = np.empty(0)
    if points.shape != (FACE_VERTICES, 3) or not np.isfinite(points).all():
        raise BadInput(path, f"the file has no {FACE_VERTICES} vertices of a face", _REMEDY)
    return _MM * points


def read_triangles(path: Path | str) -> NDArray[np.int32]:
    """The face's quadrilaterals, each cut in two: (F, 3).

    Raises
    ------
    BadInput
        The file is not one of ICT-FaceKit's shapes.
    """
    polygons = [line.split()[1:] for line in _lines(path) if line.startswith(b"f ")]
    try:
        corners = [[int(c.partition(b"/")[0]) - 1 for c in polygon] for polygon in polygons]
        quads = np.array([q for q in corners if max(q) < FACE_VERTICES], dtype=np.int32)
    except (ValueError, OverflowError):
        quads = np.empty(0, dtype=np.int32)
    if quads.ndim != 2 or quads.shape[1] != 4 or quads.min() < 0:
        raise BadInput(path, "the face does not consist of quadrilaterals", _REMEDY)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _lines(path: Path | str) -> list[bytes]:
    content = read_content(path, _MAX_BYTES, "shape", remedy=_REMEDY)
    try:
        return without_mark(content).splitlines()
    except ValueError:
        raise BadInput(path, "the text is not what its byte order mark says", _REMEDY) from None
