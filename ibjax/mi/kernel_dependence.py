"""Kernel measures of dependence between two samples: HSIC and CKA, diagnostics without a unit."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import whole
from ibjax.mi.checks import pair
from ibjax.mi.matrix_entropy import gaussian_gram, usual_width
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key, Numbers

Kernel = Literal["gaussian", "linear"]


class HsicTest(NamedTuple):
    """HSIC with its permutation null.

    Attributes:
        value: the statistic.
        p_value: share of permutations, the identity among them, that reach it.
        null_mean: mean over permutations.
        null_std: their standard deviation.
    """

    value: Float[JaxArray, ""]
    p_value: Float[JaxArray, ""]
    null_mean: Float[JaxArray, ""]
    null_std: Float[JaxArray, ""]


@enforced
def hsic(
    x: Numbers,
    y: Numbers,
    *,
    kernel: Kernel = "gaussian",
    widths: tuple[Any, Any] | None = None,
    unbiased: bool = True,
) -> Float[JaxArray, ""]:
    r"""Hilbert-Schmidt independence criterion, a diagnostic without a unit.

    Biased :math:`\mathrm{tr}(KHLH)/(n-1)^2`; unbiased, with diagonals removed,

    .. math:: \frac{1}{n(n-3)} \Bigl( \mathrm{tr} \tilde K \tilde L
        + \frac{1'\tilde K 1\, 1'\tilde L 1}{(n-1)(n-2)}
        - \frac{2}{n-2} 1'\tilde K \tilde L 1 \Bigr)

    Zero in the population exactly under independence for the Gaussian kernel, not for the linear
    one. The unbiased estimate may be negative. Judge it by `hsic_test`, not by a threshold.

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        kernel: "gaussian" or "linear".
        widths: of the Gaussian kernels; median distances if None (where most samples coincide,
            the median of the distances that are not 0).
        unbiased: which estimate.

    Raises:
        ValueError: fewer than four samples for the unbiased one, unknown kernel, widths that
            are not positive.

    Reference:
        Gretton et al. 2005; Song et al. 2012, "Feature selection via dependence maximization".
    """
    return criterion(*_kernels(x, y, kernel, widths, unbiased), unbiased)


@enforced
def cka(
    x: Numbers,
    y: Numbers,
    *,
    kernel: Kernel = "linear",
    widths: tuple[Any, Any] | None = None,
    unbiased: bool = True,
) -> Float[JaxArray, ""]:
    """Centred kernel alignment HSIC(X,Y) / sqrt(HSIC(X,X) HSIC(Y,Y)), a diagnostic.

    The biased form tends to 1 for independent wide layers (0.65 for 100 units and 50 samples), so
    it is refused where either layer has more than n/5 units.

    Args:
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        kernel: "linear" or "gaussian".
        widths: of the Gaussian kernels; median distances if None (where most samples coincide,
            the median of the distances that are not 0).
        unbiased: which estimate of HSIC.

    Returns:
        A number of at most 1; NaN where all samples of x or of y are at one distance from each
        other, which aligns with nothing.

    Raises:
        ValueError: as `hsic`, or the biased form with too many units.

    Reference:
        Kornblith, Norouzi, Lee, Hinton 2019, "Similarity of neural network representations
        revisited"; the unbiased form as in Nguyen, Raghu, Kornblith 2021.
    """
    a, b = pair(x, y).on_device()
    n, most = a.shape[0], max(a.shape[1], b.shape[1])
    if not unbiased and most > n / 5:
        raise ValueError(
            f"unbiased=False with {most} units and {n} samples tends to 1 whatever the layers; "
            "use unbiased=True or at least five samples a unit"
        )
    if kernel == "linear":
        # The alignment knows no scale, and so no overflow.
        x, y = (z / jnp.maximum(jnp.max(jnp.abs(z)), jnp.finfo(z.dtype).tiny) for z in (a, b))
    k, m = _kernels(x, y, kernel, widths, unbiased)
    return criterion(k, m, unbiased) / (_size(k, unbiased) * _size(m, unbiased))


@enforced
def hsic_test(
    key: Key,
    x: Numbers,
    y: Numbers,
    *,
    kernel: Kernel = "gaussian",
    widths: tuple[Any, Any] | None = None,
    permutations: int = 200,
) -> HsicTest:
    """Test independence by permuting one sample.

    Args:
        key: of the permutations.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        kernel: "gaussian" or "linear".
        widths: of the Gaussian kernels; median distances if None (where most samples coincide,
            the median of the distances that are not 0).
        permutations: number of them, 2 or more.

    Returns:
        An `HsicTest` of the unbiased estimate; its level is exact under independence.

    Raises:
        ValueError: fewer than four samples for the unbiased one, unknown kernel, widths that are
            not positive.

    Reference:
        Gretton et al. 2008, "A kernel statistical test of independence".
    """
    permutations = whole("permutations", permutations, 2)
    k, m = _kernels(x, y, kernel, widths, True)
    value = criterion(k, m, True)

    def shuffled(one):
        place = jax.random.permutation(one, m.shape[0])
        return criterion(k, m[place][:, place], True)

    null = jax.lax.map(shuffled, jax.random.split(key, permutations))
    # A permutation that changes nothing reaches the value, whatever the rounding.
    slack = 32 * jnp.finfo(k.dtype).eps * jnp.mean(jnp.abs(k)) * jnp.max(jnp.abs(m))
    p_value = (1 + jnp.sum(null >= value - slack)) / (1 + permutations)
    p_value = jnp.where(jnp.isfinite(value), p_value, jnp.nan)
    return HsicTest(value, p_value, jnp.mean(null), jnp.std(null))


def _kernels(x: Any, y: Any, kernel: str, widths: Any, unbiased: bool):
    a, b = pair(x, y).on_device()
    if kernel not in ("gaussian", "linear"):
        raise ValueError(f"kernel={kernel!r} is unknown; give 'gaussian' or 'linear'")
    if unbiased and a.shape[0] < 4:
        raise ValueError(f"x holds {a.shape[0]} samples; the unbiased estimate needs at least 4")
    if kernel == "linear":
        a, b = a - jnp.mean(a, axis=0), b - jnp.mean(b, axis=0)
        return a @ a.T, b @ b.T
    if widths is None:
        widths = usual_width(a), usual_width(b)
    return gaussian_gram(a, widths[0], "x"), gaussian_gram(b, widths[1], "y")


def _size(k: JaxArray, unbiased: bool) -> JaxArray:
    """Root of HSIC(X, X); NaN where it is 0 up to rounding."""
    own = criterion(k, k, unbiased)
    rounding = (8 * jnp.finfo(k.dtype).eps) * jnp.mean(k**2)
    return jnp.sqrt(jnp.where(own > rounding, own, jnp.nan))


@partial(jax.jit, static_argnums=2)
def criterion(k: Array, m: Array, unbiased: bool) -> JaxArray:
    """HSIC of two kernel matrices, (n, n)."""
    n = k.shape[0]
    if not unbiased:
        centred = k - jnp.mean(k, axis=0) - jnp.mean(k, axis=1)[:, None] + jnp.mean(k)
        return jnp.sum(centred * m) / (n - 1) ** 2
    off = 1 - jnp.eye(n, dtype=k.dtype)
    # A constant changes nothing but the digits that cancel below.
    k, m = ((z - jnp.sum(z * off) / (n * (n - 1))) * off for z in (k, m))
    rows_k, rows_m = jnp.sum(k, axis=1), jnp.sum(m, axis=1)
    total = jnp.sum(k * m) + jnp.sum(rows_k) * jnp.sum(rows_m) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * rows_k @ rows_m) / (n * (n - 3))
