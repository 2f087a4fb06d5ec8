"""One class after another: mean deformation, sparse localized components, their weights.

A class whose frames, sequences, settings and code have not changed keeps its model.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.affectspace import AFFECT_SPACE, CLASSES, FRAMES
from affect4d.artifacts.blendshapes import CHUNK, MODEL, QUARANTINE
from affect4d.artifacts.gallery import FRAMES as GALLERY_FRAMES
from affect4d.artifacts.reading import open_file
from affect4d.artifacts.statuses import OK, USED
from affect4d.blendshapes.averaging import FrameMean
from affect4d.blendshapes.compression import BLOCK_BYTES
from affect4d.blendshapes.differences import (
    SequenceWithNeutral,
    StoredFrames,
    open_sequences,
    select_rows,
    subsample_by_subject,
)
from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.model import DISTRIBUTION, model_arrays
from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA
from affect4d.config.affectspace import Settings as AffectSpaceSettings
from affect4d.config.blendshapes import Settings as BlendshapesSettings
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.store.protocol import remove
from affect4d.template.ibug68 import NOSE_TIP
from affect4d.template.template import Template

log = logging.getLogger(__name__)
FADE_MM = 25.0  # width of the rim over which components fade out beyond the face's radius
BLOCK_FRAMES = 256  # in memory at a time where only the mean needs them
COORDINATE_BYTES = 4  # of float32


def fit_group(fitter: "ClassFitter", group: int) -> None:
    """Fit the classes of one group and record its manifest under `blendshapes`.

    Parameters
    ----------
    fitter : of classes
    group
        Counts groups of `classes_per_job` rows of the table of classes.
    """
    context, size = fitter.context, fitter.settings.classes_per_job
    classes = pd.read_parquet(open_file(CLASSES.path(context.root)))
    frames = pd.read_parquet(open_file(FRAMES.path(context.root)))
    used = frames[frames["status"] == USED]
    manifests = fitter.fit(classes.iloc[group * size : (group + 1) * size], used, used)
    inputs = [AFFECT_SPACE.manifest(context.root)]
    record_models(context, str(group), manifests, item=f"group {group}", inputs=inputs)


def record_models(
    context: RunContext,
    job: str,
    manifests: list[Path],
    *,
    item: str,
    inputs: Sequence[Path] = (),
) -> None:
    """Write one job's quarantine and the manifest that lists its models.

    Parameters
    ----------
    context : of the run
    job : names both files
    manifests : of the job's models
    item : names the job in its provenance
    inputs : of the job, beside the context's
    """
    quarantined = QUARANTINE.path(context.root, group=job)
    with store.atomic(quarantined) as path:
        context.quarantine.write(path)
    provenance = context.provenance(inputs, item=item)
    manifest = CHUNK.manifest(context.root, group=job)
    store.record(manifest, [*manifests, quarantined], provenance)


def build_estimator(settings: BlendshapesSettings, n_components: int) -> SparseLocalizedPCA:
    """The estimator of a class's components."""
    return SparseLocalizedPCA(
        n_components,
        settings.constraint,
        settings.sparsity,
        inner_radius=settings.inner_radius,
        outer_radius=settings.outer_radius,
        max_iter=settings.max_iterations,
        tol=settings.tolerance,
        energy_tolerance=settings.energy_tolerance,
    )


@dataclass(frozen=True)
class _ClassFrames:
    """A row of the table of classes, its frames, and where its model is written."""

    row: dict[str, Any]
    frames: pd.DataFrame
    path: Path

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def manifest(self) -> Path:
        return store.manifest_of(self.path)

    @property
    def sequences(self) -> list[str]:
        return sorted(self.frames["sequence"].unique())


class ClassFitter:
    """Fits classes, or basic expressions, on one mesh; writes `blendshapes/{class}.zarr`.

    Parameters
    ----------
    context
        Its results folder holds the registered sequences. Its quarantine receives sequences
        without a neutral mesh, and classes that these leave with too few frames.
    template
        Distances are measured along its surface.
    settings : of the models
    plane : how many frames and subjects suffice for a model
    """

    def __init__(
        self,
        context: RunContext,
        template: Template,
        *,
        settings: BlendshapesSettings,
        plane: AffectSpaceSettings,
    ) -> None:
        self.context, self.settings, self.plane = context, settings, plane
        self.vertices, self.triangles = template.vertices, template.triangles
        self.geodesics = Geodesics(self.vertices, self.triangles, settings.outer_radius)
        from_nose = np.linalg.norm(self.vertices - template.landmarks[NOSE_TIP], axis=1)
        face = np.clip(1 + (settings.face_radius - from_nose) / FADE_MM, 0, 1)
        self.face = face.astype(np.float32)[:, None]

    def fit(
        self, classes: pd.DataFrame, frames: pd.DataFrame, annotations: pd.DataFrame
    ) -> list[Path]:
        """Fit classes, keeping those that are current.

        Parameters
        ----------
        classes
            class, name, status, count, as in `affectspace/classes.parquet`; one that is not ok
            loses the model it may have.
        frames
            frame_id, sequence, subject, valence, arousal, class of the frames they are made of.
        annotations
            sequence, frame_id, valence, arousal of all used frames, for the neutral meshes.

        Returns
        -------
        The manifests of the classes that have a model, in the table's order.
        """
        wanted = frames[frames["class"].isin(classes.loc[classes["status"] == OK, "class"])]
        sequences = open_sequences(
            self.context, wanted["sequence"].unique(), annotations, settings=self.settings
        )
        wanted = wanted[wanted["sequence"].isin(list(sequences))]
        manifests, pending = [], []
        for row in classes.to_dict("records"):
            path = MODEL.path(self.context.root, model=row["name"])
            item = _ClassFrames(row, wanted[wanted["class"] == row["class"]], path)
            if not self._suffices(item):
                remove(item.manifest)
                remove(item.path)
                continue
            manifests.append(item.manifest)
            provenance = self._provenance(item, sequences)
            if store.is_current(item.manifest, provenance):
                log.info("%s is current", item.name)
            else:
                own = {name: sequences[name] for name in item.sequences}
                pending.append((item, provenance, own))
        for _ in self.context.map(self._write, pending, what="classes"):
            pass
        return manifests

    def _suffices(self, item: _ClassFrames) -> bool:
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
        self.context.quarantine.leave_out(item.name, BadInput(GALLERY_FRAMES.pattern, rule, remedy))
        return False

    def _provenance(
        self, item: _ClassFrames, sequences: Mapping[str, SequenceWithNeutral]
    ) -> store.Provenance:
        # Inputs are the sequences themselves: a class outlives changes to other classes' frames.
        neutral = {name: sequences[name].neutral_rows.tolist() for name in item.sequences}
        members = item.frames[["frame_id", "subject", "valence", "arousal"]].to_numpy().tolist()
        content = json.dumps([sorted(members), neutral]).encode()
        provenance = self.context.provenance(
            [store.manifest_of(sequences[name].sequence.path) for name in item.sequences],
            item=item.name,
            settings={"frames": hashlib.sha256(content).hexdigest()},
        )
        # The plane decides whether there is a model; its content depends on its frames alone.
        settings = {k: value for k, value in provenance.settings.items() if k != "affectspace"}
        return replace(provenance, settings=settings)

    def _write(
        self,
        _: RunContext,
        pending: tuple[_ClassFrames, store.Provenance, Mapping[str, SequenceWithNeutral]],
    ) -> None:
        item, provenance, sequences = pending
        fitted = subsample_by_subject(item.frames, self.settings.max_frames)
        fitted = fitted.sort_values("sequence", kind="stable")
        D, mean = self._read(item, fitted, sequences)
        model = self._fit_components(item.name, D)
        del D
        strength = mean.strength if self.settings.target == "strength" else 1.0
        arrays = model_arrays(
            mean.mean,
            model.components_,
            model.weights_,
            subjects=fitted["subject"].to_numpy(),
        )
        arrays["objective"] = np.array(model.objective_)
        attributes = self._attributes(item, fitted, sequences)
        attributes |= {"lost_energy_mm2": model.lost_energy_, "strength": strength}
        store.write(item.path, arrays, attributes, provenance=provenance)
        log.info(
            "%s: %d frames, %d components, %d iterations",
            item.name,
            len(item.frames),
            model.n_components_,
            len(model.objective_),
        )

    def _read(
        self,
        item: _ClassFrames,
        fitted: pd.DataFrame,
        sequences: Mapping[str, SequenceWithNeutral],
    ) -> tuple[NDArray[np.float32] | StoredFrames, FrameMean]:
        """Difference vectors to be fitted, mm, of the face only, and the mean of all.

        Where they do not fit into memory, the fit reads them itself, block after block.
        """
        workers = self.context.workers
        D: NDArray[np.float32] | StoredFrames
        mean, unread = FrameMean(self.face), item.frames
        selection, neutral = select_rows(fitted, sequences)
        if COORDINATE_BYTES * len(fitted) * self.vertices.size <= BLOCK_BYTES:
            D = store.scratch((len(fitted), len(self.vertices), 3))
            store.gather(selection, D, origins=neutral, workers=workers)
            if len(fitted) == len(item.frames):
                mean.add(D, selection)
                unread = item.frames[:0]
            D *= self.face
            D = D.reshape(len(fitted), -1)
        else:
            D = StoredFrames(selection, neutral, self.face, workers=workers)
        unread = unread.sort_values("sequence", kind="stable")
        for start in range(0, len(unread), BLOCK_FRAMES):
            block = unread.iloc[start : start + BLOCK_FRAMES]
            selection, neutral = select_rows(block, sequences)
            mean.add(store.gather(selection, origins=neutral, workers=workers), selection)
        return D, mean

    def _fit_components(
        self, name: str, D: NDArray[np.float32] | StoredFrames
    ) -> SparseLocalizedPCA:
        model = build_estimator(self.settings, min(self.settings.components, len(D) - 1))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(D, vertices=self.vertices, triangles=self.triangles, geodesics=self.geodesics)
        for warning in caught:
            log.warning("%s: %s", name, warning.message)
        return model

    def _attributes(
        self,
        item: _ClassFrames,
        fitted: pd.DataFrame,
        sequences: Mapping[str, SequenceWithNeutral],
    ) -> dict[str, Any]:
        kind = "expression" if "expression" in item.row else "class"
        return {
            kind: item.row[kind],
            "name": item.name,
            "median_valence": _median(item.frames["valence"]),
            "median_arousal": _median(item.frames["arousal"]),
            "constraint": self.settings.constraint,
            "distribution": DISTRIBUTION,
            "unit": "mm",
            "frame_ids": item.frames["frame_id"].tolist(),
            "sequences": item.frames["sequence"].tolist(),
            "fitted_frame_ids": fitted["frame_id"].tolist(),
            "neutral_frame_ids": {
                name: sequences[name].neutral_frame_ids for name in item.sequences
            },
        }


def _median(values: "pd.Series[float]") -> float | None:
    """The median of annotations; None where there are none."""
    return float(values.median()) if values.notna().any() else None
