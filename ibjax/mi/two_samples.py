"""Samples as device arrays of one precision, for what works on whole matrices of them."""

from typing import Any

import jax.numpy as jnp

from ibjax.arguments import numeric
from ibjax.mi.checks import pair, samples
from ibjax.typing import JaxArray


def one_sample(name: str, value: Any) -> JaxArray:
    """Samples (n, d) in float32 or float64, checked as `samples` does."""
    return jnp.asarray(samples(name, value), _precision(name, value))


def two_samples(x: Any, y: Any) -> tuple[JaxArray, JaxArray]:
    """Two sets of samples of one length, in the wider of their precisions."""
    found = pair(x, y)
    dtype = jnp.promote_types(_precision("x", x), _precision("y", y))
    return jnp.asarray(found[0], dtype), jnp.asarray(found[1], dtype)


def standardised(z: JaxArray) -> JaxArray:
    """Each coordinate in its standard deviation; constant ones become zero."""
    z = z - jnp.mean(z, axis=0)
    spread = jnp.std(z, axis=0)
    return jnp.where(spread > 0, z / jnp.where(spread > 0, spread, 1), 0)


def _precision(name: str, value: Any) -> Any:
    dtype = numeric(name, value).dtype
    if not jnp.issubdtype(dtype, jnp.floating):
        return jnp.result_type(float)
    return jnp.promote_types(dtype, jnp.float32)
