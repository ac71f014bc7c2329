import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bottleneck

P_X = np.array([0.15, 0.25, 0.20, 0.25, 0.15])
ROWS = np.array(
    [[0.8, 0.15, 0.05], [0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.1, 0.3, 0.6], [0.05, 0.15, 0.8]]
)
JOINT = P_X[:, None] * ROWS


@pytest.mark.parametrize("form", ["ib", "dual"])
def test_a_small_cluster_pays_off_between_the_global_and_the_local_value(form, x64):
    local = bottleneck.critical_beta(JOINT, form=form)
    everywhere = bottleneck.global_critical_beta(JOINT, form=form)
    assert everywhere < local
    betas = everywhere * jnp.array([0.995, 1.0005])
    got = bottleneck.curve(JOINT, betas, form=form, max_iterations=20_000)
    own = np.sum(P_X[:, None] * ROWS * np.log(ROWS / (P_X @ ROWS)))
    logs = np.log(ROWS)
    trivial = betas * (own if form == "ib" else -np.log(np.exp(P_X @ logs).sum()))
    np.testing.assert_allclose(got.functional[0], trivial[0], atol=1e-10)
    assert got.i_tx[0] < 1e-7 and got.i_tx[1] > 1e-4
    assert got.functional[1] < trivial[1] - 1e-8


def test_global_value_of_a_binary_input_against_a_grid(x64):
    joint = np.array([[0.9, 0.0], [0.05, 0.05]])
    p, rows = joint.sum(1)[0], joint[:, 0] / joint.sum(1)

    def kl(a, b):
        return a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))

    r = np.linspace(1e-6, 1 - 1e-6, 100_001)
    ratio = kl(r * rows[0] + (1 - r) * rows[1], joint[:, 0].sum()) / kl(r, p)
    got = bottleneck.global_critical_beta(joint)
    np.testing.assert_allclose(got, 1 / ratio.max(), rtol=1e-4)
    assert got < bottleneck.critical_beta(joint) - 0.05


def test_erasure_and_symmetric_channels_split_where_they_should(x64):
    erasure = np.array([[0.35, 0.0, 0.15], [0.0, 0.35, 0.15]])
    for found in (bottleneck.critical_beta(erasure), bottleneck.global_critical_beta(erasure)):
        np.testing.assert_allclose(found, 1 / 0.7, rtol=1e-9)
    bsc = np.array([[0.45, 0.05], [0.05, 0.45]])
    np.testing.assert_allclose(bottleneck.global_critical_beta(bsc), 1.5625, rtol=1e-9)


@pytest.mark.parametrize("form", ["ib", "dual"])
def test_a_cluster_is_stable_until_its_eigenvalue_says_so(form, x64):
    trivial = np.ones((5, 1))
    modes = bottleneck.split_eigenvalues(JOINT, trivial, form=form)
    critical = bottleneck.critical_beta(JOINT, form=form)
    np.testing.assert_allclose(modes[0, 0], 1 / critical, rtol=1e-12)
    second = 1 / 12.26993 if form == "ib" else 0.0329617503
    np.testing.assert_allclose(modes[0, 1], second, rtol=1e-6)
    beta = 4.5
    solution = bottleneck.curve(JOINT, [beta], form=form)
    clusters = bottleneck.split_eigenvalues(JOINT, solution.encoder[0], form=form)
    assert clusters.shape == (5, 3)
    assert (beta * clusters <= 1 + 1e-6).all()


def test_the_eigenvalues_are_those_of_the_linearised_equations(x64):
    q = np.random.default_rng(0).dirichlet(np.ones(2), size=5)
    got = bottleneck.split_eigenvalues(JOINT, q)
    for t in range(2):
        r = P_X * q[:, t] / (P_X @ q[:, t])
        c = ROWS / (r @ ROWS) @ ROWS.T * r
        want = np.sort(np.linalg.eigvals(c).real)[::-1]
        np.testing.assert_allclose(want[0], 1.0, rtol=1e-12)
        np.testing.assert_allclose(got[t, :2], want[1:3], rtol=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="encoder"):
        bottleneck.split_eigenvalues(JOINT, np.ones((4, 2)))
    with pytest.raises(ValueError, match="restarts=0"):
        bottleneck.global_critical_beta(JOINT, restarts=0)


def test_independent_variables_have_no_threshold(x64):
    """Rounding leaves a product a correlation of 1e-16, and a beta of 1e32 to see it by."""
    product = np.outer([0.2, 0.3, 0.5], [0.4, 0.6])
    for form in ("ib", "dual"):
        assert np.isinf(bottleneck.critical_beta(product, form=form))
        found = bottleneck.global_critical_beta(product, form=form, restarts=2, iterations=50)
        assert np.isinf(found)
    # A correlation of 1e-6 is none of rounding.
    weak = np.array([[1 + 1e-6, 1 - 1e-6], [1 - 1e-6, 1 + 1e-6]]) / 4
    assert float(bottleneck.critical_beta(weak)) == pytest.approx(1e12, rel=1e-6)
    rounded = (np.outer([1, 3, 7], [2, 5, 11]) / 198).astype(np.float32)
    assert np.isinf(bottleneck.critical_beta(rounded))


@pytest.mark.parametrize("beta", [1e15, 1e300])
def test_a_large_beta_pays_no_rounding(x64, beta):
    product = np.outer([0.2, 0.3, 0.5], [0.4, 0.6])
    found = bottleneck.ib(product, beta, restarts=3)
    assert abs(float(found.functional)) < 1e-14 and float(found.i_tx) < 1e-14
    dual = bottleneck.dual_ib(product, beta, restarts=3)
    assert 0 <= float(dual.functional) < (1e-14 if dual.converged else 1e-2)
    same = bottleneck.ib(np.array([[0.25, 0.25, 0], [0, 0.25, 0.25]]), beta, restarts=3)
    assert float(same.functional) == pytest.approx(np.log(2), abs=1e-14)
