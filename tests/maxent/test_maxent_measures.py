"""Conditions of one layer and of a network: known laws, orderings, pairing, trained networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import maxent

FAST = {"width": 32}
ESTIMATES = [name for name in maxent.Conditions._fields if name != "moment_null"]


def xor(n, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (n, 2)).astype(np.float32)
    labels = (x[:, 0] != x[:, 1]).astype(int)
    return x, np.where(rng.random(n) < noise, 1 - labels, labels)


def near(estimate, truth, slack=0.0):
    return abs(float(estimate.value) - truth) < 4 * float(estimate.std_error) + slack


def test_every_residual_is_named_and_carries_its_kind():
    found = maxent.conditions(*xor(600), **FAST)
    for name in ("moment_residual", "sufficiency_residual", "linear_gap", "total_correlation"):
        assert name in found._fields
    for name in ESTIMATES:
        part = getattr(found, name)
        assert part.bias in ("none", "up", "down", "unknown") and part.name
        assert part.value.shape == () and part.value.dtype == jnp.float32
        if name != "probe_gain":
            assert bool(part.ok) and np.isfinite(part.value) and np.isfinite(part.std_error)
    assert np.isnan(found.probe_gain.value) and not bool(found.probe_gain.ok)
    assert found.probe_gain.reason


def test_xor_has_the_whole_entropy_as_linear_gap():
    """Held-out probes: no linear information, all of it nonlinear, and moments that match."""
    found = maxent.conditions(*xor(600), **FAST)
    ln2 = np.log(2)
    assert near(found.linear_gap, ln2, 0.02)
    assert near(found.total_correlation, ln2, 0.01)
    assert near(found.naive_bayes_gap, ln2, 0.01)
    assert near(found.sufficiency_residual, 0, 0.02)
    assert near(found.duality_gap, 0, 0.005)
    assert float(found.moment_residual.value) < 3 * float(found.moment_null)


def test_table_mode_is_the_decomposition_of_the_empirical_law(x64):
    x, labels = xor(300, seed=1, noise=0.1)
    # A constant unit changes nothing, and gives units and inputs one shape.
    x = np.hstack([x, np.zeros((300, 1))])
    inputs = np.hstack([x[:, :2], (np.arange(300) % 2)[:, None]])
    found = maxent.conditions(x, labels, inputs=inputs, strong="table")
    letters = inputs @ [4, 2, 1]
    joint = np.array([[np.sum((letters == v) & (labels == k)) for k in (0, 1)] for v in range(8)])
    grid = np.array([[(v >> 2) & 1, (v >> 1) & 1] for v in range(8)], float)
    exact = maxent.decompose(grid, joint)
    for name in ("sufficiency_residual", "linear_gap", "naive_bayes_gap", "cross_entropy"):
        value = getattr(found, name).value
        np.testing.assert_allclose(value, getattr(exact, name).value, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(found.duality_gap.value, 0, atol=1e-10)
    np.testing.assert_allclose(found.moment_residual.value, 0, atol=1e-10)
    # Miller-Madow by hand: 8 cells of units and 8 of pairs in use, 2 classes, 2 units.
    corrected = exact.total_correlation.value + (8 - 4 - (8 - 2)) / 600
    np.testing.assert_allclose(found.total_correlation.value, corrected, atol=1e-12)


def logistic_task():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(600, 2)).astype(np.float32)
    weights = np.array([[1.0, -1.0], [0.5, -0.5]], np.float32)
    q = 1 / (1 + np.exp(-2 * features @ weights[:, 0]))
    return features, (rng.random(600) > q).astype(int), weights


def test_duality_gap_of_a_given_head_is_its_overconfidence():
    """CE - H_q by hand; scaling a calibrated head up makes it positive, down negative."""
    features, labels, weights = logistic_task()
    bias, found = np.zeros(2, np.float32), []
    for scale in (0.2, 1.0, 4.0):
        one = maxent.conditions(features, labels, head=(scale * weights, bias), **FAST)
        state = maxent.moments(features, labels, scale * weights, bias)
        truth = state.cross_entropy - state.model_entropy
        np.testing.assert_allclose(one.duality_gap.value, truth, atol=1e-5)
        found.append(one)
    low, fair, high = (one.duality_gap for one in found)
    assert float(low.value) < -4 * float(low.std_error)
    assert near(fair, 0)
    assert float(high.value) > 4 * float(high.std_error)
    residual = found[1].moment_residual
    assert float(residual.value) < 3 * float(found[1].moment_null)
    for one in (found[0], found[2]):
        excess = float(one.moment_residual.value - residual.value)
        assert excess > 3 * float(one.moment_residual.std_error)
        assert not bool(one.duality_gap_train.ok)


def test_a_head_that_is_no_number_has_no_residual():
    """Its moments counted as matched, 0.0 and ok, also among the replicas of a mean."""
    features, labels, weights = logistic_task()
    bias = np.array([np.nan, 0.0], np.float32)
    with pytest.raises(ValueError, match="head bias has NaN"):
        maxent.conditions(features, labels, head=(weights, bias), **FAST)
    found = jax.jit(lambda b: maxent.conditions(features, labels, head=(weights, b), **FAST))(bias)
    for part in (found.moment_residual, found.duality_gap):
        assert np.isnan(part.value) and not bool(part.ok)
    assert bool(found.linear_gap.ok)


def test_moment_residual_of_cross_fitted_heads_is_the_noise_it_names():
    """Labels that are noise: mean square over replicas = moment_null squared (2 free moments)."""
    features, _, _ = logistic_task()
    ratios = []
    for seed in range(16):
        labels = np.random.default_rng(100 + seed).integers(0, 2, 600)
        found = maxent.conditions(features, labels, **FAST)
        ratios.append(float(found.moment_residual.value / found.moment_null) ** 2)
    assert float(found.moment_null) == pytest.approx(2 / 600**0.5, rel=1e-6)
    # A chi-square of two degrees over two has variance 1.
    assert abs(np.mean(ratios) - 1) < 3 / 16**0.5


def test_cross_fitted_training_gap_is_minus_the_penalty():
    """D3 inside the cross-fit: the training gap is below zero and grows with the penalty."""
    features, labels, _ = logistic_task()
    gaps = [
        float(maxent.conditions(features, labels, l2=l2, **FAST).duality_gap_train.value)
        for l2 in (1e-3, 1e-2, 1e-1)
    ]
    assert 0 > gaps[0] > gaps[1] > gaps[2]


def test_layers_share_folds_and_pair_their_losses():
    """The same layer twice gains exactly nothing; a product unit makes XOR linear."""
    x, labels = xor(600, seed=4)
    above = np.stack([x.sum(axis=1), x.prod(axis=1)], axis=1)
    found = maxent.layers([x, x, above], labels, inputs=x, **FAST)
    assert len(found) == 3
    assert float(found[0].probe_gain.value) == 0 == float(found[1].probe_gain.value)
    assert float(found[1].probe_gain.std_error) == 0
    assert near(found[2].probe_gain, np.log(2), 0.03)
    assert float(found[0].sufficiency_residual.value) == 0
    np.testing.assert_allclose(
        found[2].probe_gain.value,
        found[1].cross_entropy.value - found[2].cross_entropy.value,
        atol=1e-6,
    )
    assert float(found[2].linear_gap.value) < 0.05 < float(found[1].linear_gap.value)


def test_conditions_trace_once_under_jit_and_vmap():
    data = [xor(600, seed=seed, noise=0.1 * seed) for seed in (1, 2)]
    features, labels = (np.stack(part) for part in zip(*data))
    traces = []

    def one(features, labels):
        traces.append(1)
        return maxent.conditions(features, labels, num_classes=2, **FAST)

    many = jax.jit(jax.vmap(one))
    batch = many(features, labels)
    for index in range(2):
        alone = maxent.conditions(features[index], labels[index], **FAST)
        for name in ESTIMATES:
            values = getattr(batch, name).value[index], getattr(alone, name).value
            np.testing.assert_allclose(*values, atol=2e-4, err_msg=name)
    many(features[::-1], labels[::-1])
    assert len(traces) == 1


def test_columns_of_many_replicas_are_a_loop_of_layers():
    """Axes (replicas, layers), own heads in the last layer; a diverged replica gives NaN."""
    data = [xor(600, seed=seed, noise=0.1 * seed) for seed in (1, 2, 3)]
    x, labels = (np.stack(part) for part in zip(*data))
    above = np.stack([x.sum(axis=2), x.prod(axis=2)], axis=2)
    above[2, 5, 0] = np.nan
    rng = np.random.default_rng(0)
    head = rng.normal(size=(3, 2, 2)).astype(np.float32), np.zeros((3, 2), np.float32)
    train = above[:, :200] + 0.5, labels[:, :200]
    found = maxent.columns([x, above], labels, inputs=x, head=head, train=train, **FAST)
    of_head = ("moment_residual", "duality_gap", "duality_gap_train")
    for r in range(2):
        loop = maxent.layers([x[r], above[r]], labels[r], inputs=x[r], **FAST)
        for name in ESTIMATES:
            part = getattr(found, name)
            assert part.value.shape == (3, 2)
            for index in range(1 if name in of_head else 2):
                one = getattr(loop[index], name)
                values = part.value[r, index], one.value
                np.testing.assert_allclose(*values, atol=2e-4, err_msg=name)
                np.testing.assert_allclose(part.std_error[r, index], one.std_error, atol=2e-4)
        own = head[0][r], head[1][r]
        for name, rows in (("duality_gap", slice(None)), ("duality_gap_train", slice(200))):
            shift = 0.5 if name == "duality_gap_train" else 0.0
            seen = maxent.moments(above[r, rows] + shift, labels[r, rows], *own)
            truth = seen.cross_entropy - seen.model_entropy
            np.testing.assert_allclose(getattr(found, name).value[r, 1], truth, atol=1e-5)
    gap = np.asarray(found.linear_gap.value)
    for name in ESTIMATES:
        assert np.isnan(getattr(found, name).value[2, 1]), name
        assert not bool(getattr(found, name).ok[2, 1])
    mean = maxent.across(found)
    np.testing.assert_allclose(mean.linear_gap.value, [gap[:, 0].mean(), gap[:2, 1].mean()], 1e-5)
    errors = [gap[:, 0].std(ddof=1) / 3**0.5, gap[:2, 1].std(ddof=1) / 2**0.5]
    np.testing.assert_allclose(mean.linear_gap.std_error, errors, rtol=1e-4)
    assert mean.moment_null.shape == (2,) and np.asarray(mean.linear_gap.ok).all()


def test_probes_are_nested_and_held_out():
    """In training the richer probe is never worse; on pure noise neither beats the prior."""
    features, _, _ = logistic_task()
    labels = np.random.default_rng(6).integers(0, 2, 600)
    found = maxent.probe(jax.random.key(0), features, labels, l2=1e-2, **FAST)
    assert float(found.train_nonlinear) < float(found.train_linear) < np.log(2)
    for losses in (found.linear, found.nonlinear):
        assert float(losses.mean()) > np.log(2) - 3 * float(losses.std()) / 600**0.5
        assert float(losses.mean()) > float(found.train_linear)
    assert bool(found.converged)
    again = maxent.probe(jax.random.key(0), features, labels, l2=1e-2, **FAST)
    np.testing.assert_array_equal(found.linear, again.linear)


def test_scale_and_shift_of_units_do_not_matter():
    features, labels, _ = logistic_task()
    key, scale = jax.random.key(1), np.array([1e3, 1e-2], np.float32)
    plain = maxent.probe(key, features, labels, l2=1e-2, **FAST)
    moved = maxent.probe(key, features * scale + 0.1, labels, l2=1e-2, **FAST)
    np.testing.assert_allclose(plain.linear, moved.linear, atol=1e-3)
    np.testing.assert_allclose(plain.nonlinear, moved.nonlinear, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-9, 2e-25, 1e22])
def test_units_of_any_size_keep_their_conditions(scale):
    """Small ones counted as constant, and those whose squares are no numbers too, all in order."""
    features, labels, _ = logistic_task()
    plain, moved = (maxent.conditions(s * features, labels, **FAST) for s in (1, scale))
    assert float(plain.moment_residual.value) > 0
    for name in ESTIMATES:
        one, other = getattr(plain, name), getattr(moved, name)
        np.testing.assert_allclose(one.value, other.value, atol=1e-3, err_msg=name)
        assert bool(one.ok) == bool(other.ok)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maxent.conditions(np.zeros((4, 2, 2)), np.zeros(4, int)), "features has shape"),
        (lambda: maxent.conditions(np.zeros((1, 2)), [0]), "at least 2 rows"),
        (lambda: maxent.conditions(np.zeros((4, 2)), [0, 1, 0]), "3 labels"),
        (lambda: maxent.conditions(np.full((4, 2), np.nan), [0, 1, 0, 1]), "NaN"),
        (lambda: maxent.conditions(np.zeros((4, 2)), [0, 1, 0, 1], strong="mlp"), "strong"),
        (lambda: maxent.layers([], [0, 1]), "empty"),
        (lambda: maxent.columns([], [[0, 1]]), "empty"),
        (lambda: maxent.columns([np.zeros((4, 2))], [[0, 1]]), "replicas, examples, units"),
        (lambda: maxent.columns([np.zeros((1, 4, 2))], [[0, 1, 0]]), "labels has shape"),
        (
            lambda: maxent.columns(
                [np.zeros((1, 4, 2))], [[0, 1, 0, 1]], head=(np.zeros((1, 3, 2)), np.zeros((1, 2)))
            ),
            "head weights has shape",
        ),
        (lambda: maxent.layers([np.zeros((4, 2))], [0, 1, 0, 1], depth=2), "depth"),
        (lambda: maxent.probe(jax.random.key(0), np.zeros((4, 2)), [0, 1, 0, 1], folds=1), "folds"),
        (
            lambda: jax.jit(lambda y: maxent.conditions(np.zeros((4, 2)), y))(jnp.zeros(4, int)),
            "num_classes",
        ),
    ],
)
def test_bad_input_to_conditions(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("half", [np.float16, jnp.bfloat16])
def test_half_precision_is_measured_in_single(half):
    rng = np.random.default_rng(0)
    z = np.maximum(rng.normal(size=(400, 3)), 0).astype(half)
    y = (z[:, 0] > 0).astype(np.int32)
    got = maxent.conditions(z, y, key=jax.random.key(0), width=8)
    want = maxent.conditions(z.astype(np.float32), y > 0, key=jax.random.key(0), width=8)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="features holds complex"):
        maxent.conditions(z.astype(complex), y, key=jax.random.key(0), width=8)


def test_an_offset_of_the_units_costs_no_digits():
    # without 64 bits the cast of 1e6 + t would leave a sixteenth of a standard deviation
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    features = rng.normal(size=(400, 2)) + labels[:, None]
    near, far = (maxent.conditions(t, labels, width=16) for t in (features, features + 1e6))
    for name in ("linear_gap", "cross_entropy", "moment_residual", "total_correlation"):
        want, got = (float(getattr(c, name).value) for c in (near, far))
        np.testing.assert_allclose(got, want, atol=2e-4)
    collapsed = [float(maxent.collapse(t, labels).vci) for t in (features, features + 1e6)]
    np.testing.assert_allclose(*collapsed, rtol=1e-4)


def test_labels_that_are_names_get_a_remedy():
    features = np.random.default_rng(0).normal(size=(300, 2))
    for names in (np.arange(300) + 2**33, np.arange(300) * 10**7):
        for call in (maxent.conditions, maxent.collapse, maxent.total_correlation):
            with pytest.raises(ValueError, match="return_inverse"):
                call(features, names)
