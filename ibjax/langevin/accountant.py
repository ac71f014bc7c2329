r"""The trajectory accountant: what a run reveals about which of two candidates it trained on.

Fix everything but one training slot J, whose candidates are the example used and its ghost. Two
noisy steps with the same noise and different drifts are Gaussians, so the log-likelihood ratio of
the whole path, wrong candidate against right, is known exactly:

.. math:: Y_{t+1} = Y_t - k_t - \sqrt{2k_t}\,\langle D_t/|D_t|, \xi_t\rangle,\qquad
          k_t = \frac{\eta_t^2}{2 s_t^2 b^2}|D_t|^2,

with D_t the difference of the (clipped) gradients of ghost and used example and xi_t the noise
as added to the weights. Every example of a batch is a slot, so one run gives n ratios. They hold
for batches chosen independently of the data, whose indices are conditioned on.
"""

from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

NODES = 40
"""Gauss-Hermite nodes of the Rao-Blackwell increment; enough up to k = 50."""

FEW_NODES, SMALL = 8, 0.1
"""Nodes that are enough (1e-9) while every k is below SMALL, as it is in most steps."""


class Account(NamedTuple):
    """Running sums per slot, with what rounding has cost them; each (n,).

    Attributes:
        llr: the log-likelihood ratio Y.
        gain: Rao-Blackwell estimate of the information so far, in nats.
        test_prior: sum of k_t sigmoid(Y_t)^2, the cost of the binary-test prior.
        lost: rounding errors of the three, (3, n).
    """

    llr: Array
    gain: Array
    test_prior: Array
    lost: Array


def start(n: int) -> Account:
    """Nothing revealed about any of n slots."""
    zeros = jnp.zeros(n)
    return Account(zeros, zeros, zeros, jnp.zeros((3, n)))


def update(
    account: Account,
    slots: Array,
    difference_sq: Float[Array, " b"],
    difference_noise: Float[Array, " b"],
    scale: Array,
) -> Account:
    """The account after one step.

    Args:
        account: before it.
        slots: positions of the batch's members, distinct, (b,).
        difference_sq: |D|^2 of each.
        difference_noise: <D, xi> of each.
        scale: eta / (s b), so that k = scale^2 |D|^2 / 2.
    """
    chex.assert_equal_shape([slots, difference_sq, difference_noise])
    y = account.llr[slots]
    k = 0.5 * scale**2 * difference_sq
    p = jax.nn.sigmoid(y)
    terms = jnp.stack([-k - scale * difference_noise, increment(k, y), k * p**2])
    sums = jnp.stack([account.llr[slots], account.gain[slots], account.test_prior[slots]])
    corrected = terms - account.lost[:, slots]
    new = sums + corrected
    lost = jnp.where(jnp.isfinite(new), (new - sums) - corrected, 0.0)
    return Account(
        account.llr.at[slots].set(new[0]),
        account.gain.at[slots].set(new[1]),
        account.test_prior.at[slots].set(new[2]),
        account.lost.at[:, slots].set(lost),
    )


def increment(k: Float[Array, " b"], y: Float[Array, " b"]) -> Float[Array, " b"]:
    r"""Expected information of one step given the past, in nats.

    .. math:: H(k, Y) = E_N[-\log(1 - p + p\,e^{-k + \sqrt{2k} N})],\quad p = \mathrm{sigmoid}(Y).

    The chain rule makes the sum of these an unbiased estimate of the path's information, with a
    fraction of the variance of ``log 2 - softplus(Y_T)``. Each term is at least 0 and at most
    softplus(Y), its limit for large k; beyond k = 50 that limit is returned.

    Args:
        k: divergences between the candidates' steps, >= 0.
        y: log-likelihood ratios before the step.
    """
    few, many = partial(_gauss, count=FEW_NODES), partial(_gauss, count=NODES)
    return jax.lax.cond(jnp.max(k) < SMALL, few, many, k, y)


def _gauss(k: Array, y: Array, count: int) -> Array:
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    weights = weights / weights.sum()
    capped = jnp.minimum(k, 50.0)[:, None]
    exponent = -capped + jnp.sqrt(2 * capped) * jnp.asarray(nodes, k.dtype)
    log_keep, log_p = -jax.nn.softplus(y)[:, None], jax.nn.log_sigmoid(y)[:, None]
    values = -jnp.logaddexp(log_keep, log_p + exponent) @ jnp.asarray(weights, k.dtype)
    return jnp.where(k > 50.0, jax.nn.softplus(y), values)


def read(account: Account) -> Float[Array, " 4"]:
    """Means over slots: information (Rao-Blackwell, log-ratio), test prior, and exp(Y).

    The expectation of exp(Y) is 1 whatever the run: the best single check of sign and scale.
    """
    sums = jnp.stack([account.llr, account.gain, account.test_prior]) - account.lost
    return jnp.stack(
        [
            jnp.mean(sums[1]),
            jnp.mean(jnp.log(2.0) - jax.nn.softplus(sums[0])),
            jnp.mean(sums[2]),
            jnp.mean(jnp.exp(sums[0])),
        ]
    )
