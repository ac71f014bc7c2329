import jax
import numpy as np
import pytest

from ibjax import bottleneck

RHO = np.array([0.9, 0.6, 0.3])
COV = np.block([[np.eye(3), np.diag(RHO)], [np.diag(RHO), np.eye(3)]])


def mixed(seed=0):
    """The same canonical correlations after invertible maps of X and of Y."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3, 3))
    maps = np.block([[a, np.zeros((3, 3))], [np.zeros((3, 3)), b]])
    return maps @ COV @ maps.T


def test_known_points_and_critical_values(x64):
    known = {
        1.5: (0.3784314975, 0.2810594591),
        2.0: (0.7250050878, 0.4837920131),
        3.0: (1.1304701959, 0.6480440466),
        5.0: (1.8236173764, 0.8303656034),
        11.5: (2.8075684365, 0.9642068272),
        50.0: (5.1182359979, 1.0703604335),
    }
    for cov in (COV, mixed()):
        for beta, (i_tx, i_ty) in known.items():
            got = bottleneck.gaussian_ib(cov, beta)
            np.testing.assert_allclose([got.i_tx, got.i_ty], [i_tx, i_ty], atol=2e-9)
        want = [1.2345679012, 2.7777777778, 11.1111111111]
        np.testing.assert_allclose(got.critical, want, rtol=1e-9)


@pytest.mark.parametrize("beta", [1.1, 2.0, 4.0, 30.0])
def test_the_encoder_has_the_stated_information(beta, x64):
    cov = mixed(1)
    got = bottleneck.gaussian_ib(cov, beta, 3)
    a, x, y = np.asarray(got.encoder), cov[:3, :3], cov[3:, 3:]
    given_y = x - cov[:3, 3:] @ np.linalg.solve(y, cov[3:, :3])
    both = [np.linalg.slogdet(a @ c @ a.T + np.eye(3))[1] / 2 for c in (x, given_y)]
    np.testing.assert_allclose(got.i_tx, both[0], atol=1e-10)
    np.testing.assert_allclose(got.i_ty, both[0] - both[1], atol=1e-10)


def test_slope_of_the_curve_is_one_over_beta(x64):
    def point(beta):
        got = bottleneck.gaussian_ib(COV, beta)
        return got.i_tx, got.i_ty

    for beta in (1.5, 4.0, 20.0):
        dx, dy = jax.jacfwd(point)(beta)
        np.testing.assert_allclose(dy / dx, 1 / beta, rtol=1e-10)


def test_vmap_is_a_loop_and_nothing_below_the_first_critical_value(x64):
    betas = np.array([0.5, 1.2, 3.0])
    many = jax.vmap(lambda b: bottleneck.gaussian_ib(COV, b).i_tx)(betas)
    np.testing.assert_allclose(many, [bottleneck.gaussian_ib(COV, b).i_tx for b in betas])
    assert many[0] == many[1] == 0.0
    assert not bottleneck.gaussian_ib(COV, 1.0).encoder.any()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((np.ones((2, 3)), 2.0), "square"), ((COV, 2.0, 6), "dim_x=6"), ((COV, -1.0), "beta=-1")],
)
def test_bad_input_is_refused_by_name(arguments, named):
    with pytest.raises(ValueError, match=named):
        bottleneck.gaussian_ib(*arguments)


def test_what_does_not_vary_has_no_part(dtype):
    # a constant feature, a feature that is there twice, a sum of two others
    one = np.array([[1, 0, 0.6], [0, 0, 0], [0.6, 0, 1]], dtype)
    twice = np.array([[1, 1, 0.6], [1, 1, 0.6], [0.6, 0.6, 1]], dtype)
    for cov in (one, twice):
        got = bottleneck.gaussian_ib(cov, 5, dim_x=2)
        # beta rho^2 = 1.8: (log(4 * .36 / .64) / 2, that less log(1.8) / 2)
        np.testing.assert_allclose(got.i_tx, 0.4054651081, rtol=1e-6)
        np.testing.assert_allclose(got.i_ty, 0.1115717757, rtol=1e-6)
        np.testing.assert_allclose(got.critical, [1 / 0.36, np.inf], rtol=1e-6)
        a = np.asarray(got.encoder, float)
        noisy = a @ cov[:2, :2] @ a.T + np.eye(2)
        np.testing.assert_allclose(0.5 * np.linalg.slogdet(noisy)[1], got.i_tx, rtol=1e-5)
        # under jit a singular block is no number, rather than nothing
        assert np.isnan(jax.jit(lambda c: bottleneck.gaussian_ib(c, 5, dim_x=2).i_tx)(cov))
    scale = np.array([1e-6, 1, 1e3, 1, 1e6, 1e-3])
    got = bottleneck.gaussian_ib(COV * np.outer(scale, scale), 5.0)
    np.testing.assert_allclose(got.i_tx, 1.8236173764, rtol=1e-5)


def test_samples_fewer_than_features_determine_the_labels(dtype):
    z = np.random.default_rng(0).normal(size=(5, 9))
    got = bottleneck.gaussian_ib(np.cov(z.T).astype(dtype), 3.0, dim_x=7)
    assert np.isinf(got.i_tx)
