"""The atlas: mean deformation and label of every class in one store, for synthesis to look up."""

from pathlib import Path

import numpy as np

from affect4d import store
from affect4d.affectspace.classes import INSUFFICIENT, OK

STATUSES = ["empty", "insufficient", "ok"]


def write_atlas(path, folder, classes, vertex_count, provenance):
    """Collect the classes' models.

    The atlas holds mean (n * n, V, 3) float32 mm (zero where a class has no model), median (n * n,
    2) float64 valence and arousal (NaN where a class is empty), count (n * n,) frames behind the
    mean, status (n * n,) uint8 into the attribute `statuses`.

    Parameters
    ----------
    path : path of `atlas.zarr`
    folder : path
        Where the classes' models lie.
    classes : DataFrame
        `affectspace/classes.parquet`.
    vertex_count : int
    provenance : Provenance
    """
    mean = np.zeros((len(classes), vertex_count, 3), np.float32)
    median = classes[["median_valence", "median_arousal"]].to_numpy(np.float64, copy=True)
    count = np.zeros(len(classes), np.int64)
    status = np.array([STATUSES.index(name) for name in classes["status"]], np.uint8)
    for row in classes[classes["status"] == OK].itertuples():
        model = Path(folder) / f"{row.name}.zarr"
        if not store.manifest_of(model).exists():
            status[row.Index] = STATUSES.index(INSUFFICIENT)
            continue
        stored = store.open(model)
        mean[row.Index] = stored["mean"][...]
        count[row.Index] = len(stored.attributes["frame_ids"])
        median[row.Index] = [stored.attributes[f"median_{axis}"] for axis in ("valence", "arousal")]
    store.write(
        path,
        {
            "mean": store.Vertices(mean, np.zeros((vertex_count, 3), np.float32)),
            "median": median,
            "count": count,
            "status": status,
        },
        {"names": classes["name"].tolist(), "statuses": STATUSES},
        provenance,
    )
