"""What layers tell about the masks: order, premises, enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds


def _hb(p):
    return -p * np.log(p) - (1 - p) * np.log(1 - p)


def _majority(rng, k1, n):
    """Every mask of k1 supersamples of pairs; a cell of the inputs says its majority label."""
    x, y = rng.integers(0, 3, (k1, n, 2)), rng.integers(0, 2, (k1, n, 2))
    masks = np.array(list(itertools.product((0, 1), repeat=n)))
    masks = np.broadcast_to(masks, (k1, *masks.shape))
    predictions = np.zeros((*masks.shape, 2), int)
    for s, u, i, j in np.ndindex(predictions.shape):
        at = np.arange(n), masks[s, u]
        votes = np.sum((x[s][at] == x[s, i, j]) * (2 * y[s][at] - 1))
        predictions[s, u, i, j] = votes > 0
    return masks, predictions, (predictions != y[:, None]).astype(int)


def test_the_profile_decreases_towards_the_loss(x64):
    masks, predictions, losses = _majority(np.random.default_rng(3), 6, 4)
    features = 7 * predictions + 3 * np.arange(16)[None, :, None, None] % 2
    profile = bounds.information_profile([features, predictions, losses], masks)
    info = np.asarray(profile.information)
    assert info[0] > info[1] - 1e-12 and info[1] >= info[2] - 1e-12
    same = bounds.f_cmi(predictions, masks, 2)
    assert float(profile.value[1]) == pytest.approx(float(same.value), abs=1e-12)
    for correction in ("polynomial", "conservative", "permutation"):
        one = bounds.information_profile([predictions, losses], masks, correction=correction)
        same = bounds.f_cmi(predictions, masks, 2, correction=correction)
        assert float(one.information[0]) == pytest.approx(float(same.information), abs=1e-12)
        # Letters that no replica showed cannot be ruled out here, which costs an allowance.
        assert float(one.value[0]) >= float(same.value) - 1e-12
    uneven = np.where(np.arange(16)[None, :, None] == 0, 1, masks)
    lost = bounds.information_profile([predictions, losses], uneven, correction="conservative")
    assert np.isnan(lost.value).all() and "does not train in half of its masks" in lost.note
    unique = np.broadcast_to(np.arange(16)[None, :, None, None], losses.shape)
    assert float(bounds.information_profile([unique], masks).information[0]) == pytest.approx(
        np.log(2), abs=1e-12
    )


def test_a_code_that_hides_the_loss_bounds_nothing(x64):
    masks = np.array(list(itertools.product((0, 1), repeat=3)))[None]
    losses, use = np.stack([masks, 1 - masks], -1), np.arange(8)[None] != 0
    once, unique = losses.copy(), np.broadcast_to(np.arange(8)[None, :, None, None], losses.shape)
    once[0, 0, 1, 0] = 1 - once[0, 0, 1, 0]
    layers = [0 * losses, once, unique, 7 - 3 * losses, losses]
    found = bounds.information_profile(layers, masks)
    assert found.value[0] == 0 and found.holds.tolist() == [False, False, True, True, True]
    kept = jax.jit(lambda u: bounds.information_profile(layers, masks, valid=u))(use)
    assert kept.holds.tolist() == [False, True, True, True, True]
    assert kept.information[2] == pytest.approx(_hb(3 / 7), abs=1e-12)


def test_jit_gives_the_same(x64):
    masks, predictions, losses = _majority(np.random.default_rng(5), 3, 3)
    profile = jax.jit(lambda p, e, m: bounds.information_profile([p, e], m).value)
    np.testing.assert_allclose(
        profile(predictions, losses, jnp.asarray(masks)),
        bounds.information_profile([predictions, losses], masks).value,
        atol=1e-12,
    )


def test_refusals():
    masks, predictions, _ = _majority(np.random.default_rng(5), 1, 3)
    with pytest.raises(ValueError, match="empty"):
        bounds.information_profile([], masks)
    with pytest.raises(ValueError, match="layers holds a shape"):
        bounds.information_profile([predictions[..., 0]], masks)
