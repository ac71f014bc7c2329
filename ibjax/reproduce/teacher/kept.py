"""From the information in the data to the information kept to the certified gap, of one run.

Teachers label Gaussian inputs, with n ~ d samples (a tanh network, signs) and with n ~ d^2 (a
two-layer rectifier with d/2 units, signs of noisy outputs). Students are trained by noisy SGD on
fresh subsets. Of the same runs: what a sample says about the teacher, which no learner can exceed;
what a test error needs of it; what the weights can have kept of the sample, certified; and what the
last costs as a bound on the gap, beside the gap.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray

from ibjax import bounds, langevin, rounding, teacher
from ibjax.interface import Dataset, Supersample
from ibjax.networks import MLP
from ibjax.reproduce.outcome import (
    Log,
    Outcome,
    record,
    refuse_repeats,
    sample_size,
    settled,
)
from ibjax.reproduce.teacher.kept_view import view
from ibjax.typing import Key

NOISE, RATIO = 0.1, 0.5

_LEAST = 10
"""Samples that students are trained on, at least."""


@dataclass(frozen=True)
class Options:
    """Sizes of the experiment."""

    linear_alpha: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    """Samples an input dimension, n / d."""
    quadratic_alpha: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Samples a squared dimension, n / d^2."""
    dimension: int = 100
    """Input dimension where n ~ d."""
    quadratic_dimension: int = 20
    """Input dimension where n ~ d^2."""
    teacher_width: int = 1000
    """Hidden units of the teacher where n ~ d."""
    width: int = 32
    """Hidden units of the students."""
    teachers: int = 8
    """Independent teachers, each with its own 2 n samples."""
    masks: int = 10
    """Students of each teacher, in complementary pairs."""
    steps: int = 200
    """Updates, on fresh subsets of a tenth of the samples."""
    learning_rate: float = 0.2
    """Step size of the students."""
    temperature: float = 12.0
    """Inverse temperature over the root of n: colder runs learn more and are certified less."""
    seed: int = 0
    """Root of all randomness."""


QUICK = Options(
    linear_alpha=(1.0, 4.0),
    quadratic_alpha=(0.5, 2.0),
    dimension=40,
    quadratic_dimension=12,
    teacher_width=200,
    width=16,
    teachers=3,
    masks=4,
    steps=60,
)


class Sample(NamedTuple):
    """Inputs (k1, 2 n, d) and signs (k1, 2 n) of k1 teachers."""

    x: np.ndarray
    y: np.ndarray


def linear_sample(key: Key, n: int, options: Options) -> Sample:
    """Signs of tanh networks."""

    def one(k: Key) -> Any:
        return teacher.sample_network_teacher(
            k, "tanh", "sign", 2 * n, options.dimension, options.teacher_width
        )

    found = jax.vmap(one)(jax.random.split(key, options.teachers))
    return Sample(np.asarray(found.x, np.float32), np.asarray(found.y))


def quadratic_sample(key: Key, n: int, options: Options) -> Sample:
    """Signs of what noisy outputs of two-layer rectifiers have above their expectation."""
    d = options.quadratic_dimension
    hidden = max(1, round(RATIO * d))

    def one(k: Key) -> tuple[Any, Any]:
        rows, inputs, noise = jax.random.split(k, 3)
        weights = jax.random.normal(rows, (hidden, d))
        x = jax.random.normal(inputs, (2 * n, d))
        out = jnp.sum(jax.nn.relu(x @ weights.T / d**0.5), axis=1) / hidden**0.5
        out = out + NOISE**0.5 * jax.random.normal(noise, (2 * n,))
        # The mean of the law: that of the sample would make the examples depend on each other.
        mean = jnp.sum(jnp.linalg.norm(weights, axis=1)) / (2 * math.pi * d * hidden) ** 0.5
        return x, jnp.where(out > mean, 1.0, -1.0)

    x, y = jax.vmap(one)(jax.random.split(key, options.teachers))
    return Sample(np.asarray(x, np.float32), np.asarray(y))


def students(key: Key, sample: Sample, options: Options) -> dict[str, Any]:
    """Noisy-SGD students of every teacher, and what is certified of them, per sample."""
    k1, both, d = sample.x.shape
    n = both // 2
    index = np.arange(2 * n * k1).reshape(k1, n, 2)
    half = np.asarray(jax.random.bernoulli(key, shape=(k1, options.masks // 2, n)), np.int32)
    mask = np.stack([half, 1 - half], axis=2).reshape(k1, -1, n)
    labels = (sample.y.reshape(-1) > 0).astype(np.int32)
    pool = Dataset(sample.x.reshape(-1, d), labels, 2, "teachers")
    config = langevin.Config(
        network=MLP(1, options.width, "tanh"),
        steps=options.steps,
        batch_size=max(1, n // 10),
        learning_rate=options.learning_rate,
        inverse_temperature=options.temperature * n**0.5,
        account=True,
    )
    evidence = langevin.run_replicas(
        jax.random.fold_in(key, 1), config, pool, Supersample(index, mask)
    )
    names = ["individual", "xu_raginsky", "ld_cmi"]
    with jax.enable_x64(True):
        gap, found = bounds.gap(evidence), bounds.evaluate(evidence, names=names)
    now = bounds.at(evidence)
    if {found[k].kind for k in names[:2]} != {"certificate"}:
        raise RuntimeError("the account of these students certifies nothing")
    return {
        "train_error": np.nanmean(now.train_error, axis=1),
        "test_error": np.nanmean(now.test_error, axis=1),
        "gap": gap.value,
        "gap_std_error": gap.std_error,
        "kept_at_most": np.mean(np.asarray(found["xu_raginsky"].information)) / n,
        "kept_seen": np.mean(np.asarray(found["ld_cmi"].information)),
        "certificate": found["individual"].value,
        "estimate": found["ld_cmi"].value,
    }


def passing(sample: Sample) -> np.ndarray:
    """Test error of message passing on the first half of each teacher's samples, (k1,)."""
    rho, eps, _ = (float(c) for c in teacher.activation_constants("tanh"))
    n = sample.x.shape[1] // 2

    @jax.jit
    def one(x: Any, y: Any) -> Any:
        mean = teacher.gamp(x[:n], y[:n], "sign", rho=rho, eps=eps, steps=40).mean
        return jnp.mean(jnp.sign(x[n:] @ mean) != y[n:])

    return np.array([one(x, y) for x, y in zip(sample.x, sample.y)])


def needed(error: Any, alpha: Any) -> np.ndarray:
    """Information about a tanh teacher that a test error of signs needs, nats a sample.

    With correlation rho sqrt(q) / sqrt(rho^2 + eps) = cos(pi error) between the best guess and the
    teacher, q the overlap with its linear vector, the rate of a Gaussian vector at distortion 1 - q
    is -log(1 - q)/2 a coordinate. An estimate: projections are taken for Gaussian, as they are at
    large d.
    """
    rho, eps, _ = (float(c) for c in teacher.activation_constants("tanh"))
    cosine = np.clip(np.cos(np.pi * np.asarray(error)), 0.0, 1.0)
    overlap = (rho**2 + eps) * cosine**2 / rho**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return -np.log1p(-np.where(overlap < 1, overlap, np.nan)) / (2 * np.asarray(alpha))


def solve(options: Options, log: Log) -> xarray.Dataset:
    """Both regimes."""
    variables: dict[str, Any] = {}
    grids = {"linear": options.linear_alpha, "quadratic": options.quadratic_alpha}
    for place, (regime, grid) in enumerate(grids.items()):
        rows = []
        for i, alpha in enumerate(grid):
            key = jax.random.fold_in(jax.random.key(options.seed), 100 * place + i)
            draw, train = jax.random.split(key)
            linear = regime == "linear"
            size = options.dimension if linear else options.quadratic_dimension**2
            n = sample_size(f"{regime}_alpha", alpha, size, _LEAST)
            sample = (linear_sample if linear else quadratic_sample)(draw, n, options)
            row = {"n": n, **students(train, sample, options)}
            if linear:
                row["passing_error"] = passing(sample)
                row["passing_rate"] = needed(np.mean(row["passing_error"]), alpha)
                row["student_rate"] = needed(np.mean(row["test_error"]), alpha)
            rows.append(row)
            most = rounding.up(float(row["certificate"]))
            log(f"{regime}, n = {n}: gap {float(row['gap']):.3f}, {most}")
        for name in rows[0]:
            values = np.array([np.asarray(row[name], float) for row in rows])
            axes = (f"{regime}_alpha", "teacher")[: values.ndim]
            variables[f"{regime}_{name}"] = (axes, values, {"kind": KINDS.get(name, "measured")})
        truth = limits(regime, np.asarray(grid))
        for name, values in truth.items():
            kind = {"kind": "exact" if regime == "linear" else "conjectured"}
            variables[f"{regime}_{name}"] = ((f"{regime}_alpha",), values, kind)
    return xarray.Dataset(
        variables,
        {f"{k}_alpha": list(v) for k, v in grids.items()},
        {k: str(v) for k, v in vars(options).items()},
    )


KINDS = {
    "kept_at_most": "certificate",
    "certificate": "certificate",
    "kept_seen": "estimate",
    "estimate": "estimate",
    "passing_rate": "estimate",
    "student_rate": "estimate",
}


def limits(regime: str, alpha: np.ndarray) -> dict[str, np.ndarray]:
    """What a sample says about the teacher, and the least error where it is known."""
    with jax.enable_x64(True):
        if regime == "linear":
            found = teacher.bayes_limits("sign", alpha, activation="tanh")
            return {
                "information": np.asarray(found.mi_per_sample),
                "bayes_error": np.asarray(found.generalization_error),
            }
        # of the noisy outputs: their signs say no more
        found = teacher.quadratic_limits("relu", alpha, width_ratio=RATIO, noise=NOISE)
        return {"information": np.asarray(found.mi_per_sample)}


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Table, results file and picture."""
    chosen = settled(options, quick, QUICK)
    for name in ("linear_alpha", "quadratic_alpha"):
        grid = getattr(chosen, name)
        refuse_repeats(name, grid)
        d = chosen.dimension if name == "linear_alpha" else chosen.quadratic_dimension**2
        for alpha in grid:
            sample_size(name, alpha, d, _LEAST)
    if chosen.teachers < 2 or chosen.masks < 2 or chosen.masks % 2:
        raise ValueError(
            f"teachers={chosen.teachers}, masks={chosen.masks}: give 2 or more, masks in pairs"
        )
    return record(solve(chosen, log), folder / "information-kept.nc", "information-kept", view)
