"""What an ensemble of infinitely wide networks predicts, at any time of its training."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import concrete, grain, in_double
from ibjax.infinite import checks
from ibjax.infinite.kernel_matrix import Kernels
from ibjax.infinite.spectrum import Spectrum, decay, decompose, memory, progress, resolved
from ibjax.signatures import enforced
from ibjax.typing import Bool, Float, JaxArray, Numbers

_matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


class Prediction(NamedTuple):
    """A Gaussian law of the outputs; every output unit has the same covariance.

    Attributes:
        mean: (times, m, k), or (m, k) for a regression.
        cov: (times, m, m) or (m, m).
        ok: (times,) or (); False where part of the targets lies in directions whose eigenvalue
            is lost in rounding, so that the mean may lack it. Kernels of float64 inputs, or
            computed where the inputs are known, hide the least. False too where one is NaN.
    """

    mean: Float[JaxArray, "*times m k"]
    cov: Float[JaxArray, "*times m m"]
    ok: Bool[JaxArray, "*times"] = True  # pyright: ignore[reportAssignmentType]


def moments(
    spectrum: Spectrum, nngp: JaxArray, cross: Kernels, prior: JaxArray, y: JaxArray, time: JaxArray
) -> Prediction:
    """Mean and covariance at one time, from the spectrum; the core of the two functions below."""
    vectors = spectrum.vectors
    ok = resolved(spectrum, y, time)
    gain = _matmul(cross.ntk, vectors) * memory(spectrum.values, time)
    mean = _matmul(gain, _matmul(vectors.T, y))
    inner = _matmul(_matmul(vectors.T, nngp), vectors)
    mixed = _matmul(gain, _matmul(cross.nngp, vectors).T)
    cov = prior + _matmul(_matmul(gain, inner), gain.T) - mixed - mixed.T
    return _known(mean, (cov + cov.T) / 2, ok)


def _known(mean: JaxArray, cov: JaxArray, ok: JaxArray) -> Prediction:
    """A prediction that is not ok where a number is missing."""
    missing = jnp.any(jnp.isnan(mean)) | jnp.any(jnp.isnan(cov))
    return Prediction(mean, cov, ok & ~missing)


@enforced
def gradient_flow(
    train: Kernels | Numbers,
    y: Numbers,
    times: Numbers,
    test_train: Numbers | None = None,
    test: Numbers | None = None,
):
    r"""Law of the outputs of an infinitely wide ensemble trained by gradient flow on squared loss.

    mean = Theta_* M Y,   cov = K_** + Theta_* M K M Theta_*^T - Theta_* M K_*^T - K_* M Theta_*^T,
    M = Theta^-1 (1 - exp(-tau Theta)); on the training inputs mean = (1 - exp(-tau Theta)) Y and
    cov = exp(-tau Theta) K exp(-tau Theta).

    Args:
        train: Kernels of the training inputs, (n, n).
        y: targets (n,) or (n, k).
        times: gradient-flow times for the loss 1/2 |z - Y|^2 *summed* over everything; infinity
            allowed. `flow_time` converts learning rates and steps.
        test_train: Kernels between test and training inputs, (m, n); None for the law on the
            training inputs.
        test: Kernels of the test inputs, or their NNGP matrix, (m, m); needed with test_train.

    Returns:
        Prediction(mean (times, m, k), cov (times, m, m), ok (times,)), computed in float64 where
        everything is known now.

    Assumes: infinite width in the NTK parametrisation, or a network linear in its parameters.

    Raises:
        ValueError: shapes that do not fit, negative times, test without test_train.

    Reference: Lee et al. (2019), Wide neural networks of any depth evolve as linear models; as
    published.
    """
    nngp, grid = checks.square(train.nngp, "train.nngp"), checks.time_grid(times)
    ntk, targets = checks.square(train.ntk, "train.ntk"), checks.targets(y, nngp.shape[0], "y")
    coarse = grain(train.ntk)
    if (test_train is None) != (test is None):
        raise ValueError("give test_train and test together, or neither")
    if test_train is None:
        run = partial(_on_train, grain=coarse)
        return in_double(run, nngp, ntk, targets, grid, dtype=nngp.dtype)
    prior = checks.square(test.nngp if isinstance(test, Kernels) else test, "test")
    expected = (prior.shape[0], nngp.shape[0])
    if test_train.nngp.shape != expected or test_train.ntk.shape != expected:
        raise ValueError(f"test_train must hold kernels of shape {expected} (test, train)")
    run = partial(_on_test, grain=coarse)
    return in_double(run, nngp, ntk, targets, grid, *test_train, prior, dtype=nngp.dtype)


@partial(jax.jit, static_argnames="grain")
def _on_train(nngp, ntk, targets, grid, *, grain: float) -> Prediction:
    spectrum = decompose(ntk, grain)
    values, vectors, _ = spectrum
    inner, rotated = _matmul(_matmul(vectors.T, nngp), vectors), _matmul(vectors.T, targets)

    def at(time):
        left = decay(values, time)
        mean = _matmul(vectors, progress(values, time)[:, None] * rotated)
        cov = _matmul(_matmul(vectors, left[:, None] * inner * left), vectors.T)
        return _known(mean, (cov + cov.T) / 2, resolved(spectrum, targets, time))

    return jax.lax.map(at, grid)


@partial(jax.jit, static_argnames="grain")
def _on_test(nngp, ntk, targets, grid, cross_nngp, cross_ntk, prior, *, grain: float):
    spectrum, cross = decompose(ntk, grain), Kernels(cross_nngp, cross_ntk)
    return jax.lax.map(lambda t: moments(spectrum, nngp, cross, prior, targets, t), grid)


@enforced
def nngp_regression(
    train: Kernels | Numbers, y: Numbers, test_train: Numbers, test: Numbers, noise: Numbers = 0.0
) -> Prediction:
    r"""The Bayesian posterior of the infinitely wide network, mean K_* (K + noise)^-1 Y.

    A different law from gradient flow of all layers (which is not a posterior).

    Args:
        train: NNGP matrix (n, n).
        y: targets (n,) or (n, k).
        test_train: (m, n).
        test: (m, m).
        noise: variance of the observations.

    Returns:
        Prediction(mean (m, k), cov (m, m), ok) of the noiseless outputs.

    Raises:
        ValueError: shapes that do not fit, negative noise.

    Reference: Lee et al. (2018), Deep neural networks as Gaussian processes; as published.
    """
    kernel, prior = checks.square(train, "train"), checks.square(test, "test")
    cross = checks.inexact(test_train, "test_train")
    targets = checks.targets(y, kernel.shape[0], "y")
    noise = checks.non_negative(noise, "noise")
    _cross_shape(cross, prior.shape[0], kernel.shape[0])
    arrays = kernel, cross, targets, noise
    root = _root(concrete(*arrays, prior), grain(train))

    def run(kernel, cross, targets, noise, prior):
        white, half, ok = root(kernel, cross, targets, noise)
        return _known(_matmul(half.T, white), prior - _matmul(half.T, half), ok)

    return in_double(run, *arrays, prior, dtype=kernel.dtype)


@enforced
def ntk_regression(
    train: Kernels | Numbers, y: Numbers, test_train: Numbers, ridge: Numbers = 0.0
) -> JaxArray:
    r"""Kernel regression with the tangent kernel, Theta_* (Theta + ridge)^-1 Y.

    Without ridge this is the mean of the ensemble after infinite training: directions whose
    eigenvalue is zero up to rounding stay where they are (traced singular kernels give NaN).

    Args:
        train: NTK matrix (n, n).
        y: targets (n,) or (n, k).
        test_train: (m, n).
        ridge: added to the diagonal.

    Returns:
        (m, k).

    Raises:
        ValueError: shapes that do not fit, negative ridge.

    Reference: Jacot, Gabriel and Hongler (2018), Neural tangent kernel; as published.
    """
    kernel = checks.square(train, "train")
    cross = checks.inexact(test_train, "test_train")
    targets = checks.targets(y, kernel.shape[0], "y")
    ridge = checks.non_negative(ridge, "ridge")
    _cross_shape(cross, cross.shape[0], kernel.shape[0])
    arrays = kernel, cross, targets, ridge
    root = _root(concrete(*arrays), grain(train))

    def run(kernel, cross, targets, ridge):
        white, half, _ = root(kernel, cross, targets, ridge)
        return _matmul(half.T, white)

    return in_double(run, *arrays, dtype=kernel.dtype)


def _root(known: bool, grain: float):
    """``(K, K_*, Y, noise) -> R^-T Y, R^-T K_*^T, resolved`` with R^T R = K + noise."""
    return partial(_by_spectrum, grain=grain) if known else _by_factor


@partial(jax.jit, static_argnames="grain")
def _by_spectrum(kernel, cross, targets, noise, *, grain: float):
    # rounding leaves no factor of a kernel whose small eigenvalues it has made negative; along
    # them the covariance with other inputs is rounding too
    spectrum = decompose(kernel, grain)
    moves = spectrum.values > 0
    root = jnp.where(moves, 1 / jnp.sqrt(jnp.where(moves, spectrum.values + noise, 1.0)), 0.0)
    scaled = spectrum.vectors * root
    ok = resolved(spectrum, targets, 1 / noise)
    return _matmul(scaled.T, targets), _matmul(scaled.T, cross.T), ok


def _by_factor(kernel, cross, targets, noise):
    factor = jnp.linalg.cholesky(kernel + noise * jnp.eye(kernel.shape[0], dtype=kernel.dtype))
    solve = partial(jax.scipy.linalg.solve_triangular, factor, lower=True)
    white = solve(targets)
    return white, solve(cross.T), jnp.all(jnp.isfinite(white))


def _cross_shape(cross: JaxArray, m: int, n: int) -> None:
    if cross.ndim != 2 or cross.shape != (m, n):
        raise ValueError(f"test_train has shape {cross.shape}; give (test, train) = ({m}, {n})")
