"""The store: arrays and files under `results/` that are whole or absent, and say what made them.

Arrays become Zarr v3 groups (`write`, `open`), vertex sequences quantised at 10 um (`Vertices`);
plain files are replaced atomically (`atomic`) and listed by a manifest (`record`). The manifest,
written last, holds every file's size and sha256 and the `Provenance`; readers trust nothing else.
"""

from affect4d.store.checks import Problem, verify
from affect4d.store.codec import Vertices
from affect4d.store.commit import Provenance, is_current, record, replacing
from affect4d.store.gather import gather, scratch
from affect4d.store.groups import Array, Store, open, write
from affect4d.store.images import Images
from affect4d.store.manifest import Manifest, canonical, digest, manifest_of, read_manifest
from affect4d.store.protocol import StoreError, atomic, stale_temporaries, sweep, trouble

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
    "canonical",
    "digest",
    "gather",
    "is_current",
    "manifest_of",
    "open",
    "read_manifest",
    "record",
    "replacing",
    "scratch",
    "stale_temporaries",
    "sweep",
    "trouble",
    "verify",
    "write",
]
