"""Variational objectives: functions of a matrix of scores, each with the direction it errs in."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from ibjax.typing import BiasDirection, JaxArray


@dataclass(frozen=True)
class Objective:
    """One variational estimate; scores are f(x_i, y_j), matched pairs on the diagonal.

    Attributes:
        name: how `neural` knows it.
        train: ``(scores, average, options) -> (value to increase, new average)``; `average` is
            what a moving average carries from step to step.
        value: ``(scores, weights, options) -> nats``; weights (n,) sum to 1 and are 1/n, their
            derivative gives the standard error.
        bias: direction of the held-out value's error.
        critic: "ratio" for a free score, "conditional" for the log-density of a law q(y|x),
            "densities" for those of q(y|x) and q(y), two columns in place of all pairs.
        reference: where it comes from.
    """

    name: str
    train: Callable[..., tuple[JaxArray, JaxArray]]
    value: Callable[..., JaxArray]
    bias: BiasDirection
    critic: Literal["ratio", "conditional", "densities"]
    reference: str


def objectives() -> dict[str, Objective]:
    """Every objective of `neural` by name."""
    poole = "Poole et al. (2019), On variational bounds of mutual information"
    rows = (
        Objective(
            "dv",
            _plain(dv),
            dv,
            "unknown",
            "ratio",
            "Donsker and Varadhan (1983); below the truth but for the logarithm of a sample mean",
        ),
        Objective(
            "mine",
            _mine,
            dv,
            "unknown",
            "ratio",
            "Belghazi et al. (2018), Mutual information neural estimation; dv with the gradient's "
            "denominator averaged over steps",
        ),
        Objective(
            "nwj",
            _plain(nwj),
            nwj,
            "down",
            "ratio",
            "Nguyen, Wainwright, Jordan (2010), Estimating divergence functionals",
        ),
        Objective("js", _jensen_shannon, nwj, "down", "ratio", poole),
        Objective(
            "infonce", _plain(infonce), infonce, "down", "ratio", "van den Oord et al. (2018)"
        ),
        Objective("interpolated", _plain(interpolated), interpolated, "down", "ratio", poole),
        Objective(
            "smile",
            _jensen_shannon,
            smile,
            "unknown",
            "ratio",
            "Song and Ermon (2020), Understanding the limitations of variational estimators",
        ),
        Objective(
            "club",
            _likelihood,
            club,
            "unknown",
            "conditional",
            "Cheng et al. (2020), CLUB; above the truth where q fits",
        ),
        Objective("leave_one_out", _likelihood, leave_one_out, "unknown", "conditional", poole),
        Objective(
            "doe",
            _two_likelihoods,
            difference,
            "unknown",
            "densities",
            "McAllester and Stratos (2020), Formal limitations on the measurement of mutual "
            "information; two upper bounds on entropies, one less the other",
        ),
    )
    return {row.name: row for row in rows}


def dv(scores: JaxArray, weights: JaxArray, options: Any = None) -> JaxArray:
    r""":math:`E f - \log E_{p(x)p(y)} e^f`, the product law from unmatched pairs."""
    return _matched(scores, weights) - _log_product_mean(scores, weights)


def nwj(scores: JaxArray, weights: JaxArray, options: Any = None) -> JaxArray:
    r""":math:`1 + E f - E_{p(x)p(y)} e^f`: the bound of Nguyen et al. with the critic 1 + f."""
    return 1 + _matched(scores, weights) - jnp.exp(_log_product_mean(scores, weights))


def infonce(scores: JaxArray, weights: JaxArray, options: Any = None) -> JaxArray:
    r""":math:`E[f_{ii} - \log\frac1n\sum_j e^{f_{ij}}]`, at most log n."""
    return weights @ (jnp.diagonal(scores) - logsumexp(scores, axis=1, b=weights[None]))


def smile(scores: JaxArray, weights: JaxArray, options: Any) -> JaxArray:
    r"""`dv` with scores clipped to [-tau, tau] in the second term only."""
    tau = options["tau"]
    clipped = jnp.clip(scores, -tau, tau)
    return _matched(scores, weights) - _log_product_mean(clipped, weights)


def interpolated(scores: JaxArray, weights: JaxArray, options: Any) -> JaxArray:
    r"""The multi-sample bound between `nwj` (alpha = 0) and InfoNCE (alpha = 1).

    The bound of Nguyen et al. with the critic :math:`1 + f - \log(\alpha m + 1 - \alpha)`, m the
    mean of e^f over the x of the pair and n - 2 others; pair and others are independent in both
    terms, so that the bound holds. Averaged over which x is left out.
    """
    alpha = options["alpha"]
    n = scores.shape[0]
    off = _off(scores, -jnp.inf)
    top = jax.lax.stop_gradient(jnp.max(off, axis=0))
    e = jnp.exp(off - top)
    # sums over all rows but one from both sides: a difference would lose all digits
    none = jnp.zeros_like(e[:1])
    above = jnp.concatenate([none, jnp.cumsum(e, axis=0)[:-1]])
    below = jnp.concatenate([jnp.cumsum(e[::-1], axis=0)[-2::-1], none])
    own = jnp.diagonal(scores)
    with_own = jnp.logaddexp(own, _log(above + below) + top)
    without = logsumexp(off, axis=0)

    def mixed(log_sum):
        return jnp.logaddexp(_log(alpha) + log_sum - math.log(n - 1), _log(1 - alpha))

    pairs = _off_diagonal(weights)
    penalty = jnp.sum(pairs * _off(mixed(with_own)), axis=0) / jnp.sum(pairs, axis=0)
    unmatched = jnp.sum(pairs * jnp.exp(off - mixed(without))) / jnp.sum(pairs)
    return 1 + weights @ (own - penalty) - unmatched


def club(scores: JaxArray, weights: JaxArray, options: Any = None) -> JaxArray:
    r""":math:`E_{p(x,y)}\log q(y|x) - E_{p(x)p(y)}\log q(y|x)`, scores being log q(y_j|x_i)."""
    pairs = _off_diagonal(weights)
    return _matched(scores, weights) - jnp.sum(pairs * _off(scores)) / jnp.sum(pairs)


def leave_one_out(scores: JaxArray, weights: JaxArray, options: Any = None) -> JaxArray:
    r""":math:`E[\log q(y_i|x_i) - \log\frac1{n-1}\sum_{j\ne i} q(y_i|x_j)]`."""
    others = logsumexp(_off(scores, -jnp.inf), axis=0, b=weights[:, None])
    return weights @ (jnp.diagonal(scores) - others + jnp.log1p(-weights))


def difference(scores: JaxArray, weights: JaxArray, options: Any = None) -> JaxArray:
    r""":math:`E[\log q(y|x)] - E[\log q(y)]`, the difference of two cross-entropies."""
    return weights @ (scores[:, 0] - scores[:, 1])


def weighted_error(value: Callable[..., JaxArray], scores: JaxArray, options: Any) -> JaxArray:
    """Squared standard error of an objective, from its derivative in each sample's weight."""
    n = scores.shape[0]
    uniform = jnp.full(n, 1 / n, scores.dtype)
    influence = jax.grad(lambda w: value(scores, w / jnp.sum(w), options))(uniform)
    return jnp.var(influence, ddof=1) / n


def _plain(value):
    def train(scores, average, options):
        n = scores.shape[0]
        return value(scores, jnp.full(n, 1 / n, scores.dtype), options), average

    return train


def _mine(scores: JaxArray, average: JaxArray, options: Any):
    n = scores.shape[0]
    weights = jnp.full(n, 1 / n, scores.dtype)
    log_mean = _log_product_mean(scores, weights)
    now = jax.lax.stop_gradient(log_mean)
    keep = options["momentum"]
    average = jnp.where(
        jnp.isfinite(average),
        jnp.logaddexp(_log(keep) + average, _log(1 - keep) + now),
        now,
    )
    # the gradient of exp(log_mean) / averaged denominator, in place of that of log_mean
    return _matched(scores, weights) - jnp.exp(log_mean - average), average


def _jensen_shannon(scores: JaxArray, average: JaxArray, options: Any):
    n = scores.shape[0]
    pairs = _off_diagonal(jnp.full(n, 1 / n, scores.dtype))
    product = jnp.sum(pairs * jax.nn.softplus(_off(scores))) / jnp.sum(pairs)
    return -jnp.mean(jax.nn.softplus(-jnp.diagonal(scores))) - product, average


def _likelihood(scores: JaxArray, average: JaxArray, options: Any):
    return jnp.mean(jnp.diagonal(scores)), average


def _two_likelihoods(scores: JaxArray, average: JaxArray, options: Any):
    return jnp.mean(scores[:, 0] + scores[:, 1]), average


def _matched(scores: JaxArray, weights: JaxArray) -> JaxArray:
    return weights @ jnp.diagonal(scores)


def _log_product_mean(scores: JaxArray, weights: JaxArray) -> JaxArray:
    pairs = _off_diagonal(weights)
    return logsumexp(_off(scores), b=pairs) - jnp.log(jnp.sum(pairs))


def _off_diagonal(weights: JaxArray) -> JaxArray:
    return _off(weights[:, None] * weights[None])


def _off(matrix: JaxArray, fill: float = 0.0) -> JaxArray:
    return jnp.where(jnp.eye(matrix.shape[0], dtype=bool), fill, matrix)


def _log(value: Any) -> JaxArray:
    value = jnp.asarray(value)
    return jnp.where(value > 0, jnp.log(jnp.where(value > 0, value, 1.0)), -jnp.inf)
