"""Difference vectors as the estimator reads them: in memory, or compressed block after block.

What does not fit into memory is read once, by blocks of rows, and kept as D = L A + E, where L
(m, r) has orthonormal columns and A = L'D. With each block the rows of A and those of the block are
rotated onto their joint principal axes (sequential Karhunen-Loeve, Levy & Lindenbaum 2000), and the
weakest are left out, as long as all that was ever left out stays within a given share of the energy
so far.
What is lost adds up exactly, |D|^2 = |A|^2 + |E|^2, so that this share bounds it from the outset:
|E|^2 <= tolerance |D|^2. Beyond it go only axes that rounding hides beside the strongest, each of
at most 10 eps of its energy (1e-6 in float32); what is lost counts them too.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.utils.validation import check_array

Floats = NDArray[np.floating]  # float32 or float64

BLOCK_BYTES = 1 << 29  # read at a time
MIN_BLOCK_FRAMES = 16  # read at a time, however large a frame is
TILE = 3072  # coordinates of neighbouring vertices, in which few components move
ROUNDING = 10  # eps of the largest energy: what is below it is rounding error


class LazyArray(Protocol):
    """An array that is read by blocks of rows (Zarr, Dask and their like)."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> Any: ...  # noqa: D102
    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass
class TrainingFrames:
    """Difference vectors D = `left` @ `rows` + E.

    Attributes
    ----------
    rows : (r, 3V), mm
    left : (m, r) with orthonormal columns, or None where `rows` are the frames themselves
    energy : |D|^2, mm^2
    lost : |E|^2, mm^2
    """

    rows: Floats
    left: NDArray[np.float64] | None
    energy: float
    lost: float = 0.0

    def __len__(self) -> int:
        return len(self.rows if self.left is None else self.left)

    def project(self, weights: NDArray[np.float64]) -> Floats:
        """D'W / m (3V, K) in D's precision, of weights (m, K)."""
        inner = weights if self.left is None else self.left.T @ weights
        projected: Floats = self.rows.T @ (inner / len(self)).astype(self.rows.dtype)
        return projected

    def match(self, components: Floats) -> NDArray[np.float64]:
        """DC' (m, K), of components as columns (3V, K), at rest on most of the mesh."""
        inner = np.zeros((len(self.rows), components.shape[1]))
        for start in range(0, len(components), TILE):
            tile = components[start : start + TILE]
            moving = np.flatnonzero(tile.any(0))
            inner[:, moving] += self.rows[:, start : start + TILE] @ tile[:, moving]
        return inner if self.left is None else self.left @ inner

    def vertex_trajectory(self, vertex: int) -> NDArray[np.float64]:
        """How one vertex moves from frame to frame: (m, 3), mm."""
        rows = self.rows[:, 3 * vertex : 3 * vertex + 3].astype(np.float64)
        return rows if self.left is None else self.left @ rows


def is_lazy(D: object) -> TypeGuard[LazyArray]:
    """Whether D is an array read by blocks, not one in memory."""
    in_memory = isinstance(D, np.ndarray | np.generic) or hasattr(D, "iloc") or hasattr(D, "tocsr")
    return not in_memory and hasattr(D, "shape") and hasattr(D, "dtype")


def frames_in_memory(D: Floats) -> TrainingFrames:
    """Frames (m, 3V) of an array in memory; see `check_finite` for what is refused."""
    check_finite(D, 0)
    return TrainingFrames(D, None, _energy(D))


def read_blocks(D: LazyArray) -> Iterator[Floats]:
    """The rows of a lazy array, checked, (b, 3V) in float32 or float64, block after block.

    Parameters
    ----------
    D : (m, 3V) or (m, V, 3), sliced by rows
    """
    width, dtype = _width(D), _precision(D)
    count = max(BLOCK_BYTES // (width * dtype.itemsize), MIN_BLOCK_FRAMES)
    for start in range(0, D.shape[0], count):
        block = np.asarray(D[start : start + count]).reshape(-1, width)
        block = check_array(block, dtype=dtype, order="C", ensure_all_finite=False)
        check_finite(block, start)
        yield block


def compress(D: LazyArray, tolerance: float) -> TrainingFrames:
    """Frames of a lazy array.

    Parameters
    ----------
    D : (m, 3V) or (m, V, 3), sliced by rows
    tolerance : share of the energy, in [0, 1), that may be lost in all
    """
    rows: Floats = np.empty((0, _width(D)), _precision(D))
    left = np.empty((0, 0))
    energy = lost = 0.0
    blocks = 0
    for block in read_blocks(D):
        blocks += 1
        energy += _energy(block)
        stack = np.concatenate([rows, block]) if len(rows) else block
        del block
        axes, dropped = _principal_axes(stack, tolerance * energy - lost)
        rows = axes.T.astype(stack.dtype) @ stack
        del stack
        kept = left.shape[1]
        left = np.concatenate([left @ axes[:kept], axes[kept:]])
        lost += dropped
    if blocks > 1 and len(rows) > len(left) / 2:
        warnings.warn(
            f"{len(rows)} of {len(left)} dimensions are kept: an energy_tolerance of {tolerance:g} "
            "compresses these frames little",
            stacklevel=3,
        )
    return TrainingFrames(rows, left, energy, lost)


def check_finite(rows: Floats, first: int) -> None:
    """Refuse rows of which a value is not finite; `first` is the number of the first one.

    Raises
    ------
    ValueError
    """
    if np.isfinite(rows.sum(dtype=np.float64)):
        return
    bad = np.argwhere(~np.isfinite(rows))
    if not len(bad):  # finite values whose sum is not
        return
    frame, column = bad[0]
    what = "NaN" if np.isnan(rows[frame, column]) else "inf"
    raise ValueError(f"D is {what} in frame {first + frame}, column {column}")


def _principal_axes(stack: Floats, allowed: float) -> tuple[NDArray[np.float64], float]:
    """Axes (n, r) of the rows of `stack` (n, 3V), and the energy of those left out.

    As many of the weakest are left out as carry no more than `allowed` together, and what is
    rounding error in any case.
    """
    values, axes = eigh((stack @ stack.T).astype(np.float64))
    values = np.maximum(values, 0)
    rounding = ROUNDING * np.finfo(stack.dtype).eps * values.max(initial=0.0)
    left_out = (np.cumsum(values) <= allowed) | (values <= rounding)
    return np.ascontiguousarray(axes[:, ~left_out][:, ::-1]), float(values[left_out].sum())


def _width(D: LazyArray) -> int:
    return int(np.prod(D.shape[1:]))


def _precision(D: LazyArray) -> np.dtype[np.float32] | np.dtype[np.float64]:
    return np.dtype(np.float32) if D.dtype == np.float32 else np.dtype(np.float64)


def _energy(rows: Floats) -> float:
    return sum(float(np.vdot(row, row)) for row in (row.astype(np.float64) for row in rows))
