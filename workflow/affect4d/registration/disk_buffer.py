"""Rows of equal size kept on disk until a sequence is committed: memory stays bounded."""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class DiskBuffer:
    """A temporary file of rows that are put by number and read by slices of the selection.

    Parameters
    ----------
    shape : of one row
    dtype : of its values

    Attributes
    ----------
    shape, dtype : of the rows selected, as of an array
    """

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self._row_shape, self.dtype = shape, np.dtype(dtype)
        self._bytes = int(np.prod(shape)) * self.dtype.itemsize
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._selected: list[int] = []

    def __enter__(self) -> "DiskBuffer":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows selected, ...), as an array's."""
        return (len(self._selected), *self._row_shape)

    def put(self, number: int, row: NDArray[Any]) -> None:
        """Keep a row under a number from 0."""
        self._file.seek(number * self._bytes)
        self._file.write(np.ascontiguousarray(row, dtype=self.dtype).tobytes())

    def select(self, numbers: Sequence[int]) -> "DiskBuffer":
        """Let the rows of these numbers be what is read, in this order."""
        self._selected = list(numbers)
        return self

    def __getitem__(self, key: slice) -> NDArray[Any]:
        numbers = self._selected[key]
        rows = np.empty((len(numbers), *self._row_shape), dtype=self.dtype)
        for row, number in zip(rows, numbers, strict=True):
            self._file.seek(number * self._bytes)
            row[...] = np.frombuffer(self._file.read(self._bytes), self.dtype).reshape(
                self._row_shape
            )
        return rows
