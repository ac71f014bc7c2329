"""What data hold about a Bayesian network of finite width: limits, and the share of its scale."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.infinite import posterior_scale as scale
from ibjax.infinite.posterior_scale import COARSE, Problem, ready
from ibjax.infinite.scale_law import cover
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import JaxArray, Key, Numbers


class FiniteWidthInformation(NamedTuple):
    """Limits of I(parameters; data given the inputs) of a matched teacher of finite width, nats.

    Attributes:
        lower: E_T 1/2 logdet(I + T K / noise).
        upper: 1/2 logdet(I + K / noise).
    """

    lower: Estimate
    upper: Estimate


@enforced
def finite_width_information(
    kernel: Numbers, noise: Numbers, widths: Numbers, *, linear: bool = True, nodes: int = 513
) -> FiniteWidthInformation:
    r"""Limits of the information data hold about the parameters of their own network.

    .. math:: E_T \tfrac12 \log\det(I + T K/\sigma^2) \le I(\Theta; D \mid X)
        \le \tfrac12 \log\det(I + K/\sigma^2)

    By the chain rule through T the information is the lower limit plus I(T; y), which is O(log N)
    (`scale_information` estimates it): the deficit from infinite width is O(1) nats, not O(n).
    The upper limit holds since y has covariance K + noise at every width and a Gaussian has the
    largest entropy, so it also holds for one non-linear hidden layer.

    Args:
        kernel: of the training inputs, (n, n).
        noise: variance of the observations, positive.
        widths: hidden widths: a number, or (..., L) for L hidden layers, any batch in front;
            infinity allowed. The input dimension is not among them.
        linear: that the network is linear. Otherwise the lower limit is an estimate, and so is
            the upper one for more than one hidden layer, where the infinite-width kernel is not
            the mean kernel.
        nodes: of the integral.

    Returns:
        Two `Estimate`s, nats, of the batch shape of `widths`.

    Raises:
        ValueError: as `finite_width_regression`, or noise that is not positive.

    Reference:
        New here; a chain rule on the scale mixture of Zavatone-Veth and Pehlevan 2021.
    """
    problem, widths = ready(kernel, None, noise, widths, None, None, positive=True, name="kernel")
    nodes = whole("nodes", nodes, 3)

    lower, gap = _expected(problem, widths, nodes)
    upper = jnp.broadcast_to(scale.information(problem, jnp.ones(1, lower.dtype))[0], lower.shape)
    zero, unknown = jnp.zeros_like(lower), jnp.full_like(lower, jnp.nan)
    single = widths.shape[-1] == 1
    lost = scale.information_rounding(problem)
    precise = lost < scale.ROUNDING * jnp.maximum(1, 0.1 * upper)
    ok = (gap < scale.TOLERANCE[lower.dtype.name]) & jnp.isfinite(lower) & precise
    return FiniteWidthInformation(
        Estimate(
            lower,
            zero if linear else unknown,
            ok,
            "down" if linear else "unknown",
            "finite_width_information",
            COARSE,
            exact=linear,
            about="other",  # of the labels, given the inputs
        ),
        Estimate(
            upper,
            zero if linear or single else unknown,
            jnp.isfinite(upper) & precise,
            "up" if linear or single else "unknown",
            "kernel_information",
            COARSE,
            exact=linear or single,
            about="other",
        ),
    )


@enforced
def scale_information(
    key: Key,
    kernel: Numbers,
    noise: Numbers,
    widths: Numbers,
    *,
    draws: int = 2000,
    nodes: int = 257,
) -> Estimate:
    r"""Monte Carlo estimate of I(T; y), what the data of a linear network tell about its scale.

    Mean of ``ln p(y | T) - ln p(y)`` over draws of T and y, the evidence by the integral. With the
    lower limit of `finite_width_information` it makes the information exactly.

    Args:
        key: of the draws.
        kernel: of the training inputs, (n, n).
        noise: variance of the observations, positive.
        widths: a number or (L,).
        draws: number of draws.
        nodes: of the integral.

    Returns:
        Nats, unbiased, with the standard error of the mean.

    Raises:
        ValueError: as `finite_width_information`, or for a batch of widths.

    Reference:
        New here.
    """
    problem, widths = ready(kernel, None, noise, widths, None, None, positive=True, name="kernel")
    nodes = whole("nodes", nodes, 3)
    draws = whole("draws", draws, 2)
    if widths.ndim != 1:
        raise ValueError(f"widths has shape {widths.shape}; give one network, (L,), and map")
    value, error = scale.sampled_information(key, problem, widths, draws, nodes)
    return Estimate(value, error, jnp.isfinite(value), "none", "scale_information", about="other")


@partial(jax.jit, static_argnames="nodes")
def _expected(problem: Problem, widths: JaxArray, nodes: int):
    def one(w):
        grid = cover(jnp.zeros_like, jnp.zeros_like, w, nodes)
        rates = scale.information(problem, jnp.exp(grid.nodes))
        return grid.weights() @ rates, grid.discrepancy()

    return scale.over(one, widths)
