"""Raw scans by their rows, in the pose of their registered faces."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.artifacts.gallery import SCANS
from affect4d.artifacts.reading import open_file
from affect4d.formats.meshes import Mesh, read_mesh
from affect4d.formats.paths import inside
from affect4d.geometry.similarity import fit_similarity
from affect4d.registration.registrar import Registrar
from affect4d.registration.scan_table import read_row_landmarks
from affect4d.system_files import find_files

_COLUMNS = ("frame_id", "mesh", "texture", "landmarks", "markup")


def scan_rows(root: Path, frame_ids: set[str]) -> pd.DataFrame:
    """The rows of some frames in the chunks' tables of scans, where these are, by frame_id."""
    tables = [pd.DataFrame(columns=list(_COLUMNS), dtype="string")]
    for path in find_files(SCANS.path(root, chunk="*").parent, "*.csv"):
        if path.name.endswith(".quarantine.csv"):
            continue
        table = pd.read_csv(open_file(path), dtype="string", usecols=lambda name: name in _COLUMNS)
        tables.append(table[table["frame_id"].isin(frame_ids)])
    return pd.concat(tables, ignore_index=True).set_index("frame_id")


def read_posed_scan(
    row: pd.Series, scans: Path, registrar: Registrar, *, registered: NDArray[np.floating]
) -> tuple[Mesh, NDArray[np.float64]]:
    """A scan, and its vertices (N, 3) mm turned to its registered face by the landmarks kept.

    Parameters
    ----------
    row : of the table of scans
    scans : folder that the row's files are relative to
    registrar : the build's own
    registered : (V, 3) mm, the frame as it was registered

    Raises
    ------
    BadInput
        A file cannot be used.
    """
    checked = registrar.check(read_row_landmarks(row, scans)[1])
    carried = registrar.template.landmarks_on(registered)
    pose = fit_similarity(checked.alignment.landmarks[checked.keep], carried[checked.keep])
    scan = read_mesh(inside(scans, row["mesh"]))
    return scan, pose.apply(scan.positions)
