"""The rooms' jobs from annotated, registered sequences to Table 1, on a small gallery."""

import pandas as pd
from support import small_gallery
from support.contexts import context

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.config.affectspace import Settings as PlaneSettings
from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.config.validation import Settings
from affect4d.quarantine import Quarantine
from affect4d.validation.build import build_validation
from affect4d.validation.features import project_chunk
from affect4d.validation.prepare import prepare

SMALL = {"gammas": [0.3], "costs": [1.0], "epsilons": [0.1], "bootstrap": 50, "vertices": 0}
CHUNK = "c0"


def annotate(root):
    """Make a chunk of all registered sequences, and the affect space of their annotations."""
    made = [store.manifest_of(path) for path in sorted((root / "registered").glob("*.zarr"))]
    manifest = root / f"registered/chunks/{CHUNK}.manifest.json"
    store.record(manifest, made, store.Provenance(root, "registration", CHUNK))
    build_affectspace(context(root, "affectspace"), PlaneSettings())


def settings(**changes):
    return Settings(**SMALL | changes)


def validate(root, settings, seed=0, noise=None, strict=False):
    """Run the three jobs; returns the quarantines' rows."""
    quarantines = [Quarantine("validation", strict) for _ in range(3)]

    def provenance(item, inputs=(), extra=None):
        return store.Provenance(root, "validation", item, list(inputs), extra or {}, "c0")

    blendshapes = BlendshapeSettings()
    template = small_gallery.template()
    prepare(root, template, settings, blendshapes, seed, quarantines[0], provenance)
    project_chunk(
        root, CHUNK, blendshapes, quarantines[1], provenance, lambda items, total, what: items
    )
    files = build_validation(root, [CHUNK], settings, seed, noise, quarantines[2], provenance)
    manifest = root / "validation/table1.manifest.json"
    store.record(manifest, files, provenance("table1"))
    return [row for quarantine in quarantines for row in quarantine.rows]


def table(root):
    return pd.read_csv(root / "validation/table1.csv")
