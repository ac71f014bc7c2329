"""Mutual information where a variable has classes, atoms, or both."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma

from ibjax.arguments import numeric, whole
from ibjax.interface import Estimate
from ibjax.mi.checks import pair, samples
from ibjax.mi.neighbours import chebyshev, count, kth_smallest, map_rows, rows_at_once
from ibjax.typing import Array, Float, Int, JaxArray


def ross(
    x: Float[Array, "n d"], labels: Int[Array, " n"], k: int = 3, *, block: int | None = None
) -> Estimate:
    r"""Nearest-neighbour estimate of I(X;Y) for a continuous X and a class Y.

    .. math:: \hat I = \psi(n) + \langle\psi(k_i)\rangle - \langle\psi(N_{y_i})\rangle
                       - \langle\psi(m_i)\rangle

    N_y is the size of the class, k_i = min(k, N - 1), and m_i counts the samples strictly within
    the distance to the k_i-th neighbour of the same class, the sample itself among them. Samples
    alone in their class are left out, of n too.

    Args:
        x: samples, (n,) or (n, d), float.
        labels: classes, (n,), integer.
        k: neighbours within the class.
        block: samples compared with all others at once; None chooses it from n.

    Returns:
        Nats, unclamped; not ok with one class, fewer than two samples in every class, or where
        k + 1 samples of a class coincide.

    Raises:
        ValueError: for shapes that do not pair up, labels that are no integers, or k < 1.

    Reference:
        Ross (2014), Mutual information between discrete and continuous data sets; with the
        published counts, classes of one sample dropped.
    """
    x = samples("x", x)
    labels = numeric("labels", labels)
    if labels.ndim != 1 or labels.shape[0] != x.shape[0]:
        raise ValueError(f"labels has shape {labels.shape}; give ({x.shape[0]},), one a sample")
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels has dtype {labels.dtype}; give integer classes")
    k = whole("k", k)
    value, error, ok = _ross(x, labels, k, rows_at_once(x.shape[0], block))
    reason = "one class, no class of two samples, or coinciding samples within a class"
    return Estimate(value, error, ok, "down", "ross", reason)


def mixed(
    x: Float[Array, "n dx"], y: Float[Array, "n dy"], k: int = 3, *, block: int | None = None
) -> Estimate:
    r"""Nearest-neighbour estimate of I(X;Y) for variables with atoms, densities, or mixtures.

    With rho_i the Chebyshev distance to the k-th neighbour in (x, y):

    .. math:: \hat I = \langle \psi(k_i) + \log n - \psi(n_{x,i}) - \psi(n_{y,i})\rangle

    where the counts include the sample itself and take strictly closer samples; if rho_i = 0, k_i
    counts the samples at the same place and n_x, n_y those at distance 0. For classes it tends to
    the plug-in value, for densities to the value of Kraskov et al.

    Args:
        x: samples, (n,) or (n, dx); classes may be given as numbers or one-hot rows.
        y: samples, (n,) or (n, dy).
        k: neighbours.
        block: samples compared with all others at once; None chooses it from n.

    Returns:
        Nats, unclamped; not ok for n <= k or constant inputs.

    Raises:
        ValueError: for shapes that do not pair up or k < 1.

    Reference:
        Gao, Kannan, Oh, Viswanath (2017), Estimating mutual information for discrete-continuous
        mixtures; digamma of the counts in place of the logarithm, as in the authors' program.
    """
    x, y = pair(x, y)
    n = x.shape[0]
    k = whole("k", k)
    reason = "constant inputs or too few samples"
    if n <= k:
        nan = jnp.array(jnp.nan, x.dtype)
        return Estimate(nan, nan, jnp.array(False), "unknown", "mixed", reason)
    value, error, ok = _mixed(x, y, k, rows_at_once(n, block))
    return Estimate(value, error, ok, "unknown", "mixed", reason)


@partial(jax.jit, static_argnums=(2, 3))
def _ross(x: JaxArray, labels: JaxArray, k: int, rows: int):
    n = x.shape[0]

    ordered = jnp.sort(labels)
    right = jnp.searchsorted(ordered, labels, side="right")
    sizes = right - jnp.searchsorted(ordered, labels, side="left")
    kept = sizes > 1

    def local(i):
        distance, size = chebyshev(x, x[i]), sizes[i]
        others = (labels == labels[i]) & (jnp.arange(n) != i)
        radius = kth_smallest(jnp.where(others, distance, jnp.inf), k, jnp.minimum(k, size - 1))
        inside = count((distance < radius) & kept)
        wanted = jnp.minimum(k, size - 1.0)
        return jnp.stack([wanted, size * 1.0, jnp.maximum(inside, 1.0)]), radius

    counts, radius = map_rows(local, n, rows)
    each = digamma(counts)
    terms = each[:, 0] - each[:, 1] - each[:, 2]
    number = jnp.maximum(jnp.sum(kept), 1) * 1.0
    terms = jnp.where(kept, terms, 0.0)
    mean = jnp.sum(terms) / number
    spread = jnp.sum(jnp.where(kept, (terms - mean) ** 2, 0.0)) / jnp.maximum(number - 1, 1)
    ok = jnp.all((radius > 0) | ~kept) & (jnp.sum(kept) > 2) & jnp.any(sizes < n)
    value, error = digamma(number) + mean, jnp.sqrt(spread / number)
    return value.astype(x.dtype), error.astype(x.dtype), ok & jnp.isfinite(value)


@partial(jax.jit, static_argnums=(2, 3))
def _mixed(x: JaxArray, y: JaxArray, k: int, rows: int):
    n = x.shape[0]

    def one(i):
        dx, dy = chebyshev(x, x[i]), chebyshev(y, y[i])
        joint = jnp.maximum(dx, dy)
        radius = kth_smallest(jnp.where(jnp.arange(n) == i, jnp.inf, joint), k)
        atom = radius == 0
        neighbours = jnp.where(atom, count(joint == 0), float(k))
        nx = jnp.where(atom, count(dx == 0), count(dx < radius))
        ny = jnp.where(atom, count(dy == 0), count(dy < radius))
        return jnp.stack([neighbours, nx, ny])

    each = digamma(map_rows(one, n, rows))
    local = np.log(n) + each[:, 0] - each[:, 1] - each[:, 2]
    error = jnp.std(local, ddof=1) / np.sqrt(n)
    value = jnp.mean(local)
    varied = jnp.any(x != x[:1]) & jnp.any(y != y[:1])
    return value.astype(x.dtype), error.astype(x.dtype), varied & jnp.isfinite(value)
