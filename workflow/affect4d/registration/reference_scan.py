"""A real textured scan, menpo3d's `james`, brought to the template by a build's own settings.

It is the same in every build, whatever its gallery: a fixed point by which builds compare.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import Mesh, read_mesh
from affect4d.geometry.shading import render
from affect4d.geometry.similarity import fit_similarity
from affect4d.geometry.surface import subdivide
from affect4d.registration.registrar import Registered, Registrar
from affect4d.registration.track import Texture
from affect4d.template.menpo3d_data import data_file

# The file lists its groups in another order than iBUG's.
_GROUPS = ("chin", "leyebrow", "reyebrow", "nose", "leye", "reye", "mouth")
_PIXELS = (400, 380)  # height and width of a view
_FRAME = ((0.0, -8.0, 60.0), 132.0)  # centre and half height of a view, mm: the scan with its neck
_VIEWS_DEGREES = (0, 35)  # from the front, and turned so far that depth shows
# Each turns a triangle of the scan into four, so that its texture is not blurred by few vertices.
_SUBDIVISIONS = 2


@dataclass(frozen=True)
class RealScan:
    """What is shown of the scan.

    Attributes
    ----------
    raw, registered : pictures (H, W, 3), the same views
    residual : mm, mean distance of the registered surface's 68 landmarks from the scan's own
    seen : share of the inner face that was seen
    """

    raw: list[NDArray[np.uint8]]
    registered: list[NDArray[np.uint8]]
    residual: float
    seen: float


def register_real_scan(registrar: Registrar) -> RealScan:
    """Register `james` and draw it."""
    mesh = read_mesh(data_file("james.obj"))
    assert mesh.uv is not None
    texture = Texture(read_image(data_file("james.jpg"), is_texture=True), mesh.uv)
    landmarks = _landmarks(data_file("james.ljson"))
    registered = registrar.register(mesh.vertices, mesh.triangles, landmarks)
    template = registrar.template
    carried = template.landmarks_on(registered.vertices)
    rigid = fit_similarity(landmarks, carried, scale=False)
    colour = _colour(registrar, mesh, texture, registered=registered)
    vertices, triangles, colours = _textured(rigid.apply(mesh.vertices), mesh, texture)
    return RealScan(
        _draw(vertices, triangles, colours),
        _draw(registered.vertices, template.triangles, colour),
        float(np.linalg.norm(rigid.apply(landmarks) - carried, axis=1).mean()),
        registered.quality.seen,
    )


def _landmarks(path: Path) -> NDArray[np.float64]:
    """The scan's landmarks (68, 3), iBUG order."""
    groups = json.loads(path.read_text(encoding="utf-8"))["groups"]["LJSON"]["labels"]
    rows = {group["label"]: group["mask"] for group in groups}
    order = np.concatenate([rows[name] for name in _GROUPS])
    landmarks: NDArray[np.float64] = read_landmarks(path, dimension=3)[order]
    return landmarks


def _textured(
    vertices: NDArray[np.floating], mesh: Mesh, texture: Texture
) -> tuple[NDArray[np.floating], NDArray[np.integer], NDArray[np.float32]]:
    """The scan with more vertices (N, 3), its triangles (F, 3), the texture's colours (N, 3)."""
    values: NDArray[np.floating] = np.hstack([vertices, texture.uv])
    triangles: NDArray[np.integer] = mesh.triangles
    for _ in range(_SUBDIVISIONS):
        triangles, ends = subdivide(triangles, len(values))
        values = np.concatenate([values, values[ends].mean(axis=1)])
    vertices, uv = values[:, :3], values[:, 3:]
    itself = np.repeat(np.arange(len(uv), dtype=np.int32)[:, None], 3, axis=1)
    first = np.tile(np.array([1, 0, 0], dtype=np.float32), (len(uv), 1))
    colours = Texture(texture.image, uv).colours(itself, itself[:, 0], first)
    return vertices, triangles, colours


def _colour(
    registrar: Registrar, mesh: Mesh, texture: Texture, *, registered: Registered
) -> NDArray[np.float32]:
    """The texture's colour (V, 3) at the registered vertices, continued where none was seen."""
    colours = texture.colours(mesh.triangles, registered.triangle, registered.weights)
    seen = registered.seen
    mean = colours[seen].mean(0)
    filled = registrar.fill(np.where(seen[:, None], colours - mean, np.float32(0)), seen)
    clipped: NDArray[np.float32] = np.clip(filled + mean, 0, 255)
    return clipped


def _draw(
    vertices: NDArray[np.floating], triangles: NDArray[np.integer], colours: NDArray[np.floating]
) -> list[NDArray[np.uint8]]:
    """Pictures of a surface, one per view."""
    pictures = []
    for turn in np.radians(_VIEWS_DEGREES):
        c, s = np.cos(turn), np.sin(turn)
        view = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        pictures.append(
            render(vertices, triangles, shape=_PIXELS, colours=colours, view=view, frame=_FRAME)
        )
    return pictures
