"""Bounds from the information between the sample and the weights."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from ibjax.bounds import checks, outcome, root
from ibjax.bounds.kinds import Given, is_bare
from ibjax.bounds.subjects import WORDS
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Scalar


@enforced
def xu_raginsky(
    information: Float[Array, "*batch"] | float | Estimate | BoundValue, n: int, sigma: Scalar
) -> BoundValue:
    """Bound the expected gap by the information of the weights about the whole sample.

    ``|E[L(W) - L_S(W)]| <= sqrt(2 sigma^2 I(S; W) / n)``

    Args:
        information: I(S; W) or an upper bound on it, in nats; a number or an array, which is the
            caller's claim, or an `Estimate` or `BoundValue` whose kind, error and confidence then
            carry over.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss; 1/2 for a loss in [0, 1].

    Returns:
        The bound in loss units; vacuous from 2 sigma on, the range of a bounded loss.

    Assumes:
        Independent examples; l(w, Z) sigma-sub-Gaussian for every w.

    Raises:
        ValueError: negative information, n < 1 or sigma <= 0.

    Reference:
        Xu, Raginsky 2017, "Information-theoretic analysis of generalization capability of
        learning algorithms"; as published.

    Example:
        >>> round(float(xu_raginsky(2.0, n=100, sigma=0.5).value), 6)
        0.1
    """
    given = checks.information(information, about=checks.subject_of(n))
    return rooted(given, n, sigma, "xu_raginsky")


def rooted(info: Given, n: int, sigma: Scalar, name: str) -> BoundValue:
    """``sqrt(2 sigma^2 I / n)`` of an information that was checked, under a name."""
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    value = root.sub_gaussian(info.value, sigma, n)
    return outcome.result(
        value,
        name=name,
        inputs=(info,),
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian"),
        information=info,
        std_error=root.error(value, info.value, info.error),
    )


@enforced
def individual(
    information_i: Float[Array, "*batch n"] | Estimate | BoundValue, sigma: Scalar
) -> BoundValue:
    """Bound the expected gap by the information of the weights about each example.

    ``|E[L(W) - L_S(W)]| <= (1/n) sum_i sqrt(2 sigma^2 I(W; Z_i))``

    Never above `xu_raginsky`, since sum_i I(W; Z_i) <= I(S; W) for independent examples.

    Args:
        information_i: I(W; Z_i) or upper bounds, in nats, one an example on the last axis.
        sigma: sub-Gaussian parameter of l(w, Z) under the product of the marginals.

    Returns:
        The bound in loss units; `information` is the mean of the I(W; Z_i).

    Assumes:
        Independent examples; sub-Gaussian loss.

    Raises:
        ValueError: no example axis, negative information, or sigma <= 0.

    Reference:
        Bu, Zou, Veeravalli 2020, "Tightening mutual information-based bounds on generalization
        error"; as published.
    """
    given = checks.information(information_i, name="information_i", about="example")
    info = given.value
    if info.ndim < 1 or info.shape[-1] < 1:
        raise ValueError(f"information_i has shape {info.shape}; give one value an example: (n,)")
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    roots = root.sub_gaussian(info, jnp.expand_dims(sigma, -1))
    value = jnp.mean(roots, axis=-1)
    # Errors of the examples add up: the estimates may share their replicas.
    errors = jnp.mean(root.error(roots, info, given.error), axis=-1)
    return outcome.result(
        value,
        name="individual",
        inputs=(given,),
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian"),
        information=given._replace(value=jnp.mean(info, axis=-1)),
        std_error=errors,
    )


@enforced
def random_subset(
    divergence: Float[Array, "*batch"] | float | Estimate | BoundValue,
    n: int,
    kept: int,
    sigma: Scalar,
) -> BoundValue:
    """Bound the expected gap with a prior that sees `kept` of the n examples.

    ``E[L(W) - L_S(W)] <= sqrt(2 sigma^2 E KL(Q || P) / (n - kept))``

    with P any function of the kept examples, chosen at random. The root of the mean is taken:
    the theorem has the root inside the outer expectation, which is smaller.

    Args:
        divergence: expected KL(Q || P), in nats.
        n: number of training examples.
        kept: number of examples the prior sees; n - 1 in gradient-incoherence bounds.
        sigma: sub-Gaussian parameter of the loss.

    Returns:
        The bound in loss units.

    Raises:
        ValueError: kept outside 0..n-1, negative divergence or sigma <= 0.

    Reference:
        Negrea, Haghifam, Dziugaite, Khisti, Roy 2019, "Information-theoretic generalization
        bounds for SGLD via data-dependent estimates".
    """
    n, kept = checks.static_whole("n", n), checks.static_whole("kept", kept, 0)
    if kept >= n:
        raise ValueError(f"kept={kept} leaves no example of n={n}; give kept <= {n - 1}")
    about = checks.subject_of(n - kept)
    given = checks.information(divergence, name="divergence", about=about)
    if is_bare(divergence) and 0 < kept < n - 1:
        given = given._replace(about="other")  # of those it does not see, given the others
    return rooted(given, n - kept, sigma, "random_subset")


@enforced
def sum_over_examples(information: Estimate, n: int) -> Estimate:
    """Bound I(S; W) by the sum over the examples of I(Z_i; W | Z_j, j != i).

    ``I(S; W) <= sum_i I(Z_i; W | Z_j, j != i)`` for independent examples

    Args:
        information: about single examples, in nats: their mean, or one an example on the last
            axis, (n,). That of `per_example_information` is given the other examples, as it must
            be: without them the sum may lie below I(S; W).
        n: number of training examples.

    Returns:
        The sum, about the sample; kind and error as they were, errors added up, failure
        probabilities of the examples too.

    Raises:
        ValueError: for a record about anything else, or an axis of another length.

    Reference:
        The chain rule, for independent examples.
    """
    n = checks.static_whole("n", n)
    if information.about not in ("", "example"):
        raise ValueError(
            f"information is about {WORDS[information.about]}; give that about single examples"
        )
    value = jnp.asarray(information.value)
    if value.ndim and value.shape[-1] != n:
        raise ValueError(f"information has shape {value.shape}; give its mean, or ({n},)")

    def total(part: Any) -> Any:
        part = jnp.asarray(part)
        return jnp.sum(jnp.broadcast_to(part, value.shape), -1) if value.ndim else n * part

    fails, ok = 1 - jnp.asarray(information.confidence), jnp.asarray(information.ok)
    return replace(
        information,
        value=total(value),
        std_error=total(information.std_error),
        ok=(jnp.all(ok, -1) if ok.ndim else ok) & jnp.isfinite(total(value)),
        confidence=1 - (total(fails) if jnp.ndim(fails) else fails),
        name="sum_over_examples",
        about="sample",
    )
