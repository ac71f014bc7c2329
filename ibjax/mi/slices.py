"""Information of random one-dimensional projections."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete, whole
from ibjax.frozen import frozen
from ibjax.interface import Estimate
from ibjax.mi.checks import Pair, Scale, estimate, pair
from ibjax.mi.host import trees_win
from ibjax.mi.knn import ksg
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key


@enforced
def sliced(
    key: Key,
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    *,
    slices: int = 64,
    scale: Scale = "standardise",
    estimator: Callable[[Any, Any], Estimate] = ksg,
) -> Estimate:
    r"""Sliced information: that of projections on uniform directions, averaged.

    .. math:: SI(X;Y) = E_{\theta,\phi}\, I(\theta^\top X; \phi^\top Y) \le I(X;Y)

    Needs no more samples in high dimension than in one, and vanishes only under independence; it
    can grow under processing of X, so it stands for no data-processing inequality. A direction's
    share follows the units of the coordinates, which are therefore standardised first.

    With an estimator that counts neighbours, as the default does, the gradient is zero almost
    everywhere.

    Args:
        key: for the directions.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        slices: number of pairs of directions.
        scale: "standardise" divides each coordinate by its standard deviation; None keeps the
            units given.
        estimator: of one pair of projections, ``((n, 1), (n, 1)) -> Estimate``.

    Returns:
        Nats; an estimate of SI, which lies below I; it may itself lie above, as that of each slice
        may. The standard error adds the spread over slices to the mean error within one, as if
        errors within slices were all the same.

    Raises:
        ValueError: for fewer than two slices or shapes that do not pair up.

    Reference:
        Goldfeld and Greenewald (2021), Sliced mutual information: a scalable measure of
        statistical dependence.
    """
    slices = whole("slices", slices, 2)
    both = pair(x, y, scale)
    theta, phi = _directions(key, both.x.shape[1], both.y.shape[1], slices, both.dtype)
    found = _on_slices(both.x, both.y, theta, phi, estimator, both.dtype)
    variance = jnp.var(found.value, ddof=1) / slices + jnp.mean(found.std_error) ** 2
    parts = jnp.mean(found.value), jnp.sqrt(variance), jnp.all(found.ok)
    return _renamed(found, parts, both, "sliced")


@enforced
def max_sliced(
    key: Key,
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    *,
    slices: int = 64,
    scale: Scale = "standardise",
    estimator: Callable[[Any, Any], Estimate] = ksg,
) -> Estimate:
    r"""Information of the best pair of directions: :math:`\max I(\theta^\top X;\phi^\top Y)`.

    Candidates are random directions and the leading canonical pair; one half of the samples
    chooses, the other half measures, so that the choice does not flatter itself.

    With an estimator that counts neighbours, as the default does, the gradient is zero almost
    everywhere.

    Args:
        key: for the directions and the split.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        slices: number of random pairs of directions.
        scale: "standardise" divides each coordinate by its standard deviation; None keeps the units
            given.
        estimator: of one pair of projections, ``((n, 1), (n, 1)) -> Estimate``.

    Returns:
        Nats; an estimate of a maximum that is below I(X;Y), missed by the search; it may lie above
        both, as that of one slice may.

    Raises:
        ValueError: for fewer than two slices, fewer than 8 samples, or shapes that do not pair up.

    Reference:
        Tsur, Goldfeld, Greenewald (2023), Max-sliced mutual information, for the quantity; search
        by candidates and the split are choices made here.
    """
    slices = whole("slices", slices, 2)
    both = pair(x, y, scale)
    n = both.x.shape[0]
    if n < 8:
        raise ValueError(f"x holds {n} samples; give at least 8, half of them to choose with")
    a, b = both.on_device()
    order, theta, phi = _halves_and_candidates(key, a, b, slices)
    if concrete(both.x, both.y, order):
        a, b, order = both.x, both.y, np.asarray(order)
    choose, measure = order[: n // 2], order[n // 2 :]
    found = _on_slices(a[choose], b[choose], theta, phi, estimator, both.dtype)
    theta, phi = _best(found.value, theta, phi)
    final = _on_slices(a[measure], b[measure], theta, phi, estimator, both.dtype)
    parts = final.value[0], final.std_error[0], final.ok[0]
    return _renamed(final, parts, both, "max_sliced")


def _renamed(found: Estimate, parts: Any, both: Pair, name: str) -> Estimate:
    # of one coordinate each a slice is all of I, and errs as its estimator does
    whole = estimate(parts, both.dtype, both.sound, "unknown", name, "")
    return replace(whole, reason=found.reason)


@partial(jax.jit, static_argnums=3)
def _halves_and_candidates(key: Key, x: JaxArray, y: JaxArray, slices: int):
    n = x.shape[0]
    key_split, key_slices = jax.random.split(key)
    order = jax.random.permutation(key_split, n)
    choose = order[: n // 2]
    theta, phi = _directions(key_slices, x.shape[1], y.shape[1], slices, x.dtype)
    a, b = _leading(x[choose], y[choose])
    return order, jnp.concatenate([theta, a[None]]), jnp.concatenate([phi, b[None]])


@jax.jit
def _best(values: JaxArray, theta: JaxArray, phi: JaxArray) -> tuple[JaxArray, JaxArray]:
    best = jnp.argmax(jnp.where(jnp.isfinite(values), values, -jnp.inf))
    return theta[best][None], phi[best][None]


@partial(jax.jit, static_argnums=(1, 2, 3, 4))
def _directions(key: Key, dx: int, dy: int, slices: int, dtype) -> tuple[JaxArray, JaxArray]:
    def unit(k, d):
        v = jax.random.normal(k, (slices, d), dtype)
        return v / jnp.linalg.norm(v, axis=1, keepdims=True)

    key_x, key_y = jax.random.split(key)
    return unit(key_x, dx), unit(key_y, dy)


def _on_slices(x: Array, y: Array, theta, phi, estimator, dtype) -> Estimate:
    if estimator is ksg and trees_win(2, x, y, theta):
        # on the host a tree beats brute force by far on a line
        x, y, theta, phi = (np.asarray(v, float) for v in (x, y, theta, phi))
        each = [ksg(x @ a, y @ b) for a, b in zip(theta, phi)]
        return jax.tree.map(lambda *v: jnp.stack(v).astype(_kept(v[0], dtype)), *each)
    x, y = jnp.asarray(x, dtype), jnp.asarray(y, dtype)
    line = jax.ShapeDtypeStruct((len(x), 1), jnp.result_type(x, theta))
    return _mapped(x, y, theta, phi, frozen(estimator, line, line))


def _kept(value: JaxArray, dtype) -> Any:
    return dtype if jnp.issubdtype(value.dtype, jnp.floating) else value.dtype


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
