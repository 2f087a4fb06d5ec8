"""One class after another: mean deformation, sparse localized components, their weights.

A class whose frames, sequences, settings and code are what they were is kept as it stands.
"""

import hashlib
import json
import logging
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.artifacts.statuses import OK, USED
from affect4d.blendshapes.compression import BLOCK_BYTES
from affect4d.blendshapes.differences import spread
from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.model import DISTRIBUTION, model_arrays
from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA
from affect4d.blendshapes.stored import StoredFrames
from affect4d.quarantine import BadInput
from affect4d.registration.registered_sequence import Sequence
from affect4d.store.protocol import remove
from affect4d.template.ibug68 import NOSE_TIP

log = logging.getLogger(__name__)
GALLERY = "gallery/frames.parquet"  # where frames are marked neutral
FADE_MM = 25.0  # width of the rim over which the face ends
BLOCK_FRAMES = 256  # in memory at a time where only the mean needs them


def fit_group(group, root, template, settings, plane, quarantine, provenance, workers=1):
    """Fit the classes of one group and record its manifest under `root`/blendshapes.

    Parameters
    ----------
    group : int
        Counts groups of `settings.classes_per_job` rows of the table of classes.
    root : path
        The results folder.
    template : Template
    settings : config.blendshapes.Settings
    plane : config.affectspace.Settings
        Frames and subjects that suffice for a model (rule 5).
    quarantine : Quarantine
    provenance : callable (item, inputs, extra_settings) -> Provenance
    workers : int
        Threads that read sequences.
    """
    root = Path(root)
    size = settings.classes_per_job
    classes = pd.read_parquet(root / "affectspace/classes.parquet")
    frames = pd.read_parquet(root / "affectspace/frames.parquet")
    used = frames[frames["status"] == USED]
    fitter = ClassFitter(root, template, settings, plane, provenance, quarantine, workers)
    manifests = fitter.fit(classes.iloc[group * size : (group + 1) * size], used, used)
    made_from = provenance(f"group {group}", [root / "affectspace/affectspace.manifest.json"], {})
    record_models(root, str(group), manifests, quarantine, made_from)


def record_models(root, job, manifests, quarantine, provenance):
    """Write one job's quarantine and the manifest that lists its models.

    Parameters
    ----------
    root : path
        The results folder.
    job : str
        Names both files.
    manifests : list of Path, of the job's models
    quarantine : Quarantine
    provenance : Provenance of the job
    """
    out = Path(root) / "blendshapes"
    rejected = out / "quarantine" / f"{job}.csv"
    with store.atomic(rejected) as path:
        quarantine.write(path)
    store.record(out / "chunks" / f"{job}.manifest.json", [*manifests, rejected], provenance)


class ClassFitter:
    """Fits classes, or basic expressions, on one mesh.

    Parameters
    ----------
    root : path
        The results folder, with the registered sequences; `blendshapes/{class}.zarr` are written.
    template : Template
        Distances are measured along its surface.
    settings : config.blendshapes.Settings
    plane : config.affectspace.Settings
        Frames and subjects that suffice for a model.
    provenance : callable (item, inputs, extra_settings) -> Provenance
    quarantine : Quarantine
        Receives sequences without a neutral mesh, and classes these leave with too few frames.
    workers : int
        Threads that read sequences.
    """

    def __init__(self, root, template, settings, plane, provenance, quarantine, workers):
        self.registered, self.out = Path(root) / "registered", Path(root) / "blendshapes"
        self.settings, self.plane = settings, plane
        self.provenance, self.quarantine, self.workers = provenance, quarantine, workers
        self.vertices, self.triangles = template.vertices, template.triangles
        self.geodesics = Geodesics(self.vertices, self.triangles, settings.outer_radius)
        far = np.linalg.norm(self.vertices - template.landmarks[NOSE_TIP], axis=1)
        face = np.clip(1 + (settings.face_radius - far) / FADE_MM, 0, 1)
        self.face = face.astype(np.float32)[:, None]

    def fit(self, classes, frames, annotations):
        """Fit classes, keeping those that are current.

        Parameters
        ----------
        classes : DataFrame
            class, name, status, count, as in `affectspace/classes.parquet`; one that is not ok
            loses the model it may have.
        frames : DataFrame
            frame_id, sequence, subject, valence, arousal, class of the frames they are made of.
        annotations : DataFrame
            sequence, frame_id, valence, arousal of all used frames, for the neutral meshes.

        Returns
        -------
        list of Path
            The manifests of the classes that have a model, in the table's order.
        """
        wanted = frames[frames["class"].isin(classes.loc[classes["status"] == OK, "class"])]
        sequences = self._open(wanted["sequence"].unique(), annotations)
        wanted = wanted[wanted["sequence"].isin(list(sequences))]
        manifests, pending = [], []
        for row in classes.to_dict("records"):
            item = _Item(row, wanted[wanted["class"] == row["class"]], self.out)
            if not self._suffices(item):
                remove(item.manifest)
                remove(item.path)
                continue
            manifests.append(item.manifest)
            item.provenance = self._provenance(item, sequences)
            if store.is_current(item.manifest, item.provenance):
                log.info("%s is current", row["name"])
            else:
                pending.append(item)
        for item in pending:
            self._gather(item, sequences)
            self._write(item, sequences)
        return manifests

    def _open(self, names, annotations):
        """The sequences with a neutral mesh, each with the rows of it."""
        sequences = {}
        for name in sorted(names):
            sequence = Sequence(self.registered / f"{name}.zarr")
            own = annotations[annotations["sequence"] == name]
            try:
                rows = sequence.neutral_rows(
                    self.settings.neutral, self.settings.neutral_frames, own
                )
            except BadInput as problem:
                self.quarantine.add(name, problem)
                continue
            sequences[name] = sequence, rows
        return sequences

    def _suffices(self, item):
        if item.row["status"] != OK:
            return False
        frames, subjects = len(item.frames), item.frames["subject"].nunique()
        if frames >= self.plane.min_frames and subjects >= self.plane.min_subjects:
            return True
        rule = (
            f"{frames} of its {item.row['count']} frames, of {subjects} people, have a neutral "
            f"mesh, fewer than {self.plane.min_frames} of {self.plane.min_subjects}"
        )
        remedy = (
            "mark neutral frames in its sequences, or lower affectspace.min_frames or min_subjects"
        )
        self.quarantine.leave_out(item.row["name"], BadInput(GALLERY, rule, remedy))
        return False

    def _provenance(self, item, sequences):
        # Inputs are the sequences themselves: a class outlives changes to other classes' frames.
        names = sorted(item.frames["sequence"].unique())
        neutral = {name: sequences[name][1].tolist() for name in names}
        members = item.frames[["frame_id", "subject", "valence", "arousal"]].to_numpy().tolist()
        content = json.dumps([sorted(members), neutral]).encode()
        inputs = [store.manifest_of(sequences[name][0].path) for name in names]
        extra = {"frames": hashlib.sha256(content).hexdigest()}
        made_from = self.provenance(item.row["name"], inputs, extra)
        # The plane decides whether there is a model; what is in it, its frames say.
        settings = {name: own for name, own in made_from.settings.items() if name != "affectspace"}
        return replace(made_from, settings=settings)

    def _gather(self, item, sequences):
        """Read the frames of one class: those to be fitted into scratch, all into the total.

        Where they do not fit into memory, the fit reads them by itself, block after block.
        """
        fitted = spread(item.frames, self.settings.max_frames)
        rest = item.frames.drop(fitted.index).sort_values("sequence", kind="stable")
        fitted = fitted.sort_values("sequence", kind="stable")
        item.fitted = fitted["frame_id"].to_numpy()
        item.subjects = fitted["subject"].to_numpy()
        item.total = np.zeros(self.vertices.shape)
        selection, neutral = self._selection(fitted, sequences)
        if 4 * len(fitted) * self.vertices.size <= BLOCK_BYTES:
            item.D = store.scratch((len(fitted), len(self.vertices), 3))
            store.gather(selection, item.D, origins=neutral, workers=self.workers)
            item.total += item.D.sum(0, dtype=np.float64)
            item.D *= self.face
            item.D = item.D.reshape(len(fitted), -1)
        else:
            item.D = StoredFrames(selection, neutral, self.face, self.workers)
            rest = item.frames.sort_values("sequence", kind="stable")
        for start in range(0, len(rest), BLOCK_FRAMES):
            selection, neutral = self._selection(rest.iloc[start : start + BLOCK_FRAMES], sequences)
            block = store.gather(selection, origins=neutral, workers=self.workers)
            item.total += block.sum(0, dtype=np.float64)

    def _selection(self, frames, sequences):
        """Rows of frames, and of their sequences' neutral meshes, by path in the names' order."""
        selection, neutral = {}, {}
        for name, own in frames.groupby("sequence", sort=True):
            sequence, rows = sequences[name]
            selection[sequence.path] = sequence.rows(own["frame_id"])
            neutral[sequence.path] = rows
        return selection, neutral

    def _write(self, item, sequences):
        settings = self.settings
        model = SparseLocalizedPCA(
            min(settings.components, len(item.D) - 1),
            settings.constraint,
            settings.sparsity,
            settings.inner_radius,
            settings.outer_radius,
            max_iter=settings.max_iterations,
            tol=settings.tolerance,
            energy_tolerance=settings.energy_tolerance,
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(
                item.D,
                vertices=self.vertices,
                triangles=self.triangles,
                geodesics=self.geodesics,
            )
        for warning in caught:
            log.warning("%s: %s", item.row["name"], warning.message)
        del item.D
        mean = (item.total / len(item.frames)).astype(np.float32)
        arrays = model_arrays(mean, model.components_, model.weights_, item.subjects)
        arrays["objective"] = np.array(model.objective_)
        attributes = item.attributes(settings, sequences) | {"lost_energy_mm2": model.lost_energy_}
        store.write(item.path, arrays, attributes, item.provenance)
        log.info(
            "%s: %d frames, %d components, %d iterations",
            item.row["name"],
            len(item.frames),
            model.n_components_,
            len(model.objective_),
        )


@dataclass
class _Item:
    """A class on its way: its row of the table and its frames, then what is gathered of them."""

    row: dict
    frames: pd.DataFrame
    out: Path
    provenance: store.Provenance | None = None
    fitted: np.ndarray = field(init=False)
    subjects: np.ndarray = field(init=False)
    total: np.ndarray = field(init=False)
    D: np.ndarray | StoredFrames = field(init=False)

    @property
    def path(self):
        return self.out / f"{self.row['name']}.zarr"

    @property
    def manifest(self):
        return store.manifest_of(self.path)

    def attributes(self, settings, sequences):
        names = sorted(self.frames["sequence"].unique())
        what = "expression" if "expression" in self.row else "class"
        return {
            what: self.row[what],
            "name": self.row["name"],
            "median_valence": _median(self.frames["valence"]),
            "median_arousal": _median(self.frames["arousal"]),
            "constraint": settings.constraint,
            "distribution": DISTRIBUTION,
            "unit": "mm",
            "frame_ids": self.frames["frame_id"].tolist(),
            "sequences": self.frames["sequence"].tolist(),
            "fitted_frame_ids": self.fitted.tolist(),
            "neutral_frame_ids": {
                name: [sequences[name][0].frame_ids[row] for row in sequences[name][1]]
                for name in names
            },
        }


def _median(values):
    """The median of annotations; None where there are none."""
    return float(values.median()) if values.notna().any() else None
