"""Information of a run about one example and about the sample, before anything is trained."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.bounds import checks, root
from ibjax.bounds.accounting import projected
from ibjax.bounds.accounting.revealed import channel
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.accounting.rules import (
    GIVEN,
    HIDDEN,
    UNKNOWN,
    Setting,
    anything,
    batch_norm_square,
    fewer,
    largest_batch_square,
)
from ibjax.bounds.kinds import proved
from ibjax.interface import BATCHINGS, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar

_REASON = "infinite without weight noise or clipping, NaN where an input is missing"

EXTRA_BATCHINGS = ("balls_and_bins", "truncated_poisson")
"""Ways to draw batches that have a bound but no code: the engine does not offer them."""


@enforced
def per_example_information(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    clip: Scalar,
    batching: str | Scalar,
    batch_size: int | Scalar,
    n: int | Scalar,
    dim: int | Scalar | None,
    *,
    smallest_batch: int | Scalar | None = None,
    shared_batches: bool | Scalar = False,
    capacity: int | Scalar | None = None,
    radius: Scalar | None = None,
) -> Estimate:
    """Upper bound on I(Z_i; W_0, ..., W_T | Z_j, j != i), mean over examples, in nats.

    Updates are ``W_{t+1} = W_t - (eta_t/b) sum_{j in B_t} g_t(j) + s_t xi_t`` with |g| <= C. One
    example shifts a step by at most r_t = eta_t C/(b s_t) in units of the noise, and by how much
    this pays depends on what the batches hide. Costs per step, with q = b/n:

    full, fixed:         ``q (d/2) log(1 + r^2/d)``, the revealed form; the partition of `fixed`
                         is the order of the examples and hides nothing
    poisson:             `mixture_kl`, or less in few dimensions
    without_replacement: `fixed_step`
    epochs:              `shuffled_epoch`; never as Poisson, which enumeration refutes
    whole_epochs:        revealed, the last b' examples averaged over b': b/b' times as much; as
                         `epochs` where b divides n
    with_replacement:    revealed ``q (1 + (b - 1)/n) r^2/2``, or hidden multiplicities
    balls_and_bins:      `bins_epoch` with n // b steps an epoch
    truncated_poisson:   Poisson with at most `capacity` members: + P(full) q r^2/2
    unknown (NaN):       ``r_1^2/(2n)`` with r_1 = eta C/s, a batch of one example: the worst, since
                         weights that add up to b have squares that add up to b^2 at most; Poisson
                         weights add up to b on average

    The smallest of what is proved is taken, never above the revealed form. Amplified forms are in
    expectation over batches drawn anew in every replica. Given batches that replicas share,
    the revealed form is the bound for every sequence of them: Poisson batches may then hold every
    example (r^2/2), draws with replacement one example b times, and unknown batches do what is
    worse of both.

    With a `radius` the bound is on I(Z_i; W_T | Z_j, j != i) of the last weights alone: each step
    starts from their projection onto a ball, W_{t+1} = P(W_t) - ..., and wears away some of what
    the weights held, see `projected`. It needs noise of the order of the ball, is never above the
    bound on the path, and is proved for full batches (shared or not), for Poisson batches and for
    fresh subsets; under other batches that on the path is returned.

    Args:
        step_sizes: eta_t, (T,); a step of size 0 costs nothing.
        noise_stds: s_t, (T,); a step that moves the weights without noise costs inf.
        clip: C, a bound on every example's gradient norm; inf gives inf.
        batching: a name, or its position in `interface.BATCHINGS` (also traced); NaN for unknown.
        batch_size: b, the constant normaliser.
        n: number of training examples.
        dim: number of trained parameters d; None for the linear forms.
        smallest_batch: fewest examples that a step was averaged over, where not b (or, in
            whole epochs, the remainder).
        shared_batches: whether all replicas saw the same batches; NaN counts as yes.
        capacity: most members of a truncated Poisson batch; b + 6 sqrt(b) by default.
        radius: R of the ball, where all gradients are those at projected weights; None, NaN or
            inf for no projection, and for what is released of the whole path.

    Returns:
        An exact `Estimate` with bias "up"; not ok where it is infinite or an input is missing.

    Assumes:
        Independent examples; batches independent of them; clipping of each example before the
        sum; no coupling of examples within a batch (batch normalisation); plain steps as above.
        Momentum and Adam add no noise of this form: give noise_stds of 0.

    Raises:
        ValueError: an unknown batching, shapes that do not match, numbers out of range.

    Reference:
        New here; the revealed form is that of Bu, Zou, Veeravalli 2020 for clipped batches.
    """
    s = _setting(
        step_sizes, noise_stds, clip, batching, batch_size, n, dim, smallest_batch, capacity
    )
    value = _dispatch(_run, batching, shared_batches, s)
    value = _of_the_last(value, radius, step_sizes, noise_stds, clip, batching, shared_batches, s)
    value = jnp.where(jnp.isnan(s.n), jnp.nan, up(value, 8))
    return proved(value, "per_example_information", "example", _REASON)


@enforced
def sample_information_total(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    clip: Scalar,
    batching: str | Scalar,
    batch_size: int | Scalar,
    n: int | Scalar,
    dim: int | Scalar | None,
    *,
    smallest_batch: int | Scalar | None = None,
    shared_batches: bool | Scalar = False,
    capacity: int | Scalar | None = None,
    radius: Scalar | None = None,
) -> Estimate:
    """Upper bound on I(S; W_0, ..., W_T) in nats: the smaller of two.

    ``I(S; W) <= min{ sum_t (d/2) log(1 + eta_t^2 G^2/(d s_t^2)), sum_i I(Z_i; W | Z_-i) }``

    The sum over examples follows from the chain rule and ``I(Z_i; Z_j, j > i | Z_j, j < i) = 0``,
    and is the smaller one save for large steps in few dimensions. G bounds the root mean square of
    a step's gradient: C, and more where batches vary in size around the constant normaliser.

    Args:
        step_sizes: eta_t, (T,); a step of size 0 costs nothing.
        noise_stds: s_t, (T,); a step that moves the weights without noise costs inf.
        clip: C, a bound on every example's gradient norm; inf gives inf.
        batching: a name, or its position in `interface.BATCHINGS` (also traced); NaN for unknown.
        batch_size: b, the constant normaliser.
        n: number of training examples.
        dim: number of trained parameters d; None for the linear forms.
        smallest_batch: fewest examples that a step was averaged over, where not b (or, in
            whole epochs, the remainder).
        shared_batches: whether all replicas saw the same batches; NaN counts as yes.
        capacity: most members of a truncated Poisson batch; b + 6 sqrt(b) by default.
        radius: of the ball that the weights are projected to before each step, for I(S; W_T) of
            the last ones; as in `per_example_information`.

    Returns:
        An exact `Estimate` with bias "up".

    Raises:
        ValueError: an unknown batching, shapes that do not match, numbers out of range.

    Reference:
        Pensia, Jog, Loh 2018, "Generalization error bounds for noisy, iterative algorithms", for
        the first; the sum is new here for these batches.
    """
    s = _setting(
        step_sizes, noise_stds, clip, batching, batch_size, n, dim, smallest_batch, capacity
    )
    each = _dispatch(_run, batching, shared_batches, s)
    each = _of_the_last(each, radius, step_sizes, noise_stds, clip, batching, shared_batches, s)
    each = each * s.n
    whole = _dispatch(_run_whole, batching, shared_batches, s)
    value = jnp.minimum(_known(each), _known(whole))
    value = jnp.where(jnp.isnan(each), jnp.nan, up(value, s.shift.shape[0] + 16))
    return proved(value, "sample_information_total", "sample", _REASON)


def shifts(step_sizes: Any, noise_stds: Any, clip: Any) -> JaxArray:
    """``eta_t C/s_t`` of every step, (T,): 0 where nothing moves, inf without noise.

    One whose square, over sizes of batches and samples, rounding would lose is `root.squarable`.
    """
    steps, noise = checks.schedule(step_sizes, noise_stds, 1)
    bound = checks.scalar("clip", clip, 0.0)
    dtype = jnp.result_type(steps, noise)
    bound = bound.astype(dtype)
    still, silent = (steps == 0) | (bound == 0), noise == 0
    moved = jnp.where(still, 0.0, steps) * jnp.where(still, 0.0, bound)
    moved = root.squarable(moved / jnp.where(silent, 1.0, noise), still)
    return jnp.where(silent & ~still, jnp.inf, moved).astype(dtype)


def name_of(batching: Any) -> str | None:
    """The name of a batching that is known now: "unknown" for NaN, None while traced.

    Raises:
        ValueError: a name or code that is none.
    """
    known = (*BATCHINGS, *EXTRA_BATCHINGS)
    if isinstance(batching, str):
        if batching not in known:
            raise ValueError(
                f"batching={batching!r} is unknown; choose one of {known}. Each has a bound of its "
                "own: one random permutation an epoch is 'epochs', not 'poisson'"
            )
        return batching
    if not checks.concrete(batching):
        return None
    code = arguments.host("batching", batching)
    if code.ndim or code.dtype.kind not in "fiub":
        raise ValueError(f"batching has shape {code.shape}; give one name, or one position")
    code = float(code)
    if np.isnan(code):
        return UNKNOWN
    if not 0 <= code < len(BATCHINGS) or code != int(code):
        raise ValueError(f"batching={code:g} is no position in {BATCHINGS}; give a name")
    return BATCHINGS[int(code)]


def _setting(
    step_sizes, noise_stds, clip, batching, batch_size, n, dim, smallest_batch, capacity
) -> Setting:
    shift = shifts(step_sizes, noise_stds, clip)
    b, n = checks.whole("batch_size", batch_size), checks.whole("n", n)
    name = name_of(batching)
    if checks.concrete(b, n) and b > n:
        raise ValueError(f"batch_size={b} exceeds n={n}; give batch_size <= n")
    if name == "full" and checks.concrete(b, n) and b < n:
        raise ValueError(
            f"batching='full' with batch_size={b} of n={n}: give batch_size={n}, or say how "
            "smaller batches are drawn"
        )
    if dim is not None and not (checks.concrete(dim) and np.ndim(dim) == 0 and dim == math.inf):
        dim = checks.whole("dim", dim)
    if smallest_batch is None:
        smallest_batch = jnp.nan
    elif checks.concrete(smallest_batch) and not np.isnan(smallest_batch):
        smallest_batch = checks.real("smallest_batch", smallest_batch, 1.0)
    numbers = (b, n, math.inf if dim is None else dim, smallest_batch)
    b, n, dim, smallest = (jnp.asarray(x).astype(shift.dtype) for x in numbers)
    b = jnp.where(b > n, jnp.nan, b)
    if capacity is None:
        capacity = jnp.minimum(jnp.ceil(b + 6 * jnp.sqrt(b)), n)
    else:
        capacity = jnp.asarray(checks.whole("capacity", capacity)).astype(shift.dtype)
    return Setting(shift, b, n, dim, smallest, capacity)


def _dispatch(run: Callable[..., JaxArray], batching: Any, shared_batches: Any, s: Any):
    """``run(name, shared, s)`` of the batching; by a switch over codes while traced."""
    name, shared = name_of(batching), _shared(shared_batches)
    if name is not None and checks.concrete(shared):
        return run(name, bool(shared), s)
    if name is not None:
        return jnp.where(shared, run(name, True, s), run(name, False, s))
    code = jnp.asarray(batching)
    whole = (code == jnp.round(code)) & (code >= 0) & (code < len(BATCHINGS))
    index = jnp.where(whole, code, len(BATCHINGS)).astype(jnp.int32)
    names = (*BATCHINGS, UNKNOWN)
    given, hidden = (
        jax.lax.switch(index, [partial(run, name, known) for name in names], s)
        for known in (True, False)
    )
    return jnp.where(shared, given, hidden)


@partial(jax.jit, static_argnums=(0, 1))
def _run(name: str, shared: bool, s: Setting) -> JaxArray:
    """The cost by one rule; that of any weights where batches were smaller than it knows of."""
    rule = (GIVEN if shared else HIDDEN)[name]
    if name in ("whole_epochs", UNKNOWN):
        return rule(s)
    # Draws with replacement may all be one example, however many they are.
    short = anything if name == "with_replacement" else fewer
    return jnp.where(s.smallest < s.b, short(s), rule(s))


@partial(jax.jit, static_argnums=(0, 1))
def _run_whole(name: str, shared: bool, s: Setting) -> JaxArray:
    """The batch form: every step a Gaussian channel of the power of the whole batch."""
    square = (largest_batch_square if shared else batch_norm_square)(name, s)
    return jnp.sum(channel(jnp.ones_like(s.shift), s.shift * jnp.sqrt(square), s.dim))


def _of_the_last(path, radius, step_sizes, noise_stds, clip, batching, shared_batches, s: Setting):
    """What the last weights hold of what the path does, where they are projected to a ball."""
    size = jnp.inf if radius is None else checks.scalar("radius", radius, 0.0)
    # What is given is looked at, not the array made of it, which a trace may hold.
    if radius is None or (checks.concrete(radius) and not np.isfinite(np.asarray(radius, float))):
        return path
    table = projected.table(s.shift.dtype)

    def run(name: str, shared: bool, p: projected.Projected) -> JaxArray:
        return projected.last_iterate(name, shared, p, table)

    p = projected.projected(s, step_sizes, noise_stds, clip, size)
    last = _dispatch(run, batching, shared_batches, p)
    return jnp.where(last < path, last, path)


def _shared(shared_batches: Any) -> Any:
    """Whether replicas may share their batches: anything but a clear no."""
    if checks.concrete(shared_batches):
        return np.asarray(shared_batches) != 0
    return jnp.asarray(shared_batches) != 0


def _known(value: JaxArray) -> JaxArray:
    return jnp.where(jnp.isnan(value), jnp.inf, value)
