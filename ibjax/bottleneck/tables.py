"""Checks of joint tables and of what every solver takes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import host, numeric
from ibjax.typing import JaxArray


def concrete(value: Any) -> bool:
    """Whether a value is known now."""
    return not isinstance(value, jax.core.Tracer)  # pyright: ignore


def floating(value: Any) -> JaxArray:
    """An array of the precision given, or of the default one for integers."""
    array = numeric("joint", value)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    return array.astype(jnp.result_type(float))


def normalised(joint: Any, positive: bool = False) -> JaxArray:
    """A joint law from probabilities or counts.

    Raises:
        ValueError: for no table, negative or infinite entries, an empty row, or zeros if it must
            be positive.
    """
    p = floating(joint)
    if p.ndim != 2 or 0 in p.shape:
        raise ValueError(f"joint has shape {p.shape}; it must be a table (k, m)")
    if concrete(p):
        host = np.asarray(p)
        if not ((host >= 0) & np.isfinite(host)).all() or not (host.sum(axis=1) > 0).all():
            raise ValueError(
                "joint must be nonnegative and finite with mass in every row; drop empty rows"
            )
        if positive and not (host > 0).all():
            raise ValueError(
                "joint has zeros: the dual distortion is infinite; mix in label noise first"
            )
    return p / jnp.sum(p)


def check_form(form: str) -> None:
    """Refuse an unknown form."""
    if form not in ("ib", "dual"):
        raise ValueError(f"form={form!r} is unknown; choose 'ib' or 'dual'")


def check_betas(beta: Any, name: str = "beta") -> None:
    """Refuse a negative or missing trade-off that is known now."""
    if concrete(beta) and not np.all(host(name, beta) >= 0):
        raise ValueError(f"{name}={beta} must not be negative or NaN")


def check_counts(cardinality: int, restarts: int, max_iterations: Any, least: int = 2) -> None:
    """Refuse counts below their least value."""
    few = concrete(max_iterations) and max_iterations < 1
    if cardinality < 1 or restarts < least or few:
        raise ValueError(
            f"cardinality={cardinality}, restarts={restarts}, max_iterations={max_iterations}: "
            f"give cardinality >= 1, restarts >= {least}, max_iterations >= 1"
        )
