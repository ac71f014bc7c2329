"""What is printed is compared with what is written."""

import re

import numpy as np
import pytest

NUMBER = re.compile(r"(?<![\w./])[-+]?(?:\d+\.\d+|\.\d+)(?:e[-+]?\d+)?(?![\w.]*/)")


@pytest.fixture
def missing():
    """A function: printed text, numbers of a file -> the printed ones that are not among them."""
    return _missing


def _missing(said, known):
    """Printed numbers with a decimal point that no known one rounds to, to nearest or up."""
    known = np.asarray([float(k) for k in known], float)
    known = known[np.isfinite(known)]
    lost = []
    for text in NUMBER.findall(said.replace("\N{MINUS SIGN}", "-")):
        mantissa, _, power = text.lower().partition("e")
        digits = len(mantissa.partition(".")[2])
        unit = 10.0 ** (int(power or 0) - digits)
        above = float(text) - known
        if not np.any((above >= -0.5000001 * unit) & (above <= 1.0000001 * unit)):
            lost.append(text)
    return lost
