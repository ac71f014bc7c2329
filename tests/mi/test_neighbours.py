import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.mi.neighbours import kth_smallest, map_rows, repeated


@pytest.mark.parametrize("dim", [1, 3, 9])
def test_twins_are_equal_in_every_coordinate(dim):
    rng = np.random.default_rng(0)
    points = (
        rng.integers(0, {1: 40, 3: 4, 9: 2}[dim], (40, dim)) * rng.choice([-1.0, 1.0], 40)[:, None]
    )
    expected = np.mean([np.sum(np.all(points == p, axis=1)) > 1 for p in points])
    found = jax.jit(repeated, static_argnums=1)(points, 7)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found < 1 and repeated(jnp.concatenate([points, points]), 7) == 1
    together = jax.vmap(lambda p: repeated(p, 7))(jnp.stack([points, points + 1]))
    np.testing.assert_allclose(together, expected, rtol=1e-6)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_kth_smallest_counts_ties(k):
    values = np.random.default_rng(1).integers(0, 9, 50).astype(float)
    assert kth_smallest(jnp.asarray(values), k) == np.sort(values)[k - 1]
    assert kth_smallest(jnp.asarray(values), 8, k) == np.sort(values)[k - 1]


def test_rows_are_mapped_in_order_whatever_their_number():
    for rows in (1, 3, 100):
        np.testing.assert_array_equal(map_rows(lambda i: 2 * i, 10, rows), 2 * np.arange(10))
