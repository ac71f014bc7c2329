"""What both kinds of certificate share: plain training, predictions, and checks of arguments."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import host
from ibjax.interface import Dataset, Hyper, Network
from ibjax.langevin.checks import pool_arrays
from ibjax.langevin.prepared import check_each, network_of
from ibjax.typing import JaxArray, Key


class Problem(NamedTuple):
    """A data set and a network as one function.

    Attributes:
        x: inputs, (n, ...).
        y: labels, (n,).
        logits: ``(params, x) -> (n, K)``, without layer noise.
        network: the network with parameters in float32: what a posterior adds to them is not lost.
    """

    x: JaxArray
    y: JaxArray
    logits: Callable[[Any, JaxArray], JaxArray]
    network: Network


def ready(network: Network, dataset: Dataset) -> Problem:
    """Check that the network is a function of its parameters and one input at a time.

    Raises:
        ValueError: for normalisation by batch statistics, whose weights are not all in the
            posterior, or of a network's own, by which the error of an example is no function of
            weights and example; for padded depth; for data that do not pair up, labels out of
            range, copies of all examples or of a class, or logits that are not one a class.
    """
    if network.batch_statistics is not None:
        raise ValueError(
            "network normalises by batch statistics, which depend on data outside its parameters; "
            "give one without"
        )
    if network.trainable is not None:
        raise ValueError("network is padded beyond its depth; give one without padded_to")
    labels = host("dataset.y", dataset.y)
    if len(dataset.x) != len(labels) or len(labels) < 4:
        raise ValueError(
            f"dataset has {len(dataset.x)} inputs and {len(labels)} labels; give pairs, 4 or more"
        )
    x, y = pool_arrays(dataset, network)
    hyper, described = Hyper(0.0, 0.0), (x.shape[1:], x.dtype.name)
    network = network_of(network, int(dataset.num_classes), *described, claims=False)
    check_each(network, *described, hyper)

    def logits(params: Any, z: JaxArray) -> JaxArray:
        return network.apply(params, z, None, hyper)[0]

    return Problem(jnp.asarray(x), jnp.asarray(y), logits, network)


def bounded_loss(logits: JaxArray, y: JaxArray, smallest: float) -> JaxArray:
    """Negative log likelihood with probabilities clipped at `smallest`, scaled to [0, 1]."""
    log_p = jnp.maximum(jax.nn.log_softmax(logits), jnp.log(smallest))
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1)) / -jnp.log(smallest)


def errors(logits: JaxArray, y: JaxArray) -> JaxArray:
    """Share of examples the largest logit gets wrong; NaN logits are wrong everywhere."""
    right = (jnp.argmax(logits, axis=1) == y) & jnp.all(jnp.isfinite(logits), axis=1)
    return jnp.mean(~right)


def descend(
    loss: Callable[..., JaxArray],
    params: Any,
    x: JaxArray,
    y: JaxArray,
    key: Key,
    *fixed: Any,
    steps: int,
    batch: int,
    learning_rate: float,
) -> Any:
    """Minimise ``loss(params, x, y, key, *fixed)`` over random batches by Adam.

    Large arrays go through `fixed`: closed over, each would be a constant of the program, to be
    hashed, stored and compiled with it.
    """
    import optax

    rule = optax.adam(learning_rate)
    batch = min(batch, x.shape[0])

    def run(params, x, y, keys, fixed):
        def step(state, k):
            params, memory = state
            rows_key, loss_key = jax.random.split(k)
            rows = jax.random.randint(rows_key, (batch,), 0, x.shape[0])
            slope = jax.grad(loss)(params, x[rows], y[rows], loss_key, *fixed)
            moves, memory = rule.update(slope, memory)
            return (optax.apply_updates(params, moves), memory), None

        return jax.lax.scan(step, (params, rule.init(params)), keys)[0][0]

    return jax.jit(run)(params, x, y, jax.random.split(key, steps), fixed)


def flat(params: Any) -> np.ndarray:
    """All numbers of a pytree in float64, on the host."""
    return np.concatenate([np.asarray(p, np.float64).ravel() for p in jax.tree.leaves(params)])
