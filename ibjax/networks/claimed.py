"""Hidden layers of a user's module made to be what is claimed of them."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.arguments import check_spread
from ibjax.interface import LayerFacts
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key


def check_facts(layers: Sequence[LayerFacts]) -> tuple[LayerFacts, ...]:
    """The facts as a tuple.

    Raises:
        ValueError: for other things, numbers out of range, and a name given twice.
    """
    facts = tuple(layers)
    for f in facts:
        if not isinstance(f, LayerFacts):
            raise ValueError(f"layers holds {f!r}; give LayerFacts(name, width, diameter, noise=)")
        check_spread(f"layers {f.name!r}: noise", f.noise)
        if not (0 <= f.dropout < 1 and f.diameter > 0 and f.width >= 1):
            raise ValueError(f"layers holds {f}; give width >= 1, diameter > 0, 0 <= dropout < 1")
    names = [f.name for f in facts]
    if len(set(names)) < len(names):
        raise ValueError(f"layers names a submodule twice: {names}; state all facts of it at once")
    return facts


class Calls:
    """The calls of a module's submodules during one application, in order.

    Attributes:
        features: disturbed outputs of the claimed submodules.
    """

    def __init__(self, owner: str, facts: tuple[LayerFacts, ...], key: Key | None, batch: int):
        self._owner, self._facts, self._key, self._batch = owner, facts, key, batch
        self._names = [f.name for f in facts]
        self._called: list[str] = []
        self.features: list[Array] = []

    def output(self, name: str, out: Any) -> Any:
        """What the module goes on with in the place of a submodule's output.

        Raises:
            ValueError: a claimed submodule that is called again or out of turn, or whose output
                has not the claimed width.
        """
        again = name in self._called
        self._called.append(name)
        if name not in self._names:
            return out
        at = self._names.index(name)
        if again:
            raise ValueError(
                f"layers names {name!r}, which {self._owner} calls more than once (tied weights); "
                "one fact is about one call: claim another submodule"
            )
        if at != len(self.features):
            raise ValueError(
                f"layers is in the order {self._names}, but {self._owner} calls {name!r} at "
                f"place {len(self.features) + 1} of them; give the facts in the order of the calls"
            )
        fact = self._facts[at]
        shape = getattr(out, "shape", None)
        size = None if not shape or shape[0] != self._batch else out.size // self._batch
        if size != fact.width or not jnp.issubdtype(out.dtype, jnp.floating):
            given = "no array" if shape is None else f"shape {shape} for {self._batch} inputs"
            raise ValueError(
                f"layers says width={fact.width} for {name!r}, whose output has {given}; the "
                "width counts all numbers an example has there"
            )
        key = None if self._key is None else jax.random.fold_in(self._key, at)
        self.features.append(disturbed(out, fact, key))
        return self.features[-1]

    def finish(self, known: Sequence[str] = ()) -> None:
        """Refuse facts about what was never called.

        Args:
            known: names of all submodules, where they are known without a call.

        Raises:
            ValueError: naming the submodules there are.
        """
        missing = [n for n in self._names if n not in self._called]
        if missing:
            there = sorted({n for n in (*known, *self._called) if n})
            raise ValueError(
                f"layers names {missing[0]!r}, which is no submodule that {self._owner} calls; "
                f"its submodules are {', '.join(map(repr, there)) or 'none'}"
            )


def disturbed(h: Array, fact: LayerFacts, key: Key | None) -> Array:
    r"""Projection, then dropout and Gaussian noise, of a layer's output.

    .. math:: T = \frac{m}{1-p}\odot \Pi(h) + s\,\xi,

    with Pi the projection of each example's output on the ball around 0 of diameter (1-p) D, so
    that what the noise is added to lies in one of diameter D; m keeps each unit with probability
    1 - p.

    Args:
        h: outputs, (batch, ...).
        fact: D, s and p.
        key: draws mask and noise; None leaves both out.
    """
    wide = h.astype(jnp.promote_types(h.dtype, jnp.float32))
    if fact.diameter < float("inf"):
        # a little less than half, since rounding must not leave the ball
        radius = (1 - fact.dropout) * fact.diameter / 2 * (1 - 2 * jnp.finfo(h.dtype).eps)
        square = jnp.sum(wide.reshape(h.shape[0], -1) ** 2, axis=1)
        outside = square > radius**2
        factor = jnp.where(outside, radius * jax.lax.rsqrt(jnp.where(outside, square, 1.0)), 1.0)
        wide = wide * factor.reshape(-1, *(1,) * (h.ndim - 1))
    if key is not None and fact.dropout:
        keep = jax.random.bernoulli(jax.random.fold_in(key, 0), 1 - fact.dropout, h.shape)
        wide = jnp.where(keep, wide / (1 - fact.dropout), 0.0)
    if key is not None and fact.noise:
        # in full precision: rounding the noisy output afterwards reveals nothing more
        wide = wide + fact.noise * jax.random.normal(
            jax.random.fold_in(key, 1), h.shape, wide.dtype
        )
    return wide.astype(h.dtype)
