"""Matrix-based Renyi entropy, information and total correlation: diagnostics of geometry.

None of them is I(X;T). The matrix-based information lies between 0 and log n and can be given any
value there by the kernel width: a small width measures n, a large one second moments. It does
change under deterministic injective layers, which information does not.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import numeric, precision, whole
from ibjax.mi.checks import concrete, pair, samples
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key, Numbers


class RenyiInformation(NamedTuple):
    """Matrix-based Renyi information of two samples and what to read it against, nats.

    Attributes:
        value: S(A) + S(B) - S(A o B).
        permuted: the same with one sample permuted, mean over draws: what the width and n alone
            make; NaN without a key.
        cap: min(S(A), S(B)), the most it can be; itself at most log n. At every order: the
            eigenvalues of A o B are majorised by those of A and of B.
        entropy_x: S(A).
        entropy_y: S(B).
        joint: S(A o B); where it reaches log n the value tells about n and width alone.
    """

    value: Float[JaxArray, ""]
    permuted: Float[JaxArray, ""]
    cap: Float[JaxArray, ""]
    entropy_x: Float[JaxArray, ""]
    entropy_y: Float[JaxArray, ""]
    joint: Float[JaxArray, ""]


@enforced
def median_width(x: Numbers) -> Float[JaxArray, ""]:
    """Median distance between different samples, a kernel width.

    Choose it once a layer, at the last checkpoint: a width chosen anew at every checkpoint takes
    changes of scale out, and with them the compression some papers report.

    Args:
        x: samples, (n,) or (n, d).
    """
    return jnp.nanmedian(_distances(_sample("x", x)))


def usual_width(x: Numbers) -> Float[JaxArray, ""]:
    """The median distance; where most samples coincide, that of those which do not, or 1.

    Args:
        x: samples, (n,) or (n, d).
    """
    apart = _distances(_sample("x", x))
    median = jnp.nanmedian(apart)
    others = jnp.nanmedian(jnp.where(apart > 0, apart, jnp.nan))
    others = jnp.where(jnp.isnan(others) & (jnp.nanmax(apart) == 0), 1, others)
    return jnp.where(median == 0, others, median)


@enforced
def silverman_width(x: Numbers, factor: float = 1.0) -> Float[JaxArray, ""]:
    """Width ``factor * s * sqrt(d) * n^(-1/(4 + d))``, s the mean standard deviation of a unit.

    Args:
        x: samples, (n,) or (n, d).
        factor: h of the rule.

    Reference:
        Yu, Alesiani, Yu, Jenssen, Principe 2021, for the form with s = 1.
    """
    x = _sample("x", x)
    n, d = x.shape
    return factor * jnp.mean(jnp.std(x, axis=0)) * d**0.5 * n ** (-1 / (4 + d))


@enforced
def renyi_entropy(x: Numbers, width: Numbers, *, order: float = 1.01) -> Float[JaxArray, ""]:
    r"""Matrix-based Renyi entropy of one sample.

    :math:`S_a(A) = \log(\mathrm{tr} A^a)/(1 - a)`, A = G/n,
    :math:`G_{ij} = \exp(-|x_i - x_j|^2 / 2 w^2)`; order 1 is its limit.

    Args:
        x: samples, (n,) or (n, d).
        width: w > 0 of the Gaussian kernel.
        order: a > 0. Order 2 needs no eigenvalues.

    Returns:
        Nats, in [0, log n].

    Raises:
        ValueError: for a width or an order that is not positive, or an infinite one. A width
            known only inside jit that is not positive gives NaN.

    Reference:
        Sanchez Giraldo, Rao, Principe 2015, "Measures of entropy from data using infinitely
        divisible kernels".
    """
    return gram_entropy(gaussian_gram(x, width, "x"), _order(order))


@enforced
def renyi_information(
    x: Numbers,
    y: Numbers,
    widths: tuple[Any, Any],
    *,
    order: float = 1.01,
    key: Key | None = None,
    permutations: int = 8,
) -> RenyiInformation:
    r"""Matrix-based Renyi information of two samples, a diagnostic: it is not I(X;Y).

    :math:`I_a = S_a(A) + S_a(B) - S_a(A \circ B / \mathrm{tr}(A \circ B))`

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        widths: of the kernels of x and y, fixed over what is compared, at one n.
        order: a > 0.
        key: of the permutations that `permuted` is the mean over.
        permutations: number of them.

    Returns:
        A `RenyiInformation`, nats.

    Raises:
        ValueError: as `renyi_entropy`, or samples that do not pair up.

    Reference:
        Sanchez Giraldo, Rao, Principe 2015, "Measures of entropy from data using infinitely
        divisible kernels".
    """
    pair(x, y)
    a, b, order = gaussian_gram(x, widths[0], "x"), gaussian_gram(y, widths[1], "y"), _order(order)
    own, other, joint = gram_entropy(a, order), gram_entropy(b, order), gram_entropy(a * b, order)
    permuted = jnp.full_like(own, jnp.nan)
    if key is not None:
        permutations = whole("permutations", permutations)

        def shuffled(k):
            place = jax.random.permutation(k, b.shape[0])
            return own + other - gram_entropy(a * b[place][:, place], order)

        permuted = jnp.mean(jax.lax.map(shuffled, jax.random.split(key, permutations)))
    value = own + other - joint
    return RenyiInformation(value, permuted, jnp.minimum(own, other), own, other, joint)


@enforced
def renyi_total_correlation(
    variables: tuple[Any, ...], widths: tuple[Any, ...], *, order: float = 1.01
) -> Float[JaxArray, ""]:
    r"""Matrix-based total correlation, :math:`\sum_j S_a(A_j) - S_a(A_1 \circ \dots \circ A_m)`.

    Args:
        variables: m samples of one length, each (n,) or (n, d_j).
        widths: one kernel width a variable.
        order: a > 0.

    Returns:
        Nats; a diagnostic, as `renyi_information`.

    Raises:
        ValueError: for no variable, lengths or counts that differ.

    Reference:
        Yu, Sanchez Giraldo, Jenssen, Principe 2019, "Multivariate extension of matrix-based
        Renyi's alpha-order entropy functional".
    """
    if not variables or len(variables) != len(widths):
        raise ValueError(
            f"{len(variables)} variables and {len(widths)} widths; give one width a variable"
        )
    order = _order(order)
    grams = [
        gaussian_gram(v, w, f"variables[{i}]") for i, (v, w) in enumerate(zip(variables, widths))
    ]
    if len({g.shape for g in grams}) > 1:
        raise ValueError("variables have different numbers of samples; give them paired")
    joint = grams[0]
    for gram in grams[1:]:
        joint = joint * gram
    return jnp.sum(jnp.stack([gram_entropy(g, order) for g in grams])) - gram_entropy(joint, order)


def _sample(name: str, value: Any) -> JaxArray:
    return jnp.asarray(samples(name, value), precision(value))


def _squares(x: JaxArray) -> tuple[JaxArray, JaxArray]:
    """Squared distances in units of the largest coordinate, and that unit: no overflow."""
    x = x - jnp.mean(x, axis=0)
    largest = jnp.max(jnp.abs(x))
    unit = jnp.where(largest > 0, largest, 1)
    x = x / unit
    inner = jnp.matmul(x, x.T, precision=jax.lax.Precision.HIGHEST)
    norms = jnp.diagonal(inner)
    # A sample is at no distance from itself, whatever the rounding.
    apart = jnp.maximum(norms[:, None] + norms - 2 * inner, 0)
    return jnp.where(jnp.eye(x.shape[0], dtype=bool), 0, apart), unit


def _distances(x: JaxArray) -> JaxArray:
    """Distances of all pairs above the diagonal, NaN elsewhere, (n, n)."""
    squares, unit = _squares(x)
    upper = jnp.triu(jnp.ones(squares.shape, bool), 1)
    return jnp.where(upper, unit * jnp.sqrt(squares), jnp.nan)


def gaussian_gram(x: Any, width: Any, name: str) -> JaxArray:
    """exp(-|x_i - x_j|^2 / 2 w^2), (n, n)."""
    x = _sample(name, x)
    w = jnp.asarray(numeric("width", width), x.dtype)
    if w.ndim or (concrete(w) and not float(np.asarray(w)) > 0):
        raise ValueError(f"width={width} of {name} must be one positive number")
    squares, unit = _squares(x)
    # Twice by their ratio, kept finite, so that neither a square nor 0 / 0 is met on the way.
    ratio = jnp.minimum(unit / jnp.where(w > 0, w, jnp.nan), jnp.finfo(x.dtype).max ** 0.5)
    return jnp.exp(-squares * ratio * ratio / 2)


def _order(order: float) -> float:
    if not 0 < order < float("inf"):
        raise ValueError(f"order={order} must be positive and finite; 1.01 is usual")
    return float(order)


@partial(jax.jit, static_argnums=1)
def gram_entropy(gram: Array, order: float) -> JaxArray:
    """Renyi entropy of the eigenvalues of a Gram matrix (n, n) of unit trace, nats."""
    a = gram / jnp.trace(gram)
    if order == 2:
        return -jnp.log(jnp.sum(a**2))
    values = jnp.linalg.eigvalsh(a)
    # Below the rounding of the largest they are none, which a small order would count.
    values = jnp.where(values < 8 * jnp.finfo(a.dtype).eps * jnp.max(values), 0, values)
    values = values / jnp.sum(values)
    if order == 1:
        return jnp.sum(jax.scipy.special.entr(values))
    logs = jnp.where(values > 0, jnp.log(jnp.where(values > 0, values, 1)), -jnp.inf)
    if abs(order - 1) > 0.25:
        return jax.nn.logsumexp(order * logs) / (1 - order)
    # sum v^a = 1 + sum v (v^(a-1) - 1), whose sum near order 1 keeps its digits.
    excess = values * jnp.expm1((order - 1) * jnp.where(values > 0, logs, 0))
    return jnp.log1p(jnp.sum(excess)) / (1 - order)
