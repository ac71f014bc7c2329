"""What may be kept along the path of a replica: one protocol, and the plain sums of norms."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from ibjax.interface import Hyper
from ibjax.langevin.gradients import StepGradient
from ibjax.langevin.rules import Rule
from ibjax.typing import JaxArray as Array


class Examples(NamedTuple):
    """How a replica finds its examples; each gives inputs (b, ...) and labels (b,).

    Attributes:
        batch: those of the batch, by their positions in the training set.
        ghosts: those that could have been in their places, None where nothing asks for them.
        candidates: inputs (J, K, ...) and labels (J, K) of the followed slots, used ones first.
    """

    batch: Callable[[Array], tuple[Any, Array]]
    ghosts: Callable[[Array], tuple[Any, Array]] | None = None
    candidates: tuple[Array, Array] | None = None


class Step(NamedTuple):
    """What one step did: all that an account may look at.

    Attributes:
        params: the parameters before it.
        hyper: scalars of the run.
        rule: the update rule.
        got: gradients of the batch, and of its ghosts where an account is paired.
        gradient: their mean as the update rule was given it, flat, (d,).
        drift: what the rule moves along, (d,): the gradient, or its buffer under momentum.
        noise: the standard normal noise the rule was given, (d,), 0 for unused parameters; None
            for a rule that takes none.
        eta: step size.
        beta: inverse temperature; inf without noise.
        member: positions of the batch in the training set, (b,).
        weights: how often each counts, (b,), or None for once each.
        examples: where the examples of the replica are.
    """

    params: Any
    hyper: Hyper
    rule: Rule
    got: StepGradient
    gradient: Array
    drift: Array
    noise: Array | None
    eta: Any
    beta: Any
    member: Array
    weights: Array | None
    examples: Examples

    @property
    def scale(self) -> Array:
        """Ratio eta / s, finite also where eta is 0; 0 without noise, of which nothing follows."""
        return jnp.zeros(()) if self.noise is None else jnp.sqrt(self.eta * self.beta / 2)


class Account(NamedTuple):
    """Something kept along the path of one replica.

    Attributes:
        init: ``() -> state`` before the first step.
        update: ``(state, step) -> state`` after it.
        finish: ``state -> what it says at a checkpoint``, by name.
        paired: whether it needs the gradients of every example of the batch and of its ghost.
    """

    init: Callable[[], Any]
    update: Callable[[Any, Step], Any]
    finish: Callable[[Any], dict[str, Any]]
    paired: bool = False


NORMS = ("gradient_information", "sample_information", "incoherence_information")


def norms(n: int, b: int, *, known: bool = True) -> Account:
    """Sums of ``eta^2/(2 s^2)`` times |g_B|^2, (1/n) sum_i |g_i|^2/b^2, and the incoherence.

    Args:
        n: number of training examples.
        b: the normaliser of the batch sum.
        known: whether they bound anything: what running batch statistics reveal is part of no sum
            over noisy steps, and then they are NaN.
    """

    def init() -> tuple[Array, Array]:
        return jnp.zeros(3), jnp.zeros(3)

    def update(state: tuple[Array, Array], step: Step) -> tuple[Array, Array]:
        terms = step.eta * step.beta / 4 * _statistics(step, n, b)
        return compensated(*state, terms if known else jnp.full_like(terms, jnp.nan))

    def finish(state: tuple[Array, Array]) -> dict[str, Any]:
        total, lost = state
        return dict(zip(NORMS, total - lost))

    return Account(init, update, finish)


def _statistics(step: Step, n: int, b: int) -> Array:
    """|g_B|^2; (1/n) sum_i |g_i|^2 / b^2; expected |xi|^2 of the incoherence of a random index.

    The last is s^2 / (b (n - 1)) with s^2 the unbiased variance of the per-example gradients in
    the batch, see `spread`: index J is in it with probability b/n, and the prior predicts its
    gradient by the mean of the other n - 1.
    """
    batch_sq = jnp.sum(step.gradient**2)
    total = jnp.sum(step.got.norms_sq)
    m = None if step.weights is None else jnp.sum(step.weights)
    variance = spread(total, batch_sq, m, b, n)
    return jnp.stack([batch_sq, total / (n * b**2), variance / (b * max(n - 1, 1))])


def spread(total: Any, batch_sq: Any, m: Any, b: int, n: int) -> Array:
    """Unbiased variance of the per-example gradients, from the squared distances of all pairs.

    Args:
        total: sum of the squared norms of the gradients of a batch.
        batch_sq: squared norm of their sum over b.
        m: how many a Poisson batch holds; None for b of them.
        b: the normaliser of the batch sum.
        n: number of training examples.

    Returns:
        One number; NaN for batches of one, which hold no pair. A Poisson batch may hold one by
        chance: over the pairs that are expected, (b/n)^2 n (n - 1), the mean stays right.
    """
    if m is None:
        if b == 1:
            return jnp.full_like(batch_sq, jnp.nan)
        return jnp.maximum(total - batch_sq * b, 0.0) / (b - 1)
    return jnp.maximum(m * total - batch_sq * b**2, 0.0) / (b**2 * (1 - 1 / n))


def compensated(total: Array, lost: Array, term: Array) -> tuple[Array, Array]:
    """Kahan's sum: float32 accumulators that do not lose small steps after large ones."""
    corrected = term - lost
    new = total + corrected
    return new, jnp.where(jnp.isfinite(new), (new - total) - corrected, 0.0)
