r"""The ledger of the tracked slots: what each step adds to the sums behind the path bounds.

Slot j of a run holds one of K candidates, the used one first. Given everything else, two steps
with the same noise and different drifts are Gaussians, so with :math:`D_{jk}` the difference of
the drifts under candidate k and under the used one (in units of the step size) and
:math:`a = \eta_t/s_t`, the log-likelihood ratio of the whole path is exactly

.. math:: Y_{jk} \leftarrow Y_{jk} - \tfrac{a^2}{2}|D_{jk}|^2 - a\langle D_{jk}, \xi_t\rangle .

Under Poisson batches one may leave the membership of slot j open as well: its step is then a
mixture of two Gaussians, with log-ratios of their densities in place of the above. Under the
truth E exp(Y) = 1 in either case, which the tests demand of every accumulator.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.langevin.accountant import increment
from ibjax.typing import JaxArray as Array


class Sums(NamedTuple):
    """Running sums of one run; J slots, K candidates. All start at zero.

    Attributes:
        llr: Y of the unused candidates, (J, K - 1).
        hidden: the same with the membership of the slot left open, (J, K - 1).
        gain: Rao-Blackwell estimate of the information for K = 2, in nats, (J,).
        test_prior: cost of the prior that weighs the candidates by their posterior, (J,).
        erf_prior: the same with weight (1 + erf Y)/2, for K = 2, (J,).
        incoherence: cost of the prior that predicts by the mean of the others in the batch, (J,).
        null: cost of the prior that predicts nothing, (J,).
        batch_gradient: a^2 |v|^2 / 2 of the drift v of each step.
        second_moment: a^2 / 2 times the mean squared norm of the per-example gradients.
        variance: a^2 / 2 times the expected incoherence of a random slot.
        dispersion: eta^2 times the variance of the batch gradient given the weights; no noise
            enters it, for the bounds of plain SGD.
    """

    llr: Array
    hidden: Array
    gain: Array
    test_prior: Array
    erf_prior: Array
    incoherence: Array
    null: Array
    batch_gradient: Array
    second_moment: Array
    variance: Array
    dispersion: Array


class Ledger(NamedTuple):
    """The sums and what rounding has cost them (compensated summation)."""

    sums: Sums
    lost: Sums


def start(slots: int, candidates: int) -> Ledger:
    """Nothing spent yet."""
    pairs, one, none = jnp.zeros((slots, candidates - 1)), jnp.zeros(slots), jnp.zeros(())
    zero = Sums(pairs, pairs, *(one,) * 5, *(none,) * 4)
    return Ledger(zero, zero)


def read(ledger: Ledger) -> Sums:
    """The sums with their lost digits."""
    return jax.tree.map(lambda total, lost: total - lost, ledger.sums, ledger.lost)


def add(ledger: Ledger, terms: Sums) -> Ledger:
    """Kahan's sum of every accumulator."""

    def new(total, lost, term):
        return total + (term - lost)

    def rest(total, lost, term):
        now = total + (term - lost)
        return jnp.where(jnp.isfinite(now), (now - total) - (term - lost), 0.0)

    arguments = (ledger.sums, ledger.lost, terms)
    return Ledger(jax.tree.map(new, *arguments), jax.tree.map(rest, *arguments))


def ratio_terms(
    y: Array, square: Array, along: Array, a: Any, most: Any = math.inf
) -> tuple[Array, Array, Array, Array]:
    """What one step adds to llr, gain, test_prior and erf_prior.

    Args:
        y: log-likelihood ratios before it, (J, K - 1).
        square: inner products <D_jk, D_jl>, (J, K - 1, K - 1).
        along: <D_jk, xi>, (J, K - 1).
        a: eta / s.
        most: what the divergence of no step exceeds; from settings alone, see `increment`.
    """
    energy = 0.5 * a**2 * jnp.maximum(jnp.diagonal(square, axis1=1, axis2=2), 0.0)
    ratio = -energy - a * along
    posterior = jax.nn.softmax(jnp.pad(y, ((0, 0), (1, 0))), axis=1)[:, 1:]
    mixed = jnp.einsum("jk,jkl,jl->j", posterior, square, posterior)
    prior = 0.5 * a**2 * jnp.maximum(mixed, 0.0)
    if y.shape[1] > 1:
        nothing = jnp.full(y.shape[:1], jnp.nan)
        return ratio, nothing, prior, nothing
    k, y = energy[:, 0], y[:, 0]
    return ratio, increment(k, y, most), prior, k * (0.5 + 0.5 * jax.lax.erf(y)) ** 2


def hidden_terms(gram: Array, along: Array, member: Array, a: Any, b: float, rate: float) -> Array:
    """What one step adds to the ratios with the membership of the slot left open.

    Without the slot the step would be N(mu, s^2 I); with candidate c in it the mean moves by
    -eta g_c / b. A candidate's step is the mixture of the two with weights 1 - rate and rate; its
    density over that of N(mu, s^2 I) at what happened, in terms of the noise xi, is
    1 - rate + rate exp(a^2 m <g_0, g_c>/b^2 - a <xi, g_c>/b - a^2 |g_c|^2/(2 b^2)).

    Args:
        gram: <g_jk, g_jl> of all candidates, (J, K, K).
        along: <g_jk, xi>, (J, K).
        member: 1 where the slot was in the batch, (J,).
        a: eta / s.
        b: the normaliser of the batch sum.
        rate: probability that an example is in a batch.
    """
    norms = jnp.diagonal(gram, axis1=1, axis2=2)
    exponent = (a / b) ** 2 * (member[:, None] * gram[:, 0] - norms / 2) - a / b * along
    log_in, log_out = jnp.log(rate), jnp.log1p(-rate) if rate < 1 else -jnp.inf
    density = jnp.logaddexp(log_out, log_in + exponent)
    return density[:, 1:] - density[:, :1]
