"""Bayesian networks of finite width: the exact law of deep linear ones, and what it is used for."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.infinite import posterior_scale as scale
from ibjax.infinite.posterior_scale import COARSE, Problem, ready
from ibjax.infinite.scale_law import cover
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Bool, Float, JaxArray, Numbers


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "log_evidence",
        "scale",
        "scale_sd",
        "mean",
        "var",
        "cov",
        "divergence",
        "surprise",
        "saddle",
        "nodes",
        "weights",
        "ok",
    ],
    meta_fields=["kind", "note"],
)
@dataclass(frozen=True)
class FiniteWidth:
    """The posterior of a network of finite width, a mixture over its scale T; nats.

    Attributes:
        log_evidence: ln p(y).
        scale: E[T given y].
        scale_sd: its posterior standard deviation.
        mean: predictive means of the noiseless outputs, (m,); None without test inputs.
        var: predictive variances, (m,). The law is a mixture over T, not Gaussian: an interval
            from mean and variance covers too little at small width.
        cov: predictive covariance (m, m) where the test kernel is a matrix, else None.
        divergence: KL(posterior || prior), of the weights and of the outputs alike.
        surprise: mean square of the targets whitened by K + noise, every eigendirection e of K
            weighted by its signal e / (e + noise); y^T K^-1 y / n without noise. 1 for data the
            infinitely wide prior expects; the saddle lies on its side of 1.
        saddle: T of the saddle point, by which kernel renormalisation multiplies K.
        nodes: values of T, (nodes,).
        weights: posterior probabilities of them.
        ok: False where half of the nodes give another evidence, where rounding can move it by a
            quarter of a nat, or where a number is not finite.
        kind: "exact" for deep linear networks, else "estimate".
        note: what the numbers rest on.
    """

    log_evidence: Float[JaxArray, "*batch"]
    scale: Float[JaxArray, "*batch"]
    scale_sd: Float[JaxArray, "*batch"]
    mean: Float[JaxArray, "*batch m"] | None
    var: Float[JaxArray, "*batch m"] | None
    cov: Float[JaxArray, "*batch m m"] | None
    divergence: Estimate
    surprise: Float[JaxArray, "*batch"]
    saddle: Float[JaxArray, "*batch"]
    nodes: Float[JaxArray, "*batch nodes"]
    weights: Float[JaxArray, "*batch nodes"]
    ok: Bool[JaxArray, "*batch"]
    kind: Literal["exact", "estimate"] = "estimate"
    note: str = ""


_LINEAR = "exact for a deep linear network with Gaussian weights"
_EFFECTIVE = (
    "effective theory (Gaussian equivalence of the features is assumed): the predictive variance "
    "is good to a few per cent where the infinite width is off by tens; the evidence is not "
    "reliably better than at infinite width; not verified for more than one hidden layer"
)
_SADDLE = "saddle point (kernel renormalisation), error O(1/width)"


@enforced
def finite_width_regression(
    train: Any,
    y: Numbers,
    noise: Numbers,
    widths: Numbers,
    test_train: Numbers | None = None,
    test: Numbers | None = None,
    *,
    linear: bool = False,
    exact: bool = True,
    nodes: int = 513,
) -> FiniteWidth:
    r"""Posterior of a Bayesian network of finite hidden widths, by one integral over its scale.

    For a deep linear network ``a . W_L ... W_1 x / sqrt(N_L ... N_1 d)`` with entries N(0, 1) the
    outputs are exactly a Gaussian scale mixture, whatever the widths:

    .. math:: f \mid T \sim N(0, T K), \quad T = t_1 \cdots t_L,\ t_l \sim \Gamma(N_l/2, N_l/2),
        \qquad p(y) = \int p(T) N(y; 0, T K + \sigma^2 I)\, dT.

    Mean, variance, evidence and ``KL = E ln p(y | f) - ln p(y)`` follow from the posterior of T.
    With non-linear features and K their infinite-width kernel the same formulas are an effective
    theory for odd activations and one hidden layer: second moments are exact, Gaussianity on the
    n points is assumed. That is a conjecture, and the result says so.

    Data with ``surprise`` 1, such as a matched teacher's, leave the saddle point at T = 1: no
    effect of the width is then seen at leading order, and none should be. Narrow networks predict
    with less variance where the surprise is below 1, with more where it is above.

    Args:
        train: kernel of the training inputs (n, n), or `Kernels`; it carries the variance of
            the readout. For a linear network X X^T / d.
        y: targets, (n,); one output, for several are coupled at finite width.
        noise: variance of the observations, or the temperature: the stationary law of Langevin
            dynamics at inverse temperature beta on the mean of (f - y)^2 / 2 has noise n / beta,
            with the prior as weight decay.
        widths: hidden widths: a number, or (..., L) for L hidden layers, any batch in front;
            infinity allowed. The input dimension is not among them.
        test_train: (m, n).
        test: (m, m), or the variances (m,).
        linear: that the network is linear, so that the result is exact.
        exact: False replaces the mixture by its saddle point, K -> T K (kernel renormalisation).
        nodes: of the integral.

    Returns:
        A `FiniteWidth`, with the batch shape of `widths`. ``divergence`` is an `Estimate` for
        `bounds.pac_bayes_kl`, exact for linear networks and infinite without noise; noise and
        widths must then have been fixed without the data.

    Raises:
        ValueError: shapes that do not fit, a kernel that is not symmetric or has eigenvalues below
            zero, blocks that are not of one kernel, negative noise, no noise with a singular
            kernel, widths that are not positive, one of test_train and test alone. Inside jit,
            where values are not known, NaN and ``ok`` False.

    Reference:
        Zavatone-Veth and Pehlevan 2021 (arXiv 2104.11734); Hanin and Zlokapa 2023 (PNAS), for
        linear networks. Li and Sompolinsky 2021 and Pacelli et al. 2023 for kernel
        renormalisation; in the one-scalar form, derived here.
    """
    nodes = whole("nodes", nodes, 3)
    problem, widths = ready(train, y, noise, widths, test_train, test)
    found = _posteriors(problem, widths, exact, nodes)
    evidence, divergence = found["log_evidence"], found.pop("divergence")
    known = linear and exact
    ok = found.pop("ok")
    note = (_LINEAR if linear else _EFFECTIVE) + ("" if exact else "; " + _SADDLE)
    estimate = Estimate(
        divergence,
        jnp.full_like(divergence, 0.0 if known else jnp.nan),
        ok & jnp.isfinite(divergence),
        "none" if known else "unknown",
        "finite_width_divergence",
        COARSE + "; or there is no noise, where the divergence is infinite",
        exact=known,
        about="posterior",
    )
    surprise = jnp.broadcast_to(problem.surprise(), evidence.shape)
    kind = "exact" if known else "estimate"
    return FiniteWidth(**found, divergence=estimate, surprise=surprise, ok=ok, kind=kind, note=note)


@partial(jax.jit, static_argnames=("exact", "nodes"))
def _posteriors(problem: Problem, widths: JaxArray, exact: bool, nodes: int) -> dict[str, Any]:
    return scale.over(lambda w: _posterior(problem, w, exact, nodes), widths)


def _posterior(problem: Problem, widths: JaxArray, exact: bool, nodes: int) -> dict[str, Any]:
    grid = cover(problem.log_likelihood, problem.slope, widths, nodes)
    peak = jnp.exp(grid.peak)
    if exact:
        t, weights, log_evidence = jnp.exp(grid.nodes), grid.weights(), grid.log_integral()
        ok = scale.settled(grid, problem)
    else:
        t, weights = peak[None], jnp.ones_like(peak)[None]
        log_evidence = scale.laplace(problem, grid.peak, widths)
        ok = problem.rounding(peak) < scale.ROUNDING
    mean = weights @ t
    moments = problem.predict(t, weights)
    for part in (log_evidence, mean, moments["mean"], moments["var"]):
        ok &= True if part is None else jnp.all(jnp.isfinite(part))
    return {
        "log_evidence": log_evidence,
        "scale": mean,
        "scale_sd": jnp.sqrt(weights @ (t - mean) ** 2),
        # Not below zero by rounding, where the data say next to nothing.
        "divergence": jnp.maximum(weights @ problem.fit(t) - log_evidence, 0),
        "saddle": peak,
        "nodes": t,
        "weights": weights,
        "ok": ok,
    } | moments


@enforced
def finite_width_error(
    train: Any,
    y: Numbers,
    noise: Numbers,
    widths: Numbers,
    test_train: Numbers,
    test: Numbers,
    labels: Numbers,
    *,
    linear: bool = False,
    nodes: int = 513,
) -> Estimate:
    r"""Probability that the sign of one network drawn from the posterior is wrong, per input.

    :math:`E[\Phi(-y_* m(T) / \sqrt{v(T)}) \mid y]`, mean m and variance v at T. With the
    training inputs and their labels in the place of the test ones its mean is the training error
    of the Gibbs posterior, without Monte Carlo.

    Args:
        train: kernel of the training inputs (n, n), or `Kernels`; it carries the variance of the
            readout. For a linear network X X^T / d.
        y: likewise.
        noise: likewise.
        widths: likewise.
        test_train: (m, n).
        test: (m, m) or (m,).
        labels: signs of the m inputs, -1 or 1.
        linear: that the network is linear, so that the result is exact.
        nodes: likewise.

    Returns:
        An `Estimate` with values (..., m); exact for linear networks. Where the posterior has no
        variance a wrong sign counts 1 and an output of zero 1/2.

    Raises:
        ValueError: as `finite_width_regression`, or labels that are no signs.

    Reference:
        New here.
    """
    nodes = whole("nodes", nodes, 3)
    problem, widths = ready(train, y, noise, widths, test_train, test)
    if test_train is None:
        raise ValueError("test_train=None leaves no input to err on; give test_train and test")
    signs = scale.signs(labels, problem.cross.shape[0])
    value, ok = _errors(problem, widths, signs, nodes)
    return Estimate(
        value,
        jnp.full_like(value, 0.0 if linear else jnp.nan),
        jnp.broadcast_to(ok[..., None], value.shape) & jnp.isfinite(value),
        "none" if linear else "unknown",
        "finite_width_error",
        COARSE,
        exact=linear,
        about="other",
    )


@partial(jax.jit, static_argnames="nodes")
def _errors(problem: Problem, widths: JaxArray, signs: JaxArray, nodes: int):
    def one(w):
        grid = cover(problem.log_likelihood, problem.slope, w, nodes)
        mean, var = problem.conditional(jnp.exp(grid.nodes))
        margin = signs * mean
        wide = var > 0
        draws = jax.scipy.stats.norm.cdf(-margin / jnp.sqrt(jnp.where(wide, var, 1)))
        still = jnp.where(margin == 0, 0.5, (margin < 0).astype(var.dtype))
        known = jnp.isfinite(margin) & jnp.isfinite(var)
        each = jnp.where(known, jnp.where(wide, draws, still), jnp.nan)
        return grid.weights() @ each, scale.settled(grid, problem)

    return scale.over(one, widths)
