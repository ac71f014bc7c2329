"""Per-example gradients of the candidates of the tracked slots, and their inner products.

Two forms. A network of dense layers gives each gradient as outer products of what a layer saw
and the derivative at its output, so inner products never form it. Any other network (convolutions
as patches times a matrix among them) goes through `vmap(grad)`, a few examples at a time.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper, Network
from ibjax.langevin.gradients import PerExample, step_gradient
from ibjax.langevin.losses import Loss, cross_entropy
from ibjax.typing import JaxArray as Array

_AT_ONCE = 64
"""Examples whose gradients are formed together in the general form."""


class Gradients(Protocol):
    """Gradients g of J slots with K candidates each; candidate 0 is the one trained on."""

    def gram(self) -> Array:
        """Inner products <g_jk, g_jl>, (J, K, K)."""
        ...

    def along(self, direction: Array) -> Array:
        """Inner products with a flat direction (d,), (J, K)."""
        ...


class Flat(NamedTuple):
    """Gradients as they are, (J, K, d)."""

    rows: Array

    def gram(self) -> Array:
        """Inner products <g_jk, g_jl>, (J, K, K)."""
        return jnp.einsum("jkd,jld->jkl", self.rows, self.rows)

    def along(self, direction: Array) -> Array:
        """Inner products with a flat direction (d,), (J, K)."""
        return self.rows @ direction


class Outer(NamedTuple):
    """Gradients of dense layers as outer products, never formed."""

    network: Network
    params: Any
    examples: PerExample
    slots: int

    def gram(self) -> Array:
        """Inner products <g_jk, g_jl>, (J, K, K)."""

        def products(a: Array) -> Array:
            a = a.reshape(self.slots, -1, a.shape[-1])
            return jnp.einsum("jko,jlo->jkl", a, a)

        layers = zip(self.examples.inputs, self.examples.deltas)
        return sum(products(d) * (products(a) + 1) for a, d in layers)  # pyright: ignore

    def along(self, direction: Array) -> Array:
        """Inner products with a flat direction (d,), (J, K)."""
        e, (_, unravel) = self.examples, ravel_pytree(self.params)
        # assemble is linear in the deltas: its transpose is each layer's output along it
        assemble: Any = self.network.assemble
        _, pull = jax.vjp(lambda d: assemble(self.params, e.inputs, d), e.deltas)
        (outputs,) = pull(unravel(direction))
        total = sum(jnp.sum(o * d, axis=1) for o, d in zip(outputs, e.deltas))
        return total.reshape(self.slots, -1)  # pyright: ignore


def candidates(
    network: Network,
    params: Any,
    x: Array,
    y: Array,
    hyper: Hyper,
    clipping: bool,
    scale: Array | None = None,
    *,
    formed: bool = False,
    loss: Loss = cross_entropy,
) -> Outer | Flat:
    """Gradients of the candidates, clipped as in training.

    Args:
        network: without layer noise, so that a gradient is a function of its example.
        params: its parameters.
        x: inputs of the candidates, (J, K, ...).
        y: labels, (J, K).
        hyper: `hyper.clip` bounds the norms if `clipping`.
        clipping: whether to clip.
        scale: factor of each coordinate, (d,), applied after clipping; None for one.
        formed: form each gradient although the network could do without.
        loss: of each example, from logits and labels.

    Returns:
        `Outer` where the network allows it and no coordinate is scaled, else `Flat`.
    """
    slots, count = y.shape
    rows, labels = x.reshape(-1, *x.shape[2:]), y.reshape(-1)
    key = jax.random.key(0)
    if network.taps is not None and scale is None and not formed:
        arguments = (rows, labels, None, 1, key, hyper, clipping)
        got = step_gradient(network, params, *arguments, loss=loss)
        assert isinstance(got.examples, PerExample)
        return Outer(network, params, got.examples, slots)

    def one(example: tuple[Array, Array]) -> Array:
        def own(p):
            logits, _ = network.apply(p, example[0][None], None, hyper)
            return loss(logits, example[1][None])[0]

        g, _ = ravel_pytree(jax.grad(own)(params))
        if clipping:
            square = jnp.sum(g**2)
            factor = jnp.minimum(1.0, hyper.clip / jnp.sqrt(jnp.maximum(square, 1e-30)))
            g = jnp.where(jnp.isfinite(square), g * factor, 0.0)
        return g

    if slots * count <= _AT_ONCE:
        flat = jax.vmap(one)((rows, labels))
    else:
        flat = jax.lax.map(one, (rows, labels), batch_size=_AT_ONCE)
    flat = flat if scale is None else flat * scale
    return Flat(flat.reshape(slots, count, -1))
