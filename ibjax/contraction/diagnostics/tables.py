"""Chi-square information and coefficients read off tables of counts."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax.contraction import checks, discrete
from ibjax.interface import Contraction, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int


class Counted(NamedTuple):
    """Coefficients of a channel known from counts alone.

    Attributes:
        kl: the KL coefficient of the empirical channel, kind estimate.
        tv_upper: a number that Dobrushin's coefficient, hence the KL one, exceeds with
            probability below 1 - level; kind estimate, since it holds for most samples only.
    """

    kl: Contraction
    tv_upper: Contraction


@enforced
def chi2_information(joint: Float[Array, "k m"]) -> Estimate:
    """Compute the chi-square information of a joint table: the sum of all squared correlations.

    ``sum_xy (p_xy - p_x p_y)^2 / (p_x p_y) = sum_k rho_k^2``

    Not below the squared maximal correlation, the largest of the summands, and not below the
    information in nats.

    Args:
        joint: probabilities or counts.

    Returns:
        The value; exact for a law, of counts it errs upwards by about (k-1)(m-1)/n.

    Raises:
        ValueError: for a table that is no matrix, has negative entries or sums to zero.
    """
    table = checks.real("joint", joint, 0.0, math.inf)
    if table.ndim != 2 or (checks.concrete(table) and not float(jnp.sum(table)) > 0):
        raise ValueError(f"joint of shape {table.shape} must be a table (k, m), not all zero")
    p = table / jnp.sum(table)
    independent = jnp.sum(p, 1, keepdims=True) * jnp.sum(p, 0)
    some = independent > 0
    terms = jnp.where(some, (p - independent) ** 2 / jnp.where(some, independent, 1.0), 0.0)
    value = jnp.sum(terms)
    return Estimate(value, jnp.zeros_like(value), jnp.isfinite(value), "none", "chi2 information")


@enforced
def h_score(features: Float[Array, "n d"], labels: Int[Array, " n"], num_classes: int) -> Estimate:
    """Compute how much of the variance of features the labels explain, in whitened coordinates.

    ``tr(cov(f)^-1 cov(E[f | Y]))``

    For one-hot features of a finite input it is the chi-square information of input and label.

    Args:
        features: rows of features.
        labels: integers in 0..num_classes-1.
        num_classes: number of classes.

    Returns:
        The value; biased upwards by about d (K - 1) / n.

    Raises:
        ValueError: for shapes that do not fit.

    Reference:
        Bao, Li, Huang, Zhang, Zheng, Zamir, Guibas 2019, "An information-theoretic approach to
        transferability in task transfer learning".
    """
    f, y = checks.real("features", features, -math.inf, math.inf), jnp.asarray(labels)
    if f.ndim != 2 or y.shape != f.shape[:1]:
        raise ValueError(f"features has shape {f.shape} and labels {y.shape}; give (n, d) and (n,)")
    f = f - jnp.mean(f, 0)
    n = f.shape[0]
    member = (y[:, None] == jnp.arange(num_classes)).astype(f.dtype)
    counts = jnp.sum(member, 0)
    means = member.T @ f / jnp.maximum(counts, 1)[:, None]
    between = (means * (counts / n)[:, None]).T @ means
    # The pseudo-inverse leaves out what is constant, such as one of a set of one-hot columns.
    value = jnp.trace(jnp.linalg.pinv(f.T @ f / n, hermitian=True) @ between)
    nan = jnp.full_like(value, jnp.nan)
    return Estimate(value, nan, jnp.isfinite(value), "up", "H-score")


@enforced
def from_counts(counts: Int[Array, "k m"], *, level: float = 0.95) -> Counted:
    """Estimate a channel's coefficient from counts, with an upper confidence bound.

    ``TV(P, R) <= TV(P^, R^) + (e_P + e_R) / 2`` with
    ``e = sqrt((2/n) log(k (2^m - 2) / (1 - level)))`` the radius of each row in L1

    Args:
        counts: how often input x gave output y, rows the inputs; every input seen.
        level: probability with which all k radii hold at once.

    Raises:
        ValueError: for another shape, rows without counts, or a level out of range.

    Reference:
        Weissman, Ordentlich, Seroussi, Verdu, Weinberger 2003, "Inequalities for the L1
        deviation of the empirical distribution".
    """
    table = np.asarray(counts, float)
    if (
        table.ndim != 2
        or 0 in table.shape
        or not (table >= 0).all()
        or not (table.sum(1) > 0).all()
    ):
        raise ValueError("counts must be a table (k, m) with every input seen; add samples")
    if not 0 < level < 1:
        raise ValueError(f"level={level} must lie strictly between 0 and 1")
    total = table.sum(1)
    k, m = table.shape
    rows = table / total[:, None]
    plug_in = discrete.kl(rows)
    reason = "coefficient of the empirical channel"
    kl = Contraction(plug_in.value, plug_in.log1m, "estimate", "channel", reason, "kl")
    log_events = math.log(k / (1 - level)) + (math.log(2**m - 2) if m < 60 else m * math.log(2))
    radius = np.sqrt(2 / total * log_events) if m > 1 else np.zeros(k)
    apart = 0.5 * np.abs(rows[:, None] - rows).sum(-1) + (radius[:, None] + radius) / 2
    np.fill_diagonal(apart, 0.0)
    upper = jnp.asarray(min(float(apart.max()), 1.0))
    words = f"upper for {level:.0%} of samples: Dobrushin's coefficient within L1 radii"
    log1m = checks.log(1 - upper)
    return Counted(kl, Contraction(upper, log1m, "estimate", "channel", words, "tv"))
