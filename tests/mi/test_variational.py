import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi
from ibjax.mi.critics import critic

FAST = {"widths": (32,), "steps": 400, "every": 50, "batch": 64, "learning_rate": 3e-3}


def correlated(n, rho, seed, dim=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim)).astype(np.float32)
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, dim)).astype(np.float32)
    return x, y.astype(np.float32)


# each way of training once (infonce below); what is measured has its own tests
@pytest.mark.parametrize("name", ["mine", "nwj", "interpolated", "smile", "club"])
def test_a_gaussian_pair_is_learnt(name):
    x, y = correlated(2000, 0.8, 0)
    truth = -0.5 * np.log1p(-0.64)
    got = mi.neural(jax.random.key(0), x, y, name, **FAST)
    value, error = float(got.value), float(got.std_error)
    assert bool(got.ok) and got.name == f"neural_{name}" and 0.01 < error < 0.3
    if name == "club":  # exact q: I plus the reverse divergence, rho^2 / (1 - rho^2) in all
        assert abs(value - 0.64 / 0.36) < 4 * error
    else:
        assert truth - 4 * error - 0.05 < value < truth + 3 * error


def test_one_program_for_many_layers_and_keys():
    x, y = np.stack([correlated(300, r, i) for i, r in enumerate((0.0, 0.5, 0.95))], axis=1)
    keys = jax.random.split(jax.random.key(1), 3)
    fast = {**FAST, "steps": 150}
    got = jax.jit(jax.vmap(lambda k, a, b: mi.neural(k, a, b, **fast)))(keys, x, y)
    want = [float(mi.neural(k, a, b, **fast).value) for k, a, b in zip(keys, x, y)]
    np.testing.assert_allclose(got.value, want, atol=2e-3)
    truth = -0.5 * np.log1p(-(np.array([0.0, 0.5, 0.95]) ** 2))
    assert np.all(np.abs(got.value - truth) < 4 * got.std_error + 0.1)
    assert got.value[2] > 0.6 > 0.3 > got.value[0] and got.ok.all()


def test_learning_rates_do_not_compile_again():
    from ibjax.mi.variational import _train

    x, y = correlated(300, 0.5, 0)
    fast = {**FAST, "steps": 150}
    first = mi.neural(jax.random.key(0), x, y, **fast)
    size = _train._cache_size()
    second = mi.neural(jax.random.key(0), x, y, **{**fast, "learning_rate": 1e-2, "tau": 3.0})
    assert _train._cache_size() == size
    assert float(first.value) != float(second.value)


def test_unrelated_samples_show_no_information():
    rng = np.random.default_rng(0)
    values = []
    for seed in range(4):  # one shape and one program
        x, y = rng.normal(size=(2, 2000, 1)).astype(np.float32)
        got = mi.neural(jax.random.key(seed), x, y, **FAST)
        values.append(float(got.value) / float(got.std_error))
    assert max(values) < 3


@pytest.mark.parametrize("kind", ["separable", "joint", "conditional"])
def test_scores_of_all_pairs_are_scores_of_each(kind, x64):
    model = critic(kind, 3, 2, (8, 5), jnp.float64)
    params = model.init(jax.random.key(0))
    rng = np.random.default_rng(0)
    x, y = jnp.array(rng.normal(size=(4, 3))), jnp.array(rng.normal(size=(6, 2)))
    table = jax.jit(model.scores)(params, x, y)
    one = jax.vmap(lambda a, b: model.scores(params, a[None], b[None])[0, 0], (None, 0))
    each = jax.jit(jax.vmap(one, (0, None)))(x, y)
    np.testing.assert_allclose(table, each, rtol=1e-12)
    if kind == "conditional":  # a density: integrates to one over y
        grid = jnp.linspace(-40, 40, 801)
        a, b = jnp.meshgrid(grid, grid)
        points = jnp.stack([a.ravel(), b.ravel()], axis=1)
        mass = jnp.sum(jnp.exp(jax.jit(model.scores)(params, x[:1], points))) * 0.1**2
        np.testing.assert_allclose(mass, 1.0, rtol=1e-6)


def test_what_cannot_be_learnt_is_flagged():
    x, y = correlated(300, 0.5, 0)
    fast = {**FAST, "steps": 150}
    assert not bool(mi.neural(jax.random.key(0), np.ones_like(x), y, **fast).ok)
    wild = mi.neural(jax.random.key(0), x, y, **{**fast, "learning_rate": float("inf")})
    assert not bool(wild.ok)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"objective": "mini"}, "objective='mini'"),
        ({"critic": "wide"}, "critic='wide'"),
        ({"widths": ()}, "widths"),
        ({"batch": 2}, "batch=2"),
        ({"steps": 0}, "steps=0"),
    ],
)
def test_bad_settings_are_refused_by_name(options, named):
    x, y = correlated(50, 0.5, 0)
    with pytest.raises(ValueError, match=named):
        mi.neural(jax.random.key(0), x, y, **options)
    with pytest.raises(ValueError, match="10 samples"):
        mi.neural(jax.random.key(0), x[:10], y[:10])
