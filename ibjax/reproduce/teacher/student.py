"""What no learning procedure can beat, and how far trained networks and bounds are from it.

A two-layer tanh teacher labels Gaussian inputs by the sign of its output. On the same samples:
the Bayes-optimal error of the limit, message passing, ridge regression, and a two-layer student
trained by noisy SGD. Since no test error lies below the Bayes line, ``Bayes error - training
error`` is a floor under the student's gap, and under every bound on it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray

from ibjax import bounds, langevin, teacher
from ibjax.interface import Dataset, Estimate, Evidence, Supersample
from ibjax.networks import MLP
from ibjax.reproduce.outcome import (
    Log,
    Outcome,
    record,
    refuse_repeats,
    sample_size,
    settled,
)
from ibjax.reproduce.teacher.view import view
from ibjax.typing import Key

READOUT, ACTIVATION = "sign", "tanh"


@dataclass(frozen=True)
class Options:
    """Sizes of the experiment."""

    alpha: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Samples per input dimension."""
    dimension: int = 100
    """Input dimension d of the network teacher."""
    teacher_width: int = 1000
    """Hidden units p of the teacher."""
    width: int = 64
    """Hidden units of the student."""
    teachers: int = 8
    """Independent teachers, each with its own 2 n samples."""
    masks: int = 4
    """Splits of each teacher's samples into training and test, one student each."""
    steps: int = 400
    """Updates of the student."""
    learning_rate: float = 0.5
    """Its step size."""
    inverse_temperature: float = 2000.0
    """Its inverse temperature."""
    passing_dimension: int = 2000
    """Dimension at which message passing is held against state evolution."""
    passing_runs: int = 10
    """Independent runs of it."""
    passing_steps: int = 25
    """Iterations of it."""
    seed: int = 0
    """Root of all randomness."""


QUICK = Options(
    alpha=(1.0, 4.0),
    dimension=40,
    teacher_width=200,
    width=16,
    teachers=4,
    masks=4,
    steps=80,
    passing_dimension=200,
    passing_runs=6,
    passing_steps=15,
)


class Limit(NamedTuple):
    """Exact numbers of the limit at one alpha: errors and information."""

    bayes: float
    ridge: float
    information: float
    scale: float


class Passing(NamedTuple):
    """Message passing on the equivalent model against state evolution, after each step.

    Attributes:
        error: exact test error of each run's last estimate, (runs,).
        overlap: the algorithm's own overlap, (runs, steps).
        evolved_error: state evolution of the error after the last step.
        evolved_overlap: state evolution of the overlap, (steps,).
    """

    error: np.ndarray
    overlap: np.ndarray
    evolved_error: float
    evolved_overlap: np.ndarray


class Point(NamedTuple):
    """Everything at one alpha; test errors are one number a teacher."""

    alpha: float
    n: int
    limit: Limit
    passing: Passing
    gamp: np.ndarray
    ridge: np.ndarray
    student: np.ndarray
    train: np.ndarray
    gap: Estimate
    bounds: dict[str, Any]


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Run every alpha; write the results file and the picture."""
    options = settled(options, quick, QUICK)
    refuse_repeats("alpha", options.alpha)
    for alpha in options.alpha:
        for dimension in (options.dimension, options.passing_dimension):
            sample_size("alpha", alpha, dimension, 2)
    found = []
    for alpha in options.alpha:
        log(f"n/d = {alpha:g}: n = {round(alpha * options.dimension)}")
        found.append(point(alpha, options))
    together = dataset(found, options)
    return record(together, folder / "teacher-student.nc", "teacher-student", view)


def point(alpha: float, options: Options) -> Point:
    """All that is compared at one alpha."""
    key = jax.random.fold_in(jax.random.key(options.seed), round(1000 * alpha))
    data_key, mask_key, train_key, passing_key = jax.random.split(key, 4)
    d = options.dimension
    n = sample_size("alpha", alpha, d, 2)
    k1 = options.teachers
    draw = jax.vmap(
        lambda k: teacher.sample_network_teacher(
            k, ACTIVATION, READOUT, 2 * n, d, options.teacher_width
        )
    )
    data = draw(jax.random.split(data_key, k1))
    x, y = np.asarray(data.x, np.float32), np.asarray(data.y)
    # Each teacher is one supersample: its pairs index its own block of the pool.
    index = np.arange(2 * n * k1).reshape(k1, n, 2)
    mask = np.asarray(jax.random.bernoulli(mask_key, shape=(k1, options.masks, n)), np.int32)
    pool = Dataset(x.reshape(-1, d), (y.reshape(-1) > 0).astype(np.int32), 2, "tanh teacher")
    evidence = train(train_key, pool, Supersample(index, mask), options)
    now = bounds.at(evidence)
    with jax.enable_x64(True):
        gap, values = bounds.gap(now), bounds.evaluate(evidence)
    others = _others(x, y, mask)
    passing = message_passing(passing_key, alpha, options)
    return Point(
        alpha=alpha,
        n=n,
        limit=limit(n / d, n, d, options.teacher_width),
        passing=passing,
        gamp=np.mean(others[..., 0], axis=1),
        ridge=np.mean(others[..., 1], axis=1),
        student=np.nanmean(now.test_error, axis=1),
        train=np.nanmean(now.train_error, axis=1),
        gap=gap,
        bounds=values,
    )


def train(key: Key, pool: Dataset, supersample: Supersample, options: Options) -> Evidence:
    """Noisy-SGD students, one for each teacher and mask."""
    config = langevin.Config(
        network=MLP(1, options.width, "tanh"),
        steps=options.steps,
        learning_rate=options.learning_rate,
        inverse_temperature=options.inverse_temperature,
        account=True,
    )
    return langevin.run_replicas(key, config, pool, supersample)


def limit(alpha: float, n: int, d: int, p: int) -> Limit:
    """Exact errors of the limit: Bayes-optimal, and of ridge regression at its best penalty.

    To least squares the labels are ``c v.x / sqrt d`` plus uncorrelated noise of variance
    ``1 - c^2``; it finds the overlap of that linear model, with the error of the sign channel.
    """
    with jax.enable_x64(True):
        rho, eps, _ = teacher.activation_constants(ACTIVATION)
        optimal = teacher.bayes_limits(READOUT, alpha, rho=rho, eps=eps)
        c = _linear_part(float(rho), float(eps))
        linear = teacher.bayes_limits("identity", alpha, rho=c, eps=0.0, noise=1 - c**2)
        cosine = float(rho) * np.sqrt(float(linear.q) / float(rho**2 + eps))
        return Limit(
            float(optimal.generalization_error),
            float(np.arccos(cosine) / np.pi),
            float(optimal.mi_per_sample),
            float(teacher.rate_scale(n, d, p).value),
        )


def _linear_part(rho: float, eps: float) -> float:
    """Slope of the regression of the label on v.x / sqrt d."""
    return rho * np.sqrt(2 / np.pi / (rho**2 + eps))


def _others(x: np.ndarray, y: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Test errors of message passing and ridge on the students' own samples, (k1, k2, 2)."""
    rho, eps, _ = (float(c) for c in teacher.activation_constants(ACTIVATION))
    c = _linear_part(rho, eps)
    rows = np.arange(mask.shape[-1])

    @jax.jit
    def errors(x, y, x_test, y_test):
        a = x / jnp.sqrt(x.shape[1])
        gram = a.T @ a + (1 - c**2) / c**2 * jnp.eye(x.shape[1])
        ridge = jnp.linalg.solve(gram, a.T @ y)
        mean = teacher.gamp(x, y, READOUT, rho=rho, eps=eps, steps=40).mean
        guess = jnp.stack([x_test @ mean, x_test @ ridge])
        return jnp.mean(jnp.sign(guess) != y_test, axis=1)

    out = np.empty((*mask.shape[:2], 2))
    for s in range(mask.shape[0]):
        pairs, labels = x[s].reshape(-1, 2, x.shape[-1]), y[s].reshape(-1, 2)
        for u, m in enumerate(mask[s]):
            out[s, u] = errors(
                pairs[rows, m], labels[rows, m], pairs[rows, 1 - m], labels[rows, 1 - m]
            )
    return out


def message_passing(key: Key, alpha: float, options: Options) -> Passing:
    """Message passing on the equivalent linear model, and the state evolution of it."""
    d, steps = options.passing_dimension, options.passing_steps
    n = round(alpha * d)
    rho, eps, _ = (float(c) for c in teacher.activation_constants(ACTIVATION))

    @jax.jit
    def one(k):
        data = teacher.sample_linear_teacher(k, READOUT, n, d, rho=rho, eps=eps)
        got = teacher.gamp(data.x, data.y, READOUT, rho=rho, eps=eps, steps=steps)
        v, m = data.vector, got.mean
        # The angle between the truth and the estimate gives this run's test error exactly.
        total = rho**2 * (v @ v) + eps * d
        error = jnp.arccos(rho * (m @ v) / jnp.sqrt(total * (m @ m))) / jnp.pi
        return error, got.overlap

    runs = [one(k) for k in jax.random.split(key, options.passing_runs)]
    with jax.enable_x64(True):
        path = teacher.state_evolution(READOUT, n / d, rho=rho, eps=eps, steps=steps)
        evolved = float(path.generalization_error[-1]), np.asarray(path.q)
    error, overlap = (np.asarray(jax.device_get(part)) for part in zip(*runs))
    return Passing(error, overlap, *evolved)


def dataset(found: list[Point], options: Options) -> xarray.Dataset:
    """What was found as one data set, with units and kinds."""
    names = list(found[0].bounds)

    def stack(get) -> np.ndarray:
        return np.array([np.asarray(get(p), float) for p in found])

    error = {"units": "probability", "kind": "estimate"}
    exact = {"units": "probability", "kind": "exact"}
    by_teacher, by_bound = ("alpha", "teacher"), ("alpha", "bound_name")
    variables = {
        "bayes_error": ("alpha", stack(lambda p: p.limit.bayes), exact),
        "ridge_limit": ("alpha", stack(lambda p: p.limit.ridge), exact),
        "mi_per_sample": (
            "alpha",
            stack(lambda p: p.limit.information),
            {"units": "nat", "kind": "exact"},
        ),
        "rate_scale": (
            "alpha",
            stack(lambda p: p.limit.scale),
            {"units": "nat", "kind": "diagnostic"},
        ),
        **{
            f"{name}_error": (by_teacher, stack(lambda p, name=name: getattr(p, name)), error)
            for name in ("gamp", "ridge", "student", "train")
        },
        "passing_error": (("alpha", "run"), stack(lambda p: p.passing.error), error),
        "passing_overlap": (("alpha", "run", "step"), stack(lambda p: p.passing.overlap)),
        "evolved_error": ("alpha", stack(lambda p: p.passing.evolved_error), exact),
        "evolved_overlap": (("alpha", "step"), stack(lambda p: p.passing.evolved_overlap)),
        "gap": ("alpha", stack(lambda p: p.gap.value), error),
        "gap_std_error": ("alpha", stack(lambda p: p.gap.std_error), error),
        "bound_value": (by_bound, stack(lambda p: [p.bounds[k].value for k in names])),
    }
    kinds = ("bound_name", [found[0].bounds[k].kind for k in names])
    coords = {"alpha": [p.alpha for p in found], "bound_name": names, "bound_kind": kinds}
    return xarray.Dataset(variables, coords, {k: str(v) for k, v in vars(options).items()})
