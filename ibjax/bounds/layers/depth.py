"""The depth bound: as published, and repaired for noisy networks."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ibjax.bounds import checks, outcome, root
from ibjax.bounds.kinds import Given, bare_or_estimate, is_bare
from ibjax.bounds.layers.coefficients import Etas, joint, product, times
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Numbers, Scalar

_PUBLISHED = (
    "no certificate: labels bypass the layers, hidden weights depend on the sample, and the "
    "coefficient of n joint uses exceeds that of one; deterministic layers do not contract"
)


@enforced
def depth(
    information: Float[Array, "*batch"] | float | Estimate | BoundValue,
    etas: Etas,
    n: int,
    sigma: Scalar,
    *,
    variant: str = "certified",
    label_information: Float[Array, "*batch"] | float | Estimate | BoundValue | None = None,
    num_classes: Numbers | None = None,
    loss_range: Scalar | None = None,
    label_deviation: Scalar | Estimate | None = None,
) -> BoundValue:
    r"""Bound the expected gap of a network whose layers contract information.

    With eta the product of the layers' coefficients and J = 2 sigma^2 I(S; W) / n:

    - ``variant="published"``: ``eta^{1/2} sqrt(J)``, which is
      ``exp(-(L/2) log(1/eta_0)) sqrt(2 sigma^2 I / n)`` for L equal coefficients eta_0. It is
      wrong in general, even for noisy layers: labels reach the loss without passing a layer,
      hidden weights depend on the sample, and n joint uses of a channel contract less than one.
    - ``variant="certified"`` with `label_information`, taken as x = min(I(Y^n; W), I(S; W)):
      ``sqrt((2 sigma^2 / n) (x + eta (I(S; W) - x)))``.
    - ``variant="certified"`` with `num_classes` K, where D = (range / 2) sqrt((K - 1) / n), or
      with `label_deviation`, where D is range times that: ``sqrt(J)`` if D >= sqrt(J), else
      ``(1 - eta) D + sqrt(eta J - eta (1 - eta) D^2)``.
    - with several, the smallest.

    None is above sqrt(J), the bound without layers.

    Proof of the certified forms: fix W = w and compare example by example the law of
    (T_L,i, Y_i) with that of a fresh (T_L, Y). The chain rule splits the labels off; the rest,
    I(Z_i; W) - x_i with x_i = I(Y_i; W), contracts by the product of the coefficients, since w
    only selects the channels: the gap is at most the mean of
    ``sqrt(2 sigma^2 (x_i + eta (I(Z_i; W) - x_i)))``. Or the label part is bounded by D, the
    range times the mean total variation of the empirical label law, and the gap by D plus the
    mean of ``sqrt(2 sigma^2 eta (I(Z_i; W) - x_i))``. Both are concave in the pair, so hold at
    the means; the first rises in x and the second falls, and whatever x is the smaller of the two
    is at most their common value, which is the last form. The sum over i of I(Z_i; W) may stand
    in for I(S; W), which is not below it.

    Contraction can remove only so much: see `depth_floor`.

    Args:
        information: I(S; W), or sum_i I(Z_i; W) for the certified variant, or an upper bound,
            in nats; a number, an array, an `Estimate` or a `BoundValue`, whose kind, error and
            confidence then carry over.
        etas: coefficients of the layers: a `Contraction` (its last axis, if any, runs over the
            layers), a list of them, or numbers with the layers on the last axis. Of KL, or of
            total variation, which are larger. Numbers are the caller's claim to be coefficients
            that hold for all inputs and weights.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss; 1/2 for a loss in [0, 1]. It is that of one draw
            of the layer noise: the mean over draws may have a smaller one, but does not contract.
        variant: "certified" or "published".
        label_information: I(Y^n; W) or sum_i I(Y_i; W) or an upper bound, in nats.
        num_classes: number K of classes.
        loss_range: largest minus smallest loss; 2 sigma by default.
        label_deviation: expected total variation between the empirical and the true label law,
            see `bounds.label_deviation`; 0 where the label counts are fixed in proportion.

    Returns:
        The bound in loss units; certificate for the certified variant of known inputs,
        diagnostic for the published one; vacuous from the range of the loss on.

    Assumes:
        Independent examples; both errors are those of the network with fresh layer noise;
        a loss that is sigma-sub-Gaussian, where `num_classes` or `label_deviation` is used also
        given each label, and then within `loss_range`: with a sigma below half of the range of the
        loss the default is too small.

    Raises:
        ValueError: for an unknown variant; a certified bound without a label term, or with
            coefficients that are estimates, lower bounds or hold for one input law; numbers
            out of range.

    Reference:
        Zhang, Liu, Tao 2018, "An information-theoretic view for deep learning" (published
        form); Zhang, Liu, Tao 2024, "Going deeper, generalizing better: an information-theoretic
        view for deep learning", its journal version; He, Goldfeld 2025, "Information-theoretic
        generalization bounds for deep neural networks", for coefficients of noisy layers. The
        certified forms are corrections derived here.
    """
    checks.choice("variant", variant, ("certified", "published"))
    info = checks.information(information, about=checks.subject_of(n))
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    limit = 2 * sigma
    if loss_range is not None:
        limit = checks.real("loss_range", loss_range, 0.0, open_low=True)
    eta = product(etas, certified=variant == "certified")
    if variant == "published":
        value = root.smooth(2 * times(eta, info.value) / n) * sigma
        return outcome.result(
            value,
            name="depth_published",
            kind="diagnostic",
            inputs=(info,),
            limit=limit,
            assumptions=("iid", "sub_gaussian", "fresh_layer_noise", "labels_contract"),
            information=info,
            std_error=root.error(value, info.value, info.error),
            note=_PUBLISHED,
        )
    if label_information is None and num_classes is None and label_deviation is None:
        raise ValueError(
            "label_information=None: labels bypass the layers; give I(Y^n; W), or num_classes "
            'for a label term without it, or variant="published" for the diagnostic'
        )
    inputs, forms, scale = [info], [], 2 * sigma**2 / n
    if label_information is not None:
        labels = checks.information(
            label_information, name="label_information", about=checks.subject_of(n)
        )
        inputs.append(labels)
        forms.append(_with_labels(info, labels, eta, scale))
    terms = []
    if num_classes is not None:
        classes = checks.whole("num_classes", num_classes)
        away = limit / 2 * jnp.sqrt(jnp.asarray(classes - 1) / n)
        terms.append((away, jnp.zeros_like(away)))
    if label_deviation is not None:
        measured = checks.quantity("label_deviation", label_deviation, 0.0, 1.0)
        inputs.append(measured)
        terms.append((limit * measured.value, limit * measured.error))
    if terms:
        forms.append(_joint(info, *_smallest(terms), eta, scale))
    value, spread = _smallest(forms)
    premises = ("iid", "sub_gaussian", "fresh_layer_noise", "channel_contraction")
    # A number may be the sum over the examples, less than what they tell together.
    sums = is_bare(information) and info.about == "sample"
    return outcome.result(
        value,
        name="depth",
        inputs=inputs,
        limit=limit,
        assumptions=(*premises, "label_range") if terms else premises,
        information=info,
        about="other" if sums else info.about,
        std_error=spread,
        note="holds for the network evaluated with fresh layer noise",
    )


@enforced
def sample_complexity(
    gap: Scalar,
    information: Float[Array, "*batch"] | float | Estimate | BoundValue,
    etas: Etas,
    sigma: Scalar,
    *,
    variant: str = "certified",
    label_information: Float[Array, "*batch"] | float | Estimate | BoundValue | None = None,
) -> JaxArray | Estimate:
    """Compute how many examples bring the depth bound down to `gap`.

    ``n = 2 sigma^2 (x + eta (I(S; W) - x)) / gap^2``, x = min(I(Y^n; W), I(S; W)); x = 0 as
    published

    Args:
        gap: the largest expected gap allowed.
        information: I(S; W) in nats; deeper networks usually have more of it.
        etas: coefficients of the layers: a `Contraction` (its last axis, if any, runs over the
            layers), a list of them, or numbers with the layers on the last axis. Of KL, or of total
            variation, which are larger. Numbers are the caller's claim to be coefficients that hold
            for all inputs and weights.
        sigma: sub-Gaussian parameter of the loss.
        variant: "certified" or "published".
        label_information: I(Y^n; W) in nats, needed by the certified variant.

    Returns:
        The number of examples, not rounded: an array if the informations are numbers, else an
        `Estimate` that keeps their error and is exact only if they are.

    Raises:
        ValueError: as `depth` does, or for gap <= 0.
    """
    checks.choice("variant", variant, ("certified", "published"))
    eps = checks.real("gap", gap, 0.0, open_low=True)
    info = checks.information(information, about="sample")
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    eta = product(etas, certified=variant == "certified")
    scale, inputs = 2 * sigma**2 / eps**2, [info]
    if variant == "published":
        inputs[0] = info._replace(kind=checks.weakest(info.kind, "diagnostic"))
        value, error = scale * times(eta, info.value), scale * times(eta, info.error)
    elif label_information is None:
        raise ValueError(
            "label_information=None: labels bypass the layers; give I(Y^n; W), 0 where "
            'symmetry makes it so, or variant="published" for the diagnostic'
        )
    else:
        labels = checks.information(label_information, name="label_information", about="sample")
        inputs.append(labels)
        kept, error = _kept(info, inputs[1], eta)
        value, error = scale * kept, scale * error
    bare = is_bare(information, label_information)
    return bare_or_estimate(value, error, "sample_complexity", bare, inputs)


def _kept(info: Given, labels: Given, eta: JaxArray) -> tuple[JaxArray, JaxArray]:
    """What is left of the information, x + eta (I - x) with x = min(labels, I), and its error."""
    all_labels = labels.value >= info.value
    x = jnp.where(all_labels, info.value, labels.value)
    kept = times(1 - eta, x) + times(eta, info.value)
    kept = jnp.where(all_labels, info.value, kept)
    error = outcome.scaled_error(jnp.where(all_labels, 1.0, eta), info.error)
    of_labels = outcome.scaled_error(jnp.where(all_labels, 0.0, 1 - eta), labels.error)
    lost = jnp.isnan(labels.value) | jnp.isnan(info.value)
    return jnp.where(lost, jnp.nan, kept), error + of_labels


def _with_labels(info: Given, labels: Given, eta: JaxArray, scale: Any):
    kept, error = _kept(info, labels, eta)
    value = root.smooth(scale * kept)
    return value, root.error(value, kept, error)


def _joint(info: Given, away: JaxArray, error: JaxArray, eta: JaxArray, scale: Any):
    """The closed form `joint`, label term D = away; and its error."""
    squared = scale * info.value
    value, size, flat = joint(squared, away, eta)
    alone = root.smooth(squared)
    safe = jnp.where(size > 0, size, 1.0)
    steep = jnp.where(size > 0, eta / (2 * safe), jnp.where(eta > 0, jnp.inf, 0.0))
    below = jnp.where(alone > 0, 1 / (2 * jnp.where(alone > 0, alone, 1.0)), jnp.inf)
    spread = outcome.scaled_error(scale * jnp.where(flat, below, steep), info.error)
    of_labels = jnp.where(flat, 0.0, (1 - eta) * (1 - eta * away / safe))
    spread = spread + outcome.scaled_error(of_labels, error)
    return value, spread


def _smallest(forms: Sequence[tuple[JaxArray, JaxArray]]) -> tuple[JaxArray, JaxArray]:
    """The smallest value, NaN if one is missing, with its own error."""
    value, spread = forms[0]
    for other, its in forms[1:]:
        spread = jnp.where(value <= other, spread, its)
        value = jnp.minimum(value, other)
    return value, spread
