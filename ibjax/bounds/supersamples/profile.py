"""What every layer of a network tells about the masks, and what that bounds."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ibjax.arguments import numeric
from ibjax.bounds import checks, outcome
from ibjax.bounds.supersamples import plugin, replica_tables, rules, table_bounds
from ibjax.bounds.supersamples.rules import Rule
from ibjax.interface import BoundValue
from ibjax.signatures import enforced
from ibjax.typing import Array, Int, JaxArray


@enforced
def information_profile(
    layers: Sequence[Int[Array, "k1 k2 n 2"]],
    masks: Int[Array, "k1 k2 n"],
    *,
    correction: str | None = None,
    valid: Array | None = None,
) -> BoundValue:
    """What the pair of values at each layer tells about the mask bit, and its bound on the gap.

    ``I(loss pair; U | ..) <= I(predictions; U | ..) <= I(features; U | ..) <= log 2``

    given the supersample, where each code alone determines the next; the last gives the losses.

    Args:
        layers: integer codes (of binned or quantised features, predictions, losses), any range,
            in the network's order; the last must be losses, or predictions that decide them.
        masks: the column trained on.
        correction: of the sampling bias: None, "miller_madow", "jackknife", "permutation",
            "polynomial" or "conservative" (missing unless masks are balanced).
        valid: (k1, k2) replicas to use, or (k1, k2, n); all by default.

    Returns:
        `value` and `information` (nats) one number a layer. `holds` is False where two replicas
        agree on a member's code but not on its last one. A code that never repeats reads as
        H(U-hat), the entropy of the masks drawn, log 2 at most: raise k2 or take coarser codes.

    Raises:
        ValueError: no layers, shapes that do not match, masks other than 0 and 1.

    Reference:
        Data processing of Harutyunyan, Raginsky, Ver Steeg, Galstyan 2021, layer by layer; the
        profile is new here.
    """
    if not layers:
        raise ValueError("layers is empty; give the codes of at least one layer")
    codes = [_checked(layer) for layer in layers]
    found = [_layer(layer, masks, valid, correction) for layer in codes]
    value, info, error = (
        jnp.stack([jnp.asarray(part) for part in parts])
        for parts in zip(*((b.value, b.information, b.std_error) for b in found))
    )
    use = jnp.ones(codes[0].shape[:2], bool) if valid is None else checks.flags("valid", valid)
    return outcome.result(
        value,
        name="information_profile",
        kind="estimate",
        limit=1.0,
        assumptions=replica_tables.ASSUMPTIONS,
        information=info,
        about=found[0].about,
        std_error=error,
        holds=jnp.stack([_determines(layer, codes[-1], use) for layer in codes]),
        note=f"{found[0].note}; unique values read as the entropy of the masks",
    )


def _checked(layer) -> JaxArray:
    codes = numeric("layers", layer)
    if codes.ndim != 4 or codes.shape[-1] != 2:
        raise ValueError(f"layers holds a shape {codes.shape}; give (k1, k2, n, 2)")
    return codes


@jax.jit
def _determines(codes: JaxArray, last: JaxArray, use: JaxArray) -> JaxArray:
    """Whether replicas in use that share a member's code share its last code too."""
    use = use.reshape(use.shape + (1,) * (4 - use.ndim))
    same = (codes[:, :, None] == codes[:, None]) & use[:, None]
    first = jnp.argmax(same, axis=2)
    agree = jnp.take_along_axis(last, first, axis=1) == last
    return jnp.all(agree | ~use)


def _layer(codes: JaxArray, masks, valid, correction: str | None) -> BoundValue:
    size = codes.shape[1]
    data = replica_tables.prepare("layers", _relabelled(codes), masks, valid, size)
    pairs = _relabelled(size * data.values[..., 0] + data.values[..., 1])
    rule = Rule("information_profile", "codes", size, correction, "sqrt")
    table_bounds.check(rule, data, rules.ROOTS)
    return table_bounds.evaluate(rule, data._replace(values=pairs[..., None]))


def _relabelled(codes: JaxArray) -> JaxArray:
    return jnp.swapaxes(plugin.relabel(jnp.swapaxes(codes, 0, 1)), 0, 1)
