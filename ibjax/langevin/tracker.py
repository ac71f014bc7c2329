"""Training runs with a few tracked slots: every path bound of noisy SGD from one pass.

Where the replica engine sets every example of a supersample against its one ghost, this follows
the first J examples of ordinary training sets, each against K - 1 ghosts, at a cost that depends
on J and not on n; and it knows momentum, preconditioners, a Gaussian prior and plain SGD.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ibjax.interface import Dataset, Hyper
from ibjax.langevin import batches, ledger
from ibjax.langevin.candidates import Flat, candidates
from ibjax.langevin.config import Config, hyper, schedules, static
from ibjax.langevin.gradients import cross_entropy, step_gradient
from ibjax.langevin.replicas import Progress, vectorised
from ibjax.langevin.run import BATCH, INIT, NOISE
from ibjax.langevin.transform import schedule_value
from ibjax.networks import build
from ibjax.typing import Array, Int, Key

_SEGMENT = 50
_EVALUATED_AT_ONCE = 512


class Track(NamedTuple):
    """What the runs spent, at each checkpoint; R runs, E checkpoints, J slots, K candidates.

    The sums are those of `ledger.Sums` with leading axes (R, E); a field that does not apply to
    the kind of run is NaN.

    Attributes:
        steps: updates done, (E,).
        train_loss: mean surrogate loss on the training set, in nats, (R, E).
        train_error: 0-1 error on the training set, (R, E).
        test_loss: surrogate loss on the test examples, (R, E).
        test_error: 0-1 error on the test examples, (R, E).
        sums: the accumulated information terms, in nats.
        weights: the last weights, flat, (R, d).
        diverged: whether weights or losses left the finite numbers, (R,).
    """

    steps: np.ndarray
    train_loss: np.ndarray
    train_error: np.ndarray
    test_loss: np.ndarray
    test_error: np.ndarray
    sums: ledger.Sums
    weights: np.ndarray
    diverged: np.ndarray


class _State(NamedTuple):
    weights: Any
    order: Any
    book: ledger.Ledger
    velocity: Any
    buffers: Any


class _Shape(NamedTuple):
    train: tuple[int, int]
    ghosts: tuple[int, int, int]
    test: int
    x: tuple[int, ...]
    num_classes: int
    momentum: bool
    scaled: bool
    prior: bool


class _Extra(NamedTuple):
    momentum: Any
    root: Any
    prior_std: Any


def track(
    key: Key,
    config: Config,
    dataset: Dataset,
    train: Int[Array, "R n"],
    ghosts: Int[Array, "R J K_minus_1"],
    test: Int[Array, "R m"],
    *,
    checkpoints: tuple[int, ...] | None = None,
    momentum: float = 0.0,
    preconditioner: Any = None,
    prior_std: float | None = None,
    progress: Progress | None = None,
) -> Track:
    r"""Train R runs and account for what their paths reveal about J slots each.

    One step is, with diagonal P (1 by default) and momentum mu (0 by default),

    .. math:: v_t = \mu v_{t-1} + g_t,\quad
              W \leftarrow W - \eta_t P (v_t + W/(\beta_t s_0^2)) + s_t P^{1/2} \xi_t,\quad
              s_t = \sqrt{2 \eta_t / \beta_t}.

    The term of the prior N(0, s_0^2) is there where `prior_std` is given, and W starts at a draw
    of it. It does not depend on the data, so it cancels in every difference of drifts; along one
    path the drift under another candidate differs by the P^{1/2}-scaled buffer
    d_t = mu d_{t-1} + (m/b)(g' - g), in which the transitions stay exact Gaussians.

    Args:
        key: root key; run r uses ``fold_in(key, r)``, or all the same with shared randomness.
        config: the training; optimizer sgld, or sgd (then only `dispersion` is accounted for).
        dataset: the pool.
        train: positions of the training sets; the first J of each are tracked.
        ghosts: positions of the unused candidates of the tracked slots, K - 1 each.
        test: positions of examples to evaluate on.
        checkpoints: updates done at each evaluation, increasing; the end by default.
        momentum: mu in [0, 1), of heavy-ball momentum without noise in the buffer.
        preconditioner: positive numbers chosen without the data: a pytree like the parameters,
            or a flat array (d,).
        prior_std: s_0, or None.
        progress: told how many replica-steps are done.

    Returns:
        A `Track` of NumPy arrays. Memory does not depend on the number of steps.

    Assumes:
        Examples iid; batches chosen without the data; ghosts and test examples outside the
        training set. Batches may be full, in epochs, fixed, with or without replacement or
        Poisson; `hidden` is for Poisson batches without momentum only.

    Raises:
        ValueError: where a theorem breaks or shapes disagree, by name: layer noise, batch
            statistics, ghosts or test examples in the training set.
    """
    with jax.enable_x64(False):
        train, ghosts, test = (np.asarray(a, np.int32) for a in (train, ghosts, test))
        network = _checked(config, dataset, train, ghosts, test, momentum)
        stops = (config.steps,) if checkpoints is None else tuple(int(c) for c in checkpoints)
        if list(stops) != sorted(set(stops)) or stops[0] < 0 or stops[-1] > config.steps:
            raise ValueError(f"checkpoints={stops} must increase within 0..steps={config.steps}")
        x = np.asarray(dataset.x, np.float32)
        root: Any = _root(preconditioner, network, x)
        if prior_std is not None and not prior_std > 0:
            raise ValueError(f"prior_std={prior_std} must be positive, or None")
        extra = _Extra(jnp.float32(momentum), root, jnp.float32(prior_std or 0.0))
        shape = _Shape(
            train.shape,
            ghosts.shape,
            test.shape[1],
            x.shape,
            dataset.num_classes,
            momentum > 0,
            preconditioner is not None,
            prior_std is not None,
        )
        return _run(key, config, dataset, train, ghosts, test, stops, shape, extra, progress)


def _run(key, config, dataset, train, ghosts, test, stops, shape, extra, progress) -> Track:
    runs = train.shape[0]
    chunk = min(config.replicas_per_chunk or runs, runs)
    shape = shape._replace(train=(chunk, train.shape[1]), ghosts=(chunk, *ghosts.shape[1:]))
    programs: Any = _compile(static(config), shape)
    init, advance, evaluate = programs
    values = jax.tree.map(jnp.float32, hyper(config))
    x, y = jnp.asarray(dataset.x, jnp.float32), jnp.asarray(dataset.y, jnp.int32)
    each = jnp.zeros(runs, jnp.int32) if config.shared_randomness else jnp.arange(runs)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, each)
    parts, done = [], 0
    for first in range(0, runs, chunk):
        rows = np.minimum(np.arange(first, first + chunk), runs - 1)
        some = (keys[rows], values, extra, train[rows], ghosts[rows], test[rows], x, y)
        state, step, measured = init(*some), 0, []
        for stop in stops:
            while step < stop:
                until = min(step + _SEGMENT, stop)
                state = advance(state, jnp.int32(step), jnp.int32(until), *some)
                done += (until - step) * chunk
                step = until
                if progress is not None:
                    jax.block_until_ready(state.weights)
                    progress(done, runs * stops[-1])
            measured.append(jax.device_get(evaluate(state, *some)))
        together = jax.tree.map(lambda *a: np.stack(a, axis=1), *measured)
        keep = min(chunk, runs - first)
        pair = (together, np.asarray(state.weights))
        kept = jax.tree.map(lambda a, keep=keep: np.asarray(a)[:keep], pair)
        parts.append(kept)
    joined: Any = jax.tree.map(lambda *a: np.concatenate(a), *parts)
    (losses, sums), weights = joined
    if config.optimizer == "sgd":
        nothing = jax.tree.map(lambda a: np.full_like(a, np.nan), sums)
        sums = nothing._replace(dispersion=sums.dispersion)
    if config.batching != "poisson" or shape.momentum:
        sums = sums._replace(hidden=np.full_like(sums.hidden, np.nan))
    if shape.momentum:
        sums = sums._replace(variance=np.full_like(sums.variance, np.nan))
    finite = np.isfinite(weights).all(1) & np.isfinite(losses).all((1, 2))
    curves = (losses[..., i] for i in range(4))
    return Track(np.asarray(stops), *curves, sums=sums, weights=weights, diverged=~finite)


@lru_cache(maxsize=32)
def _compile(config: Config, shape: _Shape):
    network = build(config.network, shape.num_classes, shape.x[1:])
    n, (_, slots, others) = shape.train[1], shape.ghosts
    b = batches.size(n, config.batch_size, config.batching)
    example = jnp.zeros((1, *shape.x[1:]), jnp.float32)
    sizes = jax.eval_shape(network.init, jax.random.key(0), example)
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), sizes)
    flat, unravel = ravel_pytree(zeros)
    dim = flat.shape[0]
    clipping, noisy = config.clip is not None, config.optimizer == "sgld"

    def init(key, values, extra, *_: Any) -> _State:
        weights = ravel_pytree(network.init(jax.random.fold_in(key, INIT), example))[0]
        if shape.prior:
            draw = jax.random.normal(jax.random.fold_in(key, INIT), weights.shape)
            weights = extra.prior_std * draw
        velocity = jnp.zeros(dim) if shape.momentum else None
        rows = jnp.zeros((slots, others + 2, dim)) if shape.momentum else None
        return _State(weights, jnp.arange(n), ledger.start(slots, others + 1), velocity, rows)

    def step(t, s: _State, key, values: Hyper, extra: _Extra, mine, theirs) -> _State:
        batch_key = jax.random.fold_in(key, BATCH)
        order = batches.order(batch_key, t, s.order, n, b, config.batching)
        member, w = batches.draw(batch_key, t, order, b, config.batching)
        whole = b == n and config.batching != "with_replacement"
        xb, yb = mine if whole else (mine[0][member], mine[1][member])
        params = unravel(s.weights)
        got = step_gradient(network, params, xb, yb, w, b, key, values, clipping)
        gradient, _ = ravel_pytree(got.gradient)
        gradient = gradient * extra.root if shape.scaled else gradient
        eta, beta = (schedule_value(v, t) for v in schedules(config, values))
        std = jnp.sqrt(2 * eta / beta) if noisy else 0.0
        xi = jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, NOISE), t), (dim,))
        velocity = extra.momentum * s.velocity + gradient if shape.momentum else gradient
        change = std * xi - eta * velocity
        change = change * extra.root if shape.scaled else change
        if shape.prior:
            pull = eta / (beta * extra.prior_std**2) * s.weights
            change = change - (pull * extra.root**2 if shape.scaled else pull)
        counts = jnp.ones(b) if w is None else w
        present = jnp.zeros(n).at[member].add(counts)[:slots]
        size = jnp.sum(counts)
        a = jnp.sqrt(eta * beta / 2) if noisy else jnp.zeros(())  # eta / s, also at eta = 0
        scale = extra.root if shape.scaled else None
        xs, ys = theirs
        found = candidates(network, params, xs, ys, values, clipping, scale, formed=shape.momentum)
        terms, buffers, second, spread = spend(
            s, found, gradient, velocity, xi, a, present, size, extra.momentum
        )
        if (network.taps is not None or clipping) and not shape.scaled:
            second, spread = _moments(got.norms_sq, gradient, b, size)
            spread = spread * _weight(config.batching, n, b)
        terms = terms._replace(
            second_moment=a**2 / 2 * second,
            variance=a**2 / 2 * spread,
            dispersion=eta**2 * spread * (n - 1),
        )
        book = ledger.add(s.book, terms)
        return _State(
            s.weights + change, order, book, velocity if shape.momentum else None, buffers
        )

    def spend(s, found, gradient, velocity, xi, a, present, size, mu):
        gram, noise = found.gram(), found.along(xi)
        y = ledger.read(s.book).llr
        share = present / b
        rest = size - present
        known = rest > 0
        alpha = jnp.where(known, 1 + present / jnp.where(known, rest, 1.0), 1.0)
        gamma = jnp.where(known, b / jnp.where(known, rest, 1.0), 0.0)
        hidden = jnp.zeros_like(y)
        if config.batching == "poisson" and not shape.momentum:
            hidden = ledger.hidden_terms(gram, noise, present, a, b, b / n)
        buffers = None
        if shape.momentum:
            assert isinstance(found, Flat)
            g = found.rows
            other = alpha[:, None, None] * g[:, :1] - (gamma[:, None] * gradient)[:, None]
            fresh = jnp.concatenate([g[:, 1:] - g[:, :1], other, g[:, :1]], axis=1)
            buffers = mu * s.buffers + share[:, None, None] * fresh
            drift = buffers[:, :-2]
            square = jnp.einsum("jkd,jld->jkl", drift, drift)
            along = drift @ xi
            incoherent, null = (jnp.sum(buffers[:, i] ** 2, axis=-1) for i in (-2, -1))
        else:
            square = gram[:, 1:, 1:] - gram[:, 1:, :1] - gram[:, :1, 1:] + gram[:, :1, :1]
            square = share[:, None, None] ** 2 * square
            along = share[:, None] * (noise[:, 1:] - noise[:, :1])
            own, cross = gram[:, 0, 0], found.along(gradient)[:, 0]
            incoherent = alpha**2 * own - 2 * alpha * gamma * cross
            incoherent = share**2 * (incoherent + gamma**2 * jnp.sum(gradient**2))
            null = share**2 * own
        ratio, gain, prior, erf = ledger.ratio_terms(y, square, along, a)
        half, incoherent = a**2 / 2, jnp.maximum(incoherent, 0.0)
        costs = half * incoherent, half * null, half * jnp.sum(velocity**2)
        terms = ledger.Sums(ratio, hidden, gain, prior, erf, *costs, *(jnp.zeros(()),) * 3)
        # the slots stand in for the batch where its norms are not known
        return terms, buffers, jnp.mean(gram[:, 0, 0]), jnp.mean(incoherent)

    def prepared(train, ghosts, x, y):
        both = jnp.concatenate([train[:slots, None], ghosts], axis=1)
        return (x[train], y[train]), (x[both], y[both])

    def advance(state, begin, end, keys, values, extra, train, ghosts, test, x, y):
        def one(state, key, train, ghosts):
            mine, theirs = prepared(train, ghosts, x, y)

            def body(t, s):
                return step(t, s, key, values, extra, mine, theirs)

            return jax.lax.fori_loop(begin, end, body, state)

        return vectorised(config.mapping)(one, state, keys, train, ghosts)

    def evaluate(state, keys, values, extra, train, ghosts, test, x, y):
        def few(params, rows):
            logits, _ = network.apply(params, x[rows], None, values)
            wrong = jnp.argmax(logits, axis=-1) != y[rows]
            return jnp.stack([cross_entropy(logits, y[rows]), wrong.astype(jnp.float32)])

        def one(state, train, test):
            params, rows = unravel(state.weights), jnp.concatenate([train, test])
            # An equal number of examples at a time; those that fill it up are cut off again.
            parts = -(-rows.shape[0] // _EVALUATED_AT_ONCE)
            each = -(-rows.shape[0] // parts)
            rows = jnp.resize(rows, (parts, each))
            found = few(params, rows[0])[None]
            if parts > 1:
                found = jax.lax.map(lambda r: few(params, r), rows)
            found = jnp.moveaxis(found, 1, 0).reshape(2, -1)
            own = jnp.mean(found[:, :n], axis=1)
            other = jnp.mean(found[:, n : n + test.shape[0]], axis=1)
            return jnp.concatenate([own, other]), ledger.read(state.book)

        return vectorised(config.mapping)(one, state, train, test)

    def start(keys, *rest):
        return jax.vmap(lambda k: init(k, *rest))(keys)

    return jax.jit(start), jax.jit(advance, donate_argnums=0), jax.jit(evaluate)


def _moments(norms_sq: Any, gradient: Any, b: int, size: Any) -> tuple[Any, Any]:
    """Mean squared norm and unbiased variance of the per-example gradients of a batch."""
    count = jnp.maximum(size, 1)
    mean = jnp.sum(norms_sq) / count
    spread = mean - jnp.sum(gradient**2) * b**2 / count**2
    return mean, jnp.maximum(spread, 0.0) * count / jnp.maximum(count - 1, 1)


def _weight(batching: str, n: int, b: int) -> float:
    """Expected squared incoherence of a random slot over the unbiased variance in a batch."""
    if batching == "with_replacement":
        return n / (b * (n - 1) ** 2) * (1 + (b - 1) / n)
    return 1 / (b * (n - 1))


def _root(preconditioner: Any, network: Any, x: np.ndarray) -> Any:
    """Square root of the preconditioner, flat; 1 where there is none."""
    if preconditioner is None:
        return jnp.ones(())
    example = jnp.zeros((1, *x.shape[1:]), jnp.float32)
    sizes = jax.eval_shape(network.init, jax.random.key(0), example)
    dim = sum(int(np.prod(s.shape)) for s in jax.tree.leaves(sizes))
    leaves = jax.tree.leaves(preconditioner)
    if len(leaves) > 1:
        pairs = zip(leaves, jax.tree.leaves(sizes))
        leaves = [np.broadcast_to(np.asarray(v), s.shape).ravel() for v, s in pairs]
    flat = np.concatenate([np.ravel(v) for v in leaves])
    if flat.shape != (dim,) or not (flat > 0).all() or not np.isfinite(flat).all():
        raise ValueError(
            f"preconditioner has {flat.size} numbers; give {dim} finite positive ones, chosen "
            "without the data, or a pytree like the parameters"
        )
    return jnp.sqrt(jnp.asarray(flat, jnp.float32))


def _checked(config, dataset, train, ghosts, test, momentum):
    if config.optimizer not in ("sgld", "sgd"):
        raise ValueError(
            f"optimizer={config.optimizer!r} cannot be tracked: its drift is not linear in the "
            "gradients; give sgld with momentum= or preconditioner= instead"
        )
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum={momentum} must lie in [0, 1)")
    if train.ndim != 2 or train.shape[1] < 2:
        raise ValueError(f"train has shape {train.shape}; give (runs, n) with n >= 2")
    runs, n = train.shape
    if ghosts.ndim != 3 or ghosts.shape[0] != runs or not 1 <= ghosts.shape[1] <= n:
        raise ValueError(
            f"ghosts has shape {ghosts.shape}; give ({runs}, slots <= {n}, candidates - 1)"
        )
    if ghosts.shape[2] < 1 or test.ndim != 2 or test.shape[0] != runs or test.shape[1] < 1:
        raise ValueError(
            f"ghosts {ghosts.shape} or test {test.shape} is empty or has other runs than {runs}"
        )
    size = len(dataset.y)
    for name, rows in (("train", train), ("ghosts", ghosts), ("test", test)):
        if rows.min() < 0 or rows.max() >= size:
            raise ValueError(f"{name} reaches beyond the {size} examples of {dataset.name!r}")
        outside = name == "train"
        if not outside and any(np.isin(r, t).any() for r, t in zip(rows, train)):
            raise ValueError(f"{name} holds training examples of its run; draw them apart")
    network = build(config.network, dataset.num_classes, np.shape(dataset.x)[1:])
    if network.batch_statistics is not None:
        raise ValueError(
            "network has batch statistics: its examples share them, so none has a gradient of its "
            "own, and the running ones leave through no noise; use GroupNorm, LayerNorm or none"
        )
    if network.stochastic:
        raise ValueError(
            "network has layer noise, under which a gradient is no function of its example; "
            "set noise=0, or use run_replicas with account=True"
        )
    return network
