"""Differential privacy of the same mechanism, by the package that is maintained for it."""

from typing import Any

import numpy as np


def epsilon(shifts: Any, q: float, delta: float) -> float:
    """eps(delta) of a run with full or Poisson batches, adding or removing one example.

    Every step is a Gaussian mechanism with noise multiplier 1/r_t, sampled with probability q;
    the steps are composed by privacy-loss distributions.

    Args:
        shifts: r_t = eta_t C/(b s_t), (T,), known now.
        q: probability that an example is in a batch; 1 for full batches.
        delta: of (eps, delta), in (0, 1).

    Raises:
        ImportError: without dp-accounting, the extra `dp`.
        ValueError: for a delta outside (0, 1).

    Reference:
        Google's dp-accounting; no accounting of our own.
    """
    shifts = np.asarray(shifts, float)
    if not 0 < float(delta) < 1:
        raise ValueError(f"delta={delta!r} must lie in (0, 1)")
    if not np.isfinite(shifts).all():
        return float("inf")
    try:
        import dp_accounting  # pyright: ignore[reportMissingImports]
        from dp_accounting import pld  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            "eps(delta) needs dp-accounting; install the extra: pip install 'ibjax[dp]'"
        ) from error
    accountant = pld.PLDAccountant()
    for r, count in zip(*np.unique(shifts[shifts > 0], return_counts=True)):
        event = dp_accounting.GaussianDpEvent(noise_multiplier=1 / r)
        if q < 1:
            event = dp_accounting.PoissonSampledDpEvent(q, event)
        accountant.compose(event, int(count))
    return float(accountant.get_epsilon(float(delta)))
