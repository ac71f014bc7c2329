import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bottleneck, mi

RULE = bottleneck.symmetric_rule()


def entropy(rows):
    _, counts = np.unique(rows, axis=0, return_counts=True)
    p = counts / counts.sum()
    return -np.sum(p * np.log(p))


def layers(n=300, seed=0):
    rng = np.random.default_rng(seed)
    t = rng.normal(size=(2, 3, n, 4))
    return {"wide": np.tanh(t), "narrow": np.tanh(2 * t[..., :2])}, rng.integers(0, 3, n)


def test_the_symmetric_rule_has_the_published_counts():
    assert RULE.x.shape == (4096, 12) and RULE.y.sum() == 2118
    assert (RULE.x @ 2 ** np.arange(11, -1, -1) == np.arange(4096)).all()
    weight = RULE.x.sum(axis=1).astype(int)
    ones = [int(RULE.y[weight == w].sum()) for w in range(13)]
    assert ones == [0, 0, 0, 0, 0, 60, 532, 732, 495, 220, 66, 12, 1]
    assert RULE.truth["label_entropy"] / np.log(2) == pytest.approx(0.9991571208502711, abs=1e-14)


def test_the_rule_is_invariant_under_a_symmetry_of_the_icosahedron():
    # the antipodal map permutes the vertices and keeps every distance
    swap = np.arange(12)
    for i, j in ((0, 9), (1, 7), (2, 5), (3, 6), (4, 10), (8, 11)):
        swap[[i, j]] = swap[[j, i]]
    assert (RULE.y[RULE.x[:, swap].astype(int) @ 2 ** np.arange(11, -1, -1)] == RULE.y).all()


def test_the_noisy_rule_has_the_known_information(x64):
    known = {0.1: 0.273604, 0.5: 0.779575, 2.0: 0.929212, 10.0: 0.994641}
    for gamma, bits in known.items():
        joint = bottleneck.symmetric_rule_joint(gamma)
        assert joint.shape == (42, 2) and joint.sum() == pytest.approx(1)
        assert mi.discrete(joint).value / np.log(2) == pytest.approx(bits, abs=1e-6)
    with pytest.raises(ValueError, match="sharpness=-1"):
        bottleneck.symmetric_rule_joint(-1)


@pytest.mark.parametrize("method", ["adaptive", "mass", "edges", "width"])
def test_cells_against_counting_them_one_by_one(method, x64):
    activations, y = layers()
    got = bottleneck.plane(activations, y, method=method, bins=6, width=0.4)
    assert got.i_tx.shape == (2, 2, 3) and got.names == ("wide", "narrow")
    for i, t in enumerate(activations.values()):
        t = t[1, 2]
        if method == "adaptive":
            cells = np.minimum(np.floor((t - t.min()) / (t.max() - t.min()) * 6), 5)
        elif method == "mass":
            cells = np.argsort(np.argsort(t, axis=0), axis=0) * 6 // len(t)
        elif method == "edges":
            cells = np.digitize(t, np.linspace(-1, 1, 6))
        else:
            cells = np.floor(t / 0.4)
        h_t, h_y = entropy(cells), entropy(y[:, None])
        both = entropy(np.column_stack([cells, y]))
        np.testing.assert_allclose(got.i_tx[i, 1, 2], h_t, rtol=1e-12)
        np.testing.assert_allclose(got.i_ty[i, 1, 2], h_t + h_y - both, rtol=1e-12)
    want = {"edges": 0.4, "width": 0.4}.get(method)
    assert want is None or got.resolution == pytest.approx(want)
    assert (got.std_error == 0).all() and got.bias == "none" and "cells" in got.measures


def test_noise_bounds_agree_with_those_of_the_mixture(x64):
    activations, y = layers(n=120)
    got = bottleneck.plane(activations, y, method="kde", std=0.3)
    for i, t in enumerate(activations.values()):
        want = mi.kde_bounds(t[0, 1], 0.3)
        np.testing.assert_allclose(got.i_tx[i, 0, 1], want.upper.value, rtol=1e-9)
        np.testing.assert_allclose(got.i_tx_lower[i, 0, 1], want.lower.value, rtol=1e-9)
    t = activations["narrow"][0, 1]
    own = [mi.kde_bounds(t[y == c], 0.3) for c in range(3)]
    share = [np.mean(y == c) for c in range(3)]
    high = sum(s * o.upper.value for s, o in zip(share, own))
    low = sum(s * o.lower.value for s, o in zip(share, own))
    whole = mi.kde_bounds(t, 0.3)
    point = got.i_ty[1, 0, 1], got.i_ty_lower[1, 0, 1], got.i_ty_upper[1, 0, 1]
    want = whole.upper.value - high, whole.lower.value - high, whole.upper.value - low
    np.testing.assert_allclose(point, want, rtol=1e-9)
    assert (got.i_tx_lower <= got.i_tx).all() and (got.resolution == 0.3).all()


def test_wide_layers_by_products_agree_with_differences(x64):
    rng = np.random.default_rng(2)
    t, y = rng.normal(size=(60, 40)) * 0.1, rng.integers(0, 2, 60)
    got = bottleneck.plane([t], y, method="kde", std=0.5)
    want = mi.kde_bounds(t, 0.5)
    np.testing.assert_allclose(got.i_tx[0], want.upper.value, rtol=1e-10)


def test_noise_below_a_layer_is_taken_off():
    rng = np.random.default_rng(4)
    below = np.where(np.arange(400) % 2, 1.0, -1.0)
    centres = np.stack([below + 0.5 * rng.normal(size=400) for _ in range(2)])[..., None]
    repeats = (below[:20, None] + 0.5 * rng.normal(size=(2, 20, 200)))[..., None]
    got = bottleneck.plane(
        {"T2": centres},
        np.arange(400) % 2,
        method="propagation",
        std=0.75**0.5,
        conditional={"T2": repeats},
        draws=8,
    )
    # all in all X -> -1 or 1 -> noise of variance 1
    np.testing.assert_allclose(got.i_tx, 0.33683082, atol=0.08)
    np.testing.assert_allclose(got.i_ty, 0.33683082, atol=0.08)
    assert got.bias == "unknown" and (got.std_error > 0).all()


def test_physical_noise_lies_between_the_bounds_and_obeys_processing():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 200)
    means = (np.where(y, 1.0, -1.0)[:, None] * 1.5 + 0.3 * rng.normal(size=(200, 1)))[None]
    got = bottleneck.plane([means], y, method="propagation", std=1.0, draws=8)
    around = bottleneck.plane([means], y, method="kde", std=1.0)
    error = 4 * got.std_error[0, 0]
    assert got.bias == "none" and 0 < error < 0.1
    assert around.i_tx_lower[0, 0] - error < got.i_tx[0, 0] < around.i_tx[0, 0] + error
    assert got.i_ty[0, 0] < got.i_tx[0, 0] + error
    # between two Gaussians three deviations apart and classes known without noise
    assert 0.4 < got.i_ty[0, 0] < np.log(2)


def test_a_copy_of_a_unit_changes_nothing():
    activations, y = layers()
    t = activations["wide"]
    double = np.concatenate([t, t[..., :1]], axis=-1)
    for method in ("adaptive", "mass"):
        one, two = (bottleneck.plane([a], y, method=method, bins=5) for a in (t, double))
        np.testing.assert_allclose(one.i_tx, two.i_tx, rtol=1e-5)
        np.testing.assert_allclose(one.i_ty, two.i_ty, rtol=1e-4)


def test_the_plane_goes_through_jit():
    activations, y = layers(n=50)
    inside = jax.jit(lambda t: bottleneck.plane([t], y, bins=4).i_tx)(activations["wide"])
    outside = bottleneck.plane([activations["wide"]], y, bins=4)
    np.testing.assert_allclose(inside, outside.i_tx, rtol=1e-6)
    assert jax.tree.map(jnp.shape, outside).i_tx == (1, 2, 3)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"method": "magic"}, "method='magic'"),
        ({"bins": 1}, "bins=1"),
        ({"edges": (1.0, -1.0)}, "edges"),
        ({"std": 0.0}, "std=0"),
        ({"width": -1.0}, "width=-1"),
        ({"num_classes": 2}, "give 0..1"),
        ({"activations": {}}, "empty"),
        ({"activations": [np.ones((5, 2)), np.ones((4, 2))]}, "leading axes"),
        ({"activations": [np.full((300, 2), np.nan)]}, "NaN"),
        ({"labels": np.zeros(3, int)}, "labels has shape"),
        ({"method": "propagation", "conditional": {"x": np.ones(3)}}, "no layers"),
    ],
)
def test_bad_input_is_refused_by_name(change, named):
    activations, y = layers()
    arguments = {"activations": activations, "labels": y} | change
    with pytest.raises(ValueError, match=named):
        bottleneck.plane(**arguments)


@pytest.mark.parametrize("half", [np.float16, jnp.bfloat16])
def test_half_precision_is_counted_exactly(half):
    t = (np.arange(9000) % 3)[:, None]
    three = np.log(3), np.log(3) - 2 / 3 * np.log(2)
    traced = jax.jit(lambda v: bottleneck.plane([v], t[:, 0] == 0, bins=3))
    for v in (t.astype(half), jnp.asarray(t, half)):
        for got in (bottleneck.plane([v], t[:, 0] == 0, bins=3), traced(jnp.asarray(v))):
            assert got.i_tx.dtype == np.float32
            np.testing.assert_allclose([got.i_tx[0], got.i_ty[0]], three, rtol=1e-5)
    assert bottleneck.draw(bottleneck.plane([t.astype(half)], t[:, 0] == 0, bins=3)).lines


@pytest.mark.parametrize("dim", [8, 256])
def test_distances_of_far_points_do_not_cancel(dim):
    far = np.random.default_rng(0).normal(size=(4, dim)) * 10
    t, y = np.repeat(far, 100, axis=0).astype(np.float32), np.repeat(np.arange(4), 100)
    found = [bottleneck.plane([t], y, method="kde")]
    if dim > 32:
        found.append(jax.jit(lambda v: bottleneck.plane([v], y, method="kde"))(t))
    for got in found:
        point = got.i_tx_lower[0], got.i_tx[0], got.i_ty_lower[0], got.i_ty[0]
        np.testing.assert_allclose(point, np.log(4), rtol=1e-5)


def test_cells_far_from_zero():
    t = 1e9 + 0.07 * (np.arange(300) % 4)[:, None] + 0.01
    got = bottleneck.plane([t], np.arange(300) % 2, method="width")
    np.testing.assert_allclose([got.i_tx[0], got.i_ty[0]], [np.log(4), np.log(2)], rtol=1e-6)
    lattice = np.linspace(0, 1, 11)[np.arange(330) % 11][:, None]
    counts = [bottleneck.plane([s * lattice], np.arange(330) % 2, bins=10).i_tx for s in (1, 1e-3)]
    np.testing.assert_allclose(counts[0], counts[1], rtol=1e-6)


def test_many_classes_of_any_names():
    n = 50_000
    names = np.random.default_rng(0).permutation(n) * 10**14 - 7
    t = (np.arange(n) % 7)[:, None] * 1.0
    np.testing.assert_allclose(bottleneck.plane([t], names, bins=7).i_ty, np.log(7), rtol=1e-4)
    got = bottleneck.plane([t[:700]], np.where(np.arange(700) % 7, 1, -1), bins=7)
    want = bottleneck.plane([t[:700]], np.arange(700) % 7 > 0, bins=7)
    np.testing.assert_allclose(got.i_ty, want.i_ty, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (np.ones((300, 8, 8, 4)), r"has shape \(300, 8, 8, 4\).*reshape\(300, -1\)"),
        (np.ones((5, 300)), r"has shape \(5, 300\).*last two axes exchanged"),
        (np.ones((300, 0)), "has shape"),
        (np.ones((300, 2)) * 1j, "complex"),
        ([["a", "b"]], "no numbers"),
    ],
)
def test_a_layer_of_another_shape_is_blamed_itself(layer, named):
    with pytest.raises(ValueError, match=named) as error:
        bottleneck.plane({"conv": layer}, np.arange(300) % 2)
    assert "conv" in str(error.value) and "labels has" not in str(error.value)


@pytest.mark.parametrize("method", ["adaptive", "mass", "edges", "width", "kde", "renyi"])
def test_traced_activations_that_are_no_numbers_have_no_coordinates(method):
    t = np.random.default_rng(0).normal(size=(2, 30, 2)).astype(np.float32)
    t[1, 4, 0] = np.nan
    got = jax.jit(lambda v: bottleneck.plane([v], np.arange(30) % 2, method=method))(t)
    for part in (got.i_tx, got.i_ty):
        assert np.isfinite(part[0, 0]) and np.isnan(part[0, 1])


def test_the_picture_marks_its_ends_and_says_where_nothing_is_seen():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    told_apart = bottleneck.plane([rng.normal(size=(3, 60, 8))], y)
    halved = bottleneck.plane([(2.0 * y + np.zeros((3, 60)))[..., None]], y)
    assert float(told_apart.log_n) == pytest.approx(np.log(60))
    shares = np.bincount(y) / 60
    assert float(told_apart.label_entropy) == pytest.approx(-np.sum(shares * np.log(shares)))
    for found, saturated in ((told_apart, True), (halved, False)):
        ax = bottleneck.draw(found)
        words = [text.get_text() for text in ax.texts]
        assert "log n " in words and " H(Y)" in words
        assert any("saturated" in text for text in words) == saturated
        assert ax.get_xlim()[0] <= 0 and ax.get_xlim()[1] > np.log(60)
