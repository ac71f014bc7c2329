"""How far a supersample bound can be trusted: an upper limit, and how many masks are enough."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import whole
from ibjax.bounds import checks, invert, outcome
from ibjax.bounds.supersamples import coins, letters, plugin, polynomial, replica_tables
from ibjax.interface import BoundValue
from ibjax.signatures import enforced
from ibjax.typing import Array, Bool, Float, Int, JaxArray

_MOST_MASKS = 2000
"""Beyond it the tables are too large to be worth their while."""

_WORDS = {2: "single losses", 3: "loss differences", 4: "pairs of losses"}

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
        supersamples, whose values are then not independent. Nor are they where training shares its
        noise or batches between supersamples, which no table of losses shows: there is no limit
        then.

    Raises:
        ValueError: as `bounds.e_cmi`; unknown name; delta outside (0, 1).

    Reference:
        The limit is new here; the inversion is the kl form of Hoeffding's bound.
    """
    checks.choice("of", of, tuple(_ALPHABETS))
    checks.inside("delta", delta)
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
    result = outcome.result(
        width * invert.phi(limit),
        name="cmi_limit",
        kind="estimate",
        limit=width,
        assumptions=("iid", "supersample", "bounded_loss"),
        information=limit,
        about="loss" if of == "single_loss" else "pair",
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
    for name, number in (("value", value), ("share", share)):
        checks.scalar(name, number, 0.0, open_low=True)
    # in double precision, whatever that of JAX: the number of masks jumps
    value, share = float(value), float(share)
    if not (np.isfinite(value) and np.isfinite(share)):
        raise ValueError(f"value={value} and share={share} must be finite numbers above 0")
    information = value**2 / 2
    if estimate == "root":
        if count != 2:
            raise ValueError(f"letters={count} has no closed form for 'root'; use 'information'")
        return _even(2 / (np.pi * share**2 * value**2))
    if estimate == "information":
        return _even((count - 1) / (2 * share * information))
    draws = _least(share * information, count)
    if draws is None:
        raise ValueError(
            f"value={value} to a share of {share} needs more than {_MOST_MASKS} masks; ask for less"
        )
    return 2 * draws


def _least(bias: float, letters: int, slack: float = 0.0) -> int | None:
    """The least draws a side with no larger bias, or at most that share more; None if too many.

    The bias falls about as one over the draws, so that the next try is read off that line.
    """
    low, high, most = 0, None, _MOST_MASKS // 2
    draws = 8
    while True:
        found = polynomial.largest_bias(draws, letters)
        if found <= bias:
            high = draws
        else:
            low = draws
        if low >= most:
            return None
        if high is not None and high - low <= max(1, slack * high):
            return high
        guess = draws * found / bias if bias > 0 else most
        end = most if high is None else high - 1
        draws = int(np.clip(np.ceil(min(guess, most)), low + 1, end))


@enforced
def resolution(masks: int, share: float = 0.1, *, letters: int = 2, balanced: bool = True) -> float:
    """The least information that so many masks show to a share of itself, in nats.

    ``I = largest bias / share`` of the tables of `correction="polynomial"`; what pairs and
    supersamples scatter comes on top. The inverse of `masks_needed`.

    Args:
        masks: k2, at least 2.
        share: wanted accuracy relative to the information.
        letters: letters of the alphabet, as in `masks_needed`.
        balanced: whether each example trains in half of the masks; else a fair coin decides, and
            the bias is the mean over its splits, those with an empty side left out.

    Raises:
        ValueError: masks below 2 or beyond 2,000, share not above 0, letters below 2.
    """
    masks, letters = whole("masks", masks, 2), whole("letters", letters, 2)
    if masks > _MOST_MASKS:
        raise ValueError(f"masks={masks} must be at most {_MOST_MASKS}")
    checks.scalar("share", share, 0.0, open_low=True)
    share = float(share)
    if balanced:
        return polynomial.largest_bias(masks // 2, letters) / share
    sides = np.arange(1, masks)
    chance = coins.binomial(sides, masks, 0.5)
    chance, least = chance / chance.sum(), np.minimum(sides, masks - sides)
    likely = chance > 1e-4
    bias = [polynomial.largest_bias(polynomial.draws_used(m), letters) for m in least[likely]]
    return float(chance[likely] @ bias / chance[likely].sum()) / share


@enforced
def masks_advice(masks: int, *, letters: int = 2, balanced: bool = True) -> str:
    """What so many masks resolve, and how many would resolve a third of it, in one sentence.

    Args:
        masks: k2, at least 2.
        letters: m, letters of the alphabet: 2 for single losses, 3 for differences, 4 for pairs.
        balanced: whether each example trains in half of the masks; else a fair coin decides, and
            the bias is the mean over its splits, those with an empty side left out.
    """
    if masks > _MOST_MASKS:
        return f"{masks} masks resolve information to well below 0.001 nats"
    seen = resolution(masks, letters=letters, balanced=balanced)
    if seen >= np.log(2):
        said = f"{masks} masks resolve no information: log 2 = 0.69 nats is all there can be"
        wanted = 0.1
    else:
        of = _WORDS.get(letters, f"{letters} letters")
        bound = np.sqrt(2 * seen)
        said = f"{masks} masks resolve {seen:.1g} nats of {of} to a tenth (a bound of {bound:.1g})"
        wanted = float(f"{seen / 3:.0e}")
    draws = _least(0.1 * wanted, letters, slack=0.1)
    if draws is None:
        return said
    design = "" if balanced else " balanced ones"
    return f"{said}; {wanted:g} would need about {2 * draws}{design}"


def _even(number: Any) -> int:
    return 2 * int(np.ceil(number / 2))
