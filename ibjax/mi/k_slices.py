"""Information of random projections onto several dimensions."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.frozen import frozen
from ibjax.interface import Estimate
from ibjax.mi.checks import estimate, pair
from ibjax.mi.host import trees_win
from ibjax.mi.knn import ksg
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key


@enforced
def k_sliced(
    key: Key,
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    *,
    dim: int,
    slices: int = 32,
    scale: Literal["standardise"] | None = "standardise",
    estimator: Callable[[Any, Any], Estimate] = ksg,
) -> Estimate:
    r"""k-sliced information: that of projections on uniform k-frames, averaged.

    .. math:: SI_k(X;Y) = E_{A, B}\, I(A^\top X; B^\top Y) \le I(X;Y)

    with A, B uniform among matrices of k orthonormal columns. It increases with k, up to I where
    k is the dimension of both; it stands for no data-processing inequality under maps of X. Its
    value means nothing without k, which the name of the estimate carries.

    With an estimator that counts neighbours, as the default does, the gradient is zero almost
    everywhere.

    Args:
        key: of the frames.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        dim: k, at most dx and dy.
        slices: number of pairs of frames.
        scale: "standardise" divides each coordinate by its standard deviation, since a frame's
            share follows the units; None keeps those given.
        estimator: of one pair of projections, ``((n, k), (n, k)) -> Estimate``.

    Returns:
        Nats; an estimate of SI_k, below I; it may itself lie above, as that of each slice may. The
        standard error adds the spread over slices to the mean error within one, as if errors
        within slices were all the same.

    Raises:
        ValueError: for k beyond either dimension, fewer than two slices, or shapes that do not
            pair up.

    Reference:
        Goldfeld, Greenewald, Nuradha, Reeves (2022), k-sliced mutual information: a quantitative
        study of scalability with dimension.
    """
    both = pair(x, y, scale)
    dim, slices = whole("dim", dim), whole("slices", slices, 2)
    if dim > min(both.x.shape[1], both.y.shape[1]):
        raise ValueError(
            f"dim={dim} is beyond x with {both.x.shape[1]} and y with {both.y.shape[1]} "
            "coordinates; give at most the smaller"
        )
    x, y = both.on_device()
    key_x, key_y = jax.random.split(key)
    frames = (
        _frames(key_x, x.shape[1], dim, slices).astype(x.dtype),
        _frames(key_y, y.shape[1], dim, slices).astype(y.dtype),
    )
    if estimator is ksg and trees_win(2 * dim, x, y, frames):
        each = [ksg(x @ a, y @ b) for a, b in zip(*frames)]
        found = jax.tree.map(lambda *v: jnp.stack(v), *each)
    else:
        space = jax.ShapeDtypeStruct((len(x), dim), x.dtype)
        found = _mapped(x, y, frames, frozen(estimator, space, space))
    variance = jnp.var(found.value, ddof=1) / slices + jnp.mean(found.std_error) ** 2
    name = f"k_sliced, k = {dim}"
    parts = jnp.mean(found.value), jnp.sqrt(variance), jnp.all(found.ok)
    whole_sample = estimate(parts, both.dtype, both.sound, "unknown", name, "")
    return replace(whole_sample, reason=found.reason)


@partial(jax.jit, static_argnums=3)
def _mapped(x: JaxArray, y: JaxArray, frames: Any, estimator: Any) -> Estimate:
    return jax.lax.map(lambda ab: estimator(x @ ab[0], y @ ab[1]), frames)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _frames(key: Key, size: int, dim: int, slices: int) -> JaxArray:
    """Uniform frames: a QR decomposition of normals, signs of the diagonal made positive."""
    q, r = jnp.linalg.qr(jax.random.normal(key, (slices, size, dim)))
    signs = jnp.where(jnp.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)
    return q * signs[:, None, :]
