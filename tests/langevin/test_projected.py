"""Weights projected to a ball before each step: where they lie, and what the evidence says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import bounds
from ibjax.interface import BATCHINGS, Dataset, Network, Supersample
from ibjax.langevin import Config, Settings, run_replicas, track, train, train_many
from ibjax.langevin.step import projected
from ibjax.langevin.streams import NOISE
from ibjax.networks import MLP

RNG = np.random.default_rng(0)
Y = (np.arange(40) % 2).astype(np.int32)
X = (Y[:, None] * 2 - 1 + 0.3 * RNG.normal(size=(40, 3))).astype(np.float32)
POOL = Dataset(X, Y, 2, "toy")
INDEX = np.stack([RNG.permutation(40)[:20].reshape(10, 2) for _ in range(2)])
PAIRS = Supersample(INDEX, RNG.integers(0, 2, (2, 3, 10)))
KEY = jax.random.key(0)


def regression(start):
    """Softmax regression, of six weights that start at one number."""

    def apply(params, x, key, hyper):
        return x @ params, ()

    return Network(lambda key, x: jnp.full((3, 2), start), apply)


CONFIG = Config(
    regression(2.0), steps=6, batch_size=4, learning_rate=0.1, inverse_temperature=0.2,
    checkpoints=6, radius=0.4, account=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    return train(KEY, CONFIG, POOL, PAIRS, weights="checkpoints")


def norms(weights):
    flat = [np.asarray(w, np.float64) for w in jax.tree.leaves(weights)]
    return np.sqrt(sum(np.sum(w**2, tuple(range(3, w.ndim))) for w in flat))


def test_weights_lie_in_the_ball_before_each_step(trained):
    sizes = norms(trained.weights)
    assert sizes.shape == (2, 3, 6) and (sizes <= 0.4).all()
    # Noise of 1 a coordinate leaves a ball of 0.4 at almost every step.
    assert np.median(sizes) == pytest.approx(0.4, rel=3e-5)
    assert trained.evidence.radius == 0.4


def test_a_step_is_taken_from_the_projected_weights(trained):
    """Full batches, without noise to speak of: P(P(W) - eta g(P(W))), W_0 outside of the ball."""
    config = dataclasses.replace(
        CONFIG, batch_size=None, steps=1, checkpoints=1, learning_rate=0.5,
        inverse_temperature=1e12, clip=9.0,
    )  # fmt: skip
    found = train(KEY, config, POOL, PAIRS, weights=True).weights
    inside = np.full((3, 2), 2.0) * 0.4 / np.linalg.norm(np.full(6, 2.0))
    for s in range(2):
        for u in range(3):
            rows = INDEX[s, np.arange(10), PAIRS.mask[s, u]]
            odds = jax.nn.softmax(X[rows] @ inside) - np.eye(2)[Y[rows]]
            moved = inside - 0.5 * X[rows].T @ np.asarray(odds) / 10
            assert np.linalg.norm(moved) > 0.4
            expected = moved * 0.4 / np.linalg.norm(moved)
            np.testing.assert_allclose(found[s, u], expected, rtol=1e-4)


def test_noise_is_added_after_the_projection(trained):
    still = POOL._replace(x=np.zeros_like(X))
    config = dataclasses.replace(CONFIG, steps=1, checkpoints=1, shared_randomness=True, radius=3.0)
    found = train(KEY, config, still, PAIRS, weights=True).weights[0, 0].ravel()
    noise = jax.random.normal(jax.random.fold_in(jax.random.fold_in(KEY, NOISE), 0), (6,))
    moved = np.full(6, 3.0 / np.sqrt(6)) + np.asarray(noise)
    expected = moved * min(1.0, 3.0 / np.linalg.norm(moved))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_ball_that_is_never_left_changes_nothing():
    one, other = (
        run_replicas(KEY, dataclasses.replace(CONFIG, radius=radius), POOL, PAIRS)
        for radius in (None, 1e6)
    )
    assert one.radius == np.inf and other.radius == 1e6
    for name in ("predictions", "train_loss", "trajectory_cmi", "gradient_information"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5)
    assert dataclasses.replace(CONFIG, radius=np.inf).radius is None


def test_certificates_of_the_last_weights_and_bounds_on_the_path(trained):
    ten = {name: np.float64(10) for name in ("batch_size", "smallest_batch")}
    found = trained.evidence._replace(batching=np.float64(BATCHINGS.index("full")), **ten)
    path = found._replace(radius=np.float64(np.inf))
    smaller = ("individual", "xu_raginsky", "individual_at_error")
    # What is summed along the path, or capped by such a sum, is of the path.
    same = ("trajectory_cmi", "trajectory_cmi_certified")
    for at in (1, 5):
        last, whole = (bounds.evaluate(e, at, (*smaller, *same)) for e in (found, path))
        assert all(float(last[name].value) < float(whole[name].value) for name in smaller)
        assert all(last[name].kind == whole[name].kind for name in smaller)
        assert all(float(last[name].value) == float(whole[name].value) for name in same)
        with jax.enable_x64(True):
            own = bounds.per_example_information(
                found.step_sizes[: at + 1], found.noise_stds[: at + 1], 1.0, "full", 10, 10, 6,
                radius=0.4,
            )  # fmt: skip
        assert float(last["individual"].information) == pytest.approx(float(own.value), rel=1e-9)
    assert np.isfinite(found.likelihood_ratio).all() and (found.trajectory_cmi >= 0).all()


def test_runs_of_several_radii_share_a_program(trained):
    configs = [dataclasses.replace(CONFIG, radius=radius) for radius in (0.4, 1.5)]
    many = train_many([Settings(KEY, c, PAIRS) for c in configs], POOL)
    assert [m.radius for m in many] == [0.4, 1.5]
    np.testing.assert_allclose(many[0].train_loss, trained.evidence.train_loss, rtol=1e-5)
    assert (many[1].train_loss != many[0].train_loss).any()


def test_projection_is_that_onto_the_ball():
    w = np.array([3.0, 4.0, 12.0], np.float32)
    np.testing.assert_allclose(projected(w, None, 6.5), w / 2, rtol=2e-5)
    np.testing.assert_array_equal(projected(w, None, 13.1), w)
    again = projected(projected(w, None, 6.5), None, 6.5)
    np.testing.assert_allclose(again, projected(w, None, 6.5), rtol=1e-6)
    # Weights that are not in use take no room.
    used = np.array([1.0, 1.0, 0.0], np.float32)
    np.testing.assert_allclose(projected(w, used, 2.5), [1.5, 2.0, 12.0], rtol=2e-5)
    assert np.isnan(projected(w * np.nan, None, 1.0)).all()


def test_padded_depths_lie_in_the_same_ball():
    net = MLP(depth=1, width=4)
    config = dataclasses.replace(CONFIG, network=net, radius=1.0, account=False, checkpoints=1)
    wide = dataclasses.replace(config, network=dataclasses.replace(net, padded_to=2))
    one, other = (run_replicas(KEY, c, POOL, PAIRS) for c in (config, wide))
    np.testing.assert_allclose(one.train_loss, other.train_loss, rtol=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", optax.sgd(0.1)])
def test_rules_without_a_proof_are_refused(optimizer):
    with pytest.raises(ValueError, match=r"radius=0.4 with optimizer=.*; set radius=None"):
        dataclasses.replace(CONFIG, optimizer=optimizer, account=False)


@pytest.mark.parametrize("radius", [0.0, -1.0, np.nan, "wide", True, 1e-20])
def test_a_radius_is_one_positive_number(radius):
    with pytest.raises(ValueError, match="radius"):
        dataclasses.replace(CONFIG, radius=radius)


def test_followed_slots_of_plain_steps_alone():
    rows = np.arange(20).reshape(1, 20)
    given = (rows[:, :10], rows[:, 10:12, None], rows[:, 12:])
    config = dataclasses.replace(CONFIG, account=False)
    found = track(KEY, config, POOL, *given)
    assert np.linalg.norm(found.weights) <= 0.4 and np.isfinite(found.sums.llr).all()
    for more in ({"momentum": 0.5}, {"prior_std": 1.0}, {"preconditioner": np.ones(6)}):
        with pytest.raises(ValueError, match=r"radius=0\.4 with momentum, a preconditioner"):
            track(KEY, config, POOL, *given, **more)
