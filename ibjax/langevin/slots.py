"""The account of followed slots against K - 1 candidates each: every path bound in one pass."""

from typing import NamedTuple

import jax.numpy as jnp

from ibjax.interface import Network
from ibjax.langevin import accounts, batches, ledger
from ibjax.langevin.accountant import largest
from ibjax.langevin.candidates import Flat, Outer, candidates
from ibjax.langevin.config import Config
from ibjax.typing import JaxArray as Array


class Kept(NamedTuple):
    """The ledger and, under momentum, the buffer of every drift that is told apart."""

    book: ledger.Ledger
    buffers: Array | None


def slots(
    config: Config, network: Network, n: int, shape: tuple[int, int], dim: int, momentum: bool
) -> accounts.Account:
    """What the steps add to the `ledger` of the first J examples of the training set.

    Args:
        config: the run.
        network: without layer noise.
        n: number of training examples.
        shape: J slots, and the K - 1 unused candidates of each.
        dim: number of parameters.
        momentum: whether the update rule has any; gradients are then formed.
    """
    batching, b = batches.scheme(config, n)
    clipping = config.clip is not None
    count, others = shape

    def init() -> Kept:
        buffers = jnp.zeros((count, others + 2, dim)) if momentum else None
        return Kept(ledger.start(count, others + 1), buffers)

    def update(kept: Kept, step: accounts.Step) -> Kept:
        counts = jnp.ones(b) if step.weights is None else step.weights
        present = jnp.zeros(n).at[step.member].add(counts)[:count]
        size, a, root = jnp.sum(counts), step.scale, step.rule.root
        assert step.examples.candidates is not None
        arguments = (*step.examples.candidates, step.hyper, clipping, root)
        found = candidates(network, step.params, *arguments, formed=momentum, loss=config.loss)
        terms, buffers, second, spread = _spent(config, kept, found, step, present, size, b, n)
        if (network.taps is not None or clipping) and root is None:
            poisson = size if batching == "poisson" else None
            second = jnp.sum(step.got.norms_sq) / b
            square = jnp.sum(step.gradient**2)
            spread = accounts.spread(second * b, square, poisson, b, n) * _weight(batching, n, b)
        terms = terms._replace(
            second_moment=a**2 / 2 * second,
            variance=a**2 / 2 * spread,
            dispersion=step.eta**2 * spread * (n - 1),
        )
        return Kept(ledger.add(kept.book, terms), buffers)

    return accounts.Account(init, update, lambda kept: ledger.read(kept.book)._asdict())


def _spent(
    config: Config,
    kept: Kept,
    found: Flat | Outer,
    step: accounts.Step,
    present: Array,
    size: Array,
    b: int,
    n: int,
) -> tuple[ledger.Sums, Array | None, Array, Array]:
    """Terms of the ledger, buffers, and mean squared norm and incoherence of the slots.

    The last two stand in for the batch where its norms are not known.
    """
    gradient, drift, a = step.gradient, step.drift, step.scale
    xi = jnp.zeros_like(gradient) if step.noise is None else step.noise
    gram, noise = found.gram(), found.along(xi)
    y = ledger.read(kept.book).llr
    share = present / b
    rest = size - present
    known = rest > 0
    alpha = jnp.where(known, 1 + present / jnp.where(known, rest, 1.0), 1.0)
    gamma = jnp.where(known, b / jnp.where(known, rest, 1.0), 0.0)
    hidden = jnp.zeros_like(y)
    if config.drawn == "poisson" and kept.buffers is None:
        hidden = ledger.hidden_terms(gram, noise, present, a, b, b / n)
    buffers = None
    if kept.buffers is not None:
        mu = step.rule.momentum
        assert isinstance(found, Flat) and mu is not None
        g = found.rows
        other = alpha[:, None, None] * g[:, :1] - (gamma[:, None] * gradient)[:, None]
        fresh = jnp.concatenate([g[:, 1:] - g[:, :1], other, g[:, :1]], axis=1)
        buffers = mu * kept.buffers + share[:, None, None] * fresh
        apart = buffers[:, :-2]
        square = jnp.einsum("jkd,jld->jkl", apart, apart)
        along = apart @ xi
        incoherent, null = (jnp.sum(buffers[:, i] ** 2, axis=-1) for i in (-2, -1))
    else:
        square = gram[:, 1:, 1:] - gram[:, 1:, :1] - gram[:, :1, 1:] + gram[:, :1, :1]
        square = share[:, None, None] ** 2 * square
        along = share[:, None] * (noise[:, 1:] - noise[:, :1])
        own, cross = gram[:, 0, 0], found.along(gradient)[:, 0]
        incoherent = alpha**2 * own - 2 * alpha * gamma * cross
        incoherent = share**2 * (incoherent + gamma**2 * jnp.sum(gradient**2))
        null = share**2 * own
    ratio, gain, prior, erf = ledger.ratio_terms(y, square, along, a, _most(config, step, b))
    half, incoherent = a**2 / 2, jnp.maximum(incoherent, 0.0)
    costs = half * incoherent, half * null, half * jnp.sum(drift**2)
    terms = ledger.Sums(ratio, hidden, gain, prior, erf, *costs, *(jnp.zeros(()),) * 3)
    return terms, buffers, jnp.mean(gram[:, 0, 0]), jnp.mean(incoherent)


def _most(config: Config, step: accounts.Step, b: int) -> Array:
    """What no divergence between two candidates of a step exceeds, by the clip alone."""
    often = b if config.drawn == "with_replacement" else 1
    apart = 2 * step.hyper.clip * often / b
    if step.rule.momentum is not None:
        apart = apart / (1 - step.rule.momentum)
    if step.rule.root is not None:
        apart = apart * jnp.max(step.rule.root)
    return largest(step.scale, apart)


def _weight(batching: str, n: int, b: int) -> float:
    """Expected squared incoherence of a random slot over the unbiased variance in a batch."""
    if batching == "with_replacement":
        return n / (b * (n - 1) ** 2) * (1 + (b - 1) / n)
    return 1 / (b * (n - 1))
