"""Both sides of the entropy problem agree; penalised figures; the identity on any weights."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from ibjax import maxent

CUBE = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
# Ising letters whose coupling depends on the class: no softmax on them is the true law.
ISING = np.array(
    [
        [0.06866741627699567, 0.014720669002090807],
        [0.09269131665499042, 0.017979865721116626],
        [0.005636564770603877, 0.1622685308510904],
        [0.007608566600072255, 0.19819523114412035],
        [0.025261330726667974, 0.040014927051143796],
        [0.03409922977248308, 0.04887434226784502],
        [0.113213429819903, 0.008078874439436076],
        [0.15282214537828376, 0.009867559523156919],
    ]
)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("l2", "objective", "cross_entropy", "entropy"),
    [
        (1e-3, 0.565804688401, 0.5644719389, 0.5671374379),
        (1e-2, 0.576533888684, 0.5658354683, 0.5872323090),
        (1e-1, 0.627168973728, 0.5963467642, 0.6579911833),
    ],
)
@pytest.mark.parametrize("method", ["newton", "lbfgs"])
def test_quadratic_penalty_figures(x64, method, l2, objective, cross_entropy, entropy):
    fit = maxent.solve(CUBE, ISING, l2=l2, method=method)
    assert bool(fit.converged)
    np.testing.assert_allclose([fit.primal, fit.dual], objective, atol=1e-12)
    np.testing.assert_allclose(fit.cross_entropy, cross_entropy, atol=5.1e-11)
    np.testing.assert_allclose(fit.model_entropy, entropy, atol=5.1e-11)
    np.testing.assert_allclose(fit.residual, l2 * fit.weights, atol=1e-12)
    np.testing.assert_allclose(fit.duality_gap, -l2 * (fit.weights**2).sum(), atol=1e-12)


def twin_l1(features, joint, l1):
    """Split weights into positive and negative parts and hand the smooth problem to scipy."""
    size, count = features.shape[1], joint.shape[1]
    mass = joint.sum(axis=1)

    def value(flat):
        up, down = flat[: 2 * size * count].reshape(2, size, count)
        logits = features @ (up - down) + flat[2 * size * count :]
        log_q = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        error = mass[:, None] * np.exp(log_q) - joint
        slope = features.T @ error
        gradient = np.concatenate([(slope + l1).ravel(), (l1 - slope).ravel(), error.sum(axis=0)])
        return -(joint * log_q).sum() + l1 * (up + down).sum(), gradient

    bounds = [(0, None)] * (2 * size * count) + [(None, None)] * count
    start = np.full(len(bounds), 0.1)
    options = {"maxiter": 5000, "ftol": 1e-16, "gtol": 1e-11}
    return minimize(value, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options).fun


@pytest.mark.parametrize(
    ("l1", "objective"), [(1e-3, 0.5676887562260), (1e-2, 0.5936936180690), (0.1, 0.6924451311739)]
)
def test_box_figures_and_an_independent_solver(x64, l1, objective):
    fit = maxent.solve(CUBE, ISING, l1=l1)
    assert bool(fit.converged)
    np.testing.assert_allclose([fit.primal, fit.dual], objective, atol=1e-12)
    np.testing.assert_allclose(twin_l1(CUBE, ISING, l1), objective, atol=1e-9)
    assert np.abs(fit.residual).max() <= l1 + 1e-12
    assert float(fit.violation) <= 1e-12
    np.testing.assert_allclose(fit.duality_gap, -l1 * np.abs(fit.weights).sum(), atol=1e-12)
    inactive = np.abs(fit.residual) < l1 - 1e-6
    assert (np.asarray(fit.weights)[inactive] == 0).all()


@pytest.mark.parametrize(("l2", "l1"), [(0.0, 0.02), (0.01, 0.02)])
def test_proximal_steps_reach_what_newton_reaches(x64, l2, l1):
    """Thousands of weights take proximal steps: the same optimum, the same zeros, no gap."""
    rng = np.random.default_rng(9)
    features = rng.normal(size=(60, 12)) @ (np.eye(12) + 0.3)
    labels = np.argmax(features[:, :3] + rng.normal(size=(60, 3)), axis=1)
    one = maxent.solve(features, labels, l2=l2, l1=l1, method="newton")
    two = maxent.solve(features, labels, l2=l2, l1=l1, method="proximal")
    assert bool(two.converged)
    np.testing.assert_allclose(two.primal, one.primal, atol=1e-11)
    # An absolute penalty alone leaves some weights free to move along with their class mates.
    np.testing.assert_allclose(maxent.law(features, two), maxent.law(features, one), atol=1e-7)
    assert (np.asarray(two.weights) == 0).sum() >= 6
    assert abs(float(two.objective_gap)) < 1e-7
    assert np.abs(two.residual).max() < l1 + l2 * np.abs(two.weights).max() + 1e-8


def test_many_weights_with_an_absolute_penalty():
    """600 units times 3 classes: beyond Newton, chosen by itself, mostly exact zeros."""
    rng = np.random.default_rng(10)
    features = rng.normal(size=(90, 600)).astype(np.float32)
    labels = np.argmax(features[:, :3], axis=1)
    fit = maxent.solve(features, labels, l1=0.05, num_classes=3)
    assert bool(fit.converged)
    live = np.abs(np.asarray(fit.weights)).sum(axis=1) > 0
    assert live[:3].all() and live.sum() < 120
    assert abs(float(fit.objective_gap)) < 1e-3 and float(fit.violation) < 1e-4


def test_box_wide_enough_leaves_the_constant_law(x64):
    """|R| <= l1 already at q = P(Y): every weight is exactly zero."""
    fit = maxent.solve(CUBE, ISING, l1=0.3)
    prior = ISING.sum(axis=0)
    assert (np.asarray(fit.weights) == 0).all()
    np.testing.assert_allclose(fit.dual, -(prior * np.log(prior)).sum(), atol=1e-12)


@given(seeds, st.floats(1e-3, 0.3), st.just(0.0) | st.floats(1e-4, 0.1))
def test_d3_penalised_training_optimum(x64, seed, l2, l1):
    """R = l2 W + l1 sign(W) where W is not zero, strong duality, and the gap it implies."""
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    fit = maxent.solve(features, labels, l2=l2, l1=l1, num_classes=3)
    assert bool(fit.converged)
    weights, residual = np.asarray(fit.weights), np.asarray(fit.residual)
    live = np.abs(weights) > 1e-4
    expected = l2 * weights + l1 * np.sign(weights)
    np.testing.assert_allclose(residual[live], expected[live], atol=1e-9)
    assert abs(float(fit.objective_gap)) < 1e-9
    np.testing.assert_allclose(
        fit.duality_gap, -l2 * (weights**2).sum() - l1 * np.abs(weights).sum(), atol=1e-9
    )
    if l1 == 0:
        assert np.linalg.norm(residual) == pytest.approx(l2 * np.linalg.norm(weights), abs=1e-9)


@given(seeds)
def test_weak_duality_of_any_feasible_law(x64, seed):
    """The entropy of any law with the data's moments is at most the optimal cross-entropy."""
    rng = np.random.default_rng(seed)
    fit = maxent.solve(CUBE, ISING)
    mass = ISING.sum(axis=1)
    basis = np.hstack([CUBE, np.ones((8, 1))]) * mass[:, None]
    free = np.linalg.svd(basis.T)[2][4:]
    base = np.asarray(maxent.law(CUBE, fit))[:, 0]
    step = free.T @ rng.normal(size=4)
    room = np.where(step > 0, (1 - base) / step, -base / step).min()
    first = base + rng.uniform(0, 1) * room * step
    law = np.clip(np.stack([first, 1 - first], axis=1), 1e-300, 1)
    moments = CUBE.T @ (mass[:, None] * law)
    np.testing.assert_allclose(moments, CUBE.T @ ISING, atol=1e-9)
    entropy = -(mass[:, None] * law * np.log(law)).sum()
    assert entropy <= float(fit.primal) + 1e-9
    np.testing.assert_allclose(fit.objective_gap, 0, atol=1e-10)


@given(seeds, st.floats(0.01, 20))
def test_identity_for_random_weights(x64, seed, scale):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)
    weights, bias = scale * rng.normal(size=(4, 3)), rng.normal(size=3)
    found = maxent.moments(features, labels, weights, bias)
    size = 1 + float(found.cross_entropy)
    np.testing.assert_allclose(
        found.cross_entropy - found.model_entropy, found.duality_gap, atol=1e-14 * size
    )


@jax.jit
def train(x, y, decay):
    """Full-batch gradient descent on a 5-24-16-3 tanh network; the tests' own few lines."""

    def loss(params):
        log_q = jax.nn.log_softmax(hidden(params, x) @ params[-1][0] + params[-1][1])
        return -log_q[jnp.arange(60), y].mean() + 0.5 * decay * (params[-1][0] ** 2).sum()

    def step(params, _):
        gradient = jax.grad(loss)(params)
        return jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient), None

    sizes = (5, 24, 16, 3)
    keys = jax.random.split(jax.random.key(3), 3)
    params = [
        (jax.random.normal(key, shape, x.dtype) / shape[0] ** 0.5, jnp.zeros(shape[1], x.dtype))
        for key, shape in zip(keys, itertools.pairwise(sizes))
    ]
    return jax.lax.scan(step, params, None, length=2500)[0]


def hidden(params, x):
    for weight, bias in params[:-1]:
        x = jnp.tanh(x @ weight + bias)
    return x


def task(dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 5)).astype(dtype)
    return x, (x[:, 0] * x[:, 1] + rng.normal(size=120) > 0).astype(int) + (x[:, 2] > 1)


def test_identity_on_a_trained_network(dtype):
    """Training and held-out data; an overfitted network is overconfident on the latter."""
    x, y = task(dtype)
    params = train(x[:60], y[:60], jnp.asarray(0, dtype))
    gaps = []
    for part in (slice(0, 60), slice(60, 120)):
        found = maxent.moments(hidden(params, x[part]), y[part], *params[-1])
        size = 1 + float(found.cross_entropy)
        np.testing.assert_allclose(
            found.cross_entropy - found.model_entropy,
            found.duality_gap,
            atol=40 * jnp.finfo(dtype).eps * size,
        )
        gaps.append(float(found.duality_gap))
    assert abs(gaps[0]) < 0.05 < 0.5 < gaps[1]


def test_d3_on_the_last_layer_of_a_trained_network(x64):
    """A network trained with weight decay on its head ends near R = l2 W and the gap it implies;
    refitting that head by Newton makes both exact."""
    x, y = task("float64")
    params = train(x[:60], y[:60], jnp.asarray(0.05))
    features, weights = hidden(params, x[:60]), params[-1][0]
    own = maxent.moments(features, y[:60], *params[-1])
    slack = np.abs(own.residual - 0.05 * weights).max()
    assert slack < 0.1 * np.abs(own.residual).max()
    np.testing.assert_allclose(own.duality_gap, -0.05 * (weights**2).sum(), rtol=0.1)
    fit = maxent.solve(features, y[:60], l2=0.05)
    np.testing.assert_allclose(fit.residual, 0.05 * fit.weights, atol=1e-10)
    np.testing.assert_allclose(fit.duality_gap, -0.05 * (fit.weights**2).sum(), atol=1e-10)


def test_dropout_is_the_problem_averaged_over_masks(x64):
    rate, weights, bias = 0.3, np.arange(6.0).reshape(3, 2) / 4, np.array([0.2, -0.2])
    wide, joint = maxent.drop_features(CUBE, ISING, rate)
    assert wide.shape == (64, 3)
    np.testing.assert_allclose(joint.sum(), 1, atol=1e-14)
    np.testing.assert_allclose(wide.T @ joint, CUBE.T @ ISING, atol=1e-14)
    expected = 0.0
    for mask in itertools.product([0, 1], repeat=3):
        chance = np.prod(np.where(mask, 1 - rate, rate))
        state = maxent.moments(CUBE * mask / (1 - rate), ISING, weights, bias)
        expected += chance * float(state.cross_entropy)
    found = maxent.moments(wide, joint, weights, bias)
    np.testing.assert_allclose(found.cross_entropy, expected, atol=1e-13)
    np.testing.assert_allclose(
        found.cross_entropy - found.model_entropy, found.duality_gap, atol=1e-14
    )
    fit = maxent.solve(wide, joint)
    assert bool(fit.converged) and abs(float(fit.objective_gap)) < 1e-10
    bare = float(maxent.solve(CUBE, ISING).primal)
    assert bare < float(fit.primal) < 0.6931471805599453
    key = jax.random.key(0)
    drawn, table = maxent.drop_features(CUBE, ISING, rate, key=key, masks=4000, rescale=False)
    kept = (table.sum(axis=1)[:, None] * (drawn > 0)).sum(axis=0)
    truth = 0.7 * (ISING.sum(axis=1)[:, None] * CUBE).sum(axis=0)
    np.testing.assert_allclose(kept, truth, atol=5 * np.sqrt(0.21 / 4000))


def test_no_dropout_changes_nothing(x64):
    wide, joint = maxent.drop_features(CUBE, ISING, 0.0)
    fit = maxent.solve(wide, joint)
    np.testing.assert_allclose(fit.primal, 0.5644535686456253, atol=1e-12)


def test_vmap_over_replicas_and_penalties_without_compiling_again(x64):
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(3, 40, 3)), rng.integers(0, 3, (3, 40))
    l2 = np.array([0.01, 0.1, 1.0])
    traces = []

    def one(features, labels, l2, l1):
        traces.append(1)
        return maxent.solve(features, labels, l2=l2, l1=l1, num_classes=3)

    many = jax.jit(jax.vmap(one, in_axes=(0, 0, 0, None)))
    fits = many(features, labels, l2, 0.0)
    for index in range(3):
        alone = maxent.solve(features[index], labels[index], l2=l2[index], num_classes=3)
        np.testing.assert_allclose(fits.primal[index], alone.primal, atol=1e-12)
        np.testing.assert_allclose(fits.weights[index], alone.weights, atol=1e-9)
    stronger = many(features, labels, 2 * l2, 0.01)
    assert len(traces) == 1
    assert (stronger.primal > fits.primal).all()


def test_separable_data_without_penalty_reach_the_infimum(dtype):
    x, labels = CUBE.astype(dtype), CUBE[:, 1].astype(int)
    fit = maxent.solve(x, labels)
    assert fit.primal.dtype == dtype
    assert float(fit.primal) < (1e-9 if dtype == "float64" else 1e-4)
    stopped = maxent.solve(x, labels, max_iterations=3)
    assert not bool(stopped.converged)
    assert 1e-3 < float(stopped.primal) < 0.5


def test_normalised_residual_is_a_correlation_with_its_null_band(x64):
    rng = np.random.default_rng(4)
    n = 4000
    logits = rng.normal(size=(n, 3))
    q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=row) for row in q])
    features = rng.normal(size=(n, 5)) * [1, 10, 0.1, 1, 0] + 3
    found = maxent.moment_residual(features, labels, q)
    error = np.eye(3)[labels] - q
    # Errors have zero conditional mean, so centring them changes the correlation by O(1/n).
    twin = np.corrcoef(features[:, :4].T, error.T)[:4, 4:]
    np.testing.assert_allclose(found.correlation[:4], twin, atol=3 / n)
    assert (np.asarray(found.correlation[4]) == 0).all()
    assert float(found.null_std) == pytest.approx(n**-0.5, rel=1e-12)
    assert float(found.largest) < float(found.null_largest) < 5 * n**-0.5
    shifted = maxent.moment_residual(features, (labels + 1) % 3, q + 0 * features[:, :1])
    assert float(shifted.frobenius) < 1
    leaky = maxent.moment_residual(error[:, :1], labels, q)
    assert float(leaky.largest) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("constant", [0.1, 3.3, 1e3])
def test_normalised_residual_has_no_units(constant):
    """A constant unit correlates with nothing, though its mean is rounded; units cancel."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 1000)
    features = np.full((1000, 2), constant, np.float32)
    features[:, 0] = rng.normal(size=1000)
    q = np.tile(np.float32([0.1, 0.9]), (1000, 1))
    found = maxent.moment_residual(features, labels, q).correlation
    np.testing.assert_array_equal(found[1], 0)
    for scale in (1e25, 1e-25):
        again = maxent.moment_residual(features * np.float32(scale), labels, q).correlation
        np.testing.assert_allclose(again, found, atol=1e-6)
    far = maxent.moment_residual(features[:, :1].astype(float) + 1e9, labels, q).correlation
    np.testing.assert_allclose(far, found[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maxent.solve(CUBE, ISING, l2=-1.0), "l2=-1.0"),
        (lambda: maxent.solve(CUBE, ISING, method="sgd"), "method='sgd'"),
        (lambda: maxent.solve(CUBE, ISING, l1=0.1, method="lbfgs"), "needs l1=0"),
        (lambda: maxent.solve(CUBE, np.arange(8), num_classes=3), "relabel"),
        (lambda: maxent.moments(CUBE, ISING, np.zeros((2, 2)), np.zeros(2)), "weights has shape"),
        (lambda: maxent.moments(CUBE, ISING, np.zeros((3, 3)), np.zeros(3)), "classes"),
        (lambda: maxent.drop_features(CUBE, ISING, 1.0), "rate=1.0"),
        (lambda: maxent.drop_features(np.zeros((2, 13)), [0, 1], 0.5), "too many"),
        (lambda: maxent.moment_residual(CUBE, np.zeros(8, int), np.ones((7, 2))), "7 rows"),
        (lambda: maxent.moments(CUBE, np.zeros(8, int), CUBE[:2].T, [np.nan, 0.0]), "bias has NaN"),
        (lambda: jax.jit(maxent.solve)(CUBE, np.zeros(8, int)), "num_classes"),
    ],
)
def test_bad_input_to_the_problems(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("scale", [1e-200, 1e160])
def test_features_whose_squares_are_no_numbers_have_not_converged(x64, scale):
    """Units are measured by their root mean square: where it is inf every gradient looked small."""
    x, y = np.random.default_rng(0).normal(size=(6, 2)), np.array([0, 1, 1, 0, 1, 0])
    assert bool(maxent.solve(np.hstack([x, np.zeros((6, 1))]), y, l2=0.1).converged)
    for method in ("newton", "lbfgs"):
        assert not bool(maxent.solve(scale * x, y, method=method).converged)
