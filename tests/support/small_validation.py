"""The jobs from annotated, registered sequences to Table 1, on a small gallery."""

import pandas as pd

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.config.affectspace import Settings as PlaneSettings
from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.config.validation import Settings
from affect4d.validation.build import build_validation
from affect4d.validation.features import project_chunk
from affect4d.validation.prepare import prepare_bases
from support import small_gallery
from support.contexts import context

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


def validate(root, settings, noise=None, strict=False):
    """Run the three jobs; returns the quarantines' rows."""
    contexts = [context(root, "validation", strict=strict) for _ in range(3)]
    blendshapes = BlendshapeSettings()
    prepare_bases(contexts[0], small_gallery.template(), settings, blendshapes=blendshapes)
    project_chunk(contexts[1], CHUNK, blendshapes)
    build_validation(contexts[2], [CHUNK], settings, noise=noise)
    return [row for context in contexts for row in context.quarantine.rows]


def table(root):
    return pd.read_csv(root / "validation/table1.csv")
