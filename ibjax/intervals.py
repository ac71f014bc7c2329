"""Quantiles of confidence intervals."""

import math


def t_quantile(units: int) -> float:
    """97.5 % quantile of Student's t for the mean of `units` independent units; NaN below two."""
    from scipy.special import stdtrit

    return float(stdtrit(units - 1, 0.975)) if units > 1 else math.nan
