import jax
import numpy as np

from ibjax import infinite
from ibjax.reproduce import reproductions
from ibjax.reproduce.infinite import ensembles as infinite_ensembles
from ibjax.reproduce.outcome import record


def test_the_draws_are_those_of_the_known_numbers(x64):
    """The regression error at infinite time to the last known digit, all 1,256 draws."""
    x, y, x_test, y_test = infinite_ensembles.draws()
    net = {"depth": 3, "activation": "erf", "w_std": 0.5**0.5, "b_std": 0.1}
    train, cross = infinite.mlp_kernels(x, **net), infinite.mlp_kernels(x_test, x, **net)
    error = np.mean((infinite.ntk_regression(train.ntk, y, cross.ntk)[:, 0] - y_test) ** 2)
    assert abs(error - infinite_ensembles.KNOWN["erf", 0.5][np.inf].mse) < 5e-5


def test_the_frontier_is_the_bottleneck_of_one_correlation(x64):
    information = np.array([0.0, 0.1, 1.0, 3.0])
    best, slope = infinite_ensembles.frontier(information)
    np.testing.assert_allclose(
        best, infinite.gaussian_frontier(information, [1.15**-0.5]), rtol=1e-10, atol=1e-12
    )
    rough = (infinite_ensembles.frontier(information + 1e-6)[0] - best) / 1e-6
    np.testing.assert_allclose(slope, rough, rtol=1e-4)


def test_a_small_sweep_lies_below_the_frontier(tmp_path, check_shown):
    with jax.enable_x64(True):
        data = infinite_ensembles.experiment((0.5, 2.0), (10.0, np.inf), examples=64, tests=100)
    assert infinite_ensembles.below(data).all()
    assert np.all(data["input_lower"] <= data["input_upper"])
    assert np.all(data["gibbs"] <= data["bayes"])
    # Far above the frontier would be noticed.
    lifted = data.assign(label_lower=data["frontier"] + 0.5)
    assert not infinite_ensembles.below(lifted).any()
    assert infinite_ensembles.table(data).row_count == 6
    name = "infinite-ensembles"
    check_shown(name, record(data, tmp_path / "x.nc", name, infinite_ensembles.view))
    assert reproductions()[name].run is infinite_ensembles.run
