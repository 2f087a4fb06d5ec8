"""A small results folder with an artifact of every kind, as the stages write them."""

import itertools

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.affectspace.classes import summarise
from affect4d.affectspace.grid import Grid
from affect4d.artifacts.dataset import MEAN
from affect4d.artifacts.gallery import FRAME_COLUMNS, SCAN_COLUMNS
from affect4d.artifacts.neutrals import ACCEPTED
from affect4d.artifacts.readers import READ, READINGS
from affect4d.artifacts.registry import find_artifact
from affect4d.artifacts.statuses import STATUSES
from affect4d.blendshapes.model import DISTRIBUTION, model_arrays
from affect4d.config.dataset import Settings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.dataset import publish_dataset
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import write_pts
from affect4d.pipeline.results_folder import claim_results
from affect4d.quarantine import Quarantine
from affect4d.synthesis.readings import write_readings
from support.contexts import context

CLASSES = {7: ("v-0.9_a+0.5", -0.88, 0.51), 66: ("v+0.3_a+0.3", 0.31, 0.29)}


GRID = Grid()
NAMES = [GRID.name(index) for index in range(len(GRID))]
DATABASE = "photos"  # of build_results
KINDS = {"photos": "photograph", "synthetic": "rendered"}
DATABASES = {
    "databases": {
        "photos": {"adapter": "folder", "root": "photos"},
        "synthetic": {"adapter": "afew_va", "root": "{results}/gallery/portraits"},
    }
}


def write_chunk(root, database, number, subjects, provenance=None, samples=(MEAN,)):
    """A synthesis chunk of 8 x 8 pixels, one photograph per subject; the last image is refused."""
    rng = np.random.default_rng(number)
    made = list(itertools.product(range(len(subjects)), CLASSES, samples))
    photograph, classes, sample = np.array(made[: -1 if number else None]).T
    path = root / "synthesis" / database / f"{number:03d}.zarr"
    store.write(
        path,
        {
            "images": rng.integers(0, 256, (len(classes), 8, 8, 3), dtype=np.uint8),
            "neutral": rng.integers(0, 256, (len(subjects), 8, 8, 3), dtype=np.uint8),
            "photograph": photograph,
            "class": classes,
            "sample": sample,
            "landmarks": np.zeros((len(classes), 68, 2), np.float32),
            "flow": np.zeros((len(classes), 1, 1, 2), np.float16),
            "interpolated": np.zeros(len(classes), bool),
            "valence": np.array([CLASSES[c][1] for c in classes]),
            "arousal": np.array([CLASSES[c][2] for c in classes]),
            "quality": rng.random((len(classes), 2)).astype(np.float32),
        },
        {
            "database": database,
            "image_ids": [
                f"{database}-{subjects[p]}1-{NAMES[c]}" + ("" if s == MEAN else f"-s{s}")
                for p, c, s in zip(photograph, classes, sample, strict=True)
            ],
            "classes": list(NAMES),
            "photographs": [
                {
                    "image_id": f"{subject}1",
                    "subject": subject,
                    "path": f"neutrals/{database}/images/{subject}1.png",
                }
                for subject in subjects
            ],
            "subjects": [subjects[p] for p in photograph],
            "quality": ["flipped", "folded"],
            "settings": {**SynthesisSettings().model_dump(), "margin": 0.3, "size": 8},
            "units": {"landmarks": "px", "flow": "px"},
        },
        provenance=provenance,
    )
    return path


_NOT_MEASURED = {"valence_correlation": None}


def model(frame_ids, sequences, name, *, label, mean):
    """Arrays and attributes of a blendshape model of 4 vertices, of one component."""
    components, weights = np.ones((1, 4, 3)), np.ones((len(frame_ids), 1))
    arrays = model_arrays(
        mean.astype(np.float32),
        components.astype(np.float32),
        weights.astype(np.float32),
        subjects=frame_ids,
    )
    attributes = {
        "name": name,
        "constraint": "nonnegative",
        "distribution": DISTRIBUTION,
        "lost_energy_mm2": 0.0,
        "strength": 1.0,
        "unit": "mm",
        "frame_ids": frame_ids,
        "fitted_frame_ids": frame_ids,
        "sequences": sequences,
        "median_valence": label[0],
        "median_arousal": label[1],
        "neutral_frame_ids": {sequences[0]: frame_ids[:1]},
    }
    return {**arrays, "objective": np.ones(2)}, attributes


def readings_of(chunks):
    """Readings of the first photograph of the first chunk and its first image."""
    attributes = store.open(chunks[0]).attributes
    photograph = f"{attributes['database']}-{attributes['photographs'][0]['image_id']}"
    person = {"database": attributes["database"], "subject": attributes["subjects"][0]}
    rows = [
        {"image_id": photograph, "asked": "photograph", "group": "photograph"},
        {"image_id": attributes["image_ids"][0], "asked": "v", "group": "aroused, positive"}
        | {"valence": 0.5, "arousal": 0.5, "rise": 0.2, "identity": 0.3, "motion": 0.9},
    ]
    same = {"neutral_image_id": photograph, "read": "neutral"} | person
    return pd.DataFrame([row | same for row in rows]).reindex(columns=READINGS.names)


def build_results(root, photograph, people=(("ann", "bob"),), samples=(MEAN,)):
    """Build every kind of artifact under `root`.

    Parameters
    ----------
    root : the results folder
    photograph : a file outside
    people : the subjects of each chunk of images
    samples : of each class: `MEAN`, or the numbers of samples
    """
    claim_results(root)
    made = _Builder(root)
    frames = frame_rows()
    for name in frames["mesh"]:
        path = root / "gallery/scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"ply of {name}".encode())
    made.scans(frames)
    made.table("gallery/frames", frames[list(FRAME_COLUMNS)], ["gallery/scans/c0"])
    sequences = sorted(frames["sequence"].unique())
    for name in sequences:
        made.sequence(name, frames[frames["sequence"] == name])
    items = [root / f"registered/{name}.manifest.json" for name in sequences]
    made.files("registered/chunks/c0", items, ["gallery/scans/c0"])
    made.affectspace(frames)
    for index, (name, valence, arousal) in CLASSES.items():
        made.blendshapes(name, (valence, arousal), frames[frames["class"] == index])
    items = [root / f"blendshapes/{name}.manifest.json" for name, _, _ in CLASSES.values()]
    made.files("blendshapes/chunks/0", items, ["affectspace/affectspace", "registered/chunks/c0"])
    made.atlas()
    made.neutrals(DATABASE, [subject for subjects in people for subject in subjects], photograph)
    chunks = []
    for number, subjects in enumerate(people):
        made.fits(f"fits/{DATABASE}/{number:03d}", [f"{subject}1" for subject in subjects])
        inputs = [f"fits/{DATABASE}/{number:03d}", "blendshapes/atlas"]
        provenance = made.provenance("synthesis", inputs)
        chunks.append(write_chunk(root, DATABASE, number, subjects, provenance, samples))
    inputs = tuple(store.manifest_of(chunk) for chunk in chunks)
    write_readings(
        context(root, "readers", item="item", inputs=inputs, code="c0"),
        readings_of(chunks),
        {"installed": True, "obstacle": "", "photographs": 1, "images": 2} | _NOT_MEASURED,
    )
    inputs += (READ.manifest(root),)
    settings = {"dataset": Settings().model_dump(mode="json"), "neutrals": DATABASES, "seed": 0}
    fields = {"item": "item", "inputs": inputs, "settings": settings, "code": "c0"}
    run_context = context(root, "dataset", **fields)
    publish_dataset(run_context, chunks, kinds=KINDS, settings=Settings())


def frame_rows():
    """Three frames per class, whose medians are the class's; two sequences."""
    rows = [
        {
            "frame_id": f"s{part}_{index}_{step}",
            "subject": f"s{part}",
            "session": "1",
            "sequence": f"s{part}",
            "task": "spontaneous",
            "frame": len(CLASSES) * step + order,
            "valence": valence + (part - 2) * 0.01,
            "arousal": arousal + (part - 2) * 0.01,
            "delay": 0.0,
            "class": index,
            "mesh": f"c0/s{part}/{index}_{step}.ply",
            "texture": None,
            "landmarks": f"c0/s{part}/{index}_{step}.pts",
            "markup": None,
            "expression": None,
            "is_apex": False,
            "is_neutral": False,
            "status": "used",
        }
        for order, (index, (_, valence, arousal)) in enumerate(CLASSES.items())
        for part in (1, 2, 3)
        for step in range(2)
    ]
    return pd.DataFrame(rows)


class _Builder:
    def __init__(self, root):
        self.root = root

    def provenance(self, rule, inputs, outside=()):
        manifests = [self.root / f"{name}.manifest.json" for name in inputs]
        settings = {rule: {"size": 3}}
        return store.Provenance(self.root, rule, "item", [*manifests, *outside], settings, "c0")

    def files(self, name, files, inputs, outside=()):
        provenance = self.provenance(find_artifact(name).rules[0], inputs, outside)
        store.record(self.root / f"{name}.manifest.json", files, provenance)

    def table(self, name, table, inputs):
        path = self.root / f"{name}.parquet"
        with store.atomic(path) as unfinished:
            table.to_parquet(unfinished, index=False)
        self.files(name, [path], inputs)

    def store(self, name, arrays, attributes, inputs):
        provenance = self.provenance(find_artifact(name).rules[0], inputs)
        store.write(self.root / f"{name}.zarr", arrays, attributes, provenance=provenance)

    def scans(self, frames):
        folder = self.root / "gallery/scans"
        frames[list(SCAN_COLUMNS)].to_csv(folder / "c0.csv", index=False)
        Quarantine("gallery").write(folder / "c0.quarantine.csv")
        files = [folder / "c0.csv", folder / "c0.quarantine.csv", folder / "c0"]
        self.files("gallery/scans/c0", files, [])

    def sequence(self, name, frames):
        neutral, count = np.random.default_rng(0).normal(size=(4, 3)), len(frames)
        arrays = {
            "vertices": store.Vertices(np.stack([neutral] * count), neutral),
            "seen": np.ones((count, 4), bool),
            "quality": np.ones((count, 1), np.float32),
            "flags": np.zeros(count, np.uint16),
        }
        attributes = {
            "frame_ids": frames["frame_id"].tolist(),
            "measures": ["seen"],
            "flag_names": ["landmarks"],
            "subject": name,
            "task": "spontaneous",
            "expression": [""] * count,
            "is_apex": [False] * count,
            "is_neutral": [False] * count,
            "quarantined": [],
        }
        self.store(f"registered/{name}", arrays, attributes, ["gallery/scans/c0"])

    def affectspace(self, frames):
        folder = self.root / "affectspace"
        folder.mkdir()
        columns = ["frame_id", "sequence", "frame", "subject", "valence", "arousal", "delay"]
        classes = summarise(frames, GRID, min_frames=1, min_subjects=1)
        frames[[*columns, "class", "status"]].to_parquet(folder / "frames.parquet", index=False)
        classes.to_parquet(folder / "classes.parquet", index=False)
        self.files("affectspace/affectspace", [folder], ["gallery/frames", "registered/chunks/c0"])

    def blendshapes(self, name, label, frames):
        ids = frames["frame_id"].tolist()
        mean = np.zeros((4, 3), np.float32)
        arrays, attributes = model(ids, frames["sequence"].tolist(), name, label=label, mean=mean)
        attributes |= {"class": NAMES.index(name), "neutral_frame_ids": {"s1": ["s1_7_0"]}}
        inputs = ["affectspace/affectspace", "registered/s1", "registered/s2"]
        self.store(f"blendshapes/{name}", arrays, attributes, inputs)

    def atlas(self):
        median, count = np.full((len(NAMES), 2), np.nan), np.zeros(len(NAMES), np.int64)
        for index, (_, *place) in CLASSES.items():
            median[index], count[index] = place, 6
        arrays = {
            "mean": store.Vertices(np.zeros((len(NAMES), 4, 3)), np.zeros((4, 3))),
            "median": median,
            "count": count,
            "shares": np.diag((count > 0).astype(float)),
            "status": np.where(count > 0, STATUSES.index("ok"), 0).astype(np.uint8),
        }
        attributes = {"names": NAMES, "statuses": STATUSES}
        self.store("blendshapes/atlas", arrays, attributes, ["blendshapes/chunks/0"])

    def neutrals(self, database, subjects, photograph):
        folder = self.root / "neutrals" / database
        (folder / "images").mkdir(parents=True)
        for subject in subjects:
            write_image(folder / f"images/{subject}1.png", np.zeros((8, 8, 3), np.uint8))
            write_pts(folder / f"images/{subject}1.pts", np.zeros((68, 2)))
        rows = [
            {
                "image_id": f"{subject}1",
                "subject": subject,
                "path": f"neutrals/{database}/images/{subject}1.png",
                "landmarks": f"neutrals/{database}/images/{subject}1.pts",
                "evidence": "chosen",
                "source": str(photograph),
                "subject_name": subject,
            }
            for subject in subjects
        ]
        pd.DataFrame(rows, columns=ACCEPTED).to_csv(folder / "accepted.csv", index=False)
        self.files(f"neutrals/{database}/neutrals", [folder], [], [photograph])

    def fits(self, name, image_ids):
        database = name.split("/")[1]
        count = len(image_ids)
        arrays = {
            "camera": np.ones((count, 2)),
            "identity": np.zeros((count, 1)),
            "expression": np.zeros((count, 1)),
            "vertices": np.zeros((count, 4, 3), np.float32),
            "offset": np.zeros((count, 4, 2), np.float32),
            "landmarks": np.zeros((count, 68, 2)),
            "quality": np.full((count, 1), 0.5),
        }
        attributes = {
            "image_ids": image_ids,
            "subjects": [image_id[:-1] for image_id in image_ids],
            "images": [f"neutrals/{database}/images/{image_id}.png" for image_id in image_ids],
            "camera": ["scale", "yaw"],
            "quality": ["residual"],
            "units": {"scale": "px/mm"},
        }
        inputs = [f"neutrals/{database}/neutrals"]
        self.store(name, arrays, attributes, inputs)
