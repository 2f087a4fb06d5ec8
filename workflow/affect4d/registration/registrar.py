"""Registration of one scan: from raw triangles and 68 landmarks to the template's topology."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from affect4d.config.registration import Settings
from affect4d.formats.template import INNER_LIPS, NOSE_TIP
from affect4d.geometry.similarity import fit_similarity
from affect4d.geometry.surface import edges
from affect4d.registration.cylinder import sample, unroll
from affect4d.registration.fill import Filler
from affect4d.registration.quality import Quality
from affect4d.registration.reference import (
    fit_cylinder,
    prepare,
    single_valued,
    stable_weights,
)
from affect4d.registration.robust import JAW, Alignment, align, drop_outliers
from affect4d.registration.scan import mouth_interior, outside, signed_area, unbroken, whole_pieces
from affect4d.registration.spline import SurfaceSpline
from affect4d.registration.track import Grid

# More landmarks than this are not dropped: the frame is flagged either way.
_MOST_DROPPED = 24
# From marked by hand to a poor detector (mm^2).
_STIFFNESS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Scales of the robust placing: coarse to fine.
_PLACING_MM = (3.0, 2.0, 1.0, 1.0, 1.0)
# Reach (mm) of the skin that is followed; beyond the inner face, so that no margin cuts it.
_FACE_MM = 90.0
# A seen vertex that leaves its neighbours by more than this (mm) is a spike.
_SPIKE_MM = 3.0


@dataclass(frozen=True)
class Checked:
    """Landmarks of one scan, checked.

    Attributes
    ----------
    alignment : Alignment to the template
    displacement : (68, 3) mm, from the template's landmarks to the aligned ones
    keep : (68,) bool, the landmarks whose displacement is used
    residual : (68,) mm, leave-one-out residual; NaN for the dropped
    stiffness : mm^2, of the spline through them: how noisy they look
    """

    alignment: Alignment
    displacement: np.ndarray
    keep: np.ndarray
    residual: np.ndarray
    stiffness: float


@dataclass(frozen=True)
class Registered:
    """A scan in the template's topology.

    Attributes
    ----------
    vertices : (V, 3) float32, mm at true scale, rigidly aligned to the template
    seen : (V,) bool, False where the vertex was filled
    quality : Quality
    triangle : (V,) int32, the scan's triangle each vertex was taken from, -1 where filled
    weights : (V, 3) float32, barycentric coordinates in it
    """

    vertices: np.ndarray
    seen: np.ndarray
    quality: Quality
    triangle: np.ndarray
    weights: np.ndarray


class Registrar:
    """Brings scans to a template.

    Parameters
    ----------
    template : Template or Reference
        A Template is prepared here (3 s); a Reference was prepared before.
    settings : affect4d.config.registration.Settings, optional

    Attributes
    ----------
    template : Template
    grid : Grid, on which a Tracker follows skin
    """

    def __init__(self, template, settings=None):
        reference = template if hasattr(template, "kernel") else prepare(template)
        self.settings = settings or Settings()
        self.template = reference.template
        self._cylinder = fit_cylinder(self.template, self.settings.resolution)
        self._shown = single_valued(self.template, self._cylinder)
        uv, depth = self._cylinder.unwrap(self.template.vertices)
        lips = uv[self.template.landmark_vertices[INNER_LIPS]]
        from_tip = np.linalg.norm(
            self.template.vertices - self.template.landmarks[NOSE_TIP], axis=1
        )
        face = (from_tip < _FACE_MM) & self._shown
        self.grid = Grid(uv, depth, self.template.triangles, face, lips)
        inner = self.template.inner & self._shown
        weights = np.ones(68)
        weights[JAW] = self.settings.jaw_weight
        self._spline = SurfaceSpline(
            reference.kernel,
            self.template.vertices,
            self.template.landmark_vertices,
            weights,
        )
        self._filler = Filler(reference.laplacian, reference.area)
        self._stable = stable_weights(self.template)
        self._neighbours = _averaging(self.template.triangles, len(self.template.vertices))
        self._judged = self.template.triangles[inner[self.template.triangles].all(1)]

    def check(self, landmarks):
        """Align 68 landmarks to the template and find those that cannot be trusted.

        Parameters
        ----------
        landmarks : (68, 3) array, iBUG order, the scan's frame

        Returns
        -------
        Checked

        Raises
        ------
        ValueError
            Landmarks are not (68, 3), not finite, or do not span a plane.
        """
        landmarks = np.asarray(landmarks, dtype=float)
        if landmarks.shape != (68, 3) or not np.isfinite(landmarks).all():
            raise ValueError(f"expected 68 finite landmarks (68, 3), got {landmarks.shape}")
        alignment = align(landmarks, self.template.landmarks)
        points = alignment.similarity.apply(alignment.landmarks)
        displacement = points - self.template.landmarks
        keep, residual = drop_outliers(
            self._spline, displacement, self.settings.outlier, _MOST_DROPPED
        )
        stiffness = self._spline.estimate_stiffness(displacement, keep, _STIFFNESS)
        return Checked(alignment, displacement, keep, residual, stiffness)

    def register(self, vertices, triangles, landmarks, place_on=None, tracker=None, texture=None):
        """Register one scan.

        Parameters
        ----------
        vertices : (N, 3) array, the scan's own frame
        triangles : (M, 3) int array
        landmarks : (68, 3) array in iBUG order and the scan's frame, or what `check` gave for it
        place_on : (V, 3) array, optional
            Where the skin that follows the skull comes to lie: the sequence's neutral face, or
            the template when absent.
        tracker : Tracker, optional
            Corrects the correspondence by the skin's pattern; needs `texture`, a Texture.

        Returns
        -------
        Registered

        Raises
        ------
        ValueError
            Landmarks are not (68, 3), not finite, or do not span a plane.
        """
        checked = landmarks if isinstance(landmarks, Checked) else self.check(landmarks)
        alignment = checked.alignment
        triangles = np.ascontiguousarray(triangles, dtype=np.int32)
        coefficients, _, _ = self._spline.fit(checked.displacement, checked.stiffness, checked.keep)
        predicted = self.template.vertices + self._spline.evaluate(coefficients)
        scan = alignment.similarity.apply(vertices).astype(np.float32)
        plane = self._unroll(scan, triangles, predicted)
        query = self._cylinder.pixels(self._cylinder.unwrap(predicted)[0])
        if tracker is not None and texture is not None:
            query = tracker.follow(plane, query, texture)
        positions, seen, triangle, weights = self._look_up(scan, plane, query, predicted)
        enlarged = alignment.similarity.scale / alignment.unit
        target = self.template.vertices if place_on is None else place_on
        placed = self._place(positions / np.float32(enlarged), seen, target)
        quality = Quality(
            landmark_residual=float(np.nanmean(checked.residual)),
            landmarks_dropped=float(np.isnan(checked.residual).sum() + alignment.relabelled),
            similarity_residual=alignment.residual,
            scale=1.0 / enlarged,
            flipped=self._flipped(predicted),
            seen=float(seen[self.template.inner & self._shown].mean()),
            mirrored=float(alignment.mirrored),
            unit=alignment.unit,
            jitter=float("nan"),
        )
        return Registered(placed.astype(np.float32), seen, quality, triangle, weights)

    def fill(self, values, seen):
        """Values (V, C) at the vertices, continued harmonically where not `seen` (V,)."""
        return self._filler.fill(values, seen)

    def _unroll(self, scan, triangles, predicted):
        """The aligned scan's skin on the cylinder's plane."""
        uv, depth = self._cylinder.unwrap(scan)
        keep = whole_pieces(scan, triangles)
        keep &= unbroken(scan, uv, triangles, self._cylinder.radius) & outside(uv, triangles)
        lips, _ = self._cylinder.unwrap(predicted[self.template.landmark_vertices])
        keep &= ~mouth_interior(uv, lips, triangles)
        return unroll(self._cylinder, uv, depth, triangles, keep)

    def _look_up(self, scan, plane, query, predicted):
        """Take every template vertex from the plane; fill the displacement of the others."""
        triangle, weights = plane.locate(query)
        found = sample(scan, plane.triangles, triangle, weights)
        seen = (triangle >= 0) & self._shown
        seen &= np.abs(self._depth(found) - self._depth(predicted)) < self.settings.max_depth
        seen[self._judged[signed_area(query, self._judged) >= 0].ravel()] = False  # y is down
        displacement = np.where(seen[:, None], found - predicted, 0.0).astype(np.float32)
        seen &= ~self._spikes(displacement, seen)
        displacement = self.fill(displacement, seen)
        triangle = np.where(seen, triangle, -1).astype(np.int32)
        return predicted + displacement, seen, triangle, weights

    def _depth(self, points):
        axis = self._cylinder.axis
        return np.hypot(points[:, 0] - axis[0], points[:, 2] - axis[1])

    def _spikes(self, displacement, seen):
        """Mask (V,) of seen vertices that leave the mean of their seen neighbours."""
        weight = seen.astype(np.float32)[:, None]
        total = self._neighbours @ np.concatenate([displacement * weight, weight], axis=1)
        mean = total[:, :3] / np.maximum(total[:, 3:], 1e-6)
        off = np.linalg.norm(displacement - mean, axis=1) > _SPIKE_MM
        return off & seen & (total[:, 3] > 0)

    def _place(self, positions, seen, target):
        """The rigid motion to the target (V, 3) by the skin that follows the skull.

        Reweighted (Geman-McClure), so that skin which an expression moved there does not count.
        """
        weights = self._stable * seen
        if (weights > 0).sum() < 100:
            weights = self._stable
        chosen = np.flatnonzero(weights > 0)
        source, goal, current = positions[chosen], target[chosen], weights[chosen]
        for scale_mm in _PLACING_MM:
            rigid = fit_similarity(source, goal, current, scale=False)
            distance = np.linalg.norm(rigid.apply(source) - goal, axis=1)
            current = weights[chosen] / (1.0 + (distance / scale_mm) ** 2) ** 2
        return rigid.apply(positions)

    def _flipped(self, predicted):
        uv, _ = self._cylinder.unwrap(predicted)
        return float((signed_area(uv, self._judged) <= 0).mean())


def _averaging(triangles, count):
    """(V, V) csr, each row the mean over a vertex's neighbours."""
    pairs = edges(triangles)
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    adjacency = sparse.csr_matrix(
        (np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(count, count)
    )
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    return (sparse.diags((1.0 / degree).astype(np.float32)) @ adjacency).tocsr()
