"""One rule for each way to draw batches: what the T steps of a run cost."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from ibjax.bounds.accounting import epochs
from ibjax.bounds.accounting.mixtures import overflow, poisson_step
from ibjax.bounds.accounting.repeats import repeated_step
from ibjax.bounds.accounting.revealed import any_weights, channel
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.accounting.subsets import subset_step
from ibjax.typing import JaxArray

UNKNOWN = "unknown"


class Setting(NamedTuple):
    """What a rule reads, all arrays of one dtype.

    Attributes:
        shift: eta_t C/s_t, the shift of a batch of one in units of the noise, (T,).
        b: the constant that the sum over the batch is divided by.
        n: number of examples.
        dim: dimension d of the weights; inf for linear forms.
        smallest: fewest examples that a step was averaged over; NaN for what the rule says.
        capacity: most examples a truncated Poisson batch can hold.
    """

    shift: JaxArray
    b: JaxArray
    n: JaxArray
    dim: JaxArray
    smallest: JaxArray
    capacity: JaxArray

    @property
    def q(self) -> JaxArray:
        """Share of the examples in a batch."""
        return self.b / self.n

    @property
    def r(self) -> JaxArray:
        """Shift of one example of a batch of b, (T,)."""
        return self.shift / self.b

    @property
    def per_epoch(self) -> JaxArray:
        """Steps of an epoch that drops its remainder."""
        return jnp.floor(self.n / self.b)


Rule = Callable[[Setting], JaxArray]
"""From the setting to nats: the mean over examples, summed over steps."""


def _total(costs: JaxArray) -> JaxArray:
    return up(jnp.sum(costs), costs.shape[0] + 8)


def revealed(s: Setting) -> JaxArray:
    """Every example in a share b/n of the steps, which may be known."""
    return _total(channel(jnp.ones_like(s.shift) * s.q, s.r, s.dim))


def anything(s: Setting) -> JaxArray:
    """Weights that add up to b and are not known otherwise."""
    return _total(any_weights(s.shift, s.n, jnp.ones_like(s.n), s.dim))


def fewer(s: Setting) -> JaxArray:
    """Steps averaged over as few examples as `smallest`; it is not known which."""
    low = jnp.where(s.smallest < s.b, jnp.maximum(s.smallest, 1.0), 1.0)
    return _total(any_weights(s.shift, s.n, low, s.dim))


def _poisson(s: Setting) -> JaxArray:
    return _total(poisson_step(jnp.ones_like(s.shift) * s.q, s.r, s.dim))


def _truncated(s: Setting) -> JaxArray:
    """Poisson, and a batch of fixed size whenever the others fill it.

    Then the example replaces a member with probability q B/(N + 1) <= q. What that costs is taken
    as revealed: the closed form of `fixed_step` does not increase in q throughout.
    """
    full = overflow(s.n, s.q, s.capacity)
    replaced = _total(jnp.where(full > 0, full * s.q * s.r**2 / 2, 0.0))
    return up(_poisson(s) + replaced, 2)


def _subsets(s: Setting) -> JaxArray:
    return _total(subset_step(jnp.ones_like(s.shift) * s.q, s.r, s.dim))


def _permutations(s: Setting) -> JaxArray:
    hidden = epochs.permutations(s.r, s.q, s.per_epoch)
    return jnp.where(s.q < 1, jnp.minimum(hidden, revealed(s)), revealed(s))


def remainder(b: Any, n: Any) -> JaxArray:
    """Examples in the last batch of an epoch that keeps it, in 1..b."""
    return n - (jnp.ceil(n / b) - 1) * b


def whole_sizes(steps: int, b: Any, n: Any) -> JaxArray:
    """Examples in the batch of each step of epochs that keep their remainder, (T,)."""
    m = jnp.ceil(n / b)
    last = jnp.mod(jnp.arange(steps), m) == m - 1
    return jnp.where(last, remainder(b, n), b)


def _whole(s: Setting) -> JaxArray:
    """Permutations whose last batch of an epoch is averaged over its own size.

    Where a batch was smaller than that of the remainder, it is not known which.
    """
    rest, size = remainder(s.b, s.n), whole_sizes(s.shift.shape[0], s.b, s.n)
    own = _total(channel(size / s.n, s.shift / size, s.dim))
    planned = jnp.where(rest < s.b, own, _permutations(s))
    return jnp.where(s.smallest < rest, fewer(s), planned)


def _replacement(s: Setting) -> JaxArray:
    return _total(repeated_step(s.r, s.b, s.n, s.dim))


def _bins(s: Setting) -> JaxArray:
    hidden = epochs.bins(s.r, s.per_epoch)
    return jnp.minimum(hidden, _total(channel(jnp.ones_like(s.shift) / s.per_epoch, s.r, s.dim)))


def _known_bins(s: Setting) -> JaxArray:
    """Every example once an epoch, at worst in its largest step."""
    costs = channel(jnp.ones_like(s.shift), s.r, s.dim)
    return up(epochs.epoch_maxima(costs, s.per_epoch), s.shift.shape[0] + 8)


def _every_example(s: Setting) -> JaxArray:
    return _total(channel(jnp.ones_like(s.shift), s.r, s.dim))


def _known_truncated(s: Setting) -> JaxArray:
    share = jnp.minimum(s.capacity / s.n, 1.0)
    return _total(channel(share * jnp.ones_like(s.shift), s.r, s.dim))


def _known_unknown(s: Setting) -> JaxArray:
    """Any weights that add up to b, or Poisson batches that hold every example.

    In expectation over Poisson batches weights add up to b; in one sequence of them to n at most.
    Where b is not known either, it is 1 at worst.
    """
    least = s._replace(b=jnp.where(jnp.isnan(s.b), 1.0, s.b))
    return jnp.maximum(anything(s), _every_example(least))


def _known_whole(s: Setting) -> JaxArray:
    return jnp.maximum(_whole(s), revealed(s))


HIDDEN: dict[str, Rule] = {
    "full": revealed,
    "fixed": revealed,
    "epochs": _permutations,
    "whole_epochs": _whole,
    "without_replacement": _subsets,
    "poisson": _poisson,
    "with_replacement": _replacement,
    "balls_and_bins": _bins,
    "truncated_poisson": _truncated,
    UNKNOWN: anything,
}
"""In expectation over batches that every replica draws anew."""

GIVEN: dict[str, Rule] = {
    "full": revealed,
    "fixed": revealed,
    "epochs": revealed,
    "whole_epochs": _known_whole,
    "without_replacement": revealed,
    "poisson": _every_example,
    "with_replacement": anything,
    "balls_and_bins": _known_bins,
    "truncated_poisson": _known_truncated,
    UNKNOWN: _known_unknown,
}
"""For every sequence of batches that can have been drawn."""


def batch_norm_square(name: str, s: Setting) -> JaxArray:
    """Mean square, over batches, of a step's gradient norm in units of the clip."""
    ones = jnp.ones_like(s.b)
    if name in ("poisson", "truncated_poisson"):
        # A batch of random size B is divided by b: E B^2 / b^2.
        return 1 + (1 - s.q) / s.b
    if name == "balls_and_bins":
        mean = s.n / s.per_epoch
        return (mean / s.b) ** 2 + mean * (1 - 1 / s.per_epoch) / s.b**2
    # Unknown batches may be Poisson batches, with b >= 1.
    return 2 * ones if name == UNKNOWN else ones


def largest_batch_square(name: str, s: Setting) -> JaxArray:
    """The largest square of a step's gradient norm that a sequence of batches can bring about."""
    if name in ("poisson", "balls_and_bins"):
        return (s.n / s.b) ** 2
    if name == "truncated_poisson":
        return (s.capacity / s.b) ** 2
    return s.n**2 if name == UNKNOWN else jnp.ones_like(s.b)
