"""The two solutions at n ~ d^2 of one alpha: rows of the teacher not found, or found in part."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.teacher.free_convolution import RowReadout, denoise
from ibjax.teacher.hermite_parts import HermiteParts
from ibjax.teacher.priors import PriorName, scalar_problem
from ibjax.typing import Float
from ibjax.typing import JaxArray as Array


class Branch(NamedTuple):
    """One solution.

    Attributes:
        q_w: overlap with each row.
        q2: overlap with the quadratic part.
        error: Bayes error on the noiseless output.
        information: I(W; data)/(k d), nats: -log(noise)/2 less the free entropy per sample, times
            samples per parameter, without the digits that would cancel between them.
    """

    q_w: Float[Array, ""]
    q2: Float[Array, ""]
    error: Float[Array, ""]
    information: Float[Array, ""]


def universal_branch(alpha, parts: HermiteParts, gamma, delta, readout: RowReadout) -> Branch:
    """Rows not found: the matrix fixed point q2 = m(r(q2)), by bracketing."""

    def signal(q):
        return 2 * alpha * parts.quadratic / (delta + parts.quadratic * (1 - q) + parts.higher)

    def excess(q):
        return denoise(signal(q), gamma, readout).overlap - q

    zero, one = jnp.zeros_like(alpha), jnp.ones_like(alpha)

    def wide(state):
        i, low, high, f_low, f_high, _ = state
        eps = jnp.finfo(low.dtype).eps * high
        least = jnp.minimum(jnp.abs(f_low), jnp.abs(f_high))
        return (i < 40) & (high - low > 2 * eps) & (least > eps)

    def shrink(state):
        """Halving in turn with the secant of Illinois."""
        i, low, high, f_low, f_high, side = state
        place = (low * f_high - high * f_low) / jnp.where(f_high == f_low, 1, f_high - f_low)
        inside = (place > low) & (place < high)
        place = jnp.where(inside, place, (low + high) / 2)
        f = excess(place)
        left = f > 0
        f_low = jnp.where(left, f, jnp.where(side == -1, f_low / 2, f_low))
        f_high = jnp.where(left, jnp.where(side == 1, f_high / 2, f_high), f)
        low, high = jnp.where(left, place, low), jnp.where(left, high, place)
        return i + 1, low, high, f_low, f_high, jnp.where(left, 1, -1)

    first, last = jnp.maximum(excess(zero), 0), excess(one)
    state = (jnp.zeros((), int), zero, one, first, last, jnp.zeros((), int))
    _, low, high, f_low, f_high, _ = jax.lax.while_loop(wide, shrink, state)
    q = jnp.where(jnp.abs(f_low) < jnp.abs(f_high), low, high)
    r = signal(q)
    q = jnp.where(parts.quadratic > 0, q, 0)
    error = parts.quadratic * (1 - q) + parts.higher
    matrix = denoise(r, gamma, readout).information / 2 - r * q / 4
    information = (alpha / 2 * jnp.log1p(error / delta) - matrix) / gamma
    return Branch(zero, q, error, information)


def specialised_branch(alpha, parts: HermiteParts, gamma, delta, prior: PriorName) -> Branch:
    """The solution of largest free entropy, the least information, q_w = 0 among them."""

    def at(log_snr):
        problem = scalar_problem(jnp.exp(log_snr), prior)
        return _row_state(problem, alpha, parts, gamma, delta)

    def excess(log_snr):
        following = at(log_snr)[1]
        tiny = jnp.finfo(following.dtype).tiny
        return jnp.log(jnp.maximum(following, tiny)) - log_snr

    # No signal exceeds this one: little noise and many examples push the solution up to it.
    most = alpha / gamma * (parts.slope(jnp.ones_like(alpha)) + 2 * parts.quadratic) / delta
    ends = jnp.maximum(jnp.log(jnp.maximum(most, 1)) + 1, 17)
    above = jnp.linspace(16, ends, 65)[1:]
    grid = jnp.concatenate([jnp.linspace(-12, 16, 225), above]).astype(alpha.dtype)
    values = jax.vmap(excess)(grid)
    cell = jnp.nonzero((values[:-1] > 0) != (values[1:] > 0), size=4, fill_value=-1)[0]

    def solve(index):
        low, high = grid[index], grid[index + 1]
        rising = values[index] > 0

        def halve(_, ends):
            low, high = ends
            middle = (low + high) / 2
            same = (excess(middle) > 0) == rising
            return jnp.where(same, middle, low), jnp.where(same, high, middle)

        low, high = jax.lax.fori_loop(0, 52, halve, (low, high))
        branch = at((low + high) / 2)[0]
        return branch._replace(information=jnp.where(index >= 0, branch.information, jnp.inf))

    some = jax.vmap(solve)(cell)
    nothing = at(jnp.asarray(-jnp.inf, alpha.dtype))[0]
    every = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), nothing, some)
    best = jnp.argmin(every.information)
    return jax.tree.map(lambda x: x[best], every)


def _row_state(problem, alpha, parts: HermiteParts, gamma, delta):
    """The branch at one overlap of the rows, and the signal that overlap would cause."""
    q, left = problem.q, problem.mmse * (1 + problem.q)
    gain = 2 * alpha * parts.quadratic
    hidden = parts.hidden(problem.mmse)
    rest = delta + hidden
    # S = rest + c_2^2 (1 - q2) with 1 - q2 = left / (1 + left gain / S): a quadratic in S.
    half = left * gain - rest - parts.quadratic * left
    root = jnp.sqrt(half**2 + 4 * rest * left * gain)
    positive = jnp.where(half > 0, half + root, 1)
    total = jnp.where(half > 0, 2 * rest * left * gain / positive, (root - half) / 2)
    signal = gain / total
    seen = left * signal
    missing = left / (1 + seen)
    following = alpha / gamma * parts.slope(q) / total + q * signal / (1 + seen) / gamma
    matrix = (seen / (1 + seen) - jnp.log1p(seen)) / 2
    error = hidden + parts.quadratic * missing
    information = (alpha * jnp.log1p(error / delta) - matrix) / (2 * gamma) - problem.potential
    return Branch(q, 1 - missing, error, information), following
