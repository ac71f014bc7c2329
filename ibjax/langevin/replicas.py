"""The replica engine: many training runs at once, in chunks, on every device of every host."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.interface import Dataset, Evidence, Supersample
from ibjax.langevin import batches, hosts
from ibjax.langevin.checks import pairs, pool_arrays
from ibjax.langevin.config import Config, hyper
from ibjax.langevin.losses import check_loss
from ibjax.langevin.measured import evidence, step_arrays
from ibjax.langevin.observed import (
    Observe,
    Trained,
    check_observe,
    check_weights,
    observer,
    unravelled,
)
from ibjax.langevin.prepared import network_of
from ibjax.langevin.programs import fitting
from ibjax.randomness import pinned, root_key
from ibjax.signatures import enforced
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

Progress = Callable[[int, int], None]
"""Called with (replica-steps done, replica-steps in all)."""

_SEGMENT = 100
"""Steps between two reports of progress; the numbers do not depend on it."""


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


def _train(key, config, dataset, supersample, observe, weights, first_mask, progress) -> Trained:
    x, y = pool_arrays(dataset, config.network)
    index, mask = pairs(supersample, dataset)
    k1, k2, n = mask.shape
    first_mask = arguments.whole("first_mask", first_mask, 0)
    batches.scheme(config, n)  # refuses a batch that is too large
    check_loss(config.loss, dataset.num_classes)
    num_classes = int(dataset.num_classes)
    network = network_of(config.network, num_classes, x.shape[1:], x.dtype.name)
    sizes = step_arrays(config)
    stops = _checkpoints(config)
    total = k1 * k2
    here = hosts.share(total)
    params = jax.eval_shape(network.init, jax.random.key(0), x[:1])
    look = None
    if observe is not None:
        check_observe(observe, params)
        look = partial(observer, observe, config, params)
    programs, seen, chunk = fitting(config, x, n, len(here), num_classes, look)
    whole, split = programs.shardings
    values = jax.tree.map(jnp.float32, hyper(config))
    repeated, masks = np.repeat(index, k2, axis=0), mask.reshape(total, n)
    labels, example = y[index], x[:1]
    values, x, y = jax.device_put((values, x, y), whole)
    prepared = x if programs.prepare is None else programs.prepare(x)
    keys = replica_keys(key, k1, k2, config.shared_randomness, first_mask)

    parts, done = [], 0
    for first in range(0, len(here), chunk):
        keep = min(chunk, len(here) - first)
        rows = here[np.minimum(np.arange(first, first + chunk), len(here) - 1)]
        k, i, m = jax.device_put((keys[rows], repeated[rows], masks[rows]), split)
        some = (k, values, i, m)
        training, whole_pool = (*some, prepared, y), (*some, x, y)
        state, step, taken = programs.init(k, values), 0, []
        for stop in stops:
            while step < stop:
                until = min(step + _SEGMENT, stop)
                steps = jax.device_put(_ints(step, until), whole)
                state = programs.advance(state, *steps, *training)
                done += (until - step) * keep
                step = until
                if progress is not None:
                    jax.block_until_ready(state)
                    whole_run = total * config.steps
                    progress(min(done * jax.process_count(), whole_run), whole_run)
            (at,) = jax.device_put(_ints(stop), whole)
            measured = programs.evaluate(state, at, *whole_pool)
            looked = None if seen is None else seen.program(state.weights, k, at)
            kept = state.weights if weights == "checkpoints" else None
            taken.append(jax.device_get((measured, kept, looked)))
        along = jax.tree.map(lambda *a: np.stack(a, axis=1), *taken)
        last = jax.device_get(state.weights) if weights and weights != "checkpoints" else None
        parts.append(jax.tree.map(lambda a, keep=keep: a[:keep], (along, last)))
    joined = jax.tree.map(lambda *a: np.concatenate(a), *parts)
    joined = jax.tree.map(lambda a: a.reshape(k1, k2, *a.shape[1:]), hosts.gather(joined, total))
    (m, kept, looked), last = joined
    flat = kept if last is None else last
    return Trained(
        evidence(config, network, num_classes, m, sizes, (index, mask, labels), example, stops),
        None if flat is None else unravelled(flat, params),
        looked,
    )


def _ints(*values: int) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(v, np.int32) for v in values)


@partial(jax.jit, static_argnames=("k1", "k2", "shared"))
def replica_keys(key: Key, k1: int, k2: int, shared: bool, first: int = 0) -> Array:
    """Keys (k1 * k2,): replica (s, first + u) has the same one whatever k1 and k2 are."""
    if shared:
        return jnp.broadcast_to(key, (k1 * k2,))
    outer = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(k1))
    inner = jax.vmap(jax.random.fold_in, (None, 0))
    return jax.vmap(inner, (0, None))(outer, first + jnp.arange(k2)).reshape(-1)


def _checkpoints(config: Config) -> tuple[int, ...]:
    each = config.steps / config.checkpoints
    return tuple(round(each * (i + 1)) for i in range(config.checkpoints))
