"""Standard errors and null values of any estimator, by leaving samples out or shuffling them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import codes, concrete, host, is_classes, precision, whole, widened
from ibjax.frozen import frozen
from ibjax.interface import Estimate
from ibjax.mi.checks import samples
from ibjax.mi.host import trees_win
from ibjax.mi.k_slices import k_sliced
from ibjax.mi.knn import ksg
from ibjax.mi.mixed_samples import mixed, ross
from ibjax.mi.slices import max_sliced, sliced
from ibjax.signatures import enforced
from ibjax.typing import Array, JaxArray, Key


@enforced
def with_std_error(
    estimator: Callable[[Any, Any], Estimate], *, blocks: int = 10, corrected: bool = False
) -> Callable[[Any, Any], Estimate]:
    r"""The same estimator with a jackknife standard error.

    The samples are cut into blocks of one length m (a remainder stays in every estimate) and each
    is left out in turn. With :math:`I_g` the estimate without block g:

    .. math:: se^2 = \frac{B-1}{B}\sum_g (I_g - \bar I)^2

    Args:
        estimator: ``(x, y) -> Estimate``.
        blocks: how many, at least 2; samples must come in no order.
        corrected: subtract the jackknife's estimate of the bias, (B - 1)(mean I_g - I), which
            removes a bias that falls like 1/n.

    Returns:
        A function ``(x, y) -> Estimate``, whose error is right for smooth estimators and too
        large, by a third or so, for counts of neighbours. The blocks are estimated one after
        another in one program, or on the host where the estimator finds neighbours by trees.

    Raises:
        ValueError: for fewer than two blocks; when called, for fewer samples than blocks.

    Reference:
        Quenouille (1956), Notes on bias in estimation.
    """
    blocks = whole("blocks", blocks, 2)

    def kept(n: int) -> JaxArray:
        left_out = np.arange(blocks * (n // blocks)).reshape(blocks, -1)
        return jnp.asarray(np.stack([np.setdiff1d(np.arange(n), g) for g in left_out]))

    @jax.jit
    def mapped(x: JaxArray, y: JaxArray) -> JaxArray:
        return jax.lax.map(lambda i: estimator(x[i], y[i]).value, kept(x.shape[0]))

    def without(x: JaxArray, y: JaxArray) -> JaxArray:
        if _by_trees(estimator, x, y):
            return jnp.stack([estimator(x[i], y[i]).value for i in kept(x.shape[0])])
        return mapped(x, y)

    def estimate(x: Array, y: Array) -> Estimate:
        x, y = _ready("x", x), _ready("y", y)
        if x.shape[0] < 2 * blocks:
            raise ValueError(f"x holds {x.shape[0]} samples; give 2 a block, {2 * blocks} at least")
        full, left = estimator(x, y), without(x, y)
        error = jnp.sqrt((blocks - 1) * jnp.var(left))
        value = full.value
        if corrected:
            value = value - (blocks - 1) * (jnp.mean(left) - value)
        bias = "unknown" if corrected else full.bias
        return replace(full, value=value, std_error=error, bias=bias)

    return estimate


class Null(NamedTuple):
    """What an estimator says of shuffled, independent samples.

    Attributes:
        values: the estimates after each shuffling, (permutations,).
        p_value: share of them, with the estimate itself, that reach the estimate; NaN where the
            estimate is no number.
        corrected: the estimate less the mean of `values`.
    """

    values: JaxArray
    p_value: JaxArray
    corrected: Estimate


@enforced
def permutation(
    key: Key,
    estimator: Callable[[Any, Any], Estimate],
    x: Array,
    y: Array,
    *,
    permutations: int = 99,
) -> Null:
    """Test of independence and estimate of the bias at independence, by shuffling y.

    Args:
        key: for the permutations.
        estimator: ``(x, y) -> Estimate``, for instance `ksg`.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        permutations: how many, at least 1.

    Returns:
        The null estimates in nats, an exact p-value (under independence at most a with
        probability at most a), and the estimate less the mean null value, whose standard error
        adds the Monte-Carlo error of that mean. The mean null value is the bias at independence,
        not the bias at dependence, so the direction of the corrected one is unknown.

    Raises:
        ValueError: for samples of different length or fewer than one permutation.
    """
    x, y = _ready("x", x), _ready("y", y)
    if x.shape[:1] != y.shape[:1]:
        raise ValueError(f"x has shape {x.shape} but y {y.shape}; pair the samples up")
    permutations = whole("permutations", permutations)
    found = estimator(x, y)
    keys = jax.random.split(key, permutations)
    if _by_trees(estimator, x, y):
        shuffled = (jax.random.permutation(k, y) for k in keys)
        values = jnp.stack([estimator(x, other).value for other in shuffled])
    else:
        values = _shuffled(frozen(estimator, x, y), x, y, keys)
    # a null value that is no number counts against a finding
    reach = (1 + jnp.sum(~(values < found.value))) / (permutations + 1)
    reach = jnp.where(jnp.isfinite(found.value), reach, jnp.nan)
    noise = jnp.var(values) / permutations
    corrected = replace(
        found,
        value=found.value - jnp.mean(values),
        std_error=jnp.sqrt(found.std_error**2 + noise),
        bias="unknown",
    )
    return Null(values, reach, corrected)


@partial(jax.jit, static_argnums=0)
def _shuffled(estimator: Callable[[Any, Any], Estimate], x: JaxArray, y: JaxArray, keys: Any):
    return jax.lax.map(lambda k: estimator(x, jax.random.permutation(k, y)).value, keys)


def _by_trees(estimator: Callable[[Any, Any], Estimate], x: JaxArray, y: JaxArray) -> bool:
    """Whether an estimator finds neighbours by trees, which no program of XLA can hold.

    Seen of the estimators of this package, also with keywords settled by `functools.partial`.
    """
    function, settings = estimator, {}
    if isinstance(estimator, partial):
        function, settings = estimator.func, estimator.keywords
    if function in (sliced, max_sliced, k_sliced):
        return trees_win(2 * settings.get("dim", 1), x, y)
    sides = [x, y]
    if function in (mixed, ross):  # classes have no dimension
        sides = [v for v in sides if v.ndim > 1 or not is_classes(v)]
    dims = sum(v.shape[1] if v.ndim > 1 else 1 for v in sides)
    return dims > 0 and function in (ksg, mixed, ross) and trees_win(dims, x, y)


def _ready(name: str, value: Array) -> JaxArray:
    """Samples as arrays that resampling can index and no cast has robbed of digits."""
    if not concrete(value):
        value = jnp.asarray(value)
        return value if is_classes(value) else widened(value)
    known = host(name, value)
    if known.ndim == 1 and is_classes(known):
        return jnp.asarray(codes(name, known))
    return jnp.asarray(samples(name, known).reshape(known.shape), precision(value))
