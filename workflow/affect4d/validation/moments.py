"""Counts, means and covariances of frames as exact sums, which merge in any order to the same bits.

Each number is rounded once to three digits of 20 bits on a grid that depends on its column's
magnitude only, never on the neighbours it came with. Products of digits add up without rounding
(Demmel & Nguyen 2015 sum vectors in this way), so that chunks, workers and threads leave no trace,
and a mean far from zero costs no accuracy.
"""

from dataclasses import dataclass

import numpy as np

DIGITS, BITS = 3, 20
LOWEST = -48  # the level of a column of zeros: below every normal number's
BLOCK = 4096  # products of 38 bits: at most 2**15 of them are exact in double precision
LIMIT = 1 << 24  # and at most 2**25 in 64-bit integers


@dataclass(frozen=True)
class Moments:
    """First and second moments of the columns of some frames.

    Attributes
    ----------
    count : int
        Frames.
    levels : (p,) int array
        |x| <= 2**(20 level - 1) in each column; its digits count 2**(20 (level - 1 - digit)).
    sums : (3, p) int64 array
        Sums of the digits.
    products : (3, p, 3, p) int64 array
        Sums of the products of two digits.
    """

    count: int
    levels: np.ndarray
    sums: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, *views):
        """Moments of arrays (n, p), (n, q) ... of finite numbers side by side; n >= 1.

        Numbers are kept to 40 bits or more below their column's largest.
        """
        peak = np.hstack([np.maximum(view.max(0), -view.min(0)) for view in views])
        count, columns = len(views[0]), len(peak)
        exponents = np.where(peak > 0, np.frexp(peak)[1], LOWEST * BITS)
        levels = np.maximum(-(-(exponents + 1) // BITS), LOWEST)
        sums = np.zeros((DIGITS, columns), np.int64)
        products = np.zeros((DIGITS * columns,) * 2, np.int64)
        for start in range(0, count, BLOCK):
            rows = slice(start, start + BLOCK)
            digits = _digits(np.hstack([view[rows] for view in views]), levels)
            sums += digits.sum(0).astype(np.int64)
            flat = digits.reshape(len(digits), -1)
            products += (flat.T @ flat).astype(np.int64)
        return cls(count, levels, sums, products.reshape(DIGITS, columns, DIGITS, columns))

    def merge(self, other):
        """Moments of both sets of frames; associative and commutative to the last bit.

        Raises
        ------
        ValueError
            The columns differ in number, or the frames exceed 2**24.
        """
        if len(self.levels) != len(other.levels):
            raise ValueError(f"{len(self.levels)} columns do not merge with {len(other.levels)}")
        if self.count + other.count > LIMIT:
            raise ValueError(f"more than {LIMIT} frames overflow the sums")
        levels = np.maximum(self.levels, other.levels)
        one, two = self._raised(levels), other._raised(levels)
        return Moments(
            one.count + two.count, levels, one.sums + two.sums, one.products + two.products
        )

    @property
    def mean(self):
        """The means (p,)."""
        sums = _weighted(self.sums.astype(object), 0).astype(np.float64)
        return np.ldexp(sums / self.count, self._unit)

    @property
    def covariance(self):
        """The population's covariance (p, p), each entry rounded once."""
        sums = _weighted(self.sums.astype(object), 0)
        products = _weighted(_weighted(self.products.astype(object), 2), 0)
        scatter = (self.count * products - np.outer(sums, sums)).astype(np.float64)
        return np.ldexp(scatter / self.count**2, self._unit[:, None] + self._unit)

    @property
    def _unit(self):
        return BITS * (self.levels - DIGITS)

    def _raised(self, levels):
        """These moments as digits of higher levels; what falls below the last digit is left out."""
        steps = levels - self.levels
        if not steps.any():
            return self
        columns = np.arange(len(levels))
        source = np.arange(DIGITS)[:, None] - steps
        kept, source = source >= 0, np.maximum(source, 0)
        sums = np.where(kept, self.sums[source, columns], 0)
        pairs = self.products[source[:, :, None, None], columns[:, None, None], source, columns]
        return Moments(self.count, levels, sums, pairs * (kept[:, :, None, None] & kept))


def _digits(values, levels):
    """Digits (n, 3, p) of the values; each at most 2**19 in size."""
    rest = np.ldexp(values.astype(np.float64), -BITS * (levels - 1))
    digits = np.empty((len(values), DIGITS, values.shape[1]))
    for digit in range(DIGITS):
        np.rint(rest, out=digits[:, digit])
        rest -= digits[:, digit]
        rest *= 1 << BITS
    return digits


def _weighted(digits, axis):
    """Sum of an object array over its digits, in units of the last one."""
    one, two, three = np.moveaxis(digits, axis, 0)
    return (one << 2 * BITS) + (two << BITS) + three
