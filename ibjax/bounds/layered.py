"""The depth bound: as published, and repaired for noisy networks."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.interface import BoundValue, Contraction, Estimate
from ibjax.typing import Array, Float, JaxArray, Scalar

_PUBLISHED = (
    "no certificate: labels bypass the layers, hidden weights depend on the sample, and the "
    "coefficient of n joint uses exceeds that of one; deterministic layers do not contract"
)


def depth(
    information: Float[Array, "*batch"] | float | Estimate,
    etas: Contraction | Sequence[Contraction] | Float[Array, "*batch layers"] | Sequence[float],
    n: int,
    sigma: Scalar,
    *,
    variant: str = "certified",
    label_information: Float[Array, "*batch"] | float | None = None,
    num_classes: Any = None,
    loss_range: Scalar | None = None,
    label_deviation: Scalar | None = None,
) -> BoundValue:
    r"""Bound the expected gap of a network whose layers contract information.

    With eta the product of the layers' coefficients:

    - ``variant="published"``: ``eta^{1/2} sqrt(2 sigma^2 I(S; W) / n)``, which is
      ``exp(-(L/2) log(1/eta_0)) sqrt(2 sigma^2 I / n)`` for L equal coefficients eta_0. It is
      wrong in general, even for noisy layers: labels reach the loss without passing a layer,
      hidden weights depend on the sample, and n joint uses of a channel contract less than one.
    - ``variant="certified"`` with `label_information`:
      ``sqrt((2 sigma^2 / n) (I(Y^n; W) + eta I(S; W)))``.
    - ``variant="certified"`` with `num_classes` K:
      ``sqrt(2 sigma^2 eta I(S; W) / n) + (range / 2) sqrt((K - 1) / n)``; with
      `label_deviation` in its place the last term is range times that.
    - with several, the smallest.

    Proof of the certified forms: fix W = w and compare example by example the law of
    (T_L,i, Y_i) with that of a fresh (T_L, Y). The chain rule splits the labels off; the rest
    contracts by the product of the coefficients, since w only selects the channels. The last
    form bounds the label part by the mean total variation of the empirical label law.
    The sum over i of I(Z_i; W) may stand in for I(S; W): the proof gives
    (1/n) sum_i sqrt(2 sigma^2 eta I(Z_i; W)), and by concavity of the root (Jensen over i)
    this is at most sqrt(2 sigma^2 eta sum_i I(Z_i; W) / n).

    Args:
        information: I(S; W), or sum_i I(Z_i; W) for the certified variant, or an upper bound,
            in nats.
        etas: coefficients of the layers: a `Contraction` (its last axis, if any, runs over the
            layers), a list of them, or numbers with the layers on the last axis. Numbers are
            the caller's claim to be coefficients that hold for all inputs and weights.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss; 1/2 for a loss in [0, 1].
        variant: "certified" or "published".
        label_information: I(Y^n; W) or sum_i I(Y_i; W) or an upper bound, in nats.
        num_classes: number K of classes.
        loss_range: largest minus smallest loss; 2 sigma by default.
        label_deviation: expected total variation between the empirical and the true label law,
            see `bounds.label_deviation`; 0 where the label counts are fixed in proportion.

    Returns:
        The bound in loss units; certificate for the certified variant, diagnostic for the
        published one; vacuous from the range of the loss on.

    Assumes:
        Independent examples; both errors are those of the network with fresh layer noise;
        a loss within `loss_range`, or sigma-sub-Gaussian where `num_classes` is not used.

    Raises:
        ValueError: for an unknown variant; a certified bound without a label term, or with
            coefficients that are estimates, lower bounds or hold for one input law; numbers
            out of range.

    Reference:
        Zhang, Liu, Tao 2018, "An information-theoretic view for deep learning" (published
        form); the certified forms are corrections derived here.
    """
    checks.choice("variant", variant, ("certified", "published"))
    info, error, kind = checks.information(information)
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    limit = 2 * sigma
    if loss_range is not None:
        limit = checks.real("loss_range", loss_range, 0.0, open_low=True)
    eta = product(etas, certified=variant == "certified")
    contracted = _times(eta, info)
    root = _root(2 * contracted / n) * sigma
    slope = checks.error_of_root(root, info, error)
    if variant == "published":
        return checks.result(
            root,
            name="depth_published",
            kind="diagnostic",
            limit=limit,
            assumptions=("iid", "sub_gaussian", "fresh_layer_noise", "labels_contract"),
            information=info,
            std_error=slope,
            note=_PUBLISHED,
        )
    if label_information is None and num_classes is None and label_deviation is None:
        raise ValueError(
            "label_information=None: labels bypass the layers; give I(Y^n; W), or num_classes "
            'for a label term without it, or variant="published" for the diagnostic'
        )
    values, errors = [], []
    if label_information is not None:
        labels = checks.real("label_information", label_information, 0.0)
        value = _root(2 * (labels + contracted) / n) * sigma
        values.append(value)
        safe = jnp.where(value > 0, value, 1.0)
        errors.append(jnp.where(error == 0, 0.0, eta * error * sigma**2 / (n * safe)))
    if num_classes is not None:
        classes = checks.whole("num_classes", num_classes)
        values.append(root + limit / 2 * jnp.sqrt(jnp.asarray(classes - 1) / n))
        errors.append(slope)
    if label_deviation is not None:
        values.append(root + limit * checks.real("label_deviation", label_deviation, 0.0, 1.0))
        errors.append(slope)
    value, spread = values[0], errors[0]
    for other, its in zip(values[1:], errors[1:]):
        value, spread = jnp.minimum(value, other), jnp.where(value <= other, spread, its)
    return checks.result(
        value,
        name="depth",
        kind=kind,
        limit=limit,
        assumptions=("iid", "sub_gaussian", "fresh_layer_noise", "channel_contraction"),
        information=info,
        std_error=spread,
        note="holds for the network evaluated with fresh layer noise",
    )


def sample_complexity(
    gap: Scalar,
    information: Float[Array, "*batch"] | float,
    etas: Contraction | Sequence[Contraction] | Float[Array, "*batch layers"] | Sequence[float],
    sigma: Scalar,
    *,
    variant: str = "certified",
    label_information: Float[Array, "*batch"] | float | None = None,
) -> JaxArray:
    """Compute how many examples bring the depth bound down to `gap`.

    ``n = 2 sigma^2 (I(Y^n; W) + eta I(S; W)) / gap^2``; without the label term as published

    Args:
        gap: the largest expected gap allowed.
        information: I(S; W) in nats; deeper networks usually have more of it.
        etas: as in `depth`.
        sigma: sub-Gaussian parameter of the loss.
        variant: "certified" or "published".
        label_information: I(Y^n; W) in nats, needed by the certified variant.

    Returns:
        The number of examples, not rounded.

    Raises:
        ValueError: as `depth` does, or for gap <= 0.
    """
    checks.choice("variant", variant, ("certified", "published"))
    eps = checks.real("gap", gap, 0.0, open_low=True)
    info = checks.real("information", information, 0.0)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    total = _times(product(etas, certified=variant == "certified"), info)
    if variant == "certified":
        if label_information is None:
            raise ValueError(
                "label_information=None: labels bypass the layers; give I(Y^n; W), 0 where "
                'symmetry makes it so, or variant="published" for the diagnostic'
            )
        total = total + checks.real("label_information", label_information, 0.0)
    return 2 * sigma**2 * total / eps**2


def product(etas: Any, *, certified: bool) -> JaxArray:
    """Product of the layers' coefficients, summed as logarithms.

    Raises:
        ValueError: if a certificate is asked for and a coefficient does not support one.
    """
    if isinstance(etas, Estimate):
        if certified:
            raise ValueError(
                f"etas is an Estimate ({etas.name}): a diagnostic lies below the coefficient a "
                'certificate needs; use that of the channel, or variant="published"'
            )
        etas = checks.real("etas", etas.value)
    if isinstance(etas, Contraction):
        value = _checked(etas, certified)
        return _multiply(value) if value.ndim else value
    if isinstance(etas, (list, tuple)):
        if any(isinstance(c, Estimate) for c in etas):
            if not all(isinstance(c, Estimate) for c in etas):
                raise ValueError("etas mixes Estimate and others; give one or the other")
            values = jnp.broadcast_arrays(*[product(c, certified=certified) for c in etas])
            return _multiply(jnp.stack(values, axis=-1))
        some = [isinstance(c, Contraction) for c in etas]
        if any(some) and not all(some):
            raise ValueError("etas mixes Contraction and numbers; give one or the other")
        if etas and all(some):
            layers = [_checked(c, certified) for c in etas]
            return _multiply(jnp.stack(jnp.broadcast_arrays(*layers), axis=-1))
        if not etas:
            return jnp.ones(())
        if any(jnp.ndim(c) for c in etas):
            raise ValueError("etas is a nested list; give an array with layers on the last axis")
        etas = jnp.stack([jnp.asarray(c) for c in etas])
    value = checks.real("etas", etas, 0.0, 1.0)
    return _multiply(value) if value.ndim else value


def _checked(c: Contraction, certified: bool) -> JaxArray:
    if certified and c.kind not in ("exact", "upper"):
        raise ValueError(
            f"etas holds a coefficient of kind {c.kind!r} ({c.reason}); a certificate needs "
            'exact or upper ones: use the coefficient of the channel, or variant="published"'
        )
    if certified and c.scope != "channel":
        raise ValueError(
            f"etas holds a coefficient of scope {c.scope!r} ({c.reason}); a certificate needs "
            'one that holds for all inputs, scope "channel", or use variant="published"'
        )
    return checks.real("etas", c.value, 0.0, 1.0)


def _multiply(value: JaxArray) -> JaxArray:
    positive = value > 0
    total = jnp.sum(jnp.log(jnp.where(positive, value, 1.0)), axis=-1)
    zero = jnp.any(value == 0, axis=-1)
    lost = jnp.any(jnp.isnan(value), axis=-1)
    return jnp.where(lost, jnp.nan, jnp.where(zero, 0.0, jnp.exp(total)))


def _times(eta: JaxArray, info: JaxArray) -> JaxArray:
    """Product eta I, 0 where eta is 0 even if I is infinite: nothing passes such a layer."""
    return eta * jnp.where((eta == 0) & jnp.isinf(info), 0.0, info)


def _root(x: JaxArray) -> JaxArray:
    """Square root with gradient 0, not infinite, at 0."""
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0 * x)
