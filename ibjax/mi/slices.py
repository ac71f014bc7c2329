"""Information of random one-dimensional projections."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.interface import Estimate
from ibjax.mi.checks import concrete, pair
from ibjax.mi.knn import ksg
from ibjax.typing import Array, Float, JaxArray, Key


def sliced(
    key: Key,
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    *,
    slices: int = 64,
    estimator: Callable[[Any, Any], Estimate] = ksg,
) -> Estimate:
    r"""Sliced information: that of projections on uniform directions, averaged.

    .. math:: SI(X;Y) = E_{\theta,\phi}\, I(\theta^\top X; \phi^\top Y) \le I(X;Y)

    Needs no more samples in high dimension than in one, and vanishes only under independence; it
    can grow under processing of X, so it stands for no data-processing inequality. Scale the
    coordinates alike first: a direction's share follows their units.

    Args:
        key: for the directions.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        slices: number of pairs of directions.
        estimator: of one pair of projections, ``((n, 1), (n, 1)) -> Estimate``.

    Returns:
        Nats; an estimate of SI, which lies below I. The standard error adds the spread over
        slices to the mean error within one, as if errors within slices were all the same.

    Raises:
        ValueError: for fewer than two slices or shapes that do not pair up.

    Reference:
        Goldfeld and Greenewald (2021), Sliced mutual information: a scalable measure of
        statistical dependence.
    """
    if slices < 2:
        raise ValueError(f"slices={slices} must be at least 2")
    x, y = pair(x, y)
    theta, phi = _directions(key, x, y, slices)
    found = _on_slices(x, y, theta, phi, estimator)
    value = jnp.mean(found.value)
    variance = jnp.var(found.value, ddof=1) / slices + jnp.mean(found.std_error) ** 2
    ok = jnp.all(found.ok)
    return Estimate(value, jnp.sqrt(variance), ok, "down", "sliced", found.reason)


def max_sliced(
    key: Key,
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    *,
    slices: int = 64,
    estimator: Callable[[Any, Any], Estimate] = ksg,
) -> Estimate:
    r"""Information of the best pair of directions: :math:`\max I(\theta^\top X;\phi^\top Y)`.

    Candidates are random directions and the leading canonical pair; one half of the samples
    chooses, the other half measures, so that the choice does not flatter itself.

    Args:
        key: for the directions and the split.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        slices: number of random pairs of directions.
        estimator: of one pair of projections, ``((n, 1), (n, 1)) -> Estimate``.

    Returns:
        Nats; errs downwards, as an estimate of the maximum and of I(X;Y).

    Raises:
        ValueError: for fewer than two slices, fewer than 8 samples, or shapes that do not pair up.

    Reference:
        Goldfeld, Greenewald, Nuradha, Reeves (2022), k-sliced mutual information, for the
        quantity; search by candidates and the split are choices made here.
    """
    if slices < 2:
        raise ValueError(f"slices={slices} must be at least 2")
    x, y = pair(x, y)
    n = x.shape[0]
    if n < 8:
        raise ValueError(f"x holds {n} samples; give at least 8, half of them to choose with")
    choose, measure, theta, phi = _halves_and_candidates(key, x, y, slices)
    (x_choose, y_choose), (x_measure, y_measure) = choose, measure
    found = _on_slices(x_choose, y_choose, theta, phi, estimator)
    theta, phi = _best(found.value, theta, phi)
    final = _on_slices(x_measure, y_measure, theta, phi, estimator)
    value, error, ok = final.value[0], final.std_error[0], final.ok[0]
    return Estimate(value, error, ok, "down", "max_sliced", final.reason)


@partial(jax.jit, static_argnums=3)
def _halves_and_candidates(key: Key, x: JaxArray, y: JaxArray, slices: int):
    n = x.shape[0]
    key_split, key_slices = jax.random.split(key)
    order = jax.random.permutation(key_split, n)
    choose, measure = ((x[i], y[i]) for i in (order[: n // 2], order[n // 2 :]))
    theta, phi = _directions(key_slices, x, y, slices)
    a, b = _leading(*choose)
    return choose, measure, jnp.concatenate([theta, a[None]]), jnp.concatenate([phi, b[None]])


@jax.jit
def _best(values: JaxArray, theta: JaxArray, phi: JaxArray) -> tuple[JaxArray, JaxArray]:
    best = jnp.argmax(jnp.where(jnp.isfinite(values), values, -jnp.inf))
    return theta[best][None], phi[best][None]


@partial(jax.jit, static_argnums=3)
def _directions(key: Key, x: JaxArray, y: JaxArray, slices: int) -> tuple[JaxArray, JaxArray]:
    def unit(k, d):
        v = jax.random.normal(k, (slices, d), x.dtype)
        return v / jnp.linalg.norm(v, axis=1, keepdims=True)

    key_x, key_y = jax.random.split(key)
    return unit(key_x, x.shape[1]), unit(key_y, y.shape[1])


def _on_slices(x, y, theta, phi, estimator) -> Estimate:
    if concrete(x, y, theta) and estimator is ksg and x.shape[0] >= 1000:
        # on the host a tree beats brute force by far on a line
        each = [ksg(x @ a, y @ b) for a, b in zip(theta, phi)]
        return jax.tree.map(lambda *v: jnp.stack(v), *each)
    return _mapped(x, y, theta, phi, estimator)


@partial(jax.jit, static_argnums=4)
def _mapped(x, y, theta, phi, estimator) -> Estimate:
    def one(directions):
        a, b = directions
        return estimator((x @ a)[:, None], (y @ b)[:, None])

    return jax.lax.map(one, (theta, phi))


def _leading(x: JaxArray, y: JaxArray) -> tuple[JaxArray, JaxArray]:
    """The leading canonical directions, whitened by eigenvalues: constants do no harm."""

    def whitener(v):
        v = v - jnp.mean(v, axis=0)
        scale, basis = jnp.linalg.eigh(v.T @ v / v.shape[0])
        floor = 1e-6 * jnp.max(scale) + jnp.finfo(v.dtype).tiny
        return v, basis / jnp.sqrt(jnp.maximum(scale, floor))

    x, a = whitener(x)
    y, b = whitener(y)
    u, _, vt = jnp.linalg.svd((x @ a).T @ (y @ b))
    theta, phi = a @ u[:, 0], b @ vt[0]
    return theta / jnp.linalg.norm(theta), phi / jnp.linalg.norm(phi)
