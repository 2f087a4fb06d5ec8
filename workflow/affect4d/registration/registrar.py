"""Registration of one scan: from raw triangles and 68 landmarks to the template's topology."""

from dataclasses import dataclass

import numba
import numpy as np

from affect4d.config.registration import Settings
from affect4d.geometry.similarity import fit_similarity
from affect4d.geometry.surface import vertex_normals
from affect4d.registration.blind import BlindSpot
from affect4d.registration.cylinder import sample, unroll
from affect4d.registration.fill import Filler
from affect4d.registration.quality import Quality
from affect4d.registration.reference import (
    fit_cylinder,
    prepare,
    single_valued,
    stable_weights,
)
from affect4d.registration.refine import Refiner
from affect4d.registration.robust import Alignment, align, drop_outliers
from affect4d.registration.scan import folded, relax, signed_area, skin
from affect4d.registration.smooth import Smoother
from affect4d.registration.spline import SurfaceSpline
from affect4d.registration.track import Grid
from affect4d.template.ibug68 import COUNT, INNER_LIPS, INTERNAL, JAW, NOSE_TIP

# More landmarks than this are not dropped: the frame is flagged either way.
_MOST_DROPPED = 24
# From marked by hand to a poor detector (mm^2).
_STIFFNESS = (0.125, 0.5, 2.0, 4.0, 8.0, 16.0, 32.0)
# Scales of the robust placing: coarse to fine.
_PLACING_MM = (3.0, 2.0, 1.0, 1.0, 1.0)
# A face is not placed by fewer landmarks.
_FEWEST = 6
# Stable skin that must be seen (vertices), or all of it counts.
_FEWEST_STABLE = 40
# Every so many vertices of the stable skin one places the face.
_PLACED_BY = 3
# Reach (mm) of the skin that is followed; beyond the inner face, so that no margin cuts it.
_FACE_MM = 90.0
# Share of triangles turned over at which a scan is smoothed, and how often at most.
_FOLDED, _MOST_CALMED = 0.3, 12
# The surface is sought along the normal no further than this (mm).
_ACROSS_MM = 5.0


@dataclass(frozen=True)
class Checked:
    """Landmarks of one scan, checked.

    Attributes
    ----------
    alignment : Alignment to the template
    displacement : (68, 3) mm, from the template's landmarks to the aligned ones; NaN where not
        marked
    raw : (68, 3) mm, the same, never smoothed over time
    keep : (68,) bool, the landmarks whose displacement is used
    residual : (68,) mm, leave-one-out residual; NaN for the others
    dropped : number of landmarks that were marked and are not believed
    stiffness : mm^2, of the spline through them: how noisy they look
    """

    alignment: Alignment
    displacement: np.ndarray
    raw: np.ndarray
    keep: np.ndarray
    residual: np.ndarray
    dropped: int
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
        A Template is prepared here (some 15 s); a Reference was prepared before.
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
        weights = np.ones(COUNT)
        weights[JAW] = self.settings.jaw_weight
        self._spline = SurfaceSpline(
            reference.kernel,
            self.template.vertices,
            self.template.landmark_vertices,
            weights,
        )
        self._refiner = Refiner(
            self.template, reference.prior, weights, self._shown, self.settings.surface_noise
        )
        self._filler = Filler(reference.laplacian, reference.area)
        self._smoother = Smoother(self.template.triangles, len(self.template.vertices))
        self._blind = BlindSpot(self.template, self._smoother)
        stable = stable_weights(self.template)
        self._stable = np.flatnonzero(stable)[::_PLACED_BY]
        self._stability = stable[self._stable]
        self._judged = self.template.triangles[inner[self.template.triangles].all(1)]

    def check(self, landmarks):
        """Align 68 landmarks to the template and find those that cannot be trusted.

        Parameters
        ----------
        landmarks : (68, 3) array, iBUG order, the scan's frame; rows of NaN where the mark-up has
            no such point

        Returns
        -------
        Checked

        Raises
        ------
        ValueError
            Landmarks are not (68, 3), fewer than 6 of them are finite, or they do not span a
            plane.
        """
        landmarks = np.asarray(landmarks, dtype=float)
        if landmarks.shape != (COUNT, 3):
            raise ValueError(f"expected landmarks (68, 3), got {landmarks.shape}")
        marked = np.isfinite(landmarks).all(1).sum()
        if marked < _FEWEST:
            raise ValueError(f"only {marked} of {COUNT} landmarks are finite numbers")
        alignment = align(landmarks, self.template.landmarks)
        points = alignment.similarity.apply(alignment.landmarks)
        displacement = points - self.template.landmarks
        keep, residual = drop_outliers(
            self._spline, displacement, self.settings.outlier, _MOST_DROPPED
        )
        stiffness = self._spline.estimate_stiffness(displacement, keep, _STIFFNESS)
        dropped = int(marked - keep.sum())
        return Checked(alignment, displacement, displacement, keep, residual, dropped, stiffness)

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
            Landmarks are not (68, 3), too few are finite, or they do not span a plane.
        """
        checked = landmarks if isinstance(landmarks, Checked) else self.check(landmarks)
        alignment = checked.alignment
        triangles = np.ascontiguousarray(triangles, dtype=np.int32)
        scan, uv, depth = self._calmed(_moved(alignment.similarity, vertices), triangles)
        predicted, plane = self._predict(checked, scan, uv, depth, triangles)
        predicted_uv, _ = self._cylinder.unwrap(predicted)
        on_scan = self._across(predicted, predicted_uv, scan, plane)
        query = self._cylinder.pixels(self._cylinder.unwrap(on_scan)[0])
        if tracker is not None and texture is not None:
            query = tracker.follow(plane, query, texture)
        positions, seen, triangle, weights = self._look_up(scan, plane, query, predicted)
        if self.settings.refinements:
            positions = self._blind.draw(positions, seen, scan, triangles)
        enlarged = alignment.similarity.scale / alignment.unit
        target = self.template.vertices if place_on is None else place_on
        placed = self.place(positions / np.float32(enlarged), seen, target)
        quality = Quality(
            landmark_residual=float(np.nanmean(checked.residual)),
            landmarks_dropped=float(checked.dropped + alignment.relabelled),
            similarity_residual=alignment.residual,
            scale=1.0 / enlarged,
            scale_change=float("nan"),
            disagreement=self._disagreement(checked, predicted),
            flipped=float((signed_area(predicted_uv, self._judged) <= 0).mean()),
            seen=float(seen[self.template.inner & self._shown].mean()),
            mirrored=float(alignment.mirrored),
            unit=alignment.unit,
            jitter=float("nan"),
        )
        return Registered(placed, seen, quality, triangle, weights)

    def fill(self, values, seen):
        """Values (V, 3) at the vertices, continued harmonically where not `seen` (V,)."""
        return self._filler.fill(values, seen)

    def _disagreement(self, checked, predicted):
        """Length of the mean vector from where landmarks and surface together put the kept
        landmarks to where they are, over what their distances, without a common direction, would
        leave of it: noise has none, landmarks beside the face have."""
        kept = INTERNAL[np.isfinite(checked.residual[INTERNAL])]
        if not len(kept):
            return float("nan")
        at = self.template.landmark_vertices[kept]
        off = checked.raw[kept] - (predicted[at] - self.template.vertices[at])
        distance = np.linalg.norm(off, axis=1).mean()
        return float(np.sqrt(len(kept)) * np.linalg.norm(off.mean(0)) / max(distance, 1e-6))

    def _calmed(self, scan, triangles):
        """The scan, without noise so great that it folds the surface, and its uv and depth."""
        uv, depth = self._cylinder.unwrap(scan)
        for _ in range(_MOST_CALMED):
            if folded(uv, triangles) < _FOLDED:
                break
            scan = relax(scan, triangles)
            uv, depth = self._cylinder.unwrap(scan)
        return scan, uv, depth

    def _predict(self, checked, scan, uv, depth, triangles):
        """Where every vertex (V, 3) mm lies by landmarks and surface; the scan's Plane."""
        coefficients, _, _ = self._spline.fit(checked.displacement, checked.stiffness, checked.keep)
        field = self._spline.evaluate(coefficients)
        plane = self._unroll(scan, uv, depth, triangles, field)
        if self.settings.refinements:
            amplitude = self._spline.amplitude(coefficients, checked.displacement, checked.keep)
            field = self._refiner.refine(
                checked, amplitude, field, scan, plane, self._cylinder, self.settings.refinements
            )
        return self.template.vertices + field, plane

    def _unroll(self, scan, uv, depth, triangles, field):
        """The aligned scan's skin on the cylinder's plane."""
        lips = self.template.landmark_vertices[INNER_LIPS]
        lips_uv, _ = self._cylinder.unwrap(self.template.vertices[lips] + field[lips])
        half_turn = np.pi * self._cylinder.radius
        centre = self.template.landmarks.mean(0)
        keep = skin(scan, uv, triangles, half_turn, lips_uv, centre)
        return unroll(self._cylinder, uv, depth, triangles, keep)

    def _across(self, predicted, uv, scan, plane):
        """The predicted vertices moved along their normals onto the scan, where it is near."""
        triangle, weights = plane.locate(self._cylinder.pixels(uv))
        found = sample(scan, plane.triangles, triangle, weights)
        normals = vertex_normals(predicted, self.template.triangles)
        return _step_across(predicted, normals, found, triangle, np.float32(_ACROSS_MM))

    def _look_up(self, scan, plane, query, predicted):
        """Take every template vertex from the plane; fill the displacement of the others."""
        triangle, weights = plane.locate(query)
        found = sample(scan, plane.triangles, triangle, weights)
        seen = (triangle >= 0) & self._shown
        seen &= np.abs(self._depth(found) - self._depth(predicted)) < self.settings.max_depth
        seen[self._judged[signed_area(query, self._judged) >= 0].ravel()] = False  # y is down
        displacement = np.where(seen[:, None], found - predicted, np.float32(0))
        displacement, seen = self._smoother.clean(displacement, seen, self.settings.smoothing)
        displacement = self.fill(displacement, seen)
        triangle = np.where(seen, triangle, -1).astype(np.int32)
        return predicted + displacement, seen, triangle, weights

    def _depth(self, points):
        axis = self._cylinder.axis
        return np.hypot(points[:, 0] - axis[0], points[:, 2] - axis[1])

    def place(self, positions, seen, target):
        """Positions moved rigidly to a target by the skin that follows the skull.

        Reweighted (Geman-McClure), so that skin which an expression moved there does not count.

        Parameters
        ----------
        positions, target : (V, 3) mm
        seen : (V,) bool, vertices that count

        Returns
        -------
        (V, 3) float32, mm
        """
        weights = self._stability * seen[self._stable]
        if (weights > 0).sum() < _FEWEST_STABLE:
            weights = self._stability
        source, goal = positions[self._stable], target[self._stable]
        current = weights
        for scale_mm in _PLACING_MM:
            rigid = fit_similarity(source, goal, current, scale=False)
            distance = np.linalg.norm(rigid.apply(source) - goal, axis=1)
            current = weights / (1.0 + (distance / scale_mm) ** 2) ** 2
        return _moved(rigid, positions)


@numba.njit(cache=True)
def _step_across(points, normals, found, triangle, farthest):
    moved = points.copy()
    for v in range(len(points)):
        if triangle[v] < 0:
            continue
        step = np.float32(0.0)
        for k in range(3):
            step += (found[v, k] - points[v, k]) * np.float32(normals[v, k])
        if abs(step) <= farthest:
            for k in range(3):
                moved[v, k] += step * np.float32(normals[v, k])
    return moved


def _moved(similarity, points):
    """Points (N, 3) under a similarity, float32: taken from a point among them, so that no digit of
    a far scan is lost."""
    points = np.asarray(points)
    origin = points[len(points) // 2].astype(np.float64)
    near = (points - origin.astype(points.dtype)).astype(np.float32, copy=False)
    matrix = (similarity.scale * similarity.rotation.T).astype(np.float32)
    moved = near @ matrix
    moved += similarity.apply(origin).astype(np.float32)
    return moved
