"""What is refused where it is known gives no number where it is traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bottleneck, infinite, maxent, teacher

RNG = np.random.default_rng(0)
X, ONES = RNG.normal(size=(8, 2)), np.ones(2)
MANY = RNG.normal(size=(200, 2))
KERNEL = X @ X.T + np.eye(8)
LABELS = np.arange(8) % 2
LAW = np.full((8, 2), 1 / 16)
JOINT = RNG.dirichlet(np.ones(3), 4) / 4
COV = np.array([[1.0, 0.6], [0.6, 1.0]])

CASES = {
    "kernel_information": (teacher.kernel_information, (KERNEL, 0.2), (1, np.inf)),
    "rate_scale": (teacher.rate_scale, (100.0, 10.0, 50.0), (1, -10.0)),
    "rate_scale of no samples": (teacher.rate_scale, (100.0, 10.0, 50.0), (0, 0.0)),
    "error_probability": (infinite.error_probability, (ONES, ONES, ONES), (1, -ONES)),
    "error_probability of NaN": (
        infinite.error_probability,
        (ONES, ONES, ONES),
        (1, np.nan * ONES),
    ),
    "pair_errors": (infinite.pair_errors, (ONES, COV, ONES), (0, np.inf * ONES)),
    "gaussian_frontier": (infinite.gaussian_frontier, (ONES, 0.5 * ONES), (0, -ONES)),
    "gaussian_frontier of more": (infinite.gaussian_frontier, (ONES, 0.5 * ONES), (1, 3 * ONES)),
    "gradient_flow": (
        lambda k, y, t: infinite.gradient_flow(infinite.Kernels(k, k), y, t),
        (KERNEL, X[:, 0], np.array([1.0])),
        (2, np.array([-1.0])),
    ),
    "largest_learning_rate": (infinite.largest_learning_rate, (KERNEL,), (0, KERNEL * np.inf)),
    "nngp_regression": (
        infinite.nngp_regression,
        (KERNEL, X[:, 0], KERNEL[:3], KERNEL[:3, :3], 0.1),
        (0, KERNEL * np.inf),
    ),
    "ntk_regression": (
        infinite.ntk_regression,
        (KERNEL, X[:, 0], KERNEL[:3], 0.1),
        (0, KERNEL * np.inf),
    ),
    "binarise": (maxent.binarise, (X,), (0, X * np.nan)),
    "joint_table": (lambda y: maxent.joint_table(y, 2), (LABELS,), (0, LABELS + 1)),
    "moment_residual": (maxent.moment_residual, (X, LABELS, LAW * 8), (0, X * np.nan)),
    "moment_residual of labels": (maxent.moment_residual, (X, LABELS, LAW * 8), (1, LABELS - 1)),
    "moments": (maxent.moments, (X, LAW, np.eye(2), ONES), (1, -LAW + [[0.2, 0.0]])),
    "moments of labels": (
        lambda x, y: maxent.moments(x, y, np.eye(2), ONES, num_classes=2),
        (X, LABELS),
        (1, LABELS + 1),
    ),
    "total_correlation": (
        lambda x, y: maxent.total_correlation(x, y, num_classes=2),
        (MANY, np.arange(200) % 2),
        (1, np.arange(200) % 2 + 5),
    ),
    "total_correlation of vectors": (
        lambda x, y: maxent.total_correlation(x, y, num_classes=2, method="gaussian"),
        (X, LABELS),
        (1, LABELS - 1),
    ),
    "decompose": (maxent.decompose, (1.0 * (X > 0), LAW), (1, -LAW + [[0.2, 0.0]])),
    "decompose of NaN": (maxent.decompose, (1.0 * (X > 0), LAW), (0, X * np.nan)),
    "critical_beta": (bottleneck.critical_beta, (JOINT,), (0, -JOINT)),
    "ib": (lambda j, b: bottleneck.ib(j, b, 2, restarts=2), (JOINT, 3.0), (0, -JOINT)),
    "deterministic_ib": (
        lambda j, b: bottleneck.deterministic_ib(j, b, 2, restarts=2),
        (JOINT, 3.0),
        (1, -3.0),
    ),
    "squared_ib": (
        lambda j, b: bottleneck.squared_ib(j, b, 2, restarts=2),
        (JOINT, 3.0),
        (1, -3.0),
    ),
    "gaussian_ib": (bottleneck.gaussian_ib, (COV, 3.0), (1, -3.0)),
    "gaussian_ib of NaN": (bottleneck.gaussian_ib, (COV, 3.0), (1, np.nan)),
    "label_law": (lambda y: bottleneck.label_law(y, 2), (LABELS,), (0, LABELS + 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused_where_it_is_known_gives_no_number_where_it_is_traced(name):
    function, given, (place, wrong) = CASES[name]
    bad = list(given)
    bad[place] = wrong
    with pytest.raises(ValueError):
        function(*bad)
    traced = jax.jit(function)
    ok, flag = _sound(traced(*given)), _sound(traced(*bad))
    assert ok and not flag


def _sound(found):
    """Whether there is a number: a flag that says so, or no NaN where there is none."""
    for name in ("ok", "holds", "converged"):
        if hasattr(found, name):
            return bool(jnp.all(getattr(found, name)))
    numbers = [v for v in jax.tree.leaves(found) if jnp.issubdtype(v.dtype, jnp.floating)]
    return not any(bool(jnp.isnan(v).any()) for v in numbers)
