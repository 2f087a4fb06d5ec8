"""Numbers out of text, compiled: a scan in OBJ, ASCII PLY or WRL holds a million of them.

Decimals are exact to three units in the last place of float64 (mostly to one), so that the text of
a float32 gives that float32 back.
"""

import numba
import numpy as np

_POWERS = np.array([float(f"1e{exponent}") for exponent in range(309)])
_INVERSE_POWERS = np.array([float(f"1e-{exponent}") for exponent in range(308)])
_EXACT = 22  # the greatest power of ten that float64 holds exactly
_MINUS, _PLUS, _POINT, _COMMA, _HASH = (ord(sign) for sign in "-+.,#")
_MOST = 60_000_000  # numbers of one text; they take 480 MB
_ZERO, _NINE, _BLANK, _NEWLINE, _RETURN = 48, 57, 32, 10, 13


def read_numbers(text, start, stop, vrml=False):
    """All numbers of text[start:stop], separated by white space.

    Parameters
    ----------
    text : (N,) uint8
    start, stop : int
    vrml : bool
        Commas separate as well, and `#` starts a comment.

    Returns
    -------
    (count,) float64; `nan` and `inf` are numbers

    Raises
    ------
    ValueError
        Something else than numbers is in it, or more than 60 million of them.
    """
    count, _ = _scan(text, start, stop, vrml, np.empty(0))
    if count > _MOST:
        raise ValueError(f"{count} numbers: at most {_MOST} can be read")
    numbers = np.empty(count)
    count, wrong = _scan(text, start, stop, vrml, numbers)
    if wrong >= 0:
        raise ValueError(f"{token_at(text, wrong)} is not a number")
    return numbers


def whole_numbers(values):
    """Float `values` as int64; ValueError where one is no whole number or beyond any index."""
    if not (np.abs(values) < 2**31).all() or (values != np.rint(values)).any():
        raise ValueError("an index is no whole number")
    return values.astype(np.int64)


def token_at(text, at):
    """What stands at a place of the text and in which line, to be named in a message."""
    line = 1 + int(np.count_nonzero(text[:at] == _NEWLINE))
    word = bytes(text[at : at + 24]).split(None, 1)
    return f"line {line}: {(word[0] if word else b'').decode('ascii', 'replace')!r}"


@numba.njit(cache=True)
def _scan(text, start, stop, vrml, numbers):
    """(count, place of the first token that is no number or -1).

    Into an empty array nothing is written: the tokens are only counted.
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
def scan_number(text, at, stop):
    """(value, place after it) of the decimal number at `at`; (nan, -1) where there is none."""
    negative = at < stop and text[at] == _MINUS
    if at < stop and (text[at] == _MINUS or text[at] == _PLUS):
        at += 1
    mantissa, digits, exponent, first = np.int64(0), 0, 0, at
    seen_point = False
    while at < stop:
        sign = np.int64(text[at])
        if _ZERO <= sign <= _NINE:
            if digits < 18:
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
        exponent += power
    return _scaled(mantissa, exponent) * (-1.0 if negative else 1.0), at


@numba.njit(cache=True)
def _scaled(mantissa, exponent):
    if mantissa == 0:
        return 0.0
    if exponent >= 0:
        return mantissa * (_POWERS[exponent] if exponent < len(_POWERS) else np.inf)
    if exponent >= -_EXACT:
        return mantissa / _POWERS[-exponent]
    # in two steps where one would vanish before the mantissa brings it back
    last = len(_INVERSE_POWERS) - 1
    near, rest = min(-exponent, last), max(-exponent - last, 0)
    return mantissa * _INVERSE_POWERS[near] * (_INVERSE_POWERS[rest] if rest <= last else 0.0)


@numba.njit(cache=True)
def _scan_word(text, at, stop, negative):
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
def scan_integer(text, at, stop):
    """(value, place after it) of the integer at `at`, (0, -1) where there is none.

    The value is held to 2^31, so that it stays beyond any index.
    """
    negative = at < stop and text[at] == _MINUS
    if at < stop and (text[at] == _MINUS or text[at] == _PLUS):
        at += 1
    value, first = np.int64(0), at
    while at < stop and _ZERO <= text[at] <= _NINE:
        value = min(value * 10 + (np.int64(text[at]) - _ZERO), np.int64(2**31))
        at += 1
    if at == first:
        return np.int64(0), -1
    return (-value if negative else value), at
