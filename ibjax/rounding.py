"""Numbers as text with few digits: a proved limit is rounded to the side on which it holds."""

import math
import sys
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

_UPPER = ("certificate", "upper", "upper limit")
_WIDE = 800  # digits: all that a float can have before and after its point


def up(value: float, form: str = ".3f") -> str:
    """The least number with these digits that is not below the value.

    The value is the shortest decimal that reads as this float, so 0.1 is 0.100 and not 0.101.

    Args:
        value: a proved upper bound.
        form: a format of floats with its digits, one of ``.3f``, ``.3g`` and ``.3e``.
    """
    return _rounded(value, form, ROUND_CEILING)


def down(value: float, form: str = ".3f") -> str:
    """The greatest number with these digits that is not above the value; arguments as `up`."""
    return _rounded(value, form, ROUND_FLOOR)


def by_kind(value: float, form: str, kind: str) -> str:
    """A certificate or another upper bound rounded up, a lower one down, all else to nearest.

    Args:
        value: the number.
        form: as in `up`.
        kind: as tables have it; what follows a comma, as by `kind`, does not matter.
    """
    first = kind.partition(",")[0]
    if first in _UPPER:
        return up(value, form)
    return down(value, form) if first == "lower" else format(float(value), form)


def probability(value: float) -> str:
    """A confidence to six digits, rounded down.

    It is 1 minus a doubt, which a float holds to about 1e-16: that error is taken away first, so
    that 1 - 0.07 is 0.93.
    """
    return down(round(float(value), 14), ".6g")


def percent(value: float) -> str:
    """The same in percent: ``95 %``."""
    return f"{down(float(Decimal(repr(round(float(value), 14))) * 100), '.6g')} %"


def kind(name: str, confidence: float) -> str:
    """A kind as people read it: a certificate that needs one with its confidence."""
    limited = name == "certificate" and confidence < 1
    return f"{name}, {percent(confidence)}" if limited else name


def _rounded(value: float, form: str, rounding: str) -> str:
    value, digits, style = float(value), int(form[1:-1]), form[-1]
    if not math.isfinite(value):
        return format(value, form)
    exact = Decimal(repr(value))
    if style == "f":
        place, wide = Decimal(1).scaleb(-digits), Context(prec=_WIDE, rounding=rounding)
        found = exact.quantize(place, context=wide)
    else:
        figures = digits + 1 if style == "e" else max(digits, 1)
        found = Context(prec=figures, rounding=rounding).create_decimal(exact)
    if not found:
        found = found.copy_abs()  # no minus before a zero
    if style == "f":
        return format(found, form)
    # A float near the ends of its range does not hold these digits.
    held = not found or sys.float_info.min <= abs(float(found)) < math.inf
    return format(float(found), form) if held else str(found).lower()
