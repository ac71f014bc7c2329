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
    """Printed numbers with a decimal point that no known one rounds to."""
    known = np.asarray([float(k) for k in known], float)
    known = known[np.isfinite(known)]
    lost = []
    for text in NUMBER.findall(said.replace("\N{MINUS SIGN}", "-")):
        mantissa, _, power = text.lower().partition("e")
        digits = len(mantissa.partition(".")[2])
        room = 0.5000001 * 10.0 ** (int(power or 0) - digits)
        if not np.any(np.abs(known - float(text)) <= room):
            lost.append(text)
    return lost
