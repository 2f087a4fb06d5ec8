"""Inputs of jobs damaged one at a time: does the entry that consumes them refuse them?"""

import contextlib
import hashlib
import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.blendshapes.atlas import build_atlas
from affect4d.blendshapes.classes import ClassFitter, fit_group
from affect4d.blendshapes.targets import Atlas
from affect4d.config.affectspace import Settings as PlaneSettings
from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.config.dataset import Settings as DatasetSettings
from affect4d.config.fitting import Settings as FittingSettings
from affect4d.dataset import publish_dataset
from affect4d.fitting.chunks import fit_chunk
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.storage import write_model
from affect4d.formats.content import read_content
from affect4d.gallery.frames import write_annotations, write_frames
from affect4d.report import sections
from affect4d.store import StoreError
from affect4d.validation.build import build_validation
from affect4d.validation.features import project_chunk
from affect4d.validation.prepare import prepare_bases
from support import small_gallery, small_results, small_validation
from support.contexts import context

VERTICES = 4  # of the faces of `small_results`
ONE_CHUNK = FittingSettings(chunks=1)
PLANE = PlaneSettings(bins=4, min_frames=3, min_subjects=2)
BLENDSHAPES = BlendshapeSettings(outer_radius=45.0, components=3)


@dataclass(frozen=True)
class Consumer:
    """An entry, the files that it reads (patterns below the results folder), what it writes."""

    read: Callable[[Path], object]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()


def build_small(folder):
    """A small build of every stage, and another of the same layout to take files from."""
    roots = []
    for number, name in enumerate(("this", "other")):
        root = folder / name / "results"
        root.mkdir(parents=True)
        (folder / name / "photo.jpg").write_bytes(b"photo")
        small_results.build_results(root, folder / name / "photo.jpg")
        rows = small_results.frame_rows()[["frame_id", "valence", "arousal"]]
        rows["valence"] += number / 100
        write_annotations(rows, context(root, "gallery_annotations"))
        write_frames(["c0"], root, context(root, "gallery_frames"))
        rng = np.random.default_rng(number)
        modes = rng.normal(size=(3, VERTICES, 3)).astype(np.float32)
        triangles = np.array([[0, 1, 2], [1, 2, 3]], np.int32)
        model = MorphableModel(modes[0], modes[1:2], modes[2:], triangles, np.zeros(68, np.int64))
        provenance = store.Provenance(root, "fitting_model", "model")
        write_model(root / "fits/model.zarr", model, provenance)
        roots.append(root)
    return roots


def build_fitted(folder):
    """A small gallery with classes and Table 1, and another of the same layout."""
    roots = []
    for number, name in enumerate(("this", "other")):
        root = folder / name / "results"
        small_gallery.build(root, subjects=4, length=40, seed=number)
        small_validation.annotate(root)
        small_validation.validate(root, small_validation.settings(components=[3]))
        build_affectspace(context(root, "affectspace"), PLANE)
        roots.append(root)
    return roots


def _fit_classes(root):
    plane = {"affectspace": PLANE.model_dump()}
    run = context(root, "blendshapes", settings=plane)
    fitter = ClassFitter(run, small_gallery.template(), settings=BLENDSHAPES, plane=PLANE)
    fit_group(fitter, 0)


def _prepare(root):
    settings = small_validation.settings(components=[3])
    run = context(root, "validation_bases")
    prepare_bases(run, small_gallery.template(), settings, blendshapes=BlendshapeSettings())


def _publish(root):
    chunks = sorted((root / "synthesis/photos").glob("*.zarr"))
    settings, run = DatasetSettings(), context(root, "dataset")
    publish_dataset(run, chunks, kinds=small_results.KINDS, settings=settings)


def _read_report(root):
    sections.count_facts(root, sections.read_images(root))
    sections.read_affectspace(root)
    sections.read_quarantine(root)


def _read_atlas(root):
    atlas = Atlas(root / "blendshapes/atlas.zarr")
    return [atlas.target(*place) for _, *place in small_results.CLASSES.values()]


def _read_fits(root):
    fits = store.open(root / "fits/photos/000.zarr")
    return fits.attributes, [fits[name][...].tobytes() for name in fits]


def _read_scans(root):
    meshes = sorted(small_results.frame_rows()["mesh"])
    return [read_content(root / "gallery/scans" / name, 1 << 20, "mesh") for name in meshes]


SMALL = (
    Consumer(
        lambda root: write_frames(["c0"], root, context(root, "gallery_frames")),
        ("gallery/scans/*.csv", "gallery/annotations*.csv"),
    ),
    Consumer(_read_scans, ("gallery/scans/c0/**/*.ply",)),
    Consumer(
        lambda root: build_affectspace(context(root, "affectspace"), PlaneSettings()),
        ("gallery/frames.parquet", "registered/*.zarr/**/*"),
        ("affectspace/*",),
    ),
    Consumer(
        lambda root: build_atlas(context(root, "atlas"), vertex_count=VERTICES, groups=1),
        ("affectspace/classes.parquet", "blendshapes/v*.zarr/**/*"),
        ("blendshapes/atlas.zarr/**/*",),
    ),
    Consumer(_read_atlas, ("blendshapes/atlas.zarr/**/*",)),
    Consumer(
        lambda root: fit_chunk(context(root, "fitting"), "photos", "000", settings=ONE_CHUNK),
        ("neutrals/photos/accepted.csv", "neutrals/photos/images/*", "fits/model.zarr/**/*"),
        ("fits/photos/000.zarr/**/*",),
    ),
    Consumer(_read_fits, ("fits/photos/000.zarr/**/*",)),
    Consumer(_publish, ("synthesis/photos/*.zarr/**/*",), ("dataset/**/*",)),
    Consumer(_read_report, ("affectspace/*.parquet", "dataset/data/*", "**/*quarantine*.csv")),
)
FITTED = (
    Consumer(
        _fit_classes,
        ("affectspace/*.parquet", "registered/*.zarr/**/*"),
        ("blendshapes/**/*",),
    ),
    Consumer(
        _prepare, ("affectspace/frames.parquet", "registered/*.zarr/**/*"), ("validation/**/*",)
    ),
    Consumer(
        lambda root: project_chunk(
            context(root, "validation_features"), small_validation.CHUNK, BlendshapeSettings()
        ),
        ("affectspace/frames.parquet",),
        ("validation/features/**/*",),
    ),
    Consumer(
        lambda root: build_validation(
            context(root, "validation"),
            [small_validation.CHUNK],
            small_validation.settings(components=[3]),
        ),
        (
            "affectspace/frames.parquet", "validation/split.csv", "validation/quarantine/bases.csv",
            "validation/features/**/*.zarr/**/*",
        ),
        ("validation/table1.csv", "validation/predictions.parquet"),
    ),
)  # fmt: skip


def _flip(content, rng):
    damaged = bytearray(content)
    damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
    return bytes(damaged)


def _turn_signs(content, rng):
    """Every sign of a text turned at equal length; of other files some bytes overwritten."""
    if re.search(rb"-\d", content) and b"\0" not in content:
        return re.sub(rb"-(?=\d)", b"+", content)
    start = int(rng.integers(len(content)))
    return (
        content[:start]
        + bytes(255 - byte for byte in content[start : start + 8])
        + (content[start + 8 :])
    )


DAMAGES = {
    "one bit flipped": _flip,
    "same length, other content": _turn_signs,
    "cut": lambda content, rng: content[: rng.integers(len(content))],
    "longer": lambda content, rng: content + rng.bytes(int(rng.integers(1, 9))),
}
OTHER_BUILD, REMOVED = "from another build", "removed"


@dataclass
class Outcome:
    """What was tried, by damage; what was refused, or read nowhere; and what was used.

    Attributes
    ----------
    tried, refused, unread : Counter of damages
    used : (damage, file) of what an entry took for what was written
    """

    tried: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    unread: Counter = field(default_factory=Counter)
    used: list = field(default_factory=list)


def damage_inputs(folder, roots, consumers, *, count, seed):
    """Damage `count` inputs, each alone, and call the entry that consumes it.

    An entry that goes on must give what it gives of what was written: it did not read the file.
    """
    rng, outcome = np.random.default_rng(seed), Outcome()
    this, other = roots
    expected = {consumer: _result(consumer, _linked(this, folder)) for consumer in consumers}
    while outcome.tried.total() < count:
        consumer = consumers[outcome.tried.total() % len(consumers)]
        files = sorted(
            {path for pattern in consumer.inputs for path in this.glob(pattern) if path.is_file()}
        )
        name = files[rng.integers(len(files))].relative_to(this)
        root = _linked(this, folder)
        damage = _damage(root / name, other / name, rng)
        if damage is None:  # the other build has the same file
            continue
        outcome.tried[damage] += 1
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                result = _result(consumer, root)
            except StoreError:
                outcome.refused[damage] += 1
                continue
        if result == expected[consumer]:
            outcome.unread[damage] += 1
        else:
            outcome.used.append((damage, name.as_posix()))
    return outcome


def _damage(path, other, rng):
    """Damage a file; what was done, or None where it stays what it was."""
    content = path.read_bytes()
    damage = [*DAMAGES, OTHER_BUILD, REMOVED][rng.integers(len(DAMAGES) + 2)]
    path.unlink()  # it is a link to the build's own
    if damage == REMOVED:
        return damage
    if damage == OTHER_BUILD:
        damaged = other.read_bytes() if other.is_file() else content
    else:
        damaged = DAMAGES[damage](content, rng) if content else b"x"
    path.write_bytes(damaged)
    return None if damaged == content else damage


def _linked(root, folder):
    """A copy of a build whose files are links: writers replace files, and never change them."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    return Path(shutil.copytree(root, copy, copy_function=os.link))


def _result(consumer, root):
    """Digest of what an entry gives back or writes."""
    given = consumer.read(root)
    digest = hashlib.sha256(repr(given).encode() if not consumer.outputs else b"")
    for pattern in consumer.outputs:
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
