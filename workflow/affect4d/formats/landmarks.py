"""68-point landmark files: .pts of photographs and scans, menpo's .ljson.

Inside, coordinates are (x, y) pixels counted from 0, or (x, y, z) millimetres.
"""

import json
from pathlib import Path

import numpy as np

from affect4d.formats.quarantine import BadInput

COUNT = 68


def read_landmarks(path, dimension=2):
    """Read 68 landmarks in iBUG order.

    Parameters
    ----------
    path : path of a .pts or .ljson file
    dimension : 2 for photographs (.pts counts pixels from 1), 3 for scans (as they stand)

    Returns
    -------
    (68, dimension) float64

    Raises
    ------
    BadInput
        The file is missing, cannot be parsed, or does not hold 68 finite points.
    """
    path = Path(path)
    readers = {".pts": _read_pts, ".ljson": _read_ljson}
    if path.suffix.lower() not in readers:
        raise BadInput(path, f"unknown landmark format {path.suffix!r}", "give .pts or .ljson")
    try:
        points = readers[path.suffix.lower()](path, dimension)
    except FileNotFoundError:
        raise BadInput(path, "the landmark file does not exist", "add it or drop the row") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BadInput(path, f"cannot be read as landmarks ({error})", "write it again") from None
    return check_landmarks(points, path, dimension)


def check_landmarks(points, file, dimension):
    """`points` as (68, dimension) float64, or BadInput that names `file`."""
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape != (COUNT, dimension):
        raise BadInput(
            file,
            f"expected {COUNT} points of {dimension} coordinates, found {points.shape}",
            "mark all 68 iBUG points",
        )
    if not np.isfinite(points).all():
        raise BadInput(file, "a landmark is not a finite number", "mark the missing points")
    return points


def _read_pts(path, dimension):
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    start, end = lines.index("{"), lines.index("}")
    rows = [[float(value) for value in line.split()] for line in lines[start + 1 : end] if line]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("rows of different lengths")
    points = np.array(rows)
    return points - 1.0 if dimension == 2 else points


def _read_ljson(path, dimension):
    content = json.loads(path.read_text(encoding="utf-8"))
    group = content
    if "groups" in content:
        groups = content["groups"]
        group = next(iter(groups.values())) if isinstance(groups, dict) else groups[0]
    if "landmarks" not in group:
        raise ValueError("no 'landmarks' in the file")
    points = np.array(group["landmarks"]["points"], dtype=float)
    return points[:, ::-1] if dimension == 2 else points  # menpo stores (y, x) for images


def write_pts(path, landmarks):
    """Write landmarks (68, 2) pixels (counted from 1 in the file) or (68, 3) mm as .pts."""
    landmarks = np.asarray(landmarks, dtype=float)
    shifted = landmarks + 1.0 if landmarks.shape[1] == 2 else landmarks
    rows = "\n".join(" ".join(f"{value:.4f}" for value in row) for row in shifted)
    Path(path).write_text(
        f"version: 1\nn_points: {len(landmarks)}\n{{\n{rows}\n}}\n", encoding="utf-8"
    )
