"""Critics: parameters and scores of every pair (x_i, y_j), as pure functions."""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import JaxArray, Key


class Critic(NamedTuple):
    """A parametrised score.

    Attributes:
        init: ``key -> params``.
        scores: ``(params, x (n, dx), y (m, dy)) -> (n, m)``.
        at_once: the most samples whose pairs may be scored together.
    """

    init: Callable[[Key], Any]
    scores: Callable[[Any, JaxArray, JaxArray], JaxArray]
    at_once: int = 1024


def critic(kind: str, dx: int, dy: int, widths: tuple[int, ...], dtype: Any) -> Critic:
    """A critic by name: "separable", "joint", "conditional" or "densities".

    Raises:
        ValueError: for an unknown name or a width below 1.
    """
    makers = {
        "separable": _separable,
        "joint": _joint,
        "conditional": _conditional,
        "densities": _densities,
    }
    if kind not in makers:
        raise ValueError(f"critic={kind!r} is unknown; give 'separable' or 'joint'")
    if not widths or min(widths) < 1:
        raise ValueError(f"widths={widths} must name at least one width, each at least 1")
    return makers[kind](dx, dy, widths, dtype)


def _separable(dx: int, dy: int, widths: tuple[int, ...], dtype: Any) -> Critic:
    """g(x) . h(y) + a(x) + b(y): two networks and one matrix product a batch."""
    size = widths[-1]

    shapes = {"x": (dx, *widths, size + 1), "y": (dy, *widths, size + 1)}

    def scores(params, x, y):
        g, h = _apply(params["x"], x), _apply(params["y"], y)
        inner = jnp.matmul(g[:, :-1], h[:, :-1].T, precision=jax.lax.Precision.HIGHEST)
        return inner / math.sqrt(size) + g[:, -1:] + h[:, -1]

    return Critic(partial(_init, shapes, dtype), scores)


def _joint(dx: int, dy: int, widths: tuple[int, ...], dtype: Any) -> Critic:
    """One network of (x, y), applied to every pair: dearer, and free of product form."""
    shapes = {"x": (dx, widths[0]), "y": (dy, widths[0]), "rest": (*widths, 1)}

    def scores(params, x, y):
        # the first layer is a sum of a part of x and a part of y: it costs n + m, not n m
        g, h = _apply(params["x"], x), _apply(params["y"], y)
        return _apply(params["rest"], jax.nn.relu(g[:, None] + h[None]))[..., 0]

    return Critic(partial(_init, shapes, dtype), scores, at_once=512)


def _conditional(dx: int, dy: int, widths: tuple[int, ...], dtype: Any) -> Critic:
    """Log-density q(y|x) of a Gaussian with independent coordinates, from a network of x."""
    shapes = {"x": (dx, *widths, 2 * dy)}

    def scores(params, x, y):
        mean, raw = jnp.split(_apply(params["x"], x), 2, axis=-1)
        log_std = 5 * jnp.tanh(raw / 5)  # scales between e^-5 and e^5 of standardised data
        z = (y[None] - mean[:, None]) * jnp.exp(-log_std)[:, None]
        return -jnp.sum(0.5 * z**2 + log_std[:, None] + 0.5 * math.log(2 * math.pi), axis=-1)

    return Critic(partial(_init, shapes, dtype), scores)


def _densities(dx: int, dy: int, widths: tuple[int, ...], dtype: Any) -> Critic:
    """Log-densities q(y|x) and q(y) of each matched pair, (n, 2) in place of all pairs.

    Mixtures of Gaussians with independent coordinates, after a linear map of y that keeps volumes:
    the two of a Gaussian law are among them.
    """
    parts = 4 * (2 * dy + 1)
    shapes = {"x": (dx, *widths, parts), "alone": (1, parts), "turn": (dy, 2 * dy)}

    def log_density(raw, turn, y):
        y = y + y @ jnp.triu(turn, 1)
        logits, mean, scale = jnp.split(raw.reshape(*raw.shape[:-1], 4, -1), (1, dy + 1), axis=-1)
        log_std = 5 * jnp.tanh(scale / 5)
        z = (y[:, None] - mean) * jnp.exp(-log_std)
        each = -jnp.sum(0.5 * z**2 + log_std + 0.5 * math.log(2 * math.pi), axis=-1)
        return jax.nn.logsumexp(each + jax.nn.log_softmax(logits[..., 0], axis=-1), axis=-1)

    def scores(params, x, y):
        turns = params["turn"][0][0]
        alone = _apply(params["alone"], jnp.ones((1, 1), y.dtype))
        given = log_density(_apply(params["x"], x), turns[:, :dy], y)
        return jnp.stack([given, log_density(alone, turns[:, dy:], y)], axis=1)

    return Critic(partial(_init, shapes, dtype), scores, at_once=2**14)


def _init(shapes: dict[str, tuple[int, ...]], dtype: Any, key: Key) -> Any:
    """Glorot weights and zero biases, all sliced from one draw: several would compile slowly."""
    sizes = [a * b for shape in shapes.values() for a, b in itertools.pairwise(shape)]
    draws = iter(jnp.split(jax.random.normal(key, (sum(sizes),), dtype), np.cumsum(sizes)[:-1]))
    return {
        name: [
            (next(draws).reshape(a, b) * math.sqrt(2 / (a + b)), jnp.zeros(b, dtype))
            for a, b in itertools.pairwise(shape)
        ]
        for name, shape in shapes.items()
    }


def _apply(layers: list[tuple[JaxArray, JaxArray]], x: JaxArray) -> JaxArray:
    for i, (w, b) in enumerate(layers):
        x = (jax.nn.relu(x) if i else x) @ w + b
    return x
