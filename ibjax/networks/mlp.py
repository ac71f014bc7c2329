"""Multilayer perceptrons of any depth, with noisy layers and, if asked, a padded depth.

One layout of parameters serves both: the hidden-to-hidden layers are stacked in one array
that comes last when the parameters are laid out flat. A network of depth L then sees the first
numbers of the draws a deeper, padded one sees, so both train to the same weights.
"""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from ibjax.arguments import check_spread
from ibjax.interface import Hyper, LayerFacts, Network
from ibjax.networks.activations import activation, diameter
from ibjax.randomness import fold_in, normal
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


@dataclass(frozen=True)
class MLP:
    """Static description of a multilayer perceptron.

    Attributes:
        depth: number of hidden layers L >= 1, each followed by its noise.
        width: units per hidden layer.
        activation: name of the activation; bounded ones give layers a finite diameter.
        noise: standard deviation of Gaussian noise added after each activation.
        dropout: probability that a hidden unit is dropped.
        padded_to: build parameters for this many hidden layers and make the depth data
            (``Hyper.depth``), so that one program serves every depth up to it.
    """

    depth: int = 2
    width: int = 32
    activation: str = "tanh"
    noise: float = 0.0
    dropout: float = 0.0
    padded_to: int | None = None

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"depth={self.depth} has no hidden layer; give depth >= 1")
        if self.width < 1:
            raise ValueError(f"width={self.width} must be at least 1")
        check_spread("noise", self.noise)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} is a probability; give 0 <= dropout < 1")
        if self.padded_to is not None and self.padded_to < self.depth:
            raise ValueError(f"padded_to={self.padded_to} is below depth={self.depth}; raise it")
        activation(self.activation)

    @property
    def slots(self) -> int:
        """Hidden layers the parameters have room for."""
        return self.depth if self.padded_to is None else self.padded_to


def _lecun(key: Key, shape: tuple[int, int]) -> Array:
    return jax.random.normal(key, shape) / jnp.sqrt(shape[0])


def _stack(key: Key, layers: int, width: int) -> Array:
    """Hidden kernels with their biases as last row, one key a layer: a prefix stays a prefix."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(layers))
    kernels = jax.vmap(lambda k: _lecun(k, (width, width)))(keys)
    return jnp.concatenate([kernels, jnp.zeros((layers, 1, width))], axis=1)


class _Module(nn.Module):
    config: MLP
    num_classes: int

    @nn.compact
    def __call__(self, x, key, hyper: Hyper, taps=None):
        cfg = self.config
        x = x.reshape(x.shape[0], -1)
        batch, size, width = x.shape[0], x.shape[1], cfg.width
        first = self.param("first", lambda k: _layer(k, size, width))
        hidden = self.param("hidden", lambda k: _stack(k, cfg.slots - 1, width))
        head = self.param("head", lambda k: _layer(k, width, self.num_classes))
        disturb = _disturbance(cfg, key, batch, hyper)
        phi = activation(cfg.activation).function

        def tapped(h, kernel, bias, i):
            z = h @ kernel + bias
            return z if taps is None else z + taps[i]

        inputs, features = [x], []
        h = disturb(phi(tapped(x, first["kernel"], first["bias"], 0)), 0)
        features.append(h)
        for i in range(cfg.slots - 1):
            inputs.append(h)
            new = disturb(phi(tapped(h, hidden[i, :-1], hidden[i, -1], i + 1)), i + 1)
            if cfg.padded_to is not None:
                used = i + 1 < hyper.depth
                h = jnp.where(used, new, h)
                features.append(jnp.where(used, new, jnp.nan))
            else:
                h = new
                features.append(h)
        inputs.append(h)
        logits = tapped(h, head["kernel"], head["bias"], cfg.slots)
        return logits, tuple(features), tuple(inputs)


def _layer(key: Key, fan_in: int, fan_out: int) -> dict[str, Array]:
    return {"kernel": _lecun(key, (fan_in, fan_out)), "bias": jnp.zeros(fan_out)}


def _disturbance(cfg: MLP, key: Key | None, batch: int, hyper: Hyper):
    """Dropout, then Gaussian noise, of layer i; one draw for all layers (compile time)."""
    noisy, dropping = cfg.noise > 0, cfg.dropout > 0
    if key is None or not (noisy or dropping):
        return lambda h, i: h
    shape = (cfg.slots, batch, cfg.width)
    noise_key, drop_key = fold_in(key, 0), fold_in(key, 1)
    xi = normal(noise_key, shape) if noisy else None
    keep = jax.random.bernoulli(drop_key, 1 - cfg.dropout, shape) if dropping else None

    def disturb(h, i):
        if keep is not None:
            h = h * keep[i] / (1 - cfg.dropout)
        return h if xi is None else h + hyper.layer_noise * xi[i]

    return disturb


def build(config: MLP, num_classes: int) -> Network:
    """The network of `config` as pure functions.

    Weights start as N(0, 1/fan_in), biases at 0. Hidden layer l computes
    ``T_l = mask * phi(T_{l-1} W_l + b_l) / (1 - dropout) + noise * N(0, I)``.

    Args:
        config: the static description.
        num_classes: number of logits.

    Returns:
        A `Network`; ``layers`` holds the diameter of each activation and its noise.
    """
    module = _Module(config, num_classes)
    zero = Hyper(0.0, 0.0, depth=config.depth)

    def init(key: Key, x: Array) -> Any:
        return module.init(key, x, None, zero)["params"]

    def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
        out: Any = module.apply({"params": params}, x, key, hyper)
        return out[0], out[1]

    def taps(params: Any, x: Array, key: Key | None, hyper: Hyper, offsets: Any):
        out: Any = module.apply({"params": params}, x, key, hyper, offsets)
        return out[0], out[2]

    def tap_shapes(params: Any, batch: int) -> tuple[Array, ...]:
        hidden = (jnp.zeros((batch, config.width)),) * config.slots
        return (*hidden, jnp.zeros((batch, num_classes)))

    def assemble(params: Any, inputs: Any, deltas: Any) -> Any:
        def dense(a, delta):
            return {"kernel": a.T @ delta, "bias": jnp.sum(delta, 0)}

        def flat(a, delta):
            return (a.T @ delta).ravel(), jnp.sum(delta, 0)

        # Vectors, in one concatenation: XLA does not see through a stack of concatenations.
        middle = [flat(a, d) for a, d in zip(inputs[1:-1], deltas[1:-1])]
        hidden = jnp.zeros_like(params["hidden"])
        if middle:
            hidden = jnp.concatenate([a for part in middle for a in part]).reshape(hidden.shape)
        first, head = dense(inputs[0], deltas[0]), dense(inputs[-1], deltas[-1])
        return {"first": first, "hidden": hidden, "head": head}

    def trainable(params: Any, hyper: Hyper) -> Any:
        used = jnp.arange(config.slots - 1) + 1 < hyper.depth
        mask = jax.tree.map(jnp.ones_like, params)
        return {**mask, "hidden": mask["hidden"] * used[:, None, None]}

    scale = 1 / (1 - config.dropout)
    facts = tuple(
        LayerFacts(
            name=f"hidden {i + 1}",
            width=config.width,
            diameter=diameter(config.activation, config.width) * scale,
            noise=config.noise,
            dropout=config.dropout,
        )
        for i in range(config.depth)
    )
    return Network(
        init=init,
        apply=apply,
        layers=facts,
        taps=taps,
        tap_shapes=tap_shapes,
        assemble=assemble,
        trainable=None if config.padded_to is None else trainable,
        antithetic=config.noise > 0 and config.dropout == 0,
    )
