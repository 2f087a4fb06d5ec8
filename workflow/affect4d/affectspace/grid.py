"""The grid of classes over the valence-arousal plane (paper, section 3.3)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

INVALID = -1  # class of what is in none
EDGE_DECIMALS = 12  # far finer than a class, far coarser than rounding error
MAX_NAME_DECIMALS = 6  # of the centres in names


class Grid:
    """Equal square classes over the valence-arousal plane.

    A class's index is `valence_bin * n + arousal_bin`. Lower edges are inclusive; the upper bound
    belongs to the last bin.

    Parameters
    ----------
    n
        Bins along each axis.
    low, high
        Bounds of both axes.

    Attributes
    ----------
    edges : (n + 1,)
    centres : (n * n, 2)
        Valence and arousal at each class's centre.

    Raises
    ------
    ValueError
        `n` is below 1 or `low` not below `high`.
    """

    def __init__(self, n: int = 10, low: float = -1.0, high: float = 1.0) -> None:
        if n < 1 or not low < high:
            raise ValueError(f"a grid needs n >= 1 and low < high, not {n}, {low}, {high}")
        self.n, self.low, self.high = int(n), float(low), float(high)
        # Rounded, the edges are the very floats that "0.2" or "-0.6" is read as.
        self.edges = np.round(np.linspace(low, high, self.n + 1), EDGE_DECIMALS)
        middle = np.round((self.edges[:-1] + self.edges[1:]) / 2, EDGE_DECIMALS) + 0.0
        self.centres = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)

    def __len__(self) -> int:
        return self.n * self.n

    def assign(self, valence: ArrayLike, arousal: ArrayLike) -> NDArray[np.int64]:
        """Class of each annotation.

        Parameters
        ----------
        valence, arousal : of one shape

        Returns
        -------
        Of that shape; -1 where either value is NaN or outside the bounds; nothing is clipped.
        """
        column, row = self._bin(valence), self._bin(arousal)
        valid = (column != INVALID) & (row != INVALID)
        return np.where(valid, column * self.n + row, INVALID)

    def name(self, index: int) -> str:
        """Name of a class by its centre, such as "v+0.7_a-0.3".

        Raises
        ------
        IndexError
            There is no such class.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"class {index} of a grid with {len(self)} classes")
        decimals = next(
            (
                d
                for d in range(1, MAX_NAME_DECIMALS)
                if np.allclose(np.round(self.centres, d), self.centres)
            ),
            MAX_NAME_DECIMALS,
        )
        valence, arousal = self.centres[index]
        return f"v{valence:+.{decimals}f}_a{arousal:+.{decimals}f}"

    def _bin(self, values: ArrayLike) -> NDArray[np.int64]:
        values = np.asarray(values)
        if not np.issubdtype(values.dtype, np.floating):
            values = values.astype(np.float64)
        # A float32 column holds "-0.6" as another number than float64: compare in its own type.
        edges = self.edges.astype(values.dtype)
        index = np.searchsorted(edges, values, side="right") - 1
        index = np.where(values == edges[-1], self.n - 1, index)
        return np.where((values >= edges[0]) & (values <= edges[-1]), index, INVALID)
