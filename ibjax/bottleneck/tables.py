"""Checks of joint tables and of what every solver takes."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.arguments import concrete as concrete
from ibjax.arguments import host, precision, sound, whole
from ibjax.typing import Array, JaxArray


def floating(value: Any, name: str = "joint") -> JaxArray:
    """An array of float32 or float64, of the default precision for integers."""
    return arguments.floating(name, value)


def normalised(joint: Any, positive: bool = False) -> tuple[Array, Any]:
    """A joint law from probabilities or counts, and the floating type of results.

    In float64 on the host where it is known now: counts of any size and probabilities of any
    smallness stay what they are. Traced tables with a negative or infinite entry are NaN.

    Raises:
        ValueError: for no table, negative or infinite entries, an empty row, or zeros if it must
            be positive.
    """
    known = concrete(joint)
    p = host("joint", joint) if known else floating(joint)
    if p.ndim != 2 or 0 in p.shape:
        raise ValueError(f"joint has shape {p.shape}; it must be a table (k, m)")
    if not known:
        # A row that float32 leaves no mass is no mistake of the caller's.
        p = sound(p, jnp.all(p >= 0))
        return p / jnp.sum(p), p.dtype
    p = p.astype(float)
    if not ((p >= 0) & np.isfinite(p)).all() or not (p.sum(axis=1) > 0).all():
        raise ValueError(
            "joint must be nonnegative and finite with mass in every row; drop empty rows"
        )
    if positive and not (p > 0).all():
        raise ValueError(
            "joint has zeros: the dual distortion is infinite; mix in label noise first"
        )
    p = p / p.max()
    return p / p.sum(), precision(joint)


def check_form(form: str) -> None:
    """Refuse an unknown form."""
    if form not in ("ib", "dual"):
        raise ValueError(f"form={form!r} is unknown; choose 'ib' or 'dual'")


def check_betas(beta: Any, name: str = "beta") -> Any:
    """`beta`, refused where it is known now and no number of zero or more; traced ones are NaN."""
    if concrete(beta):
        known = host(name, beta)
        if not np.all(np.isfinite(known) & (known >= 0)):
            raise ValueError(
                f"{name}={beta} must be finite and not negative; for the limit give a large one"
            )
        return beta
    return jnp.where(jnp.isfinite(beta) & (beta >= 0), beta, jnp.nan)


def check_counts(cardinality: Any, restarts: Any, max_iterations: Any, least: int = 2) -> None:
    """Refuse what does not count, or counts below the least value."""
    whole("cardinality", cardinality)
    whole("restarts", restarts, least)
    if concrete(max_iterations):
        whole("max_iterations", max_iterations)


def check_tolerance(tolerance: Any) -> None:
    """Refuse a tolerance that no change meets, NaN or below zero, or that every change does."""
    if concrete(tolerance):
        known = np.asarray(tolerance)
        if not np.all((known >= 0) & np.isfinite(known)):
            raise ValueError(f"tolerance={tolerance} must be a finite number not below zero")
