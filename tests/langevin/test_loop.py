"""What the one loop offers beyond plain training: noise handed on, early stops, own scalars."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import bounds
from ibjax.interface import Dataset, Hyper, Network, Supersample
from ibjax.langevin import Config, run_replicas, sgld, track, train
from ibjax.langevin.programs import compiled
from ibjax.langevin.replicas import replica_keys
from ibjax.langevin.streams import NOISE
from ibjax.networks import MLP

RNG = np.random.default_rng(0)
Y = (np.arange(40) % 2).astype(np.int32)
X = (Y[:, None] * 2 - 1 + 0.3 * RNG.normal(size=(40, 3))).astype(np.float32)
POOL = Dataset(X, Y, 2, "toy")
INDEX = np.stack([RNG.permutation(40)[:20].reshape(10, 2) for _ in range(2)])
PAIRS = Supersample(INDEX, RNG.integers(0, 2, (2, 2, 10)))
KEY = jax.random.key(0)


def scaled(size):
    """Softmax regression from zero whose logits carry a factor that is a scalar of the run."""

    def apply(params, x, key, hyper):
        return x @ params * hyper.scalars["factor"], ()

    return Network(lambda key, x: jnp.zeros((size, 2)), apply)


REGRESSION = scaled(3)


def test_a_rule_is_given_the_draw_of_the_step():
    """One step from zero weights with a gradient of zero leaves the noise itself."""
    still = Dataset(np.zeros((40, 3), np.float32), Y, 2, "zeros")
    config = Config(
        REGRESSION, steps=1, learning_rate=0.5, inverse_temperature=4.0, scalars={"factor": 1.0}
    )
    found = train(KEY, config, still, PAIRS, weights=True).weights.reshape(4, -1)
    keys = replica_keys(KEY, 2, 2, False)
    for key, row in zip(keys, found):
        own = jax.random.fold_in(jax.random.fold_in(key, NOISE), 0)
        np.testing.assert_allclose(row, 0.5 * jax.random.normal(own, (6,)), rtol=1e-6)


def test_sgld_takes_its_noise_instead_of_a_key():
    rule, grads = sgld(0.1, 50.0), {"a": jnp.ones(3), "b": jnp.zeros((2, 2))}
    noise = {"a": jnp.arange(3.0), "b": jnp.ones((2, 2))}
    state = rule.init(grads)
    updates, _ = rule.update(grads, state, noise=noise)  # pyright: ignore[reportCallIssue]
    for name in grads:
        expected = -0.1 * grads[name] + np.sqrt(2 * 0.1 / 50) * noise[name]
        np.testing.assert_allclose(updates[name], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="key is missing"):
        rule.update(grads, state)


def test_groups_of_a_multi_transform_draw_apart():
    params = {"a": jnp.zeros(4), "b": jnp.zeros(4)}
    label = {"a": "one", "b": "two"}
    rule = optax.multi_transform({"one": sgld(0.1, 2.0), "two": sgld(0.1, 2.0)}, label)
    update = optax.with_extra_args_support(rule).update
    change, _ = update(params, rule.init(params), params, key=KEY)
    assert np.abs(np.corrcoef(change["a"], change["b"])[0, 1]) < 0.999
    assert (change["a"] != change["b"]).all()


STOPPED = Config(
    REGRESSION,
    steps=50,
    learning_rate=0.02,
    optimizer="sgd",
    clip=None,
    stop_error=0.0,
    scalars={"factor": 1.0},
)


@pytest.mark.parametrize("mapping", ["map", "vmap"])
def test_training_ends_with_the_step_after_the_first_accurate_output(mapping):
    config = dataclasses.replace(STOPPED, mapping=mapping)
    got = train(KEY, config, POOL, PAIRS, weights=True)
    own = np.take_along_axis(INDEX[:, None], PAIRS.mask[..., None], 3)[..., 0].reshape(4, 10)
    for rows, weights in zip(own, got.weights.reshape(4, 3, 2)):
        w, x, y = np.zeros((3, 2)), X[rows].astype(float), Y[rows]
        for _ in range(50):
            z = x @ w
            p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
            w = w - 0.02 * x.T @ (p - np.eye(2)[y]) / 10
            if (z.argmax(1) == y).all():
                break
        np.testing.assert_allclose(weights, w, rtol=1e-4, atol=1e-6)
    assert got.evidence.exchangeable == 0
    certified = [n for n, row in bounds.registry().items() if row.kind == "certificate"]
    found = bounds.evaluate(got.evidence, names=certified)
    assert not any(bool(value.holds) for value in found.values())


def test_scalars_are_swept_without_compiling_again():
    compiled.cache_clear()
    config = dataclasses.replace(STOPPED, stop_error=None, steps=5)
    found = []
    for factor in (0.5, 2.0):
        config = dataclasses.replace(config, scalars={"factor": factor})
        found.append(train(KEY, config, POOL, PAIRS, weights=True).weights)
    assert compiled.cache_info().misses == 1
    assert (np.abs(found[1]) > np.abs(found[0])).all()


def test_evaluations_at_given_updates_are_those_of_shorter_runs():
    config = Config(MLP(depth=1, width=4), steps=12, batch_size=5, checkpoints=(0, 3, 12))
    got = run_replicas(KEY, config, POOL, PAIRS)
    assert got.checkpoints.tolist() == [0, 3, 12]
    short = run_replicas(KEY, dataclasses.replace(config, steps=3, checkpoints=1), POOL, PAIRS)
    np.testing.assert_array_equal(got.train_loss[..., 1], short.train_loss[..., 0])
    with jax.enable_x64(True):
        assert float(bounds.evaluate(got, 0, ["individual"])["individual"].value) == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"stop_error": 1.5}, "stop_error=1.5"),
        ({"stop_error": "never"}, "stop_error"),
        ({"checkpoints": (3, 2, 50)}, "must increase"),
        ({"checkpoints": (3, 20)}, "steps=50"),
        ({"scalars": {"factor": "big"}}, r"scalars\['factor'\]"),
        ({"scalars": 3}, "scalars=3"),
        ({"network": MLP()}, "cannot ask for them"),
        ({"optimizer": "sgld", "account": True}, "account=True"),
    ],
)
def test_options_that_make_no_run_are_refused(change, named):
    with pytest.raises(ValueError, match=named):
        dataclasses.replace(STOPPED, **change)


def test_early_stops_need_full_batches_and_are_not_tracked():
    with pytest.raises(ValueError, match=r"stop_error=0 with batches of 5 of 10"):
        run_replicas(KEY, dataclasses.replace(STOPPED, batch_size=5), POOL, PAIRS)
    rows = np.arange(40)[None]
    with pytest.raises(ValueError, match="stop_error"):
        track(KEY, STOPPED, POOL, rows[:, :10], rows[:, 10:20, None], rows[:, 20:])


def test_the_scalars_of_a_run_have_a_default():
    assert Hyper(0.1, 1.0).scalars == ()
