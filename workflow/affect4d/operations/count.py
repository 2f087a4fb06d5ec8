"""What a build holds, counted from manifests, metadata and the footers of Parquet files alone."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet

from affect4d import store
from affect4d.artifacts import affectspace, dataset, gallery, registration, synthesis
from affect4d.artifacts.declaration import store_of
from affect4d.provenance.lineage import load_build
from affect4d.store import StoreError

_REMEDY = "run `affect4d audit`"


def count_build(root: Path) -> dict[str, int]:
    """Items of a build by name, in the order of the workflow; what it lacks is left out.

    Raises
    ------
    StoreError
        There is no build, or a file that a manifest lists cannot be read or has another size.
    """
    build = load_build(root)
    if not build.manifests:
        raise StoreError(root, "holds no build", "name the results folder of a build")
    counts: Counter[str] = Counter()
    for name, manifest in build.manifests.items():
        artifact = manifest.artifact
        for path, file in zip(build.listed(name), manifest.files, strict=True):
            what = _tables().get(path) or ("dataset rows" if dataset.SHARD.match(path) else None)
            if what:
                counts[what] += _rows(root / path, file.size)
        is_sequence = registration.REGISTERED.match(f"{artifact}.zarr") is not None
        is_chunk = synthesis.CHUNK.match(f"{artifact}.zarr") is not None
        if is_sequence or is_chunk:
            array = store.open(store_of(root / name))["flags" if is_sequence else "images"]
            counts["registered frames" if is_sequence else "synthesized images"] += array.shape[0]
            counts["registered sequences"] += is_sequence
        counts["files"] += 1 + sum(not f.path.endswith(".manifest.json") for f in manifest.files)
        counts["bytes"] += sum(f.size for f in manifest.files)
    return {name: counts[name] for name in ORDER if name in counts}


ORDER = (
    "scanned frames", "registered sequences", "registered frames", "frames in the plane",
    "synthesized images", "dataset rows", "files", "bytes",
)  # fmt: skip


def _tables() -> dict[str, str]:
    """What the rows of the tables of frames are."""
    return {
        gallery.FRAMES.pattern: "scanned frames",
        affectspace.FRAMES.pattern: "frames in the plane",
    }


def _rows(path: Path, size: int) -> int:
    """Rows of a Parquet file, from its footer."""
    try:
        if path.stat().st_size != size:
            raise StoreError(path, "has another size than its manifest states", _REMEDY)
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (OSError, pyarrow.ArrowException) as error:
        raise StoreError(path, f"its footer cannot be read ({error})", _REMEDY) from None
