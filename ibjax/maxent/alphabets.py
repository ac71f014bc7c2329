"""Exact information of features on a finite alphabet, as shape-static functions of the table."""

from typing import Any

import jax
import jax.numpy as jnp

from ibjax.typing import Array, Float, Int


def cells(features: Float[Array, "n d"]) -> Int[Array, " n"]:
    """Number the distinct rows: equal rows get equal numbers in 0..n-1.

    Sorting instead of hashing keeps the shapes static, so it runs under jit and vmap.
    """
    order = jnp.lexsort(features.T)
    ranked = features[order]
    new = jnp.any(ranked[1:] != ranked[:-1], axis=1)
    number = jnp.concatenate([jnp.zeros(1, int), jnp.cumsum(new)])
    return jnp.zeros(features.shape[0], number.dtype).at[order].set(number)


def pooled(table: Float[Array, "n k"], ids: Int[Array, " n"]) -> Float[Array, "n k"]:
    """Sum the rows of a table that share a cell; unused cells are rows of zeros."""
    return jax.ops.segment_sum(table, ids, num_segments=table.shape[0])


def xlogx(p: Any) -> Array:
    """P log p with 0 log 0 = 0, safe under differentiation."""
    positive = p > 0
    return jnp.where(positive, p * jnp.log(jnp.where(positive, p, 1)), 0)


def log_or_zero(p: Any) -> Array:
    """Log p, and 0 where p is 0 (for terms that carry no mass)."""
    return jnp.where(p > 0, jnp.log(jnp.where(p > 0, p, 1)), 0)


def label_entropy(table: Float[Array, "n k"]) -> Float[Array, ""]:
    """H(Y | cell) of a joint table of cells and labels."""
    mass = table.sum(axis=1, keepdims=True)
    ratio = jnp.where(table > 0, table / jnp.where(mass > 0, mass, 1), 1)
    return -(table * jnp.log(ratio)).sum()


def unit_tables(joint: Float[Array, "n k"], features: Float[Array, "n d"]) -> Float[Array, "d n k"]:
    """P(T_i = t_i(x), Y = k) of each unit, looked up at every row x."""

    def one(column: Array) -> Array:
        ids = cells(column[:, None])
        return pooled(joint, ids)[ids]

    return jax.vmap(one, in_axes=1)(features)


def unit_entropies(joint: Float[Array, "n k"], features: Float[Array, "n d"]) -> Float[Array, " d"]:
    """H(T_i | Y) of each unit."""
    tables = unit_tables(joint, features)
    prior = joint.sum(axis=0)
    return -(joint * (log_or_zero(tables) - log_or_zero(prior))).sum(axis=(1, 2))
