"""What a supersample bound reads where there is nothing to remember: its null.

A plug-in information of k2 masks is never near zero. The null deals the masks of each supersample
anew to its replicas, so that nothing is known, and evaluates the same bound: what is left is
noise. Complementary couples of masks stay couples (see `flips`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import numeric
from ibjax.bounds import checks
from ibjax.bounds.supersamples import cmi, flips, table_bounds
from ibjax.bounds.supersamples.replica_tables import Data
from ibjax.interface import BoundValue
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int, JaxArray, Key

PLANS: dict[Callable[..., BoundValue], Callable[..., cmi.Plan]] = {
    cmi.f_cmi: cmi.f_cmi_plan,
    cmi.e_cmi: cmi.e_cmi_plan,
    cmi.ld_cmi: cmi.ld_cmi_plan,
    cmi.single_loss: cmi.single_loss_plan,
}


class Null(NamedTuple):
    """The law of a bound under masks without meaning.

    Attributes:
        mean: of the value, in units of the loss, over the deals; NaN where the bound is missing.
        spread: standard deviation of one value.
        information: mean of the information, in nats; exact for a plug-in of 0-1 losses or
            predictions, where each pair's law is known (hypergeometric or binomial cells).
        information_spread: standard deviation of it.
    """

    mean: JaxArray
    spread: JaxArray
    information: JaxArray
    information_spread: JaxArray


@enforced
def null(
    bound: Callable[..., BoundValue],
    values: Float[Array, "k1 k2 n 2"] | Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    *args: Any,
    valid: Array | None = None,
    draws: int = 200,
    key: Key | None = None,
    exact: bool = True,
    **keywords: Any,
) -> Null:
    """Mean and spread of ``bound(values, masks, *args, **keywords)`` under masks without meaning.

    The very quantity that is printed, after its root or inversion, with the training error that
    the dealt masks give. Its mean over 200 deals has an error of a fourteenth of the spread; the
    spread is that of the whole value, with what pairs share through their replicas.

    Args:
        bound: `f_cmi`, `e_cmi`, `ld_cmi` or `single_loss`; or another function of these arguments
            that can be traced, as `f_information`; of one that returns arrays, an array.
        values: predictions or losses, as the bound takes them.
        masks: the column trained on.
        args: further arguments of the bound, such as the number of classes.
        valid: replicas to use, as the bound takes it.
        draws: deals of the masks.
        key: of the deals; the same one each time by default.
        exact: whether the mean of the information is its exact one where that is known, instead of
            that over the deals.
        keywords: of the bound, such as ``correction="polynomial"``.

    Raises:
        ValueError: as the bound; draws < 2.
    """
    draws = checks.static_whole("draws", draws, 2)
    key = jax.random.key(0) if key is None else key
    if bound in PLANS:
        plan = PLANS[bound](values, masks, *args, valid=valid, **keywords)
        return of_plans((plan,), draws, key, exact)[0]
    masks = numeric("masks", masks)
    if masks.ndim != 3:
        raise ValueError(f"masks has shape {masks.shape}; give (k1, k2, n)")
    if valid is not None:
        keywords["valid"] = checks.flags("valid", valid)
    use = jnp.asarray(keywords.get("valid", jnp.ones(masks.shape[:2], bool)))
    use = jnp.broadcast_to(use.reshape(use.shape + (1,) * (3 - use.ndim)), masks.shape)
    data = Data(jnp.zeros((*masks.shape, 1)), masks.astype(int), use, jnp.array(True))

    def one(drawn: JaxArray) -> tuple[JaxArray, JaxArray]:
        result = bound(values, drawn, *args, **keywords)
        return jnp.asarray(result.value), jnp.asarray(result.information)

    return summary(*_mapped(flips.strangers(key, data, draws), data.masks, one))


def of_plans(
    plans: Sequence[cmi.Plan], draws: int = 200, key: Key | None = None, exact: bool = True
) -> list[Null]:
    """The nulls of bounds from tables of the same replicas, under the same deals; see `null`."""
    key = jax.random.key(0) if key is None else key
    rules, datas, _ = zip(*plans)
    deals = flips.strangers(key, datas[0], draws)
    laws = []
    for plan, found in zip(plans, table_bounds.shuffled(rules, datas, deals, datas[0].masks)):
        rule, data, width = plan
        law = summary(width * found[0], found[1])
        whole = jnp.issubdtype(data.values.dtype, jnp.integer)
        if exact and rule.correction is None and whole and not rule.pooled:
            # What the exact mean over all deals takes off is that mean.
            less = table_bounds.evaluate(replace(rule, correction="permutation"), data)
            plain = table_bounds.evaluate(rule, data)
            law = law._replace(information=plain.information - less.information)
        laws.append(law)
    return laws


@partial(jax.jit, static_argnums=2)
def _mapped(deals: JaxArray, masks: JaxArray, one: Callable[[JaxArray], tuple[JaxArray, JaxArray]]):
    return jax.lax.map(lambda deal: one(flips.dealt(masks, deal)), deals)


def summary(value: JaxArray, information: JaxArray) -> Null:
    """Means and standard deviations over the leading axis of deals."""
    return Null(
        jnp.mean(value, 0),
        jnp.std(value, 0, ddof=1),
        jnp.mean(information, 0),
        jnp.std(information, 0, ddof=1),
    )


def above(value: BoundValue, found: Null) -> bool:
    """Whether the information lies more than two standard deviations above its null.

    The information and not the bound: an inversion also sees the training error, which dealing
    the masks changes, and a root widens the smallest numbers. False where a number is missing.
    """
    info, mean, spread = (
        float(x) for x in (value.information, found.information, found.information_spread)
    )
    return info > mean + 2 * spread


@enforced
def verdict(value: BoundValue, found: Null, masks: int) -> str:
    """A bound beside its null, in words.

    Args:
        value: the bound.
        found: its null.
        masks: k2, the number of masks of a supersample.

    Returns:
        "no memory seen with 30 masks" where the bound is not `above` its null, "above its null"
        where it is, and "no null" where one of them is missing.
    """
    if not (bool(value.holds) and math.isfinite(float(found.mean))):
        return "no null"
    return "above its null" if above(value, found) else f"no memory seen with {masks} masks"
