"""How much contraction a network that still tells its classes apart can have at most."""

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float


@enforced
def depth_floor(confusion: Float[Array, "k m"]) -> Estimate:
    """Compute the least root of a contraction coefficient that a confusion matrix allows.

    ``sqrt(eta) >= rho(Y; Yhat)``, the second singular value of
    ``D_Y^{-1/2} Conf D_Yhat^{-1/2}``, D the diagonal matrices of the row and column sums

    Label, input and noisy features are a Markov chain Y - X - T at given weights, and the
    prediction a function of T: the maximal correlation of Y and Yhat is at most that of X and T,
    whose square is the chi-square coefficient at the input law, and that is at most the
    channel's KL coefficient eta. Any number of classes, any priors; for two classes it is the
    absolute Matthews correlation, at least 1 - 2R at error R where the classes are balanced; for
    K balanced classes at least 1 - K R/(K - 1). It holds for the training set, with its
    empirical law, and for the population.

    It prices the depth bound: ``depth >= sqrt(2 sigma^2 eta I/n) >= rho sqrt(2 sigma^2 I/n)``, so
    contraction removes at most the share 1 - rho of the bound without layers; for balanced
    classes and the 0-1 loss at most twice the training error R of one noisy draw. And since
    R >= (1 - sqrt(eta))/2 there, ``R + depth >= sqrt(I/2n)`` wherever the latter is at most 1/2:
    at equal information no amount of contraction brings training error plus depth bound below the
    bound of an interpolating network without noise. Depth pays only by lowering the information
    or the training error. The largest coefficient over all weights, which certificates use, is
    larger still.

    Args:
        confusion: counts or probabilities of (label, prediction), labels on the rows; of
            predictions from **one** fresh draw of the layer noise each. A vote over draws uses
            the channel several times, whose coefficient is `contraction.nfold`.

    Returns:
        rho, an `Estimate` of bias "up": a check that a claimed coefficient is consistent with
        the predictions, no certificate, since a table of counts overestimates correlation on
        average. For a table of known probabilities it is the floor itself.

    Raises:
        ValueError: for a table that is no matrix, has negative entries, or is all zero.

    Reference:
        Derived here from the maximal correlation of Hirschfeld, Gebelein and Renyi and its
        data-processing inequality, see Makur, Zheng 2020, "Comparison of contraction
        coefficients for f-divergences".

    Example:
        >>> round(float(depth_floor([[0.18, 0.02], [0.08, 0.72]]).value), 6)
        0.729537
    """
    table = checks.real("confusion", confusion, 0.0)
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(f"confusion has shape {table.shape}; give a table (labels, predictions)")
    total = jnp.sum(table)
    if checks.concrete(table) and not float(total) > 0:
        raise ValueError("confusion is all zero; give counts or probabilities")
    p = table / jnp.where(total > 0, total, jnp.nan)
    rows, columns = jnp.sum(p, 1), jnp.sum(p, 0)
    scale = [jnp.where(m > 0, 1 / jnp.sqrt(jnp.where(m > 0, m, 1.0)), 0.0) for m in (rows, columns)]
    # Without the leading pair of singular vectors, the roots of the margins, the second one leads.
    centred = (p - rows[:, None] * columns) * scale[0][:, None] * scale[1]
    known = ~jnp.any(jnp.isnan(centred))
    value = jnp.linalg.svd(jnp.where(known, centred, 0.0), compute_uv=False)[0]
    value = jnp.where(known, value, jnp.nan)
    reason = "the table is all zero or holds NaN"
    nan = jnp.full_like(value, jnp.nan)
    return Estimate(value, nan, known, "up", "depth_floor", reason, about="other")
