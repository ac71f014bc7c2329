"""Replicas of supersamples: one training run for each mask, and the evidence of all."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.interface import Dataset, Evidence, Supersample
from ibjax.langevin import batches, engine, hosts
from ibjax.langevin.checks import pairs, pool_arrays
from ibjax.langevin.config import Config, hyper
from ibjax.langevin.engine import Progress
from ibjax.langevin.marks import check_marks
from ibjax.langevin.measured import evidence, step_arrays
from ibjax.langevin.observed import (
    Observe,
    Trained,
    check_observe,
    check_weights,
    observer,
    unravelled,
)
from ibjax.langevin.prepared import as_now, check_rows, network_of
from ibjax.langevin.programs import fitting
from ibjax.langevin.run import Pairs
from ibjax.randomness import fold_in, pinned, root_key
from ibjax.signatures import enforced
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


@enforced
def run_replicas(
    key: Key,
    config: Config,
    dataset: Dataset,
    supersample: Supersample,
    *,
    first_mask: int = 0,
    progress: Progress | None = None,
) -> Evidence:
    """The evidence of `train`, which see for arguments and errors."""
    return train(
        key, config, dataset, supersample, first_mask=first_mask, progress=progress
    ).evidence


@enforced
def train(
    key: Key,
    config: Config,
    dataset: Dataset,
    supersample: Supersample,
    *,
    observe: Observe | None = None,
    weights: bool | Literal["checkpoints"] = False,
    first_mask: int = 0,
    progress: Progress | None = None,
) -> Trained:
    """Train one replica for each supersample and mask, and measure what the bounds need.

    Replica (s, u) trains on ``index[s, i, mask[s, u, i]]`` and is tested on the other member of
    each pair. Its randomness is ``fold_in(fold_in(key, s), u)`` with separate streams for
    initialisation, batches, Langevin noise, layer noise, evaluation and observation, so its result
    depends neither on which replicas run beside it nor on what is observed. Replicas are spread
    over all local devices, and over all processes where `jax.distributed` has been initialised:
    every process must call, and gets the results of all.

    Args:
        key: root key of the training randomness, from ``jax.random.key`` or ``PRNGKey``. The
            numbers depend on it alone, whatever precision and generator JAX is set to.
        config: the run; equal up to learning rate, temperature, clip and noise, two
            configurations share one compiled program.
        dataset: the pool; kept once per device.
        supersample: pairs and masks, from `data.supersample`.
        observe: what to look at in each replica at each checkpoint: a pure JAX function from its
            parameters (as the network's `apply` takes them, in float32) and a key of its own to a
            pytree of arrays, which may close over arrays, such as inputs to compute features of.
            Compiled anew in every call.
        weights: hand back the parameters after training, or those of all "checkpoints"; they
            are kept in host memory. Running batch statistics are not among them.
        first_mask: number u of the first mask given, where a run with fewer masks is continued.
        progress: called after every stretch of steps.

    Returns:
        `Trained` of NumPy arrays. In its evidence, a replica whose weights or losses stop being
        finite is marked in ``diverged``. Once its weights are not, it **errs everywhere**: both
        errors are 1, so that bounds on the gap speak of all replicas; its predictions are -1 and
        its other numbers NaN. An example whose logits are not finite is an error, too. Weights and
        observations of such a replica are handed back as they are.

    Raises:
        ValueError: before training, if the data cannot be trained on, the supersample does not
            fit them, the batch does not fit n, the network gives no logits or is not what its
            layers say, the loss is no number an example, a schedule leaves the finite numbers
            or turns negative, an optimizer of one's own cannot take a step, observe fails or gives
            no arrays, weights is no such request, or first_mask is negative.
    """
    check_weights(weights)
    with pinned():
        return _train(
            root_key(key), config, dataset, supersample, observe, weights, first_mask, progress
        )


@pinned()
def compile_for(config: Config, dataset: Dataset, supersample: Supersample) -> None:
    """Compile what `train` needs for such a run, in a thread that has nothing else to do, say.

    Not where the memory that is free decides the chunk: a run under way holds what the next will
    have.
    """
    if config.memory is None and jax.default_backend() != "cpu":
        return
    x, _ = pool_arrays(dataset, config.network)
    config = as_now(config, int(dataset.num_classes), x)
    _, mask = pairs(supersample, dataset)
    k1, k2, n = mask.shape
    room = len(hosts.share(k1 * k2))
    fitting(config, Pairs(n), x, room, int(dataset.num_classes))


def _train(key, config, dataset, supersample, observe, weights, first_mask, progress) -> Trained:
    x, y = pool_arrays(dataset, config.network)
    index, mask = pairs(supersample, dataset)
    k1, k2, n = mask.shape
    first_mask = arguments.whole("first_mask", first_mask, 0)
    batches.scheme(config, n)  # refuses a batch that is too large
    num_classes = int(dataset.num_classes)
    config = as_now(config, num_classes, x)
    described = (config.network, num_classes, x.shape[1:], x.dtype.name, config.scalars)
    network = network_of(*described, claims=True)
    check_rows(config, network, x, 2 * n)
    sizes, stops = step_arrays(config), config.stops
    params = jax.eval_shape(network.init, jax.random.key(0), x[:1])
    check_marks(network, params, hyper(config))
    look = None
    if observe is not None:
        check_observe(observe, params)
        look = partial(observer, observe, config, params)
    replicas = engine.Replicas(
        Pairs(n),
        replica_keys(key, k1, k2, config.shared_randomness, first_mask),
        (np.repeat(index, k2, axis=0), mask.reshape(k1 * k2, n)),
        jax.tree.map(jnp.float32, hyper(config)),
    )
    given = (config, replicas, x, y, num_classes, stops)
    got = engine.train(*given, look=look, weights=weights, progress=progress)
    got = jax.tree.map(lambda a: a.reshape(k1, k2, *a.shape[1:]), got)
    flat = got.checkpoints if got.last is None else got.last
    data = (index, mask, y[index])
    return Trained(
        evidence(config, network, num_classes, got.measured, sizes, data, x[:1]),
        None if flat is None else unravelled(flat, params),
        got.observed,
    )


@partial(jax.jit, static_argnames=("k1", "k2", "shared"))
def replica_keys(key: Key, k1: int, k2: int, shared: bool, first: int = 0) -> Array:
    """Keys (k1 * k2,): replica (s, first + u) has the same one whatever k1 and k2 are."""
    if shared:
        return jnp.broadcast_to(key, (k1 * k2,))
    outer = jax.vmap(fold_in, (None, 0))(key, jnp.arange(k1))
    inner = jax.vmap(fold_in, (None, 0))
    return jax.vmap(inner, (0, None))(outer, first + jnp.arange(k2)).reshape(-1)
