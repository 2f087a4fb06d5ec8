"""A small results folder with an artifact of every kind, as the rooms write them."""

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.config.dataset import Settings
from affect4d.dataset import publish
from affect4d.formats.images import write_image

CLASSES = {7: ("v-0.9_a+0.5", -0.88, 0.51), 66: ("v+0.3_a+0.3", 0.31, 0.29)}


KINDS = {"photos": "photograph", "synthetic": "rendered"}


def write_chunk(root, database, number, subjects, provenance=None):
    """A synthesis chunk of one 8 x 8 photograph a subject, in two classes; the last is refused."""
    rng = np.random.default_rng(number)
    photograph = np.repeat(np.arange(len(subjects)), len(CLASSES))[: -1 if number else None]
    classes = np.tile(list(CLASSES), len(subjects))[: len(photograph)]
    names = {index: name for index, (name, _, _) in CLASSES.items()}
    path = root / "synthesis" / database / f"{number:03d}.zarr"
    store.write(
        path,
        {
            "images": rng.integers(0, 256, (len(classes), 8, 8, 3), dtype=np.uint8),
            "neutral": rng.integers(0, 256, (len(subjects), 8, 8, 3), dtype=np.uint8),
            "photograph": photograph,
            "class": classes,
            "sample": np.full(len(classes), -1),
            "valence": np.array([CLASSES[c][1] for c in classes]),
            "arousal": np.array([CLASSES[c][2] for c in classes]),
            "quality": rng.random((len(classes), 2)).astype(np.float32),
        },
        {
            "database": database,
            "image_ids": [
                f"{database}-{subjects[p]}1-{names[c]}"
                for p, c in zip(photograph, classes, strict=True)
            ],
            "classes": [names.get(index, f"class{index}") for index in range(100)],
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
            "settings": {"margin": 0.3, "size": 8, "blend": "warp"},
        },
        provenance,
    )
    return path


def build_results(root, photograph):
    """Build every kind of artifact under `root`; `photograph` is a file outside."""
    made = _Builder(root)
    frames = _frames()
    for name in frames["mesh"]:
        path = root / "gallery/scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"ply of {name}".encode())
    made.files("gallery/scans/c0", [root / "gallery/scans/c0"], [])
    made.table("gallery/frames", frames, ["gallery/scans/c0"])
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
    median = np.full((100, 2), np.nan)
    for index, (_, *place) in CLASSES.items():
        median[index] = place
    made.store("blendshapes/atlas", {"median": median}, {}, ["blendshapes/chunks/0"])
    made.neutrals("photos", ["ann", "bob"], photograph)
    made.fits("photos", ["ann1", "bob1"])
    provenance = made.provenance("synthesis", ["fits/photos/000", "blendshapes/atlas"])
    chunk = write_chunk(root, "photos", 0, ["ann", "bob"], provenance)
    provenance = made.provenance("dataset", ["synthesis/photos/000"])
    publish([chunk], KINDS, root / "dataset", Settings(), 0, provenance)


def _frames():
    """Three frames a class, whose medians are the class's; two sequences."""
    rows = [
        {
            "frame_id": f"s{part}_{index}_{step}",
            "subject": f"s{part}",
            "sequence": f"s{part}",
            "valence": valence + (part - 2) * 0.01,
            "arousal": arousal + (part - 2) * 0.01,
            "class": index,
            "mesh": f"c0/s{part}_{index}_{step}.ply",
            "texture": None,
            "landmarks": None,
        }
        for index, (_, valence, arousal) in CLASSES.items()
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
        provenance = self.provenance(name.split("/")[0], inputs, outside)
        store.record(self.root / f"{name}.manifest.json", files, provenance)

    def table(self, name, table, inputs):
        path = self.root / f"{name}.parquet"
        with store.atomic(path) as unfinished:
            table.to_parquet(unfinished, index=False)
        self.files(name, [path], inputs)

    def store(self, name, arrays, attributes, inputs):
        provenance = self.provenance(name.split("/")[0], inputs)
        store.write(self.root / f"{name}.zarr", arrays, attributes, provenance)

    def sequence(self, name, frames):
        neutral = np.random.default_rng(0).normal(size=(4, 3))
        vertices = store.Vertices(np.stack([neutral] * len(frames)), neutral)
        ids = frames["frame_id"].tolist()
        self.store(
            f"registered/{name}", {"vertices": vertices}, {"frame_ids": ids}, ["gallery/scans/c0"]
        )

    def affectspace(self, frames):
        folder = self.root / "affectspace"
        folder.mkdir()
        index = np.arange(100)
        groups = frames.groupby("class")
        medians = groups[["valence", "arousal"]].median().reindex(index).add_prefix("median_")
        count = groups.size().reindex(index, fill_value=0)
        classes = pd.DataFrame({"class": index, "count": count}).join(medians)
        frames.to_parquet(folder / "frames.parquet", index=False)
        classes.to_parquet(folder / "classes.parquet", index=False)
        self.files("affectspace/affectspace", [folder], ["gallery/frames", "registered/chunks/c0"])

    def blendshapes(self, name, label, frames):
        attributes = {
            "frame_ids": frames["frame_id"].tolist(),
            "median_valence": label[0],
            "median_arousal": label[1],
            "neutral_frame_ids": {"s1": ["s1_7_0"]},
        }
        inputs = ["affectspace/affectspace", "registered/s1", "registered/s2"]
        self.store(f"blendshapes/{name}", {"mean": np.zeros((4, 3))}, attributes, inputs)

    def neutrals(self, database, subjects, photograph):
        folder = self.root / "neutrals" / database
        (folder / "images").mkdir(parents=True)
        for subject in subjects:
            write_image(folder / f"images/{subject}1.png", np.zeros((8, 8, 3), np.uint8))
        rows = [
            {"image_id": f"{s}1", "subject": s, "evidence": "chosen", "source": str(photograph)}
            for s in subjects
        ]
        pd.DataFrame(rows).to_csv(folder / "accepted.csv", index=False)
        self.files(f"neutrals/{database}/neutrals", [folder], [], [photograph])

    def fits(self, database, image_ids):
        arrays = {
            "camera": np.ones((len(image_ids), 2)),
            "quality": np.full((len(image_ids), 1), 0.5),
        }
        attributes = {"image_ids": image_ids, "camera": ["scale", "yaw"], "quality": ["residual"]}
        inputs = [f"neutrals/{database}/neutrals"]
        self.store(f"fits/{database}/000", arrays, attributes, inputs)
