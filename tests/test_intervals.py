import math

import pytest

from ibjax.intervals import t_quantile


def test_closed_forms():
    """One degree of freedom is Cauchy's law; of two the quantile is algebraic."""
    assert t_quantile(2) == pytest.approx(math.tan(math.pi * 0.475), rel=1e-9)
    assert t_quantile(3) == pytest.approx(0.95 * math.sqrt(2 / (1 - 0.95**2)), rel=1e-9)
    assert math.isnan(t_quantile(1)) and math.isnan(t_quantile(0))
