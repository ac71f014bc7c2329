"""Maximal correlation by trained features: the soft Hirschfeld-Gebelein-Renyi objective."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.contraction.diagnostics.correlation import leading_pair, split, squared_correlation
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key


class Features(NamedTuple):
    """What the trained features show on held-out rows.

    Attributes:
        objective: the soft-HGR objective; its optimum is half the sum of the k largest squared
            correlations.
        correlation: squared correlation of the leading pair, canonical within the features.
    """

    objective: Estimate
    correlation: Estimate


@enforced
def soft_hgr(
    key: Key,
    x: Float[Array, "n d"],
    t: Float[Array, "n m"],
    *,
    rank: int = 1,
    width: int = 32,
    steps: int = 300,
    learning_rate: float = 1e-2,
    held_out: float = 0.5,
) -> Features:
    """Train features of input and output to be as correlated as can be, and read held-out rows.

    ``max over f, g of E[f(X).g(T)] - (1/2) tr(cov f cov g)``, f and g centred, k = rank

    Two one-hidden-layer tanh networks, full batch, Adam. The objective needs no whitening and
    equals (1/2) sum_k rho_k^2 at the optimum, so twice it, at rank 1, is the squared maximal
    correlation; trained and read on different rows it is a lower estimate.

    Args:
        key: of the initial weights.
        x: inputs of the layer.
        t: outputs of the layer, the same rows.
        rank: number k of feature pairs.
        width: hidden units.
        steps: training steps.
        learning_rate: of Adam.
        held_out: share of rows, the last ones, that are not trained on.

    Returns:
        Objective and squared correlation on the held-out rows; bias "down" of the first, "unknown"
        of the second, as of `canonical_correlation`.

    Raises:
        ValueError: for shapes that do not fit or numbers out of range.

    Reference:
        Wang, Wu, Huang, Zheng, Xu, Zhang, Huang 2019, "An efficient approach to informative
        feature extraction from multimodal data".
    """
    for name, value in {"rank": rank, "width": width, "steps": steps}.items():
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate={learning_rate} must be positive")
    import optax

    a, b, cut = split(x, t, held_out)
    a, b = (_standard(v, cut) for v in (a, b))
    left, right = jax.random.split(key)
    optimizer = optax.adam(learning_rate)

    def loss(params):
        f, g = _apply(params[0], a[:cut]), _apply(params[1], b[:cut])
        return -_objective(f, g)

    @jax.jit
    def train(params):
        def step(carry, _):
            params, state = carry
            update, state = optimizer.update(jax.grad(loss)(params), state)
            return (optax.apply_updates(params, update), state), None

        return jax.lax.scan(step, (params, optimizer.init(params)), None, length=steps)[0][0]

    params = train((_init(left, a, width, rank), _init(right, b, width, rank)))
    f, g = _apply(params[0], a), _apply(params[1], b)
    # Rows enter the objective one by one up to the covariances, whose error is of lower order.
    unseen = f[cut:] - jnp.mean(f[cut:], 0), g[cut:] - jnp.mean(g[cut:], 0)
    each = jnp.sum(unseen[0] * unseen[1], 1)
    error = jnp.std(each) / math.sqrt(each.shape[0])
    objective = _objective(*unseen)
    u, v = leading_pair(f[:cut], g[:cut], jnp.asarray(1e-6, f.dtype))
    rho, rho_error = squared_correlation(f[cut:] @ u, g[cut:] @ v)
    reason = "training left the finite numbers: lower learning_rate"
    return Features(
        Estimate(objective, error, jnp.isfinite(objective), "down", "soft HGR", reason),
        Estimate(rho, rho_error, jnp.isfinite(rho), "unknown", "neural correlation", reason),
    )


def _standard(x: JaxArray, cut: int) -> JaxArray:
    mean, std = jnp.mean(x[:cut], 0), jnp.std(x[:cut], 0)
    return (x - mean) / jnp.where(std > 0, std, 1.0)


def _init(key: Key, x: JaxArray, width: int, rank: int):
    first, second, third = jax.random.split(key, 3)
    size = x.shape[1]
    return {
        "in": jax.random.normal(first, (size, width), x.dtype) / math.sqrt(size),
        "bias": 0.5 * jax.random.normal(second, (width,), x.dtype),
        "out": jax.random.normal(third, (width, rank), x.dtype) / math.sqrt(width),
        "skip": jnp.zeros((size, rank), x.dtype),
    }


def _apply(params, x: JaxArray) -> JaxArray:
    hidden = jnp.tanh(x @ params["in"] + params["bias"])
    return hidden @ params["out"] + x @ params["skip"]


def _objective(f: JaxArray, g: JaxArray) -> JaxArray:
    f, g = f - jnp.mean(f, 0), g - jnp.mean(g, 0)
    n = f.shape[0]
    return jnp.sum(f * g) / n - jnp.sum((f.T @ f) * (g.T @ g)) / (2 * n * n)
