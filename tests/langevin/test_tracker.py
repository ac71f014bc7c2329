"""The tracked slots against published toys, closed forms, and a slow float64 twin."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ibjax import bounds
from ibjax.interface import Dataset, Hyper, Network
from ibjax.langevin import Config, accounts, cross_entropy, track
from ibjax.langevin.candidates import candidates
from ibjax.langevin.programs import compiled
from ibjax.networks import CNN, MLP, build


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
    return track(KEY, BASE, *draws(800, 20), checkpoints=(0, 1, 10, 60))


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
    close(np.sqrt(2 * s.test_prior), 0.805)
    close(np.sqrt(2 * s.erf_prior), 0.782)
    close(np.sqrt(s.incoherence / 2), 0.889)
    with jax.enable_x64(True):
        norm = 2 / 20 * np.sqrt(2 * s.second_moment.mean())
        assert norm == pytest.approx(3.904, rel=0.02)
        assert norm == pytest.approx(4 * float(bounds.path_prior(s.null).value), rel=1e-5)
        exact = bounds.path_membership(s.gain)
        assert float(exact.value) == pytest.approx(0.848, abs=4 * float(exact.std_error))
        root = bounds.path_membership(s.gain, form="sqrt")
        assert float(root.value) == pytest.approx(0.921, abs=4 * float(root.std_error))


def test_information_grows_along_the_path_in_the_stated_order(toy):
    s = toy.sums
    assert toy.steps.tolist() == [0, 1, 10, 60]
    for field in s[2:]:
        mean = field.reshape(800, 4, -1).mean((0, 2))
        assert mean[0] == 0 < mean[1] < mean[2] < mean[3]
    exact, test, erf = (f[:, -1].mean() for f in (s.gain, s.test_prior, s.erf_prior))
    assert exact < test < erf and exact < np.log(2)
    assert (s.incoherence >= 0).all() and not toy.diverged.any()


def test_steps_of_no_size_reveal_nothing():
    still = dataclasses.replace(BASE, learning_rate=1e-30)
    got = track(KEY, still, *draws(800, 20), checkpoints=(0, 1, 10, 60))
    for field in got.sums[:-1]:
        np.testing.assert_allclose(np.nan_to_num(field), 0.0, atol=1e-10)
    assert (got.weights == got.weights[:1]).mean() < 0.5  # the noise is there, the data are not


@pytest.fixture(scope="module")
def poisson():
    config = dataclasses.replace(
        BASE, batching="poisson", batch_size=3, steps=30, inverse_temperature=25.0
    )
    return track(KEY, config, *draws(1200, 10, others=3), checkpoints=(15, 30))


def information(ratios):
    """log K - logsumexp(0, Y), the path information of a slot."""
    padded = np.concatenate([np.zeros_like(ratios[..., :1]), ratios], axis=-1)
    return np.log(padded.shape[-1]) - np.logaddexp.reduce(padded, axis=-1)


@pytest.mark.parametrize(
    ("run", "field", "checkpoint"),
    [("poisson", "llr", 1), ("poisson", "hidden", 1), ("toy", "llr", 2)],
)
def test_every_likelihood_ratio_has_mean_one(request, run, field, checkpoint):
    y = getattr(request.getfixturevalue(run).sums, field)[:, checkpoint]
    assert np.abs(y).mean() > 0.1
    weight = np.exp(y).mean((1, 2))
    assert abs(weight.mean() - 1) < 4 * weight.std() / np.sqrt(len(weight)) < 0.3


def test_leaving_the_membership_open_reveals_less(poisson):
    s = poisson.sums
    open_, told = (information(y[:, -1]).mean(1) for y in (s.hidden, s.llr))
    assert (told - open_).mean() > 4 * (told - open_).std() / np.sqrt(len(told))
    assert open_.mean() > 0.001


def test_more_ghosts_reveal_more_and_bound_better(poisson):
    runs = [information(poisson.sums.llr[:, -1, :, :k]).mean(1) for k in (1, 2, 3)]
    for few, many in itertools.pairwise(runs):
        assert (many - few).mean() > 4 * (many - few).std() / np.sqrt(len(few))
    values = []
    for k, run in zip((2, 3, 4), runs):
        values.append(float(bounds.path_membership(run, candidates=k, form="sqrt").value))
        assert run.mean() < np.log(k)
    assert values[0] > values[1] > values[2]
    upper = bounds.membership_upper(poisson.sums.llr[:, -1], 0.05)
    assert runs[2].mean() < float(upper.value) < np.log(4)
    assert information(poisson.sums.llr[:, -1]).mean() < poisson.sums.test_prior[:, -1].mean()


def twin(config, data, train, ghosts, mu, scales, steps):
    """One run in float64, one gradient at a time, from the same noise and batches."""
    x, y = np.asarray(data.x, float), np.asarray(data.y, float)
    root, n, b = np.sqrt(scales), len(train), config.batch_size
    eta, beta = config.learning_rate, config.inverse_temperature
    std, a = np.sqrt(2 * eta / beta), np.sqrt(eta * beta / 2)
    key = jax.random.fold_in(KEY, 0)
    w, v = np.zeros(5), np.zeros(5)
    slots, others = ghosts.shape
    llr, prior = np.zeros((slots, others)), np.zeros(slots)
    lost, null, moved = np.zeros(slots), np.zeros(slots), 0.0
    drift, miss, none = np.zeros((slots, others, 5)), np.zeros((slots, 5)), np.zeros((slots, 5))

    def gradient(i):
        return (1 / (1 + np.exp(-x[i] @ w)) - y[i]) * x[i] * root

    for t in range(steps):
        rows = jax.random.randint(jax.random.fold_in(jax.random.fold_in(key, 1), t), (b,), 0, n)
        rows = np.asarray(rows)
        xi = jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, 2), t), (5,))
        xi = np.asarray(xi, float)
        g = np.array([gradient(train[r]) for r in rows])
        v = mu * v + g.mean(0)
        for j in range(slots):
            m, own = (rows == j).sum(), gradient(train[j])
            rest = g[rows != j]
            predicted = rest.mean(0) if len(rest) else 0.0
            miss[j] = mu * miss[j] + m / b * (own - predicted)
            none[j] = mu * none[j] + m / b * own
            weights = np.exp(llr[j]) / (1 + np.exp(llr[j]).sum())
            for k in range(others):
                drift[j, k] = mu * drift[j, k] + m / b * (gradient(ghosts[j, k]) - own)
                llr[j, k] -= a**2 / 2 * drift[j, k] @ drift[j, k] + a * drift[j, k] @ xi
            prior[j] += a**2 / 2 * np.sum((weights @ drift[j]) ** 2)
            lost[j] += a**2 / 2 * miss[j] @ miss[j]
            null[j] += a**2 / 2 * none[j] @ none[j]
        moved += a**2 / 2 * v @ v
        w = w + root * (std * xi - eta * v)
    return llr, prior, lost, null, moved, w


def test_momentum_preconditioner_and_repeated_examples_against_a_slow_twin():
    scales, mu = np.array([0.5, 1.0, 2.0, 1.5, 0.7]), 0.6
    config = dataclasses.replace(
        BASE, batching="with_replacement", batch_size=4, steps=12, inverse_temperature=60.0
    )
    data, train, ghosts, test = draws(1, 6, others=2)
    ghosts = ghosts[:, :5]
    options = {"momentum": mu, "preconditioner": scales}
    got = track(KEY, config, data, train, ghosts, test, **options)
    llr, prior, lost, null, moved, w = twin(config, data, train[0], ghosts[0], mu, scales, 12)
    s = jax.tree.map(lambda a: a[0, 0], got.sums)
    np.testing.assert_allclose(got.weights[0], w, rtol=1e-4)
    np.testing.assert_allclose(s.llr, llr, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(s.test_prior, prior, rtol=1e-3)
    np.testing.assert_allclose(s.incoherence, lost, rtol=1e-3)
    np.testing.assert_allclose(s.null, null, rtol=1e-3)
    np.testing.assert_allclose(s.batch_gradient, moved, rtol=1e-4)
    assert np.isnan(s.hidden).all() and np.isnan(s.variance)


@pytest.mark.parametrize("config", [MLP(depth=2, width=4), CNN((3,), width=4)])
def test_candidates_agree_with_single_gradients(config):
    """Outer products, formed gradients and patches times a matrix against one at a time."""
    network = build(config, 3, (5, 5, 1))
    x = jax.random.normal(KEY, (2, 3, 5, 5, 1))
    y = jnp.array([[0, 1, 2], [2, 0, 0]])
    params = jax.jit(network.init)(KEY, x[0])
    hyper = Hyper(0.1, 1.0, clip=jnp.float32(0.8))

    @jax.jit
    def gradient(a, b):
        def loss(p):
            return cross_entropy(network.apply(p, a[None], None, hyper)[0], b[None])[0]

        g = ravel_pytree(jax.grad(loss)(params))[0]
        return g * jnp.minimum(1, 0.8 / jnp.linalg.norm(g))

    slow = np.array([[gradient(x[j, k], y[j, k]) for k in range(3)] for j in range(2)])
    direction = np.random.default_rng(0).normal(size=slow.shape[-1]).astype(np.float32)

    @jax.jit
    def products(params):
        found = candidates(network, params, x, y, hyper, True)
        return found.gram(), found.along(direction)

    gram, along = products(params)
    np.testing.assert_allclose(gram, np.einsum("jkd,jld->jkl", slow, slow), atol=1e-5)
    np.testing.assert_allclose(along, slow @ direction, rtol=1e-4, atol=1e-5)


def test_a_run_at_its_prior_stays_there_when_the_data_are_hardly_felt():
    spread, beta = 0.5, 1e-3
    eta = 0.1 * beta * spread**2
    config = dataclasses.replace(BASE, steps=25, learning_rate=eta, inverse_temperature=beta)
    got = track(KEY, config, *draws(800, 4), prior_std=spread)
    # W <- 0.9 W + sqrt(0.2) s N has the stationary variance s^2 / (1 - 0.05)
    ratio = got.weights.var() / (spread**2 / 0.95)
    assert abs(ratio - 1) < 4 * np.sqrt(2 / got.weights.size) + 0.02
    assert (got.sums.llr != 0).any() and np.abs(got.sums.llr).max() < 0.01


def test_the_dispersion_is_the_variance_of_the_batch_gradient(toy):
    data, train, _, _ = draws(800, 20)
    g = (0.5 - data.y[train])[..., None] * data.x[train]  # at the start, W = 0
    variance = np.var(g, axis=1, ddof=1).sum(-1)
    np.testing.assert_allclose(toy.sums.dispersion[:, 1], 0.2**2 * variance / 20, rtol=1e-4)


def test_no_variance_is_claimed_that_no_pair_shows():
    """One example alone, or what a buffer moves along: neither shows the spread of a batch."""
    base = dataclasses.replace(BASE, steps=2, clip=1.0)
    one = dataclasses.replace(base, batch_size=1, batching="without_replacement")
    for config, rule in ((one, {}), (base, {"momentum": 0.5})):
        sums = track(KEY, config, *draws(30, 20), **rule).sums
        assert np.isnan(sums.dispersion).all() and np.isnan(sums.variance).all()
        assert (sums.incoherence > 0).any()


def test_the_variance_from_poisson_batches_is_right_in_the_mean():
    """Over all batches of four examples, those of one and of none among them."""
    g = np.random.default_rng(0).normal(size=(4, 3))
    truth, mean = np.var(g, axis=0, ddof=1).sum(), 0.0
    for chosen in itertools.product((0, 1), repeat=4):
        m = sum(chosen)
        rows = g[np.flatnonzero(chosen)]
        chance = 0.25**m * 0.75 ** (4 - m)
        given = (rows**2).sum(), (rows.sum(0) ** 2).sum(), np.float32(m), 1, 4
        mean += chance * float(accounts.spread(*given))
    np.testing.assert_allclose(mean, truth, rtol=1e-6)
    alone = accounts.spread(np.float32(2.0), np.float32(2.0), None, 1, 4)
    assert np.isnan(alone)


def test_the_program_and_its_memory_do_not_depend_on_the_number_of_steps():
    data, train, ghosts, test = draws(2, 4)
    compiled.cache_clear()
    for steps in (10, 500):
        track(KEY, dataclasses.replace(BASE, steps=steps), data, train, ghosts, test)
    assert compiled.cache_info().misses == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"config": dataclasses.replace(BASE, optimizer="adam")}, "optimizer='adam'"),
        ({"config": dataclasses.replace(BASE, network=MLP(noise=0.1))}, "layer noise"),
        ({"momentum": 1.0}, "momentum=1.0"),
        ({"preconditioner": np.ones(3)}, "preconditioner has 3"),
        ({"prior_std": -1.0}, "prior_std=-1.0"),
        ({"checkpoints": (5, 99)}, "checkpoints"),
        ({"checkpoints": ()}, r"checkpoints=\(\) must increase"),
        ({"checkpoints": (True, 4)}, "checkpoints=True must be"),
        ({"config": dataclasses.replace(BASE, account=True)}, "account=True"),
        ({"prior_std": np.inf}, "prior_std=inf"),
        ({"prior_std": 1e-30}, "prior_std=1e-30"),
        ({"preconditioner": np.full(5, 1e-50)}, "preconditioner holds 1e-50"),
        ({"preconditioner": np.full(5, 1e50)}, "preconditioner holds 1e\\+50"),
        ({"preconditioner": np.full(5, 1j)}, "preconditioner"),
        ({"preconditioner": []}, "preconditioner has 0 numbers"),
        ({"ghosts": np.zeros((2, 4, 1), int)}, "ghosts holds training examples"),
        ({"ghosts": np.full((2, 4, 2), 17)}, "ghosts holds example 17 twice in one slot"),
        ({"test": np.full((2, 1), 999)}, "test reaches beyond"),
        ({"train": np.arange(8)}, "train has shape"),
    ],
)
def test_what_breaks_a_theorem_is_refused_by_name(change, named):
    data, train, ghosts, test = draws(2, 4)
    arguments = {"config": BASE, "dataset": data, "train": train, "ghosts": ghosts, "test": test}
    with pytest.raises(ValueError, match=named):
        track(KEY, **(arguments | change))


def test_the_checkpoints_of_the_configuration_are_taken():
    data, train, ghosts, test = draws(2, 4)
    config = dataclasses.replace(BASE, steps=4, checkpoints=2)
    assert track(KEY, config, data, train, ghosts, test).steps.tolist() == [2, 4]
    assert track(KEY, config, data, train, ghosts, test, checkpoints=(1,)).steps.tolist() == [1]
