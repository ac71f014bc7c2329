"""The exact decomposition of a softmax's excess loss over a finite alphabet."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.interface import Estimate
from ibjax.maxent import alphabets, checks
from ibjax.maxent.duality import solve
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Numbers


class Decomposition(NamedTuple):
    """Where the loss of the best softmax on T above H(Y|X) comes from; exact, in nats.

    Attributes:
        label_entropy: H(Y|X), the Bayes cross-entropy.
        sufficiency_residual: I(X;Y|T), zero iff T is sufficient (first condition).
        linear_gap: E KL(P(Y|T) || best softmax), the operational second condition.
        naive_bayes_gap: the same with naive Bayes for the softmax, TC - mixture_divergence.
        total_correlation: TC(T|Y), zero iff the units are independent given the label.
        mixture_divergence: KL(P_T || sum_y P(y) prod_i P(t_i|y)).
        cross_entropy: the smallest CE of softmax regression on T.
        weights: the softmax weights, (d, K); large where the data are separable.
        bias: (K,).
    """

    label_entropy: Estimate
    sufficiency_residual: Estimate
    linear_gap: Estimate
    naive_bayes_gap: Estimate
    total_correlation: Estimate
    mixture_divergence: Estimate
    cross_entropy: Estimate
    weights: Float[Array, "d k"]
    bias: Float[Array, " k"]


def exact(name: str, value: Array, ok: Any = True, reason: str = "") -> Estimate:
    """A deterministic number as an `Estimate` without error."""
    return Estimate(
        value=value,
        std_error=jnp.zeros_like(value),
        ok=jnp.asarray(ok) & ~jnp.isnan(value),
        bias="none",
        name=name,
        reason=reason,
    )


def _naive_bayes(joint: Array, features: Array) -> tuple[Array, Array]:
    """Log posterior (n, K) and log mixture (n,) of naive Bayes at every row."""
    prior = joint.sum(axis=0)
    tables = alphabets.unit_tables(joint, features)
    possible = (tables > 0).all(axis=0) & (prior > 0)
    log_joint = (alphabets.log_or_zero(tables) - alphabets.log_or_zero(prior)).sum(axis=0)
    log_joint = jnp.where(possible, log_joint + alphabets.log_or_zero(prior), -jnp.inf)
    # Rows without mass may be impossible under every class; any finite value serves there.
    log_joint = jnp.where(jnp.any(possible, axis=1)[:, None], log_joint, 0)
    log_mixture = jax.scipy.special.logsumexp(log_joint, axis=1)
    return jnp.where(possible, log_joint - log_mixture[:, None], 0), log_mixture


@jax.jit
def naive_bayes_terms(joint: Array, features: Array) -> Float[Array, "n k"]:
    """Log P(y|t) - log P_NB(y|t) at every row and class that carries mass, else 0."""
    ids = alphabets.cells(features)
    table = jnp.take(alphabets.pooled(joint, ids), ids, axis=0)
    log_posterior, _ = _naive_bayes(joint, features)
    log_true = alphabets.log_or_zero(table) - alphabets.log_or_zero(table.sum(axis=1))[:, None]
    return jnp.where(table > 0, log_true - log_posterior, 0)


@jax.jit
def correlation_terms(joint: Array, features: Array) -> tuple[Array, Array, Array, Array]:
    """H(Y|T), TC(T|Y), KL(P_T || P_T^NB) and the cross-entropy of naive Bayes."""
    ids = alphabets.cells(features)
    table = alphabets.pooled(joint, ids)
    prior = joint.sum(axis=0)
    given = alphabets.label_entropy(table)
    joint_entropy = -alphabets.xlogx(table).sum() + alphabets.xlogx(prior).sum()
    correlation = alphabets.unit_entropies(joint, features).sum() - joint_entropy
    log_posterior, log_mixture = _naive_bayes(joint, features)
    at_row = table.sum(axis=1)[ids]
    divergence = (joint.sum(axis=1) * (alphabets.log_or_zero(at_row) - log_mixture)).sum()
    return given, correlation, divergence, -(joint * log_posterior).sum()


def _decompose(features: Array, joint: Array, max_iterations: int) -> Decomposition:
    given, correlation, divergence, naive = correlation_terms(joint, features)
    entropy = alphabets.label_entropy(joint)
    fit = solve(features, joint, method="newton", max_iterations=max_iterations)
    remedy = "the softmax did not converge; scale the features or raise max_iterations"
    return Decomposition(
        label_entropy=exact("H(Y|X)", entropy),
        sufficiency_residual=exact("I(X;Y|T)", given - entropy),
        linear_gap=exact(
            "CE_softmax(T) - H(Y|T)", fit.cross_entropy - given, fit.converged, remedy
        ),
        naive_bayes_gap=exact("CE_NB(T) - H(Y|T)", naive - given),
        total_correlation=exact("TC(T|Y)", correlation),
        mixture_divergence=exact("KL(P_T || P_T^NB)", divergence),
        cross_entropy=exact("CE_softmax(T)", fit.cross_entropy, fit.converged, remedy),
        weights=fit.weights,
        bias=fit.bias,
    )


@enforced
def decompose(features: Numbers, joint: Numbers, *, max_iterations: int = 200) -> Decomposition:
    """Split the excess loss of softmax regression on T over a finite alphabet, exactly.

        CE_softmax(T) - H(Y|X) = I(X;Y|T) + linear_gap(T),
        naive_bayes_gap(T)     = TC(T|Y) - KL(P_T || P_T^NB) <= TC(T|Y),

    and 0 <= linear_gap <= naive_bayes_gap when every unit is binary, since naive Bayes is then a
    softmax. Both conditions of Zheng, Sang and Xu (T sufficient, units independent given Y)
    together make softmax regression return P(Y|X); the second is not necessary: a linear gap
    of zero needs only P(t|y) = h(t) exp(w_y.t + b_y) with a common, possibly dependent, h.

    Args:
        features: T(x), one row an input letter, (n, d).
        joint: P(x, y) or counts, (n, K).
        max_iterations: of the softmax solver.

    Returns:
        A `Decomposition` of exact values (nats).

    Assumes:
        Each row is its own letter of X, and T is a function of X.

    Raises:
        ValueError: on shapes that do not fit, or negative probabilities.

    Reference:
        Zheng, Sang, Xu, "Understanding Deep Learning Generalization by Maximum Entropy", 2017,
        for the two conditions; the decomposition is derived here.
    """
    features = checks.matrix("features", features)
    joint = checks.law("joint", joint, features.shape[0]).astype(features.dtype)
    if not checks.concrete(features):  # cells of what is no number would be cells like others
        joint = jnp.where(jnp.all(jnp.isfinite(features)), joint, jnp.nan)
    return _decompose(features, joint, max_iterations)
