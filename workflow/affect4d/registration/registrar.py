"""Registration of one scan: from raw triangles and 68 landmarks to the template's topology."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect4d.config.registration import Settings
from affect4d.geometry.raster import draw
from affect4d.geometry.surface import vertex_normals
from affect4d.registration.blind import BlindSpot
from affect4d.registration.consistency import Likeness, disagreement
from affect4d.registration.continuation import Continuation
from affect4d.registration.cylinder import Located, UnwrappedScan
from affect4d.registration.extrapolation import extrapolation_weight
from affect4d.registration.fill import Filler
from affect4d.registration.lids import Lids, from_outline
from affect4d.registration.placing import moved, skull_skin, stable_skin
from affect4d.registration.quality import Quality
from affect4d.registration.reference import Reference, fit_cylinder, prepare, single_valued
from affect4d.registration.refine import Refiner
from affect4d.registration.robust import Checked, align, drop_outliers
from affect4d.registration.scan import folded_share, signed_area, skin, smooth_once, step_across
from affect4d.registration.smooth import Smoother
from affect4d.registration.spline import SurfaceSpline
from affect4d.registration.track import FOLLOWED_RADIUS_MM, CylinderRaster, Texture, Tracker
from affect4d.template.ibug68 import COUNT, EYE_OUTLINES, INNER_LIPS, INTERNAL, JAW, NOSE_TIP
from affect4d.template.template import Template

# Landmarks dropped at most: with more the frame is flagged either way.
_MAX_DROPPED = 24
# Stiffnesses tried, mm^2: from landmarks marked by hand to a poor detector.
_STIFFNESSES_MM2 = (0.125, 0.5, 2.0, 4.0, 8.0, 16.0, 32.0)
# A face is not placed by fewer landmarks (its mark-up needs as many).
_MIN_LANDMARKS = 6
# Share of triangles turned over from which on a scan is smoothed, and how often at most.
_MAX_FOLDED, _MAX_SMOOTHINGS = 0.3, 12
# Within this distance of the inner lips, surface farther than this from its prediction is that of
# the other lip, which covers this one.
_LIPS_MM, _OTHER_LIP_MM = 6.0, 3.0
# The surface is sought along the normal no farther than this.
_MAX_ACROSS_MM = 5.0


@dataclass(frozen=True)
class Registered:
    """A scan in the template's topology.

    Attributes
    ----------
    vertices : (V, 3) mm at true scale, rigidly aligned to the template
    seen : (V,), False where the vertex was filled
    quality : what is measured of it
    triangle : (V,), the scan's triangle each vertex was taken from, -1 where filled
    weights : (V, 3), barycentric coordinates in it
    offset : mm, of the kept landmarks as a whole from where landmarks and surface put them
    deviation : mm, of the face from the template's (`Likeness.deviation`)
    lids : mm, what brought the vertices around the eyes to the landmarks, for `Lids.corrected`
    field : (V, 3) mm, from the template to where landmarks and surface put the vertices
    checked : its landmarks
    """

    vertices: NDArray[np.float32]
    seen: NDArray[np.bool_]
    quality: Quality
    triangle: NDArray[np.int32]
    weights: NDArray[np.float32]
    offset: float
    deviation: float
    lids: NDArray[np.float32]
    field: NDArray[np.float32]
    checked: Checked


class Registrar:
    """Brings scans to a template.

    Parameters
    ----------
    template : a Template is prepared here (some 15 s); a Reference was prepared before
    settings : of the configuration; their defaults when absent

    Attributes
    ----------
    template : the template
    raster : on which a Tracker follows skin
    """

    def __init__(self, template: Template | Reference, settings: Settings | None = None) -> None:
        reference = template if isinstance(template, Reference) else prepare(template)
        self.settings = settings or Settings()
        self.template = reference.template
        self._usual, self._likeness = reference.usual, Likeness(reference.template)
        self._cylinder = fit_cylinder(self.template, self.settings.resolution)
        self._shown = single_valued(self.template, self._cylinder)
        uv, depth = self._cylinder.unwrap(self.template.vertices)
        from_tip = np.linalg.norm(
            self.template.vertices - self.template.landmarks[NOSE_TIP], axis=1
        )
        face = (from_tip < FOLLOWED_RADIUS_MM) & self._shown
        eyes = [self.template.landmark_vertices[eye] for eye in EYE_OUTLINES]
        self.raster = CylinderRaster(uv, depth, self.template.triangles, face=face, eyes=eyes)
        inner = self.template.inner & self._shown
        near_lips = from_outline(self.template, INNER_LIPS) < _LIPS_MM
        self._max_depth = np.full(len(near_lips), self.settings.max_depth)
        self._max_depth[near_lips] = min(_OTHER_LIP_MM, self.settings.max_depth)
        weights = np.ones(COUNT)
        weights[JAW] = self.settings.jaw_weight
        self._spline = SurfaceSpline(
            reference.kernel,
            self.template.vertices,
            centres=self.template.landmark_vertices,
            weights=weights,
        )
        self._lids = Lids(self.template, self._spline)
        self._refiner = Refiner(
            self.template,
            reference.prior,
            weights=weights,
            shown=self._shown,
            noise=self.settings.surface_noise,
        )
        self._filler = Filler(reference.laplacian, reference.area)
        self._smoother = Smoother(self.template.triangles, len(self.template.vertices))
        self._change_weight = extrapolation_weight(self.template, self._cylinder)
        self._continuation = Continuation(
            self.template, self._filler, followed=face, extrapolated=self._change_weight[:, 0] < 1
        )
        self._blind = BlindSpot(self.template, self._smoother)
        self._stable = stable_skin(self.template)
        self._skull = skull_skin(self.template, np.where(self._shown, reference.area, 0.0))
        self._measured = self.template.triangles[inner[self.template.triangles].all(1)]

    def check(self, landmarks: ArrayLike) -> Checked:
        """Align 68 landmarks to the template and find those that cannot be trusted.

        Parameters
        ----------
        landmarks : (68, 3), iBUG order, the scan's frame; rows of NaN where the mark-up has no such
            point

        Raises
        ------
        ValueError
            Landmarks are not (68, 3), fewer than 6 of them are finite, or they do not span a
            plane.
        """
        points = np.asarray(landmarks, dtype=float)
        if points.shape != (COUNT, 3):
            raise ValueError(f"expected landmarks ({COUNT}, 3), got {points.shape}")
        marked = np.isfinite(points).all(1).sum()
        if marked < _MIN_LANDMARKS:
            raise ValueError(f"only {marked} of {COUNT} landmarks are finite numbers")
        alignment = align(points, self.template.landmarks)
        aligned = alignment.similarity.apply(alignment.landmarks)
        displacement = aligned - self.template.landmarks
        keep, residual = drop_outliers(
            self._spline, displacement, limit=self.settings.outlier, max_dropped=_MAX_DROPPED
        )
        stiffness = self._spline.estimate_stiffness(displacement, keep, _STIFFNESSES_MM2)
        dropped = int(marked - keep.sum())
        return Checked(alignment, displacement, displacement, keep, residual, dropped, stiffness)

    def register(
        self,
        vertices: NDArray[np.floating[Any]],
        triangles: NDArray[np.integer[Any]],
        landmarks: ArrayLike | Checked,
        *,
        neutral: Registered | None = None,
        tracker: Tracker | None = None,
        texture: Texture | None = None,
    ) -> Registered:
        """Register one scan.

        Parameters
        ----------
        vertices : (N, 3), the scan's frame
        triangles : (M, 3)
        landmarks : (68, 3) in iBUG order and the scan's frame, or what `check` gave for them
        neutral : of the same sequence
            The frame is registered as a change of it, with the same correction of the lids, and
            placed on its skin that follows the skull; on the template's when absent.
        tracker : corrects the correspondence by the skin's pattern; it needs `texture`
        texture : of the scan

        Raises
        ------
        ValueError
            Landmarks are not (68, 3), too few are finite, or they do not span a plane.
        """
        checked = landmarks if isinstance(landmarks, Checked) else self.check(landmarks)
        alignment = checked.alignment
        corners = np.ascontiguousarray(triangles, dtype=np.int32)
        aligned = moved(alignment.similarity, vertices)
        predicted, scan = self._predict(checked, aligned, triangles=corners, rest=neutral)
        field = predicted - self.template.vertices
        if neutral is not None:
            field = neutral.field + self._change_weight * (field - neutral.field)
            predicted = self.template.vertices + field
        offset, excess = self._disagreement(checked, predicted)
        lids = self._lids.correction(checked, predicted) if neutral is None else neutral.lids
        predicted = self._lids.corrected(predicted, lids)
        predicted_uv, _ = self._cylinder.unwrap(predicted)
        on_scan = self._across(predicted, predicted_uv, scan)
        query = self._cylinder.pixels(self._cylinder.unwrap(on_scan)[0])
        if tracker is not None and texture is not None:
            followed = tracker.follow(scan, query, texture)
            query = self._continuation.corrected(query, followed)
        positions, seen, located = self._sample(scan, query, predicted)
        if self.settings.refinements:
            positions = self._blind.draw(positions, seen, scan.vertices, triangles=corners)
        enlarged = alignment.similarity.scale / alignment.unit
        positions = positions / np.float32(enlarged)
        if neutral is None:
            placed = self._stable.place(positions, seen, self.template.vertices)
        else:
            placed = self.place(positions, seen, neutral.vertices)
        deviation = self._likeness.deviation(placed, seen)
        quality = Quality(
            landmark_residual=float(np.nanmean(checked.residual)),
            landmarks_dropped=float(checked.dropped + alignment.relabelled),
            similarity_residual=alignment.residual,
            scale=1.0 / enlarged,
            scale_change=float("nan"),
            disagreement=excess,
            flipped=float((signed_area(predicted_uv, self._measured) <= 0).mean()),
            seen=float(seen[self.template.inner & self._shown].mean()),
            mirrored=float(alignment.mirrored),
            unit=alignment.unit,
            jitter=float("nan"),
            unlikeness=neutral.quality.unlikeness
            if neutral
            else deviation / (self._usual.deviation or np.nan),
        )
        return Registered(placed, seen, quality, *located, offset, deviation, lids, field, checked)

    def fill(
        self, values: NDArray[np.floating[Any]], seen: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Values (V, 3) at the vertices, continued harmonically where not `seen` (V,)."""
        return self._filler.fill(values, seen)

    def _disagreement(
        self, checked: Checked, predicted: NDArray[np.float32]
    ) -> tuple[float, float]:
        """See `disagreement`, of the kept landmarks."""
        kept = INTERNAL[np.isfinite(checked.residual[INTERNAL])]
        at = self.template.landmark_vertices[kept]
        expected = predicted[at] - self.template.vertices[at]
        return disagreement(checked.raw[kept] - expected, self.template.vertices[at], self._usual)

    def _predict(
        self,
        checked: Checked,
        scan: NDArray[np.float32],
        *,
        triangles: NDArray[np.int32],
        rest: Registered | None,
    ) -> tuple[NDArray[np.float32], UnwrappedScan]:
        """Where every vertex (V, 3) mm lies by landmarks and surface; the scan on the cylinder.

        `scan` (N, 3) mm is aligned; noise so great that it folds the surface is smoothed first.
        The prior holds the change from the face at `rest` where there is one, so that frames share
        what neither surface nor landmarks say of it.
        """
        uv, depth = self._cylinder.unwrap(scan)
        for _ in range(_MAX_SMOOTHINGS):
            if folded_share(uv, triangles) < _MAX_FOLDED:
                break
            scan = smooth_once(scan, triangles)
            uv, depth = self._cylinder.unwrap(scan)
        base, landmarks = self.template.vertices, checked
        if rest is not None and (checked.keep & rest.checked.keep).sum() >= _MIN_LANDMARKS:
            base, landmarks = base + rest.field, self._change(checked, rest.checked)
        coefficients, _, _ = self._spline.fit(
            landmarks.displacement, landmarks.stiffness, landmarks.keep
        )
        field = self._spline.evaluate(coefficients)
        unwrapped = self._unroll(scan, (uv, depth), triangles, face=base + field)
        if self.settings.refinements:
            amplitude = self._spline.amplitude(coefficients, landmarks.displacement, landmarks.keep)
            field = self._refiner.refine(
                landmarks,
                field,
                unwrapped,
                base=base,
                amplitude=amplitude,
                steps=self.settings.refinements,
            )
        return base + field, unwrapped

    def _change(self, checked: Checked, rest: Checked) -> Checked:
        """Landmarks as displaced from where they are at rest, and how noisy this makes them."""
        displacement, keep = checked.displacement - rest.displacement, checked.keep & rest.keep
        stiffness = self._spline.estimate_stiffness(displacement, keep, _STIFFNESSES_MM2)
        return replace(checked, displacement=displacement, keep=keep, stiffness=stiffness)

    def _unroll(
        self,
        scan: NDArray[np.float32],
        unwrapped: tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]],
        triangles: NDArray[np.int32],
        *,
        face: NDArray[np.float32],
    ) -> UnwrappedScan:
        """The skin of an aligned scan on the cylinder's plane.

        Parameters
        ----------
        scan : (N, 3) mm
        unwrapped : its uv (N, 2) mm and depth (N,) mm
        triangles : (F, 3)
        face : (V, 3) mm, the vertices by the landmarks, which place the lips
        """
        uv, depth = unwrapped
        lips = self.template.landmark_vertices[INNER_LIPS]
        keep = skin(
            scan,
            uv,
            triangles,
            half_turn=np.pi * self._cylinder.radius,
            lips=self._cylinder.unwrap(face[lips])[0],
            centre=self.template.landmarks.mean(0),
        )
        xy = np.ascontiguousarray(self._cylinder.pixels(uv), dtype=np.float32)
        triangle_id = draw(xy, depth, triangles, shape=self._cylinder.shape, keep=keep)
        return UnwrappedScan(self._cylinder, scan, xy, triangles, triangle_id)

    def _across(
        self,
        predicted: NDArray[np.float32],
        uv: NDArray[np.floating[Any]],
        scan: UnwrappedScan,
    ) -> NDArray[np.float32]:
        """The predicted vertices moved along their normals onto the scan, where it is near."""
        located = scan.locate(self._cylinder.pixels(uv))
        normals = vertex_normals(predicted, self.template.triangles)
        return step_across(
            predicted, normals, scan.points(located), located.triangle, np.float32(_MAX_ACROSS_MM)
        )

    def _sample(
        self,
        scan: UnwrappedScan,
        query: NDArray[np.floating[Any]],
        predicted: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], Located]:
        """Take every template vertex from the plane; fill the displacement of the others.

        Returns
        -------
        positions (V, 3) mm, which are seen (V,), and where on the scan they were taken
        """
        located = scan.locate(query)
        points = scan.points(located)
        seen = (located.triangle >= 0) & self._shown
        off = np.abs(self._depth(points) - self._depth(predicted))
        seen &= off < self._max_depth
        turned = signed_area(query, self._measured) >= 0  # y points down
        seen[self._measured[turned].ravel()] = False
        displacement = np.where(seen[:, None], points - predicted, np.float32(0))
        displacement, seen = self._smoother.clean(displacement, seen, self.settings.smoothing)
        displacement = self.fill(displacement, seen)
        triangle = np.where(seen, located.triangle, -1).astype(np.int32)
        return predicted + displacement, seen, Located(triangle, located.weights)

    def _depth(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        axis = self._cylinder.axis
        depth: NDArray[np.float32] = np.hypot(points[:, 0] - axis[0], points[:, 2] - axis[1])
        return depth

    def place(
        self,
        positions: NDArray[np.float32],
        seen: NDArray[np.bool_],
        neutral: NDArray[np.floating[Any]],
    ) -> NDArray[np.float32]:
        """Positions moved rigidly to the neutral face by the skin that the skull carries, all of
        it above the base of the nose: an expression moves little of so much skin, and what it
        moves does not count.

        Parameters
        ----------
        positions, neutral : (V, 3) mm
        seen : (V,), vertices that count

        Returns
        -------
        (V, 3) mm
        """
        return self._skull.place(positions, seen, neutral)
