"""Models and fits as stores: `fits/model.zarr` and `fits/{database}/{chunk}.zarr`."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.fitting.camera import Camera
from affect4d.fitting.fitted import Fit
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.quality import METRICS
from affect4d.template.ibug68 import COUNT

CAMERA = [
    "scale",
    *(f"rotation_{i}{j}" for i in range(3) for j in range(3)),
    "shift_x",
    "shift_y",
    "centre_x",
    "centre_y",
    "inverse_distance",
]
_MODEL = ("mean", "identity", "expression", "triangles", "landmark_vertices", "smooth")


def write_model(path: Path, model: MorphableModel, provenance: store.Provenance | None) -> None:
    """Write a MorphableModel."""
    store.write(
        path, {name: getattr(model, name) for name in _MODEL}, {"unit": "mm"}, provenance=provenance
    )


def read_model(path: Path) -> MorphableModel:
    """Read a MorphableModel; one of an earlier version has no smooth field, as its fits have none.

    Raises
    ------
    affect4d.store.StoreError
        The store is damaged or missing.
    """
    stored = store.open(path)
    names = [name for name in _MODEL if name in stored or name != "smooth"]
    return MorphableModel(**{name: stored[name][...] for name in names})


def write_fits(
    path: Path,
    fits: list[Fit],
    images: pd.DataFrame,
    *,
    model: MorphableModel,
    provenance: store.Provenance | None,
) -> None:
    """Write the fits of one chunk.

    Parameters
    ----------
    path : of the store
    fits : N fits
    images : N rows of image_id, subject, path (relative to the results folder)
    model : gives the shapes of an empty chunk
    provenance : of the run
    """
    count, vertices = len(fits), len(model.mean)
    shapes = {
        "identity": ((len(model.identity),), np.float64),
        "expression": ((len(model.expression),), np.float64),
        "vertices": ((vertices, 3), np.float32),
        "offset": ((vertices, 2), np.float32),
        "landmarks": ((COUNT, 2), np.float64),
    }
    arrays: dict[str, NDArray[np.floating]] = {
        name: np.array([getattr(fit, name) for fit in fits], kind).reshape(count, *shape)
        for name, (shape, kind) in shapes.items()
    }
    arrays["camera"] = np.array([_flatten(fit.camera) for fit in fits]).reshape(count, len(CAMERA))
    arrays["quality"] = np.array(
        [[fit.quality[name] for name in METRICS] for fit in fits], np.float64
    ).reshape(count, len(METRICS))
    attributes = {
        "image_ids": list(images["image_id"]),
        "subjects": list(images["subject"]),
        "images": list(images["path"]),
        "camera": CAMERA,
        "quality": list(METRICS),
        "units": {"vertices": "mm", "offset": "px", "landmarks": "px"}
        | {"scale": "px/mm", "centre": "px", "inverse_distance": "1/mm"},
    }
    store.write(path, arrays, attributes, provenance=provenance)


def read_fits(path: Path) -> list[Fit]:
    """Read all fits of a chunk, in the order of the store's `image_ids`.

    Raises
    ------
    affect4d.store.StoreError
        The store is damaged or missing.
    """
    stored = store.open(path)
    arrays = {name: stored[name][...] for name in stored.keys()}  # noqa: SIM118
    names = stored.attributes["quality"]
    return [
        Fit(
            camera=_camera(arrays["camera"][i]),
            identity=arrays["identity"][i],
            expression=arrays["expression"][i],
            vertices=arrays["vertices"][i],
            offset=arrays["offset"][i],
            landmarks=arrays["landmarks"][i],
            quality=dict(zip(names, map(float, arrays["quality"][i]), strict=True)),
        )
        for i in range(len(arrays["camera"]))
    ]


def _flatten(camera: Camera) -> NDArray[np.float64]:
    return np.concatenate(
        [
            [camera.scale],
            camera.rotation.ravel(),
            camera.translation,
            camera.centre,
            [camera.inverse_distance],
        ]
    )


def _camera(row: NDArray[np.float64]) -> Camera:
    return Camera(float(row[0]), row[1:10].reshape(3, 3), row[10:12], row[12:14], float(row[14]))
