"""A real textured scan, menpo3d's `james`, brought to the template by a build's own settings.

It is the same in every build, whatever its gallery: a fixed point by which builds compare.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.geometry.shading import render
from affect4d.geometry.similarity import fit_similarity
from affect4d.registration.track import Texture

# The file lists its groups in another order than iBUG's.
_GROUPS = ("chin", "leyebrow", "reyebrow", "nose", "leye", "reye", "mouth")
_PIXELS = (400, 380)
_FRAME = ((0.0, -8.0, 60.0), 132.0)
_VIEWS_DEGREES = (0, 35)
# Each turns a triangle of the scan into four, so that its texture is not blurred by few vertices.
_SUBDIVISIONS = 2


@dataclass(frozen=True)
class RealScan:
    """What is shown of the scan.

    Attributes
    ----------
    raw, registered : lists of (H, W, 3) uint8 pictures, the same views
    residual : mm, mean distance of the registered surface's 68 landmarks from the scan's own
    seen : share of the inner face that was seen
    """

    raw: list[np.ndarray]
    registered: list[np.ndarray]
    residual: float
    seen: float


def register_real_scan(registrar):
    """Register `james` and draw it: a RealScan."""
    data = Path(str(files("menpo3d"))) / "data"
    mesh = read_mesh(data / "james.obj")
    texture = Texture(read_image(data / "james.jpg"), mesh.uv)
    landmarks = _landmarks(data / "james.ljson")
    registered = registrar.register(mesh.vertices, mesh.triangles, landmarks)
    template = registrar.template
    carried = carry_landmarks(template, registered.vertices)
    rigid = fit_similarity(landmarks, carried, scale=False)
    colour = _colour(registrar, mesh, texture, registered)
    vertices, triangles, colours = _textured(rigid.apply(mesh.vertices), mesh, texture)
    return RealScan(
        [_draw(vertices, triangles, colours, angle) for angle in _VIEWS_DEGREES],
        [_draw(registered.vertices, template.triangles, colour, angle) for angle in _VIEWS_DEGREES],
        float(np.linalg.norm(rigid.apply(landmarks) - carried, axis=1).mean()),
        registered.quality.seen,
    )


def carry_landmarks(template, vertices):
    """The template's landmarks (68, 3) mm on a registered face (V, 3): they are no vertices."""
    near = template.landmark_vertices
    return vertices[near] + (template.landmarks - template.vertices[near])


def _landmarks(path):
    groups = json.loads(path.read_text(encoding="utf-8"))["groups"]["LJSON"]["labels"]
    rows = {group["label"]: group["mask"] for group in groups}
    return read_landmarks(path, dimension=3)[np.concatenate([rows[name] for name in _GROUPS])]


def _textured(vertices, mesh, texture):
    """The scan with more vertices, and the texture's colour at each."""
    both, triangles = np.hstack([vertices, mesh.uv]), mesh.triangles
    for _ in range(_SUBDIVISIONS):
        both, triangles = _subdivide(both, triangles)
    vertices, uv = both[:, :3], both[:, 3:]
    itself = np.repeat(np.arange(len(uv), dtype=np.int32)[:, None], 3, axis=1)
    first = np.tile(np.array([1, 0, 0], dtype=np.float32), (len(uv), 1))
    colours = Texture(texture.image, uv).colours(itself, itself[:, 0], first)
    return vertices, triangles, colours


def _subdivide(values, triangles):
    """Values (V, C) at vertices, and triangles, each split into four at its edges' midpoints."""
    a, b, c = triangles.T
    edges = np.sort(np.stack([[a, b], [b, c], [c, a]]).transpose(0, 2, 1).reshape(-1, 2), axis=1)
    edges, number = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = number.reshape(3, -1) + len(values)
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    split = np.concatenate([np.stack(part, axis=1) for part in parts])
    return np.concatenate([values, values[edges].mean(axis=1)]), split


def _colour(registrar, mesh, texture, registered):
    """The texture's colour (V, 3) at the registered vertices, continued where none was seen."""
    colours = texture.colours(mesh.triangles, registered.triangle, registered.weights)
    seen = registered.seen
    mean = colours[seen].mean(0)
    filled = registrar.fill(np.where(seen[:, None], colours - mean, np.float32(0)), seen)
    return np.clip(filled + mean, 0, 255)


def _draw(vertices, triangles, colours, angle):
    turn = np.radians(angle)
    view = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    return render(vertices, triangles, *_PIXELS, colours=colours, view=view, frame=_FRAME)
