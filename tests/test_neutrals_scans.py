"""Scans as pictures: where their points lie in them, whose landmarks, and what is refused."""

import numpy as np
import pytest
from support.database_layouts import face, put
from support.mesh_files import obj_text
from support.scanned_faces import scanned, write_obj

from affect4d.config.neutrals import Database
from affect4d.formats.limits import DEFAULT
from affect4d.formats.meshes import read_mesh
from affect4d.neutrals import build, landmarks, scans
from affect4d.neutrals.databases.search import find_candidates
from affect4d.quarantine import BadInput, Quarantine
from affect4d.template.ibug68 import INTERNAL
from affect4d.template.template import load_template

MESH = "01/neutral/mesh.obj"


def scan_in(root, **override):
    """The only candidate of a root laid out like KF-ITW."""
    database = Database(adapter="kf_itw", root=str(root), override=override)
    [found] = find_candidates("db", database, results=root, quarantine=Quarantine("neutrals"))
    return found


@pytest.fixture
def path(tmp_path):
    """A scan with texture and landmarks, in metres."""
    path = tmp_path / MESH
    put(path.with_name("texture.png"), marked=False)
    write_obj(path, 0, face(0), "texture.png")
    return path


def test_landmarks_lie_where_the_drawn_scan_shows_them(path, tmp_path):
    scan = scans.read_scan(scan_in(tmp_path), DEFAULT)
    mesh, points = read_mesh(path), scanned(0, face(0))[3] * 1e-3
    nearest = np.linalg.norm(mesh.vertices[:, None] - points[INTERNAL], axis=2).argmin(0)
    away = np.linalg.norm(scan.pixels[nearest] - scan.landmarks[INTERNAL], axis=1)
    assert np.median(away) < 10  # 4 mm: the scan is coarse
    assert scan.alignment.unit == 1000
    inside = np.rint(scan.landmarks[INTERNAL]).astype(int)
    assert (scan.image[inside[:, 1], inside[:, 0]] != 255).any(axis=1).all()  # on the face


def test_landmarks_that_a_detector_finds_are_carried_to_the_surface(path, tmp_path, monkeypatch):
    path.with_suffix(".pts").unlink()
    truth, mesh, template = scanned(0, face(0))[3] * 1e-3, read_mesh(path), load_template()
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    enlarged = (truth - (low + high) / 2) * scans._HEIGHT_MM / (high - low)[1]
    seen = scans._front(template).project(enlarged + template.landmarks.mean(0))[:, :2]
    monkeypatch.setattr(landmarks, "can_detect", lambda: True)
    monkeypatch.setattr(scans, "detect_landmarks", lambda image, name: seen)
    candidate = scan_in(tmp_path)
    assert candidate.landmarks_by == "detector"
    found = scans.read_scan(candidate, DEFAULT).alignment.landmarks[INTERNAL]
    away = np.linalg.norm(found - truth[INTERNAL], axis=1)
    assert np.nanmedian(away) < 2e-3 and np.isfinite(away).mean() > 0.9


def test_a_seamed_texture_is_no_photograph(path, tmp_path):
    vertices, triangles, uv, _ = scanned(0, face(0))
    seamed = np.random.default_rng(0).permutation(uv)
    path.write_text(obj_text(vertices * 1e-3, triangles, seamed, material="mesh.mtl"))
    scans.read_scan(scan_in(tmp_path), DEFAULT)  # it can be drawn
    with pytest.raises(BadInput, match="no camera sees it so"):
        scans.read_scan(scan_in(tmp_path, image_from="texture"), DEFAULT)


def test_a_scan_without_a_texture_is_refused(path, tmp_path):
    path.with_name("mesh.mtl").unlink()
    vertices, triangles, _, _ = scanned(0, face(0))
    path.write_text(obj_text(vertices, triangles))
    with pytest.raises(BadInput, match="has no texture"):
        scans.read_scan(scan_in(tmp_path), DEFAULT)


def test_what_a_scan_was_drawn_with_is_a_source_as_well(tmp_path):
    path = tmp_path / MESH
    path.parent.mkdir(parents=True)
    corners = np.eye(3)
    path.write_text(obj_text(corners, np.array([[0, 1, 2]]), corners[:, :2], material="mesh.mtl"))
    path.with_name("mesh.mtl").write_text("newmtl skin\nmap_Kd texture.png\n")
    for name in ("mesh.pts", "texture.png"):
        path.with_name(name).touch()
    sources = build._sources([scan_in(tmp_path)])
    assert [file.name for file in sources] == ["mesh.obj", "mesh.pts", "texture.png"]
