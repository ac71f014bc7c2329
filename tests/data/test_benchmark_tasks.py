import jax
import numpy as np
import pytest
from scipy.stats import multivariate_t, norm, uniform

from ibjax import data

LAWS = data.benchmark_laws()
# in nats, as the benchmark itself prints them
PRINTED = {
    "1v1-normal-0.75": 0.4133,
    "1v1-additive-0.1": 1.7094,
    "1v1-additive-0.75": 0.3333,
    "1v1-bimodal-0.75": 0.4133,
    "swissroll_x-normal_cdf-1v1-normal-0.75": 0.4133,
    "multinormal-dense-2-2-0.5": 0.2939,
    "multinormal-dense-50-50-0.5": 1.6243,
    "multinormal-sparse-25-25-2-2.0": 1.0217,
    "spiral-normal_cdf-multinormal-sparse-5-5-2-2.0": 1.0217,
    "student-identity-1-1-1": 0.2242,
    "student-identity-2-2-1": 0.4319,
    "student-identity-2-2-2": 0.1931,
    "student-identity-3-3-2": 0.2909,
    "student-identity-3-3-3": 0.1787,
    "student-identity-5-5-3": 0.2985,
    "asinh-student-identity-5-5-2": 0.4482,
}


def draw(name, n):
    # one program a law, where eager calls would compile every operation
    x, y = jax.jit(LAWS[name].maker, static_argnums=1)(jax.random.key(0, impl="rbg"), n)
    return np.asarray(x), np.asarray(y)


def test_forty_laws_carry_the_printed_information():
    assert len(LAWS) == 40
    for name, value in PRINTED.items():
        assert LAWS[name].mutual_information == pytest.approx(value, abs=6e-5), name
    for name, law in LAWS.items():
        assert law.name == name and law.mutual_information > 0.1


def test_a_draw_is_a_data_set_with_its_truth():
    name = "swissroll_x-normal_cdf-1v1-normal-0.75"
    law = LAWS[name]
    found = law.draw(jax.random.key(0, impl="rbg"), 7)
    assert found.x.shape == (7, law.dim_x) and found.y.shape == (7, law.dim_y)
    assert found.truth == {"mutual_information": law.mutual_information}
    assert (found.name, found.num_classes) == (name, 0)
    with pytest.raises(ValueError, match="n=0"):
        law.draw(jax.random.key(0), 0)


def test_every_law_has_the_dimensions_it_states():
    for law in LAWS.values():
        x, y = jax.eval_shape(lambda k, law=law: law.maker(k, 5), jax.random.key(0))
        assert (x.shape, y.shape) == ((5, law.dim_x), (5, law.dim_y)), law.name


@pytest.mark.parametrize("name", ["multinormal-dense-3-3-0.5", "multinormal-sparse-3-3-2-2.0"])
def test_gaussian_laws_have_their_covariance(name, x64):
    law = LAWS[name]
    d = law.dim_x
    want = np.eye(2 * d)
    if "dense" in name:
        want = 0.5 * want + 0.5
    else:
        for i in range(2):
            want[i, d + i] = want[d + i, i] = 0.8
    logs = [np.linalg.slogdet(c)[1] for c in (want[:d, :d], want[d:, d:], want)]
    truth = (logs[0] + logs[1] - logs[2]) / 2
    np.testing.assert_allclose(truth, law.mutual_information, rtol=1e-12)
    got = np.cov(np.hstack(draw(name, 20_000)).T)
    np.testing.assert_allclose(got, want, atol=4 * np.sqrt(2 / 20_000))


@pytest.mark.parametrize("name", ["student-identity-1-1-1", "student-identity-3-3-2"])
def test_student_information_is_the_mean_log_ratio_of_its_densities(name, x64):
    law = LAWS[name]
    x, y = draw(name, 20_000)
    freedom = int(name.rsplit("-", 1)[1])
    log = [
        multivariate_t(np.zeros(v.shape[1]), df=freedom).logpdf(v)
        for v in (np.hstack([x, y]), x, y)
    ]
    ratio = log[0] - log[1] - log[2]
    error = ratio.std() / np.sqrt(len(ratio))
    assert abs(ratio.mean() - law.mutual_information) < 3.5 * error < 0.05


@pytest.mark.parametrize("width", [0.1, 0.75])
def test_additive_information_is_the_mean_log_ratio_of_its_densities(width, x64):
    x, y = draw(f"1v1-additive-{width}", 20_000)
    of_y = uniform.cdf(y + width) - uniform.cdf(y - width)  # times 1 / (2 width)
    ratio = -np.log(of_y)
    error = ratio.std() / np.sqrt(len(ratio))
    truth = LAWS[f"1v1-additive-{width}"].mutual_information
    assert abs(ratio.mean() - truth) < 3.5 * error + 1e-12
    assert np.abs(y - x).max() <= width and 0 <= x.min() and x.max() <= 1


def test_maps_are_of_the_base_law_and_can_be_undone(x64):
    x, y = draw("1v1-normal-0.75", 400)
    for name in ("normal_cdf", "half_cube", "wiggly"):
        u, v = draw(f"{name}-1v1-normal-0.75", 400)
        for z, image in ((x, u), (y, v)):
            np.testing.assert_array_equal(np.argsort(z[:, 0]), np.argsort(image[:, 0]))
    np.testing.assert_allclose(draw("normal_cdf-1v1-normal-0.75", 400)[0], norm.cdf(x), rtol=1e-12)
    cube = draw("half_cube-1v1-normal-0.75", 400)[1]
    np.testing.assert_allclose(np.sign(cube) * np.abs(cube) ** (2 / 3), y, rtol=1e-12)
    rolled = draw("swissroll_x-normal_cdf-1v1-normal-0.75", 400)[0]
    turn = np.linalg.norm(21 * rolled, axis=1) / (1.5 * np.pi)
    np.testing.assert_allclose((turn - 1) / 2, norm.cdf(x[:, 0]), atol=1e-12)
    scale = draw("asinh-student-identity-3-3-2", 9)[1]
    np.testing.assert_allclose(np.sinh(scale), draw("student-identity-3-3-2", 9)[1], rtol=1e-12)


def test_bimodal_marginals_have_their_quantiles(dtype):
    x, y = draw("1v1-normal-0.75", 400)
    u, v = draw("1v1-bimodal-0.75", 400)
    assert u.dtype == dtype
    tolerance = 1e-10 if dtype == "float64" else 2e-5
    for z, q, parts in ((x, u, (0.3, 0, 5)), (y, v, (0.5, -1, 3))):
        q = q.astype(float)
        below = parts[0] * norm.cdf(q - parts[1]) + (1 - parts[0]) * norm.cdf(q - parts[2])
        np.testing.assert_allclose(below, norm.cdf(z.astype(float)), atol=tolerance)


def test_spirals_turn_two_coordinates(x64):
    dim = 3
    base = draw("multinormal-sparse-3-3-2-2.0", 50)
    turned = draw("spiral-multinormal-sparse-3-3-2-2.0", 50)
    for first, v, w in zip((0, 1), base, turned):
        pair = slice(first, first + 2)
        others = np.delete(np.arange(dim), [first, first + 1])
        np.testing.assert_array_equal(v[:, others], w[:, others])
        before, after = (u[:, pair] @ [1, 1j] for u in (v, w))
        angle = (v**2).sum(1) / dim
        np.testing.assert_allclose(after, before * np.exp(1j * angle), rtol=1e-10)


def test_draws_compile_and_map_over_keys():
    law = LAWS["asinh-student-identity-2-2-1"]
    keys = jax.random.split(jax.random.key(0), 2)
    many = jax.jit(jax.vmap(lambda k: law.draw(k, 11).x))(keys)
    np.testing.assert_allclose(many, [law.draw(k, 11).x for k in keys], rtol=1e-5)
