"""Which triangles of a raw scan are skin: no seam, no stretched bridge, no floating fragment,
no inside of the mouth."""

import numba
import numpy as np

# Connected pieces smaller than this share of the largest are fragments.
_FRAGMENT = 0.1
# A triangle whose edge is longer than this many times the median bridges a gap.
_STRETCHED = 10.0
_INNER_LIPS = slice(60, 68)
# The polygon of the inner lips is drawn in by this much, so that noisy landmarks spare the lips.
_LIP_MARGIN_MM = 1.0


def weld(vertices):
    """The first vertex at the same position, for each vertex (V,): texture seams split vertices."""
    bits = np.ascontiguousarray(vertices, dtype=np.float32).view(np.uint32).astype(np.uint64)
    key = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)
    key ^= bits[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    key ^= bits[:, 2] * np.uint64(0x165667B19E3779F9)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int32)


def whole_pieces(vertices, triangles):
    """Mask (F,) of the triangles that belong to a large connected piece."""
    return _whole_pieces(weld(vertices), triangles, len(vertices), _FRAGMENT)


@numba.njit(cache=True)
def _whole_pieces(welded, triangles, count, share):
    parent = np.arange(count)
    for f in range(len(triangles)):
        for side in range(2):
            a, b = welded[triangles[f, side]], welded[triangles[f, side + 1]]
            while parent[a] != a:
                parent[a] = parent[parent[a]]
                a = parent[a]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if a < b:
                parent[b] = a
            elif b < a:
                parent[a] = b
    sizes = np.zeros(count, dtype=np.int64)
    roots = np.empty(len(triangles), dtype=np.int64)
    for f in range(len(triangles)):
        a = welded[triangles[f, 0]]
        while parent[a] != a:
            a = parent[a]
        roots[f] = a
        sizes[a] += 1
    least = share * sizes.max()
    keep = np.empty(len(triangles), dtype=np.bool_)
    for f in range(len(triangles)):
        keep[f] = sizes[roots[f]] >= least
    return keep


def unbroken(vertices, uv, triangles, radius):
    """Mask (F,) of the triangles that bridge neither the seam behind the head nor a gap."""
    length = _longest_edges(np.ascontiguousarray(vertices, dtype=np.float32), triangles)
    return (length < _STRETCHED * np.median(length)) & ~_across(uv, triangles, np.pi * radius)


@numba.njit(cache=True)
def _longest_edges(vertices, triangles):
    longest = np.zeros(len(triangles), dtype=np.float32)
    for f in range(len(triangles)):
        for side in range(3):
            a, b = triangles[f, side], triangles[f, (side + 1) % 3]
            square = np.float32(0.0)
            for k in range(3):
                square += (vertices[a, k] - vertices[b, k]) ** 2
            longest[f] = max(longest[f], square)
    return np.sqrt(longest)


def outside(uv, triangles):
    """Mask (F,) of the triangles whose outside shows: through a hole one would see the inside.

    The winding that covers more of the plane is taken to be the outside's.
    """
    area = signed_area(uv, triangles)
    return area > 0 if area.sum() > 0 else area < 0


def signed_area(uv, triangles):
    """Area (F,) of triangles in the plane, mm^2; positive where the winding is anticlockwise."""
    a, b, c = uv[triangles[:, 0]], uv[triangles[:, 1]], uv[triangles[:, 2]]
    ab, ac = b - a, c - a
    return 0.5 * (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])


def _across(uv, triangles, half):
    u = uv[:, 0][triangles]
    return u.max(1) - u.min(1) > half


def mouth_interior(uv, landmarks_uv, triangles):
    """Mask (F,) of the triangles whose centroid in uv (mm) lies between the inner lips."""
    polygon = landmarks_uv[_INNER_LIPS]
    centre = polygon.mean(0)
    offset = polygon - centre
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    polygon = centre + offset * np.maximum(1.0 - _LIP_MARGIN_MM / np.maximum(length, 1e-6), 0.0)
    low, high = polygon.min(0), polygon.max(0)
    inside = np.zeros(len(triangles), dtype=bool)
    near = np.flatnonzero(((uv >= low) & (uv <= high)).all(1)[triangles].any(1))
    if len(near):
        inside[near] = _in_polygon(uv[triangles[near]].mean(1), polygon)
    return inside


def _in_polygon(points, polygon):
    """Even-odd rule (crossings of a ray to the right) for points (N, 2)."""
    following = np.roll(polygon, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    straddles = (polygon[:, 1] > y) != (following[:, 1] > y)
    rise = following[:, 1] - polygon[:, 1]
    rise = np.where(rise == 0, 1e-12, rise)
    crossing = polygon[:, 0] + (y - polygon[:, 1]) / rise * (following[:, 0] - polygon[:, 0])
    return (straddles & (x < crossing)).sum(1) % 2 == 1
