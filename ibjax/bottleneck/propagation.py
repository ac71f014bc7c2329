"""Information of layers with physical noise, for every replica and checkpoint."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import mi
from ibjax.arguments import numeric
from ibjax.typing import JaxArray, Key


def propagate(
    key: Key, t: JaxArray, labels: np.ndarray, classes: int, std: Any, conditional: Any, draws: int
) -> dict[str, JaxArray]:
    """I(X;T) and I(T;Y) of one noisy layer from its noiseless outputs, (..., n, d).

    I(T;Y) is the information of all components of the mixture less that within the classes.
    In the first noisy layer the rows are all there is of S, and the draws alone are random.
    """
    batch = t.shape[:-2]
    flat = t.reshape(-1, *t.shape[-2:])
    extra = None
    if conditional is not None:
        extra = numeric("conditional", conditional).astype(t.dtype)
        if extra.shape[: len(batch)] != batch or extra.ndim != len(batch) + 3:
            raise ValueError(
                f"conditional has shape {extra.shape}; give (*{batch}, m, r, {t.shape[-1]})"
            )
        extra = extra.reshape(-1, *extra.shape[len(batch) :])
    members = [np.flatnonzero(labels == c) for c in range(classes)]
    members = [m for m in members if len(m) > 1]

    def one(args):
        k, s, inner, std = args
        whole_key, key_x = jax.random.split(k)
        error = "monte_carlo" if inner is None else "sampling"
        whole = mi.sample_propagation(whole_key, s, std, draws=draws, error=error)
        x = whole
        if inner is not None:
            x = mi.sample_propagation(key_x, s, std, conditional=inner, draws=draws)
        within = jnp.zeros_like(whole.value)
        for c, m in enumerate(members):
            part = mi.sample_propagation(jax.random.fold_in(k, c), s[m], std, draws=draws)
            within = within + len(m) / len(labels) * part.value
        return {
            "i_tx": x.value,
            "i_ty": whole.value - within,
            "std_error": x.std_error,
            "resolution": std,
        }

    keys = jax.random.split(key, flat.shape[0])
    stds = jnp.full(flat.shape[:1], std, t.dtype)
    found = jax.lax.map(one, (keys, flat, extra, stds))
    return jax.tree.map(lambda v: v.reshape(batch), found)
