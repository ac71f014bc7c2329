"""Quantiles of confidence intervals."""

import math


def t_quantile(units: int) -> float:
    """97.5 % quantile of Student's t for the mean of `units` independent units; NaN below two."""
    from scipy import stats

    return float(stats.t.ppf(0.975, units - 1)) if units > 1 else math.nan
