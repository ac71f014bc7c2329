r"""Information of little bias of fractions of counts: means over the counts of many unequal coins.

The count of a letter among replicas that show it with chances p_j has the characteristic function
:math:`\prod_j (1 + p_j (z - 1))`. It is multiplied up on the unit circle, once for each group of
replicas: leaving a group out is a product over the others. The law is needed only where it has
mass: as many points give it back there, whatever the number of replicas.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import Bool, Float, Int, JaxArray

_TAIL = 21.0
"""Half the logarithm of 2e18: by Hoeffding less than 1e-18 lies sqrt(21 n) off the mean."""

_PARTS = 32
"""Products that are multiplied up beside each other where no groups are left out."""


def window(size: int) -> int:
    """Points of a law of counts below `size` that hold all but 1e-18 of it."""
    wide = 2 * math.ceil(math.sqrt(_TAIL * size)) + 2
    return min(size, -(-wide // 16) * 16)


def left_out(
    chances: Float[JaxArray, "k2 letters"],
    sides: Bool[JaxArray, "k2 2"],
    group: np.ndarray | None,
    places: tuple[Int[JaxArray, " laws"], Bool[JaxArray, " laws"]],
    table: Float[JaxArray, "splits m m"],
) -> Float[JaxArray, " laws"]:
    """Sum over letters of E h[A, B], of one pair: with all replicas, then with each group left out.

    Args:
        chances: of each letter in each replica.
        sides: which replicas in use have bit 0, and bit 1.
        group: of each replica, 0..g-1, known now; None for no group.
        places: row of the table for all replicas and without each group, (g + 1,), and whether the
            larger side comes first there; (1,) without groups.
        table: h of each split.
    """
    size = table.shape[-1]
    points = window(size)
    whose = np.arange(len(chances)) % _PARTS if group is None else group
    # Members of each group, beside each other; a member too many has no chance of any letter.
    order, most = np.argsort(whose, kind="stable"), int(np.bincount(whose).max())
    slot = np.full((whose.max() + 1, most), len(chances))
    starts = np.searchsorted(whose[order], np.arange(len(slot)))
    slot[whose[order], np.arange(len(order)) - starts[whose[order]]] = order
    own = (chances[:, None] * sides[..., None]).reshape(len(chances), -1)
    members = jnp.pad(own, ((0, 1), (0, 0)))[slot.T]
    angle = -2 * np.pi * np.arange(points // 2 + 1) / points
    cos, sin = (jnp.asarray(part, own.dtype) for part in (np.cos(angle) - 1, np.sin(angle)))

    def multiply(product, member):
        # By parts: XLA's loops over complex numbers are not vectorised.
        (real, imaginary), p = product, member[..., None]
        a, b = 1 + p * cos, p * sin
        return (real * a - imaginary * b, real * b + imaginary * a), None

    shape = len(slot), own.shape[1], len(angle)
    start = jnp.ones(shape, own.dtype), jnp.zeros(shape, own.dtype)
    factors = jax.lax.complex(*jax.lax.scan(multiply, start, members)[0])
    ones = jnp.ones_like(factors)
    sums = jnp.sum(members, 0)
    _, before = jax.lax.scan(lambda c, x: (c * x, c), ones[0], factors)
    laws, means = (before[-1] * factors[-1])[None], jnp.sum(sums, 0)[None]
    if group is not None:
        _, after = jax.lax.scan(lambda c, x: (c * x, c), ones[0], factors, reverse=True)
        laws = jnp.concatenate([laws, before * after])
        means = jnp.concatenate([means, jnp.sum(sums, 0) - sums])
    start = jnp.clip(jnp.round(means).astype(int) - points // 2, 0, size - points)

    def one(given):
        law, begin, row, turned = given
        law = jnp.fft.irfft(law, points)
        # Counts are known up to multiples of the points: in the window once each.
        law = jnp.take_along_axis(law, (begin[:, None] + jnp.arange(points)) % points, 1)
        law, begin = law.reshape(2, -1, points), begin.reshape(2, -1)
        few, many = jnp.where(turned, law[::-1], law)
        corner = jnp.where(turned, begin[::-1], begin)

        def letter(first, second, a, b):
            held = jax.lax.dynamic_slice(table, (row, a, b), (1, points, points))[0]
            return jnp.sum((first @ jnp.nan_to_num(held)) * second)  # its padding has no chance

        return jnp.sum(jax.vmap(letter)(few, many, *corner))

    return jax.lax.map(one, (laws, start, *places))
