"""Operator norms of linear maps and the diameter they leave, upper bounds where not exact."""

import math

import jax.numpy as jnp

from ibjax.contraction import checks
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
def dense_norm(matrix: Float[Array, "din dout"]) -> JaxArray:
    """Compute the Euclidean operator norm of a matrix, its largest singular value.

    Args:
        matrix: kernel of a dense layer.

    Raises:
        ValueError: for another number of axes, or an axis of length zero.
    """
    w = checks.real("matrix", matrix, -math.inf, math.inf)
    if w.ndim != 2 or 0 in w.shape:
        raise ValueError(f"matrix has shape {w.shape}; give (din, dout)")
    return jnp.linalg.svd(w, compute_uv=False)[0]


@enforced
def conv_norm(
    kernel: Float[Array, "*window cin cout"],
    size: tuple[int, ...],
    *,
    padding: str = "circular",
) -> JaxArray:
    """Compute the operator norm of a convolution, or an upper bound on it.

    Circular padding: the largest singular value of the transfer matrices over all frequencies,
    which is exact at stride 1. Zero padding: the circular value on the grid enlarged by the
    window, of which the convolution is a restriction, or sqrt(|W|_1 |W|_inf) from absolute sums
    of the kernel if that is smaller; strides restrict further. Power iteration would approach
    the norm from below and is no certificate.

    Args:
        kernel: one axis a spatial direction, then input and output channels.
        size: height, width, ... of the input.
        padding: "circular" or "zero".

    Returns:
        The norm; exact for circular padding and stride 1, else an upper bound.

    Raises:
        ValueError: for shapes that do not fit or an unknown padding.

    Reference:
        Sedghi, Gupta, Long 2019, "The singular values of convolutional layers".
    """
    w = checks.real("kernel", kernel, -math.inf, math.inf)
    window = w.shape[:-2]
    if padding not in ("circular", "zero"):
        raise ValueError(f'padding={padding!r} is unknown; choose "circular" or "zero"')
    if not window or len(window) != len(size) or any(s < k for s, k in zip(size, window)):
        raise ValueError(f"kernel of shape {w.shape} for inputs of size {size}; give fitting ones")
    grid = tuple(s + k - 1 if padding == "zero" else s for s, k in zip(size, window))
    axes = tuple(range(len(grid)))
    transfer = jnp.fft.fftn(w, s=grid, axes=axes)
    exact = jnp.max(jnp.linalg.svd(transfer, compute_uv=False))
    if padding == "circular":
        return exact
    # Largest absolute row and column sums of the whole matrix, whatever the padding.
    absolute = jnp.sum(jnp.abs(w), axes)
    sums = jnp.sqrt(jnp.max(jnp.sum(absolute, 0)) * jnp.max(jnp.sum(absolute, 1)))
    return jnp.minimum(exact, sums)


@enforced
def pool_norm(window: tuple[int, ...], stride: tuple[int, ...] | None = None) -> float:
    """Bound the operator norm of average pooling, which shrinks the diameter before noise.

    ``prod_i sqrt(ceil(w_i / s_i) / w_i)``; exactly 1/sqrt(k) for windows of k points that do
    not overlap. By sqrt(|A|_1 |A|_inf): rows sum to 1, columns to the windows a point is in over
    k. Pooling by itself is deterministic and has eta = 1; so has max pooling, whose norm is not
    below 1.

    Args:
        window: size of the window in each direction.
        stride: distance of neighbouring windows; the window itself by default.

    Raises:
        ValueError: for sizes or strides below 1, or of different number.
    """
    step = window if stride is None else stride
    if len(step) != len(window) or not window or min(*window, *step) < 1:
        raise ValueError(f"window={window}, stride={stride}; give sizes >= 1, one a direction")
    return math.prod(math.sqrt(-(-w // s) / w) for w, s in zip(window, step))


@enforced
def mapped_diameter(
    matrix: Float[Array, "din dout"], diameter: Scalar, half_width: Scalar = math.inf
) -> JaxArray:
    """Bound the diameter of a linear image of a bounded set.

    ``min(|W|_op diameter, 2 h sqrt(sum_j |W_j|_1^2))``, the second for inputs in [-h, h]^d

    This is what goes into the coefficient of noise added after the map: pooling or a small
    matrix before the noise helps through the diameter, not through a coefficient of its own.

    Args:
        matrix: kernel of a dense layer; column j holds the weights W_j of output j.
        diameter: Euclidean diameter of the inputs.
        half_width: h; inf where inputs are not bounded one by one.

    Raises:
        ValueError: for a negative diameter or half_width.
    """
    w = checks.real("matrix", matrix, -math.inf, math.inf)
    size = checks.real("diameter", diameter, 0.0, math.inf)
    h = checks.real("half_width", half_width, 0.0, math.inf)
    norm, box = dense_norm(w), jnp.linalg.norm(jnp.sum(jnp.abs(w), axis=0))
    nothing = norm == 0  # 0 * inf: a zero map leaves one point
    both = jnp.minimum(jnp.where(nothing, 1.0, norm) * size, jnp.where(nothing, 1.0, box) * 2 * h)
    return jnp.where(nothing, 0.0, both)
