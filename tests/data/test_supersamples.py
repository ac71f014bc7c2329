import jax
import numpy as np
import pytest

from ibjax import data

KEY = jax.random.key(3)


def test_index_is_distinct_and_in_range():
    drawn = data.supersample(KEY, 50, 25, 4, 3)
    assert drawn.index.shape == (4, 25, 2) and drawn.mask.shape == (4, 3, 25)
    assert drawn.index.dtype == drawn.mask.dtype == np.int32
    for table in np.asarray(drawn.index):
        assert sorted(table.ravel()) == list(range(50))
    assert set(np.unique(drawn.mask)) == {0, 1}


@pytest.mark.parametrize("balanced", [False, True])
def test_growing_keeps_the_earlier_draws(balanced):
    small = data.supersample(KEY, 40, 10, 2, 4, balanced=balanced)
    large = data.supersample(KEY, 40, 10, 5, 8, balanced=balanced)
    np.testing.assert_array_equal(small.index, large.index[:2])
    np.testing.assert_array_equal(small.mask, large.mask[:2, :4])


def test_streams_are_independent():
    drawn = data.supersample(KEY, 40, 20, 8, 8)
    masks = np.asarray(drawn.mask).reshape(64, 20)
    assert len({m.tobytes() for m in masks}) == 64
    assert len({t.tobytes() for t in np.asarray(drawn.index)}) == 8
    other = data.supersample(jax.random.key(4), 40, 20, 8, 8)
    assert not np.array_equal(drawn.mask, other.mask)


@pytest.mark.parametrize("supersamples, half", [(1, 1), (3, 5)])
def test_balanced_masks_train_each_member_equally_often(supersamples, half):
    drawn = data.supersample(KEY, 12, 5, supersamples, 2 * half, balanced=True)
    np.testing.assert_array_equal(np.asarray(drawn.mask).sum(axis=1), half)


@pytest.mark.parametrize("balanced", [False, True])
def test_each_mask_and_each_index_is_uniform(balanced):
    drawn = data.supersample(KEY, 6, 2, 4000, 2, balanced=balanced)
    # 4000 fair coins: five standard errors are 0.04
    np.testing.assert_allclose(np.mean(drawn.mask, axis=0), 0.5, atol=0.04)
    positions = np.asarray(drawn.index).reshape(4000, 4)
    counts = np.stack([np.bincount(c, minlength=6) for c in positions.T]) / 4000
    np.testing.assert_allclose(counts, 1 / 6, atol=0.03)
    # the two bits of one mask are independent
    first, second = np.asarray(drawn.mask)[:, 0].T
    assert abs(np.mean((2 * first - 1) * (2 * second - 1))) < 5 / np.sqrt(4000)


@pytest.mark.parametrize("balanced", [False, True])
def test_shared_masks_are_those_of_the_first_supersample(balanced):
    own = data.supersample(KEY, 40, 10, 3, 6, balanced=balanced)
    shared = data.supersample(KEY, 40, 10, 3, 6, balanced=balanced, shared=True)
    np.testing.assert_array_equal(shared.index, own.index)
    np.testing.assert_array_equal(shared.mask, np.broadcast_to(own.mask[:1], (3, 6, 10)))
    more = data.supersample(KEY, 40, 10, 5, 8, balanced=balanced, shared=True)
    np.testing.assert_array_equal(more.mask[:3, :6], shared.mask)
    assert shared.mask.dtype == np.int32


def test_jit_and_vmap_agree_with_eager():
    def draw(key):
        return data.supersample(key, 20, 5, 2, 3)

    eager = draw(KEY)
    for got, expected in zip(jax.jit(draw)(KEY), eager):
        np.testing.assert_array_equal(got, expected)
    keys = jax.random.split(KEY, 3)
    mapped = jax.vmap(draw)(keys)
    for i in range(3):
        np.testing.assert_array_equal(mapped.mask[i], draw(keys[i]).mask)
        np.testing.assert_array_equal(mapped.index[i], draw(keys[i]).index)


def test_legacy_keys_work():
    drawn = data.supersample(jax.random.PRNGKey(0), 20, 5, 2, 3)
    assert drawn.index.shape == (2, 5, 2)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((10, 6, 1, 1), "n <= 5"),
        ((10, 0, 1, 1), "n=0"),
        ((10, 2, 0, 1), "supersamples=0"),
        ((10, 2, 1, 2.5), "masks=2.5"),
    ],
)
def test_bad_counts_say_what_to_change(arguments, words):
    with pytest.raises(ValueError, match=words):
        data.supersample(KEY, *arguments)


def test_balanced_needs_an_even_number():
    with pytest.raises(ValueError, match="masks=3 must be even"):
        data.supersample(KEY, 10, 2, 1, 3, balanced=True)
