"""Kernel measures of layers: the published curves of deterministic networks, geometry all of them.

One width a layer, the median distance at the last checkpoint of the last replica, kept over
training: chosen anew at every checkpoint it would take out changes of scale, and with them the
compression some papers report.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from ibjax.arguments import precision
from ibjax.mi.kernel_dependence import criterion
from ibjax.mi.matrix_entropy import gaussian_gram, gram_entropy, usual_width
from ibjax.typing import Array, JaxArray

ORDER = 1.01
MEASURES = {
    "renyi": "matrix-based Renyi entropy of order 1.01, a diagnostic of geometry: no information",
    "total_correlation": "matrix-based total correlation of a layer's units, and their Renyi "
    "information about the label, diagnostics of geometry: no information",
    "hsic": "unbiased HSIC with inputs and labels, Gaussian kernels, a diagnostic without a unit",
    "cka": "unbiased kernel alignment with inputs and labels, a diagnostic without a unit",
}
"""What each method measures, in words."""

_PERMUTATIONS = 8


def kernel_measures(
    method: str, layers: list[Array], y: Array, inputs: Array | None
) -> list[dict[str, JaxArray]]:
    """The coordinates of each layer, checkpoint and replica by one of `MEASURES`.

    "renyi": S(T) and S(T) + S(Y) - S(T o Y). The inputs are n different ones, so their kernel is
    the identity and the joint entropy with T is log n: what is left of the information is S(T).
    "total_correlation": sum_j S(T_j) - S(T_1 o ... o T_d), and the second coordinate of "renyi"
    with that product for the layer. "hsic", "cka": of T with X and with Y. The kernel of the
    labels is 1 within a class.

    Args:
        method: a name.
        layers: each (..., n, d).
        y: classes, (n,).
        inputs: (n, dx), for "hsic" and "cka".

    Returns:
        For each layer ``i_tx``, ``i_ty``, the width as ``resolution``, the most that i_ty could be
        as ``cap`` and its mean over permuted labels as ``permuted``, (...). The cap is
        min(S(T), S(Y)), the root of HSIC(T,T) HSIC(Y,Y), or 1.
    """
    same = jnp.asarray(y)[:, None] == jnp.asarray(y)
    keys = jax.random.split(jax.random.key(0), _PERMUTATIONS)
    places = jax.vmap(lambda k: jax.random.permutation(k, same.shape[0]))(keys)
    found = []
    for layer in layers:
        t = jnp.asarray(layer, precision(layer))
        own = None
        if inputs is not None:
            x = jnp.asarray(inputs, t.dtype)
            own = gaussian_gram(x, usual_width(x), "inputs")
        found.append(_layer(t, same.astype(t.dtype), own, places, method=method))
    return found


@partial(jax.jit, static_argnames="method")
def _layer(
    t: JaxArray, classes: JaxArray, own: JaxArray | None, places: JaxArray, *, method: str
) -> dict[str, JaxArray]:
    flat = t.reshape(-1, *t.shape[-2:])
    finite = jnp.all(jnp.isfinite(flat), axis=(-2, -1))
    last = flat[flat.shape[0] - 1 - jnp.argmax(finite[::-1])]  # of traced ones some may be NaN
    width = usual_width(last)
    entropic = method in ("renyi", "total_correlation")
    label = gram_entropy(classes, ORDER) if entropic else criterion(classes, classes, True)

    def beside_labels(measure: Callable[[JaxArray], JaxArray]) -> tuple[JaxArray, JaxArray]:
        shuffled = jax.lax.map(lambda p: measure(classes[p][:, p]), places)
        return measure(classes), jnp.mean(shuffled)

    def entropies(gram: JaxArray, first: JaxArray, whole: JaxArray) -> tuple[JaxArray, ...]:
        i_ty, null = beside_labels(lambda c: whole + label - gram_entropy(gram * c, ORDER))
        return first, i_ty, jnp.minimum(whole, label), null

    def one(rows: JaxArray) -> tuple[JaxArray, ...]:
        if method == "total_correlation":
            grams = jax.vmap(lambda u, w: gaussian_gram(u[:, None], w, "activations"), (1, 0))(
                rows, units
            )
            product = jnp.prod(grams, axis=0)
            whole = gram_entropy(product, ORDER)
            parts = jax.lax.map(lambda g: gram_entropy(g, ORDER), grams)
            return entropies(product, jnp.sum(parts) - whole, whole)
        gram = gaussian_gram(rows, width, "activations")
        if method == "renyi":
            whole = gram_entropy(gram, ORDER)
            return entropies(gram, whole, whole)
        size = criterion(gram, gram, True)
        of_inputs = criterion(own, own, True) if method == "cka" else 1.0
        scale = jnp.sqrt(size * label) if method == "cka" else jnp.ones_like(size)
        i_tx = criterion(gram, own, True) / jnp.sqrt(size * of_inputs if method == "cka" else 1.0)
        i_ty, null = beside_labels(lambda c: criterion(gram, c, True) / scale)
        return i_tx, i_ty, jnp.sqrt(size * label) / scale, null

    units = jax.vmap(usual_width, 1)(last)
    names = ("i_tx", "i_ty", "cap", "permuted")
    values = (v.reshape(t.shape[:-2]) for v in jax.lax.map(one, flat))
    shown = jnp.mean(units) if method == "total_correlation" else width
    return dict(zip(names, values)) | {"resolution": jnp.broadcast_to(shown, t.shape[:-2])}
