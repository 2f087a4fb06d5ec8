"""A database from its folder to synthesized images, with a tiny model and two classes."""

import os
import shutil

from affect4d import store
from affect4d.config.fitting import Settings as FittingSettings
from affect4d.config.neutrals import Database, Settings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.fitting.chunks import fit_chunk
from affect4d.fitting.storage import write_model
from affect4d.neutrals import landmarks, loading
from affect4d.neutrals.build import build_neutrals
from affect4d.neutrals.databases import aff_wild
from affect4d.synthesis.chunks import synthesize_chunk
from support.contexts import context
from support.database_layouts import face
from support.faces import default_anatomy, morphable_model, write_atlas

CLASSES = 2  # of the atlas
# A model of one identity and one expression is none of the people: its gates are not to be tested.
GATES = {"max_residual": 9.0, "max_mouth_opening": 9.0, "max_outliers": 68, "max_outside": 68}


def replace_detector(set_attribute):
    """Let `set_attribute` (setattr or a monkeypatch's) give every picture the embedded face."""
    for module in (landmarks, aff_wild):
        set_attribute(module, "can_detect", lambda: True)
    set_attribute(loading, "detect_faces", lambda image, name: [face(0)[1]])
    set_attribute(loading, "describe_mismatch", lambda image, points: "")


def run_chain(results, root, adapter, template=None):
    """Numbers of accepted, fitted and edited photographs, and of images made and refused.

    `template` is the store of a prepared template, to which scans are registered.
    """
    if template is not None:
        folder = results / "registration"
        shutil.copytree(template, folder / "template.zarr", copy_function=os.link)
        os.link(store.manifest_of(template), folder / "template.manifest.json")
    databases = {"db": Database(adapter=adapter, root=str(root))}
    build_neutrals("db", Settings(databases=databases), context(results, "neutrals"))
    write_model(results / "fits/model.zarr", morphable_model(), None)
    fit_chunk(context(results, "fitting"), "db", "000", settings=FittingSettings(chunks=1, **GATES))
    run = context(results, "synthesis")
    write_atlas(results / "blendshapes/atlas.zarr")
    synthesize_chunk(
        run,
        "db",
        "000",
        anatomy=default_anatomy(),
        settings=SynthesisSettings(size=64, folds=0, relight=0),
    )
    fits = store.open(results / "fits/db/000.zarr")
    chunk = store.open(results / "synthesis/db/000.zarr").attributes
    return {
        "accepted": len((results / "neutrals/db/accepted.csv").read_text().splitlines()) - 1,
        "fitted": len(fits.attributes["image_ids"]),
        "edited": len(chunk["photographs"]),
        "images": len(chunk["image_ids"]),
        "refused": len(run.quarantine.rows),
    }
