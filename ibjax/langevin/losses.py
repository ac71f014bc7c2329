"""The loss of each example, and the check that it is one."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.langevin.frozen import frozen_loss
from ibjax.signatures import enforced
from ibjax.typing import JaxArray as Array

Loss = Callable[[Array, Array], Array]
"""The loss of each example: logits (batch, K) and labels (batch,) to (batch,)."""

_PROBES = 5
"""Rows of the logits a loss is tried on."""


@enforced
def cross_entropy(logits: Array, y: Array) -> Array:
    """Softmax cross-entropy of each example in nats, (batch,).

    Args:
        logits: (batch, K).
        y: labels 0..K-1, (batch,); of any other the loss is NaN.

    Raises:
        ValueError: where there is not one label a row of logits.
    """
    if jnp.shape(y) != jnp.shape(logits)[:-1]:
        raise ValueError(
            f"logits has shape {jnp.shape(logits)} and y {jnp.shape(y)}; give (batch, K), (batch,)"
        )
    # optax takes the label's logit by its place, whose derivative is a scatter: slow in a loop.
    shifted = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    own = jnp.asarray(y)[..., None] == jnp.arange(jnp.shape(logits)[-1])
    chosen = jnp.sum(jnp.where(own, shifted, 0.0), axis=-1)
    losses = jnp.log(jnp.sum(jnp.exp(shifted), axis=-1)) - chosen
    return jnp.where(jnp.any(own, axis=-1), losses, jnp.nan)


def predicted(logits: Array) -> Array:
    """The class of the largest logit; -1, which is no class, where a logit is not finite."""
    return jnp.where(jnp.all(jnp.isfinite(logits), axis=-1), jnp.argmax(logits, axis=-1), -1)


def check_loss(loss: Loss, num_classes: int) -> None:
    """Refuse a loss that is not one real number an example, of this example alone.

    Tried on random logits and labels: one row of logits or one label is changed, and the losses
    and derivatives of the other rows must stay; a row by itself must have those it has in the
    batch.

    Args:
        loss: from logits (batch, K) and labels (batch,).
        num_classes: K.

    Raises:
        ValueError: saying what it gave, or which loss moved.
    """
    shapes = ((_PROBES, num_classes), jnp.float32), ((_PROBES,), jnp.int32)
    given = (jax.ShapeDtypeStruct(*s) for s in shapes)
    # A function of its own, so that no cache of JAX takes the result of an earlier look.
    try:
        got: Any = jax.eval_shape(lambda logits, labels: loss(logits, labels), *given)
    except Exception as error:  # the user's own code may fail in any way
        raise ValueError(
            f"loss fails on logits ({_PROBES}, {num_classes}) and labels ({_PROBES},), which are "
            f"class numbers ({type(error).__name__}: {' '.join(str(error).split())[:200]}); give a "
            "JAX function of both, with jax.nn.one_hot where it needs rows"
        ) from error
    if getattr(got, "shape", None) != (_PROBES,) or not jnp.issubdtype(got.dtype, jnp.floating):
        raise ValueError(
            f"loss gives {got} for logits ({_PROBES}, {num_classes}) and labels ({_PROBES},); give "
            "one real number an example, (batch,), without averaging"
        )
    if loss is not cross_entropy:  # which is known to be one
        _check_alone(frozen_loss(loss, num_classes), num_classes)


@lru_cache(maxsize=64)
def _check_alone(loss: Loss, num_classes: int) -> None:
    """Refuse a loss that depends on the other examples of its batch."""
    shapes = ((_PROBES, num_classes),), ((_PROBES,),)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=shapes[0][0]).astype(np.float32)
    labels = rng.integers(0, num_classes, _PROBES).astype(np.int32)
    for scale in (0.3, 1.0, 3.0, 30.0):
        base, moved, relabelled, alone = _probed(loss, num_classes, directions * scale, labels)
        # One that is not finite everywhere trains: its gradient then counts as zero.
        if scale <= 3 and not np.isfinite(base[:, 0]).any():
            raise ValueError(
                f"loss gives {base[:, 0]} for logits of size {scale:g}; give one that is finite at "
                "ordinary logits"
            )
        for what, found in (("row of logits", moved), ("label", relabelled)):
            others = ~np.eye(_PROBES, dtype=bool)
            if _differ(found[others], np.broadcast_to(base, found.shape)[others]):
                raise ValueError(
                    f"loss of one example changes with the {what} of another, so that bounding "
                    "each example's gradient would bound nothing: compute it from the example's "
                    "own logits and label, without means, ranks or pairs over the batch"
                )
        if _differ(alone, base):
            raise ValueError(
                "loss of one example is another one when the example is alone than in a batch of "
                f"{_PROBES}, so that networks would not train on the same loss: let it depend "
                "neither on the size of the batch nor on the place in it"
            )


def _differ(a: np.ndarray, b: np.ndarray) -> bool:
    return not np.allclose(a, b, rtol=1e-5, atol=1e-5, equal_nan=True)


def _probed(loss: Loss, num_classes: int, logits: Any, labels: Any) -> tuple[np.ndarray, ...]:
    """Losses and derivatives, (batch, 1 + K); with each row, then each label, changed; alone."""
    eye = np.eye(_PROBES, dtype=bool)
    other_rows = np.where(eye[..., None], 1.7 * logits[::-1] - 0.9, logits)
    other_labels = np.where(eye, (labels + 1) % num_classes, labels)

    def one(z: Array, y: Array) -> Array:
        def total(z: Array) -> tuple[Array, Array]:
            losses = loss(z, y)
            return jnp.sum(losses), losses

        derivatives, losses = jax.grad(total, has_aux=True)(z)
        return jnp.concatenate([losses[:, None], derivatives], axis=1)

    def all_of(logits: Array, labels: Array, other_rows: Array, other_labels: Array):
        return (
            one(logits, labels),
            jax.vmap(one, (0, None))(other_rows, labels),
            jax.vmap(one, (None, 0))(logits, other_labels),
            jax.vmap(one)(logits[:, None], labels[:, None])[:, 0],
        )

    rows = (logits.astype(np.float32), other_rows.astype(np.float32))
    found = jax.jit(all_of)(rows[0], labels, rows[1], other_labels.astype(np.int32))
    return tuple(np.asarray(f, np.float32) for f in found)
