"""The certified run: its log density against the Gaussian laws of its own steps."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ibjax import networks
from ibjax.interface import Hyper, Network
from ibjax.langevin.certified import certified_run, noisy_errors
from ibjax.langevin.gradients import step_gradient
from ibjax.langevin.streams import INIT

KEY = jax.random.key(5)
X = jax.random.normal(jax.random.key(0), (24, 3))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(jnp.int32)
HYPER = Hyper(0.3, 200.0, 1.0)
PLAIN = networks.build(networks.MLP(1, 4), 2, (3,))


def drift(weights, rows):
    """The clipped mean gradient of some examples, without layer noise."""
    _, unravel = ravel_pytree(PLAIN.init(KEY, X[:1]))
    x, y = X[rows], Y[rows]
    got = step_gradient(PLAIN, unravel(weights), x, y, None, len(y), KEY, HYPER, True)
    return ravel_pytree(got.gradient)[0]


@pytest.mark.parametrize("prior_size", [0, 10])
def test_density_of_the_path_by_its_transitions(prior_size):
    """log N(W'; W - eta g, s^2) - log N(W'; W - eta h, s^2), summed over a run's own steps."""
    options = {"prior_size": prior_size}
    runs = [certified_run(KEY, PLAIN, X, Y, HYPER, steps=t, **options) for t in (1, 2)]
    start = PLAIN.init(jax.random.fold_in(KEY, INIT), X[:1])
    weights = [ravel_pytree(params)[0] for params in (start, *(run.params for run in runs))]
    variance, total = 2 * 0.3 / 200.0, 0.0
    for before, after in itertools.pairwise(weights):
        g = drift(before, slice(0, 24))
        h = drift(before, slice(0, prior_size)) if prior_size else jnp.zeros_like(g)
        moved = np.asarray(after - before, np.float64)
        squares = [np.sum((moved + 0.3 * np.asarray(d, np.float64)) ** 2) for d in (h, g)]
        total += (squares[0] - squares[1]) / (2 * variance)
    assert float(runs[1].energy - runs[1].martingale) == pytest.approx(total, abs=1e-3)
    assert runs[1].loss.shape == (2,)


def test_martingale_and_density_have_their_means():
    """E M = 0, Var M = 2 E A, E exp(-(A - M)) = 1 over runs."""
    hyper, runs = Hyper(0.1, 20.0, 1.0), 3000
    keys = jax.random.split(KEY, runs)
    run = jax.jit(jax.vmap(lambda k: certified_run(k, PLAIN, X, Y, hyper, steps=8, prior_size=12)))(
        keys
    )
    a, m = np.asarray(run.energy, float), np.asarray(run.martingale, float)
    assert abs(m.mean()) < 4 * m.std() / np.sqrt(runs)
    assert m.var() == pytest.approx(2 * a.mean(), rel=0.15)
    ratio = np.exp(m - a)
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(runs))


def test_the_whole_gradient_does_not_depend_on_the_split():
    ends = [certified_run(KEY, PLAIN, X, Y, HYPER, steps=2, prior_size=p).params for p in (0, 10)]
    flat = [ravel_pytree(p)[0] for p in ends]
    np.testing.assert_allclose(flat[0], flat[1], atol=1e-5)


def test_errors_with_and_without_layer_noise():
    run = certified_run(KEY, PLAIN, X, Y, HYPER, steps=50)
    errors = noisy_errors(KEY, PLAIN, run.params, X, Y, HYPER, 3)
    assert set(np.unique(errors)) <= {0.0, 1.0} and errors.mean() < 0.3
    noisy = networks.build(networks.MLP(1, 4, noise=1.0), 2, (3,))
    drawn = noisy_errors(KEY, noisy, run.params, X, Y, HYPER._replace(layer_noise=1.0), 40)
    assert len(np.unique(drawn)) > 2


def test_refusals():
    with pytest.raises(ValueError, match=r"prior_size=24 must lie in 0\.\.23"):
        certified_run(KEY, PLAIN, X, Y, HYPER, steps=1, prior_size=24)
    bad = PLAIN._replace(batch_statistics=object())
    with pytest.raises(ValueError, match="running statistics"):
        certified_run(KEY, bad, X, Y, HYPER, steps=1)


def test_initial_weights_do_not_look_at_an_example():
    def init(key, x):
        return {"w": jnp.zeros(3) + jnp.sum(x)}

    def apply(params, x, key, hyper):
        z = x @ params["w"]
        return jnp.stack([jnp.zeros_like(z), z], axis=-1), ()

    x, y = jnp.ones((4, 3)), jnp.arange(4) % 2
    hyper = Hyper(jnp.float32(1e-12), jnp.float32(1.0), jnp.float32(1.0))
    got = certified_run(jax.random.key(0), Network(init, apply), x, y, hyper, steps=1)
    assert np.abs(np.asarray(got.params["w"])).max() < 1e-3


def test_a_function_that_changed_is_trained_anew():
    """A program of the same object gave the numbers of what it had been before."""
    held = {"scale": 1.0, "weight": 1.0}

    def apply(params, x, key, hyper):
        logits, features = PLAIN.apply(params, x, key, hyper)
        return held["scale"] * logits, features

    def loss(logits, labels):
        return held["weight"] * jnp.sum((logits - labels[:, None]) ** 2, -1)

    network = Network(PLAIN.init, apply)

    def found():
        run = certified_run(KEY, network, X, Y, HYPER, steps=3, loss=loss)
        return run, noisy_errors(KEY, network, run.params, X, Y, HYPER, 1)

    first, right = found()
    held["scale"] = -1.0
    assert not np.array_equal(first.loss, found()[0].loss)
    given = KEY, network, first.params, X, Y, HYPER, 1
    assert not np.array_equal(right, noisy_errors(*given))
    held["scale"], held["weight"] = 1.0, 2.0
    np.testing.assert_allclose(found()[0].loss[0], 2 * first.loss[0], rtol=1e-6)
    held["weight"] = 1.0
    np.testing.assert_array_equal(found()[0].loss, first.loss)
