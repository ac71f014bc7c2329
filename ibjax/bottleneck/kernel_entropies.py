"""Matrix-based Renyi entropies of layers: the published curves of deterministic networks."""

import jax
import jax.numpy as jnp

from ibjax.arguments import precision
from ibjax.mi.matrix_entropy import gaussian_gram, gram_entropy, median_width
from ibjax.typing import Array, JaxArray

ORDER = 1.01


def renyi(layers: list[Array], y: Array) -> list[dict[str, JaxArray]]:
    """S(T) as i_tx and S(T) + S(Y) - S(T o Y) as i_ty of each layer, checkpoint and replica.

    The inputs are n different ones, so their kernel is the identity and the joint entropy with
    T is log n: what is left of the information is S(T). The kernel of the labels is 1 within a
    class. One width a layer, the median distance at the last checkpoint of the last replica,
    kept over training: chosen anew at every checkpoint it would take out changes of scale, and
    with them the compression some papers report.

    Args:
        layers: each (..., n, d).
        y: classes, (n,).

    Returns:
        For each layer ``i_tx``, ``i_ty`` and the width as ``resolution``, (...).
    """
    same = jnp.asarray(y)[:, None] == jnp.asarray(y)
    return [_layer(jnp.asarray(t, precision(t)), same) for t in layers]


@jax.jit
def _layer(t: JaxArray, same: JaxArray) -> dict[str, JaxArray]:
    flat = t.reshape(-1, *t.shape[-2:])
    width = median_width(flat[-1])
    # Where most points coincide any width sees them as one.
    width = jnp.where(width > 0, width, 1.0)
    classes = same.astype(t.dtype)
    own = gram_entropy(classes, ORDER)

    def one(rows: JaxArray) -> tuple[JaxArray, JaxArray]:
        gram = gaussian_gram(rows, width, "activations")
        entropy = gram_entropy(gram, ORDER)
        return entropy, entropy + own - gram_entropy(gram * classes, ORDER)

    i_tx, i_ty = (v.reshape(t.shape[:-2]) for v in jax.lax.map(one, flat))
    return {"i_tx": i_tx, "i_ty": i_ty, "resolution": jnp.broadcast_to(width, i_tx.shape)}
