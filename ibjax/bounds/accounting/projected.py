r"""What the last weights of a projected run keep of an example: every step wears some of it away.

The step is ``W_{t+1} = U_t - (eta_t/b) sum_{j in B_t} g_t(j) + s_t xi_t``, with U_t the projection
of W_t onto a ball of radius R and gradients that look at U_t alone. Given the other examples, their
membership V and the layer noise, all independent of Z_i, split the noise, s^2 = s_1^2 + s_2^2. The
drift without the example and the noise s_2 are one fixed channel on a set of diameter
``D_t = 2 R + 2 eta_t C N_t/b``, N_t the number of the others in the batch: it keeps at most
eta_G(D_t/(2 s_2)) of what W_t knows. Given where it leads, X_t, the example shifts the rest by at
most r s/s_1 in units of s_1, with a coin that is independent of everything before:

.. math:: I_{t+1} \le \min_{s_1}\{ E\,\eta_G(D_t/(2 s_2))\, I_t + K(q, r_t s/s_1),\; I_t + K(q, r_t)
          \}

by the chain rule on (X_t, W_{t+1}). N_t has mean one over V, and is independent of the past, hence
of I_t. The recursion holds for I(Z_i; W_t | Z_-i) and whatever is computed from W_t alone.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import contraction
from ibjax.bounds import checks
from ibjax.bounds.accounting import binomial
from ibjax.bounds.accounting.mixtures import poisson_step
from ibjax.bounds.accounting.revealed import channel
from ibjax.bounds.accounting.rounding import up
from ibjax.bounds.accounting.rules import Setting
from ibjax.bounds.accounting.subsets import subset_step
from ibjax.bounds.layers.coefficients import coefficient
from ibjax.typing import JaxArray

_FAR, _CELLS = 6.0, 4096
"""Ratio D/(2 s) from which a step counts as keeping everything; cells of the table below it."""

_PARTS = (0.0025, 0.005, 0.01, *np.linspace(0.02, 0.98, 49), 0.99, 0.995, 0.999, 0.9999)
"""Shares s_1^2/s^2 of the noise of a step that are tried: what is left to hide the example."""

_LARGE = 2.0
"""Shift in units of the noise from which the closed form of `centred_step` is not tried."""


class Projected(NamedTuple):
    """A run whose weights are projected before each step.

    Attributes:
        setting: what the rules of the path read; its shifts are those of different steps.
        reach: eta_t C of these, the way a batch of one can move the weights.
        noise: s_t of these.
        moves: whether each is a step at all: one of size 0 has not been taken.
        radius: R.
        order: which of them each step of the run is, (T,).
    """

    setting: Setting
    reach: JaxArray
    noise: JaxArray
    moves: JaxArray
    radius: JaxArray
    order: JaxArray


def projected(s: Setting, step_sizes: Any, noise_stds: Any, clip: Any, radius: Any) -> Projected:
    """The run, each different step once where they are known now."""
    steps, noise = (jnp.asarray(a).astype(s.shift.dtype) for a in (step_sizes, noise_stds))
    order = np.arange(steps.shape[0])
    if checks.concrete(steps, noise):
        pairs = np.stack([np.asarray(steps), np.asarray(noise)])
        _, first, order = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
        steps, noise = steps[first], noise[first]
        s = s._replace(shift=s.shift[first])
    reach = jnp.where(steps == 0, 0.0, steps * jnp.asarray(clip, steps.dtype))
    size = jnp.asarray(radius).astype(steps.dtype)
    return Projected(s, reach, noise, steps > 0, size, jnp.asarray(np.ravel(order)))


class Choices(NamedTuple):
    """What a step does to the information I that it finds: any of ``keep I + cost``.

    Attributes:
        keep: (steps, choices).
        cost: likewise.
        path: added where nothing is worn away, (steps,).
    """

    keep: JaxArray
    cost: JaxArray
    path: JaxArray


def _poisson(p: Projected, table: JaxArray) -> Choices:
    """The example by a coin of its own; the number of the others is binomial."""
    s = p.setting
    return poisson_choices(p, table, s.q)


def poisson_choices(p: Projected, table: JaxArray, q: JaxArray) -> Choices:
    """The same with any probability q beside the constant normaliser b."""
    s, part = p.setting, _parts(p)
    sizes, above = binomial.levels(s.n - 1, q)
    keep = _kept(p, table, sizes, 1 - part)
    # E keep = keep(first) + sum_k P(N > size_k) (keep(size_{k+1}) - keep(size_k)).
    mean = keep[..., 0] + jnp.sum(above * jnp.diff(keep, axis=-1), -1)
    r = s.r[:, None] / jnp.sqrt(part)
    return Choices(
        up(mean, binomial.LEVELS),
        poisson_step(*jnp.broadcast_arrays(q, r, s.dim)),
        poisson_step(*jnp.broadcast_arrays(q, s.r, s.dim)),
    )


def _full(p: Projected, table: JaxArray) -> Choices:
    """Every example in every step: n - 1 others beside the one."""
    s, part, one = p.setting, _parts(p), jnp.ones_like(p.noise)
    keep = _kept(p, table, (s.n - 1)[None], 1 - part)[..., 0]
    cost = channel(one[:, None], s.r[:, None] / jnp.sqrt(part), s.dim)
    return Choices(keep, cost, channel(one, s.r, s.dim))


def _subsets(p: Projected, table: JaxArray) -> Choices:
    """Fresh subsets: b - 1 others and one more, j, whose place the example takes by a coin.

    The gradient of j depends on U_t, which X_t does not tell. Either it belongs to the drift, of b
    others, and the example shifts it by ``g_i - g_j`` where the coin says so, at most 2 r; or its
    mean ``(1 - q) g_j`` alone does, and the rest is `centred_step`; or the coin is revealed: then
    the steps without the example wear away with all of their noise, and the others pay as full
    batches do.
    """
    s, part, one = p.setting, _parts(p), jnp.ones_like(p.noise)
    q, r = s.q, s.r[:, None] / jnp.sqrt(part)
    both = _kept(p, table, jnp.stack([s.b - 1, s.b - q, s.b]), 1 - part)
    alone = _kept(p, table, s.b[None], jnp.ones((1,), p.noise.dtype))[..., 0]
    hidden = poisson_step(*jnp.broadcast_arrays(q, 2 * r, s.dim))
    revealed = up(q * both[..., 0] + (1 - q) * alone, 4)
    keep = jnp.concatenate([both[..., 2], both[..., 1], revealed], 1)
    costs = hidden, centred_step(q, r), channel(q * one[:, None], r, s.dim)
    cost = jnp.concatenate(costs, 1)
    found = Choices(keep, cost, subset_step(q * one, s.r, s.dim))
    whole = _full(p, table)
    whole = whole._replace(keep=jnp.tile(whole.keep, 3), cost=jnp.tile(whole.cost, 3))
    return jax.tree.map(lambda a, b: jnp.where(s.b < s.n, a, b), found, whole)


def centred_step(q: JaxArray, r: JaxArray) -> JaxArray:
    r"""Bound on ``KL((1 - q) N(q h) + q N(g - (1 - q) h) || N(0))`` for all |g|, |h| <= r.

    .. math:: \tfrac13 \{q^2 x + (1-q)^2 e(q^2 x) + 2q(1-q) e(q(2-q) x) + q^2 e((2-q)^2 x)\}
              + \tfrac{1}{6(1-q)} \{q^2 x + q^2 e(4x) + 2q e(2qx) + e(q^2 x)\}

    with x = r^2 and e(y) = exp(y) - 1 - y: near q^2 r^2/2 for small q and r, since the mean of the
    mixture is q g. With L its density over N(0), ``KL <= E_0 (L - 1)^2 (1/3 + 1/(6 L))`` by the
    second derivative of x log x; L is at least 1 - q times the ratio u of N(q h), and both
    ``E_0 (L - 1)^2`` and ``E_0 (L - 1)^2 / u`` are sums over k of squares of tensor moments over
    k!, of the shifts and of the shifts less q h, whose norms the triangle inequality bounds.

    Args:
        q: probability of the second shift.
        r: what the norms of g and h do not exceed.

    Reference:
        New here.
    """
    x = jnp.where(r < _LARGE, r * r, 1.0)

    def rest(y: JaxArray) -> JaxArray:
        return jnp.expm1(y) - y

    plain = q**2 * x + (1 - q) ** 2 * rest(q**2 * x) + q**2 * rest((2 - q) ** 2 * x)
    plain = plain + 2 * q * (1 - q) * rest(q * (2 - q) * x)
    over = q**2 * x + q**2 * rest(4 * x) + 2 * q * rest(2 * q * x) + rest(q**2 * x)
    some = jnp.where(q < 1, 1 - q, 1.0)
    found = up(plain / 3 + over / (6 * some), 64)
    return jnp.where((r < _LARGE) & (q < 1), found, jnp.where(jnp.isnan(q + r), jnp.nan, jnp.inf))


RULES: dict[str, Callable[[Projected, JaxArray], Choices]] = {
    "poisson": _poisson,
    "full": _full,
    "without_replacement": _subsets,
}
"""Batches for which the recursion is proved, where every replica draws its own."""


@partial(jax.jit, static_argnums=(0, 1))
def last_iterate(name: str, shared: bool, p: Projected, table: JaxArray) -> JaxArray:
    """Bound on the mean of I(Z_i; W_T | Z_-i) for the last weights; inf where none is proved.

    Args:
        name: how batches are drawn.
        shared: whether they are the same in all replicas, and hence given.
        p: the run.
        table: of the coefficient, see `table`.
    """
    if name not in RULES or (shared and name != "full"):
        return jnp.full((), jnp.inf, p.noise.dtype)
    s = p.setting
    value = recursion(RULES[name](p, table), p)
    proved = (p.radius < jnp.inf) & ~(s.smallest < s.b)
    return jnp.where(proved, value, jnp.inf)


def recursion(choices: Choices, p: Projected) -> JaxArray:
    """The steps of a run one after the other, each by the choice that leaves least."""

    def step(held: JaxArray, which: JaxArray) -> tuple[JaxArray, None]:
        keep, cost, path = (a[which] for a in choices)
        # By position: the slope of a minimum compares it with values that may be rounded anew.
        best = jnp.argmin(keep * held + cost)
        now = jnp.minimum(held + path, keep[best] * held + cost[best])
        return jnp.where(p.moves[which], up(now, 4), held), None

    start = jnp.zeros((), p.noise.dtype)
    return jax.lax.scan(step, start, p.order)[0]


def _parts(p: Projected) -> JaxArray:
    return jnp.asarray(_PARTS, p.noise.dtype)


def _kept(p: Projected, table: JaxArray, others: JaxArray, share: JaxArray) -> JaxArray:
    """eta_G of every step, share s_2^2/s^2 of the noise and number of others."""
    s, silent = p.setting, p.noise == 0
    diameter = 2 * p.radius + 2 * p.reach[:, None, None] * others / s.b
    noise = jnp.where(silent, 1.0, p.noise)[:, None, None] * jnp.sqrt(share)[:, None]
    ratio = jnp.where(silent[:, None, None], _FAR, diameter / (2 * noise))
    return looked_up(ratio, table)


def looked_up(ratio: JaxArray, table: JaxArray) -> JaxArray:
    """eta_G at a ratio D/(2 s), rounded upwards.

    Chords of the table, which lie above it where it is convex and at most a square of the cell
    times ``max (-eta'')/8`` below where it is concave; eta'' is above -1.
    """
    cell = _FAR / _CELLS
    place = jnp.clip(ratio, 0.0, _FAR) / cell
    low = jnp.minimum(jnp.floor(place).astype(jnp.int32), _CELLS - 1)
    part = place - low
    chord = (1 - part) * table[low] + part * table[low + 1]
    margin = cell**2 / 8 + 16 * jnp.finfo(table.dtype).eps
    inside = jnp.minimum(chord + margin, 1.0)
    return jnp.where(jnp.isnan(ratio), jnp.nan, jnp.where(ratio < _FAR, inside, 1.0))


def table(dtype: Any) -> np.ndarray:
    """eta_G on the ratios of `looked_up`, in a precision, not below it."""
    exact = _table()
    rounded = exact.astype(dtype)
    return np.where(rounded < exact, np.nextafter(rounded, np.ones((), dtype)), rounded)


@cache
def _table() -> np.ndarray:
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        ratios = jnp.linspace(0.0, _FAR, _CELLS + 1, dtype=jnp.float64)
        found = contraction.gaussian_noise(2 * ratios, jnp.ones_like(ratios))
        return np.asarray(coefficient(found, certified=True, divergence="kl"))
