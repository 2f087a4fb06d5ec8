"""Sequences of scans as files and one chunk's table, and what registration makes of them."""

import os

import cv2
import numpy as np
import pandas as pd

from affect4d import store
from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import DEFAULT_MARKUP, write_pts
from affect4d.formats.meshes import Mesh, write_ply
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import Quarantine
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.registration.sequences import register_chunk

CHUNK = "c0000"
TEXTURE_PX = 512


def write_sequence(root, name, scans, texture, frames=None, landmarks=None):
    """Write a sequence's files and return its rows of the scans' table; frame 0 is neutral.

    Parameters
    ----------
    root : Path of the results
    name : str
    scans : list of ict_truth.Scan
    texture : (H, W, 3) uint8
    frames : list of int, optional
        Which scan each frame shows (hard links); every scan once, in turn, when absent.
    landmarks : (T, 68, 3) mm, optional
        The frames' own landmarks; the scans' when absent.
    """
    place = root / "gallery" / name
    place.mkdir(parents=True)
    small = cv2.resize(texture, (TEXTURE_PX,) * 2, interpolation=cv2.INTER_AREA)
    write_image(place / "texture.jpg", small)
    for index, scan in enumerate(scans):
        mesh = Mesh(scan.vertices, scan.triangles, scan.uv)
        write_ply(place / f"scan{index}.ply", mesh)
    rows = []
    for t, index in enumerate(frames or range(len(scans))):
        files = [place / f"{t:05d}.{end}" for end in ("ply", "jpg", "pts")]
        os.link(place / f"scan{index}.ply", files[0])
        os.link(place / "texture.jpg", files[1])
        write_pts(files[2], scans[index].landmarks if landmarks is None else landmarks[t])
        paths = [str(path.relative_to(root)) for path in files]
        row = (f"{name}_{t:05d}", name, "1", name, "posed", t, *paths, DEFAULT_MARKUP)
        rows.append((*row, "", False, t == 0))
    return rows


def write_table(root, rows):
    """Write the chunk's table of scans and its manifest."""
    table = root / f"gallery/scans/{CHUNK}.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=SCAN_COLUMNS).to_csv(table, index=False)
    made = store.Provenance(root, "gallery", CHUNK)
    store.record(table.with_suffix(".manifest.json"), [table], made)


def register(registrar, root):
    """Register the chunk through files; returns the Quarantine."""
    context = RunContext(root, "registration", Quarantine("registration"), item=CHUNK)
    register_chunk(context, registrar, root / f"gallery/scans/{CHUNK}.csv", files_root=root)
    return context.quarantine


def read(root, name):
    """A registered sequence: vertices (T, V, 3), seen (T, V), flags (T,) and frame numbers (T,)."""
    sequence = RegisteredSequence(root / f"registered/{name}.zarr")
    numbers = np.array([int(item.rsplit("_", 1)[1]) for item in sequence.frame_ids])
    return sequence.vertices(...), sequence.seen(...), sequence.flags, numbers
