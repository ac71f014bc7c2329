"""The depth bound example by example, and the exact price of uncontracted labels."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax.scipy.special import gammaln, xlog1py, xlogy

from ibjax.bounds import checks
from ibjax.bounds.layered import product
from ibjax.interface import BoundValue, Contraction
from ibjax.typing import Array, Float, JaxArray, Scalar


def depth_examples(
    label_information: Float[Array, "*batch n"],
    input_information: Float[Array, "*batch n"],
    etas: Contraction | Sequence[Contraction] | Float[Array, " layers"] | Sequence[float],
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
        sigma: sub-Gaussian parameter of the loss.

    Returns:
        The bound; certificate. `information` is the mean of what is under the root.

    Assumes:
        Independent examples; both errors are those of the network with fresh layer noise.

    Raises:
        ValueError: for shapes that do not fit, numbers out of range, and coefficients that
            support no certificate.

    Reference:
        Zhang, Liu, Tao 2018, "An information-theoretic view for deep learning"; He, Yu, Goldfeld
        2024, "Information-theoretic generalization bounds for deep neural networks"; this form
        is a correction derived here.
    """
    labels = checks.real("label_information", label_information, 0.0)
    inputs = checks.real("input_information", input_information, 0.0)
    if labels.ndim < 1 or inputs.ndim < 1:
        raise ValueError("label_information and input_information need an example axis: (n,)")
    sigma = checks.real("sigma", sigma, 0.0, open_low=True)
    eta = jnp.expand_dims(product(etas, certified=True), -1)
    kept = labels + eta * jnp.where((eta == 0) & jnp.isinf(inputs), 0.0, inputs)
    root = jnp.where(kept > 0, jnp.sqrt(2 * jnp.where(kept > 0, kept, 1.0)), 0.0 * kept)
    return checks.result(
        jnp.mean(root, -1) * sigma,
        name="depth_examples",
        kind="certificate",
        limit=2 * sigma,
        assumptions=("iid", "sub_gaussian", "fresh_layer_noise", "channel_contraction"),
        information=jnp.mean(kept, -1),
        note="holds for the network evaluated with fresh layer noise",
    )


def label_deviation(class_law: Float[Array, " k"], n: Any) -> JaxArray:
    """Compute how far the empirical label law is from the true one, on average.

    ``E TV(P_Y, empirical) = (1/2) sum_k E|p_k - counts_k / n|``,
    ``E|np - B| = 2 m C(n, m) p^m (1-p)^{n-m+1}`` with m = floor(np) + 1 for binomial B

    Times the range of the loss it is the label term of `depth`; `num_classes` there bounds it
    by sqrt((K-1)/n)/2 without knowing the law. With label counts fixed at n p_k it would be 0.

    Args:
        class_law: probabilities of the K classes.
        n: number of training examples.

    Raises:
        ValueError: for entries that are no probabilities, sums away from one, or n < 1.

    Reference:
        De Moivre's mean deviation of the binomial, see Diaconis, Zabell 1991, "Closed form
        summation for classical distributions".
    """
    p = checks.real("class_law", class_law, 0.0, 1.0)
    n = checks.whole("n", n)
    if p.ndim != 1 or (checks.concrete(p) and not abs(float(jnp.sum(p)) - 1) < 1e-4):
        raise ValueError(f"class_law={class_law!r} must be a law: (k,) summing to one")
    m = jnp.minimum(jnp.floor(n * p) + 1, n)
    choose = gammaln(n + 1.0) - gammaln(m + 1) - gammaln(n - m + 1)
    log_mass = choose + xlogy(m, p) + xlog1py(n - m + 1, -p)
    return jnp.sum(m * jnp.exp(log_mass)) / n
