"""Spoiled files in a sequence: registered or in quarantine, never a crash, never wrong unsaid."""

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import LinearNDInterpolator
from support.contexts import context
from support.malformed_files import malformed
from support.mesh_files import bnt_bytes, ljson_text, obj_text, ply_bytes, pts_text, wrl_text
from support.recorded import record
from support.registration_scans import deform, scan_of

from affect4d import store
from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.config.registration import Settings
from affect4d.geometry.similarity import fit_similarity
from affect4d.registration.sequences import load_registrar, register_chunk

GROSS_MM = 3.0


@pytest.fixture(scope="module")
def truth(template):
    return deform(template, seed=21, jaw=0.3)


@pytest.fixture(scope="module")
def whole(template, truth):
    """{suffix: bytes} of one scan and its landmarks."""
    vertices, triangles, landmarks = scan_of(template, truth, seed=6, share=0.06)
    return {
        ".obj": obj_text(vertices, triangles).encode(),
        ".wrl": wrl_text(vertices, triangles).encode(),
        ".ply": ply_bytes(vertices, triangles, form="binary_little_endian"),
        ".bnt": _depth_image(template, truth),
        ".pts": pts_text(landmarks).encode(),
        ".ljson": ljson_text(landmarks).encode(),
    }


def _depth_image(template, truth, step=2.5):
    """The face as a depth camera's grid; linear between the template's vertices."""
    front = np.abs(template.vertices[:, 0]) < 65
    low, high = truth[front].min(0), truth[front].max(0)
    y, x = np.mgrid[high[1] : low[1] : -step, low[0] : high[0] : step]
    z = LinearNDInterpolator(truth[front][:, :2], truth[front][:, 2])(x, y)
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    return bnt_bytes(points, np.abs(points[:, :2]) / 400, *x.shape)


def write_sequence(root, whole, suffix):
    """Frames of one sequence: a neutral one, then a spoiled file each; the table's rows."""
    (root / "good.ply").write_bytes(whole[".ply"])
    (root / "good.pts").write_bytes(whole[".pts"])
    column = "landmarks" if suffix in (".pts", ".ljson") else "mesh"
    files = {"mesh": "good.ply", "landmarks": "good.pts"}
    rows = [files | {"frame_id": "neutral", "is_neutral": True}]
    for name, content in malformed(whole[suffix], suffix).items():
        (root / name).write_bytes(content)
        rows.append(files | {"frame_id": name, "is_neutral": False, column: name})
    common = dict.fromkeys(SCAN_COLUMNS, "") | {"subject": "s", "session": "1", "sequence": "q"}
    common |= {"task": "posed", "markup": "ibug68", "is_apex": False}
    return [common | row | {"frame": index} for index, row in enumerate(rows)]


def register(root, rows, prepared):
    """(the sequence's store, rows of quarantine)"""
    table = root / "gallery/scans/c0.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=list(SCAN_COLUMNS)).to_csv(table, index=False)
    record(root, table)
    run = context(root, "registration", item="c0")
    register_chunk(run, load_registrar(prepared, Settings()), table, files_root=root)
    return store.open(root / "registered/q.zarr"), run.quarantine.rows


def error(vertices, truth, inner):
    """Mean distance (mm) over the inner face after a rigid alignment."""
    rigid = fit_similarity(vertices[inner], truth[inner], scale=False)
    return np.linalg.norm(rigid.apply(vertices[inner]) - truth[inner], axis=1).mean()


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".wrl", ".bnt", ".pts", ".ljson"])
def test_spoiled_files_are_registered_or_in_quarantine(
    tmp_path, prepared, template, truth, whole, suffix
):
    rows = write_sequence(tmp_path, whole, suffix)
    sequence, quarantined = register(tmp_path, rows, prepared)
    registered = sequence.attributes["frame_ids"]
    refused = [row.item for row in quarantined]
    assert sorted([*registered, *refused]) == sorted(row["frame_id"] for row in rows)
    assert f"valid{suffix}" in registered and len(refused) > 30
    assert all(row.rule and row.remedy for row in quarantined)
    assert all(row.item in row.file for row in quarantined)
    vertices, flags = sequence["vertices"][...], sequence["flags"][...]
    assert np.isfinite(vertices).all()
    unsaid = {
        name: found
        for name, face, flag in zip(registered, vertices, flags, strict=True)
        if (found := error(face, truth, template.inner)) > GROSS_MM and not flag
    }
    assert not unsaid
