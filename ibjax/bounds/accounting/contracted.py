"""What contraction in the layers can remove: the joint certificate."""

import jax.numpy as jnp

from ibjax.bounds import checks, root
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.layers.coefficients import joint
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
def joint_depth(
    information: Float[Array, "*batch"] | float,
    eta: Float[Array, "*batch"] | float,
    label_deviation: Float[Array, "*batch"] | float,
) -> Float[JaxArray, "*batch"]:
    """Bound the gap when the layers contract by eta, for a loss in [0, 1].

    ``sqrt(I/2)`` if ``dev >= sqrt(I/2)``, else
    ``(1 - eta) dev + sqrt(eta I/2 - eta (1 - eta) dev^2)``

    The form of `depth` with a label term, proved there, from information about one example and
    rounded upwards. Never above sqrt(I/2) (Cauchy-Schwarz), nor above ``dev + sqrt(eta I/2)``.

    Args:
        information: mean of I(Z_i; W), or an upper bound, in nats.
        eta: product of the layers' KL coefficients (channel scope), in [0, 1].
        label_deviation: expected total variation between the empirical and the true label law,
            at most ``sqrt((K - 1)/n)/2`` for K classes; see `bounds.label_deviation`.

    Raises:
        ValueError: for numbers out of range.

    Reference:
        New here; the two bounds are the repaired forms of Zhang, Liu, Tao 2018.
    """
    info = checks.real("information", information, 0.0)
    eta = checks.real("eta", eta, 0.0, 1.0)
    dev = checks.real("label_deviation", label_deviation, 0.0)
    dtype = jnp.result_type(info, eta, dev)
    info, eta, dev = (a.astype(dtype) for a in jnp.broadcast_arrays(info, eta, dev))
    plain = root.smooth(info / 2)
    return jnp.minimum(up(joint(info / 2, dev, eta)[0], 8), plain)


def default_label_deviation(num_classes: int | Scalar, n: int | Scalar) -> JaxArray:
    """Bound ``sqrt((K - 1)/n)/2`` on the deviation of the empirical label law of K classes."""
    return up(jnp.sqrt((jnp.asarray(num_classes) - 1.0) / n) / 2, 8)
