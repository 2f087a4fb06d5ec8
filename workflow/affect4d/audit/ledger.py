"""Two sets of rows of any size held against each other, in memory that does not grow with them.

Rows fall into a fixed number of buckets by their key; each bucket keeps the sum of its rows'
digests, to which one side adds and from which the other takes away. What is left in a bucket tells
that the sides differ there, and only the rows of such buckets are read again to name them.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

_BUCKETS = 2**16
_NAMED_BUCKETS = 16


class Ledger:
    """Sums over the rows of two sides; `key` is the column by which rows are told apart."""

    def __init__(self, key: str):
        self._key = key
        self._sums = np.zeros(_BUCKETS, np.uint64)
        self._counts = np.zeros(_BUCKETS, np.int64)
        self.made, self.published = 0, 0

    def add(self, rows: pd.DataFrame) -> None:
        """Rows of the one side."""
        bucket, digest = self._bucket(rows), self._digest(rows)
        np.add.at(self._sums, bucket, digest)
        np.add.at(self._counts, bucket, 1)
        self.made += len(rows)

    def take(self, rows: pd.DataFrame) -> None:
        """Rows of the other side, with the same columns in the same order."""
        bucket, digest = self._bucket(rows), self._digest(rows)
        np.subtract.at(self._sums, bucket, digest)
        np.subtract.at(self._counts, bucket, 1)
        self.published += len(rows)

    @property
    def balanced(self) -> bool:
        """Whether both sides have the very same rows."""
        return not len(self._left)

    @property
    def _left(self) -> np.ndarray:
        return np.flatnonzero((self._sums != 0) | (self._counts != 0))

    def differences(
        self,
        columns: list[str],
        made: Iterable[pd.DataFrame],
        published: Iterable[pd.DataFrame],
    ) -> Iterator[tuple[str, str]]:
        """(key, how it differs) of rows in a few of the buckets that are not balanced.

        Parameters
        ----------
        columns : of the rows
        made, published : both sides again, in parts
        """
        buckets = self._left[:_NAMED_BUCKETS]
        none = pd.DataFrame(columns=columns)
        ours, theirs = (
            pd.concat([none, *(part[np.isin(self._bucket(part), buckets)] for part in side)])
            for side in (made, published)
        )
        for key in sorted({*ours[self._key], *theirs[self._key]}):
            a, b = (side[side[self._key] == key] for side in (ours, theirs))
            if len(a) != len(b):
                yield key, f"is there {len(b)} times in place of {len(a)}"
                continue
            same = [_same(a[name], b[name]) for name in a.columns]
            if not all(same):
                names = (n for n, equal in zip(a.columns, same, strict=True) if not equal)
                yield key, f"has another {', '.join(names)}"

    def _bucket(self, rows: pd.DataFrame) -> np.ndarray:
        keys = pd.util.hash_array(rows[self._key].to_numpy(object), categorize=False)
        return (keys % _BUCKETS).astype(np.int64)

    def _digest(self, rows: pd.DataFrame) -> np.ndarray:
        return pd.util.hash_pandas_object(rows, index=False, categorize=False).to_numpy(np.uint64)


def _same(a: pd.Series, b: pd.Series) -> bool:
    first, second = (series.sort_values().to_numpy(object) for series in (a, b))
    return bool(((first == second) | (pd.isna(first) & pd.isna(second))).all())
