"""What a bound is made of, and which setting would move it most: arithmetic on evidence."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax.bounds.accounting import account
from ibjax.bounds.accounting.information import shifts
from ibjax.bounds.evidence import rows
from ibjax.bounds.evidence.evaluation import evaluate
from ibjax.bounds.evidence.moment import at, in_float64
from ibjax.bounds.evidence.registry import registry
from ibjax.bounds.evidence.tabulated import Tabulated
from ibjax.bounds.layers.coefficients import joint, product
from ibjax.bounds.subjects import COUNTED
from ibjax.interface import BoundValue, Evidence, Moment
from ibjax.signatures import enforced
from ibjax.typing import JaxArray


class Parts(NamedTuple):
    """One bound taken apart. NaN for what the bound does not have.

    Attributes:
        bound: the bound itself.
        information: nats about one example: ``I / n`` where the bound is about the sample.
        steps: updates along which it was collected.
        per_step: ``information / steps``.
        rule: ``sum_t (eta_t C/s_t)^2 / (2 n^2)``, which is ``T eta beta C^2 / (4 n^2)`` for a
            constant schedule: what hidden membership leaves under this clip at best.
        root: ``sqrt(2 sigma^2 information)``, with sigma that of the loss or of a difference.
        inversion: what another function than the root adds or saves; in bounds from tables of
            replicas also the largest bias, which is added.
        layers: what contraction in the layers saves, not above 0.
        label: ``(1 - eta) D``, what passes the layers by; `layers` keep the rest.
        contracted: ``sqrt(eta J - eta (1 - eta) D^2)``; `label` and `contracted` add up to the
            depth bound where that is below the bound without layers.
        eta: product of the layers' coefficients.
    """

    bound: BoundValue
    information: JaxArray
    steps: JaxArray
    per_step: JaxArray
    rule: JaxArray
    root: JaxArray
    inversion: JaxArray
    layers: JaxArray
    label: JaxArray
    contracted: JaxArray
    eta: JaxArray


@enforced
@in_float64
def dissect(
    evidence: Evidence, checkpoint: int = -1, names: Sequence[str] | None = None
) -> dict[str, Parts]:
    """Registered bounds at one checkpoint, each taken apart into what it pays for.

    ``information = steps * per_step`` and ``bound = root + inversion + layers``

    Args:
        evidence: of a whole run, or of one checkpoint, see `at`.
        checkpoint: which checkpoint of a run; the last by default.
        names: which bounds; all by default.

    Returns:
        One `Parts` a bound, in the order of the registry; all NaN where a bound does not hold.

    Raises:
        ValueError: for a name that is not registered, or a checkpoint that does not exist.

    Reference:
        New here.
    """
    now = at(evidence, checkpoint)
    known = registry()
    return {
        name: _parts(known[name].measure, bound, now)
        for name, bound in evaluate(now, -1, names).items()
    }


def _parts(measure: Any, bound: BoundValue, moment: Moment) -> Parts:
    nan = jnp.asarray(jnp.nan)
    n = moment.mask.shape[-1]
    value = jnp.where(bound.holds, bound.value, nan)
    information = jnp.where(bound.holds, jnp.asarray(bound.information), nan)
    information = information / (n if bound.about == "sample" else 1)
    # Mask bits bound the difference of two losses, which spans twice the range of one.
    sigma = 2 * rows.SIGMA if bound.about in COUNTED else rows.SIGMA
    root = jnp.sqrt(2 * sigma**2 * jnp.maximum(information, 0.0))
    # No step of training enters what tables of replicas say.
    along = not isinstance(measure, Tabulated) and bool(np.size(moment.step_sizes))
    steps = jnp.sum(jnp.asarray(moment.step_sizes) > 0) if along else nan
    made: dict[str, Any] = dict.fromkeys(("layers", "label", "contracted", "eta"), nan)
    without = value
    if measure in (rows.certified_depth, rows.published_depth):
        eta = product(rows.coefficients(moment), certified=False)
        without = root if measure is rows.published_depth else rows.examples(moment).value
        without = jnp.where(bound.holds, without, nan)
        made |= {"eta": jnp.where(bound.holds, eta, nan), "layers": value - without}
    if measure is rows.certified_depth:
        made |= _depth_terms(moment, root, eta, n)
    return Parts(
        bound=bound,
        information=information,
        steps=jnp.asarray(steps, float),
        per_step=information / steps,
        rule=_rule(moment, n) if along else nan,
        root=root,
        inversion=without - root,
        **made,
    )


def _depth_terms(moment: Moment, root: JaxArray, eta: JaxArray, n: int) -> dict[str, JaxArray]:
    """The two terms of the joint form; where the label term alone exceeds the root, all of it."""
    away = jnp.sqrt((jnp.asarray(moment.num_classes) - 1) / n) / 2
    value, size, flat = joint(root**2, away, eta)
    label = jnp.where(flat, value, (1 - eta) * away)
    return {"label": label, "contracted": jnp.where(jnp.isnan(value), jnp.nan, size)}


def _rule(moment: Moment, n: int) -> JaxArray:
    steps = jnp.asarray(moment.step_sizes)
    noise = jnp.where(steps > 0, jnp.asarray(moment.noise_stds), 1.0)
    if not bool(jnp.isfinite(noise).all() & jnp.isfinite(steps).all()):
        return jnp.asarray(jnp.nan)
    return jnp.sum(shifts(steps, noise, moment.clip) ** 2) / (2 * n**2)


@enforced
@in_float64
def one_change(evidence: Evidence, checkpoint: int = -1) -> dict[str, BoundValue]:
    """The certificate `individual` after one change of a setting by a factor of two.

    ``"now"`` is the bound as it stands; ``"train_size"`` and ``"batch_size"`` are doubled,
    ``"clip"``, ``"inverse_temperature"`` (noise of twice the variance), ``"learning_rate"`` (with
    its noise) and ``"steps"`` are halved. Each value is computed by `account`, not scaled.

    Args:
        evidence: of a whole run, or of one checkpoint, see `at`.
        checkpoint: which checkpoint of a run; the last by default.

    Returns:
        The bound a change, the most helpful one first after ``"now"``; empty where training is
        not known or has no noise. What a change does to the training error is not known from the
        settings.

    Raises:
        ValueError: for a checkpoint that does not exist.

    Reference:
        New here.
    """
    now = at(evidence, checkpoint)
    used = np.asarray(now.step_sizes) > 0
    steps, noise = np.asarray(now.step_sizes)[used], np.asarray(now.noise_stds)[used]
    known = (*(float(v) for v in (now.clip, now.batch_size, now.dim)), *steps, *noise)
    if not steps.size or not all(map(math.isfinite, known)) or not np.all(noise > 0):
        return {}
    n, batch = now.mask.shape[-1], int(now.batch_size)
    base = {"steps": steps, "noise": noise, "clip": float(now.clip), "n": n, "batch": batch}
    base["smallest"] = now.smallest_batch
    half = math.ceil(steps.size / 2)
    full = batch == n
    changes = {
        "train_size": {"n": 2 * n, **({"batch": 2 * n, "smallest": None} if full else {})},
        "clip": {"clip": base["clip"] / 2},
        "inverse_temperature": {"noise": noise * math.sqrt(2)},
        "learning_rate": {"steps": steps / 2, "noise": noise / math.sqrt(2)},
        "steps": {"steps": steps[:half], "noise": noise[:half]},
        "batch_size": {"batch": min(2 * batch, n), "smallest": None},
    }
    if full:
        del changes["batch_size"]
    if steps.size < 2:
        del changes["steps"]
    found = {name: _gap(now, base | change) for name, change in changes.items()}
    ordered = sorted(found, key=lambda name: float(found[name].value))
    return {"now": _gap(now, base), **{name: found[name] for name in ordered}}


def _gap(now: Moment, setting: dict[str, Any]) -> BoundValue:
    return account(
        setting["steps"],
        setting["noise"],
        clip=setting["clip"],
        batching=float(now.batching),
        batch_size=setting["batch"],
        n=setting["n"],
        dim=int(now.dim),
        shared_batches=bool(now.shared_batches != 0),
        smallest_batch=setting["smallest"],
        radius=now.radius,
    ).gap
