import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi
from ibjax.mi.critics import critic

FAST = {"widths": (32,), "steps": 400, "every": 50, "batch": 64, "learning_rate": 3e-3}
SMALL = {**FAST, "steps": 150}


def correlated(n, rho, seed, dim=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim)).astype(np.float32)
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(n, dim)).astype(np.float32)
    return x, y.astype(np.float32)


# each way of training once (infonce below); what is measured has its own tests
@pytest.mark.parametrize("name", ["mine", "smile", "club", "doe"])
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
    rho = np.array([0.0, 0.0, 0.0, 0.0, 0.5, 0.95])
    x, y = np.stack([correlated(300, r, i) for i, r in enumerate(rho)], axis=1)
    keys = jax.random.split(jax.random.key(1), len(rho))
    got = jax.jit(jax.vmap(lambda k, a, b: mi.neural(k, a, b, **SMALL)))(keys, x, y)
    want = [float(mi.neural(k, a, b, **SMALL).value) for k, a, b in zip(keys[3:], x[3:], y[3:])]
    np.testing.assert_allclose(got.value[3:], want, atol=2e-3)
    truth = -0.5 * np.log1p(-(rho**2))
    assert np.all(np.abs(got.value - truth) < 4 * got.std_error + 0.1)
    assert got.value[5] > 0.6 > 0.3 > got.value[:4].max() and got.ok.all()
    # unrelated samples show no information
    assert np.max(got.value[:4] / got.std_error[:4]) < 3


def test_learning_rates_do_not_compile_again():
    from ibjax.mi.variational import _train

    x, y = correlated(300, 0.5, 0)
    first = mi.neural(jax.random.key(0), x, y, **SMALL)
    size = _train._cache_size()
    second = mi.neural(jax.random.key(0), x, y, **{**SMALL, "learning_rate": 1e-2, "tau": 3.0})
    assert _train._cache_size() == size
    assert float(first.value) != float(second.value)


@pytest.mark.parametrize("kind", ["separable", "joint", "conditional", "densities"])
def test_scores_of_all_pairs_are_scores_of_each(kind, x64):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(6, 2))
    grid = np.linspace(-40, 40, 801)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)

    @jax.jit
    def check():
        model = critic(kind, 3, 2, (8, 5), jnp.float64)
        params = model.init(jax.random.key(0))
        if kind == "densities":
            pairs = model.scores(params, x, y[:4])
            each = [model.scores(params, x[i : i + 1], y[i : i + 1])[0] for i in range(4)]
            many = jnp.broadcast_to(x[:1], (len(points), 3))
            return pairs, jnp.stack(each), jnp.exp(model.scores(params, many, points)).sum(0)
        one = jax.vmap(lambda a, b: model.scores(params, a[None], b[None])[0, 0], (None, 0))
        mass = jnp.exp(model.scores(params, x[:1], points)).sum() if kind == "conditional" else 0.0
        return model.scores(params, x, y), jax.vmap(one, (0, None))(x, y), mass

    table, each, mass = check()
    np.testing.assert_allclose(table, each, rtol=1e-12)
    if kind in ("conditional", "densities"):  # they integrate to one over y
        np.testing.assert_allclose(mass * 0.1**2, 1.0, rtol=1e-6)


def test_what_cannot_be_learnt_is_flagged():
    x, y = correlated(300, 0.5, 0)
    assert not bool(mi.neural(jax.random.key(0), np.ones_like(x), y, **SMALL).ok)
    wild = mi.neural(jax.random.key(0), x, y, **{**SMALL, "learning_rate": float("inf")})
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
