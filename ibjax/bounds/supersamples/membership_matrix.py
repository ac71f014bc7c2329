"""Bounds from models that were trained on random subsets of one pool."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.bounds import checks
from ibjax.bounds.means import over_units
from ibjax.bounds.supersamples import (
    cmi,
    examples,
    flips,
    mistakes,
    nulls,
    replica_tables,
    rules,
    table_bounds,
)
from ibjax.bounds.supersamples.leave_one_out import leave_one_out
from ibjax.bounds.supersamples.nulls import Null
from ibjax.bounds.supersamples.subset_bound import subset_bound, subset_null
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Bool, Float, JaxArray, Key

FORMS = ("auto", "complementary", "split", "single")
_FEW = 8
"""Models that must tell the members of a pair apart, on average, for pairs to be used."""

_MANY = 300
"""Models from which the plug-in has little bias and the tables of `polynomial` would be large."""


class FromMembership(NamedTuple):
    """What an in/out matrix and losses say.

    Attributes:
        train_error: mean loss in the training set, with its error over models.
        test_error: mean loss outside of it.
        gap: their difference.
        bounds: each bound that applies, by name.
        nulls: the null of each, where it has one.
        form: "complementary", "split" or "single": how the examples were used.
        remarks: what was assumed and what is odd, in sentences.
    """

    train_error: Estimate
    test_error: Estimate
    gap: Estimate
    bounds: dict[str, BoundValue]
    nulls: dict[str, Null]
    form: str
    remarks: tuple[str, ...]


@enforced
def from_membership(
    membership: Bool[Array, "models N"],
    losses: Float[Array, "models N"],
    *,
    form: str = "auto",
    valid: Array | None = None,
    clip: float | tuple[float, float] | None = None,
    correction: str | None = "polynomial",
    draws: int = 100,
    key: Key | None = None,
) -> FromMembership:
    """Bounds from an in/out matrix of training sets and the loss of every model on every example.

    complementary: examples come in pairs of which every model was trained on exactly one, the
                   supersample of the theorems; found by comparing columns.
    split:         examples are paired at random, and a pair is judged by the models that were
                   trained on exactly one of its members; which one is then a fair coin, if each
                   example was put in by the same rule.
    single:        no pairs. `single_example` alone, see `subset_bound`.

    Args:
        membership: 1 where the model was trained on the example.
        losses: 0-1 losses, or real ones in [0, 1].
        form: one of the above, or "auto": the first that the matrix allows. Pairs need
            eight models a pair, on average, that tell its members apart.
        valid: (models,) models that did not diverge; all by default.
        clip: c or (a, c): losses are clipped to [0, c] or [a, c]. The bound, in units of the loss,
            is then one on the gap of the clipped losses.
        correction: of the pair bounds, as in `bounds.f_cmi`. "polynomial" becomes None, the
            plug-in, from 300 models on.
        draws: deals of the masks for each null.
        key: of the pairing and the deals; the same one each time by default.

    Returns:
        `single_example` for every design; `single_loss`, `ld_cmi` and `e_cmi` of pairs;
        `leave_one_out` where every example was left out of exactly one model and every model
        left out one (0-1 losses). Examples that were in all models or in none tell nothing and
        are left out, as are pairs that no model tells apart.

    Raises:
        ValueError: shapes that do not match, membership that never varies, a form that the matrix
            does not allow, values out of range.

    Reference:
        Steinke, Zakynthinou 2020 for supersamples; the split pairs and the single form are new
        here. The matrix is that of memorisation and membership inference studies (Feldman, Zhang
        2020; Carlini et al. 2022).
    """
    checks.choice("form", form, FORMS)
    checks.choice("correction", correction, rules.CORRECTIONS)
    data, width = examples.pool(losses, membership, valid, clip)
    bits, kept = np.asarray(data.masks[0]), np.asarray(data.valid[0])
    used = np.asarray(jnp.any(data.valid[0], 1))
    if used.sum() < 2:
        raise ValueError("valid leaves fewer than 2 models; give more")
    varies = bits[used].min(0) < bits[used].max(0)
    if not varies.any():
        raise ValueError(
            "membership never varies: every example is in all models or in none; give one row a "
            "model, 1 where it was trained on the example"
        )
    key = jax.random.key(0) if key is None else key
    loss = np.asarray(data.values[0, :, :, 0], float)
    trained, left_out = _means(loss, bits == 1), _means(loss, bits == 0)
    remarks = list(mistakes.backwards(trained[used], left_out[used], masks="membership"))
    if not varies.all():
        remarks.append(
            f"{(~varies).sum()} of {len(varies)} examples left out: in all models or in none"
        )
    pairs, form, reason = _pairs(bits[used], varies, form, key)
    remarks.append(reason)
    found: dict[str, BoundValue] = {}
    null: dict[str, Null] = {}
    pool = _chosen(data, np.flatnonzero(varies))
    deals = flips.strangers(key, data, draws)
    found["single_example"] = subset_bound(pool, width)
    null["single_example"] = subset_null(pool, deals, width)
    if form != "single":
        name = None if correction == "polynomial" and used.sum() >= _MANY else correction
        for bound in (cmi.single_loss, cmi.ld_cmi, cmi.e_cmi):
            values, masks, use = _paired(data, pairs)
            value, law = _pair_bound(bound, values, masks, use, name, width, deals, data, pairs)
            found[value.name], null[value.name] = value, law
    left = _left_out_one(bits, kept, loss)
    if left is not None:
        found["leave_one_out"] = leave_one_out(left[None])
        remarks.append("every model leaves out one example: leave-one-out form")
    train, test, gap = (
        _over_models(width * x, used) for x in (trained, left_out, left_out - trained)
    )
    return FromMembership(train, test, gap, found, null, form, tuple(remarks))


def _pairs(bits, varies, form: str, key: Key) -> tuple[np.ndarray, str, str]:
    """Pairs of examples (n, 2), the form that they allow, and what it assumes."""
    if form in ("auto", "complementary"):
        matched = _complements(bits, varies)
        if len(matched) and 2 * len(matched) == varies.sum():
            return matched, "complementary", "every model was trained on one example of each pair"
        if form == "complementary":
            raise ValueError(
                "form='complementary' needs examples in pairs of which every model was trained on "
                "one; use 'split' or 'single'"
            )
    nothing = np.zeros((0, 2), int)
    single = (
        "every example is judged alone: it was put into each training set by chance, by a rule "
        "that does not look at it"
    )
    order = np.asarray(jax.random.permutation(key, np.flatnonzero(varies)))
    pairs = order[: 2 * (len(order) // 2)].reshape(-1, 2)
    apart = (bits[:, pairs[:, 0]] != bits[:, pairs[:, 1]]).sum(0)
    enough = len(pairs) and apart.mean() >= _FEW
    if form == "split" and not enough:
        mean = apart.mean() if len(pairs) else 0
        raise ValueError(
            f"form='split' finds {mean:.1f} models a pair that tell its members apart, and needs "
            f"{_FEW}; use 'single'"
        )
    if form == "single" or not enough:
        return nothing, "single", single
    return (
        pairs,
        "split",
        "examples are paired at random; each pair is judged by the models trained on exactly one "
        "of its members, which assumes that every example was put in by the same rule",
    )


def _complements(bits: np.ndarray, varies: np.ndarray) -> np.ndarray:
    waiting: dict[bytes, list[int]] = {}
    pairs = []
    for j in np.flatnonzero(varies):
        column = bits[:, j].astype(np.uint8)
        partners = waiting.get((1 - column).tobytes())
        if partners:
            pairs.append((partners.pop(0), j))
        else:
            waiting.setdefault(column.tobytes(), []).append(int(j))
    return np.array(pairs, int).reshape(-1, 2)


def _chosen(data: replica_tables.Data, columns: np.ndarray) -> replica_tables.Data:
    values, masks, valid = _columns((data.values, data.masks, data.valid), columns)
    return data._replace(values=values, masks=masks, valid=valid)


@jax.jit
def _columns(arrays: tuple[JaxArray, ...], columns: Any) -> tuple[JaxArray, ...]:
    return tuple(a[:, :, columns] for a in arrays)


def _paired(data: replica_tables.Data, pairs: np.ndarray):
    """Losses (1, models, n, 2), the column trained on, and where that is one of both."""
    return _pairs_of(data.values, data.masks, data.valid, pairs)


@jax.jit
def _pairs_of(values: JaxArray, masks: JaxArray, valid: JaxArray, pairs: Any):
    return values[..., 0][:, :, pairs], *_split(masks, valid, pairs)


def _split(masks: JaxArray, valid: JaxArray, pairs: Any):
    first, second = masks[..., pairs[:, 0]], masks[..., pairs[:, 1]]
    return second, (first != second) & valid[..., pairs[:, 0]]


def _pair_bound(bound, values, masks, use, correction, width, deals, data, pairs):
    plan = nulls.PLANS[bound](values, masks, valid=use, correction=correction)
    rule, prepared, _ = plan
    value = table_bounds.evaluate(rule, prepared, width)
    given = data.valid, jnp.asarray(pairs)
    found = table_bounds.shuffled((rule,), (prepared,), deals, data.masks, _split, given)
    ((values, informed),) = found
    return value, nulls.summary(width * values, informed)


def _left_out_one(bits: np.ndarray, kept: np.ndarray, loss: np.ndarray) -> np.ndarray | None:
    """Losses with the model that left out u in row u, where each left out one and 0-1 losses."""
    square = bits.shape[0] == bits.shape[1] and kept.all()
    if not square or (bits.sum(0) != len(bits) - 1).any() or (bits.sum(1) != len(bits) - 1).any():
        return None
    return loss[np.argmin(bits, 0)].astype(int) if np.isin(loss, (0, 1)).all() else None


def _means(loss: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Mean loss of each model on one side, NaN where it has none."""
    count = side.sum(1)
    return (loss * side).sum(1) / np.where(count > 0, count, np.nan)


def _over_models(each: np.ndarray, used: np.ndarray) -> Estimate:
    return over_units(jnp.asarray(each[used & np.isfinite(each)]), "mean_over_models")
