"""Natural neighbour coordinates: how places of the plane mix the classes around them.

Sibson's coordinates (A brief description of natural neighbour interpolation, 1981): the share of
each site is the area that a point, were it a site too, would take from the site's Voronoi cell.
Shares are non-negative and sum to one; a site's own share is one there; they are continuous, and
continuously differentiable everywhere but at the sites (Farin, 1990). Cells are cut off at a frame
around the plane, which keeps them bounded: shares exist everywhere for any number of sites.
Shares average the sites' places to the point itself, inside the sites' hull and away from its edge.
"""

import numpy as np
from scipy.spatial import Delaunay, QhullError

FRAME = (
    1.5  # half the frame's side; the plane's is 1. Farther out, shares change abruptly at the hull
)
SAME = 1e-12  # apart: a place is a site
TOUCH = 1e-9  # a site farther beyond a cell's corners does not bound it


def natural_neighbours(points, sites):
    """Shares of each site at each point.

    Parameters
    ----------
    points : (N, 2) array within the plane
    sites : (C, 2) array within the plane, no two of them the same; at least one

    Returns
    -------
    (N, C) float64
        Rows sum to one.

    Raises
    ------
    ValueError
        There is no site, two are the same, or a place is not finite or outside the plane.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    sites = np.asarray(sites, dtype=np.float64).reshape(-1, 2)
    if not len(sites) or len(np.unique(sites, axis=0)) < len(sites):
        raise ValueError("natural neighbours need at least one site, and each of them once")
    if not (np.abs(points) <= 1).all() or not (np.abs(sites) <= 1).all():
        raise ValueError("points and sites must lie in the plane, from -1 to 1")
    return np.array([_shares(point, sites) for point in points]).reshape(-1, len(sites))


def in_hull(points, sites):
    """Whether points (N, 2) lie in the convex hull of sites (C, 2), as bool (N,).

    Sites on one line, or fewer than three, have a hull without area: no point lies in it.
    """
    try:
        return Delaunay(sites).find_simplex(points) >= 0
    except (QhullError, ValueError):
        return np.zeros(len(points), dtype=bool)


def _shares(point, sites):
    distance = np.linalg.norm(sites - point, axis=1)
    order = np.argsort(distance, kind="stable")
    if distance[order[0]] <= SAME:
        return np.eye(len(sites))[order[0]]
    shares = np.zeros(len(sites))
    cell, neighbours = _cell(point, sites, distance, order)
    for i in neighbours:
        part = cell
        for j in neighbours:
            if i != j:
                part = _clip(part, *_bisector(sites[i], sites[j]))
        shares[i] = _area(part)
    return shares / shares.sum()


def _cell(point, sites, distance, order):
    """The Voronoi cell of the point among the sites, and the sites that bound it."""
    cell = FRAME * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    for i in order:
        if distance[i] > 2 * np.linalg.norm(cell - point, axis=1).max():
            break
        cell = _clip(cell, *_bisector(point, sites[i]))
    near = order[distance[order] <= 2 * np.linalg.norm(cell - point, axis=1).max() + TOUCH]
    # A site bounds the cell where some corner is as near to it as to the point.
    lines = {i: _bisector(point, sites[i]) for i in near}
    return cell, [i for i, (n, offset) in lines.items() if (cell @ n).max() >= offset - TOUCH]


def _bisector(a, b):
    """The line between two places: y @ normal <= offset where y is nearer to `a`."""
    normal = (b - a) / np.linalg.norm(b - a)
    return normal, normal @ (a + b) / 2


def _clip(polygon, normal, offset):
    """The part of a convex polygon (n, 2) on the side of a line where y @ normal <= offset."""
    height = polygon @ normal - offset
    inside = height <= 0
    if inside.all():
        return polygon
    if not inside.any():
        return polygon[:0]
    after, then = np.roll(polygon, -1, axis=0), np.roll(height, -1)
    corners = []
    for k in range(len(polygon)):
        if inside[k]:
            corners.append(polygon[k])
        if inside[k] != (then[k] <= 0):
            corners.append(polygon[k] + height[k] / (height[k] - then[k]) * (after[k] - polygon[k]))
    return np.array(corners)


def _area(polygon):
    if len(polygon) < 3:
        return 0.0
    x, y = (polygon - polygon[0]).T  # small cells far from the origin keep their digits
    return 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
