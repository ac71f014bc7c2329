"""The replica engine: many training runs at once, in chunks, on every device of every host."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from ibjax import arguments
from ibjax.interface import Dataset, Evidence, Hyper, Supersample
from ibjax.langevin import batches, hosts
from ibjax.langevin.checks import pairs, pool_arrays
from ibjax.langevin.config import Config, hyper, static
from ibjax.langevin.losses import check_loss
from ibjax.langevin.measured import evidence, step_arrays
from ibjax.langevin.prepared import network_of
from ibjax.langevin.run import Run, make_run
from ibjax.randomness import pinned, root_key
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

Progress = Callable[[int, int], None]
"""Called with (replica-steps done, replica-steps in all)."""

_SEGMENT = 100
"""Steps between two reports of progress; the numbers do not depend on it."""


class _Shape(NamedTuple):
    n: int
    chunk: int
    x: tuple[int, ...]
    dtype: str
    num_classes: int
    devices: int


class _Programs(NamedTuple):
    prepare: Callable[[Any], Any] | None
    init: Callable[..., Any]
    advance: Callable[..., Any]
    evaluate: Callable[..., Any]
    shardings: tuple[NamedSharding, NamedSharding]
    bytes: int


def run_replicas(
    key: Key,
    config: Config,
    dataset: Dataset,
    supersample: Supersample,
    *,
    first_mask: int = 0,
    progress: Progress | None = None,
) -> Evidence:
    """Train one replica for each supersample and mask, and measure what the bounds need.

    Replica (s, u) trains on ``index[s, i, mask[s, u, i]]`` and is tested on the other member of
    each pair. Its randomness is ``fold_in(fold_in(key, s), u)`` with separate streams for
    initialisation, batches, Langevin noise, layer noise and evaluation, so its result does not
    depend on which replicas run beside it. Replicas are spread over all local devices, and over
    all processes where `jax.distributed` has been initialised: every process must call, and gets
    the evidence of all.

    Args:
        key: root key of the training randomness, from ``jax.random.key`` or ``PRNGKey``. The
            numbers depend on it alone, whatever precision and generator JAX is set to.
        config: the run; equal up to learning rate, temperature, clip and noise, two
            configurations share one compiled program.
        dataset: the pool; kept once per device.
        supersample: pairs and masks, from `data.supersample`.
        first_mask: number u of the first mask given, where a run with fewer masks is continued.
        progress: called after every stretch of steps.

    Returns:
        `Evidence` as NumPy arrays. A replica whose weights or losses stop being finite is
        marked in ``diverged``. Once its weights are not, it **errs everywhere**: both errors
        are 1, so that bounds on the gap speak of all replicas; its predictions are -1 and its
        other numbers NaN. An example whose logits are not finite is an error, too.

    Raises:
        ValueError: before training, if the data cannot be trained on, the supersample does not
            fit them, the batch does not fit n, the network gives no logits or is not what its
            layers say, the loss is no number an example, a schedule leaves the finite numbers
            or turns negative, or first_mask is negative.
    """
    with pinned():
        return _run(root_key(key), config, dataset, supersample, first_mask, progress)


def _run(key, config, dataset, supersample, first_mask, progress) -> Evidence:
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
    programs, chunk = _fitting_programs(config, x, n, len(here), num_classes)
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
        state, step, measured = programs.init(k, values), 0, []
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
            now = programs.evaluate(state, *jax.device_put(_ints(stop), whole), *whole_pool)
            measured.append(jax.device_get(now))
        together = jax.tree.map(lambda *a: np.stack(a, axis=1), *measured)
        parts.append(jax.tree.map(lambda a, keep=keep: a[:keep], together))
    m = hosts.gather(jax.tree.map(lambda *a: np.concatenate(a), *parts), total)
    m = jax.tree.map(lambda a: a.reshape(k1, k2, *a.shape[1:]), m)
    return evidence(config, network, num_classes, m, sizes, (index, mask, labels), example, stops)


def _ints(*values: int) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(v, np.int32) for v in values)


def _fitting_programs(config, x, n, total, num_classes) -> tuple[_Programs, int]:
    """Programs for as many replicas at once as XLA says the memory holds."""
    devices = jax.local_device_count()
    chunk = -(-min(config.replicas_per_chunk or total, total) // devices) * devices
    while True:
        programs = _compile(
            static(config), _Shape(n, chunk, x.shape, x.dtype.name, num_classes, devices)
        )
        fits = programs.bytes <= config.memory or chunk == devices
        if config.replicas_per_chunk is not None or fits:
            return programs, chunk
        smaller = int(chunk * config.memory / programs.bytes) // devices * devices
        chunk = max(min(smaller, chunk - devices), devices)


@lru_cache(maxsize=64)
def _compile(config: Config, shape: _Shape) -> _Programs:
    network = network_of(config.network, shape.num_classes, shape.x[1:], shape.dtype)
    pool = jax.ShapeDtypeStruct(shape.x, shape.dtype)
    run: Run = make_run(config, network, pool, shape.n, shape.num_classes)
    over = vectorised(config.mapping)

    norm = network.batch_statistics
    prepare = None if norm is None else norm.prepare

    def init(keys, values):
        return over(lambda k: run.init(k, values), keys)

    def advance(state, start, stop, keys, values, index, mask, x, y):
        def one(s, k, i, m):
            return run.advance(s, start, stop, k, values, i, m, x, y)

        return over(one, state, keys, index, mask)

    def evaluate(state, step, keys, values, index, mask, x, y):
        def one(s, k, i, m):
            return run.evaluate(s, step, k, values, i, m, x, y)

        return over(one, state, keys, index, mask)

    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((shape.devices,), ("replica",), auto, devices=jax.local_devices())
    split, whole = NamedSharding(mesh, P("replica")), NamedSharding(mesh, P())
    data = (split, whole, split, split, whole, whole)

    def place(function, *shardings):
        """One program for all local devices, each working on its share of the replicas."""
        specs = tuple(s.spec for s in shardings)
        if shape.devices > 1:
            function = jax.shard_map(
                function, mesh=mesh, in_specs=specs, out_specs=split.spec, check_vma=False
            )
        return jax.jit(function, in_shardings=shardings, out_shardings=split)

    scalar = jax.ShapeDtypeStruct((), jnp.int32)
    values = jax.tree.map(lambda _: jax.ShapeDtypeStruct((), jnp.float32), Hyper(0.0, 0.0))
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), shape.chunk))
    state = jax.eval_shape(init, keys, values)
    index = jax.ShapeDtypeStruct((shape.chunk, shape.n, 2), jnp.int32)
    mask = jax.ShapeDtypeStruct((shape.chunk, shape.n), jnp.int32)
    labels = jax.ShapeDtypeStruct(shape.x[:1], jnp.int32)
    rest = (keys, values, index, mask)
    seen = pool if prepare is None else jax.eval_shape(prepare, pool)
    training = (*rest, seen, labels)
    compiled = place(advance, split, whole, whole, *data).lower(state, scalar, scalar, *training)
    compiled = compiled.compile()
    return _Programs(
        None if prepare is None else jax.jit(prepare, out_shardings=whole),
        place(init, split, whole).lower(keys, values).compile(),
        compiled,
        place(evaluate, split, whole, *data).lower(state, scalar, *rest, pool, labels).compile(),
        (whole, split),
        _bytes(compiled) + (0 if prepare is None else 4 * math.prod(shape.x)),  # and the raw pool
    )


def _bytes(compiled: Any) -> int:
    """Memory one device needs for a chunk, by XLA's own account; 0 where it gives none."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    return analysis.temp_size_in_bytes + analysis.argument_size_in_bytes


def vectorised(mapping: str) -> Callable[..., Any]:
    """Apply a function of one replica to many: batched, or one after the other."""
    if mapping == "vmap" or (mapping == "auto" and jax.default_backend() != "cpu"):
        return lambda f, *xs: jax.vmap(f)(*xs)
    return lambda f, *xs: jax.lax.map(lambda x: f(*x), xs)


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
