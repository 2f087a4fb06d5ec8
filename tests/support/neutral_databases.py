"""Tiny databases of photographs, and what adapters and the build make of them."""

import json

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.config.neutrals import Database, Settings
from affect4d.formats.images import encode_jpeg, encode_png
from affect4d.formats.landmarks import write_pts
from affect4d.neutrals.build import build_neutrals
from affect4d.neutrals.databases.search import find_candidates
from affect4d.quarantine import Quarantine
from support.contexts import context

POINTS = np.stack([np.linspace(10, 50, 68), np.linspace(12, 40, 68)], axis=1)
PICTURE = np.full((60, 64, 3), 90, np.uint8)


def photograph(folder, name, points=POINTS, data=None):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = encode_png if path.suffix == ".png" else encode_jpeg
    path.write_bytes(encode(PICTURE) if data is None else data)
    if points is not None:
        write_pts(path.with_suffix(".pts"), points)
    return path


def a_frame(valence=0, arousal=0, points=POINTS):
    marks = np.asarray(points).tolist()
    return {"valence": valence, "arousal": arousal, "landmarks": marks}


def a_clip(root, name, frames, actor="Jane Doe", suffix=".png", clip=None):
    """One AFEW-VA clip: JSON and images."""
    folder = root / name
    folder.mkdir(parents=True)
    clip = clip or folder.name[:3]
    content = {"actor": actor, "video_id": clip, "frames": frames}
    (folder / f"{clip}.json").write_text(json.dumps(content))
    for frame in frames:
        if frame.isdecimal() and len(frame) < 200:
            photograph(folder, f"{frame}{suffix}", None)
    return folder


def find(root, adapter, layout=None, name="db"):
    quarantine = Quarantine("neutrals")
    database = Database(adapter=adapter, root=str(root), layout=layout)
    return find_candidates(name, database, results=root, quarantine=quarantine), quarantine.rows


def build(results, database, strict=False, **settings):
    """Build a database called db; gives accepted.csv and the quarantine's rows."""
    here = context(results, "neutrals", strict=strict, item="db")
    build_neutrals("db", Settings(databases={"db": database}, **settings), here)
    folder = results / "neutrals" / "db"
    rows = pd.read_csv(folder / "quarantine.csv")
    assert len(rows) == len(here.quarantine.rows)
    assert store.verify(folder / "neutrals.manifest.json") == []
    return pd.read_csv(folder / "accepted.csv"), rows
