"""Information in many dimensions: known laws, frames of several directions, learnt codes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bottleneck, data, mi, posteriors
from ibjax.interface import Dataset, Estimate
from ibjax.networks import MLP, build


def correlated(n, d=10, rho=0.8, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, d))


def test_frames_of_known_gaussians(x64):
    """0.0351 for one direction of ten, 0.1499 for two, the whole 0.5108 of a line at k = d = 1."""

    x, y = correlated(4000)
    for dim, truth, slack in (
        (1, 0.0350622641, 0.012),
        (2, 0.1499, 0.02),
        (10, 5.1082562377, 0.1),
    ):
        found = mi.k_sliced(
            jax.random.key(dim), x, y, dim=dim, slices=120 if dim < 3 else 2, estimator=_canonical
        )
        np.testing.assert_allclose(found.value, truth, atol=slack)
        assert f"k = {dim}" in found.name and found.bias == "unknown"


def _canonical(x, y):
    """Gaussian information by the log-determinants of sample covariances."""
    joint = jnp.concatenate([x, y], axis=1)
    joint = joint - joint.mean(axis=0)
    cov = joint.T @ joint / joint.shape[0]
    k = x.shape[1]
    parts = [jnp.linalg.slogdet(c)[1] for c in (cov[:k, :k], cov[k:, k:], cov)]
    return Estimate((parts[0] + parts[1] - parts[2]) / 2, jnp.zeros(()))


def test_one_direction_is_sliced_and_more_see_more():
    x, y = (z.astype(np.float32) for z in correlated(600, d=3))
    values = [float(mi.k_sliced(jax.random.key(0), x, y, dim=k, slices=6).value) for k in (1, 3)]
    assert values[0] < values[1] < 1.8
    with pytest.raises(ValueError, match="dim"):
        mi.k_sliced(jax.random.key(0), x, y, dim=4)


def test_laws_carry_their_truth():
    law = data.embedded_gaussian(jax.random.key(0), 500, ambient=200)
    assert law.x.shape == law.y.shape == (500, 200)
    np.testing.assert_allclose(law.truth["mutual_information"], 0.8925742053, atol=1e-9)
    # Injective: the latent coordinates come back by undoing the bend and the frame.
    again = data.embedded_gaussian(jax.random.key(1), 500, ambient=200)
    assert not np.array_equal(again.x, law.x)
    truths = {0.0: 0.6931471806, 0.05: 0.4946319372, 0.1: 0.3680642072, 0.25: 0.1308120359}
    for flip, truth in truths.items():
        images = data.bit_images(jax.random.key(0), 8, flip=flip)
        assert images.x.shape == (8, 784)
        np.testing.assert_allclose(images.truth["mutual_information"], truth, atol=1e-9)


def test_the_bit_of_an_image_can_be_read():
    images = data.bit_images(jax.random.key(2), 400, flip=0.1)

    def bit(x):
        square = np.asarray(x).reshape(-1, 28, 28)
        return square.sum(1).std(1) > square.sum(2).std(1)

    assert abs(np.mean(bit(images.x) != bit(images.y)) - 0.1) < 0.05
    assert 0.4 < np.mean(bit(images.x)) < 0.6


@pytest.mark.parametrize("flip", [0.0, 0.1])
def test_codes_of_images(flip):
    """Within 0.06 bit of the truth in 784 dimensions."""
    images = data.bit_images(jax.random.key(3), 4000, flip=flip)
    found = mi.latent(
        jax.random.key(0), images.x, images.y, steps=400, batch=128, widths=(64,), dim=2, seeds=1
    )
    truth = images.truth["mutual_information"]
    np.testing.assert_allclose(found.value, truth, atol=0.06 * np.log(2))
    assert bool(found.ok) and found.bias == "unknown"


def test_codes_of_an_embedded_gaussian():
    law = data.embedded_gaussian(jax.random.key(0), 2000, ambient=100, pairs=1, correlation=0.8)
    found = mi.latent(
        jax.random.key(0), law.x, law.y, steps=400, batch=128, widths=(64,), dim=1, seeds=1
    )
    np.testing.assert_allclose(found.value, 0.5108, atol=0.12)
    raw = mi.ksg(law.x[:1000], law.y[:1000])
    assert found.bias == "unknown" and float(found.value) > float(raw.value) - 0.2


def test_refusals():
    key = jax.random.key(0)
    for call, word in (
        (lambda: mi.latent(key, np.ones(10), np.ones(10)), "samples"),
        (lambda: mi.latent(key, np.ones(50), np.ones(50), dim=0), "dim"),
        (lambda: data.embedded_gaussian(key, 5, ambient=2, pairs=3), "pairs"),
        (lambda: data.embedded_gaussian(key, 5, correlation=1.0), "correlation"),
        (lambda: data.bit_images(key, 5, flip=1.5), "flip"),
        (lambda: data.bit_images(key, 5, noise=1.0), "noise"),
        (lambda: data.bit_images(key, 5, size=4), "size"),
    ):
        with pytest.raises(ValueError, match=word):
            call()


@pytest.mark.parametrize("rate", [0.0, -1e-3, np.nan])
def test_a_step_size_that_trains_nothing_is_refused(rate):
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    y, key = np.arange(60) % 2, jax.random.key(0)
    pool = Dataset(x, y, 2, "coins")
    network = build(MLP(1, 2), 2, (2,))
    for trained in (
        lambda: mi.latent(key, x, x, learning_rate=rate),
        lambda: mi.neural(key, x, x, learning_rate=rate),
        lambda: bottleneck.variational(
            key, x, y, 1.0, bottleneck.Variational(), learning_rate=rate
        ),
        lambda: posteriors.compress(key, network, pool, learning_rate=rate),
        lambda: posteriors.learn_posterior(key, network, pool, learning_rate=rate),
    ):
        with pytest.raises(ValueError, match="learning_rate="):
            trained()


def test_codes_of_training_that_left_the_finite_numbers_are_not_measured_in_silence():
    x = np.random.default_rng(0).normal(size=(60, 2))
    found = mi.latent(
        jax.random.key(0), x, x, dim=1, widths=(4,), steps=50, seeds=1, learning_rate=np.inf
    )
    assert not bool(found.ok) and "lower the learning rate" in found.reason
