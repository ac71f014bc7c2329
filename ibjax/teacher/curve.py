"""The curve alpha(r): every fixed point of the replica-symmetric equations, and its folds.

The equations are ``r = alpha snr(E)`` and ``E = E(r)``. Given r, alpha is explicit, so that the
curve ``alpha = r / snr(E(r))`` is single valued in ln r; its rising parts are stable, its
extrema are the spinodals.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.teacher.channels import Readout, Teacher, channel_rates
from ibjax.teacher.priors import PriorName, scalar_problem
from ibjax.teacher.roots import bracketed_peak, guided_root, interpolated_root
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array

FOLDS = 6


class Curve(NamedTuple):
    """The tabulated curve; `log_r` ascends and contains every spinodal found.

    Attributes:
        log_r: nodes ln r, (m,).
        log_alpha: ln alpha at the nodes, (m,).
        fold: places ln r of the extrema, ascending, NaN-padded, (6,).
        fold_log_alpha: ln alpha there, (6,).
        fold_is_peak: True at a maximum, (6,).
    """

    log_r: Float[Array, " m"]
    log_alpha: Float[Array, " m"]
    fold: Float[Array, " 6"]
    fold_log_alpha: Float[Array, " 6"]
    fold_is_peak: Array


def log_r_range(prior: PriorName) -> tuple[float, float]:
    """Where the curve is tabulated: beyond, E is 0 or q is 0 to the precision of floats."""
    return (-40.0, 40.0) if prior == "gaussian" else (-40.0, 6.4)


def log_alpha_at(
    log_r: Array, readout: Readout, prior: PriorName, teacher: Teacher, nodes: tuple[int, int, int]
) -> jax.Array:
    """Ln alpha of the fixed point with the given ln r, a scalar."""
    problem = scalar_problem(jnp.exp(log_r), prior)
    rates = channel_rates(readout, problem.q, problem.mmse, teacher, nodes)
    return log_r - jnp.log(rates.snr)


@partial(jax.jit, static_argnames=("readout", "prior", "nodes"))
def trace_curve(
    readout: Readout, prior: PriorName, teacher: Teacher, nodes: tuple[int, int, int]
) -> Curve:
    """Tabulate the curve and refine its extrema.

    Args:
        readout: the channel.
        prior: the law of the weights.
        teacher: constants, scalars.
        nodes: numbers of nodes for a smooth readout.

    Returns:
        Curve.
    """

    def height(z):
        return log_alpha_at(z, readout, prior, teacher, nodes)

    low, high = log_r_range(prior)
    dtype = jnp.result_type(teacher.rho)
    # Structure lives where r is of order one or reads out the noise; the tails are straight.
    core = 10.0 if prior == "gaussian" else high
    z = jnp.concatenate(
        [
            jnp.linspace(low, -6.0, 18, dtype=dtype),
            jnp.linspace(-6.0, core, 66, dtype=dtype)[1:],
            *([jnp.linspace(core, high, 24, dtype=dtype)[1:]] if core < high else []),
        ]
    )
    values = jax.lax.map(height, z, batch_size=8)
    step = jnp.diff(values)
    # Below the rounding of a flat tail there are no extrema.
    tiny = 64 * jnp.finfo(dtype).eps * (1 + jnp.abs(values[1:-1]))
    peak = (step[:-1] > tiny) & (step[1:] < -tiny)
    trough = (step[:-1] < -tiny) & (step[1:] > tiny)
    at = jnp.nonzero(peak | trough, size=FOLDS, fill_value=-1)[0]
    valid = at >= 0
    # Only the folds that exist are refined: most channels have none.
    sign = jnp.where(peak[at], 1.0, -1.0).astype(dtype)

    def refine(inputs):
        index, orient, real = inputs
        return jax.lax.cond(
            real,
            lambda: bracketed_peak(lambda x: orient * height(x), z[index], z[index + 2]),
            lambda: jnp.array(jnp.nan, dtype),
        )

    fold = jax.lax.map(refine, (at, sign, valid))
    fold_values = jnp.where(valid, jax.vmap(height)(jnp.where(valid, fold, z[-1])), jnp.nan)
    all_z = jnp.concatenate([z, jnp.where(valid, fold, high)])
    all_values = jnp.concatenate([values, jnp.where(valid, fold_values, values[-1])])
    order = jnp.argsort(all_z)
    return Curve(all_z[order], all_values[order], fold, fold_values, (sign > 0) & valid)


def crossings(curve: Curve, log_alpha: Array) -> tuple[jax.Array, jax.Array]:
    """Mark the cells of the curve that hold a fixed point.

    Returns:
        (rising, falling), each (m - 1,): stable and unstable fixed points.
    """
    below = curve.log_alpha[:-1] <= log_alpha
    above = curve.log_alpha[1:] > log_alpha
    return below & above, ~below & ~above


def solve_cell(
    index: Array,
    curve: Curve,
    log_alpha: Array,
    readout: Readout,
    prior: PriorName,
    teacher: Teacher,
    nodes: tuple[int, int, int],
) -> jax.Array:
    """The root ln r inside one cell, differentiable by the implicit function theorem.

    Returns:
        ln r, a scalar.
    """
    frozen, target = jax.lax.stop_gradient((teacher, log_alpha))
    curve = jax.lax.stop_gradient(curve)
    low, high = curve.log_r[index], curve.log_r[index + 1]
    at_low, at_high = curve.log_alpha[index], curve.log_alpha[index + 1]
    # Six points of the table give a guess good to about 1e-7 and its slope.
    first = jnp.clip(index - 2, 0, curve.log_r.size - 6)
    near_r, near_alpha = (
        jax.lax.dynamic_slice(x, (first,), (6,)) for x in (curve.log_r, curve.log_alpha)
    )
    guess, slope = interpolated_root(near_r, near_alpha, low, high, target)
    chord = (at_high - at_low) / (high - low)
    sound = jnp.isfinite(slope) & (jnp.sign(slope) == jnp.sign(chord))
    root = guided_root(
        lambda z: log_alpha_at(z, readout, prior, frozen, nodes) - target,
        jnp.where(sound, guess, low + (target - at_low) / chord),
        jnp.where(sound, slope, chord),
        low,
        high,
        at_low - target,
        at_high - target,
    )
    root = jax.lax.stop_gradient(root)
    return _implicit(root, log_alpha, readout, prior, teacher, nodes)


def _implicit(root, log_alpha, readout, prior, teacher, nodes):
    """The same number with the derivative dz = (dlog_alpha - d_theta h) / d_z h."""

    @jax.custom_jvp
    def attach(teacher, log_alpha, root):
        return root

    @attach.defjvp
    def _(primals, tangents):
        teacher, _, root = primals
        d_teacher, d_log_alpha, _ = tangents
        slope = jax.jvp(
            lambda z: log_alpha_at(z, readout, prior, teacher, nodes),
            (root,),
            (jnp.ones_like(root),),
        )[1]
        shift = jax.jvp(
            lambda t: log_alpha_at(root, readout, prior, t, nodes), (teacher,), (d_teacher,)
        )[1]
        return root, (d_log_alpha - shift) / slope

    return attach(teacher, log_alpha, root)
