"""Which triangles of a raw scan are skin: no seam, no stretched bridge, no floating fragment,
no inside of the mouth."""

import numba
import numpy as np

# Connected pieces smaller than this share of the largest are fragments.
_FRAGMENT = 0.1
# A piece whose middle is further (mm) from the face's is another head, or a chair.
_ELSEWHERE_MM = 120.0
# A triangle whose edge is longer than this many times the median bridges a gap.
_STRETCHED = 10.0
# The polygon of the inner lips is drawn in by this much, so that noisy landmarks spare the lips.
_LIP_MARGIN_MM = 1.0
# Every so many triangles one is measured for the median edge.
_MEASURED = 16


def folded(uv, triangles):
    """Share of the triangles that are turned against most others: beyond a third, noise folds the
    surface over, and its outermost layer is not where the skin is."""
    turned = float((signed_area(uv, triangles) < 0).mean())
    return min(turned, 1.0 - turned)


def relax(vertices, triangles):
    """Vertices (V, 3) float32 drawn two thirds to their neighbours' mean."""
    return _relax(vertices, triangles)


def skin(vertices, uv, triangles, half_turn, lips, centre):
    """The triangles of a scan that show the outside of one face.

    Left out are fragments (connected pieces much smaller than the largest), pieces elsewhere (as
    another head), triangles across the seam behind the head or a gap, those whose inside shows
    (through a hole one would see it; the winding that covers more of the plane is taken to be the
    outside's), and those whose centroid lies between the inner lips.

    Parameters
    ----------
    vertices : (V, 3) float32, mm
    uv : (V, 2) mm, where they lie on the cylinder's plane
    triangles : (F, 3) int32
    half_turn : mm of the plane from the front to the seam
    lips : (K, 2) mm, the inner lips in order
    centre : (3,) mm, the middle of the face

    Returns
    -------
    (F,) bool
    """
    some = triangles[::_MEASURED]
    edge = np.linalg.norm(vertices[some[:, 0]] - vertices[some[:, 1]], axis=1)
    longest = _STRETCHED * float(np.median(edge))
    inner = _drawn_in(np.asarray(lips, dtype=float)).astype(np.float32)
    keep, area = _clean(vertices, uv, triangles, longest**2, half_turn, inner)
    pieces = whole_pieces(vertices, triangles, centre)
    keep &= pieces
    keep &= area > 0 if area[pieces].sum() > 0 else area < 0
    return keep


def signed_area(uv, triangles):
    """Area (F,) of triangles in the plane, mm^2; positive where the winding is anticlockwise."""
    return _signed_area(np.asarray(uv), np.asarray(triangles))


def whole_pieces(vertices, triangles, centre):
    """Mask (F,) of the triangles that belong to a large connected piece about `centre` (3,) mm."""
    vertices = np.ascontiguousarray(vertices, dtype=np.float32)
    centre = np.asarray(centre, dtype=np.float64)
    return _whole_pieces(weld(vertices), vertices, triangles, centre, _ELSEWHERE_MM, _FRAGMENT)


def weld(vertices):
    """The first vertex at the same position, for each vertex (V,): texture seams split vertices."""
    bits = np.ascontiguousarray(vertices, dtype=np.float32).view(np.uint32)
    return _weld(bits, 1 << int(np.ceil(np.log2(max(len(bits), 2)))) + 1)


@numba.njit(cache=True)
def _weld(bits, size):
    table = np.full(size, -1, dtype=np.int32)  # open addressing, at most half full
    mask = np.uint64(size - 1)
    first = np.empty(len(bits), dtype=np.int32)
    for v in range(len(bits)):
        key = np.uint64(bits[v, 0]) * np.uint64(0x9E3779B97F4A7C15)
        key ^= np.uint64(bits[v, 1]) * np.uint64(0xC2B2AE3D27D4EB4F)
        key ^= np.uint64(bits[v, 2]) * np.uint64(0x165667B19E3779F9)
        slot = (key ^ (key >> np.uint64(29))) & mask
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = v
                first[v] = v
                break
            if (
                bits[other, 0] == bits[v, 0]
                and bits[other, 1] == bits[v, 1]
                and bits[other, 2] == bits[v, 2]
            ):
                first[v] = other
                break
            slot = (slot + np.uint64(1)) & mask
    return first


@numba.njit(cache=True)
def _whole_pieces(welded, vertices, triangles, centre, reach, share):
    count = len(vertices)
    parent = np.arange(count).astype(np.int32)
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
    for a in range(count):  # a parent comes before its children: one pass leads all to the roots
        parent[a] = parent[parent[a]]
    sizes = np.zeros(count, dtype=np.int32)
    middle = np.zeros((count, 3))
    roots = np.empty(len(triangles), dtype=np.int32)
    for f in range(len(triangles)):
        a = parent[welded[triangles[f, 0]]]
        roots[f] = a
        sizes[a] += 1
        for k in range(3):
            middle[a, k] += vertices[triangles[f, 0], k]
    for a in range(count):
        square = 0.0
        for k in range(3):
            square += (middle[a, k] / max(sizes[a], 1) - centre[k]) ** 2
        if square > reach**2:
            sizes[a] = 0
    least = max(share * sizes.max(), 1.0)
    keep = np.empty(len(triangles), dtype=np.bool_)
    for f in range(len(triangles)):
        keep[f] = sizes[roots[f]] >= least
    return keep


@numba.njit(cache=True)
def _signed_area(uv, triangles):
    area = np.empty(len(triangles), dtype=uv.dtype)
    for f in range(len(triangles)):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy = uv[b, 0] - uv[a, 0], uv[b, 1] - uv[a, 1]
        vx, vy = uv[c, 0] - uv[a, 0], uv[c, 1] - uv[a, 1]
        area[f] = (ux * vy - uy * vx) / 2
    return area


@numba.njit(cache=True)
def _relax(vertices, triangles):
    total = np.zeros_like(vertices)
    count = np.zeros(len(vertices), dtype=np.float32)
    for f in range(len(triangles)):
        for corner in range(3):
            v = triangles[f, corner]
            for side in range(1, 3):
                u = triangles[f, (corner + side) % 3]
                count[v] += 1
                for k in range(3):
                    total[v, k] += vertices[u, k]
    moved = vertices.copy()
    for v in range(len(vertices)):
        if count[v]:
            for k in range(3):
                moved[v, k] = (vertices[v, k] + 2 * total[v, k] / count[v]) / 3
    return moved


@numba.njit(cache=True)
def _clean(vertices, uv, triangles, longest, half_turn, polygon):
    """Neither stretched, nor across the seam, nor between the lips (F,); signed areas (F,) mm^2."""
    keep = np.empty(len(triangles), dtype=np.bool_)
    area = np.empty(len(triangles), dtype=np.float32)
    left, right = polygon[:, 0].min(), polygon[:, 0].max()
    bottom, top = polygon[:, 1].min(), polygon[:, 1].max()
    third = np.float32(1.0 / 3.0)
    for f in range(len(triangles)):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        au, bu, cu = uv[a, 0], uv[b, 0], uv[c, 0]
        av, bv, cv = uv[a, 1], uv[b, 1], uv[c, 1]
        area[f] = ((bu - au) * (cv - av) - (bv - av) * (cu - au)) / 2
        whole = max(au, bu, cu) - min(au, bu, cu) <= half_turn
        for first, second in ((a, b), (b, c), (c, a)):
            square = np.float32(0.0)
            for k in range(3):
                square += (vertices[first, k] - vertices[second, k]) ** 2
            whole &= square < longest
        if whole:
            x, y = (au + bu + cu) * third, (av + bv + cv) * third
            if left <= x <= right and bottom <= y <= top:
                whole = not _inside(x, y, polygon)
        keep[f] = whole
    return keep, area


@numba.njit(cache=True)
def _inside(x, y, polygon):
    """Even-odd rule: crossings of a ray to the right."""
    within = False
    for k in range(len(polygon)):
        xa, ya = polygon[k - 1]
        xb, yb = polygon[k]
        if (ya > y) != (yb > y) and x < xa + (y - ya) / (yb - ya) * (xb - xa):
            within = not within
    return within


def _drawn_in(polygon):
    """A polygon (K, 2) mm shrunk towards its centre by the lips' margin."""
    centre = polygon.mean(0)
    offset = polygon - centre
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    return centre + offset * np.maximum(1.0 - _LIP_MARGIN_MM / np.maximum(length, 1e-6), 0.0)
