import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import infinite
from ibjax.reproduce import reproductions
from ibjax.reproduce.infinite import bounds as infinite_bounds
from ibjax.reproduce.outcome import record

SMALL = infinite_bounds.Setting(
    n=3, supersamples=2, widths=(3, 256), masks=200, steps=100, checkpoints=1, step=0.02
)


def test_cross_entropy_with_a_third_class_is_the_squared_loss():
    from ibjax.langevin.gradients import cross_entropy

    network = infinite_bounds.squared(5, SMALL)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, SMALL.inputs)), jnp.float32)
    y = jnp.array([0, 1, 1, 0])
    params = network.init(jax.random.key(0), x)
    net = infinite.mlp(2, SMALL.activation, SMALL.w_std, SMALL.b_std, 5)

    def loss(p):
        return cross_entropy(network.apply(p, x, None, None)[0], y).sum()

    def wanted(p):
        return infinite_bounds.SCALE / 2 * jnp.sum((net.apply(p, x)[:, 0] - (2 * y - 1)) ** 2)

    assert loss(params) == pytest.approx(float(wanted(params)) + 4 * np.log(2), rel=1e-5)
    for a, b in zip(*(jax.tree.leaves(jax.grad(f)(params)) for f in (loss, wanted))):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    predicted = jnp.argmax(network.apply(params, x, None, None)[0], 1)
    np.testing.assert_array_equal(predicted, net.apply(params, x)[:, 0] > 0)


def test_wide_networks_reach_the_exact_errors_and_no_bound_is_broken(tmp_path, check_shown):
    data = infinite_bounds.experiment(SMALL)
    limit = data.sel(model="network")
    for name in ("train", "test", "train_loss"):
        wide = data.sel(width=256)
        error = np.asarray(wide[f"finite_{name}_error"])
        # Five standard errors, and half a percent for the width.
        assert np.all(np.abs(wide[f"finite_{name}"] - limit[name]) < 5 * error + 0.005), name
        assert np.all(error < 0.05)
    assert np.all(data["gap"] <= data["e_cmi"])
    assert np.all(data["gap"] <= data["xu_raginsky"])
    assert np.all(data["gap"] > 0.02)
    assert np.all(data["diverged"] == 0)
    assert [t.row_count for t in infinite_bounds.tables(data)] == [2, 3]
    name = "infinite-bounds"
    check_shown(name, record(data, tmp_path / "x.nc", name, infinite_bounds.view))
    assert reproductions()[name].run is infinite_bounds.run
