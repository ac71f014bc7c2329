"""From arrays of replicas to checked codes, one table of counts a pair, and what biases it."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax.arguments import numeric
from ibjax.bounds import checks, plugin
from ibjax.typing import Float, JaxArray

ASSUMPTIONS = ("iid", "supersample", "bounded_loss", "plug_in")
"""Premises of every bound from tables; without "iid" it bounds the gap to the held-out members."""

CEILING = "low near log 2 unless the masks are balanced"

_NOTES = {
    None: f"plug-in information, biased up near zero by about (m-1)/(2 k2) nats a cell, {CEILING}",
    "miller_madow": f"Miller-Madow corrected: less biased on well filled tables only, {CEILING}",
    "jackknife": "jackknife corrected over masks: approximately unbiased, can be negative",
    "permutation": "minus its mean under permuted masks: zero-mean if independent, else low",
}
_POOLED = {
    None: f"plug-in information of one table, biased up near zero by about (m-1)/(2 k1 k2 n) nats, "
    f"{CEILING}",
    "jackknife": "jackknife corrected over all draws as if independent, can be negative",
}


def note(correction: str | None, pooled: bool = False) -> str:
    """How the information of the tables errs, in one line."""
    return _POOLED.get(correction, _NOTES[correction]) if pooled else _NOTES[correction]


class Data(NamedTuple):
    """Checked arrays: values (k1, k2, n, 2), masks (k1, k2, n), valid (k1, k2), their number."""

    values: JaxArray
    masks: JaxArray
    valid: JaxArray
    legal: JaxArray


def prepare(name: str, values: Any, masks: Any, valid: Any, size: int) -> Data:
    """Checked integer values in 0..size-1 (or booleans), masks and the replicas to use."""
    values, masks = numeric(name, values), numeric("masks", masks)
    if values.dtype == bool:  # the usual type of a 0-1 loss; it cannot be rounded
        values = values.astype(int)
    if values.ndim != 4 or values.shape[-1] != 2:
        raise ValueError(f"{name} has shape {values.shape}; give (k1, k2, n, 2)")
    if masks.shape != values.shape[:-1]:
        raise ValueError(f"masks has shape {masks.shape}; give {values.shape[:-1]} to fit {name}")
    if values.shape[1] < 2:
        raise ValueError(f"{name} has shape {values.shape}; give k2 >= 2 masks a supersample")
    use = jnp.ones(values.shape[:2], bool) if valid is None else jnp.asarray(valid, bool)
    if use.shape != values.shape[:2]:
        raise ValueError(f"valid has shape {use.shape}; give one flag a replica: {masks.shape[:2]}")
    in_range = (values >= 0) & (values < size) & (values == jnp.round(values))
    binary = (masks == 0) | (masks == 1)
    good = jnp.all(in_range, (-2, -1)) & jnp.all(binary, -1) | ~use
    if checks.concrete(values, masks, use) and not np.asarray(good).all():
        wrong = "masks" if not np.asarray(binary | ~use[..., None]).all() else name
        allowed = "0 and 1" if wrong == "masks" or size == 2 else f"integers 0..{size - 1}"
        raise ValueError(
            f"{wrong} holds other values than {allowed}; recode it, or mark diverged replicas "
            "in valid"
        )
    whole = jnp.where(in_range, values, 0).astype(int)
    return Data(whole, jnp.where(binary, masks, 0).astype(int), use, jnp.all(good))


def cell_tables(codes: JaxArray, data: Data, size: int) -> Float[JaxArray, "k1 n 2 m"]:
    """One table of counts a pair and supersample."""
    codes, masks = jnp.swapaxes(codes, 0, 1), jnp.swapaxes(data.masks, 0, 1)
    return plugin.counts(codes, masks, size, data.valid.T)


def usable(data: Data) -> JaxArray:
    """Supersamples with at least two valid replicas, (k1,)."""
    return (jnp.sum(data.valid, 1) >= 2) & data.legal


def mean_and_error(values: JaxArray, use: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Mean over the supersamples in use and its standard error; NaN where there are too few."""
    units = jnp.sum(use)
    mean = jnp.sum(jnp.where(use, values, 0.0)) / units
    spread = jnp.sum(jnp.where(use, (values - mean) ** 2, 0.0)) / (units - 1)
    return mean, jnp.where(units > 1, jnp.sqrt(spread / units), jnp.nan)


def train_error(data: Data) -> tuple[JaxArray, JaxArray]:
    """Wrong training members and trained members of each supersample, (k1,) each."""
    picked = jnp.take_along_axis(data.values, data.masks[..., None], -1)[..., 0]
    weight = data.valid[..., None]
    return jnp.sum(picked * weight, (1, 2)), jnp.sum(weight, (1, 2)) * picked.shape[-1]
