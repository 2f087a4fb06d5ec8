"""The store: arrays and files under `results/`, complete or absent, with their provenance.

Arrays become Zarr v3 groups (`write`, `open`), vertex sequences quantised at 10 um (`Vertices`);
plain files are replaced atomically (`atomic`) and listed by a manifest (`record`). The manifest,
written last, holds every file's size and sha256 and the `Provenance`; readers check against it.
"""

from affect4d.store.arrays import Array
from affect4d.store.checks import Problem, verify
from affect4d.store.codec import Vertices
from affect4d.store.commit import Provenance, atomic_replace, is_current, record, replace_folder
from affect4d.store.frames import gather, scratch
from affect4d.store.groups import Store, open, write
from affect4d.store.images import Images
from affect4d.store.manifest import Manifest, canonical, digest, manifest_of, read_manifest
from affect4d.store.protocol import (
    StoreError,
    atomic,
    garbage_collect,
    stale_temporaries,
    translate_os_error,
)

__all__ = [
    "Array",
    "Images",
    "Manifest",
    "Problem",
    "Provenance",
    "Store",
    "StoreError",
    "Vertices",
    "atomic",
    "atomic_replace",
    "canonical",
    "digest",
    "garbage_collect",
    "gather",
    "is_current",
    "manifest_of",
    "open",
    "read_manifest",
    "record",
    "replace_folder",
    "scratch",
    "stale_temporaries",
    "translate_os_error",
    "verify",
    "write",
]
