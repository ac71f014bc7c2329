"""0-1 errors of a random member of an ensemble whose outputs are jointly Gaussian."""

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import whole
from ibjax.infinite import checks
from ibjax.signatures import enforced
from ibjax.typing import Float, JaxArray, Numbers


@enforced
def error_probability(mean: Numbers, variance: Numbers, sign: Numbers) -> Float[JaxArray, "*batch"]:
    r"""The chance that a member of the ensemble gets the sign wrong, Phi(-sign mean / deviation).

    Args:
        mean: mean of the output, any shape.
        variance: its variance over the ensemble, same shape; 0 decides by the mean alone.
        sign: -1 or 1, same shape.

    Returns:
        Probabilities.

    Raises:
        ValueError: a negative variance, signs that are neither -1 nor 1.

    Reference: elementary.
    """
    shapes = np.shape(mean), np.shape(variance), np.shape(sign)
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"mean, variance and sign have shapes {shapes}; give one of each"
        ) from None
    variance = checks.non_negative(variance, "variance")
    margin = checks.signs(sign, "sign") * jnp.asarray(mean)
    return _below(-margin, jnp.sqrt(jnp.asarray(variance)))


def _below(value: JaxArray, deviation: JaxArray) -> JaxArray:
    """P(deviation * g < value), one half where both are zero."""
    random = deviation > 0
    smooth = 0.5 * jax.scipy.special.erfc(-value / jnp.where(random, deviation, 1.0) / 2**0.5)
    decided = jnp.where(jnp.isnan(deviation), jnp.nan, (jnp.sign(value) + 1) / 2)
    return jnp.where(random, smooth, decided)


@enforced
def pair_errors(
    mean: Numbers, cov: Numbers, signs: Numbers, *, nodes: int = 48
) -> Float[JaxArray, "*batch 2 2"]:
    r"""The joint law of the 0-1 errors of a member on two inputs.

    P(both wrong) = Phi_2(h, k; r), the bivariate normal distribution function, by
    Phi(h) Phi(k) + 1/(2 pi) int_0^{arcsin r} exp(-(h^2 + k^2 - 2 h k sin t) / (2 cos^2 t)) dt.

    Args:
        mean: means of the two outputs, (..., 2).
        cov: their covariance, (..., 2, 2), positive on the diagonal.
        signs: the right signs, -1 or 1, (..., 2).
        nodes: of the Gauss-Legendre rule.

    Returns:
        ``table[..., a, b] = P(L_0 = a, L_1 = b)``; error about 1e-12 for |r| < 0.9, 1e-5 at worst.

    Raises:
        ValueError: shapes that do not fit, signs that are neither -1 nor 1.

    Reference: Plackett (1954), A reduction formula for normal multivariate integrals; as
    published, after the substitution r = sin t.
    """
    centre, spread = checks.inexact(mean, "mean"), checks.inexact(cov, "cov")
    target = checks.signs(signs, "signs").astype(centre.dtype)
    if centre.shape[-1:] != (2,) or spread.shape[-2:] != (2, 2) or target.shape[-1:] != (2,):
        raise ValueError(
            f"give mean (..., 2), cov (..., 2, 2), signs (..., 2); got {centre.shape}, "
            f"{spread.shape}, {target.shape}"
        )
    deviation = jnp.sqrt(jnp.diagonal(spread, axis1=-2, axis2=-1))
    limit = -target * centre / deviation
    correlation = target[..., 0] * target[..., 1] * spread[..., 0, 1]
    correlation = correlation / (deviation[..., 0] * deviation[..., 1])
    h, k = limit[..., 0], limit[..., 1]
    single = jax.scipy.special.ndtr(limit)
    points, weights = np.polynomial.legendre.leggauss(whole("nodes", nodes, 2))
    end = jnp.arcsin(jnp.clip(correlation, -1.0, 1.0))[..., None]
    turn = end * jnp.asarray((points + 1) / 2, centre.dtype)
    square = (h * h + k * k)[..., None] - 2 * (h * k)[..., None] * jnp.sin(turn)
    height = jnp.exp(-square / (2 * jnp.cos(turn) ** 2))
    area = jnp.sum(height * jnp.asarray(weights / 2, centre.dtype), -1) * end[..., 0]
    both = single[..., 0] * single[..., 1] + area / (2 * np.pi)
    first, second = single[..., 0] - both, single[..., 1] - both
    neither = 1 - both - first - second
    return jnp.stack([jnp.stack([neither, second], -1), jnp.stack([first, both], -1)], -2)
