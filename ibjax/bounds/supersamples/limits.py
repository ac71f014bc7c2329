"""How far a supersample bound can be trusted: an upper limit, and how many masks are enough."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import whole
from ibjax.bounds import checks, invert
from ibjax.bounds.supersamples import letters, plugin, polynomial, replica_tables
from ibjax.interface import BoundValue
from ibjax.signatures import enforced
from ibjax.typing import Array, Bool, Float, Int, JaxArray

_ALPHABETS = {"e_cmi": "pair", "ld_cmi": "difference", "single_loss": "single"}


@enforced
def cmi_limit(
    losses: Float[Array, "k1 k2 n 2"] | Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    *,
    of: str = "single_loss",
    delta: float = 0.05,
    valid: Array | None = None,
    clip: float | tuple[float, float] | None = None,
) -> BoundValue:
    """Upper limit of the information, and of the gap, over independent supersamples.

    ``I <= U = log 2 kl^-1(mean / log 2, log(1/delta) / k1)`` with probability 1 - delta, and then
    ``|gap| <= phi^-1(U)``

    With balanced masks the mean plug-in information of a supersample lies in [0, log 2] and its
    expectation is not below the information (Jensen: it is jointly convex in the two empirical
    laws, which are unbiased). Supersamples drawn independently give independent such numbers, and
    Chernoff's bound for variables in an interval does the rest. It is weak: a mean of .02 nats
    from twenty supersamples gives .15. A replica that is left out counts as one that remembers
    everything, so that its supersample enters with log 2.

    Args:
        losses: 0-1 losses, or real ones in [0, 1].
        masks: the column trained on; each example in half of the masks of its supersample.
        of: "e_cmi", "ld_cmi" or "single_loss": which information.
        delta: probability that the limit fails.
        valid: (k1, k2) replicas that did not diverge.
        clip: as in `bounds.e_cmi`; the value is then in units of the loss.

    Returns:
        The limit of the gap; `information` is U and `confidence` 1 - delta. Missing (NaN,
        ``holds=False``) for one supersample, which has no limit worth the name: pairs share their
        replicas, and an event of probability 1 - delta^(1/k2) on which training remembers
        everything goes unseen; also for masks that are not balanced, or shared between
        supersamples, whose values are then not independent.

    Raises:
        ValueError: as `bounds.e_cmi`; unknown name; delta outside (0, 1).

    Reference:
        The limit is new here; the inversion is the kl form of Hoeffding's bound.
    """
    checks.choice("of", of, tuple(_ALPHABETS))
    if not 0 < delta < 1:
        raise ValueError(f"delta={delta} must lie strictly between 0 and 1")
    data, width = replica_tables.prepare_losses(losses, masks, valid, clip)
    every = data._replace(valid=jnp.ones_like(data.valid))
    size = letters.SIZES[_ALPHABETS[of]]
    info = plugin.mutual_information(letters.counts(_ALPHABETS[of], size, data))
    whole_supersample = jnp.all(data.valid, (1, 2))
    each = jnp.where(whole_supersample, jnp.mean(info, (1, 2)), np.log(2.0))
    supersamples = each.shape[0]
    shared = _repeated(data.masks)
    fit = jnp.all(replica_tables.balanced(every)) & ~shared & data.legal & (supersamples > 1)
    share = jnp.clip(jnp.mean(each) / np.log(2.0), 0.0, 1.0)
    limit = np.log(2.0) * invert.kl(share, np.log(1 / delta) / supersamples)
    limit = jnp.where(fit, limit, jnp.nan)
    result = checks.result(
        width * invert.phi(limit),
        name="cmi_limit",
        kind="estimate",
        limit=width,
        assumptions=("iid", "supersample", "bounded_loss"),
        information=limit,
        std_error=0.0,
        note=_limit_note(supersamples, delta),
    )
    return replace(result, confidence=jnp.asarray(1.0 - delta, limit.dtype))


def _repeated(masks: JaxArray) -> Bool[JaxArray, ""]:
    """Whether supersamples have the same masks where independent ones would not by chance."""
    flat = masks.reshape(masks.shape[0], -1)
    sums = jnp.sort(flat @ jax.random.normal(jax.random.key(0), flat.shape[1:]))
    # Couples of complements have half as many free bits; k1^2/2 pairs of supersamples.
    free = masks.shape[1] * masks.shape[2] / 2
    rare = 2 * np.log2(masks.shape[0]) - free < -10
    some = jnp.any(sums[1:] == sums[:-1]) if rare else jnp.array(False)
    return some | jnp.all(masks == masks[:1])


def _limit_note(supersamples: int, delta: float) -> str:
    if supersamples < 2:
        return "one supersample has no upper limit: draw several independent ones"
    return (
        f"fails with probability {delta:g} over {supersamples} independent supersamples with "
        "balanced masks of their own; the pool is the population"
    )


@enforced
def masks_needed(
    value: float, share: float = 0.1, *, letters: int = 2, estimate: str = "polynomial"
) -> int:
    """Number of masks for which noise is at most a share of a bound of a given size.

    root:         null of the mean of roots, ``k2 >= 2 / (pi share^2 value^2)`` for two letters
    information:  null of the mean plug-in, ``k2 >= (m - 1) / (2 share I)``, I = value^2 / 2
    polynomial:   the least even k2 whose largest bias is at most ``share I``

    The sampling error, which falls with pairs and supersamples, comes on top.

    Args:
        value: the bound, sqrt(2 I), that is to be measured.
        share: wanted accuracy relative to it ("root") or to the information.
        letters: m, letters of the alphabet: 2 for single losses, 3 for differences, 4 for pairs.
        estimate: one of the names above.

    Returns:
        An even number of masks; masks are best drawn balanced.

    Raises:
        ValueError: value or share not above 0, unknown estimate, "root" with other than two
            letters, or more than 2,000 masks for "polynomial".
    """
    checks.choice("estimate", estimate, ("polynomial", "information", "root"))
    count = whole("letters", letters, 2)
    value, share = (
        float(checks.scalar(name, number, 0.0, open_low=True))
        for name, number in (("value", value), ("share", share))
    )
    if not (np.isfinite(value) and np.isfinite(share)):
        raise ValueError(f"value={value} and share={share} must be finite numbers above 0")
    information = value**2 / 2
    if estimate == "root":
        if count != 2:
            raise ValueError(f"letters={count} has no closed form for 'root'; use 'information'")
        return _even(2 / (np.pi * share**2 * value**2))
    if estimate == "information":
        return _even((count - 1) / (2 * share * information))
    low, high = 0, 1
    while polynomial.largest_bias(high, count) > share * information:
        low, high = high, 2 * high
        if high > 1000:
            raise ValueError(
                f"value={value} to a share of {share} needs more than 2000 masks; ask for less"
            )
    while high - low > 1:
        middle = (low + high) // 2
        enough = polynomial.largest_bias(middle, count) <= share * information
        low, high = (low, middle) if enough else (middle, high)
    return 2 * high


def _even(number: Any) -> int:
    return 2 * int(np.ceil(number / 2))
