"""What is printed is compared with what is written."""

import re

import numpy as np
import pytest

NUMBER = re.compile(r"(?<![\w./])[-+]?(?:\d+\.\d+|\.\d+)(?:e[-+]?\d+)?(?![\w.]*/)")


@pytest.fixture
def missing():
    """A function: printed text, numbers of a file, and those of them that are proved upper bounds
    -> the printed ones that are not among them."""
    return _missing


def _missing(said, known, proved=()):
    """Printed numbers with a decimal point that no known one rounds to, nor a proved one up."""
    known, proved = (np.asarray([float(k) for k in each], float) for each in (known, proved))
    known, proved = (each[np.isfinite(each)] for each in (known, proved))
    lost = []
    for text in NUMBER.findall(said.replace("\N{MINUS SIGN}", "-")):
        mantissa, _, power = text.lower().partition("e")
        digits = len(mantissa.partition(".")[2])
        unit = 10.0 ** (int(power or 0) - digits)
        near = np.abs(known - float(text)) <= 0.5000001 * unit
        above = (float(text) - proved) / unit
        if not near.any() and not np.any((above >= -1e-7) & (above <= 1.0000001)):
            lost.append(text)
    return lost
