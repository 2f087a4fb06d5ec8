"""Where things are on the template: neck, mouth, the mirrored side, how far expressions reach."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree
from skimage.measure import points_in_poly

from affect4d.geometry.surface import edges
from affect4d.template.creases import PlacedCrease, place_creases
from affect4d.template.ibug68 import (
    EYE_OUTLINES,
    INNER_LIPS,
    JAW,
    JAW_ENDS,
    LOWER_INNER_LINE,
    LOWER_INNER_LIP,
    LOWER_LIDS,
    NOSE_TIP,
    UPPER_INNER_LINE,
    UPPER_INNER_LIP,
    UPPER_LID_LINES,
    UPPER_LIDS,
)
from affect4d.template.regions import regions_of
from affect4d.template.template import Template, load_template

# An expression ends between these distances from the nose tip: the chin lies at 92 mm, ears and
# the back of the head, where registered scans hold little but noise, beyond 140 mm.
REACH_MM = (105.0, 135.0)
MOUTH_MM = 36.0  # from the middle of the inner lips; their corners lie within 27
EYE_MM = 25.0  # from the middle of an eye, further than its corners
EDGE_MM = 4.5  # standard deviation with which a lid's or a lip's weight falls off beside its line
# Between two landmarks of such a line; half of the first and last stretch are left out.
LINE_POINTS = 8
SMOOTHING_ROUNDS = 3  # over the neighbours of each vertex: 2 to 3 mm


@dataclass(frozen=True)
class Anatomy:
    """The template's parts.

    Attributes
    ----------
    triangles : (F, 3)
    landmark_vertices : (68,)
    regions : (V,), indices of `template.regions.REGIONS`
    neck : (F,), triangles under the jaw's line
    mouth : (F,), triangles around the mouth
    mirror : (V,), the vertex nearest to each vertex's mirror image
    eyes : (F,), triangles between the eyelids
    lids : (2, V, 1), how much each vertex goes with each upper lid
    apertures : (2,), mm between the lids
    lips : (6, V, 1), how much each vertex goes with each of `UPPER_INNER_LIP`, then of the lower
    reach : (V, 1), 1 on the face, falling to 0 at ears and neck
    smoother : (V, V), the mean of each vertex and its neighbours
    creases : where skin folds
    """

    triangles: NDArray[np.int32]
    landmark_vertices: NDArray[np.int64]
    regions: NDArray[np.int64]
    neck: NDArray[np.bool_]
    mouth: NDArray[np.bool_]
    mirror: NDArray[np.int64]
    eyes: NDArray[np.bool_]
    lids: NDArray[np.float32]
    apertures: NDArray[np.floating]
    lips: NDArray[np.float32]
    reach: NDArray[np.float32]
    smoother: sparse.csr_matrix
    creases: tuple[PlacedCrease, ...]

    def smooth_and_taper(self, deformation: NDArray[np.floating]) -> NDArray[np.float32]:
        """A deformation (V, 3) mm as it is imposed: smoothed over 2 to 3 mm, faded out at the ears.

        Of B deformations (V, 3, B) each is as it were alone; together they take less time.
        Registration noise of single vertices would show as a tremor of everything that is drawn
        on the face.

        Raises
        ------
        ValueError
            The deformation has another shape than the template, or is not finite.
        """
        field = np.asarray(deformation, dtype=np.float32)
        if field.shape[:2] != (len(self.reach), 3) or not np.isfinite(field).all():
            raise ValueError(
                f"expected a finite deformation ({len(self.reach)}, 3), got {field.shape}"
            )
        columns = field.reshape(len(field), -1)
        for _ in range(SMOOTHING_ROUNDS):
            columns = self.smoother @ columns
        return np.asarray((columns * self.reach).reshape(field.shape))


def anatomy_of(template: Template) -> Anatomy:
    """The Anatomy of a Template."""
    vertices, landmarks = template.vertices, template.landmarks
    distance = np.linalg.norm(vertices - landmarks[NOSE_TIP], axis=1)
    near, far = REACH_MM
    fade = np.clip((far - distance) / (far - near), 0, 1)
    lips = landmarks[INNER_LIPS].mean(0)
    return Anatomy(
        triangles=template.triangles,
        landmark_vertices=template.landmark_vertices,
        regions=regions_of(vertices, landmarks),
        neck=np.all(_below_jaw(vertices, landmarks)[template.triangles], axis=1),
        mouth=(np.linalg.norm(vertices - lips, axis=1) < MOUTH_MM)[template.triangles].all(1),
        mirror=cKDTree(vertices).query(vertices * np.array([-1, 1, 1], np.float32))[1],
        eyes=np.any(_between_lids(vertices, landmarks)[template.triangles], axis=1),
        lids=_upper_lids(vertices, landmarks),
        apertures=_apertures(landmarks),
        lips=_lips(template),
        reach=(fade * fade * (3 - 2 * fade)).astype(np.float32)[:, None],
        smoother=_neighbourhood_mean(template.triangles, len(vertices)),
        creases=place_creases(vertices, template.triangles, landmarks),
    )


def _between_lids(
    vertices: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """(V,): inside the eyes' outlines, seen from the front."""
    inside = np.zeros(len(vertices), dtype=bool)
    for eye in EYE_OUTLINES:
        near = np.linalg.norm(vertices - landmarks[eye].mean(0), axis=1) < EYE_MM
        inside[near] |= points_in_poly(  # type: ignore[no-untyped-call]
            vertices[near, :2], landmarks[eye][:, :2]
        )
    return inside


def _apertures(landmarks: NDArray[np.floating]) -> NDArray[np.floating]:
    """(2,), mm between the middles of the lids of each eye."""
    return np.asarray((landmarks[UPPER_LIDS] - landmarks[LOWER_LIDS]).mean(1)[:, 1])


def _upper_lids(
    vertices: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> NDArray[np.float32]:
    """(2, V, 1): 1 on each upper lid, falling with the distance from it."""
    weights = [_beside(vertices, landmarks[lid]) for lid in UPPER_LID_LINES]
    return np.stack(weights)[..., None].astype(np.float32)


def _lips(template: Template) -> NDArray[np.float32]:
    """(6, V, 1): 1 at each point of the inner edge of a lip, falling with the distance from it.

    Vertices belong to the lip that is nearer along the surface, which is cut between the lips.
    Along a lip, the weights of its three points add up to 1.
    """
    vertices, landmarks = template.vertices, template.landmarks
    near = np.linalg.norm(vertices - landmarks[INNER_LIPS].mean(0), axis=1) < MOUTH_MM
    pairs = edges(template.triangles[near[template.triangles].all(1)])
    lengths = np.linalg.norm(np.subtract(*vertices[pairs.T]), axis=1)
    graph = sparse.csr_matrix((lengths, tuple(pairs.T)), (len(vertices),) * 2)
    away = [
        csgraph.dijkstra(
            graph, False, indices=template.landmark_vertices[lip], min_only=True, limit=MOUTH_MM
        )
        for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP)
    ]
    weights = [
        _beside(vertices, landmarks[line])
        * (away[lip] < away[1 - lip])
        * np.interp(vertices[:, 0], landmarks[line[1:-1], 0], point)
        for lip, line in enumerate((UPPER_INNER_LINE, LOWER_INNER_LINE))
        for point in np.eye(len(UPPER_INNER_LIP))
    ]
    return np.stack(weights)[..., None].astype(np.float32)


def _beside(vertices: NDArray[np.floating], line: NDArray[np.floating]) -> NDArray[np.floating]:
    """(V,): 1 on a line of landmarks (n, 3), but for half of its ends, falling beside it."""
    stretches = [np.linspace(a, b, LINE_POINTS) for a, b in pairwise(line)]
    half = LINE_POINTS // 2
    distance = cKDTree(np.concatenate(stretches)[half:-half]).query(vertices)[0]
    return np.asarray(np.exp(-0.5 * (distance / EDGE_MM) ** 2))


def _neighbourhood_mean(triangles: NDArray[np.int32], count: int) -> sparse.csr_matrix:
    """(V, V) float32 whose rows average a vertex with its neighbours."""
    pairs = edges(triangles)
    ends = np.concatenate([pairs, pairs[:, ::-1], np.arange(count)[:, None].repeat(2, 1)])
    ones = np.ones(len(ends), np.float32)
    adjacency = sparse.csr_matrix((ones, (ends[:, 0], ends[:, 1])), (count, count))
    degree = np.asarray(adjacency.sum(1)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / degree) @ adjacency).astype(np.float32)


@lru_cache(maxsize=1)
def default_anatomy() -> Anatomy:
    """The Anatomy of menpo3d's template."""
    return anatomy_of(load_template())


def _below_jaw(
    vertices: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """(V,): lower than the jaw's line at the same angle about the head's axis."""
    jaw = landmarks[JAW]
    depth = landmarks[JAW_ENDS, 2].mean()
    angle = np.arctan2(jaw[:, 0], jaw[:, 2] - depth)
    order = np.argsort(angle)
    here = np.arctan2(vertices[:, 0], vertices[:, 2] - depth)
    return np.asarray(vertices[:, 1] < np.interp(here, angle[order], jaw[order, 1]))
