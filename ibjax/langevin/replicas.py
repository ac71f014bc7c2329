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
from ibjax.interface import Dataset, Evidence, Hyper, Network, Supersample
from ibjax.langevin import batches, hosts
from ibjax.langevin.checks import pool_arrays
from ibjax.langevin.config import Config, hyper, schedules, static
from ibjax.langevin.gradients import check_loss
from ibjax.langevin.run import Run, make_run
from ibjax.langevin.transform import noise_std, schedule_value
from ibjax.networks import MLP, build
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
        key: root key of the training randomness.
        config: the run; equal up to learning rate, temperature, clip and noise, two
            configurations share one compiled program.
        dataset: the pool; kept once per device.
        supersample: pairs and masks, from `data.supersample`.
        first_mask: number u of the first mask given, where a run with fewer masks is continued.
        progress: called after every stretch of steps.

    Returns:
        `Evidence` as NumPy arrays. A replica whose weights or losses stop being finite is
        marked in ``diverged``; its numbers are NaN (predictions -1).

    Raises:
        ValueError: if the supersample does not fit the data set, the batch does not fit n,
            the loss is no number an example, or first_mask is negative.
    """
    with jax.enable_x64(False):  # training is in float32 whatever the caller analyses in
        return _run(key, config, dataset, supersample, first_mask, progress)


def _run(key, config, dataset, supersample, first_mask, progress) -> Evidence:
    index, mask = np.asarray(supersample.index), np.asarray(supersample.mask)
    x, y = pool_arrays(dataset, index, mask)
    k1, k2, n = mask.shape
    first_mask = arguments.whole("first_mask", first_mask, 0)
    b = batches.size(n, config.batch_size, config.batching)
    network = build(config.network, dataset.num_classes, x.shape[1:])
    check_loss(config.loss, dataset.num_classes)
    stops = _checkpoints(config)
    total = k1 * k2
    here = hosts.share(total)
    programs, chunk = _fitting_programs(config, x, n, len(here), dataset.num_classes)
    whole, split = programs.shardings
    values = jax.tree.map(jnp.float32, hyper(config))
    values, x, y = jax.device_put((values, x, y), whole)
    prepared = x if programs.prepare is None else programs.prepare(x)
    keys = replica_keys(key, k1, k2, config.shared_randomness, first_mask)
    pairs = np.repeat(index, k2, axis=0).astype(np.int32)
    masks = mask.reshape(total, n).astype(np.int32)

    parts, done = [], 0
    for first in range(0, len(here), chunk):
        keep = min(chunk, len(here) - first)
        rows = here[np.minimum(np.arange(first, first + chunk), len(here) - 1)]
        k, i, m = jax.device_put((keys[rows], pairs[rows], masks[rows]), split)
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
    return _evidence(config, network, dataset, index, mask, m, stops, b)


def _ints(*values: int) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(v, np.int32) for v in values)


def _evidence(config, network, dataset, index, mask, m, stops, b) -> Evidence:
    from ibjax import contraction

    diverged = ~np.all(m.finite, axis=-1)
    bad = diverged[..., None]
    etas, stds = step_arrays(config)
    layers = network.layers
    if isinstance(config.network, MLP):
        layers = layers[: config.network.depth]
    coefficients = contraction.network(layers)
    information = np.where(bad[..., None], np.nan, m.information)
    return Evidence(
        index=index,
        mask=mask,
        labels=np.asarray(dataset.y)[index],
        predictions=np.where(bad[..., None, None], -1, m.predictions),
        train_error=np.where(bad, np.nan, m.train_error),
        test_error=np.where(bad, np.nan, m.test_error),
        train_loss=np.where(bad, np.nan, m.train_loss),
        diverged=diverged,
        checkpoints=np.asarray(stops),
        step_sizes=etas,
        noise_stds=stds,
        clip=np.asarray(hyper(config).clip, np.float64),
        gradient_norm=np.asarray(gradient_norm(config, b, mask.shape[-1]), np.float64),
        batch_size=np.asarray(b, np.float64),
        dim=np.asarray(dim(config, network, dataset), np.float64),
        gradient_information=information[..., 0],
        sample_information=information[..., 1],
        incoherence_information=information[..., 2],
        trajectory_cmi=information[..., 3],
        trajectory_cmi_llr=information[..., 4],
        test_prior_information=information[..., 5],
        likelihood_ratio=information[..., 6],
        layer_diameter=np.array([f.diameter for f in layers], np.float64),
        layer_noise=np.array([f.noise for f in layers], np.float64),
        layer_log1m=np.array([float(c.log1m) for c in coefficients], np.float64),
        num_classes=np.asarray(dataset.num_classes, np.float64),
        exchangeable=np.asarray(1.0, np.float64),
    )


def step_arrays(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Step sizes and standard deviations of the weight noise of every step, (T,) float64."""
    eta, beta = schedules(config, hyper(config))

    def at(t):
        rate = schedule_value(eta, t)
        std = noise_std(rate, schedule_value(beta, t)) if config.optimizer == "sgld" else 0.0
        return jnp.float32(rate), jnp.float32(std)

    etas, stds = jax.vmap(at, out_axes=0)(jnp.arange(config.steps))
    return np.asarray(etas, np.float64), np.asarray(stds, np.float64)


def gradient_norm(config: Config, b: int, n: int) -> float:
    """Root mean square, over batches, of the largest norm a clipped step can have.

    A batch of b clipped gradients averages to at most the clip. A Poisson batch has a random
    size B and is still divided by b: E B^2 / b^2 = 1 + (1 - b/n) / b.
    """
    spread = (1 - b / n) / b if config.batching == "poisson" else 0.0
    return hyper(config).clip * math.sqrt(1 + spread)


def dim(config: Config, network: Network, dataset: Dataset) -> int:
    """Number of trained parameters; those of padded layers do not count."""
    example = jnp.zeros((1, *np.shape(dataset.x)[1:]), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), example)
    if network.trainable is None:
        return sum(int(np.prod(s.shape)) for s in jax.tree.leaves(shapes))
    ones = jax.tree.map(lambda s: jnp.zeros(s.shape), shapes)
    marks = network.trainable(ones, hyper(config))
    return int(sum(float(jnp.sum(leaf)) for leaf in jax.tree.leaves(marks)))


def _fitting_programs(config, x, n, total, num_classes) -> tuple[_Programs, int]:
    """Programs for as many replicas at once as XLA says the memory holds."""
    devices = jax.local_device_count()
    chunk = -(-min(config.replicas_per_chunk or total, total) // devices) * devices
    while True:
        programs = _compile(static(config), _Shape(n, chunk, x.shape, num_classes, devices))
        fits = programs.bytes <= config.memory or chunk == devices
        if config.replicas_per_chunk is not None or fits:
            return programs, chunk
        smaller = int(chunk * config.memory / programs.bytes) // devices * devices
        chunk = max(min(smaller, chunk - devices), devices)


@lru_cache(maxsize=64)
def _compile(config: Config, shape: _Shape) -> _Programs:
    network = build(config.network, shape.num_classes, shape.x[1:])
    pool = jax.ShapeDtypeStruct(shape.x, jnp.float32)
    run: Run = make_run(config, network, pool, shape.n)
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
