"""One tracked run as pure functions: initialise, advance with the account, evaluate."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper
from ibjax.langevin import batches, ledger
from ibjax.langevin.candidates import Flat, candidates
from ibjax.langevin.config import Config, schedules
from ibjax.langevin.gradients import step_gradient
from ibjax.langevin.prepared import network_of
from ibjax.langevin.programs import vectorised
from ibjax.langevin.run import BATCH, INIT, NOISE, predicted
from ibjax.langevin.transform import schedule_value

_EVALUATED_AT_ONCE = 512


class _State(NamedTuple):
    weights: Any
    order: Any
    book: ledger.Ledger
    velocity: Any
    buffers: Any


class Shape(NamedTuple):
    """All that a compiled program depends on beside the static configuration."""

    train: tuple[int, int]
    ghosts: tuple[int, int, int]
    test: int
    x: tuple[int, ...]
    num_classes: int
    momentum: bool
    scaled: bool
    prior: bool
    dtype: str = "float32"


class Extra(NamedTuple):
    """Scalars and scales of a tracked run; unused ones are zero or one."""

    momentum: Any
    root: Any
    prior_std: Any


@lru_cache(maxsize=32)
def programs(config: Config, shape: Shape) -> tuple[Any, Any, Any]:
    """Compiled `start`, `advance` and `evaluate` for a chunk of runs."""
    network = network_of(config.network, int(shape.num_classes), shape.x[1:], shape.dtype)
    n, (_, slots, others) = shape.train[1], shape.ghosts
    batching, b = batches.scheme(config, n)
    example = jnp.zeros((1, *shape.x[1:]), shape.dtype)
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

    def step(t, s: _State, key, values: Hyper, extra: Extra, mine, theirs) -> _State:
        batch_key = jax.random.fold_in(key, BATCH)
        order = batches.order(batch_key, t, s.order, n, b, batching)
        member, w = batches.draw(batch_key, t, order, b, batching)
        whole = batching == "full"
        xb, yb = mine if whole else (mine[0][member], mine[1][member])
        params = unravel(s.weights)
        arguments = (xb, yb, w, b, key, values, clipping)
        got = step_gradient(network, params, *arguments, loss=config.loss)
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
        arguments = (xs, ys, values, clipping, scale)
        found = candidates(network, params, *arguments, formed=shape.momentum, loss=config.loss)
        terms, buffers, second, spread = spend(
            s, found, gradient, velocity, xi, a, present, size, extra.momentum
        )
        if (network.taps is not None or clipping) and not shape.scaled:
            second, spread = _moments(got.norms_sq, gradient, b, size)
            spread = spread * _weight(batching, n, b)
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
        if config.drawn == "poisson" and not shape.momentum:
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
        def few(params, flat, rows):
            logits, _ = network.apply(params, x[rows], None, values)
            wrong = (predicted(logits) != y[rows]) | ~jnp.all(jnp.isfinite(flat))
            return jnp.stack([config.loss(logits, y[rows]), wrong.astype(jnp.float32)])

        def one(state, train, test):
            params, rows = unravel(state.weights), jnp.concatenate([train, test])
            # An equal number of examples at a time; those that fill it up are cut off again.
            parts = -(-rows.shape[0] // _EVALUATED_AT_ONCE)
            each = -(-rows.shape[0] // parts)
            rows = jnp.resize(rows, (parts, each))
            found = few(params, state.weights, rows[0])[None]
            if parts > 1:
                found = jax.lax.map(lambda r: few(params, state.weights, r), rows)
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
