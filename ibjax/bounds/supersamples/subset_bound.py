"""The gap of models trained on random subsets, from single examples and any share of the pool."""

import jax
import jax.numpy as jnp

from ibjax.bounds import outcome
from ibjax.bounds.supersamples import flips, jackknife, nulls, plugin, replica_tables, rules
from ibjax.bounds.supersamples.nulls import Null
from ibjax.interface import BoundValue
from ibjax.typing import JaxArray


def subset_bound(data: replica_tables.Data, width: float = 1.0) -> BoundValue:
    """Bound the gap by what the loss of each example tells about its own membership.

    ``|E[L | out] - E[L | in]| <= sqrt(v I(L; B) / 2) / (pi (1 - pi))``

    for a loss in [0, 1] and the bit B that the example was trained on, of probability pi: the
    covariance of L and B is that of L - 1/2 and B - pi, sub-Gaussian with parameter
    ``v = (1 - 2 pi) / (2 log((1 - pi)/pi))`` times (L - 1/2)^2 under the product law (Kearns and
    Saul). At pi = 1/2 it is sqrt(2 I). Examples are averaged inside the root, by Jensen. The
    plug-in at a fixed number of models with the example is not below the truth in expectation.

    Args:
        data: of a pool, see `examples.pool`.
        width: length of the interval of the losses.
    """
    value, info, error = _subset(data)
    return outcome.result(
        width * value,
        name="single_example",
        kind="estimate",
        limit=width,
        assumptions=replica_tables.ASSUMPTIONS,
        information=info,
        about="other",  # of a membership that may be no fair coin, of which less can be told
        std_error=width * error,
        note="plug-in information of each example about its membership, mean first, root last: "
        "not below the truth in expectation, biased up near zero",
    )


@jax.jit
def _subset(data: replica_tables.Data) -> tuple[JaxArray, JaxArray, JaxArray]:
    replicas = data.masks.shape[1]
    loss = data.values[..., 0].astype(jnp.result_type(float))
    weights = jnp.stack([1 - loss, loss], -1)

    def means(use: JaxArray) -> tuple[JaxArray, JaxArray]:
        sides = jnp.stack([data.masks == 0, data.masks == 1], -1) & use[..., None]
        tables = jnp.einsum(
            "sknb,sknm->snbm",
            sides.astype(loss.dtype),
            weights,
            precision=jax.lax.Precision.HIGHEST,
        )
        counts = jnp.sum(tables, -1)
        share = counts[..., 1] / jnp.maximum(jnp.sum(counts, -1), 1.0)
        info = plugin.mutual_information(tables)
        inside = (share > 0) & (share < 1)
        pi = jnp.where(inside, share, 0.5)
        squared = inside * info * _proxy(pi) / 2 / (pi * (1 - pi)) ** 2
        units = jnp.maximum(jnp.sum(inside), 1)
        return jnp.sum(jnp.where(inside, squared, 0.0)) / units, jnp.sum(
            jnp.where(inside, info, 0.0)
        ) / units

    squared, info = means(data.valid)
    group = jnp.asarray(jackknife.groups(replicas))
    left = jax.lax.map(
        lambda g: means(data.valid & (group != g)[None, :, None])[0],
        jnp.arange(jackknife.count(replicas)),
    )
    spread = jackknife.error(left[:, None], jnp.ones(1, bool), jnp.array(False))
    value = jnp.sqrt(squared)
    low = jnp.sqrt(jnp.maximum(squared - rules.Z * spread, 0.0))
    high = jnp.sqrt(squared + rules.Z * spread)
    return value, info, jnp.maximum(value - low, high - value) / rules.Z


def _proxy(pi: JaxArray) -> JaxArray:
    """Sub-Gaussian parameter of a centred Bernoulli(pi): 1/4 at one half."""
    odd = 1 - 2 * pi
    near = jnp.abs(odd) < 1e-3
    safe = jnp.where(near, 0.5, odd)
    # artanh(x) = x + x^3/3 + ..: the quotient is 1/(4 + 4 x^2/3) near one half.
    return jnp.where(near, 0.25 / (1 + odd**2 / 3), safe / (4 * jnp.arctanh(safe)))


@jax.jit
def _dealt(data: replica_tables.Data, deals: JaxArray) -> tuple[JaxArray, JaxArray]:
    def one(deal: JaxArray) -> tuple[JaxArray, JaxArray]:
        value, info, _ = _subset(data._replace(masks=flips.dealt(data.masks, deal)))
        return value, info

    return jax.lax.map(one, deals)


def subset_null(data: replica_tables.Data, deals: JaxArray, width: float = 1.0) -> Null:
    """The null of `subset_bound` under dealt rows of the matrix, see `flips.strangers`."""
    value, info = _dealt(data, deals)
    return nulls.summary(width * value, info)
