"""A scan as a picture, and the face in that picture: from the scan, so that no pixel is fitted.

The picture is the scan's texture, where that is the photograph that the scanner took, or else the
scan drawn from the front. Registration says where the template's vertices lie on the scan, and so
where they lie in the picture.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.fitting.camera import Camera
from affect4d.fitting.detection import detect_landmarks
from affect4d.fitting.scan_fits import fit_camera, to_pixels, to_texture
from affect4d.formats.images import GROUND, read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.limits import Limits
from affect4d.formats.meshes import Mesh, read_mesh
from affect4d.geometry.raster import Raster, rasterise
from affect4d.neutrals.candidates import Candidate
from affect4d.quarantine import BadInput
from affect4d.registration.cylinder import Located, sample
from affect4d.registration.quality import REMEDIES, flag_names, reasons
from affect4d.registration.registrar import Registrar
from affect4d.registration.robust import Alignment, align
from affect4d.registration.track import Texture
from affect4d.template.template import Template, load_template

PX_PER_MM = 2.5  # of a drawn scan: a face is some 350 pixels wide, as in the databases' photographs
_WIDTH_MM, _HEIGHT_MM = 260.0, 320.0  # a head with its hair
_DISTANCE_MM = 1000.0  # of the viewer: a portrait's
_FINER = 2  # times as many pixels are drawn on each side, then averaged
# Median distance, in shares of the picture's larger side, between texture coordinates and where a
# camera sees the scan: a photograph's are within a pixel or two, those of a seamed texture are not.
_MAX_MISSED = 0.02


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan and its picture.

    Attributes
    ----------
    mesh : as it was read
    alignment : of its landmarks to the template
    image : (H, W, 3)
    pixels : (N, 2), where the mesh's vertices lie in the image
    landmarks : (68, 2) pixels; where the mark-up has none, those of the template in its place
    """

    mesh: Mesh
    alignment: Alignment
    image: NDArray[np.uint8]
    pixels: NDArray[np.floating]
    landmarks: NDArray[np.float64]


def read_scan(candidate: Candidate, limits: Limits) -> Scan:
    """A candidate's scan as a picture.

    Its landmarks are those of its file, or those that a detector finds on the scan drawn from the
    front (along the file's z), carried back to the surface.

    Raises
    ------
    BadInput
        The scan, its texture or its landmarks cannot be used.
    """
    path = candidate.path
    mesh = read_mesh(path)
    if mesh.texture is None or mesh.uv is None:
        raise BadInput(path, "the scan has no texture", "export it with its texture")
    texture = Texture(
        read_image(mesh.texture, is_texture=True, limits=limits), mesh.uv, mesh.repeats
    )
    template = _template()
    if candidate.landmarks_path is None:
        points = _detect(mesh, texture, path)
    else:
        points = read_landmarks(
            candidate.landmarks_path, dimension=3, max_bytes=limits.side_file_bytes
        )
    try:
        alignment = align(points, template.landmarks)
    except ValueError as error:
        rule = f"the landmarks form no face ({error})"
        raise BadInput(candidate.landmarks_path or path, rule, "mark them again") from None
    placed = alignment.similarity.apply(mesh.positions)
    if candidate.image_from == "texture":
        image = texture.image
        pixels: NDArray[np.floating] = to_pixels(mesh.uv, image.shape)
        camera = fit_camera(placed, pixels, _middle(image))
        missed = np.linalg.norm(camera.project(placed)[:, :2] - pixels, axis=1)
        if not np.median(missed) < _MAX_MISSED * max(image.shape):
            rule = "its texture is no photograph of it: no camera sees it so"
            raise BadInput(path, rule, "set `override: {image_from: rendered}`")
    else:
        camera = _front(template)
        pixels = camera.project(placed)[:, :2]
        image, _ = _draw(mesh, camera.project(placed), texture)
    marked = alignment.similarity.apply(alignment.landmarks)
    shown = np.where(np.isfinite(marked), marked, template.landmarks)
    landmarks = camera.project(shown)[:, :2].astype(np.float64)
    return Scan(mesh, alignment, image, pixels, landmarks)


def register_scan(scan: Scan, registrar: Registrar, path: Path) -> Mesh:
    """The template's mesh on a scan, with the texture coordinates of the scan's picture.

    Parameters
    ----------
    scan : of which the unit is corrected where it is not the millimetre
    registrar : that registers it
    path : of the scan, for errors

    Returns
    -------
    in the template's frame, mm

    Raises
    ------
    BadInput
        The registration is flagged.
    """
    unit = scan.alignment.unit
    triangles = scan.mesh.triangles
    try:
        registered = registrar.register(
            scan.mesh.positions * np.float32(unit), triangles, scan.alignment.landmarks * unit
        )
    except ValueError as error:
        rule = f"cannot be registered ({error})"
        raise BadInput(path, rule, "check mesh and landmarks") from None
    flags = flag_names(registered.quality.flags(registrar.settings))
    if flags:
        said = reasons(registrar.settings)
        rule = "; ".join(f"{flag} ({said[flag]})" for flag in flags)
        raise BadInput(path, f"its registration is flagged: {rule}", REMEDIES[flags[0]])
    seen, vertices = registered.seen, registered.vertices
    at = sample(scan.pixels, triangles, Located(registered.triangle, registered.weights))
    camera = fit_camera(vertices[seen], at[seen], _middle(scan.image))
    projected = camera.project(vertices)[:, :2]
    missed = np.pad(np.where(seen[:, None], at - projected, 0), ((0, 0), (0, 1)))
    pixels = projected + registrar.fill(missed, seen)[:, :2]
    return Mesh(vertices, registrar.template.triangles, to_texture(pixels, scan.image.shape))


@cache
def _template() -> Template:
    return load_template()


def _middle(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.array([image.shape[1] - 1, image.shape[0] - 1]) / 2


def _front(template: Template) -> Camera:
    """The camera that draws scans: it looks at the middle of the face along the template's -z."""
    middle = np.array([_WIDTH_MM, _HEIGHT_MM]) * PX_PER_MM / 2 - 0.5
    aim = template.landmarks.mean(0)[:2] * [1, -1]
    return Camera(PX_PER_MM, np.eye(3), middle - PX_PER_MM * aim, middle, 1 / _DISTANCE_MM)


def _draw(
    mesh: Mesh, projected: NDArray[np.floating], texture: Texture
) -> tuple[NDArray[np.uint8], Raster]:
    """The picture (H, W, 3) of a scan projected to (N, 3) pixels, and the finer raster of it."""
    size = np.rint(np.array([_WIDTH_MM, _HEIGHT_MM]) * PX_PER_MM).astype(int)
    width, height = (_FINER * size).tolist()
    xy = _finer(projected[:, :2])
    raster = rasterise(xy, projected[:, 2], mesh.triangles, shape=(height, width))
    flat = raster.triangle_id.ravel(), raster.barycentric.reshape(-1, 3)
    colours = texture.colours(mesh.triangles, *flat).reshape(height, width, 3)
    picture = np.where(raster.triangle_id[..., None] < 0, np.array(GROUND, np.float32), colours)
    small = cv2.resize(picture, size.tolist(), interpolation=cv2.INTER_AREA)
    return np.rint(small).astype(np.uint8), raster


def _finer(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Pixels (N, 2) of the picture in the finer raster."""
    finer: NDArray[np.floating] = (pixels + 0.5) * _FINER - 0.5
    return finer


def _detect(mesh: Mesh, texture: Texture, path: Path) -> NDArray[np.float64]:
    """Landmarks (68, 3) in the scan's frame, NaN where its surface does not show them."""
    camera, middle = _front(_template()), _template().landmarks.mean(0)
    low, high = mesh.vertices.min(0).astype(float), mesh.vertices.max(0).astype(float)
    unit = _HEIGHT_MM / max(float(high[1] - low[1]), np.finfo(float).tiny)
    placed = (mesh.vertices - (low + high) / 2) * unit + middle
    image, raster = _draw(mesh, camera.project(placed), texture)
    column, row = np.rint(_finer(detect_landmarks(image, path))).astype(int).T
    height, width = raster.triangle_id.shape
    is_inside = (row >= 0) & (column >= 0) & (row < height) & (column < width)
    row, column = np.where(is_inside, row, 0), np.where(is_inside, column, 0)
    triangle = np.where(is_inside, raster.triangle_id[row, column], -1).astype(np.int32)
    found = Located(triangle, raster.barycentric[row, column])
    points = sample(mesh.vertices, mesh.triangles, found) + mesh.origin
    return np.where(triangle[:, None] >= 0, points, np.nan)
