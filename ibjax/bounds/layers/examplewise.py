"""The depth bound example by example."""

import jax.numpy as jnp

from ibjax.bounds import checks, outcome, root
from ibjax.bounds.layers.coefficients import Etas, product, times
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Scalar


@enforced
def depth_examples(
    label_information: Float[Array, "*batch n"] | Estimate | BoundValue,
    input_information: Float[Array, "*batch n"] | Estimate | BoundValue,
    etas: Etas,
    sigma: Scalar,
) -> BoundValue:
    """Bound the expected gap with the information about each label and each input apart.

    ``|gap| <= (1/n) sum_i sqrt(2 sigma^2 (I(Y_i; W) + eta I(X_i; W | Y_i)))``

    The form from which `depth` follows by concavity of the root and
    I(X_i; W | Y_i) <= I(Z_i; W), so never above it.

    Args:
        label_information: I(Y_i; W) in nats, one an example on the last axis.
        input_information: I(X_i; W | Y_i) in nats.
        etas: KL coefficients of the layers, as in `depth`.
        sigma: sub-Gaussian parameter of the loss, of one draw of the layer noise.

    Returns:
        The bound; certificate for known informations. `information` is the mean of what is under
        the root.

    Assumes:
        Independent examples; both errors are those of the network with fresh layer noise.

    Raises:
        ValueError: for shapes that do not fit, numbers out of range, and coefficients that
            support no certificate.

    Reference:
        Zhang, Liu, Tao 2018, "An information-theoretic view for deep learning"; He, Goldfeld
        2025, "Information-theoretic generalization bounds for deep neural networks"; this form
        is a correction derived here.
    """
    labels = checks.information(label_information, name="label_information", about="example")
    inputs = checks.information(input_information, name="input_information", about="example")
    if labels.value.ndim < 1 or inputs.value.shape[-1:] != labels.value.shape[-1:]:
        raise ValueError(
            f"label_information has shape {labels.value.shape} and input_information "
            f"{inputs.value.shape}; give one number an example on the last axis of both"
        )
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    eta = jnp.expand_dims(product(etas, certified=True), -1)
    kept = labels.value + times(eta, inputs.value)
    each = root.smooth(2 * kept)
    error = labels.error + outcome.scaled_error(eta, inputs.error)
    return outcome.result(
        jnp.mean(each, -1) * sigma,
        name="depth_examples",
        inputs=(labels, inputs),
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian", "fresh_layer_noise", "channel_contraction"),
        information=jnp.mean(kept, -1),
        about="other",  # of what the layers let through of an example
        # Errors of the examples add up: the estimates may share their replicas.
        std_error=jnp.mean(root.error(each, kept, error), -1) * sigma,
        note="holds for the network evaluated with fresh layer noise",
    )
