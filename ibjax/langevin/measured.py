"""What the replicas of a run measured, as evidence."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.interface import BATCHINGS, Evidence, Network
from ibjax.langevin import batches
from ibjax.langevin.accountant import ACCOUNTED
from ibjax.langevin.config import Config, hyper, schedules
from ibjax.langevin.frozen import check_settled
from ibjax.langevin.marks import marked
from ibjax.langevin.transform import noise_std, schedule_value
from ibjax.networks import MLP


def evidence(
    config: Config,
    network: Network,
    num_classes: int,
    m: Any,
    sizes: tuple[np.ndarray, np.ndarray],
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    example: Any,
) -> Evidence:
    """The evidence of replicas.

    Args:
        config: the run.
        network: its network.
        num_classes: K.
        m: what was measured of every replica at every checkpoint, a `run.Measurement` with
            leading axes (k1, k2, E).
        sizes: `step_arrays` of the run.
        pairs: index (k1, n, 2), mask (k1, k2, n) and labels (k1, n, 2).
        example: one input, (1, ...).
    """
    from ibjax import contraction

    index, mask, labels = pairs
    n = mask.shape[-1]
    batching, b = batches.scheme(config, n)
    found = _fields(m)
    layers = network.layers
    if isinstance(config.network, MLP):
        layers = layers[: config.network.depth]
    coefficients = contraction.network(layers)
    numbers = {
        "clip": enforced_clip(config),
        "gradient_norm": gradient_norm(config, b, n),
        "batch_size": b,
        "dim": dim(config, network, example),
        "num_classes": num_classes,
        "exchangeable": float(config.stop_error is None),
        "batching": BATCHINGS.index(batching),
        "smallest_batch": batches.smallest(n, b, batching),
        "shared_batches": config.shared_randomness,
        "bounded_steps": config.clip is not None,
        "classes_given": True,
        "radius": hyper(config).radius,
    }
    return Evidence(
        index=index,
        mask=mask,
        labels=labels,
        checkpoints=np.asarray(config.stops),
        step_sizes=sizes[0],
        noise_stds=sizes[1],
        layer_diameter=np.array([f.diameter for f in layers], np.float64),
        layer_noise=np.array([f.noise for f in layers], np.float64),
        layer_log1m=np.array([float(c.log1m) for c in coefficients], np.float64),
        **found,
        **{name: np.asarray(value, np.float64) for name, value in numbers.items()},
    )


def _fields(m: Any) -> dict[str, np.ndarray]:
    """The fields of the evidence that are measured; a network that diverged errs everywhere."""
    gone = ~m.finite  # by checkpoint: what comes later must not choose what counts earlier
    nothing = np.full(gone.shape, np.float32(np.nan))
    along = {name: np.where(gone, np.float32(np.nan), a) for name, a in m.along.items()}
    return (
        dict.fromkeys(ACCOUNTED, nothing)
        | along
        | {
            "predictions": np.where(gone[..., None, None], -1, m.predictions),
            "train_error": np.where(gone, np.float32(1.0), m.train_error),
            "test_error": np.where(gone, np.float32(1.0), m.test_error),
            "train_loss": np.where(gone | ~np.isfinite(m.train_loss), np.nan, m.train_loss),
            "diverged": ~np.all(m.finite & m.losses_finite, axis=-1),
        }
    )


def step_arrays(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Step sizes and standard deviations of the weight noise of every step, (T,) float64.

    Those of an optax transformation of one's own are unknown: step sizes NaN, noise 0.

    Raises:
        ValueError: where a schedule is negative or not finite at some step, or another one each
            time it is called.
    """
    if not isinstance(config.optimizer, str):
        return np.full(config.steps, np.nan), np.zeros(config.steps)
    eta, beta = schedules(config, hyper(config))

    def at(t):
        rate = schedule_value(eta, t)
        std = noise_std(rate, schedule_value(beta, t)) if config.optimizer == "sgld" else 0.0
        return jnp.float32(rate), jnp.float32(std)

    for name in ("learning_rate", "inverse_temperature"):
        if callable(schedule := getattr(config, name)):
            check_settled(name, schedule)
    etas, stds = jax.jit(jax.vmap(at))(np.arange(config.steps, dtype=np.int32))
    etas, stds = np.asarray(etas, np.float64), np.asarray(stds, np.float64)
    for name, values in (("learning_rate", etas), ("inverse_temperature", stds)):
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if values.shape != (config.steps,) or wrong.size:
            where = (
                f"gives {values.shape[1:]} numbers a step"
                if values.shape != (config.steps,)
                else f"makes the {'step size' if name == 'learning_rate' else 'weight noise'} "
                f"{values[wrong[0]]:g} at step {wrong[0]} of {config.steps}"
            )
            raise ValueError(
                f"{name} {where}; it must be one number a step, finite and not negative "
                "(a temperature positive) over the whole run"
            )
    return etas, stds


_ROUNDED = {"float32": 0.0, "tensorfloat32": 2.0**-11}
"""What an accelerator may move a factor of a product by, relatively: half of its last digit."""


def enforced_clip(config: Config) -> float:
    """Largest norm that an example's gradient has in the sum that a step moves by.

    It is a product of what was clipped, whose two factors may be rounded once more.
    """
    return hyper(config).clip * (1 + _ROUNDED[config.products]) ** 2


def gradient_norm(config: Config, b: int, n: int) -> float:
    """Root mean square, over batches, of the largest norm a clipped step can have.

    A batch of b clipped gradients averages to at most the clip. A Poisson batch has a random
    size B and is still divided by b: E B^2 / b^2 = 1 + (1 - b/n) / b.
    """
    spread = (1 - b / n) / b if config.drawn == "poisson" else 0.0
    return enforced_clip(config) * math.sqrt(1 + spread)


def dim(config: Config, network: Network, example: Any) -> int:
    """Number of trained parameters; those of padded layers do not count."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), example)
    return marked(network, shapes, hyper(config))
