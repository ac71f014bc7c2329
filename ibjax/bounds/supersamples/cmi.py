"""Supersample (CMI) bounds from what hundreds of trained replicas predict.

Every number here uses the labels of the held-out members: it measures how tight a bound is, and
certifies nothing from training data alone. All values bound the gap, test error minus training
error.

Plug-in information errs both ways. Near zero it is biased up, by about (m - 1)/(2 k2) nats a cell
of m values: with thirty masks a learner without memory reads as sqrt(2 I) = .15 to .3, see
`bounds.null`. Near log 2 it is biased down: no cell exceeds the entropy of its empirical mask bit,
about log 2 - 1/(2 k2) on average over fair masks, so that a bound can fall below the gap (a gap
of 1 reads as 0.99 by phi and 0.98 by pair at k2 = 30). Draw `balanced` masks, each member trained
on in half of them: then the ceiling is log 2, and the mean plug-in information is never below the
truth in expectation (it is a Jensen-Shannon divergence, jointly convex, of unbiased laws).

``correction="polynomial"`` is the recommended estimate: mean information first, by tables whose
bias is small for every law (`polynomial.table`); the largest bias they can have is added; the root
comes last. ``"conservative"`` is the plug-in of balanced masks with the mean first and the root
last, which is not below the truth in expectation. The defaults below are the published form.

A pair whose mask bit is the same in all replicas tells nothing and is left out. Where more pairs
are constant than fair coins leave, the bound is missing.
"""

from typing import Any

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.bounds.supersamples import letters, plugin, replica_tables, rules, table_bounds
from ibjax.bounds.supersamples.replica_tables import Data
from ibjax.bounds.supersamples.rules import Rule
from ibjax.interface import BoundValue
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int

_PAIR = (*rules.ROOTS, "pair", "kl_half")
_SINGLE = (*rules.ROOTS, "js")

Plan = tuple[Rule, Data, float]
"""What a bound counts, on what, and the length of the interval the losses lie in."""


@enforced
def f_cmi(
    predictions: Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    num_classes: int,
    *,
    correction: str | None = None,
    inversion: str = "sqrt",
    valid: Array | None = None,
) -> BoundValue:
    """Bound the gap by the information of a pair's predictions about its mask bit.

    ``|gap| <= E (1/n) sum_i sqrt(2 I(F_i0, F_i1; U_i | supersample))``

    There is no pooled form: without the labels predictions do not determine losses.

    Args:
        predictions: predicted classes in 0..num_classes-1; (k2, n, 2) for one supersample.
        masks: the column trained on, 0 or 1; (k2, n) where all supersamples share them.
        num_classes: C.
        correction: None, "miller_madow", "jackknife" or "permutation", see
            `plugin.mutual_information`, where a root takes the positive part of each cell and
            "permutation" only turns couples of complementary masks; or "polynomial" or
            "conservative" (missing unless masks are balanced), see above.
        inversion: "sqrt", or "phi" for the never vacuous replacement of sqrt(2 I).
        valid: (k1, k2) replicas to use, the others diverged, or (k1, k2, n); all by default.

    Returns:
        `value` averages the roots over pairs, then supersamples; `information` is the mean
        information, unclamped; `std_error` is over supersamples (NaN for one). Supersamples with
        fewer than two valid replicas are left out; NaN if that leaves none.
        With "polynomial", `value` is the root of the mean information, not below zero, plus the
        largest bias (of the letters seen and one more); `std_error` is the larger of the errors
        over supersamples and over masks (a jackknife that leaves out masks 2v and 2v + 1
        together), taken through the root with the bias on both sides: value less 1.96 errors is
        0 where the mean is not 1.96 errors and the bias above 0.

    Raises:
        ValueError: shapes that do not match, values out of range, unknown names.

    Reference:
        Harutyunyan, Raginsky, Ver Steeg, Galstyan 2021, "Information-theoretic generalization
        bounds for black-box learning algorithms"; as published with subsets of one example. The
        phi inversion and "polynomial" are new here.
    """
    return table_bounds.evaluate(
        *f_cmi_plan(
            predictions, masks, num_classes, correction=correction, inversion=inversion, valid=valid
        )
    )


def f_cmi_plan(
    predictions: Any,
    masks: Any,
    num_classes: int,
    *,
    correction: str | None = None,
    inversion: str = "sqrt",
    valid: Any = None,
) -> Plan:
    """What `f_cmi` counts; the arguments are those of it."""
    num_classes = checks.static_whole("num_classes", num_classes, 2)
    data = replica_tables.prepare("predictions", predictions, masks, valid, num_classes)
    codes = num_classes * data.values[..., 0] + data.values[..., 1]
    size, replicas = num_classes**2, codes.shape[1]
    if size > max(replicas, 8):
        codes = jnp.swapaxes(plugin.relabel(jnp.swapaxes(codes, 0, 1)), 0, 1)
        size = replicas
    data = data._replace(values=codes[..., None])
    rule = Rule("f_cmi", "codes", size, correction, inversion)
    table_bounds.check(rule, data, rules.ROOTS)
    return rule, data, 1.0


@enforced
def e_cmi(
    losses: Float[Array, "k1 k2 n 2"] | Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    *,
    correction: str | None = None,
    pooled: bool = False,
    inversion: str = "sqrt",
    valid: Array | None = None,
    clip: float | tuple[float, float] | None = None,
) -> BoundValue:
    """Bound the gap by the information of a pair's losses about its mask bit.

    ``|gap| <= E (1/n) sum_i sqrt(2 I(L_i0, L_i1; U_i | supersample))``

    A real loss stands for a coin that is 1 with its probability, counted in fractions: the gap is
    that of the losses, the information never larger (see `letters`). Means over noise draws or
    seeds of one mask enter the same way.

    Args:
        losses: 0-1 losses, or real ones in [0, 1]; (k2, n, 2) for one supersample.
        masks: the column trained on, 0 or 1; (k2, n) where all supersamples share them.
        correction: as in `f_cmi`; "miller_madow", "jackknife" and "permutation" need 0-1
            losses.
        pooled: one table for all pairs, supersamples and replicas: the information about U_J of
            a pair J drawn uniformly, J unseen. It bounds the gap of any algorithm; exchangeable
            examples (a symmetric algorithm) are needed for equalities alone, such as that with
            `ld_cmi`. "permutation" then loops over all k1 k2 n draws: slow for many.
        inversion: "sqrt" or "phi"; "pair" or "kl_half" for a bound on the test error from the
            mean information and the training error, less that error.
        valid: (k1, k2) replicas to use, the others diverged, or (k1, k2, n); all by default.
        clip: c or (a, c): losses are clipped to [0, c] or [a, c]. The bound, in units of the
            loss, is then one on the gap of the clipped losses.

    Returns:
        Estimate. Standard error over supersamples; pooled or inverted through means, a jackknife
        over them. NaN where fewer than two masks are valid.

    Raises:
        ValueError: as `f_cmi`; losses outside [0, 1] without `clip`.

    Reference:
        Hellstrom, Durisi 2022, "A new family of generalization bounds using samplewise evaluated
        CMI". Real losses by coins, and their fractional counts, are new here.
    """
    plan = e_cmi_plan(
        losses,
        masks,
        correction=correction,
        pooled=pooled,
        inversion=inversion,
        valid=valid,
        clip=clip,
    )
    return table_bounds.evaluate(*plan)


def e_cmi_plan(losses: Any, masks: Any, **keywords: Any) -> Plan:
    """What `e_cmi` counts; the arguments are those of it."""
    return _plan("e_cmi", "pair", _PAIR, losses, masks, **keywords)


@enforced
def ld_cmi(
    losses: Float[Array, "k1 k2 n 2"] | Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    *,
    correction: str | None = None,
    pooled: bool = False,
    inversion: str = "sqrt",
    valid: Array | None = None,
    clip: float | tuple[float, float] | None = None,
) -> BoundValue:
    """Bound the gap by the information of a pair's loss difference about its mask bit.

    ``|gap| <= E (1/n) sum_i sqrt(2 I(L_i1 - L_i0; U_i | supersample))``

    By data processing never above `e_cmi` with the same options, which is never above `f_cmi` on
    the same replicas unless pooled. Corrected values need not keep this order.

    Args:
        losses: (k1, k2, n, 2), 0-1 losses, or real ones in [0, 1], whose difference is that of two
            coins.
        masks: the column trained on, 0 or 1, (k1, k2, n); (k2, n) where shared.
        correction: None, "polynomial" or "conservative"; for 0-1 losses also "miller_madow",
            "jackknife" or "permutation".
        pooled: one table for all pairs, supersamples and replicas; pooled and disintegrated bounds
            are not ordered.
        inversion: "sqrt" or "phi"; "pair" or "kl_half" for a bound on the test error from the mean
            information and the training error, less that error.
        valid: (k1, k2) replicas to use, the others diverged, or (k1, k2, n); all by default.
        clip: c or (a, c): losses are clipped to [0, c] or [a, c]. The bound, in units of the loss,
            is then one on the gap of the clipped losses.

    Returns:
        Estimate. Standard error over supersamples; pooled or inverted through means, a jackknife
        over them. NaN where fewer than two masks are valid.

    Reference:
        Wang, Mao 2023, "Tighter information-theoretic generalization bounds from supersamples".
    """
    plan = ld_cmi_plan(
        losses,
        masks,
        correction=correction,
        pooled=pooled,
        inversion=inversion,
        valid=valid,
        clip=clip,
    )
    return table_bounds.evaluate(*plan)


def ld_cmi_plan(losses: Any, masks: Any, **keywords: Any) -> Plan:
    """What `ld_cmi` counts; the arguments are those of it."""
    return _plan("ld_cmi", "difference", _PAIR, losses, masks, **keywords)


@enforced
def single_loss(
    losses: Float[Array, "k1 k2 n 2"] | Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    *,
    correction: str | None = None,
    pooled: bool = False,
    inversion: str = "sqrt",
    centred: bool = True,
    valid: Array | None = None,
    clip: float | tuple[float, float] | None = None,
) -> BoundValue:
    """Bound the gap by the information of one member's loss about the mask bit.

    centred:   ``|gap| <= E (1/n) sum_i sqrt(2 I(L_ic; U_i | supersample))``, mean over both c
    published: ``|gap| <= E (2/n) sum_i sqrt(2 I(L_i0; U_i | supersample))``

    The gap of a pair is E[(-1)^U (L_1 - 1/2)] - E[(-1)^U (L_0 - 1/2)]: a fair sign makes any
    constant free, and a factor within [-1/2, 1/2] halves the published bound. Both columns
    need no symmetry; column 0 alone needs a law that swapping a pair and its bit leaves unchanged.

    Args:
        losses: (k1, k2, n, 2), 0-1 losses, or real ones in [0, 1].
        masks: the column trained on, 0 or 1, (k1, k2, n); (k2, n) where shared.
        correction: None, "polynomial" or "conservative"; for 0-1 losses also "miller_madow",
            "jackknife" or "permutation".
        pooled: one table for all pairs, supersamples and replicas: the information about U_J of a
            pair J drawn uniformly, J unseen. It bounds the gap of any algorithm; exchangeable
            examples (a symmetric algorithm) are needed for equalities alone, such as that with
            `ld_cmi`. "permutation" then loops over all k1 k2 n draws: slow for many.
        inversion: "sqrt" or "phi"; "js" for the binary Jensen-Shannon inversion of the mean
            information, an equality for the pooled population value of exchangeable examples.
        centred: False for the published constant and column.
        valid: (k1, k2) replicas to use, the others diverged, or (k1, k2, n); all by default.
        clip: c or (a, c): losses are clipped to [0, c] or [a, c]. The bound, in units of the loss,
            is then one on the gap of the clipped losses.

    Returns:
        Estimate. Standard error over supersamples; pooled or inverted through means, a jackknife
        over them. NaN where fewer than two masks are valid.

    Reference:
        Wang, Mao 2023, as `ld_cmi`; the centred constant is an improvement of ours, which also
        follows from Dong et al. 2025, who have the binary Jensen-Shannon comparison.
    """
    plan = single_loss_plan(
        losses,
        masks,
        correction=correction,
        pooled=pooled,
        inversion=inversion,
        centred=centred,
        valid=valid,
        clip=clip,
    )
    return table_bounds.evaluate(*plan)


def single_loss_plan(losses: Any, masks: Any, *, centred: bool = True, **keywords: Any) -> Plan:
    """What `single_loss` counts; the arguments are those of it."""
    if not centred and keywords.get("inversion", "sqrt") != "sqrt":
        raise ValueError(
            f"inversion={keywords['inversion']!r} needs centred=True; the published form is sqrt"
        )
    alphabet, factor = ("single", 1.0) if centred else ("first", 2.0)
    return _plan("single_loss", alphabet, _SINGLE, losses, masks, factor=factor, **keywords)


def _plan(
    name: str,
    alphabet: str,
    inversions: tuple[str, ...],
    losses: Any,
    masks: Any,
    *,
    correction: str | None = None,
    pooled: bool = False,
    inversion: str = "sqrt",
    valid: Any = None,
    clip: Any = None,
    factor: float = 1.0,
) -> Plan:
    data, width = replica_tables.prepare_losses(losses, masks, valid, clip)
    size = letters.SIZES[alphabet]
    rule = Rule(name, alphabet, size, correction, inversion, bool(pooled), factor)
    table_bounds.check(rule, data, inversions)
    return rule, data, width
