"""Poisson batches: every example joins a step by a coin of its own, which stays hidden."""

import jax
import jax.numpy as jnp

from ibjax.bounds.accounting.revealed import channel
from ibjax.bounds.accounting.rounding import together, up
from ibjax.bounds.invert import bregman
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray

NODES = 769
"""Nodes of the trapezoid rule; shifts above FAR are not amplified."""

FAR = 12.0


@enforced
def mixture_kl(
    q: Float[Array, "*batch"] | float, r: Float[Array, "*batch"] | float
) -> Float[JaxArray, "*batch"]:
    """Cost in nats of one step with Poisson batches, rounded upwards.

    ``K(q, r) = KL((1 - q) N(0, 1) + q N(r, 1) || N(0, 1)) ~ q^2 (e^{r^2} - 1)/2``

    Given the past, the other examples and who of them is in the batch, a step is this mixture
    along the gradient of the example, and the step without the example is a reference that does
    not depend on it. K increases in r (shrink and add noise), is convex in q, and lies below the
    revealed cost q r^2/2 by the information ``I(M; Y)`` about the membership that stays hidden.

    Args:
        q: probability that the example is in the batch.
        r: its largest shift eta C/(b s) in units of the noise.

    Returns:
        K, never below the exact value and at most 1e-11 (float64) or 1e-4 (float32) of it above,
        nor above the two closed forms; the revealed cost from r = 12 on. A positive cost is
        rounded up to at least 64 times the smallest normal number of the type.

    Raises:
        ValueError: q outside [0, 1] or a negative r.

    Reference:
        New here. The mixture is the dominating pair of differential privacy for Poisson
        sampling (Zhu, Dong, Wang 2022); its mean loss is used in place of its tail.
    """
    return _mixture(*together(q=q, r=r))


@jax.jit
def _mixture(q: JaxArray, r: JaxArray) -> JaxArray:
    inside = (q > 0) & (q < 1) & (r > 0) & (r <= FAR)
    # Outer values are replaced before the integral, so that its gradient stays finite.
    pairs = (jnp.where(inside, q, 0.5).ravel(), jnp.where(inside, r, 1.0).ravel())
    found = jax.lax.map(lambda pair: _integral(*pair), pairs).reshape(q.shape)
    square = r * r
    small = jnp.where(square < 60, square, 0.0)
    chi = jnp.where(square < 60, q * q * jnp.expm1(small) / 2, jnp.inf)
    revealed = jnp.where(q == 0, 0.0, q * square / 2)
    # float32: the measured error of the sum is at most 8e-6.
    margin = 4e-5 if r.dtype == jnp.float32 else 1e-12
    # Next to the smallest number the terms of the sum vanish, while the closed forms lose nothing.
    tiny = jnp.finfo(r.dtype).tiny
    hidden = jnp.where(found < 2**24 * tiny, up(chi, 8), found * (1 + margin))
    hidden = jnp.where(inside, jnp.minimum(hidden, up(chi, 8)), jnp.inf)
    cost = jnp.minimum(hidden, up(revealed, 8))
    cost = jnp.where((q > 0) & (r > 0), jnp.maximum(cost, 64 * tiny), cost)
    return jnp.where(jnp.isnan(q + r), jnp.nan, cost)


def _integral(q: JaxArray, r: JaxArray) -> JaxArray:
    """E[(1 + v) log(1 + v) - v], v = q (L - 1), under N(0, 1): a sum of nonnegative terms.

    The trapezoid rule converges exponentially, with the poles of log(1 + v) at Im x = pi/r; the
    integrand lies between 0 and 2r, where q L is small throughout and L^2 N(0, 1) ~ N(2r, 1).
    """
    beyond = 6.5 if r.dtype == jnp.float32 else 9.5
    width = 2 * r + 2 * beyond
    x = width * jnp.linspace(0.0, 1.0, NODES, dtype=r.dtype) - beyond
    log_ratio = r * x - r * r / 2
    nothing, shifted = (jnp.exp(-z * z / 2) / jnp.sqrt(2 * jnp.pi) for z in (x, x - r))
    v = q * jnp.expm1(jnp.minimum(log_ratio, 40.0))
    near = nothing * bregman(jnp.where(v < 1, v, 0.0))
    # Where v is large L overflows, and nothing cancels any more.
    log_mixture = jnp.logaddexp(jnp.log1p(-q), jnp.log(q) + log_ratio)
    far = ((1 - q) * nothing + q * shifted) * log_mixture - q * (shifted - nothing)
    return width / (NODES - 1) * jnp.sum(jnp.where(v < 1, near, far))


@jax.jit
def poisson_step(q: JaxArray, r: JaxArray, dim: JaxArray) -> JaxArray:
    """Smallest proved cost of one step with Poisson batches: K, or less in few dimensions.

    With u = |shift|^2 in [0, r^2] the step's output has a second moment of at most d + q E u, hence
    ``I <= (d/2) log(1 + q E u/d) - E D(u)``, ``D(u) = q u/2 - K(q, sqrt u) = I(M; Y)``. D is
    concave (mutual information in the signal-to-noise ratio), so at a given mean of u the worst law
    has the two values 0 and r^2; what remains is largest at ``E u = min(r^2, d K/(q D))``.

    Args:
        q: probability that the example is in the batch.
        r: its largest shift in units of the noise.
        dim: dimension d of the weights; inf for K alone.
    """
    k = _mixture(q, r)
    square = r * r
    hidden = q * square / 2 - k
    usable = (hidden > 0) & (k > 0) & jnp.isfinite(dim) & (r <= FAR)
    d, q_, u = (jnp.where(usable, a, 1.0) for a in (dim, q, square))
    h, k_ = jnp.where(usable, hidden, 1.0), jnp.where(usable, k, 1.0)
    mean = jnp.minimum(u, d * k_ / (q_ * h))
    x = q_ * mean / d
    # x - log(1 + x) without cancellation
    spared = d / 2 * (1 + x) * bregman(-x / (1 + x))
    few = jnp.where(usable, up(jnp.maximum(k_ * (mean / u) - spared, 0.0), 64), jnp.inf)
    return jnp.minimum(jnp.minimum(k, few), channel(q, r, dim))


@jax.jit
def overflow(n: JaxArray, q: JaxArray, capacity: JaxArray) -> JaxArray:
    """Bound the probability that at least `capacity` of n - 1 others join a Poisson batch.

    ``P(Bin(n - 1, q) >= B) <= exp(-(n - 1) kl(B/(n - 1) || q))`` above the mean, else 1 (Chernoff).
    """
    others = n - 1
    share = capacity / jnp.maximum(others, 1.0)
    above = (share > q) & (share < 1) & (q > 0)
    p, s = jnp.where(above, q, 0.25), jnp.where(above, share, 0.5)
    rate = p * bregman((s - p) / p) + (1 - p) * bregman(jnp.maximum((p - s) / (1 - p), -1.0))
    chance = jnp.exp(-others * rate)
    return jnp.where((capacity > others) | (q <= 0), 0.0, jnp.where(above, up(chance, 64), 1.0))
