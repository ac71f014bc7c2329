"""Wasserstein-1 distances between clouds of points, never below the truth for the clouds."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key, Scalar

_METHODS = ("exact", "entropic")
_CELLS = 250_000
"""Largest n * m of an exact plan."""


@enforced
def wasserstein(
    x: Float[Array, "n d"] | Float[Array, " n"],
    y: Float[Array, "m d"] | Float[Array, " m"],
    *,
    method: str = "exact",
    epsilon: float | None = None,
) -> Estimate:
    """Compute the Wasserstein-1 distance of two clouds of points, or an upper bound on it.

    ``W_1 = min over plans pi with the right margins of sum_ij pi_ij |x_i - y_j|``

    In one dimension it is the area between the two distribution functions, whatever the method.
    "exact" solves the assignment (equal sizes) or the linear program, by HiGHS: a network simplex,
    as in POT, would end at the same number. "entropic" takes the plan
    of Sinkhorn's iteration, repairs its margins and returns what it costs: the cost of a plan is
    never below the least cost, which debiased and sliced forms may be.

    Args:
        x: first cloud, uniform weights.
        y: second cloud.
        method: "exact" or "entropic".
        epsilon: strength of the entropy; a twentieth of the mean distance by default.

    Returns:
        The distance of the two clouds, standard error 0. Of two samples it overestimates the
        distance of their laws on average (bias "up"), by about n^{-1/d}: it is on the
        conservative side, but no certificate for the laws.

    Raises:
        ValueError: for shapes that do not fit, an unknown method, or clouds too large for an
            exact plan; traced clouds of more than one dimension.
        ImportError: if "entropic" is asked for without ott-jax, the extra `ot`.

    Reference:
        Altschuler, Weed, Rigollet 2017, "Near-linear time approximation algorithms for optimal
        transport via Sinkhorn iteration", for the repair of the margins.
    """
    checks.choice("method", method, _METHODS)
    a, b = _cloud("x", x), _cloud("y", y)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"x has shape {a.shape} and y {b.shape}; give the same dimension")
    if a.shape[1] == 1:
        value = on_the_line(a[:, 0], b[:, 0])
    elif not checks.concrete(a, b):
        raise ValueError("x or y is traced; plans in several dimensions are computed on the host")
    elif method == "exact":
        value = jnp.asarray(_exact(np.asarray(a), np.asarray(b)), a.dtype)
    else:
        value = _entropic(a, b, epsilon)
    zero, ok = jnp.zeros_like(value), jnp.isfinite(value)
    return Estimate(value, zero, ok, "up", "wasserstein", about="other")


@enforced
def sliced_wasserstein(
    key: Key, x: Float[Array, "n d"], y: Float[Array, "m d"], directions: int = 64
) -> Estimate:
    """Average the Wasserstein-1 distance of one-dimensional projections: a diagnostic.

    Every projection shortens distances, so this lies below the distance of the clouds and must
    not enter a bound.

    Args:
        key: of the random directions.
        x: first cloud.
        y: second cloud.
        directions: how many unit vectors.

    Raises:
        ValueError: for shapes that do not fit or directions < 1.
    """
    a, b = _cloud("x", x), _cloud("y", y)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"x has shape {a.shape} and y {b.shape}; give the same dimension")
    count = checks.static_whole("directions", directions)
    ways = jax.random.normal(key, (count, a.shape[1]), a.dtype)
    ways = ways / jnp.linalg.norm(ways, axis=1, keepdims=True)
    each = jax.vmap(lambda u: on_the_line(a @ u, b @ u))(ways)
    error = jnp.std(each) / math.sqrt(count)
    ok = jnp.all(jnp.isfinite(each))
    # of samples of one law: above 0, which is the distance of their laws
    return Estimate(jnp.mean(each), error, ok, "unknown", "sliced", about="other")


@enforced
def gaussian_line(mean: Scalar, std: Scalar, other_mean: Scalar, other_std: Scalar) -> JaxArray:
    """Compute the Wasserstein-1 distance of two Gaussians on the line.

    ``E |a + b Z| = |b| sqrt(2/pi) e^{-a^2/(2 b^2)} + a erf(a / (sqrt 2 |b|))``, with a and b the
    differences of means and standard deviations: both laws are increasing maps of one Z.

    Args:
        mean: of the first law.
        std: of the first law, >= 0.
        other_mean: of the second law.
        other_std: of the second law, >= 0.

    Raises:
        ValueError: for negative standard deviations.
    """
    a = checks.real("mean", mean) - checks.real("other_mean", other_mean)
    b = jnp.abs(checks.real("std", std, 0.0) - checks.real("other_std", other_std, 0.0))
    safe = jnp.where(b > 0, b, 1.0)
    ratio = a / safe
    folded = safe * math.sqrt(2 / math.pi) * jnp.exp(-(ratio**2) / 2)
    folded = folded + a * jax.scipy.special.erf(ratio / math.sqrt(2))
    return jnp.where(b > 0, folded, jnp.abs(a))


@jax.jit
def on_the_line(x: Float[Array, " n"], y: Float[Array, " m"]) -> JaxArray:
    """Area between the distribution functions of two samples of numbers."""
    x, y = jnp.sort(x), jnp.sort(y)
    points = jnp.sort(jnp.concatenate([x, y]))

    def share_below(sample):
        count = jnp.searchsorted(sample, points[:-1], side="right")
        return count.astype(points.dtype) / sample.shape[0]

    return jnp.sum(jnp.abs(share_below(x) - share_below(y)) * jnp.diff(points))


def _cloud(name: str, value: Any) -> JaxArray:
    array = checks.real(name, value)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}; give points in rows: (n, d)")
    if checks.concrete(array) and not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite; leave those points out")
    return array


def _exact(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.optimize import linear_sum_assignment, linprog
    from scipy.sparse import eye, kron, vstack
    from scipy.spatial.distance import cdist

    n, m = len(x), len(y)
    if n * m > _CELLS:
        raise ValueError(f'x and y hold {n} and {m} points; give fewer, or method="entropic"')
    cost = cdist(x.astype(float), y.astype(float))
    if n == m:
        return float(cost[linear_sum_assignment(cost)].mean())
    margins = vstack([kron(eye(n), np.ones((1, m))), kron(np.ones((1, n)), eye(m))])
    right = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    found = linprog(cost.ravel(), A_eq=margins, b_eq=right, method="highs")
    return float(found.fun)


def _entropic(x: JaxArray, y: JaxArray, epsilon: float | None) -> JaxArray:
    try:
        from ott.geometry import geometry
        from ott.problems.linear import linear_problem
        from ott.solvers.linear import sinkhorn
    except ImportError as error:
        raise ImportError(
            "method=\"entropic\" needs ott-jax; install the extra: pip install 'ibjax[ot]'"
        ) from error
    square = jnp.sum((x[:, None] - y[None]) ** 2, -1)
    cost = jnp.sqrt(jnp.where(square > 0, square, 1.0)) * (square > 0)
    strength = (
        jnp.mean(cost) / 20
        if epsilon is None
        else checks.real("epsilon", epsilon, 0.0, open_low=True)
    )
    problem = linear_problem.LinearProblem(geometry.Geometry(cost, epsilon=strength))
    plan = sinkhorn.Sinkhorn(max_iterations=5_000)(problem).matrix
    return jnp.sum(with_margins(plan) * cost)


def with_margins(plan: Float[JaxArray, "n m"]) -> JaxArray:
    """The plan made feasible for uniform margins: shrunk where too heavy, then filled up."""
    n, m = plan.shape
    plan = plan * jnp.minimum(1.0, (1 / n) / jnp.sum(plan, 1))[:, None]
    plan = plan * jnp.minimum(1.0, (1 / m) / jnp.sum(plan, 0))
    rows, columns = 1 / n - jnp.sum(plan, 1), 1 / m - jnp.sum(plan, 0)
    left = jnp.sum(jnp.abs(rows))
    return plan + jnp.outer(rows, columns) / jnp.where(left > 0, left, 1.0)
