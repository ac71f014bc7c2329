"""The bound from what the head knows of the last hidden layer's features."""

import jax.numpy as jnp

from ibjax.bounds import checks, outcome, root
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Scalar


@enforced
def last_layer(
    head_information: Float[Array, "*batch"] | float | Estimate | BoundValue,
    n: int,
    sigma: Scalar,
    *,
    hidden_information: Float[Array, "*batch"] | float | Estimate | BoundValue | None = None,
    frozen: bool = False,
) -> BoundValue:
    """Bound the expected gap by the head's information about the features.

    ``|gap| <= sqrt((2 sigma^2 / n) (I(S; U) + I(T_L^n; h | U)))``

    U are the hidden weights, h the head, T_L^n the features of the training points with their
    labels. The published form lacks I(S; U) and is violated by a network with a constant head
    and trained hidden weights; it holds if U does not depend on the sample (`frozen`).

    Args:
        head_information: I(T_L^n; h | U) or an upper bound, in nats; a number or array is the
            caller's claim, an `Estimate` or `BoundValue` passes on kind, error and confidence.
        n: number of training examples.
        sigma: sub-Gaussian parameter of the loss.
        hidden_information: I(S; U) or an upper bound, in nats, likewise.
        frozen: the hidden weights are random, fixed or trained on other data: I(S; U) = 0.

    Returns:
        The bound in loss units; `information` is the sum of the two.

    Assumes:
        Independent examples; features of training and test points drawn by the same rule.

    Raises:
        ValueError: if neither or both of `hidden_information` and `frozen` are given, or
            numbers are out of range.

    Reference:
        Zhang, Liu, Tao 2024, "Going deeper, generalizing better: an information-theoretic view
        for deep learning"; corrected here by the information of the hidden weights.
    """
    if (hidden_information is None) != bool(frozen):
        raise ValueError(
            f"hidden_information={hidden_information!r} with frozen={frozen}: hidden weights that "
            "depend on the sample cost I(S; U); give it, or frozen=True where they do not"
        )
    about = checks.subject_of(n)
    inputs = [checks.information(head_information, name="head_information", about=about)]
    if hidden_information is not None:
        name = "hidden_information"
        inputs.append(checks.information(hidden_information, name=name, about=about))
    info = jnp.asarray(sum(part.value for part in inputs))
    # The errors add up: both may come from the same runs.
    error = sum(part.error for part in inputs)
    n = checks.whole("n", n)
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    value = root.sub_gaussian(info, sigma, n)
    return outcome.result(
        value,
        name="last_layer",
        inputs=inputs,
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian"),
        information=info,
        about="other",  # of features, which noisy layers before them have contracted
        std_error=root.error(value, info, error),
        note="frozen hidden weights" if frozen else "",
    )
