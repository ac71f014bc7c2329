"""The forty laws of a benchmark of information estimators, with the information they hold.

Czyz, Grabowski, Vogt, Beerenwinkel, Marx (2023), Beyond normal: on the evaluation of mutual
information estimators. A map of each variable by itself that can be undone leaves the information
as it is, so one Gaussian or Student law gives many hard ones whose truth is known exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr

from ibjax.interface import Dataset
from ibjax.typing import JaxArray, Key

CORRELATION, PAIR_CORRELATION, DENSE_CORRELATION = 0.75, 0.8, 0.5
"""Of the bivariate laws, of each of two interacting pairs, and of all pairs of a dense law."""

Map = Callable[[JaxArray], JaxArray]


@dataclass(frozen=True)
class BenchmarkLaw:
    """One law of two continuous vectors and its information.

    Attributes:
        name: the benchmark's own key.
        dim_x: dimension of x.
        dim_y: dimension of y.
        mutual_information: I(X;Y) in nats, exactly.
        maker: ``(key, n) -> (x, y)``.
    """

    name: str
    dim_x: int
    dim_y: int
    mutual_information: float
    maker: Callable[[Key, int], tuple[JaxArray, JaxArray]]

    def draw(self, key: Key, n: int) -> Dataset:
        """Draw n pairs.

        Args:
            key: key of the draw.
            n: number of pairs.

        Returns:
            ``x`` (n, dim_x) and ``y`` (n, dim_y), no label, of JAX's default float type, and
            ``truth`` with ``mutual_information`` in nats.

        Raises:
            ValueError: for n below 1.
        """
        if n < 1:
            raise ValueError(f"n={n} must be at least 1")
        x, y = self.maker(key, n)
        return Dataset(x, y, 0, self.name, {"mutual_information": self.mutual_information})


def benchmark_laws() -> dict[str, BenchmarkLaw]:
    r"""The closed-form laws of the benchmark of Czyz et al. (2023), by its names.

    With d the dimension of each variable:

    - ``1v1-normal-0.75``: a correlation of 0.75; ``multinormal-dense-d-d-0.5``: all correlations
      0.5; ``multinormal-sparse-d-d-2-2.0``: two pairs of coordinates correlated by 0.8, the other
      coordinates independent;
    - ``1v1-additive-e``: X uniform on [0, 1], Y = X + U(-e, e);
      :math:`I = e - \log 2e` for e <= 1/2, 1/(4e) above;
    - ``student-identity-d-d-v``: a joint Student law with v degrees of freedom and no correlation,
      whose common scale still informs:
      :math:`I = h(d) + h(d) - h(2d)` with :math:`h(k) = \log\frac{\Gamma(v/2)(v\pi)^{k/2}}
      {\Gamma((v+k)/2)} + \frac{v+k}2\bigl(\psi(\tfrac{v+k}2) - \psi(\tfrac v2)\bigr)`;
    - maps of these: ``normal_cdf`` to uniform marginals, ``half_cube`` :math:`x\sqrt{|x|}`,
      ``asinh``, ``wiggly`` (a line with waves), ``bimodal`` marginals, ``swissroll_x`` (a uniform
      x rolled up in the plane) and ``spiral``, which turns two coordinates by the angle
      :math:`|x|^2/d`.

    Returns:
        Forty laws by name, in the benchmark's order. Their information is that of the base law.

    Reference:
        Czyz, Grabowski, Vogt, Beerenwinkel, Marx (2023), Beyond normal: on the evaluation of
        mutual information estimators; laws as published, in parameters and maps. Their Student
        entropies are those of Arellano-Valle, Contreras-Reyes, Genton (2013).
    """
    normal = _pairs("1v1-normal-0.75", 1, 1, CORRELATION)
    uniform = _mapped("normal_cdf", normal, ndtr, ndtr)
    student = _student(1, 1)
    pairs = {
        d: _pairs(f"multinormal-sparse-{d}-{d}-2-2.0", d, 2, PAIR_CORRELATION)
        for d in (2, 3, 5, 25)
    }
    of_pairs = [pairs[d] for d in (3, 5, 25)]
    flat = [_mapped("normal_cdf", law, ndtr, ndtr) for law in of_pairs]
    laws = [
        normal,
        uniform,
        _additive(0.1),
        _additive(0.75),
        _mapped("", normal, _bimodal(0.3, 0.0, 5.0), _bimodal(0.5, -1.0, 3.0), "1v1-bimodal-0.75"),
        _mapped("wiggly", normal, _wiggly_x, _wiggly_y),
        _mapped("half_cube", normal, _half_cube, _half_cube),
        student,
        _mapped("asinh", student, jnp.arcsinh, jnp.arcsinh),
        _mapped("swissroll_x", uniform, _swiss_roll, _same, dim_x=2),
        *(_dense(d) for d in (2, 3, 5, 25, 50)),
        *pairs.values(),
        *(_student(d, v) for d, v in ((2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3))),
        *flat,
        *(_mapped("half_cube", law, _half_cube, _half_cube) for law in of_pairs),
        *(_spiral(law) for law in (*of_pairs, *flat)),
        *(
            _mapped("asinh", _student(d, v), jnp.arcsinh, jnp.arcsinh)
            for d, v in ((2, 1), (3, 2), (5, 2))
        ),
    ]
    return {law.name: law for law in laws}


def _pairs(name: str, dim: int, pairs: int, correlation: float) -> BenchmarkLaw:
    """Pairs of correlated coordinates, the other coordinates independent."""

    def draw(key, n):
        x, z = jax.random.normal(key, (2, n, dim))
        shared = correlation * x[:, :pairs] + math.sqrt(1 - correlation**2) * z[:, :pairs]
        return x, jnp.concatenate([shared, z[:, pairs:]], axis=1)

    return BenchmarkLaw(name, dim, dim, -pairs / 2 * math.log1p(-(correlation**2)), draw)


def _dense(dim: int) -> BenchmarkLaw:
    r = DENSE_CORRELATION

    def draw(key, n):
        z = jax.random.normal(key, (n, 2 * dim + 1))
        both = math.sqrt(r) * z[:, :1] + math.sqrt(1 - r) * z[:, 1:]
        return both[:, :dim], both[:, dim:]

    # |(1 - r) I + r 11'| = (1 - r)^(d-1) (1 + (d - 1) r)
    truth = math.log1p((dim - 1) * r) - 0.5 * (math.log1p((2 * dim - 1) * r) + math.log1p(-r))
    return BenchmarkLaw(f"multinormal-dense-{dim}-{dim}-{r}", dim, dim, truth, draw)


def _student(dim: int, freedom: int) -> BenchmarkLaw:
    from scipy.special import digamma, gammaln

    def draw(key, n):
        z = jax.random.normal(key, (n, 2 * dim + freedom))
        scale = jnp.sqrt(jnp.mean(z[:, 2 * dim :] ** 2, axis=1, keepdims=True))
        both = z[:, : 2 * dim] / scale
        return both[:, :dim], both[:, dim:]

    def entropy(k: int) -> float:
        half, all_ = freedom / 2, (freedom + k) / 2
        volume = gammaln(half) - gammaln(all_) + k / 2 * math.log(freedom * math.pi)
        return float(volume + all_ * (digamma(all_) - digamma(half)))

    truth = 2 * entropy(dim) - entropy(2 * dim)
    return BenchmarkLaw(f"student-identity-{dim}-{dim}-{freedom}", dim, dim, truth, draw)


def _additive(width: float) -> BenchmarkLaw:
    def draw(key, n):
        x, u = jax.random.uniform(key, (2, n, 1))
        return x, x + width * (2 * u - 1)

    truth = width - math.log(2 * width) if width <= 0.5 else 1 / (4 * width)
    return BenchmarkLaw(f"1v1-additive-{width}", 1, 1, truth, draw)


def _mapped(
    prefix: str,
    base: BenchmarkLaw,
    map_x: Map,
    map_y: Map,
    name: str | None = None,
    dim_x: int | None = None,
) -> BenchmarkLaw:
    """The law of images under maps that can be undone: the same information."""

    def draw(key, n):
        x, y = base.maker(key, n)
        return map_x(x), map_y(y)

    truth = base.mutual_information
    return BenchmarkLaw(
        name or f"{prefix}-{base.name}", dim_x or base.dim_x, base.dim_y, truth, draw
    )


def _spiral(base: BenchmarkLaw) -> BenchmarkLaw:
    def turn(first: int) -> Map:
        def turned(v):
            angle = jnp.sum(v**2, axis=1) / v.shape[1]
            a, b = v[:, first], v[:, first + 1]
            c, s = jnp.cos(angle), jnp.sin(angle)
            return v.at[:, first].set(a * c - b * s).at[:, first + 1].set(a * s + b * c)

        return turned

    return _mapped("spiral", base, turn(0), turn(1))


def _same(v: JaxArray) -> JaxArray:
    return v


def _half_cube(v: JaxArray) -> JaxArray:
    return v * jnp.sqrt(jnp.abs(v))


def _wiggly_x(v: JaxArray) -> JaxArray:
    waves = 0.4 * jnp.sin(v) + 0.2 * jnp.sin(1.7 * v + 1) + 0.03 * jnp.sin(3.3 * v - 2.5)
    return v + waves


def _wiggly_y(v: JaxArray) -> JaxArray:
    waves = -0.4 * jnp.sin(0.4 * v) + 0.17 * jnp.sin(1.3 * v + 3.5) + 0.02 * jnp.sin(4.3 * v - 2.5)
    return v + waves


def _swiss_roll(v: JaxArray) -> JaxArray:
    t = 1.5 * math.pi * (1 + 2 * v)
    return jnp.concatenate([t * jnp.cos(t), t * jnp.sin(t)], axis=1) / 21


def _bimodal(weight: float, low: float, high: float) -> Map:
    """Normal scores to those of weight N(low, 1) + (1 - weight) N(high, 1), by bisection."""

    def solve(z):
        def log_below(q, sign):
            parts = jnp.stack([log_ndtr(sign * (q - low)), log_ndtr(sign * (q - high))])
            logs = jnp.array([math.log(weight), math.log1p(-weight)], z.dtype)
            return jax.nn.logsumexp(parts + logs.reshape(2, *[1] * z.ndim), axis=0)

        def halve(_, ends):
            left, right = ends
            q = (left + right) / 2
            # each tail by its own logarithm, so that none rounds to 1
            below = jnp.where(
                z < 0, log_below(q, 1.0) < log_ndtr(z), log_below(q, -1.0) > log_ndtr(-z)
            )
            return jnp.where(below, q, left), jnp.where(below, right, q)

        steps = 60 if z.dtype == jnp.float64 else 30
        start = (jnp.full_like(z, low - 12), jnp.full_like(z, high + 12))
        left, right = jax.lax.fori_loop(0, steps, halve, start)
        return (left + right) / 2

    return solve
