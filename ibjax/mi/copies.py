"""Whether samples may be independent draws: how often equal ones occur tells of those listed again.

Copies are taken for atoms by estimators that allow these, for neighbours at distance 0 by others;
what is held out is then seen in training, and every standard error is too small.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete
from ibjax.mi.ranges import places as host_places
from ibjax.mi.tables import groups, sizes
from ibjax.typing import Array, Bool, JaxArray

LISTED_AGAIN = "samples listed more than once"
_MOST = 16
_COLUMNS = 8


def drawn_apart(*parts: Array) -> Bool[JaxArray, ""]:
    r"""Whether the numbers of equal samples are those of independent draws of some law.

    With f_m the values that occur m times among n draws, of a law with atoms or without,
    :math:`m! E f_m` are close to moments :math:`\sum_a \lambda_a^m e^{-\lambda_a}`, so that

    .. math:: E f_{m-1}\, E f_{m+1} \ge \frac{m}{m+1} (E f_m)^2

    by Cauchy and Schwarz. Where all samples are listed m times f_m is alone, and where many are
    listed twice f_3 is missing. False where the inequality fails by more than three standard
    deviations of all counts for some m up to 16. It holds of any function of samples as well:
    of traced ones with many columns a few are compared.

    Args:
        *parts: what makes a sample, each (n,) or (n, d).

    Reference:
        New here; the inequality is that between moments.
    """
    if concrete(*parts):
        table = np.hstack([np.asarray(v, float).reshape(len(v), -1) for v in parts])
        found = np.bincount(host_places(table).weight, minlength=_MOST + 2)
        return jnp.array(bool(_plausible(found[1 : _MOST + 2].astype(float), np)))
    columns = [c for v in parts for c in _few(v)]
    order = jnp.lexsort(columns)
    each = sizes(groups(order, tuple(c[order] for c in columns)))
    times = jnp.arange(1, _MOST + 2)
    return _plausible(jnp.sum(each[:, None] == times, axis=0) / times, jnp)


def _plausible(f: Any, xp: Any) -> Any:
    m = xp.arange(2, _MOST + 1)
    least = xp.maximum(f[1:-1] - 3 * xp.sqrt(f[1:-1]), 0.0)
    most = f + 3 * xp.sqrt(f) + 4
    return xp.all(most[:-2] * most[2:] >= m / (m + 1) * least**2)


def _few(part: Any) -> list[JaxArray]:
    v = jnp.asarray(part)
    v = v.reshape(v.shape[0], -1)
    if v.shape[1] <= _COLUMNS:
        return list(v.T)
    return [*v[:, : _COLUMNS - 1].T, v @ jnp.cos(jnp.arange(1.0, v.shape[1] + 1)).astype(v.dtype)]
