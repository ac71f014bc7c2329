"""Bounds from a known conditional law: no critic to train."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import floating
from ibjax.interface import Estimate
from ibjax.mi.objectives import club, infonce, leave_one_out, weighted_error
from ibjax.signatures import enforced
from ibjax.typing import Array, BiasDirection, Float, JaxArray


class ConditionalBounds(NamedTuple):
    """Three bounds from one matrix of conditional densities.

    Attributes:
        lower: InfoNCE with the best critic, at most log n.
        upper: leave-one-out.
        club: the contrastive log-ratio upper bound; mostly much looser.
    """

    lower: Estimate
    upper: Estimate
    club: Estimate


@enforced
def known_conditional(log_density: Float[Array, "n n"]) -> ConditionalBounds:
    r"""Bounds on I(X;Y) in expectation, where p(y|x) can be evaluated.

    With :math:`\ell_{ij} = \log p(y_j|x_i)` for n independent pairs:

    .. math:: \text{lower} = \Bigl\langle\ell_{ii} - \log\tfrac1n\sum_j e^{\ell_{ji}}\Bigr\rangle,
              \quad \text{upper} = \Bigl\langle\ell_{ii} -
              \log\tfrac1{n-1}\sum_{j\ne i} e^{\ell_{ji}}\Bigr\rangle,
              \quad \text{club} = \langle\ell_{ii}\rangle - \langle\ell_{ij}\rangle_{i\ne j}.

    Args:
        log_density: entry (i, j) is log p(y_j | x_i); matched pairs on the diagonal.

    Returns:
        The three bounds in nats with standard errors.

    Raises:
        ValueError: for a matrix that is not square or has fewer than 3 rows.

    Reference:
        Poole et al. (2019), On variational bounds of mutual information, for the first two;
        Cheng et al. (2020), CLUB, for the third.
    """
    table = floating("log_density", log_density)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.shape[0] < 3:
        raise ValueError(f"log_density has shape {table.shape}; give (n, n) with n >= 3")
    parts = _three(table)
    reason = "densities that are not finite on matched pairs"
    names: tuple[tuple[str, BiasDirection], ...] = (
        ("infonce_known", "down"),
        ("leave_one_out_known", "up"),
        ("club_known", "up"),
    )
    return ConditionalBounds(
        *(
            Estimate(value, error, jnp.isfinite(value), bias, name, reason)
            for (value, error), (name, bias) in zip(parts, names)
        )
    )


@jax.jit
def _three(table: JaxArray):
    n = table.shape[0]
    uniform = jnp.full(n, 1 / n, table.dtype)
    # here the other x of a batch are averaged, as the normaliser of p(y_i | .)
    pieces = ((infonce, table.T), (leave_one_out, table), (club, table))
    return [(f(s, uniform), jnp.sqrt(weighted_error(f, s, None))) for f, s in pieces]
