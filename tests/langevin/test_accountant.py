import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ibjax import bounds, langevin
from ibjax.interface import BatchStatistics, Dataset, Hyper, Supersample
from ibjax.langevin import Config, accountant, cross_entropy, run_replicas
from ibjax.langevin.gradients import differences
from ibjax.mi.two_normals import NODES, surprise, told
from ibjax.networks import MLP, build


def membership_information(k):
    """log 2 - E softplus(Y), Y ~ N(-k, 2k): the information of one Gaussian step."""
    z, w = np.polynomial.hermite_e.hermegauss(150)
    y = -k + np.sqrt(2 * k) * z
    return np.log(2) - (w / w.sum()) @ np.logaddexp(0, y)


@pytest.mark.parametrize("k", [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
def test_the_increment_from_even_odds_is_the_membership_channel(k, x64):
    known = {
        0.01: 0.00249377,
        0.05: 0.01234628,
        0.1: 0.02439465,
        0.25: 0.05887828,
        0.5: 0.11142148,
        1.0: 0.20134547,
        2.0: 0.33683082,
        4.0: 0.50007214,
        8.0: 0.63272019,
    }
    got = accountant.increment(jnp.array([k]), jnp.zeros(1))
    np.testing.assert_allclose(got, membership_information(k), atol=1e-6)
    np.testing.assert_allclose(got, known[k], atol=1e-6)


def test_few_nodes_are_enough_where_they_are_used(x64):
    y = jnp.linspace(-12, 12, 41)
    for k in (1e-4, 1e-2, 0.0999):
        few = surprise(jnp.full(41, k), y, accountant.FEW_NODES)
        many = surprise(jnp.full(41, k), y, 120)
        np.testing.assert_allclose(few, many, atol=1e-9)


def test_what_a_step_tells_without_the_mask_is_rounded_upwards(dtype):
    """Against the certified quadrature: never below it, nor far above."""
    k, y = np.meshgrid(np.geomspace(1e-5, 60, 25), np.linspace(-15, 15, 13))
    with jax.enable_x64(True):
        exact = np.asarray(bounds.membership_gain(k, y))
    for nodes, margin, use in (
        (accountant.FEW_NODES, accountant.SMALL_MARGIN, k < accountant.SMALL),
        (NODES, accountant.SMALL_MARGIN, k < accountant.SMALL),
        (NODES, accountant.MARGIN, k > 0),
    ):
        got = told(jnp.asarray(k, dtype), jnp.asarray(y, dtype), nodes, margin)[1]
        got = np.asarray(got, float)
        slack = 1e-5 if dtype == "float32" else 1e-10
        assert (got * (1 + slack) >= exact)[use].all()
        assert (got <= exact * (1 + 1e-4) + 2 * margin)[use].all()


def test_the_increment_lies_between_zero_and_its_limit():
    y = jnp.linspace(-8, 8, 33)
    for k in (0.0, 1e-3, 0.3, 5.0, 49.0, 51.0, 1e4):
        got = accountant.increment(jnp.full(33, k), y)
        assert (got >= -1e-6).all() and (got <= jax.nn.softplus(y) * (1 + 1e-5) + 1e-6).all()


def test_a_long_run_of_tiny_steps_is_not_lost_to_rounding():
    account = accountant.start(1)._replace(llr=jnp.array([-20.0]))
    slot, small = jnp.array([0]), jnp.array([8e-7])

    def body(_, a):
        return accountant.update(a, slot, small, jnp.zeros(1), jnp.float32(1.0))

    account = jax.jit(lambda a: jax.lax.fori_loop(0, 20_000, body, a))(account)
    np.testing.assert_allclose(account.llr - account.lost[0], -20.008, rtol=1e-7)
    plain = jnp.float32(-20.0) - jnp.float32(4e-7)
    assert plain == -20.0  # what float32 would have done at every step


RNG = np.random.default_rng(0)
POOL = Dataset(
    RNG.normal(size=(60, 3)).astype(np.float32), RNG.integers(0, 2, 60).astype(np.int32), 2, "toy"
)
INDEX = np.stack([RNG.permutation(60)[:24].reshape(12, 2) for _ in range(8)])
PAIRS = Supersample(INDEX, RNG.integers(0, 2, (8, 12, 12)))
CONFIG = Config(
    MLP(depth=2, width=4, noise=0.4),
    steps=40,
    learning_rate=0.2,
    inverse_temperature=800.0,
    account=True,
    checkpoints=4,
)


@pytest.fixture(scope="module")
def accounted():
    return run_replicas(jax.random.key(0), CONFIG, POOL, PAIRS)


@pytest.mark.parametrize("batching", ["epochs", "poisson"])
def test_likelihood_ratios_have_mean_one_and_both_estimates_agree(batching):
    # little information a slot: exp(Y) is heavy-tailed, and its mean hopeless, where there is much
    config = dataclasses.replace(
        CONFIG, batching=batching, batch_size=6, checkpoints=1, inverse_temperature=15.0, steps=20
    )
    got = run_replicas(jax.random.key(0), config, POOL, PAIRS)
    for values, truth in (
        (got.likelihood_ratio[..., -1], 1.0),
        (got.trajectory_cmi_llr[..., -1] - got.trajectory_cmi[..., -1], 0.0),
    ):
        error = values.std(ddof=1) / np.sqrt(values.size)
        assert abs(values.mean() - truth) < 4 * error
        assert error < 0.05
    assert (got.trajectory_cmi > 1e-4).all()


def test_the_information_without_the_mask_has_the_same_mean_and_a_quarter_of_the_cap(accounted):
    told, known = accounted.membership_information, accounted.trajectory_cmi
    apart = (told - known)[..., -1].ravel()
    assert abs(apart.mean()) < 4 * apart.std(ddof=1) / np.sqrt(apart.size) + 1e-5
    each = told.std(axis=1).mean(), known.std(axis=1).mean()
    assert each[0] < each[1]
    cap = 0.5 * (0.2 / (12 * np.sqrt(2 * 0.2 / 800))) ** 2 * accounted.checkpoints
    assert (told > 0).all() and (told <= cap * (1 + 1e-6)).all()


def test_information_grows_along_the_path_and_stays_below_log_two(accounted):
    path = accounted.trajectory_cmi
    assert (np.diff(path, axis=-1) > 0).all()
    assert (path > 0.005).all() and (path.mean((0, 1)) < np.log(2)).all()
    assert (accounted.test_prior_information[..., -1].mean() >= path[..., -1].mean()).all()


def test_the_account_changes_nothing_of_the_training(accounted):
    without = run_replicas(
        jax.random.key(0), dataclasses.replace(CONFIG, account=False), POOL, PAIRS
    )
    np.testing.assert_allclose(without.train_loss, accounted.train_loss, rtol=1e-4)
    assert np.isnan(without.trajectory_cmi).all()
    with jax.enable_x64(True):
        values = bounds.evaluate(without, names=("trajectory_cmi",))
    assert np.isnan(values["trajectory_cmi"].value) and not values["trajectory_cmi"].holds


def test_swapping_the_columns_and_the_masks_changes_nothing(accounted):
    swapped = Supersample(INDEX[..., ::-1], 1 - PAIRS.mask)
    got = run_replicas(jax.random.key(0), CONFIG, POOL, swapped)
    np.testing.assert_allclose(got.trajectory_cmi, accounted.trajectory_cmi, rtol=1e-4)


def test_identical_candidates_reveal_nothing():
    same = Supersample(np.repeat(INDEX[..., :1], 2, axis=-1), PAIRS.mask)
    got = run_replicas(jax.random.key(0), CONFIG, POOL, same)
    np.testing.assert_allclose(got.trajectory_cmi, 0.0, atol=2e-6)
    np.testing.assert_allclose(got.likelihood_ratio, 1.0, atol=1e-4)


def test_differences_agree_with_gradients_formed_one_by_one():
    network = build(MLP(depth=2, width=5), 3, (4,))
    x, ghosts = jax.random.normal(jax.random.key(1), (2, 6, 4))
    y, other = jnp.array([0, 1, 2, 0, 1, 2]), jnp.array([1, 1, 0, 2, 0, 2])
    params = jax.jit(network.init)(jax.random.key(2), x)
    xi = jax.tree.map(lambda p: jax.random.normal(jax.random.key(p.size), p.shape), params)
    hyper, key = Hyper(0.1, 1.0, clip=jnp.float32(0.8)), jax.random.key(0)

    given = (x, y, None, 6, key, hyper, True)

    @jax.jit
    def measured(params):
        got = langevin.step_gradient(network, params, *given, ghosts=(ghosts, other))
        return differences(network, params, got.examples, xi)

    square, along = measured(params)

    @jax.jit
    def clipped(a, b):
        def loss(p):
            return cross_entropy(network.apply(p, a[None], None, hyper)[0], b[None])[0]

        g, _ = ravel_pytree(jax.grad(loss)(params))
        return g * jnp.minimum(1, 0.8 / jnp.linalg.norm(g))

    for i in range(6):
        d = clipped(ghosts[i], other[i]) - clipped(x[i], y[i])
        np.testing.assert_allclose(square[i], d @ d, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(along[i], d @ ravel_pytree(xi)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_account_without_weight_noise_is_refused(optimizer):
    with pytest.raises(ValueError, match="weight noise"):
        dataclasses.replace(CONFIG, optimizer=optimizer)


def test_gradients_formed_one_by_one_give_the_same_account():
    plain = build(MLP(depth=1, width=4), 2, (3,))
    config = dataclasses.replace(CONFIG, steps=6, checkpoints=1, batch_size=5)
    pairs = Supersample(INDEX[:1], PAIRS.mask[:1, :2])
    got = [
        run_replicas(jax.random.key(0), dataclasses.replace(config, network=n), POOL, pairs)
        for n in (plain, plain._replace(taps=None))
    ]
    for name in ("trajectory_cmi", "trajectory_cmi_llr", "test_prior_information"):
        np.testing.assert_allclose(getattr(got[1], name), getattr(got[0], name), rtol=2e-4)


def test_an_account_of_a_network_with_batch_statistics_is_refused():
    statistics = BatchStatistics(lambda: None, lambda *a: (None, None), lambda *a: None)
    network = build(MLP(depth=1, width=4), 2, (3,))._replace(batch_statistics=statistics)
    with pytest.raises(ValueError, match="batch statistics"):
        run_replicas(jax.random.key(0), dataclasses.replace(CONFIG, network=network), POOL, PAIRS)
