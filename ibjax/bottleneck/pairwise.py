"""Bounds on the information of a layer through added Gaussian noise, with its labels."""

import math

import jax
import jax.numpy as jnp

from ibjax.bottleneck.cells import places
from ibjax.mi.tables import sizes
from ibjax.typing import JaxArray


def sandwich(t: JaxArray, labels: JaxArray, std, rows: int) -> dict[str, JaxArray]:
    r"""Bounds on I(X;T) and I(T;Y) for T = t(X) + N(0, std^2 I), X uniform on the rows of t.

    Entropies of the mixture and of each class's mixture lie between the pairwise bounds with
    exp(-D/8s^2) and exp(-D/2s^2); one exponential a pair serves all four.
    """
    n, d = t.shape
    t = (t - jnp.mean(t, axis=0)) / std
    squares = jnp.sum(t * t, axis=1)
    size = sizes(places(labels[:, None]))

    def direct(i):
        return jnp.sum((t - t[i]) ** 2, axis=1)

    def by_product(i):
        product = jnp.matmul(t, t[i], precision=jax.lax.Precision.HIGHEST)
        return jnp.maximum(squares + squares[i] - 2 * product, 0.0).at[i].set(0.0)

    def sums(distances):
        def row(i):
            distance = distances(i)
            wide = jnp.exp(-distance / 8)
            narrow = (wide * wide) ** 2
            own = labels == labels[i]
            # the pair (i, i) contributes 1 to every sum: no logarithm sees zero
            both = [(jnp.sum(v), jnp.sum(jnp.where(own, v, 0.0))) for v in (wide, narrow)]
            return [jnp.stack(v) for v in both]

        return lambda: jax.lax.map(row, jnp.arange(n), batch_size=rows)

    if d <= 32:
        wide, narrow = sums(direct)()
    else:
        # products are faster in many dimensions, but of rows far from the mean they cancel
        safe = jnp.max(squares) * jnp.finfo(t.dtype).eps < 1e-9
        wide, narrow = jax.lax.cond(safe, sums(by_product), sums(direct))

    def entropy(sums):
        """Mixture entropy less that of the noise: of all rows, and the mean over classes."""
        whole = math.log(n) - jnp.mean(jnp.log(sums[:, 0]))
        return whole, jnp.mean(jnp.log(size) - jnp.log(sums[:, 1]))

    (low, low_class), (high, high_class) = entropy(wide), entropy(narrow)
    return {
        "i_tx_lower": low,
        "i_tx": high,
        "i_ty_lower": low - high_class,
        "i_ty": high - high_class,
        "i_ty_upper": high - low_class,
    }
