"""Everything that can be said of a noisy-SGD run before it is trained, in one call."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax import contraction
from ibjax.bounds import checks, invert, outcome
from ibjax.bounds.accounting import privacy
from ibjax.bounds.accounting.contracted import default_label_deviation, joint_depth
from ibjax.bounds.accounting.deviation import likely_gap
from ibjax.bounds.accounting.information import (
    name_of,
    per_example_information,
    sample_information_total,
    shifts,
)
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.accounting.rules import whole_sizes
from ibjax.bounds.layers.depth import product
from ibjax.interface import BoundValue, Contraction, Estimate, LayerFacts, Network
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar

_RUN = ("iid", "bounded_loss", "data_independent_batches", "clipped", "weight_noise")


class Account(NamedTuple):
    """What `account` returns; certificates unless an estimated error went in.

    Attributes:
        per_example: bound on I(Z_i; W | Z_j, j != i), mean over examples, in nats.
        per_sample: bound on I(S; W) in nats.
        shift: largest r_t = eta_t C/(b s_t), of the smallest batch where that is known; above 1 the
            batch is too small for the temperature.
        gap: bound on the expected gap, by the tight form of Pinsker's inequality.
        absolute_gap: bound on the expected absolute gap.
        likely_gap: the gap that is not exceeded with the probability in `confidence`.
        test_error: bound on the expected test error given the training error, or None.
        gap_at_error: bound on the expected gap at a training error no larger, or None.
        depth: bound on the expected gap with contraction in the layers, or None.
        rule_of_thumb: ``sum_t (eta_t C/s_t)^2/(2 n^2)``, what hidden membership leaves at best.
        eps: eps(delta) of the run, or None.
    """

    per_example: Estimate
    per_sample: Estimate
    shift: JaxArray
    gap: BoundValue
    absolute_gap: BoundValue
    likely_gap: BoundValue
    test_error: BoundValue | None
    gap_at_error: BoundValue | None
    depth: BoundValue | None
    rule_of_thumb: JaxArray
    eps: float | None


@enforced
def account(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    *,
    clip: Scalar,
    batching: str | Scalar,
    batch_size: int,
    n: int,
    dim: int | None,
    train_error: Scalar | Estimate | None = None,
    delta: float | None = None,
    layers: Network | Sequence[LayerFacts] | Sequence[Contraction] | None = None,
    num_classes: int | None = None,
    loss_range: Scalar = 1.0,
    shared_batches: bool | Scalar = False,
    level: Scalar = 0.05,
    smallest_batch: int | Scalar | None = None,
    radius: Scalar | None = None,
) -> Account:
    """Bound information, gap and test error of a noisy-SGD run from its settings alone.

    gap:          ``V(I)``, see `invert.envelope`, with I of `per_example_information`
    absolute_gap: ``sqrt((I(S; W) + log 2)/(2n))``
    likely_gap:   `likely_gap` at `level`
    test_error:   ``kl^-1(train_error, I)``, as ``kl(E L_S || E L) <= I``
    gap_at_error: `invert.kl_gap`
    depth:        `joint_depth` of the layers' coefficients, or the gap where that is smaller

    All times the range of the loss. Expectations are over samples, training and fresh layer noise.

    Args:
        step_sizes: eta_t of the plain updates, (T,).
        noise_stds: standard deviation s_t of the noise added to the weights, (T,). Steps without
            noise, and optimizers whose noise has another form (momentum, Adam: give 0), make every
            bound vacuous.
        clip: bound C on the norm of every example's gradient, enforced before the sum.
        batching: how batches are drawn, see `per_example_information`.
        batch_size: b, the constant that the sum over the batch is divided by.
        n: number of training examples.
        dim: number of trained parameters d; None for the linear forms.
        train_error: expected training loss in [0, loss_range] or an upper limit on it; an
            `Estimate` passes on its confidence, and its kind where it is not exact.
        delta: ask for eps(delta) as well: full and Poisson batches, needs the extra `dp`.
        layers: a network, facts of its hidden layers, or KL coefficients of channel scope; for
            losses of the network with fresh layer noise.
        num_classes: number of classes, for the label term of the depth bound. Nothing else tells
            how many there are: where it is not given, layers count for nothing.
        loss_range: largest loss, the smallest being 0.
        shared_batches: whether the replicas over which the gap is averaged saw the same batches.
        level: probability with which `likely_gap` may fail.
        smallest_batch: fewest examples that a step was averaged over, where not b.
        radius: of the ball that the weights are projected to before each step: everything but
            `eps` is then about the last weights, not the path; see `per_example_information`.

    Raises:
        ValueError: an unknown batching, a training error that is no rate or only a lower bound,
            coefficients that support no certificate, numbers out of range.
        ImportError: with `delta` and without dp-accounting.

    Reference:
        New here; see the parts.
    """
    name = name_of(batching)
    if delta is not None:
        given = "batching (for eps(delta), with delta given)"
        checks.choice(given, name or "", ("full", "poisson"))
        if smallest_batch is not None and smallest_batch < batch_size:
            # Then adding an example changes the weights of all the others.
            raise ValueError(
                f"smallest_batch={smallest_batch} below batch_size={batch_size}: eps(delta) is for "
                "sums divided by a constant; leave delta out"
            )
    run = (step_sizes, noise_stds, clip, batching, batch_size, n, dim)
    options = {
        "smallest_batch": smallest_batch, "shared_batches": shared_batches, "radius": radius,
    }  # fmt: skip
    each = per_example_information(*run, **options)
    total = sample_information_total(*run, **options)
    n = checks.whole("n", n)
    classes = None if num_classes is None else checks.whole("num_classes", num_classes, 2)
    shared = not checks.concrete(shared_batches) or bool(shared_batches)
    scale = checks.scalar("loss_range", loss_range, 0.0, open_low=True)
    alone = shifts(step_sizes, noise_stds, clip)
    fewest = jnp.asarray(checks.whole("batch_size", batch_size), alone.dtype)
    if name == "whole_epochs":
        fewest = whole_sizes(alone.shape[0], fewest, n)
    if smallest_batch is not None:
        fewest = jnp.where(smallest_batch < fewest, smallest_batch, fewest)
    shift = alone / fewest
    info, sample = each.value, total.value
    gap = invert.envelope(info)
    notes = ["given the batches that all replicas share"] if shared else []
    if radius is not None and not (checks.concrete(radius) and not np.isfinite(radius)):
        notes.append("of the last weights, projected to a ball before each step")
    note = "; ".join(notes)

    def bound(value, what, source=each, premises=_RUN, limit=scale, remark=note):
        return outcome.result(
            scale * value,
            name=f"account_{what}",
            kind="certificate",
            limit=limit,
            assumptions=premises,
            information=source.value,
            about=source.about,
            note=remark,
        )

    likely = bound(likely_gap(sample, n, level), "likely_gap", total)
    return Account(
        per_example=each,
        per_sample=total,
        shift=jnp.max(shift),
        gap=bound(gap, "gap"),
        absolute_gap=bound(jnp.sqrt((sample + math.log(2)) / (2 * n)), "absolute_gap", total),
        likely_gap=replace(likely, confidence=jnp.asarray(1 - level)),
        **_with_error(train_error, info, scale, bound),
        depth=None if layers is None else _depth(layers, info, gap, classes, n, bound),
        rule_of_thumb=jnp.sum(alone**2) / (2 * n**2),
        eps=None if delta is None else privacy.epsilon(shift, float(batch_size / n), delta),
    )


def _with_error(train_error, info, scale, bound) -> dict[str, Any]:
    """The two bounds that use the training error; its kind and confidence pass on."""
    if train_error is None:
        return {"test_error": None, "gap_at_error": None}
    kind, confidence = "certificate", jnp.asarray(1.0)
    value, remark = train_error, "given the expected training error"
    if isinstance(train_error, Estimate):
        if train_error.bias not in ("none", "up"):
            raise ValueError(
                f"train_error is an Estimate ({train_error.name}) with bias {train_error.bias!r}; "
                "give an unbiased mean or an upper confidence limit"
            )
        kind = "certificate" if train_error.exact else "estimate"
        confidence = train_error.confidence
        value = jnp.where(train_error.ok, train_error.value, jnp.nan)
        remark = "training error: " + (train_error.name or "estimated")
    error = checks.real("train_error", value, 0.0)
    above = jnp.any(error > scale)
    if checks.concrete(above) and bool(above):
        raise ValueError(
            f"train_error={float(jnp.max(error)):g} exceeds loss_range={float(scale):g}"
        )
    rate = (error / scale).astype(info.dtype)
    found = {
        "test_error": bound(invert.kl(rate, info), "test_error", remark=remark),
        "gap_at_error": bound(invert.kl_gap(rate, info), "gap_at_error", remark=remark),
    }
    return {k: replace(v, kind=kind, confidence=confidence) for k, v in found.items()}


def _depth(layers, info, gap, classes, n, bound) -> BoundValue:
    if isinstance(layers, Network) or (layers and isinstance(layers[0], LayerFacts)):
        layers = contraction.network(layers)
    if not all(isinstance(c, Contraction) and c.divergence in ("kl", "tv") for c in layers):
        raise ValueError(
            "layers must be a Network, LayerFacts or Contraction coefficients of divergence kl (or "
            "tv, which is larger)"
        )
    eta = jnp.minimum(up(product(list(layers), certified=True), 16), 1.0)
    premises = (*_RUN, "fresh_layer_noise", "channel_contraction")
    if classes is None:
        # Labels pass by the layers, at a price that grows with their number without end.
        remark = "num_classes was not given: without a label term layers count for nothing"
        return bound(gap, "depth", premises=premises, remark=remark)
    joint = joint_depth(info, eta, default_label_deviation(classes, n))
    return bound(
        jnp.minimum(joint, gap),
        "depth",
        premises=(*premises, "class_number"),
        remark=f"holds for the network evaluated with fresh layer noise and labels of {classes} "
        "classes",
    )
