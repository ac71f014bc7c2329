"""Inversions of the comparison functions behind the bounds, as bisections without a solver.

Each returns the largest number compatible with an information budget, elementwise and
broadcasting, to the precision of the input (1e-9 in float64). All increase with the training
loss and the information and are concave in both, so they are applied to the *means*. A negative or
out-of-range concrete argument is refused; a traced one gives NaN.

They are differentiable in both arguments through the implicit function F(l, R) = i:
``dR/di = 1/F_R`` and ``dR/dl = -F_l/F_R``. At the edges the derivative is the one-sided one:

at i = 0:         1 in l, since R(l, 0) = l; +inf in i for 0 < l < 1
at l = 0 < i:     +inf in l, finite in i
where R is capped at 1: 0 in both
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from ibjax.bounds import checks
from ibjax.bounds.bisection import bisected
from ibjax.bounds.pinsker import bregman as bregman
from ibjax.bounds.pinsker import envelope_root, steepest_rate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray

_Numbers = Float[Array, "*batch"] | float
_Roots = Float[JaxArray, "*batch"]


@enforced
def phi(i: _Numbers) -> _Roots:
    """Largest gap g with ``phi(g) <= i``: replaces sqrt(2 i) in any bound of that shape.

    ``phi(g) = ((1 + g) log(1 + g) + (1 - g) log(1 - g)) / 2 = log 2 - h((1 + g) / 2) >= g^2 / 2``

    A fair bit U in {-1, 1} and X in [-1, 1] with E[U X] = g have I(X; U) >= phi(|g|): binarising X
    without bias gives a binary symmetric channel that agrees with probability (1 + g)/2.

    Args:
        i: information in nats, any shape.

    Returns:
        g in [0, 1]; 1 from log 2 on.
    """
    (i,) = _prepare(i=i)
    return _phi_root(i)


@enforced
def pair(l: _Numbers, i: _Numbers) -> _Roots:  # noqa: E741
    """Largest test error given the training error and the loss-difference information.

    ``sup { R : J(a, b) <= i, a + c = l, b + c = R, a + b + c <= 1, a, b, c >= 0 }`` with
    ``J(a, b) = a log(2a/(a + b)) + b log(2b/(a + b))``

    Here a, b and c are the probabilities that only the training, only the test, or both members
    of a pair are wrong, and J is the information of their difference about the mask; by joint
    convexity it may be averaged over pairs. While R <= 1 - l the optimum is J(l, R) = i with
    c = 0; beyond, the masses must sum to one: R = 1 - a with J(a, 1 - l) = i. Equals the best
    member of the family ``(1 + c) l + i/lam``, ``e^lam + e^(-lam (1 + c)) <= 2``, up to there.

    Args:
        l: mean training error in [0, 1].
        i: mean information in nats.

    Returns:
        The largest test error, in [l, 1].

    Reference:
        Closed solution, derived here, of the fast-rate family of Wang, Mao 2023, "Tighter
        information-theoretic generalization bounds from supersamples".
    """
    return _pair_root(*_prepare(l=l, i=i))


@enforced
def kl_half(l: _Numbers, i: _Numbers) -> _Roots:  # noqa: E741
    """Largest test error R with ``kl(l || (l + R)/2) <= i``.

    Args:
        l: mean training error in [0, 1].
        i: mean information in nats.

    Reference:
        Hellstrom, Durisi 2022, "A new family of generalization bounds using samplewise
        evaluated CMI".
    """
    return ghost(l, i, 2)


@enforced
def ghost(l: _Numbers, i: _Numbers, k: int) -> _Roots:  # noqa: E741
    """Largest test error R with ``kl(l || (l + (k - 1) R)/k) <= i``.

    One used example among k candidates: k = 2 is `kl_half`, k -> infinity is `kl`.

    Args:
        l: mean training error in [0, 1].
        i: information about which candidate was used, in nats.
        k: number of candidates, at least 2.
    """
    k = checks.static_whole("k", k, 2)
    return _kl_root(*_prepare(l=l, i=i), (k - 1) / k)


@enforced
def kl(q: _Numbers, c: _Numbers) -> _Roots:
    """Largest p with ``kl(q || p) <= c``, the upper inverse of the binary relative entropy.

    Args:
        q: observed error in [0, 1].
        c: budget in nats.

    Returns:
        p in [q, 1].
    """
    return _kl_root(*_prepare(q=q, c=c), 1.0)


@enforced
def envelope(i: _Numbers) -> _Roots:
    """Largest gap ``V(i) = max_l [kl^-1(l, i) - l]``, in the place of sqrt(i/2): tight Pinsker.

    V is concave, below 1 and below sqrt(i/2), and no function of the information alone is smaller
    for losses in [0, 1]. Its derivative at i = 0, infinite, is given as 0.

    Reference:
        Fedotov, Harremoes, Topsoe 2003, "Refinements of Pinsker's inequality".
    """
    (i,) = _prepare(i=i)
    return envelope_root(i)


@enforced
def kl_gap(q: _Numbers, c: _Numbers) -> _Roots:
    """Largest gap ``p - l`` with ``kl(l || p) <= c`` and a training error l of at most q.

    The gap is not monotone in l: it peaks, at V(c), where l reaches the maximiser of `envelope`.

    Args:
        q: upper limit on the expected training error, in [0, 1].
        c: information in nats.
    """
    q, c = _prepare(q=q, c=c)
    peak = jax.lax.stop_gradient(steepest_rate(c))
    rate = jnp.minimum(q, peak)
    return jnp.where(q >= peak, envelope_root(c), _kl_root(rate, c, 1.0) - rate)


@enforced
def js(l: _Numbers, i: _Numbers) -> _Roots:  # noqa: E741
    """Largest test error R with ``h((l + R)/2) - h(l)/2 - h(R)/2 <= i``.

    The left side is the binary Jensen-Shannon divergence; for 0-1 losses it equals the single-loss
    information I(L; U) of exchangeable columns, so the inversion returns the test error itself.

    Args:
        l: mean training error in [0, 1].
        i: single-loss information in nats.

    Returns:
        The largest test error, in [l, 1].
    """
    return _js_root(*_prepare(l=l, i=i))


def _differentiable(slopes: Callable[..., tuple[JaxArray, ...]]):
    """Give a root the derivatives ``slopes(root, *arguments)``, one for each leading argument."""

    def decorate(solver):
        root = jax.custom_jvp(solver)

        # Symbolic zeros: an argument held fixed must not enter as 0 times an infinite slope.
        @partial(root.defjvp, symbolic_zeros=True)
        def rule(primals, tangents):
            value = root(*primals)
            change = jnp.zeros_like(value)
            for slope, tangent in zip(slopes(value, *primals), tangents):
                if not isinstance(tangent, SymbolicZero):
                    change = change + slope * tangent
            return value, change

        return root

    return decorate


def _edges(root, rate, i, in_rate, in_i, at_zero) -> tuple[JaxArray, JaxArray]:
    """Slopes with their one-sided limits at R = 1 and i = 0; `at_zero` is dR/di at l = i = 0."""
    in_rate, in_i = (jnp.where(root >= 1, 0.0, slope) for slope in (in_rate, in_i))
    steepest = jnp.where(rate > 0, jnp.inf, at_zero)
    return jnp.where(i <= 0, 1.0, in_rate), jnp.where((i <= 0) & (root < 1), steepest, in_i)


def _ratio(top: JaxArray, bottom: JaxArray) -> JaxArray:
    """top/bottom, and 1 for 0/0: both vanish alike where R meets l."""
    return jnp.where((top == 0) & (bottom == 0), 1.0, top / bottom)


def _phi_slope(root, i):
    return (1 / jnp.arctanh(root),)


def _pair_slopes(root, rate, i):
    # J has the slopes -down in a and up in b, at (l, R) or past the corner at (1 - R, 1 - l).
    corner = rate + root >= 1
    a, b = jnp.where(corner, 1 - root, rate), jnp.where(corner, 1 - rate, root)
    down, up = jnp.log1p((b - a) / (2 * a)), -jnp.log1p((a - b) / (2 * b))
    down, up = jnp.where(corner, up, down), jnp.where(corner, down, up)
    return _edges(root, rate, i, _ratio(down, up), 1 / up, 1 / jnp.log(2.0))


def _kl_slopes(root, rate, i, share):
    # kl(l || p) has the slopes -odds in l and steep in p.
    up, p, rest = _toward(root, rate, share)
    odds, steep = jnp.log1p(up / (rate * rest)), up / (p * rest)
    along = (_ratio(odds, steep) - (1 - share)) / share
    return _edges(root, rate, i, along, 1 / (share * steep), 1 / share)


def _js_slopes(root, rate, i):
    # Twice the slopes of the divergence: log odds ratios of the middle with l and with R.
    half, middle, rest = _toward(root, rate, 0.5)
    down, up = jnp.log1p(half / (rate * rest)), jnp.log1p(half / (middle * (1 - root)))
    return _edges(root, rate, i, _ratio(down, up), 2 / up, 2 / jnp.log(2.0))


def _toward(root, rate, share):
    """(p - l, p, 1 - p) for p = l + share (R - l)."""
    up = share * (root - rate)
    # With a full share 1 - R keeps the digits that 1 - l - up loses next to 1.
    return up, rate + up, jnp.where(share == 1, 1 - root, 1 - rate - up)


@jax.jit
@_differentiable(_phi_slope)
def _phi_root(i: JaxArray) -> JaxArray:
    return _solve(_phi, i, jnp.zeros_like(i), jnp.ones_like(i))


@jax.jit
@_differentiable(_pair_slopes)
def _pair_root(rate: JaxArray, i: JaxArray) -> JaxArray:
    other = 1 - rate
    constrained = (rate >= 0.5) | (_pair(rate, other) <= i)
    # J(a, 1 - rate) decreases in a: solve for how far a stays below its largest value.
    most = jnp.minimum(rate, other)

    def information(x):
        return _pair(jnp.where(constrained, most - x, rate), jnp.where(constrained, other, x))

    low = jnp.where(constrained, 0.0, rate)
    found = _solve(information, i, low, jnp.where(constrained, most, other))
    return jnp.where(constrained, 1 - (most - found), found)


@jax.jit
@_differentiable(_kl_slopes)
def _kl_root(rate: JaxArray, i: JaxArray, share: JaxArray | float) -> JaxArray:
    def divergence(r):
        up, _, rest = _toward(r, rate, share)
        return _kl(rate, up, rest)

    return _solve(divergence, i, rate, jnp.ones_like(i))


@jax.jit
@_differentiable(_js_slopes)
def _js_root(rate: JaxArray, i: JaxArray) -> JaxArray:
    def divergence(r):
        half, _, top = _toward(r, rate, 0.5)
        return (_kl(rate, half, top) + _kl(r, -half, top)) / 2

    return _solve(divergence, i, rate, jnp.ones_like(i))


def _prepare(**arguments) -> tuple[JaxArray, ...]:
    """Arguments in one float dtype and shape: rates in [0, 1], information nonnegative."""
    arrays = [
        checks.real(name, value, 0.0, 1.0 if name in ("l", "q") else None)
        for name, value in arguments.items()
    ]
    dtype = jnp.result_type(*arrays)
    return tuple(a.astype(dtype) for a in jnp.broadcast_arrays(*arrays))


def _phi(g: JaxArray) -> JaxArray:
    return (bregman(g) + bregman(-g)) / 2


def _pair(a: JaxArray, b: JaxArray) -> JaxArray:
    total = a + b
    positive = total > 0
    return total * _phi(jnp.where(positive, (b - a) / jnp.where(positive, total, 1.0), 0.0))


def _kl(q: JaxArray, up: JaxArray, rest: JaxArray) -> JaxArray:
    """kl(q || q + up) given rest = 1 - (q + up); the differences stay exact where small."""
    p = q + up

    def part(mass, difference, numerator):
        positive = mass > 0
        ratio = difference / jnp.where(positive, mass, 1.0)
        nothing = jnp.where(numerator > 0, jnp.inf, 0.0)
        return jnp.where(positive, mass * bregman(jnp.maximum(ratio, -1.0)), nothing)

    return part(p, -up, q) + part(rest, up, 1 - q)


def _solve(
    function: Callable[[JaxArray], JaxArray], target: JaxArray, low: JaxArray, high: JaxArray
) -> JaxArray:
    """Largest x in [low, high] with function(x) <= target, for an increasing function."""
    root, _ = bisected(lambda x: function(x) <= target, low, high, high_first=True)
    return jnp.where(jnp.isnan(target) | jnp.isnan(low), jnp.nan, root)
