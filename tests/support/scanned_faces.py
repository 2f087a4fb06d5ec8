"""Textured scans in the formats of the databases that ship them: the template, deformed."""

from functools import lru_cache

import numpy as np
from scipy.interpolate import LinearNDInterpolator

from affect4d.fitting.initial_camera import initial_cameras
from affect4d.fitting.scan_fits import to_texture
from affect4d.formats.markup import load_markup
from affect4d.template.ibug68 import INTERNAL
from affect4d.template.template import load_template
from support.mesh_files import bnd_text, bnt_bytes, lm3_text, obj_text, pts_text, wrl_text
from support.registration_scans import deform, scan_of

SHARE = 0.15  # of the template's triangles
# of BU-3DFE's 83 points, in iBUG's numbers: eyes, brows, ridge, nostrils, mouth, jaw
BND = (
    *(42, 43, 43, 44, 45, 46, 46, 47, 36, 37, 37, 38, 39, 40, 40, 41),
    *(22, 23, 24, 25, 26, 26, 25, 24, 23, 22, 17, 18, 19, 20, 21, 21, 20, 19, 18, 17),
    *(27, 28, 29, 29, 30, 30, 31, 31, 33, 33, 35, 35, *range(48, 68), *range(1, 16)),
)


@lru_cache
def template_on(picture, points):
    """Texture coordinates (V, 2) of the template where a picture's landmarks (68, 2) show it.

    Both are given as bytes with shapes, so that they can be remembered.
    """
    template = load_template()
    marks = np.frombuffer(points).reshape(68, 2)
    view = initial_cameras(template.landmarks[INTERNAL], marks[None, INTERNAL], rounds=0)[0]
    return to_texture(view.project(template.vertices)[:, :2], picture)


def scanned(seed, face):
    """vertices (N, 3), triangles, uv (N, 2), landmarks (68, 3) of a person whose skin is `face`."""
    template = load_template()
    truth = deform(template, seed)
    picture, points = face
    uv = template_on(picture.shape, points.astype(float).tobytes())
    vertices, triangles, landmarks = scan_of(template, truth, seed, noise=0.2, share=SHARE)
    near = LinearNDInterpolator(truth[_front(template)][:, :2], uv[_front(template)])
    place = near(vertices[:, :2])
    return vertices, triangles, np.where(np.isfinite(place), place, 0), landmarks


def _front(template):
    return np.flatnonzero((np.abs(template.vertices[:, 0]) < 65) & (template.vertices[:, 2] > 0))


def write_wrl(path, seed, face, texture):
    """A scan of BU-3DFE with its 83 points."""
    vertices, triangles, uv, landmarks = scanned(seed, face)
    path.write_text(wrl_text(vertices, triangles, uv, texture=texture))
    path.with_suffix(".bnd").write_text(bnd_text(landmarks[list(BND)]))


def write_obj(path, seed, face, texture, unit=1e-3):
    """A scan of KF-ITW, in metres, with 68 points."""
    vertices, triangles, uv, landmarks = scanned(seed, face)
    path.write_text(obj_text(vertices * unit, triangles, uv, material="mesh.mtl"))
    path.with_name("mesh.mtl").write_text(f"newmtl skin\nmap_Kd {texture}\n")
    path.with_suffix(".pts").write_text(pts_text(landmarks * unit))


def write_bnt(path, seed, face, step=1.5):
    """A scan of Bosphorus, whose texture coordinates are places on its photograph."""
    template = load_template()
    truth = deform(template, seed)
    picture, points = face
    front = _front(template)
    low, high = truth[front].min(0), truth[front].max(0)
    y, x = np.mgrid[high[1] : low[1] : -step, low[0] : high[0] : step]
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    depth = LinearNDInterpolator(truth[front][:, :2], truth[front][:, 2])(grid)
    marks = points.astype(float)[None, INTERNAL]
    landmarks = truth[template.landmark_vertices]
    view = initial_cameras(landmarks[INTERNAL], marks, rounds=0)[0]
    known = np.column_stack([grid, np.nan_to_num(depth)])
    uv = to_texture(view.project(known)[:, :2], picture.shape)
    cells = np.column_stack([grid, depth])
    inside = ((uv >= 0) & (uv <= 1)).all(1)
    cells[~inside] = np.nan
    path.write_bytes(bnt_bytes(cells, uv, *x.shape, name=f"{path.stem}.png"))
    labels = {label: index for index, label in load_markup("bosphorus").ibug.items()}
    path.with_suffix(".lm3").write_text(lm3_text(labels, landmarks[list(labels.values())]))
