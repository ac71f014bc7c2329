"""Gaussian information of samples: of the values, or of their ranks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from ibjax.arguments import concrete, grain, in_double
from ibjax.interface import Estimate
from ibjax.mi.checks import estimate, pair
from ibjax.mi.copies import LISTED_AGAIN, drawn_apart
from ibjax.mi.exact import canonical_correlations, information_of, known_correlations
from ibjax.mi.laws import rounding
from ibjax.mi.tables import places, sizes
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray

REASON = (
    "constant coordinates, few distinct values (use plug_in, ross or mixed), too few samples for "
    "the dimension, or one variable seems a function of the other, whose information is infinite; "
    f"or {LISTED_AGAIN}"
)
_COINCIDENCE = 0.05


@enforced
def gaussian_copula(
    x: Float[Array, "n dx"], y: Float[Array, "n dy"], *, corrected: bool = False
) -> Estimate:
    r"""Information of the Gaussian copula fitted to the ranks.

    Each coordinate is replaced by ``Phi^-1(rank / (n + 1))``, equal values sharing their mean
    rank; the result is the Gaussian information of the correlation of these scores. For one
    coordinate each the Gaussian law has the least information of all with Gaussian marginals and
    this correlation, so in the limit it is a lower bound there; for vectors it is an estimate.

    Ranks do not move with the samples, so the gradient is zero almost everywhere; `cca` has one.

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        corrected: subtract the sampling bias of a Gaussian covariance, as `cca` does.

    Returns:
        Nats; the standard error is that of a Gaussian law, the root of
        ``sum rho_i^2 / n + dx dy / (2n^2)``, the last term that of no correlation. Errs upwards by
        about dx dy / (2n) unless corrected, downwards where the copula is not Gaussian. Not ok for
        fewer samples than dimensions, constant coordinates, coordinates of which two samples
        coincide with a probability over 0.05 (bits, small counts, atoms), or where one variable is
        a function of the other up to rounding, or for samples listed more than once.

    Raises:
        ValueError: for shapes that do not pair up.

    Reference:
        Ince et al. (2017), A statistical framework for neuroimaging data analysis based on mutual
        information estimated via a Gaussian copula; mean ranks for ties, correction optional.
    """
    return _estimate(x, y, True, corrected, "gaussian_copula")


@enforced
def cca(x: Float[Array, "n dx"], y: Float[Array, "n dy"], *, corrected: bool = True) -> Estimate:
    r"""Gaussian information of the sample covariance: of the canonical correlations.

    .. math:: \hat I = -\tfrac12\sum_i\log(1-\hat\rho_i^2) - b,\quad
              b = \tfrac12\Bigl[\sum_{i\le d_x}+\sum_{i\le d_y}-\sum_{i\le d_x+d_y}\Bigr]
              \psi\bigl(\tfrac{n-i}2\bigr)

    For Gaussian samples b is the exact bias of the plug-in value, whatever the covariance; it is
    about dx dy / (2n).

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        corrected: subtract b.

    Returns:
        Nats, unclamped; unbiased for Gaussian samples, of no known direction for others. The
        standard error is that of the information of the covariance, whatever the law: the spread
        of what each sample contributes, sqrt(sum rho_i^2 / n) for Gaussian ones, and in
        quadrature sqrt(dx dy / 2) / n, that of no correlation; a few times too small where tails
        are so heavy that few samples make the covariance. Not ok unless n > dx + dy + 1, and where
        `gaussian_copula` is not.

    Raises:
        ValueError: for shapes that do not pair up.

    Reference:
        The bias follows from the expected log-determinant of a Wishart matrix.
    """
    return _estimate(x, y, False, corrected, "cca")


def _estimate(x: Array, y: Array, ranks: bool, corrected: bool, name: str) -> Estimate:
    both = pair(x, y, "standardise")
    n, dx = both.x.shape
    dy = both.y.shape[1]
    known = concrete(both.x, both.y)
    fit = partial(_fit, ranks=ranks, known=known, grain=grain(x, y))
    value, error, ok = in_double(fit, both.x, both.y, dtype=both.dtype)
    if corrected and n > dx + dy + 1:
        value = value - _bias(n, dx, dy)
    ok = ok & drawn_apart(both.x, both.y)
    return estimate((value, error, ok), both.dtype, both.sound, "unknown", name, REASON)


@partial(jax.jit, static_argnames=("ranks", "known", "grain"))
def _fit(x: JaxArray, y: JaxArray, *, ranks: bool, known: bool, grain: float):
    n, dx = x.shape
    both = jnp.concatenate([x, y], axis=1)
    d = both.shape[1]
    constant = jnp.any(jnp.max(both, axis=0) == jnp.min(both, axis=0))
    coincide = jax.vmap(lambda v: jnp.mean((sizes(places(v)) - 1) / (n - 1)), 1)(both)
    scores = jax.vmap(_normal_scores, 1, 1)(both) if ranks else both
    scores = scores - jnp.mean(scores, axis=0)
    spread = jnp.sqrt(jnp.mean(scores**2, axis=0))
    scores = scores / jnp.where(spread > 0, spread, 1.0)
    cov = jnp.matmul(scores.T, scores, precision=jax.lax.Precision.HIGHEST) / n
    cov = jnp.where(constant, jnp.eye(d, dtype=cov.dtype), cov)
    # products of samples are rounded in the type of this program, their residuals in their own
    noise = rounding(float(jnp.finfo(cov.dtype).eps), d) + 16 * d * grain**2
    rho = (known_correlations if known else canonical_correlations)(cov, dx, noise)
    value = information_of(rho, noise)
    error = jnp.sqrt(jnp.sum(rho**2) / n)
    if not ranks:
        each = _influence(scores, cov, dx)
        error = jnp.where(jnp.all(jnp.isfinite(each)), jnp.std(each) / jnp.sqrt(n), error)
    # Of the second order: the first vanishes where the sample shows no correlation, and the value,
    # which is then (chi^2 - dx dy) / (2n), does not stand still.
    error = jnp.sqrt(error**2 + dx * (d - dx) / (2 * n**2))
    ok = ~constant & jnp.isfinite(value) & (n > d + 1) & (jnp.max(coincide) <= _COINCIDENCE)
    return value, error, ok


def _influence(z: JaxArray, cov: JaxArray, dx: int) -> JaxArray:
    """How much each sample moves the information of the covariance, (n,), of mean zero.

    ``(x' S_x^-1 x + y' S_y^-1 y - z' S^-1 z)/2``, whose variance is sum rho_i^2 for Gaussian
    samples, and larger where tails are heavier.
    """

    def squares(part: slice) -> JaxArray:
        root = jnp.linalg.cholesky(cov[part, part])
        white = jax.scipy.linalg.solve_triangular(root, z[:, part].T, lower=True)
        return jnp.sum(white**2, axis=0)

    return (squares(slice(dx)) + squares(slice(dx, None)) - squares(slice(None))) / 2


def _bias(n: int, dx: int, dy: int) -> float:
    from scipy.special import digamma

    def total(d: int) -> float:
        return float(np.sum(digamma((n - 1.0 - np.arange(d)) / 2)))

    return 0.5 * (total(dx) + total(dy) - total(dx + dy))


def _normal_scores(v: JaxArray) -> JaxArray:
    ordered = jnp.sort(v)
    below = jnp.searchsorted(ordered, v, side="left")
    upto = jnp.searchsorted(ordered, v, side="right")
    rank = (below + upto + 1).astype(v.dtype) / 2
    return ndtri(rank / (v.shape[0] + 1))
