import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.langevin import batches


def members(batching, n, b, steps, seed=0):
    key, order, rows, weights = jax.random.key(seed), jnp.arange(n), [], []
    for t in range(steps):
        order = batches.order(key, jnp.int32(t), order, n, b, batching)
        row, w = batches.draw(key, jnp.int32(t), order, b, batching)
        rows.append(np.asarray(row))
        weights.append(None if w is None else np.asarray(w))
    return rows, weights


def test_an_epoch_visits_each_example_at_most_once_and_epochs_differ():
    rows, _ = members("epochs", 10, 3, 6)
    first, second = np.concatenate(rows[:3]), np.concatenate(rows[3:])
    assert len(set(first)) == 9 and len(set(second)) == 9
    assert not np.array_equal(first, second)


def test_without_replacement_draws_distinct_examples_afresh():
    rows, _ = members("without_replacement", 8, 4, 5)
    assert all(len(set(r)) == 4 for r in rows)
    assert len({tuple(sorted(r)) for r in rows}) > 1


def test_poisson_weights_include_each_example_with_probability_b_over_n():
    _, weights = members("poisson", 20, 5, 400)
    share = np.mean(weights)
    assert set(np.unique(weights)) <= {0.0, 1.0}
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / (20 * 400))


@pytest.mark.parametrize("batching", ["full", "epochs", "without_replacement", "poisson"])
def test_the_full_batch_is_everything_once(batching):
    rows, weights = members(batching, 6, 6, 2)
    assert sorted(rows[1]) == list(range(6)) and weights == [None, None]


def test_a_batch_larger_than_the_sample_is_refused():
    with pytest.raises(ValueError, match="batch_size=9 exceeds the 8"):
        batches.size(8, 9, "epochs")
    assert batches.size(8, None, "epochs") == 8
    assert batches.size(8, 3, "full") == 8
