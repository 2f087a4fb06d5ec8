"""menpo's types from and to this package's arrays and models, one call each way.

menpo is imported here and nowhere else. Its images and their landmarks count (row, column), its
meshes (x, y, z), and its pixels are floats from 0 to 1; ours are (x, y), (x, y, z) and uint8.
"""

from affect4d.interop.models import (
    MenpoFaceModel,
    class_from_menpo,
    class_to_menpo,
    model_from_menpo,
    model_to_menpo,
)
from affect4d.interop.shapes import (
    GROUP,
    MeshArrays,
    image_from_menpo,
    image_to_menpo,
    landmarks_from_menpo,
    landmarks_to_menpo,
    mesh_from_menpo,
    mesh_to_menpo,
)

__all__ = [
    "GROUP",
    "MenpoFaceModel",
    "MeshArrays",
    "class_from_menpo",
    "class_to_menpo",
    "image_from_menpo",
    "image_to_menpo",
    "landmarks_from_menpo",
    "landmarks_to_menpo",
    "mesh_from_menpo",
    "mesh_to_menpo",
    "model_from_menpo",
    "model_to_menpo",
]
