"""Information in many dimensions: compress each variable by training, then count neighbours."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import check_rate, whole
from ibjax.interface import Estimate
from ibjax.mi.checks import estimate, pair
from ibjax.mi.knn import ksg
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key


class _State(NamedTuple):
    params: Any
    moments: Any
    best: JaxArray
    best_params: Any


@enforced
def latent(
    key: Key,
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    *,
    dim: int = 8,
    widths: tuple[int, ...] = (128,),
    steps: int = 1500,
    batch: int = 256,
    learning_rate: float = 3e-3,
    seeds: int = 3,
    k: int = 3,
) -> Estimate:
    r"""Nearest-neighbour information of learnt low-dimensional codes of two variables.

    Encoders X -> Z_x and Y -> Z_y are trained with decoders that predict the other variable from
    the code, ``|dec_x(Z_y) - x|^2 + |dec_y(Z_x) - y|^2``, on half of the samples, a fifth of which
    picks the best checkpoint; `ksg` measures I(Z_x; Z_y) on the other half.

    Good where what is shared has few dimensions and shows in conditional means, whatever the
    dimension of X and Y. By data processing I(Z_x; Z_y) <= I(X; Y), and it fails downwards: with
    more than about five shared dimensions, and where E[y | x] is constant (a product of signs).

    What is measured counts neighbours, so the gradient is zero almost everywhere.

    Args:
        key: of the split, the initial weights and the batches.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        dim: of each code.
        widths: hidden layers of encoders and decoders.
        steps: of Adam.
        batch: examples a step.
        learning_rate: of Adam.
        seeds: independent trainings, each on a split of its own; their mean is returned.
        k: neighbours.

    Returns:
        Nats; codes lose information, but `ksg` of them may err upwards: no direction is promised.
        The standard error is that of one measurement and of the spread over seeds together.

    Raises:
        ValueError: for fewer than 40 samples, or counts or a step size that are not positive.

    Reference:
        Gowri, Lun, Klein, Yin 2024, "Approximating mutual information of high-dimensional
        variables using learned representations" (arXiv 2409.02732): the cross-predicting variant.
    """
    both = pair(x, y)
    x, y = both.on_device()
    n = x.shape[0]
    if n < 40:
        raise ValueError(f"x holds {n} samples; give at least 40, half of them train")
    dim, steps, seeds = whole("dim", dim), whole("steps", steps), whole("seeds", seeds)
    batch = min(whole("batch", batch), n // 4)
    widths = tuple(whole("widths", w) for w in widths)
    check_rate("learning_rate", learning_rate)
    keys = jax.random.split(key, seeds)
    settings = (dim, widths, steps, batch)
    trained, *codes = _codes(keys, x, y, jnp.asarray(learning_rate, x.dtype), settings)
    each = [ksg(a, b, k) for a, b in zip(*codes)]
    values = jnp.stack([e.value for e in each])
    errors = jnp.stack([e.std_error for e in each])
    spread = jnp.var(values, ddof=1) / seeds if seeds > 1 else jnp.zeros(())
    error = jnp.sqrt(jnp.mean(errors) ** 2 + spread)
    ok = jnp.all(jnp.stack([e.ok for e in each])) & jnp.all(trained)
    found = estimate((jnp.mean(values), error, ok), x.dtype, both.sound, "unknown", "latent", "")
    reason = f"training left the finite numbers (lower the learning rate), {each[0].reason}"
    return replace(found, reason=reason)


@partial(jax.jit, static_argnums=4)
def _codes(keys: Key, x: JaxArray, y: JaxArray, rate: JaxArray, settings: Any):
    return jax.lax.map(lambda key: _train(key, x, y, rate, settings), keys)


def _train(key: Key, x: JaxArray, y: JaxArray, rate: JaxArray, settings: Any):
    """Whether training came to a checkpoint, and codes (n/2, dim) of what it did not see."""
    import optax

    dim, widths, steps, batch = settings
    key_split, key_init, key_batch = jax.random.split(key, 3)
    n = x.shape[0]
    order = jax.random.permutation(key_split, n)
    held, stop = order[: n // 2], order[n // 2 : n // 2 + n // 10]
    train = order[n // 2 + n // 10 :]
    # Moments of the training part alone: nothing of the measured half enters the maps.
    x, y = _standard(x, train), _standard(y, train)
    shapes = {"ex": (x, dim), "ey": (y, dim), "dx": (dim, x), "dy": (dim, y)}
    params = {}
    for name, one in zip(shapes, jax.random.split(key_init, 4)):
        a, b = (end if isinstance(end, int) else end.shape[1] for end in shapes[name])
        params[name] = _init(one, (a, *widths, b), x.dtype, 0.1 if name in ("dx", "dy") else 1.0)
    adam = optax.adam(rate)

    def loss(p, a, b):
        from_y, from_x = _apply(p["dx"], _apply(p["ey"], b)), _apply(p["dy"], _apply(p["ex"], a))
        return jnp.mean((from_y - a) ** 2) + jnp.mean((from_x - b) ** 2)

    def step(state, k):
        rows = train[jax.random.randint(k, (batch,), 0, train.size)]
        slope = jax.grad(loss)(state.params, x[rows], y[rows])
        moves, moments = adam.update(slope, state.moments)
        return state._replace(
            params=optax.apply_updates(state.params, moves), moments=moments
        ), None

    def stretch(state, ks):
        state, _ = jax.lax.scan(step, state, ks)
        now = loss(state.params, x[stop], y[stop])
        better = now < state.best

        def pick(new, old):
            return jnp.where(better, new, old)

        chosen = jax.tree.map(pick, state.params, state.best_params)
        return state._replace(best=jnp.minimum(now, state.best), best_params=chosen), None

    rounds = max(1, steps // 50)
    first = _State(params, adam.init(params), jnp.asarray(jnp.inf, x.dtype), params)
    keys = jax.random.split(key_batch, (rounds, max(1, steps // rounds)))
    state, _ = jax.lax.scan(stretch, first, keys)
    chosen = state.best_params
    codes = _apply(chosen["ex"], x[held]), _apply(chosen["ey"], y[held])
    known = tuple(_standard(z, jnp.arange(z.shape[0])) for z in codes)
    return jnp.isfinite(state.best), *known


def _standard(z: JaxArray, rows: JaxArray) -> JaxArray:
    mean, spread = jnp.mean(z[rows], axis=0), jnp.std(z[rows], axis=0)
    return jnp.where(spread > 0, (z - mean) / jnp.where(spread > 0, spread, 1), 0)


def _init(key: Key, sizes: tuple[int, ...], dtype: Any, last: float):
    keys = jax.random.split(key, len(sizes) - 1)
    # Predictions begin near the mean, so that noise of the start has not to be unlearnt.
    scales = [1.0] * (len(sizes) - 2) + [last]
    return [
        (jax.random.normal(k, (a, b), dtype) * (2 / a) ** 0.5 * scale, jnp.zeros(b, dtype))
        for k, a, b, scale in zip(keys, sizes[:-1], sizes[1:], scales)
    ]


def _apply(layers: Any, z: JaxArray) -> JaxArray:
    for weights, bias in layers[:-1]:
        z = jax.nn.relu(z @ weights + bias)
    weights, bias = layers[-1]
    return z @ weights + bias
