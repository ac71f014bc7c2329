"""A tracked run as pure functions: a training set of its own, followed slots, test examples."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ibjax.interface import Hyper, Network
from ibjax.langevin import accounts, batches
from ibjax.langevin.config import Config, hyper
from ibjax.langevin.losses import predicted
from ibjax.langevin.rules import Rule, heavy_ball
from ibjax.langevin.run import Run, flat_parameters
from ibjax.langevin.slots import slots
from ibjax.langevin.step import State, loop
from ibjax.langevin.streams import INIT
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

_EVALUATED_AT_ONCE = 512


class Extra(NamedTuple):
    """Scalars of a tracked run, and scales of its weights.

    Attributes:
        hyper: those every run has.
        momentum: mu, unused without momentum.
        root: square root of the preconditioner, (d,), or () without one.
        prior_std: s_0, unused without a prior.
    """

    hyper: Hyper
    momentum: Any
    root: Any
    prior_std: Any


class Measured(NamedTuple):
    """A tracked run at a checkpoint: losses and errors on training and test set, and its sums."""

    losses: Array
    sums: dict[str, Array]


class Followed(NamedTuple):
    """Runs with followed slots: their rows are (train (n,), ghosts (J, K - 1), test (m,)).

    Attributes:
        n: training examples.
        ghosts: J and K - 1.
        test: m.
        momentum: whether the rule has any.
        scaled: whether it has a preconditioner.
        prior: whether it has a prior.
    """

    n: int
    ghosts: tuple[int, int]
    test: int
    momentum: bool = False
    scaled: bool = False
    prior: bool = False
    dim: int = 0

    def values(self, config: Config) -> Any:
        """Shapes of the scalars of a run."""
        scalar = jax.ShapeDtypeStruct((), jnp.float32)
        root = jax.ShapeDtypeStruct((self.dim,) if self.scaled else (), jnp.float32)
        return Extra(jax.tree.map(lambda _: scalar, hyper(config)), scalar, root, scalar)

    def rows(self, chunk: int) -> Any:
        """Shapes of the rows of as many runs."""
        shapes = (self.n,), self.ghosts, (self.test,)
        return tuple(jax.ShapeDtypeStruct((chunk, *s), jnp.int32) for s in shapes)

    def run(self, config: Config, network: Network, pool: Any) -> Run:
        """The functions of one run."""
        return _run(self, config, network, pool)


def _run(kind: Followed, config: Config, network: Network, pool: Any) -> Run:
    n, (count, _) = kind.n, kind.ghosts
    whole = batches.scheme(config, n)[0] == "full"
    example, unravel, _ = flat_parameters(network, pool)
    account = slots(config, network, n, kind.ghosts, kind.dim, kind.momentum)
    train = loop(config, network, unravel, n, (account,))

    def rule(extra: Extra) -> Rule:
        return heavy_ball(
            config,
            extra.hyper,
            extra.momentum if kind.momentum else None,
            extra.root if kind.scaled else None,
            extra.prior_std if kind.prior else None,
        )

    def init(key: Key, extra: Extra) -> State:
        weights, _ = ravel_pytree(network.init(jax.random.fold_in(key, INIT), example))
        if kind.prior:
            draw = jax.random.normal(jax.random.fold_in(key, INIT), weights.shape)
            weights = extra.prior_std * draw
        return train.start(weights, rule(extra))

    def advance(state, start, stop, key, extra, rows, x, y) -> State:
        own, ghosts, _ = rows
        both = jnp.concatenate([own[:count, None], ghosts], axis=1)
        mine = x[own], y[own]

        def batch(member: Array) -> tuple[Array, Array]:
            return mine if whole else (mine[0][member], mine[1][member])

        examples = accounts.Examples(batch, candidates=(x[both], y[both]))
        return train.advance(state, start, stop, key, extra.hyper, rule(extra), examples)

    def evaluate(state, step, key, extra, rows, x, y) -> Measured:
        params, finite = unravel(state.weights), jnp.all(jnp.isfinite(state.weights))

        def few(rows):
            logits, _ = network.apply(params, x[rows], None, extra.hyper)
            wrong = (predicted(logits) != y[rows]) | ~finite
            return jnp.stack([config.loss(logits, y[rows]), wrong.astype(jnp.float32)])

        rows = jnp.concatenate([rows[0], rows[2]])
        # An equal number of examples at a time; those that fill it up are cut off again.
        parts = -(-rows.shape[0] // _EVALUATED_AT_ONCE)
        each = -(-rows.shape[0] // parts)
        found = jax.lax.map(few, jnp.resize(rows, (parts, each)))
        found = jnp.moveaxis(found, 1, 0).reshape(2, -1)
        own = jnp.mean(found[:, :n], axis=1)
        other = jnp.mean(found[:, n : n + kind.test], axis=1)
        return Measured(jnp.concatenate([own, other]), train.read(state))

    return Run(init, advance, evaluate)
