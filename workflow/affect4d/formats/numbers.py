"""Compiled parsing of numbers: a scan in OBJ, ASCII PLY or WRL holds a million of them.

Decimals are exact to three units in the last place of float64 (mostly to one), so that the text of
a float32 gives that float32 back.
"""

from typing import TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

# The powers of ten in the range of normal float64.
_POWERS = np.array([float(f"1e{exponent}") for exponent in range(309)])
_INVERSE_POWERS = np.array([float(f"1e-{exponent}") for exponent in range(308)])
_EXACT = 22  # the largest power of ten that float64 represents exactly
_MINUS, _PLUS, _POINT, _COMMA, _HASH = (ord(sign) for sign in "-+.,#")
_MAX_NUMBERS = 60_000_000  # of one text; they take 480 MB
_MAX_DIGITS = 18  # that int64 holds
_MAX_INTEGER = 2**31  # beyond any index
_ZERO, _NINE, _BLANK, _NEWLINE, _RETURN = 48, 57, 32, 10, 13  # ASCII
_MAX_TOKEN = 24  # bytes shown in a message

Text: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float64]


def read_numbers(text: Text, start: int, stop: int, *, vrml: bool = False) -> Floats:
    """All numbers of text[start:stop], separated by white space.

    Parameters
    ----------
    text : (N,) ASCII
    start, stop : index of the first byte, and of that after the last
    vrml : commas are separators too, and `#` starts a comment

    Returns
    -------
    (count,); `nan` and `inf` are numbers

    Raises
    ------
    ValueError
        Something is not a number, or there are more than 60 million.
    """
    count, _ = _scan(text, start, stop, vrml, np.empty(0))
    if count > _MAX_NUMBERS:
        raise ValueError(f"{count} numbers: at most {_MAX_NUMBERS} can be read")
    numbers = np.empty(count)
    count, wrong = _scan(text, start, stop, vrml, numbers)
    if wrong >= 0:
        raise ValueError(f"{token_at(text, wrong)} is not a number")
    return numbers


def to_integers(values: Floats) -> NDArray[np.int64]:
    """The values as int64; ValueError where one is not an integer or beyond any index."""
    if not (np.abs(values) < _MAX_INTEGER).all() or (values != np.rint(values)).any():
        raise ValueError("an index is not an integer")
    return values.astype(np.int64)


def token_at(text: Text, at: int) -> str:
    """The line and the word at a position of the text, for a message."""
    line = 1 + int(np.count_nonzero(text[:at] == _NEWLINE))
    word = bytes(text[at : at + _MAX_TOKEN]).split(None, 1)
    return f"line {line}: {(word[0] if word else b'').decode('ascii', 'replace')!r}"


@numba.njit(cache=True)
def _scan(text: Text, start: int, stop: int, vrml: bool, numbers: Floats) -> tuple[int, int]:
    """(count, position of the first token that is not a number or -1).

    Nothing is written into an empty array: the tokens are only counted.
    """
    at, count = start, 0
    while at < stop:
        if text[at] <= _BLANK or (vrml and text[at] == _COMMA):
            at += 1
            continue
        if vrml and text[at] == _HASH:
            while at < stop and text[at] != _NEWLINE and text[at] != _RETURN:
                at += 1
            continue
        end = at
        while (
            end < stop
            and text[end] > _BLANK
            and not (vrml and (text[end] == _COMMA or text[end] == _HASH))
        ):
            end += 1
        if len(numbers):
            numbers[count], after = scan_number(text, at, end)
            if after != end:
                return count, at
        count += 1
        at = end
    return count, -1


@numba.njit(cache=True)
def scan_number(text: Text, at: int, stop: int) -> tuple[float, int]:
    """(value, position after it) of the decimal number at `at`; (nan, -1) where there is none."""
    negative = at < stop and text[at] == _MINUS
    if at < stop and (text[at] == _MINUS or text[at] == _PLUS):
        at += 1
    mantissa, digits, exponent, first = np.int64(0), 0, 0, at
    seen_point = False
    while at < stop:
        sign = np.int64(text[at])
        if _ZERO <= sign <= _NINE:
            if digits < _MAX_DIGITS:
                mantissa = mantissa * 10 + (sign - _ZERO)
                digits += 1 if mantissa > 0 else 0
                exponent -= 1 if seen_point else 0
            else:
                exponent += 0 if seen_point else 1
        elif sign == _POINT and not seen_point:
            seen_point = True
        else:
            break
        at += 1
    if at - first == seen_point:
        return _scan_word(text, first, stop, negative)
    if at < stop and (text[at] | 32) == ord("e"):
        power, at = scan_integer(text, at + 1, stop)
        if at < 0:
            return np.nan, -1
        exponent += int(power)
    return _scaled(mantissa, exponent) * (-1.0 if negative else 1.0), at


@numba.njit(cache=True)
def _scaled(mantissa: np.int64, exponent: int) -> float:
    if mantissa == 0:
        return 0.0
    if exponent >= 0:
        return float(mantissa * (_POWERS[exponent] if exponent < len(_POWERS) else np.inf))
    if exponent >= -_EXACT:
        return float(mantissa / _POWERS[-exponent])
    # in two steps where the power alone would underflow
    last = len(_INVERSE_POWERS) - 1
    first, second = min(-exponent, last), max(-exponent - last, 0)
    scaled = mantissa * _INVERSE_POWERS[first]
    return float(scaled * (_INVERSE_POWERS[second] if second <= last else 0.0))


@numba.njit(cache=True)
def _scan_word(text: Text, at: int, stop: int, negative: bool) -> tuple[float, int]:
    """`nan`, `inf` and `infinity`, as C's and Python's printers write them."""
    if stop - at >= 3:
        a, b, c = text[at] | 32, text[at + 1] | 32, text[at + 2] | 32
        is_infinite = a == ord("i") and b == ord("n") and c == ord("f")
        if is_infinite or (a == ord("n") and b == ord("a") and c == ord("n")):
            while at < stop and ord("a") <= (text[at] | 32) <= ord("z"):
                at += 1
            return ((-np.inf if negative else np.inf) if is_infinite else np.nan), at
    return np.nan, -1


@numba.njit(cache=True)
def scan_integer(text: Text, at: int, stop: int) -> tuple[np.int64, int]:
    """(value, position after it) of the integer at `at`, (0, -1) where there is none.

    The value is clipped to 2^31, which is beyond any index.
    """
    negative = at < stop and text[at] == _MINUS
    if at < stop and (text[at] == _MINUS or text[at] == _PLUS):
        at += 1
    value, first = np.int64(0), at
    while at < stop and _ZERO <= text[at] <= _NINE:
        value = min(value * 10 + (np.int64(text[at]) - _ZERO), np.int64(_MAX_INTEGER))
        at += 1
    if at == first:
        return np.int64(0), -1
    return (-value if negative else value), at
