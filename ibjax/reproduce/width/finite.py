"""Bayesian networks of finite width: exact theory, infinite width, and our own Langevin replicas.

Two-layer linear networks f(x) = a . W x / sqrt(N d) with standard normal weights learn the signs of
two digits from the leading principal components of other examples, by the Gibbs posterior at
temperature n / beta. The exact mixture over the scale, the infinitely wide network, the saddle
point and sampled networks stand on one axis, for labels smaller and larger than the prior expects:
the curves bend in opposite directions. Below them the divergence from the prior,
which makes a certificate without Monte Carlo.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray

from ibjax import bounds, data, infinite, langevin
from ibjax.reproduce.outcome import Log, Outcome, record, refuse_repeats, settled
from ibjax.reproduce.width.finite_view import view
from ibjax.typing import JaxArray, Key


@dataclass(frozen=True)
class Options:
    """Sizes of the experiment."""

    widths: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128)
    """Hidden widths N."""
    scales: tuple[float, ...] = (0.5, 3.0)
    """What the labels -1 and 1 are multiplied by: one data set each."""
    classes: tuple[int, int] = (4, 9)
    """The two digits."""
    components: int = 10
    """Principal components d that are the inputs."""
    noise: float = 4.0
    """Variance of the observations, n / beta."""
    train_size: int = 200
    """Training examples n; the rest are test examples."""
    replicas: int = 256
    """Langevin replicas of each width and data set."""
    steps: int = 6000
    """Updates of each."""
    learning_rate: float = 0.002
    """Step size of the energy."""
    delta: float = 0.05
    """Failure probability of the certificate."""
    seed: int = 0
    """Root of all randomness."""


QUICK = Options(widths=(2, 8, 32), replicas=48, steps=2000)


class Task(NamedTuple):
    """Whitened inputs and signs of both parts."""

    x: np.ndarray
    signs: np.ndarray
    x_test: np.ndarray
    signs_test: np.ndarray


def task(options: Options) -> Task:
    """Principal components of two digits, scaled to unit variance, both by the test inputs alone.

    What is certified on the training examples must not have chosen the inputs of the network.

    Raises:
        ValueError: if the test examples are too few for so many components.
    """
    both = [data.load("digits", part, classes=options.classes) for part in ("train", "test")]
    x = np.concatenate([np.asarray(d.x, float).reshape(len(d.y), -1) for d in both])
    y = 2.0 * np.concatenate([np.asarray(d.y) for d in both]) - 1
    order = np.random.default_rng(options.seed).permutation(len(x))
    n, d = options.train_size, options.components
    if not 0 < n < len(x):
        raise ValueError(f"train_size={n} must leave test examples of {len(x)} in all")
    seen = x[order[n:]]
    x = x - seen.mean(axis=0)
    _, size, directions = np.linalg.svd(seen - seen.mean(axis=0), full_matrices=False)
    varied = int(np.sum(size > 1e-6 * size[0]))
    if not 0 < d <= varied:
        raise ValueError(
            f"components={d}: the {len(seen)} test examples, of which they are, vary in {varied} "
            f"directions; give 1 to {varied}, or a smaller train_size"
        )
    inputs = x @ directions[:d].T / size[:d] * math.sqrt(len(seen))
    return Task(inputs[order[:n]], y[order[:n]], inputs[order[n:]], y[order[n:]])


def sampler(made: Task, width: int, options: Options) -> Callable[[Key, float], JaxArray]:
    """Outputs of Langevin replicas on the test inputs, at the end and along the way.

    The energy is a sum over examples and, for a linear network, a function of their moments only.

    Returns:
        ``(key, scale of the labels) -> (replicas, thinned, m)`` outputs after the burn-in of a
        half; one program for all scales.
    """
    d = made.x.shape[1]
    gram = jnp.asarray(made.x.T @ made.x / d, jnp.float32)
    unit = jnp.asarray(made.signs @ made.x / math.sqrt(d), jnp.float32)
    seen = jnp.asarray(made.x_test / math.sqrt(d), jnp.float32)
    # The energy itself is descended, at inverse temperature 1; decay is the prior N(0, 1).
    rule = langevin.sgld(options.learning_rate, 1.0)

    def energy(params, scale):
        w = params["hidden"].T @ params["readout"] / math.sqrt(width)
        fit = (w @ gram @ w / 2 - scale * unit @ w) / options.noise
        return fit + sum(jnp.sum(p**2) for p in params.values()) / 2

    def one(k, scale):
        first, second, path = jax.random.split(k, 3)
        params = {
            "hidden": jax.random.normal(first, (width, d)),
            "readout": jax.random.normal(second, (width,)),
        }

        def step(state, key):
            params, memory = state
            moves, memory = rule.update(jax.grad(energy)(params, scale), memory, params, key=key)
            return (jax.tree.map(jnp.add, params, moves), memory), None

        def stretch(state, keys):
            state, _ = jax.lax.scan(step, state, keys)
            w = state[0]["hidden"].T @ state[0]["readout"] / math.sqrt(width)
            return state, seen @ w

        keys = jax.random.split(path, (20, options.steps // 20))
        return jax.lax.scan(stretch, (params, rule.init(params)), keys)[1][10:]

    run = jax.jit(jax.vmap(one, (0, None)))
    return lambda key, scale: run(jax.random.split(key, options.replicas), scale)


def solve(options: Options, log: Log) -> xarray.Dataset:
    """Theory and replicas for every data set and width."""
    made = task(options)
    n, d = made.x.shape
    kernel, cross = made.x @ made.x.T / d, made.x_test @ made.x.T / d
    own = np.sum(made.x_test**2, axis=1) / d
    widths = np.asarray(options.widths, float)[:, None]
    shape = (len(options.scales), len(options.widths))
    names = (
        "exact_variance saddle_variance exact_error saddle_error langevin_variance "
        "langevin_variance_se langevin_error langevin_error_se divergence scale train_error "
        "test_error certificate"
    ).split()
    rows = {name: np.full(shape, np.nan) for name in names}
    limits = {name: np.full(shape[0], np.nan) for name in ("surprise", "variance", "error")}
    samplers = [sampler(made, width, options) for width in options.widths]
    # Errors on the training and the test inputs, by one program.
    every = np.concatenate([kernel, cross]), np.concatenate([np.diag(kernel), own])
    signs = np.concatenate([made.signs, made.signs_test])
    for i, factor in enumerate(options.scales):
        y, y_test = factor * made.signs, factor * made.signs_test
        with jax.enable_x64(True):
            args = (kernel, y, options.noise, widths, cross, own)
            found = infinite.finite_width_regression(*args, linear=True)
            saddle = infinite.finite_width_regression(*args, linear=True, exact=False)
            law = infinite.nngp_regression(
                kernel, y, cross, made.x_test @ made.x_test.T / d, options.noise
            )
            errors = infinite.finite_width_error(*args[:4], *every, signs, linear=True).value
            rate, missed = (jnp.mean(part, axis=-1) for part in (errors[:, :n], errors[:, n:]))
            certificate = bounds.pac_bayes_kl(rate, found.divergence, n, delta=options.delta)
        spread, middle = np.diagonal(law.cov), np.asarray(law.mean)[:, 0]
        limits["surprise"][i] = float(np.ravel(found.surprise)[0])
        limits["variance"][i] = spread.mean()
        limits["error"][i] = np.mean((y_test - middle) ** 2 + spread)
        for name, part in (("exact", found), ("saddle", saddle)):
            mean, var = np.asarray(part.mean), np.asarray(part.var)
            rows[f"{name}_variance"][i] = var.mean(axis=1)
            rows[f"{name}_error"][i] = np.mean((y_test - mean) ** 2 + var, axis=1)
        rows["divergence"][i] = found.divergence.value
        rows["scale"][i] = found.scale
        rows["train_error"][i], rows["certificate"][i] = rate, certificate.value
        rows["test_error"][i] = missed
        for j, width in enumerate(options.widths):
            key = jax.random.fold_in(jax.random.key(options.seed), 1000 * i + width)
            drawn = np.asarray(samplers[j](key, factor), float)
            measured = summary(drawn, y_test)
            for name, value in measured.items():
                rows[name][i, j] = value
            log(f"labels times {factor:g}, width {width}: sampled")
    variables = {name: (("scale_of_labels", "width"), values) for name, values in rows.items()}
    variables |= {f"infinite_{k}": (("scale_of_labels",), v) for k, v in limits.items()}
    return xarray.Dataset(
        variables,
        {"scale_of_labels": list(options.scales), "width": list(options.widths)},
        {"train_size": n, "components": d, "noise": options.noise}
        | {"delta": options.delta, "replicas": options.replicas},
    )


def summary(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Predictive variance and squared error of (replicas, times, m) outputs, errors by replicas.

    Replicas are independent, their times are not: the jackknife leaves out whole replicas.
    """
    count = len(outputs)
    first, second = outputs.mean(axis=1), (outputs**2).mean(axis=1)

    def variance(weights: np.ndarray) -> float:
        return float(np.mean(weights @ second - (weights @ first) ** 2))

    ones = np.full(count, 1 / count)
    without = np.array([variance((1 - np.eye(count)[r]) / (count - 1)) for r in range(count)])
    whole = variance(ones)
    # The plug-in variance of so many independent replicas is too small; the jackknife corrects.
    corrected = count * whole - (count - 1) * without.mean()
    errors = ((outputs - targets) ** 2).mean(axis=(1, 2))
    return {
        "langevin_variance": corrected,
        "langevin_variance_se": math.sqrt((count - 1) * np.var(without)),
        "langevin_error": float(errors.mean()),
        "langevin_error_se": float(errors.std(ddof=1) / math.sqrt(count)),
    }


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Table, results file and picture."""
    chosen = settled(options, quick, QUICK)
    refuse_repeats("widths", chosen.widths)
    refuse_repeats("scales", chosen.scales)
    if min(chosen.widths) < 1 or chosen.steps < 20 or chosen.replicas < 2:
        raise ValueError(
            f"widths={chosen.widths}, steps={chosen.steps}, replicas={chosen.replicas}: give "
            "widths of 1 or more, at least 20 steps and 2 replicas"
        )
    return record(solve(chosen, log), folder / "finite-width.nc", "finite-width", view)
