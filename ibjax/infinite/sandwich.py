"""Information of an ensemble's output about its input, from the exact conditional law."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import numeric, whole
from ibjax.infinite import checks
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Float, JaxArray, Key, Numbers


class Sandwich(NamedTuple):
    """A lower and an upper estimate of one information value, in nats."""

    lower: Estimate
    upper: Estimate


@enforced
def input_information(
    mean: Numbers, variance: Numbers, *, key: Key | None = None, draws: int = 16, nodes: int = 24
) -> Sandwich:
    r"""I(X; Z | D) between bounds, for the channel z ~ N(mean(x), variance(x) 1).

    With s_ij = log p(z_i | x_j):  lower = E[s_ii - log mean_j exp s_ij] (at most log n) and
    upper = E[s_ii - log mean_{j != i} exp s_ij].

    Args:
        mean: (n,) or (n, k) at n independent inputs.
        variance: (n,) of one output unit; zero makes both bounds their degenerate limits.
        key: draws z; needed when k > 1. With one output z is integrated by quadrature.
        draws: draws of z for each input when k > 1.
        nodes: Gauss-Hermite nodes of z when k = 1.

    Returns:
        Sandwich(lower, upper); the standard error is that of the mean over inputs, treating the
        terms as independent.

    Assumes: inputs independent; the conditional law exactly Gaussian, as at infinite width.

    Raises:
        ValueError: fewer than two inputs, negative variances, k > 1 without a key.

    Reference: Poole et al. (2019), On variational bounds of mutual information (both sides with
    a known conditional); used for ensembles by Shwartz-Ziv and Alemi (2020), Information in
    infinite ensembles of infinitely-wide neural networks, corrected: the deviation, not the
    variance, scales the channel.
    """
    centres = checks.inexact(mean, "mean")
    centres = centres[:, None] if centres.ndim == 1 else centres
    spread = checks.inexact(variance, "variance")
    if centres.ndim != 2:
        raise ValueError(f"mean has shape {centres.shape}; give (n,) or (n, k)")
    n, k = centres.shape
    if n < 2 or spread.shape != (n,):
        raise ValueError(
            f"mean has shape {centres.shape} and variance {spread.shape}; give (n, k) and (n,) for "
            "at least two inputs"
        )
    spread = checks.non_negative(spread, "variance")
    whole("draws", draws)
    whole("nodes", nodes)
    if k == 1:
        points, weights = np.polynomial.hermite_e.hermegauss(nodes)
        noise = jnp.broadcast_to(jnp.asarray(points, centres.dtype)[:, None, None], (nodes, n, 1))
        weight = jnp.asarray(weights / weights.sum(), centres.dtype)
    elif key is None:
        raise ValueError("several outputs are integrated by sampling; give key=jax.random.key(0)")
    else:
        noise = jax.random.normal(key, (draws, n, k), centres.dtype)
        weight = jnp.full((draws,), 1.0 / draws, centres.dtype)
    deviation = jnp.sqrt(spread)
    own = jnp.eye(n, dtype=bool)

    def terms(white):
        z = centres + deviation[:, None] * white
        distance = sum((z[:, None, d] - centres[None, :, d]) ** 2 for d in range(k))
        score = -0.5 * distance / spread - 0.5 * k * jnp.log(spread)
        self_score = -0.5 * jnp.sum(white**2, -1) - 0.5 * k * jnp.log(spread)
        others = jax.nn.logsumexp(jnp.where(own, -jnp.inf, score), axis=1)
        everyone = jnp.logaddexp(others, self_score)
        return self_score - everyone + jnp.log(n), self_score - others + jnp.log(n - 1)

    lower, upper = jax.lax.map(terms, noise)

    def summary(values, bias, name):
        each = weight @ values
        error = jnp.std(each, ddof=1) / n**0.5
        value = jnp.mean(each)
        reason = "outputs without spread: the information is infinite"
        return Estimate(value, error, jnp.isfinite(value), bias, name, reason, about="other")

    return Sandwich(
        summary(lower, "down", "known conditional, lower"),
        summary(upper, "up", "known conditional, leave-one-out upper"),
    )


@jax.jit
def label_information(mean: Any, variance: Any, y: Any) -> tuple[JaxArray, JaxArray]:
    r"""An estimate of a lower bound on I(Y; Z | D), by the best affine Gaussian decoder.

    1/2 log (det Cov(Y) / det(Cov(Y) - Cov(Y, Z) Cov(Z)^-1 Cov(Z, Y))), which is
    -1/2 log(1 - rho^2) for one output, with Cov(Z) = Cov(mean) + E[variance] 1.

    Args:
        mean: (m, k) predicted means at independent test inputs.
        variance: (m,) of one output unit.
        y: (m, l) their targets.

    Returns:
        Nats and a standard error, sqrt(sum_i rho_i^2 / m + k l / (2 m^2)), which is on the safe
        side since the noise of Z is known. The covariances are plug-in ones, so that the value
        errs upwards by up to k l / (2 m) and may exceed I(Y; Z | D) although the bound does not.

    Assumes: Y jointly Gaussian; otherwise this is not a bound.

    Reference: elementary (Gaussian variational decoder); new here in this form.
    """
    centred = mean - mean.mean(0)
    labels = y - y.mean(0)
    m = mean.shape[0]
    z = centred.T @ centred / m + jnp.mean(variance) * jnp.eye(mean.shape[1], dtype=mean.dtype)
    cross = centred.T @ labels / m
    own = labels.T @ labels / m
    rest = jnp.eye(own.shape[0], dtype=own.dtype) - jnp.linalg.solve(
        own, cross.T @ jnp.linalg.solve(z, cross)
    )
    explained = own.shape[0] - jnp.trace(rest)
    # The second term is that of no correlation, where the first vanishes.
    error = jnp.sqrt(jnp.maximum(explained, 0.0) / m + z.shape[0] * own.shape[0] / (2 * m**2))
    return -0.5 * jnp.linalg.slogdet(rest)[1], error


@enforced
def gaussian_frontier(information: Numbers, correlations: Numbers) -> Float[JaxArray, "*i"]:
    r"""The most a representation of X with I(X; Z) = i can say about a jointly Gaussian Y.

    max -1/2 sum_l log(1 - rho_l^2 (1 - exp(-2 r_l))) over rates r_l >= 0 of sum i; for one
    correlation, I_Y = -1/2 log(1 - rho^2 (1 - exp(-2 i))). The optimal rates are in closed form
    once the number of active components is known.

    Args:
        information: i in nats, any shape, non-negative.
        correlations: canonical correlations rho of X and Y, (r,), each in [0, 1).

    Returns:
        I(Z; Y) in nats, the shape of `information`.

    Raises:
        ValueError: a correlation outside [0, 1), a negative information.

    Reference: Chechik, Globerson, Tishby and Weiss (2005), Information bottleneck for Gaussian
    variables; as published, solved for the rate.
    """
    rate = numeric("information", information)
    rate = rate.astype(jnp.result_type(rate, float)) if rate.dtype.kind in "iu" else rate
    rho = jnp.atleast_1d(checks.inexact(correlations, "correlations"))
    if rho.ndim != 1 or not rho.size:
        raise ValueError(f"correlations has shape {rho.shape}; give one or more numbers: (r,)")
    rate = checks.non_negative(rate, "information")
    if checks.concrete(rho) and not np.all((np.asarray(rho) >= 0) & (np.asarray(rho) < 1)):
        raise ValueError(f"correlations = {correlations} must lie in [0, 1)")
    return _frontier(rate, rho)


@jax.jit
def _frontier(rate: JaxArray, rho: JaxArray) -> JaxArray:
    rate = jnp.where(jnp.all((rho >= 0) & (rho < 1)), rate, jnp.nan)
    square = jnp.sort(rho**2)[::-1]
    # Component l is active when log(beta - 1) exceeds t_l = log(lambda_l / (1 - lambda_l)).
    positive = square > 0
    kept = jnp.where(positive, square, 0.5)
    threshold = jnp.where(positive, jnp.log1p(-kept) - jnp.log(kept), jnp.inf)
    count = jnp.arange(1, square.shape[0] + 1)
    finite = jnp.where(positive, threshold, 0.0)
    level = (2 * rate[..., None] + jnp.cumsum(finite)) / count
    # Water level with the first k components; the right k is the last whose component is wet.
    wet = positive & (level >= threshold)
    active = jnp.maximum(jnp.sum(wet, -1), 1)
    chosen = jnp.take_along_axis(level, active[..., None] - 1, -1)
    rates = jnp.where(positive & (chosen >= threshold), (chosen - finite) / 2, 0.0)
    found = -0.5 * jnp.sum(jnp.log1p(square * jnp.expm1(-2 * rates)), -1)
    return jnp.where(jnp.isnan(rate), jnp.nan, found)
