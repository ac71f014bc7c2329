"""A regression seen along the scale T of its kernel: likelihood, prediction and information."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import numeric
from ibjax.infinite import checks
from ibjax.infinite.kernel_matrix import Kernels
from ibjax.infinite.scale_law import Grid, cover, half_widths, layer_scales, stirling_tail
from ibjax.typing import Array, Float, JaxArray, Key

_matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)

TOLERANCE = {"float32": 1e-3, "float64": 1e-7}
"""How far half of the nodes may be off."""

ROUNDING = 0.25
"""Nats by which rounding may move a log likelihood."""

COARSE = (
    "the posterior of the scale is too narrow for the nodes (raise nodes), noise and targets are "
    "beyond this precision (use float64), or arguments known only inside jit are out of range"
)


class Problem(NamedTuple):
    """A regression in the eigenbasis of its kernel, where everything is a sum over eigenvalues.

    Attributes:
        values: eigenvalues e of K, (n,).
        squares: squared targets in the eigenbasis, (n,).
        targets: targets in the eigenbasis, (n,).
        noise: variance of the observations.
        cross: test-train kernel in the eigenbasis, (m, n); m = 0 without test inputs.
        prior: kernel of the test inputs, (m, m) or (m,).
    """

    values: Float[JaxArray, " n"]
    squares: Float[JaxArray, " n"]
    targets: Float[JaxArray, " n"]
    noise: Float[JaxArray, ""]
    cross: Float[JaxArray, "m n"]
    prior: Float[JaxArray, "..."]

    def log_likelihood(self, u: Array) -> JaxArray:
        """Ln N(y; 0, e^u K + noise), (nodes,)."""
        total = self._total(jnp.exp(u))
        terms = jnp.log(2 * math.pi * total) + self.squares / total
        return -jnp.sum(terms, axis=-1) / 2

    def slope(self, u: Array) -> JaxArray:
        """Its derivative at a scalar u."""
        signal = jnp.exp(u) * self.values
        total = signal + self.noise
        return jnp.sum(signal / total * (self.squares / total - 1)) / 2

    def curvature(self, u: Array) -> JaxArray:
        """Minus its second derivative at a scalar u."""
        signal = jnp.exp(u) * self.values
        total = signal + self.noise
        pull = self.squares * signal * (self.noise - signal) / total**3
        return jnp.sum(signal * self.noise / total**2 - pull) / 2

    def fit(self, t: JaxArray) -> JaxArray:
        """E ln p(y | f) over the posterior at each T, (nodes,)."""
        total = self._total(t)
        spread = self.noise * self.squares / total**2 + t[:, None] * self.values / total
        size = self.values.size
        return -(size * jnp.log(2 * math.pi * self.noise) + jnp.sum(spread, axis=-1)) / 2

    def surprise(self) -> JaxArray:
        """Mean square of the whitened targets, each direction weighted by its share of signal.

        The slope of the log likelihood at T = 1 has the sign of this less one, so it tells on
        which side of 1 the saddle lies.
        """
        total = self.values + self.noise
        # A kernel of zero has no signal in any direction: all weigh the same.
        some = jnp.any(self.values != 0)
        share = jnp.where(some, self.values / total, 1)
        return jnp.sum(share * self.squares / total) / jnp.sum(share)

    def rounding(self, t: JaxArray) -> JaxArray:
        """Nats by which rounding can move the log likelihood at a scalar T, to first order.

        Eigenvalues are known to eps |K|, rotated targets to eps |y|, terms to eps themselves.
        """
        total, eps = t * self.values + self.noise, jnp.finfo(self.values.dtype).eps
        share, norm = self.squares / total, jnp.sqrt(jnp.sum(self.squares))
        of_kernel = t * jnp.max(self.values) * (1 + share) / total
        of_targets = norm * (2 * jnp.abs(self.targets) + eps * norm) / total
        own = share + jnp.abs(jnp.log(total))
        return eps / 2 * jnp.sum(of_kernel + of_targets + own)

    def conditional(self, t: JaxArray) -> tuple[JaxArray, JaxArray]:
        """Predictive mean and variance at each T, (nodes, m)."""
        gain = t[:, None] / self._total(t)
        mean = _matmul(gain * self.targets, self.cross.T)
        own = jnp.diagonal(self.prior) if self.prior.ndim == 2 else self.prior
        return mean, t[:, None] * jnp.maximum(own - _matmul(gain, self.cross.T**2), 0)

    def predict(self, t: JaxArray, weights: Array) -> dict[str, Any]:
        """Mean, variance and covariance of the mixture over T."""
        if self.cross.shape[0] == 0:
            return {"mean": None, "var": None, "cov": None}
        mean, var = self.conditional(t)
        centre = weights @ mean
        moments = {"mean": centre, "var": weights @ (var + (mean - centre) ** 2), "cov": None}
        if self.prior.ndim == 1:
            return moments
        gain = t[:, None] / self._total(t)
        within = (self.cross * (weights @ (t[:, None] * gain))) @ self.cross.T
        off = mean - centre
        moments["cov"] = (weights @ t) * self.prior - within + (off.T * weights) @ off
        return moments

    def _total(self, t: JaxArray) -> JaxArray:
        return t[:, None] * self.values + self.noise


def settled(grid: Grid, problem: Problem) -> JaxArray:
    """Whether the nodes are dense enough, and digits enough, for what is integrated."""
    fine = grid.discrepancy() < TOLERANCE[grid.nodes.dtype.name]
    return fine & (problem.rounding(jnp.exp(grid.peak)) < ROUNDING)


def ready(
    train: Any,
    y: Any,
    noise: Any,
    widths: Any,
    test_train: Any,
    test: Any,
    *,
    positive: bool = False,
    name: str = "train",
) -> tuple[Problem, JaxArray]:
    """Check the arguments of the public functions and diagonalise the kernel.

    What is traced and out of range becomes NaN, and with it everything that follows.

    Returns:
        The problem, with targets 0 where y is None, and the widths (..., L).
    """
    kernel = checks.square(_matrix(train), name)
    _symmetric(kernel, name)
    dtype, n = kernel.dtype, kernel.shape[0]
    variance = checks.inexact(noise, "noise").astype(dtype)
    if variance.ndim:
        raise ValueError(f"noise has shape {variance.shape}; give one variance, and map over it")
    low = "positive" if positive else "non-negative"
    if checks.concrete(noise) and (float(noise) < 0 or (positive and float(noise) == 0)):
        raise ValueError(f"noise={noise} must be {low}; it is the variance of the observations")
    sizes = _sizes(widths, dtype)
    targets = jnp.zeros((n, 1), dtype) if y is None else checks.targets(y, n, "y").astype(dtype)
    if targets.shape[1] != 1:
        raise ValueError(
            f"y has {targets.shape[1]} outputs, which finite width couples; give one output (n,)"
        )
    if (test_train is None) != (test is None):
        raise ValueError("give test_train and test together, or neither")
    cross, prior = jnp.zeros((0, n), dtype), jnp.zeros(0, dtype)
    if test_train is not None:
        cross = checks.inexact(_matrix(test_train), "test_train").astype(dtype)
        prior = checks.inexact(_matrix(test), "test").astype(dtype)
        m = cross.shape[0]
        if cross.ndim != 2 or cross.shape[1] != n or prior.shape not in ((m,), (m, m)):
            raise ValueError(
                f"test_train has shape {cross.shape} and test {prior.shape}; give (m, {n}) and "
                "(m, m) or (m,)"
            )
    values, vectors = jnp.linalg.eigh(kernel)
    floor = n * jnp.finfo(dtype).eps * jnp.max(jnp.abs(values))
    if checks.concrete(values) and float(jnp.min(values)) < -10 * float(floor):
        raise ValueError(
            f"train has the eigenvalue {float(jnp.min(values)):g}; a kernel has none below zero"
        )
    if not positive and checks.concrete((values, noise)) and float(noise) == 0:
        if float(jnp.min(values)) <= float(floor):
            raise ValueError("noise=0 needs a kernel of full rank, train is singular; give noise>0")
    lowest = jnp.min(values)
    regular = positive | (variance > 0) | (lowest > floor)
    values = jnp.where(lowest >= -10 * floor, jnp.maximum(values, 0), jnp.nan)
    sound = (variance > 0 if positive else variance >= 0) & regular
    variance = jnp.where(sound, variance, jnp.nan)
    rotated = _matmul(vectors.T, targets)[:, 0]
    problem = Problem(values, rotated**2, rotated, variance, _matmul(cross, vectors), prior)
    return _one_kernel(problem, floor), sizes


def _symmetric(kernel: JaxArray, name: str) -> None:
    if not checks.concrete(kernel):
        return
    known = np.asarray(kernel)
    off = np.abs(known - known.T).max()
    if off > 1e3 * len(known) * np.finfo(known.dtype).eps * np.abs(known).max():
        raise ValueError(f"{name} differs from its transpose by {off:g}; a kernel is symmetric")


def _one_kernel(problem: Problem, floor: JaxArray) -> Problem:
    """Refuse test inputs of which the training ones would explain more than their variance."""
    own = jnp.diagonal(problem.prior) if problem.prior.ndim == 2 else problem.prior
    n, eps = problem.values.size, jnp.finfo(own.dtype).eps
    least = jnp.where(floor > 0, 100 * floor, 1)
    explained = jnp.sum(problem.cross**2 / (problem.values + least), axis=-1)
    # Rounding of a cross term between a test input and a direction the kernel hardly has.
    slack = 10 * (n * eps) ** 0.5 * jnp.max(jnp.abs(own), initial=0.0)
    fits = explained <= own + slack
    if checks.concrete(fits) and not bool(jnp.all(fits)):
        worst = int(jnp.argmax(explained - own))
        raise ValueError(
            f"test_train and test do not extend train: test input {worst} has variance "
            f"{float(own[worst]):g}, of which the training inputs would explain "
            f"{float(explained[worst]):g}; give blocks of one kernel"
        )
    return problem._replace(cross=jnp.where(fits[:, None], problem.cross, jnp.nan))


def _sizes(widths: Any, dtype: Any) -> JaxArray:
    sizes = jnp.atleast_1d(numeric("widths", widths)).astype(dtype)
    if 0 in sizes.shape:
        raise ValueError(f"widths has shape {sizes.shape}; give at least one hidden layer")
    if checks.concrete(widths) and not np.all(np.asarray(widths) > 0):
        raise ValueError(f"widths={widths} must be positive numbers of hidden units")
    return jnp.where(sizes > 0, sizes, jnp.nan)


def _matrix(kernel: Any) -> Any:
    return kernel.nngp if isinstance(kernel, Kernels) else kernel


def signs(labels: Any, m: int) -> JaxArray:
    """Labels -1 or 1, (m,)."""
    array = checks.signs(labels, "labels")
    if array.shape != (m,):
        raise ValueError(f"labels has shape {array.shape}; give one an input, ({m},)")
    return array


def over(function: Callable[[JaxArray], Any], widths: JaxArray) -> Any:
    """A function of (L,) widths mapped over any batch of them, one after the other."""
    batch = widths.shape[:-1]
    if not batch:
        return function(widths)
    found = jax.lax.map(function, widths.reshape(-1, widths.shape[-1]))
    return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), found)


def laplace(problem: Problem, u: Array, widths: JaxArray) -> JaxArray:
    """Laplace approximation of the log evidence in the L variables log t_l, around T = e^u."""
    halves = half_widths(widths)
    logs, _ = layer_scales(u, halves)
    prior = halves * (logs - jnp.expm1(logs)) + jnp.log(halves) / 2 - stirling_tail(halves)
    stiffness = halves * jnp.exp(logs)
    # The determinant of diag(stiffness) + curvature 1 1^T; the (2 pi)^L/2 of both cancel.
    joint = jnp.log1p(problem.curvature(u) * jnp.sum(1 / stiffness))
    log_det = jnp.sum(jnp.log(stiffness)) + joint
    return jnp.sum(prior) + problem.log_likelihood(u[None])[0] - log_det / 2


def information(problem: Problem, t: Array) -> JaxArray:
    """1/2 logdet(I + T K / noise) at each T, (nodes,)."""
    return jnp.sum(jnp.log1p(t[:, None] * problem.values / problem.noise), axis=-1) / 2


def information_rounding(problem: Problem) -> JaxArray:
    """Nats by which the rounding of eigenvalues can move it at T = 1."""
    off = 4 * jnp.finfo(problem.values.dtype).eps * jnp.max(problem.values)
    least = jnp.maximum(problem.values - off, 0) + problem.noise
    return jnp.sum(jnp.log1p(2 * off / least)) / 2


@partial(jax.jit, static_argnames=("draws", "nodes"))
def sampled_information(key: Key, problem: Problem, widths: JaxArray, draws: int, nodes: int):
    """Mean and standard error of ln p(y | T) - ln p(y) over draws of T and y."""
    halves = half_widths(widths)

    def one(k):
        key_scale, key_noise = jax.random.split(k)
        gammas = jax.random.loggamma(key_scale, halves) - jnp.log(halves)
        u = jnp.sum(gammas)
        total = jnp.exp(u) * problem.values + problem.noise
        normal = jax.random.normal(key_noise, problem.values.shape, problem.values.dtype)
        drawn = problem._replace(squares=total * normal**2)
        grid = cover(drawn.log_likelihood, drawn.slope, widths, nodes)
        return drawn.log_likelihood(u[None])[0] - grid.log_integral()

    gains = jax.lax.map(one, jax.random.split(key, draws), batch_size=16)
    return jnp.mean(gains), jnp.std(gains, ddof=1) / math.sqrt(draws)
