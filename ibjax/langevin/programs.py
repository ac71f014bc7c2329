"""The compiled programs of a run: one chunk of replicas, on every local device."""

import math
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from ibjax import threads
from ibjax.environment import chunk_memory, lean_compilation
from ibjax.interface import Network
from ibjax.langevin.config import Config, static
from ibjax.langevin.prepared import network_of
from ibjax.langevin.run import Run

PRECISIONS = {"float32": "highest", "tensorfloat32": "tensorfloat32"}
"""What JAX calls the precision of products, by `Config.products`."""


_ONE_BY_ONE = threading.Lock()
"""So that of two threads in need of the same programs one compiles them and the other waits."""


class Kind(Protocol):
    """What one replica is: hashable, since programs are looked up by it."""

    def values(self, config: Config) -> Any:
        """Shapes of what all replicas of a run share and may sweep."""
        ...

    def rows(self, chunk: int) -> Any:
        """Shapes of the positions in the pool that the replicas of a chunk use."""
        ...

    def run(self, config: Config, network: Network, pool: Any) -> Run:
        """The functions of one replica."""
        ...


class Shape(NamedTuple):
    """What a compiled chunk depends on besides the run."""

    kind: Kind
    chunk: int
    x: tuple[int, ...]
    dtype: str
    num_classes: int
    devices: int


class Programs(NamedTuple):
    """The programs of a chunk, how whole and shared arrays lie, and the bytes a device needs."""

    prepare: Callable[[Any], Any] | None
    init: Callable[..., Any]
    advance: Callable[..., Any]
    evaluate: Callable[..., Any]
    shardings: tuple[NamedSharding, NamedSharding]
    bytes: int


def fitting(
    config: Config,
    kind: Kind,
    x: Any,
    total: int,
    num_classes: int,
    look: Callable[[Shape, NamedSharding], Any] | None = None,
) -> tuple[Programs, Any, int]:
    """Programs for as many replicas at once as XLA says the memory holds.

    Args:
        config: the run.
        kind: of the replicas.
        x: inputs of the pool.
        total: replicas of this process.
        num_classes: K.
        look: compiles what else runs on a chunk, and says in ``bytes`` what that needs.

    Returns:
        The programs, what `look` gave (None without it), and the replicas of one chunk.
    """
    devices = jax.local_device_count()
    room = chunk_memory() if config.memory is None else config.memory
    # XLA takes a loop over one replica apart and may round what is in it otherwise: with two, which
    # one after the other need no more memory, the numbers are those of any chunk.
    least = devices * min(-(-total // devices), 1 if in_parallel(config.mapping) else 2)
    chunk = -(-min(config.replicas_per_chunk or total, total) // devices) * devices
    chunk = max(chunk, least)
    while True:
        shape = Shape(kind, chunk, x.shape, x.dtype.name, num_classes, devices)
        with _ONE_BY_ONE:
            programs = compiled(static(config), shape)
        other = None if look is None else look(shape, programs.shardings[1])
        needed = max(programs.bytes, 0 if other is None else other.bytes)
        fits = needed <= room or chunk == least
        if config.replicas_per_chunk is not None or fits:
            return programs, other, chunk
        smaller = int(chunk * room / needed) // devices * devices
        chunk = max(min(smaller, chunk - devices), least)


class Source(NamedTuple):
    """A program before it is compiled: jitted, and the shapes of its arguments."""

    function: Any
    arguments: tuple[Any, ...]

    def lower(self) -> Any:
        """The program for the devices at hand, before XLA compiles it."""
        return self.function.lower(*self.arguments)


class Sources(NamedTuple):
    """The programs of a chunk before they are compiled, see `Programs`."""

    prepare: Source | None
    init: Source
    advance: Source
    evaluate: Source
    shardings: tuple[NamedSharding, NamedSharding]


@lru_cache(maxsize=64)
def compiled(config: Config, shape: Shape) -> Programs:
    """The programs of a chunk; equal runs of equal shapes share them."""
    found = sources(config, shape)
    options = lean_compilation() if jax.default_backend() == "cpu" else {}
    # XLA lets go of Python's lock: while it compiles one program the next is traced.
    with jax.default_matmul_precision(PRECISIONS[config.products]), threads.beside() as pool:
        begun = [
            pool.submit(source.lower().compile, options)
            for source in (found.advance, found.evaluate, found.init)
        ]
        advance, evaluate, init = (one.result() for one in begun)
    # Beside what the training reads lies the raw pool, where the network prepared it.
    raw = 0 if found.prepare is None else 4 * math.prod(shape.x)
    needed = max(memory(program) for program in (init, advance, evaluate)) + raw
    prepare = None if found.prepare is None else found.prepare.function
    return Programs(prepare, init, advance, evaluate, found.shardings, needed)


def sources(config: Config, shape: Shape) -> Sources:
    """The programs of a chunk as functions, to compile here or to lower for another platform."""
    network = network_of(
        config.network,
        shape.num_classes,
        shape.x[1:],
        shape.dtype,
        config.scalars,
        claims=not config.scalars,  # tried out before, at the numbers they have
    )
    pool = jax.ShapeDtypeStruct(shape.x, shape.dtype)
    run = shape.kind.run(config, network, pool)
    over = vectorised(config.mapping)

    norm = network.batch_statistics
    prepare = None if norm is None else norm.prepare

    def init(keys, values):
        return over(lambda k: run.init(k, values), keys)

    def advance(state, start, stop, keys, values, rows, x, y):
        def one(s, k, r):
            return run.advance(s, start, stop, k, values, r, x, y)

        return over(one, state, keys, rows)

    def evaluate(state, step, keys, values, rows, x, y):
        def one(s, k, r):
            return run.evaluate(s, step, k, values, r, x, y)

        return over(one, state, keys, rows)

    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((shape.devices,), ("replica",), auto, devices=jax.local_devices())
    split, whole = NamedSharding(mesh, P("replica")), NamedSharding(mesh, P())
    data = (True, False, True, False, False)

    scalar = jax.ShapeDtypeStruct((), jnp.int32)
    values, rows = shape.kind.values(config), shape.kind.rows(shape.chunk)
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), shape.chunk))
    state = jax.eval_shape(init, keys, values)
    labels = jax.ShapeDtypeStruct(shape.x[:1], jnp.int32)
    rest = (keys, values, rows)
    seen = pool if prepare is None else jax.eval_shape(prepare, pool)
    steps, place = (state, scalar, scalar), partial(placed, sharding=split)
    return Sources(
        None if prepare is None else Source(jax.jit(prepare, out_shardings=whole), (pool,)),
        Source(place(init, (True, False)), (keys, values)),
        Source(place(advance, (True, False, False, *data)), (*steps, *rest, seen, labels)),
        Source(place(evaluate, (True, False, *data)), (state, scalar, *rest, pool, labels)),
        (whole, split),
    )


def placed(function: Callable[..., Any], shared: tuple[bool, ...], sharding: NamedSharding) -> Any:
    """One program for all local devices, each working on its share of the replicas.

    Args:
        function: of one chunk; what it gives has an axis of replicas first.
        shared: of each argument, whether its first axis runs over the replicas and is shared out;
            the others are the same on every device.
        sharding: of the replicas.
    """
    mesh = sharding.mesh
    specs = tuple(sharding.spec if yes else P() for yes in shared)
    if mesh.size > 1:
        function = jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=sharding.spec, check_vma=False
        )
    shardings = tuple(NamedSharding(mesh, spec) for spec in specs)
    return jax.jit(function, in_shardings=shardings, out_shardings=sharding)


def memory(program: Any) -> int:
    """Memory one device needs for a chunk, by XLA's own account; 0 where it gives none."""
    analysis = program.memory_analysis()
    if analysis is None:
        return 0
    return analysis.temp_size_in_bytes + analysis.argument_size_in_bytes


def in_parallel(mapping: str) -> bool:
    """Whether replicas are batched, and not trained one after the other."""
    return mapping == "vmap" or (mapping == "auto" and jax.default_backend() != "cpu")


def vectorised(mapping: str) -> Callable[..., Any]:
    """Apply a function of one replica to many: batched, or one after the other."""
    if in_parallel(mapping):
        return lambda f, *xs: jax.vmap(f)(*xs)
    return lambda f, *xs: jax.lax.map(lambda x: f(*x), xs)
