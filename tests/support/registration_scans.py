"""Surfaces of known correspondence, made from the template alone, and a chunk of them on disk."""

import copy
import shutil

import fast_simplification
import numpy as np
import pandas as pd

from affect4d import store
from affect4d.config.registration import Settings
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import write_pts
from affect4d.formats.meshes import Mesh, write_ply
from affect4d.registration.sequences import load_registrar, register_chunk
from affect4d.registration.spline import SurfaceSpline
from affect4d.template.template import make_template
from support.contexts import context
from support.recorded import record


def coarser(template, share):
    """The template with a share of its triangles: what does not depend on its size takes less."""
    vertices, triangles = fast_simplification.simplify(
        template.vertices, template.triangles, target_reduction=1 - share
    )
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3).astype(np.int32)
    return make_template(vertices[used].astype(np.float32), triangles, template.landmarks)


def deform(template, seed, jaw=0.0):
    """The template with another build, and the chin down by 18 mm times `jaw`: (V, 3) mm."""
    rng = np.random.default_rng(seed)
    vertices = template.vertices.astype(float)
    moved = vertices.copy()
    for width, amplitude, count in ((60, 3.0, 12), (30, 1.5, 30)):
        centres = vertices[rng.integers(0, len(vertices), count)]
        weight = np.exp(-0.5 * ((vertices[:, None] - centres) ** 2).sum(2) / width**2)
        weight /= np.sqrt((weight**2).sum(1, keepdims=True) + 0.1)
        moved += weight @ (amplitude * rng.normal(size=(count, 3)))
    below = np.clip((-35.0 - vertices[:, 1]) / 30.0, 0.0, 1.0)
    front = np.clip(vertices[:, 2] / 80.0, 0.0, 1.0)
    moved[:, 1] -= 18.0 * jaw * (below * front) ** 2
    return moved


def open_mouth(template, reference):
    """The template with its jaw dropped by 20 mm, lips apart: (V, 3) mm."""
    way = np.zeros((68, 3))
    way[5:12] = [0, -20, -6]
    way[[55, 56, 57, 58, 59, 65, 66, 67]] = [0, -18, -4]
    way[[48, 54, 60, 64]] = [0, -8, 0]
    spline = SurfaceSpline(
        reference.kernel,
        template.vertices,
        centres=template.landmark_vertices,
        weights=np.ones(68),
    )
    fade = np.clip(
        (105 - np.linalg.norm(template.vertices - template.landmarks[51], axis=1)) / 25, 0, 1
    )
    return template.vertices + fade[:, None] * spline.evaluate(spline.fit(way, 0.05)[0])


def scan_of(template, truth, seed, noise=0.5, share=0.3):
    """A raw scan of a deformed template: coarser topology, noise, and its landmarks."""
    rng = np.random.default_rng(seed)
    vertices, triangles = fast_simplification.simplify(
        truth.astype(np.float32), template.triangles, target_reduction=1 - share
    )
    vertices = vertices + rng.normal(size=vertices.shape) * 0.1
    landmarks = truth[template.landmark_vertices] + (
        template.landmarks - template.vertices[template.landmark_vertices]
    )
    landmarks = landmarks + rng.normal(size=landmarks.shape) * noise
    return vertices.astype(np.float32), triangles.astype(np.int32), landmarks


class Chunk:
    """A chunk of two sequences of four frames on disk, and the job that registers it."""

    def __init__(self, root, prepared, template):
        self.root, self.prepared = root, prepared
        self.folder.mkdir(parents=True)
        rows = [
            self._frame(template, sequence, index)
            for sequence in ("s001_1_happiness", "s002_1_spontaneous0")
            for index in range(4)
        ]
        self.rows = pd.DataFrame(rows)

    @property
    def folder(self):
        return self.root / "gallery/scans/c0"

    @property
    def table(self):
        return self.root / "gallery/scans/c0.csv"

    @property
    def manifest(self):
        return self.root / "registered/chunks/c0.manifest.json"

    def copied(self, root):
        """The same scans in a folder of their own."""
        other = copy.copy(self)
        other.root, other.rows = (
            shutil.copytree(self.root, root, dirs_exist_ok=True),
            self.rows.copy(),
        )
        return other

    def _frame(self, template, sequence, index):
        name = f"{sequence}_{index:04d}"
        subject = sequence[:4]
        truth = deform(template, seed=int(subject[1:]), jaw=0.2 * index)
        vertices, triangles, landmarks = scan_of(template, truth, seed=index, share=0.1)
        uv = (vertices[:, :2] / 250 + 0.5).astype(np.float32)
        texture = f"{sequence}.png"
        write_ply(self.folder / f"{name}.ply", Mesh(vertices, triangles, uv), texture)
        ramp = np.linspace(0, 255, 64).astype(np.uint8)
        picture = np.stack([np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64))], axis=2)
        picture = np.concatenate([picture, np.full((64, 64, 1), 99, np.uint8)], axis=2)
        write_image(self.folder / texture, picture)
        write_pts(self.folder / f"{name}.pts", landmarks)
        return {
            "frame_id": name,
            "subject": subject,
            "session": 1,
            "sequence": sequence,
            "task": "posed" if "happiness" in sequence else "spontaneous",
            "frame": index,
            "mesh": f"gallery/scans/c0/{name}.ply",
            "texture": f"gallery/scans/c0/{texture}",
            "markup": "ibug68",
            "landmarks": f"gallery/scans/c0/{name}.pts",
            "expression": "happiness" if index == 3 else "",
            "is_apex": index == 3,
            "is_neutral": index == 0,
        }

    def record(self):
        """Write the table of scans and its manifest."""
        self.rows.to_csv(self.table, index=False)
        record(self.root, self.table)

    def run(self, strict=False, settings=None):
        self.record()
        register_chunk(
            context(self.root, "registration", strict=strict, item="c0", code="code"),
            load_registrar(self.prepared, settings or Settings()),
            self.table,
            files_root=self.root,
        )
        return pd.read_csv(self.root / "registered/quarantine/c0.csv")

    def sequence(self, name):
        return store.open(self.root / f"registered/{name}.zarr")
