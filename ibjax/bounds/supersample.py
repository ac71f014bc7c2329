"""Supersample (CMI) bounds from what hundreds of trained replicas predict.

Every number here uses the labels of the held-out members: it measures how tight a bound is, and
certifies nothing from training data alone. All values bound the gap, test error minus training
error.

Plug-in information errs both ways. Near zero it is biased up, by about (m - 1)/(2 k2) nats a cell
of m values. Near log 2 it is biased down: no cell exceeds the entropy of its empirical mask bit,
about log 2 - 1/(2 k2) on average over fair masks, so that a bound can fall below the gap (a gap
of 1 reads as 0.99 by phi and 0.98 by pair at k2 = 30). Where much is remembered draw `balanced`
masks, each member trained on in half of them: then the ceiling is log 2.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks, invert, plugin, replica_tables
from ibjax.interface import BoundValue
from ibjax.typing import Array, Int, JaxArray

_ROOTS = ("sqrt", "phi")
_PAIR = (*_ROOTS, "pair", "kl_half")
_SINGLE = (*_ROOTS, "js")


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
        predictions: predicted classes in 0..num_classes-1.
        masks: the column trained on, 0 or 1.
        num_classes: C.
        correction: None, "miller_madow", "jackknife" or "permutation", see
            `plugin.mutual_information`; a root takes the positive part of each cell.
        inversion: "sqrt", or "phi" for the never vacuous replacement of sqrt(2 I).
        valid: (k1, k2) replicas to use, the others diverged; all by default.

    Returns:
        `value` averages the roots over pairs, then supersamples; `information` is the mean
        information, unclamped; `std_error` is over supersamples (NaN for one). Supersamples with
        fewer than two valid replicas are left out; NaN if that leaves none.

    Raises:
        ValueError: shapes that do not match, values out of range, unknown names.

    Reference:
        Harutyunyan, Raginsky, Ver Steeg, Galstyan 2021, "Information-theoretic generalization
        bounds for black-box learning algorithms"; as published with subsets of one example. The
        phi inversion is new here.
    """
    num_classes = checks.static_whole("num_classes", num_classes, 2)
    data = replica_tables.prepare("predictions", predictions, masks, valid, num_classes)
    checks.choice("inversion", inversion, _ROOTS)
    codes = num_classes * data.values[..., 0] + data.values[..., 1]
    size, replicas = num_classes**2, codes.shape[1]
    if size > max(replicas, 8):
        codes = jnp.swapaxes(plugin.relabel(jnp.swapaxes(codes, 0, 1)), 0, 1)
        size = replicas
    numbers = _evaluate(data, (codes,), size, correction, False, inversion, 1.0)
    return _value("f_cmi", numbers, replica_tables.note(correction))


def e_cmi(
    losses: Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    *,
    correction: str | None = None,
    pooled: bool = False,
    inversion: str = "sqrt",
    valid: Array | None = None,
) -> BoundValue:
    """Bound the gap by the information of a pair's losses about its mask bit.

    ``|gap| <= E (1/n) sum_i sqrt(2 I(L_i0, L_i1; U_i | supersample))``

    Args:
        losses: 0-1 losses.
        masks: the column trained on, 0 or 1.
        correction: as in `f_cmi`.
        pooled: one table for all pairs, supersamples and replicas: the information about U_J of
            a pair J drawn uniformly, J unseen. It bounds the gap of any algorithm; exchangeable
            examples (a symmetric algorithm) are needed for equalities alone, such as that with
            `ld_cmi`. "permutation" then loops over all k1 k2 n draws: slow for many.
        inversion: "sqrt" or "phi"; "pair" or "kl_half" for a bound on the test error from the
            mean information and the training error, less that error.
        valid: as in `f_cmi`.

    Returns:
        As `f_cmi`. Pooled or inverted through means, the error is a jackknife over supersamples.

    Reference:
        Hellstrom, Durisi 2022, "A new family of generalization bounds using samplewise evaluated
        CMI".
    """
    data = replica_tables.prepare("losses", losses, masks, valid, 2)
    codes = 2 * data.values[..., 0] + data.values[..., 1]
    return _loss_bound("e_cmi", (codes,), 4, data, correction, pooled, inversion, _PAIR)


def ld_cmi(
    losses: Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    *,
    correction: str | None = None,
    pooled: bool = False,
    inversion: str = "sqrt",
    valid: Array | None = None,
) -> BoundValue:
    """Bound the gap by the information of a pair's loss difference about its mask bit.

    ``|gap| <= E (1/n) sum_i sqrt(2 I(L_i1 - L_i0; U_i | supersample))``

    By data processing never above `e_cmi` with the same options, which is never above `f_cmi` on
    the same replicas unless pooled. Corrected values need not keep this order.

    Args:
        losses: 0-1 losses.
        masks: the column trained on, 0 or 1.
        correction: as in `f_cmi`.
        pooled: as in `e_cmi`; pooled and disintegrated bounds are not ordered.
        inversion: as in `e_cmi`.
        valid: as in `f_cmi`.

    Returns:
        As `e_cmi`.

    Reference:
        Wang, Mao 2023, "Tighter information-theoretic generalization bounds from supersamples".
    """
    data = replica_tables.prepare("losses", losses, masks, valid, 2)
    codes = data.values[..., 1] - data.values[..., 0] + 1
    return _loss_bound("ld_cmi", (codes,), 3, data, correction, pooled, inversion, _PAIR)


def single_loss(
    losses: Int[Array, "k1 k2 n 2"],
    masks: Int[Array, "k1 k2 n"],
    *,
    correction: str | None = None,
    pooled: bool = False,
    inversion: str = "sqrt",
    centred: bool = True,
    valid: Array | None = None,
) -> BoundValue:
    """Bound the gap by the information of one member's loss about the mask bit.

    centred:   ``|gap| <= E (1/n) sum_i sqrt(2 I(L_ic; U_i | supersample))``, mean over both c
    published: ``|gap| <= E (2/n) sum_i sqrt(2 I(L_i0; U_i | supersample))``

    The gap of a pair is E[(-1)^U (L_1 - 1/2)] - E[(-1)^U (L_0 - 1/2)]: a fair sign makes any
    constant free, and a factor within [-1/2, 1/2] halves the published bound. Both columns
    need no symmetry; column 0 alone needs a law that swapping a pair and its bit leaves unchanged.

    Args:
        losses: 0-1 losses.
        masks: the column trained on, 0 or 1.
        correction: as in `f_cmi`.
        pooled: as in `e_cmi`.
        inversion: "sqrt" or "phi"; "js" for the binary Jensen-Shannon inversion of the mean
            information, an equality for the pooled population value of exchangeable examples.
        centred: False for the published constant and column.
        valid: as in `f_cmi`.

    Returns:
        As `e_cmi`.

    Reference:
        Wang, Mao 2023, as `ld_cmi`; the centred constant is an improvement of ours. Dong et al.
        2025 for the binary Jensen-Shannon comparison.
    """
    data = replica_tables.prepare("losses", losses, masks, valid, 2)
    columns = (0, 1) if centred else (0,)
    codes = tuple(data.values[..., c] for c in columns)
    if not centred and inversion != "sqrt":
        raise ValueError(f"inversion={inversion!r} needs centred=True; the published form is sqrt")
    factor = 1.0 if centred else 2.0
    return _loss_bound(
        "single_loss", codes, 2, data, correction, pooled, inversion, _SINGLE, factor
    )


def _apply(info: JaxArray, inversion: str) -> JaxArray:
    positive = jnp.maximum(info, 0.0)
    return jnp.sqrt(2 * positive) if inversion == "sqrt" else invert.phi(positive)


def _loss_bound(
    name: str,
    codes: tuple[JaxArray, ...],
    size: int,
    data: replica_tables.Data,
    correction: str | None,
    pooled: bool,
    inversion: str,
    options: tuple[str, ...],
    factor: float = 1.0,
) -> BoundValue:
    checks.choice("inversion", inversion, options)
    numbers = _evaluate(data, codes, size, correction, bool(pooled), inversion, factor)
    return _value(name, numbers, replica_tables.note(correction, bool(pooled)))


class _Numbers(NamedTuple):
    value: JaxArray
    information: JaxArray
    error: JaxArray
    rate: JaxArray


@partial(jax.jit, static_argnames=("size", "correction", "pooled", "inversion", "factor"))
def _evaluate(
    data: replica_tables.Data,
    codes: tuple[JaxArray, ...],
    size: int,
    correction: str | None,
    pooled: bool,
    inversion: str,
    factor: float,
) -> _Numbers:
    """Value, information, error and (where the inversion reads it) the training error."""
    checks.choice("correction", correction, plugin.CORRECTIONS)
    use = replica_tables.usable(data)
    tables = jnp.stack([replica_tables.cell_tables(c, data, size) for c in codes], 1)
    draws = int(np.prod(data.masks.shape)) if pooled else data.masks.shape[1]
    if not pooled:
        info = plugin.mutual_information(tables, correction, draws)
        info = jnp.where(use[:, None, None], info, 0.0)
        if inversion in _ROOTS:
            each = factor * jnp.mean(_apply(info, inversion), (1, 2))
            value, error = replica_tables.mean_and_error(each, use)
            information, _ = replica_tables.mean_and_error(jnp.mean(info, (1, 2)), use)
            return _Numbers(value, information, error, jnp.zeros_like(value))
        each = jnp.mean(info, (1, 2))
    wrong, trained = replica_tables.train_error(data)

    def evaluate(use):
        if pooled:
            joint = jnp.sum(jnp.where(use[:, None, None, None], tables.sum(2), 0.0), 0)
            mean = jnp.mean(plugin.mutual_information(joint, correction, draws))
        else:
            mean, _ = replica_tables.mean_and_error(each, use)
        rate = jnp.sum(wrong * use) / jnp.sum(trained * use)
        if inversion in _ROOTS:
            return factor * _apply(mean, inversion), mean, jnp.zeros_like(mean)
        return getattr(invert, inversion)(rate, jnp.maximum(mean, 0.0)) - rate, mean, rate

    value, information, rate = evaluate(use)
    units = use.shape[0]
    if units < 2:
        return _Numbers(value, information, jnp.full_like(value, jnp.nan), rate)
    left = jax.vmap(lambda s: evaluate(use & (jnp.arange(units) != s))[0])(jnp.arange(units))
    _, spread = replica_tables.mean_and_error(left, use)
    return _Numbers(value, information, spread * (jnp.sum(use) - 1), rate)


def _value(name: str, numbers: _Numbers, note: str) -> BoundValue:
    return checks.result(
        numbers.value,
        name=name,
        kind="estimate",
        limit=1.0 - numbers.rate,
        assumptions=replica_tables.ASSUMPTIONS,
        information=numbers.information,
        std_error=numbers.error,
        note=note,
    )
