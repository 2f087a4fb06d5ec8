"""Natural neighbour weights: how a point of the plane mixes the classes around it.

Sibson's coordinates (A brief description of natural neighbour interpolation, 1981): the weight of
each site is the area that a point, were it a site too, would take from the site's Voronoi cell.
Weights are non-negative and sum to one; a site's own weight is one there; they are continuous, and
continuously differentiable everywhere but at the sites (Farin, 1990). Cells are cut off at a frame
around the plane, which keeps them bounded: weights exist everywhere for any number of sites.
Weights average the sites to the point itself, inside the sites' hull and away from its edge.
"""

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import Delaunay, QhullError, Voronoi

# Half the frame's side; the plane's is 1. Farther out, weights change abruptly at the hull.
FRAME = 1.5
SAME_SITE = 1e-12  # distance up to which a point is a site: rounding of values of the plane
CACHED_SITES = 8  # sets of sites of which the cells are remembered


def natural_neighbour_weights(points: ArrayLike, sites: ArrayLike) -> NDArray[np.float64]:
    """Weights of each site at each point.

    Parameters
    ----------
    points : (N, 2), within the plane
    sites : (C, 2), within the plane, no two of them the same; at least one

    Returns
    -------
    (N, C)
        Rows sum to one.

    Raises
    ------
    ValueError
        There is no site, two are the same, or a point is not finite or outside the plane.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    sites = np.asarray(sites, dtype=np.float64).reshape(-1, 2)
    if not len(sites) or len(np.unique(sites, axis=0)) < len(sites):
        raise ValueError("natural neighbours need at least one site, and each of them once")
    if not (np.abs(points) <= 1).all() or not (np.abs(sites) <= 1).all():
        raise ValueError("points and sites must lie in the plane, from -1 to 1")
    cells = _voronoi_cells(sites.tobytes())
    weights = [_weights_at(point, sites, cells) for point in points]
    return np.array(weights).reshape(-1, len(sites))


def in_hull(points: ArrayLike, sites: ArrayLike) -> NDArray[np.bool_]:
    """Whether points (N, 2) lie in the convex hull of sites (C, 2), (N,).

    Sites on one line, or fewer than three, have a hull without area: no point lies in it.
    """
    try:
        return np.asarray(Delaunay(sites).find_simplex(points) >= 0)
    except (QhullError, ValueError):
        return np.zeros(len(np.asarray(points)), dtype=bool)


@functools.lru_cache(maxsize=CACHED_SITES)
def _voronoi_cells(sites_bytes: bytes) -> NDArray[np.float64]:
    """Corners (C, M, 2) of the cells in order; the last one is repeated where there are fewer."""
    sites = np.frombuffer(sites_bytes).reshape(-1, 2)
    # A cell ends at the frame where the site's mirror image beyond it is as near.
    mirrored = [
        np.where(np.arange(2) == axis, 2 * side - sites, sites)
        for axis in (0, 1)
        for side in (-FRAME, FRAME)
    ]
    diagram = Voronoi(np.concatenate([sites, *mirrored]))
    cells = []
    for site, region in zip(sites, diagram.point_region[: len(sites)], strict=True):
        corners = diagram.vertices[diagram.regions[region]]
        x, y = (corners - site).T
        cells.append(corners[np.argsort(np.arctan2(y, x))])
    longest = max(map(len, cells))
    return np.stack([np.pad(c, ((0, longest - len(c)), (0, 0)), mode="edge") for c in cells])


def _weights_at(
    point: NDArray[np.float64], sites: NDArray[np.float64], cells: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights (C,) at a point (2,): the areas of the cells' parts that are nearer to it."""
    offset = sites - point
    distance = np.linalg.norm(offset, axis=1)
    if distance.min() <= SAME_SITE:
        return np.where(distance == distance.min(), 1.0, 0.0)
    # Corners from the middle between point and site: small parts keep their digits.
    start = cells - ((point + sites) / 2)[:, None]
    height = np.einsum("cmk,ck->cm", start, offset / distance[:, None])  # negative near the point
    end, end_height = np.roll(start, -1, axis=1), np.roll(height, -1, axis=1)
    fall = height - end_height
    share = height / np.where(fall == 0, 1, fall)
    crossing = start + share[..., None] * (end - start)
    # Each side's part near the point; the line that closes them passes the middle.
    a = np.where((height <= 0)[..., None], start, crossing)
    b = np.where((end_height <= 0)[..., None], end, crossing)
    cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    doubled_area = np.where((height <= 0) | (end_height <= 0), cross, 0).sum(1)
    weights = np.maximum(doubled_area, 0)
    return np.asarray(weights / weights.sum())
