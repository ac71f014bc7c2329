"""Bounds on the information of a layer through added Gaussian noise, with its labels."""

import math

import jax
import jax.numpy as jnp

from ibjax.typing import JaxArray


def sandwich(t: JaxArray, labels: JaxArray, classes: int, std, rows: int) -> dict[str, JaxArray]:
    r"""Bounds on I(X;T) and I(T;Y) for T = t(X) + N(0, std^2 I), X uniform on the rows of t.

    Entropies of the mixture and of each class's mixture lie between the pairwise bounds with
    exp(-D/8s^2) and exp(-D/2s^2); one exponential a pair serves all four.
    """
    n, d = t.shape
    t = (t - jnp.mean(t, axis=0)) / std
    one_hot = jax.nn.one_hot(labels, classes, dtype=t.dtype)
    share = jnp.sum(one_hot, axis=0) / n
    squares = jnp.sum(t * t, axis=1)

    def row(i):
        if d <= 32:
            distance = jnp.sum((t - t[i]) ** 2, axis=1)
        else:
            product = jnp.matmul(t, t[i], precision=jax.lax.Precision.HIGHEST)
            distance = jnp.maximum(squares + squares[i] - 2 * product, 0.0).at[i].set(0.0)
        wide = jnp.exp(-distance / 8)
        narrow = (wide * wide) ** 2
        # the pair (i, i) contributes 1 to both sums: neither logarithm sees zero
        return wide @ one_hot, narrow @ one_hot

    wide, narrow = jax.lax.map(row, jnp.arange(n), batch_size=rows)

    def entropy(kernel):
        """Mixture entropy less that of the noise: of all rows, and the mean over classes."""
        whole = math.log(n) - jnp.mean(jnp.log(jnp.sum(kernel, axis=1)))
        own = jnp.take_along_axis(kernel, labels[:, None], axis=1)[:, 0]
        return whole, jnp.mean(jnp.log(n * share[labels]) - jnp.log(own))

    (low, low_class), (high, high_class) = entropy(wide), entropy(narrow)
    return {
        "i_tx_lower": low,
        "i_tx": high,
        "i_ty_lower": low - high_class,
        "i_ty": high - high_class,
        "i_ty_upper": high - low_class,
    }
