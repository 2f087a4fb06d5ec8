"""Meshes, landmarks and images as menpo's shapes."""

from dataclasses import dataclass

import numpy as np
from menpo.image import Image
from menpo.landmark import face_ibug_68_to_face_ibug_68
from menpo.shape import LabelledPointUndirectedGraph, PointCloud, TexturedTriMesh, TriMesh
from numpy.typing import NDArray

from affect4d.formats.images import check_image, read_image
from affect4d.formats.polygons import Mesh
from affect4d.template.ibug68 import COUNT

GROUP = "ibug68"  # of landmarks, in menpo's LandmarkManager
_MAX_PIXEL = 255  # of uint8, 1.0 in menpo


@dataclass(frozen=True)
class MeshArrays:
    """A mesh in memory, with its texture and landmarks.

    Attributes
    ----------
    vertices : (V, 3) mm
    triangles : (F, 3) vertex indices
    uv : (V, 2) texture coordinates, v upwards
    texture : (H, W, 3) RGB
    landmarks : (68, 3) mm
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    uv: NDArray[np.float32] | None = None
    texture: NDArray[np.uint8] | None = None
    landmarks: NDArray[np.float64] | None = None


def landmarks_to_menpo(landmarks: NDArray[np.floating]) -> LabelledPointUndirectedGraph:
    """iBUG-68 landmarks with menpo's labels (jaw, left_eyebrow, ...) and connectivity.

    Parameters
    ----------
    landmarks : (68, 2) pixels (x, y), which menpo counts (y, x), or (68, 3) mm

    Raises
    ------
    ValueError
        The shape is another.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape not in ((COUNT, 2), (COUNT, 3)):
        raise ValueError(f"landmarks {points.shape}: expected ({COUNT}, 2) or ({COUNT}, 3)")
    return face_ibug_68_to_face_ibug_68(PointCloud(_swap_axes(points)))


def landmarks_from_menpo(cloud: PointCloud) -> NDArray[np.float64]:
    """(68, 2) pixels (x, y) or (68, 3) mm of 68 points of menpo, labelled or not.

    Raises
    ------
    ValueError
        The number of points is another.
    """
    if cloud.n_points != COUNT:
        raise ValueError(f"{cloud.n_points} points: expected the {COUNT} of iBUG")
    return _swap_axes(np.asarray(cloud.points, np.float64))


def mesh_to_menpo(
    mesh: MeshArrays | Mesh, landmarks: NDArray[np.floating] | None = None
) -> TriMesh | TexturedTriMesh:
    """A mesh with its texture, where it has one, and its landmarks as the group `GROUP`.

    Parameters
    ----------
    mesh : in memory, or as `formats.meshes.read_mesh` returns it, whose texture is then read
        Texture coordinates without a texture are dropped: menpo has no mesh of that kind.
    landmarks : (68, 3) mm, in place of the mesh's own
    """
    if isinstance(mesh, Mesh):
        texture = None if mesh.texture is None else read_image(mesh.texture, is_texture=True)
    else:
        texture = mesh.texture
        landmarks = mesh.landmarks if landmarks is None else landmarks
    vertices = mesh.positions if isinstance(mesh, Mesh) else mesh.vertices
    points, triangles = np.asarray(vertices, np.float64), mesh.triangles
    if mesh.uv is None or texture is None:
        shape = TriMesh(points, triangles)
    else:
        uv = np.asarray(mesh.uv, np.float64)
        shape = TexturedTriMesh(points, uv, image_to_menpo(texture), triangles)
    if landmarks is not None:
        shape.landmarks[GROUP] = landmarks_to_menpo(landmarks)
    return shape


def mesh_from_menpo(shape: TriMesh, group: str | None = None) -> MeshArrays:
    """A mesh's arrays; colours per vertex, which these do not have, are dropped.

    Parameters
    ----------
    shape : TriMesh, or TexturedTriMesh
    group : of the landmarks; by default `GROUP`, or the only group if it has 68 points
    """
    is_textured = isinstance(shape, TexturedTriMesh)
    return MeshArrays(
        np.asarray(shape.points, np.float32),
        np.asarray(shape.trilist, np.int32),
        np.asarray(shape.tcoords.points, np.float32) if is_textured else None,
        image_from_menpo(shape.texture)[0] if is_textured else None,
        _landmarks_of(shape, group),
    )


def image_to_menpo(
    image: NDArray[np.uint8], landmarks: NDArray[np.floating] | None = None
) -> Image:
    """An image (H, W, 3) with its landmarks (68, 2) in pixels (x, y) as the group `GROUP`."""
    picture = Image.init_from_channels_at_back(check_image(image) / _MAX_PIXEL)
    if landmarks is not None:
        picture.landmarks[GROUP] = landmarks_to_menpo(landmarks)
    return picture


def image_from_menpo(
    image: Image, group: str | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
    """An image (H, W, 3) and its landmarks (68, 2) in pixels (x, y), or None.

    Parameters
    ----------
    image : of floats from 0 to 1, which are clipped, or of uint8; grey becomes three channels
    group : of the landmarks; by default `GROUP`, or the only group if it has 68 points

    Raises
    ------
    ValueError
        The image has neither one nor three channels, or another number of dimensions.
    """
    pixels = np.moveaxis(image.pixels, 0, -1)
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(f"pixels {pixels.shape}: expected (H, W, 1) or (H, W, 3)")
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(pixels, 0, 1) * _MAX_PIXEL).astype(np.uint8)
    rgb = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    return rgb, _landmarks_of(image, group)


def _swap_axes(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(y, x) for (x, y) and the other way round; points in space are unchanged."""
    return np.array(points[:, ::-1] if points.shape[1] == 2 else points, order="C")


def _landmarks_of(shape: Image | TriMesh, group: str | None) -> NDArray[np.float64] | None:
    if not shape.has_landmarks:
        return None
    groups = shape.landmarks
    if group is None and GROUP in groups:
        group = GROUP
    elif group is None:
        names = list(groups)
        if len(names) > 1 or groups[names[0]].n_points != COUNT:
            return None
        group = names[0]
    return landmarks_from_menpo(groups[group])
