"""What contraction in the layers can remove: the joint certificate and its floor."""

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.bounds.accounting.rounding import up
from ibjax.typing import Array, Float, JaxArray, Scalar


def joint_depth(
    information: Float[Array, "*batch"] | float,
    eta: Float[Array, "*batch"] | float,
    label_deviation: Float[Array, "*batch"] | float,
) -> Float[JaxArray, "*batch"]:
    """Bound the gap when the layers contract by eta, for a loss in [0, 1].

    ``sqrt(I/2)`` if ``dev >= sqrt(I/2)``, else
    ``(1 - eta) dev + sqrt(eta I/2 - eta (1 - eta) dev^2)``

    Of the information I about an example a part x, unknown, is about its label and passes the
    layers uncontracted. Both ``sqrt((x + eta (I - x))/2)``, which increases in x, and
    ``dev + sqrt(eta (I - x)/2)``, which decreases, hold; this is the largest that their minimum
    can be. Never above sqrt(I/2) (Cauchy-Schwarz), nor above ``dev + sqrt(eta I/2)``.

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
    half = info / 2
    flat = dev * dev >= half
    finite = jnp.isfinite(half)
    # Where I is infinite only layers that pass nothing help.
    inside = eta * jnp.where(flat | ~finite, 1.0, half - (1 - eta) * dev * dev)
    root = jnp.where(inside > 0, jnp.sqrt(jnp.where(inside > 0, inside, 1.0)), 0.0)
    plain = jnp.where(half > 0, jnp.sqrt(jnp.where(half > 0, half, 1.0)), 0.0 * half)
    joint = jnp.where(finite | (eta == 0), (1 - eta) * dev + root, jnp.inf)
    return jnp.where(flat, plain, jnp.minimum(up(joint, 8), plain))


def contraction_floor(confusion: Float[Array, "K J"]) -> Float[JaxArray, ""]:
    """Least ``sqrt(eta)`` of any layers through which these predictions were reached.

    ``sqrt(eta) >= rho_m(Y; prediction)``, the second singular value of
    ``D_Y^(-1/2) C D_J^(-1/2)`` with C the joint law of labels and predictions

    Label, input and representation form a Markov chain for fixed weights and fresh noise, maximal
    correlation does not increase along it, and that of a channel is at most the root of its KL
    coefficient. Two balanced classes with error R: at least 1 - 2R. Predictions must be those of
    one fresh draw of the layer noise; a vote over J draws has the coefficient of J channels.

    Args:
        confusion: joint law or counts of labels (rows) and predictions (columns).

    Returns:
        The floor, in [0, 1]; a check of plausibility where `confusion` is estimated.

    Raises:
        ValueError: entries below zero, or no table.

    Reference:
        Witsenhausen 1975, "On sequences of pairs of dependent random variables", for maximal
        correlation; this use is new here.
    """
    table = checks.real("confusion", confusion, 0.0)
    if table.ndim != 2 or min(table.shape) < 1:
        raise ValueError(f"confusion has shape {table.shape}; give labels x predictions")
    law = table / jnp.sum(table)
    rows, columns = jnp.sum(law, 1), jnp.sum(law, 0)

    def inverse_root(p: JaxArray) -> JaxArray:
        return jnp.where(p > 0, 1 / jnp.sqrt(jnp.where(p > 0, p, 1.0)), 0.0)

    scaled = inverse_root(rows)[:, None] * law * inverse_root(columns)
    # The first singular value is 1, of the constant functions; taking them off leaves the rest.
    rest = scaled - jnp.sqrt(rows)[:, None] * jnp.sqrt(columns)
    return jnp.clip(jnp.linalg.norm(rest, 2), 0.0, 1.0)


def default_label_deviation(num_classes: int | Scalar, n: int | Scalar) -> JaxArray:
    """Bound ``sqrt((K - 1)/n)/2`` on the deviation of the empirical label law of K classes."""
    return up(jnp.sqrt((jnp.asarray(num_classes) - 1.0) / n) / 2, 8)
