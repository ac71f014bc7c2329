r"""A quadratic form of random rows seen through Gaussian noise: its spectrum, overlap, information.

S = W^T diag(v) W of k = gamma d rows, normalised to unit spectral variance, is observed as
sqrt(l) S + Z with Z from the Gaussian orthogonal ensemble (semicircle on [-2, 2]). The R-transform
of the sum is explicit for v = 1 ("ones") and v = +-1 ("signed"), so the Stieltjes transform G is
the root of a polynomial, and so are the edges of the spectrum.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.signatures import enforced
from ibjax.teacher.checks import choice, real
from ibjax.teacher.polynomials import roots
from ibjax.typing import Float, Numbers
from ibjax.typing import JaxArray as Array

RowReadout = Literal["ones", "signed"]
ROW_READOUTS: tuple[str, ...] = ("ones", "signed")

SMALL = 3e-4
"""Signal below which the overlap's cancellation would show and its series takes over."""


class Denoising(NamedTuple):
    """What the noisy matrix tells of S, per d^2.

    Attributes:
        overlap: m(l), in [0, 1]; the error of the optimal denoiser is 1 - m.
        information: psi(l) = 1/2 int_0^l m, nats.
    """

    overlap: Float[Array, ""]
    information: Float[Array, ""]


def _panel(half: float = 3.3, count: int = 81) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [-1, 1] that forgive any power at the ends (tanh-sinh)."""
    t = np.linspace(-half, half, count)
    inner = np.pi / 2 * np.sinh(t)
    weights = np.pi / 2 * np.cosh(t) / np.cosh(inner) ** 2 * (t[1] - t[0])
    return np.tanh(inner), weights


def spectrum(signal: Array, ratio: Array, readout: RowReadout):
    """Nodes x, weights and Stieltjes transform G (lower half-plane) over the whole support.

    Args:
        signal: l > 0.
        ratio: gamma = k/d > 0.
        readout: "ones" or "signed".
    """
    slope = jnp.sqrt(signal / ratio)
    if readout == "ones":
        critical = roots(
            jnp.stack(
                [-(slope**2), 2 * slope, slope**2 - 1 - signal, -2 * slope, jnp.ones_like(slope)]
            )
        )
        edges = jnp.sort(_inverse(critical, signal, ratio, readout).real)
    else:
        b = slope**2
        squares = roots(
            jnp.stack([b**2, b * (signal - 2 - b), 1 + 2 * b + signal, -jnp.ones_like(b)])
        )
        found = jnp.abs(_inverse(jnp.sqrt(squares), signal, ratio, readout).real)
        # The law is even: its right half is enough.
        edges = jnp.concatenate([jnp.zeros(1, found.dtype), jnp.sort(found)])
    middle, reach = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    nodes, weights = (jnp.asarray(part, edges.dtype) for part in _panel())
    x = (middle[:, None] + reach[:, None] * nodes).ravel()
    w = (reach[:, None] * weights).ravel() * (1 if readout == "ones" else 2)
    one = jnp.ones_like(x)
    if readout == "ones":
        c = slope * ratio
        coefficients = [c * one, -(ratio + c * x), ratio * x + c * (1 - ratio), -ratio * one]
    else:
        b = slope**2
        coefficients = [b * one, -b * x, (b - 1 - signal) * one, x, -one]
    candidates = roots(jnp.stack(coefficients, axis=-1))
    lowest = jnp.argmin(candidates.imag, axis=-1)
    return x, w, jnp.take_along_axis(candidates, lowest[:, None], axis=-1)[:, 0]


def _inverse(g: Array, signal: Array, ratio: Array, readout: RowReadout) -> Array:
    """x(G) = 1/G + R(G)."""
    slope = jnp.sqrt(signal / ratio)
    if readout == "ones":
        return 1 / g + g + slope * ratio / (1 - slope * g)
    return 1 / g + g + signal * g / (1 - (slope * g) ** 2)


def _direct(signal: Array, ratio: Array, readout: RowReadout) -> Denoising:
    x, w, g = spectrum(signal, ratio, readout)
    density = jnp.maximum(-g.imag, 0) / jnp.pi
    cubed = 4 * jnp.pi**2 / 3 * jnp.sum(w * density**3)
    overlap = 1 - (1 - cubed) / signal
    # The logarithmic potential is the primitive of G = U': Re(xG - 1 - log G - int_0^G R).
    slope = jnp.sqrt(signal / ratio)
    primitive = g * g / 2 - (
        ratio * jnp.log(1 - slope * g)
        if readout == "ones"
        else ratio / 2 * jnp.log(1 - (slope * g) ** 2)
    )
    potential = (x * g - 1 - jnp.log(g) - primitive).real
    energy = jnp.sum(w * density * potential)
    return Denoising(overlap, signal / 2 - energy - 0.25)


@enforced
def denoise(signal: Numbers, ratio: Numbers, readout: RowReadout) -> Denoising:
    r"""Compute m(l) and psi(l) of the noisy quadratic form.

    .. math:: m(l) = 1 - \frac{1 - \frac{4\pi^2}{3} \int \rho_l^3}{l}, \qquad
        \psi(l) = \frac l2 - \int\!\!\int \rho_l \rho_l \log|x - y| - \frac14

    For l below 3e-4 the first is l/(1+l) + kappa l^2, kappa from its value there.

    Args:
        signal: l >= 0, scalar.
        ratio: gamma = k/d > 0, scalar.
        readout: "ones" or "signed".

    Returns:
        `Denoising`, scalars; nats.

    Raises:
        ValueError: for another readout, or numbers out of range; traced ones give NaN.

    Reference:
        Maillard, Troiani, Martin, Krzakala, Zdeborova 2024 (arXiv 2408.03733), for the quadratic
        network; Bun, Allez, Bouchaud, Potters 2016 for the rotationally invariant denoiser. The
        potential by the primitive of the R-transform is derived here.
    """
    choice("readout", readout, ROW_READOUTS)
    signal = real("signal", signal, low=0.0)
    ratio = real("ratio", ratio, low=0.0, strict=True)
    if signal.ndim or ratio.ndim:
        raise ValueError("signal and ratio must be scalars: map over them with jax.vmap.")
    return _denoise(signal, ratio, readout)


@partial(jax.jit, static_argnames="readout")
def _denoise(signal: Array, ratio: Array, readout: RowReadout) -> Denoising:
    signal = jnp.where((signal >= 0) & (ratio > 0), signal, jnp.nan)
    found = _direct(jnp.maximum(signal, SMALL), ratio, readout)
    kappa = (found.overlap - SMALL / (1 + SMALL)) / SMALL**2
    small = Denoising(
        signal / (1 + signal) + kappa * signal**2,
        _gaussian(signal) + kappa * signal**3 / 6,
    )
    return jax.tree.map(lambda a, b: jnp.where(signal < SMALL, a, b), small, found)


def _gaussian(signal: Array) -> Array:
    """(l - log(1 + l))/2, by its series where that loses digits."""
    series = signal**2 * (1 / 2 - signal * (1 / 3 - signal * (1 / 4 - signal / 5)))
    return jnp.where(signal < 1e-3, series, signal - jnp.log1p(signal)) / 2
