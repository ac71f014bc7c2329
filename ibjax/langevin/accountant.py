r"""The trajectory account: what a run reveals about which of two candidates it trained on.

Fix everything but one training slot J, whose candidates are the example used and its ghost. Two
noisy steps with the same noise and different drifts are Gaussians, so the log-likelihood ratio of
the whole path, wrong candidate against right, is known exactly:

.. math:: Y_{t+1} = Y_t - k_t - \sqrt{2k_t}\,\langle D_t/|D_t|, \xi_t\rangle,\qquad
          k_t = \frac{\eta_t^2}{2 s_t^2 b^2}|D_t|^2,

with D_t the difference of the (clipped) gradients of ghost and used example and xi_t the noise
as added to the weights. Every example of a batch is a slot, so one run gives n ratios. They hold
for batches chosen independently of the data, whose indices are conditioned on.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from ibjax.interface import Network
from ibjax.langevin import accounts
from ibjax.langevin.gradients import differences
from ibjax.mi.two_normals import NODES, surprise, told
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

FEW_NODES, SMALL = 8, 0.1
"""Nodes that are enough (1e-9) while every k is below SMALL, as it is in most clipped steps."""

SMALL_MARGIN, MARGIN = 1e-7, 2e-5
"""More than a quadrature errs by in float32: for k below SMALL, and up to where J is its limit."""


ACCOUNTED = (
    "trajectory_cmi",
    "trajectory_cmi_llr",
    "test_prior_information",
    "likelihood_ratio",
    "membership_information",
)
"""What the account says, by the names of the evidence's fields."""


class Account(NamedTuple):
    """Running sums per slot, with what rounding has cost them; each (n,).

    Attributes:
        llr: the log-likelihood ratio Y.
        gain: Rao-Blackwell estimate of the information so far, in nats.
        test_prior: sum of k_t sigmoid(Y_t)^2, the cost of the binary-test prior.
        membership: sum of J(k_t, Y_t), the information of each step given the path before it,
            rounded upwards: the mean of `gain` over the mask as well, at most a quarter of k.
        lost: rounding errors of the four, (4, n).
    """

    llr: Array
    gain: Array
    test_prior: Array
    membership: Array
    lost: Array


def pairs(network: Network, unravel: Any, n: int, b: int) -> accounts.Account:
    """The account of every slot against its ghost, under the noise and layer noise of the steps.

    Args:
        network: gives the gradient of each example.
        unravel: from flat weights to parameters.
        n: number of training examples.
        b: the normaliser of the batch sum.
    """

    def step(account: Account, step: accounts.Step) -> Account:
        examples: Any = step.got.examples
        square, along = differences(network, step.params, examples, unravel(step.noise))
        scale = step.scale / b
        most = largest(scale, 2 * step.hyper.clip)  # two clipped gradients differ by no more
        return update(account, step.member, square, along, scale, most)

    return accounts.Account(partial(start, n), step, read, paired=True)


def start(n: int) -> Account:
    """Nothing revealed about any of n slots."""
    zeros = jnp.zeros(n)
    return Account(zeros, zeros, zeros, zeros, jnp.zeros((4, n)))


def update(
    account: Account,
    slots: Array,
    difference_sq: Float[Array, " b"],
    difference_noise: Float[Array, " b"],
    scale: Array,
    most: Array | float = math.inf,
) -> Account:
    """The account after one step.

    Args:
        account: before it.
        slots: positions of the batch's members, distinct, (b,).
        difference_sq: |D|^2 of each.
        difference_noise: <D, xi> of each.
        scale: eta / (s b), so that k = scale^2 |D|^2 / 2.
        most: what no k exceeds; from settings alone, see `increment`.
    """
    chex.assert_equal_shape([slots, difference_sq, difference_noise])
    before = account[:-1]
    y = account.llr[slots]
    k = 0.5 * scale**2 * difference_sq
    p = jax.nn.sigmoid(y)
    margin = jnp.where(k < SMALL, SMALL_MARGIN, MARGIN)
    gain, membership = _by_quadrature(partial(told, margin=margin), k, y, most)
    terms = jnp.stack([-k - scale * difference_noise, gain, k * p**2, membership])
    sums = jnp.stack([total[slots] for total in before])
    new, lost = accounts.compensated(sums, account.lost[:, slots], terms)
    llr, gain, test_prior, membership = (
        total.at[slots].set(one) for total, one in zip(before, new)
    )
    return Account(llr, gain, test_prior, membership, account.lost.at[:, slots].set(lost))


def largest(scale: Array, difference: Any) -> Array:
    """The largest k of a step whose drifts differ by at most so much."""
    return 0.5 * (scale * difference) ** 2


def increment(
    k: Float[Array, " b"], y: Float[Array, " b"], most: Array | float = math.inf
) -> Float[Array, " b"]:
    r"""Expected information of one step given the past, in nats: H(k, Y) of `surprise`.

    The chain rule makes the sum of these an unbiased estimate of the path's information, with a
    fraction of the variance of ``log 2 - softplus(Y_T)``.

    Args:
        k: divergences between the candidates' steps, >= 0.
        y: log-likelihood ratios before the step.
        most: what no k exceeds, the same for all replicas. It decides on the nodes, and not k: a
            choice by k would differ between batched replicas, which then pay for both.
    """
    return _by_quadrature(surprise, k, y, most)


def _by_quadrature(function: Callable[..., Any], k: Array, y: Array, most: Array | float) -> Any:
    few, many = (partial(function, nodes=nodes) for nodes in (FEW_NODES, NODES))
    return jax.lax.cond(most < SMALL, few, many, k, y)


def read(account: Account) -> dict[str, Float[Array, ""]]:
    """Means over slots.

    The expectation of exp(Y) is 1 whatever the run: the best single check of sign and scale.
    """
    llr, gain, test_prior, membership = jnp.stack(account[:-1]) - account.lost
    each = gain, jnp.log(2.0) - jax.nn.softplus(llr), test_prior, jnp.exp(llr), membership
    return dict(zip(ACCOUNTED, map(jnp.mean, each)))
