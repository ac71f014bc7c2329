import numpy as np
import pytest

from ibjax import bounds
from ibjax.bounds.weights.hierarchical import binary_gaussian


def test_the_rest_of_the_network_as_a_lipschitz_map(x64):
    got = bounds.tail_lipschitz([2.0, 3.0, 0.1])
    np.testing.assert_allclose(got, [1.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(bounds.tail_lipschitz([2.0, 3.0, 0.5]), [3.0, 1.5, 1.0, 1.0])
    halved = bounds.tail_lipschitz([[2.0, 3.0], [8.0, 4.0]], slope=[0.5, 0.5])
    np.testing.assert_allclose(halved, [[1.5, 1.5, 1.0], [8.0, 2.0, 1.0]])
    # One number for activations says nothing of the output, which mostly has none.
    linear = bounds.tail_lipschitz([[2.0, 3.0], [8.0, 4.0]], slope=0.5)
    np.testing.assert_allclose(linear, [[3.0, 3.0, 1.0], [16.0, 4.0, 1.0]])
    steep = bounds.tail_lipschitz([[2.0, 3.0], [8.0, 4.0]], slope=2.0)
    np.testing.assert_allclose(steep, [[24.0, 6.0, 1.0], [128.0, 8.0, 1.0]])
    with pytest.raises(ValueError, match="slope"):
        bounds.tail_lipschitz([2.0, 3.0], slope=[1.0, 1.0, 1.0])


def test_a_sigmoid_network_with_linear_output_keeps_its_slope(x64):
    """Logit 8 sigmoid(4 x): near 0 it rises by 8, a quarter of which no activation takes away."""
    far = 0.01
    moved = 8 / (1 + np.exp(-4 * far / 2)) - 8 / (1 + np.exp(4 * far / 2))
    after = moved / 8, moved
    got = bounds.funnel_layers([[far, *after]], [[4.0, 8.0]], slope=0.25, law=[1.0])
    assert got.kind == "certificate" and np.all(got.value >= moved * (1 - 1e-12))
    assert got.value[0] == pytest.approx(8 * far)


def test_the_smallest_layer_after_the_mean_over_weights(x64):
    norms = np.array([[2.0, 1.0], [2.0, 3.0]])
    distances = np.array([[0.1, 0.3, 0.5], [0.1, 0.2, 0.5]])
    each = np.array([[0.2, 0.3, 0.5], [0.6, 0.6, 0.5]])
    layers = bounds.funnel_layers(distances, norms, 2.0)
    np.testing.assert_allclose(layers.value, 2 * each.mean(0))
    np.testing.assert_allclose(layers.std_error, 2 * each.std(0, ddof=1) / np.sqrt(2), atol=1e-15)
    best = bounds.funnel(distances, norms, 2.0, loss_range=0.9)
    assert best.value == pytest.approx(0.8) and best.kind == "estimate"
    assert not bool(best.vacuous)
    assert bounds.funnel(distances[:1], norms[:1], law=[1.0]).kind == "certificate"
    with pytest.raises(ValueError, match="distances"):
        bounds.funnel([[0.1, 0.2]], [[1.0, 1.0]])
    with pytest.raises(ValueError, match="norms"):
        bounds.tail_lipschitz([-1.0])


def test_the_funnel_of_the_mean_classifier_is_its_output(x64):
    """Linear loss -y w.x: the gap is d s^2 / n; its one weight layer has norm |w|."""
    known = binary_gaussian(50, 10, 1, 1)
    assert known.linear_gap == pytest.approx(0.2, abs=1e-12)
    assert known.output_wasserstein == pytest.approx(0.21005, abs=1e-4)
    assert known.input_wasserstein == pytest.approx(0.47918, abs=1e-4)
    rng = np.random.default_rng(0)
    mu = np.eye(10)[0]
    w = mu + rng.normal(size=(4000, 10)) / np.sqrt(50)
    size = np.linalg.norm(w, axis=1)
    narrower = 1 - np.sqrt(1 - 1 / 50)
    entry = np.sqrt(np.sum((w - mu) ** 2, 1) + 10 * narrower**2)
    end = bounds.gaussian_line(size**2, size * (1 - narrower), w @ mu, size)
    distances = np.stack([entry, end], 1)
    got = bounds.funnel_layers(distances, np.maximum(size, 1e-9)[:, None])
    # norms below 1 count as 1, which the plain expectation does not know
    assert np.argmin(got.value) == 1
    assert abs(got.value[1] - known.output_wasserstein) < 4 * got.std_error[1]
    assert got.value[0] >= known.input_wasserstein - 4 * got.std_error[0]
    assert known.linear_gap <= known.output_wasserstein <= known.input_wasserstein


def test_one_dimension(x64):
    """Corrected digits of the one-dimensional model, which has no quadrature over the norm."""
    got = binary_gaussian(20, 1, 1, 1)
    assert got.gap == pytest.approx(2.78875e-06, abs=5e-12)
    assert got.test == pytest.approx(0.1586578974, abs=6e-11)
    assert got.output_bound == pytest.approx(0.1132401148, abs=6e-11)
    assert got.linear_gap == pytest.approx(0.05) and got.linear_gap <= got.output_wasserstein


def test_averages_over_weights_are_no_rows(x64):
    """Z = +-1 fair; half of the time W = 10 Z, else W = 0.1; loss -w z: the gap is exactly 5."""
    law = np.array([0.25, 0.25, 0.5])
    weights, means = np.array([10.0, -10.0, 0.1]), np.array([1.0, -1.0, 0.0])
    gap = float(np.sum(law * weights * means))
    assert gap == 5.0
    # Given W the training point is its sign, or still fair; the output is a multiple of it.
    norms = np.abs(weights)[:, None]
    distances = np.stack([np.abs(means), np.abs(weights * means)], 1)
    got = bounds.funnel(distances, norms, law=law)
    assert got.kind == "certificate" and float(got.value) == pytest.approx(gap)
    averages = law @ distances, law @ norms
    assert averages[0][0] * averages[1][0] == pytest.approx(2.525)
    for bad in (averages, (averages[0], norms), (distances, averages[1]), (distances[:2], norms)):
        with pytest.raises(ValueError, match="one row a W"):
            bounds.funnel(*bad)
    # Norms that hold for every W may leave the expectation.
    for far in (averages[0], distances):
        safe = bounds.funnel(far, norms.max(0), norms_for_all=True)
        assert float(safe.value) >= gap - 1e-12
    assert bounds.funnel(averages[0], [10.0], norms_for_all=True).kind == "certificate"
    assert bounds.funnel(distances, norms).kind == "estimate"
    for keywords, words in (
        ({"law": [0.5, 0.5]}, "law has shape"),
        ({"law": [0.5, 0.5, 0.5]}, "sum to one"),
        ({"norms_for_all": True}, "norms has shape"),
    ):
        with pytest.raises(ValueError, match=words):
            bounds.funnel(distances, norms, **keywords)
    with pytest.raises(ValueError, match="averages"):
        bounds.funnel(averages[0], [10.0], norms_for_all=True, law=law)
