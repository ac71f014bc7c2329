"""Kernel matrices of infinitely wide networks: any network of the vocabulary, and the MLP."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import in_double, whole
from ibjax.frozen import frozen, frozen_elementwise
from ibjax.infinite import checks
from ibjax.infinite.layers import Layer, activation, dense, serial, start
from ibjax.infinite.nonlinearity import Activation, resolve
from ibjax.infinite.tiles import tiled
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Numbers

_ENTRIES = 2**15
"""Covariances of one tile."""


class Kernels(NamedTuple):
    """Covariance at initialisation and tangent kernel between two sets of inputs.

    Attributes:
        nngp: E[z(x) z(x')] of one output unit over initialisations, (n1, n2).
        ntk: <dz(x)/dtheta, dz(x')/dtheta> of one output unit, (n1, n2).
    """

    nngp: Float[Array, "n1 n2"]
    ntk: Float[Array, "n1 n2"]


@enforced
def kernels(network: Layer, x1: Numbers, x2: Numbers | None = None) -> Kernels:
    r"""NNGP and NTK matrices of a network of the vocabulary at infinite width.

    Args:
        network: a Layer, usually `serial(...)`.
        x1: (n1, d) vectors or (n1, height, width, channels) images.
        x2: (n2, ...); None for x1 against itself.

    Returns:
        Kernels(nngp, ntk), each (n1, n2), in the precision of the inputs but computed in float64
        where these are known now: between almost parallel inputs float32 loses half its digits
        to the angle, and with them the small eigenvalues. Large matrices are
        computed in tiles of at most 2^15 covariances (or one pair of examples, P^2 covariances
        of P positions where pooling follows), those below the diagonal of x1 against itself by
        symmetry; the memory beside the results is about their size again. `stream` keeps the
        results off the device.

    Assumes: NTK parametrisation with every parameter N(0, 1) and trained.

    Raises:
        ValueError: wrong shapes, NaN, images left unflattened, layers in an order that has no
            closed form.

    Reference: Jacot, Gabriel and Hongler (2018), Neural tangent kernel; Arora et al. (2019).
    """
    first, second = _both(x1, x2)

    inputs = (first,) if second is None else (first, second)
    return in_double(partial(_matrices, network), *inputs, dtype=first.dtype)


def _both(x1: Any, x2: Any) -> tuple[JaxArray, JaxArray | None]:
    first = checks.inputs(x1, "x1")
    second = None if x2 is None else checks.inputs(x2, "x2")
    if second is not None and second.shape[1:] != first.shape[1:]:
        raise ValueError(
            f"x2 has shape {second.shape}; its examples must look like x1's {first.shape[1:]}"
        )
    return first, second


def _matrices(network: Layer, first: JaxArray, second: JaxArray | None = None) -> Kernels:
    def block(a, b=None):
        out = network.kernel(start(a, b, network.pairs), False)
        if out.layout != "features":
            raise ValueError("the network ends in images; append flatten() or global_avg_pool()")
        return Kernels(out.nngp, jnp.broadcast_to(out.ntk, out.nngp.shape))

    n1, n2 = first.shape[0], (first if second is None else second).shape[0]
    positions = math.prod(first.shape[1:-1])
    room = max(_ENTRIES // (positions**2 if network.pairs else positions), 1)
    wide = min(math.isqrt(room), n2)
    high = wide if second is None else min(room // wide, n1)
    if n1 * n2 < 4 * high * wide:
        return block(first, second)
    return tiled(block, first, second, (high, wide))


@enforced
def mlp(
    depth: int, phi: Any, w_std: Numbers, b_std: Numbers, width: int = 512, outputs: int = 1
) -> Layer:
    """A fully connected network of `depth` weight layers, ready for `kernels` or training.

    Args:
        depth: number of weight layers; 2 is one hidden layer.
        phi: the activation, as in `activation`.
        w_std: one number or one for each layer.
        b_std: the same for the biases.
        width: hidden units of the finite network.
        outputs: output units of the finite network.

    Returns:
        A Layer.

    Raises:
        ValueError: depth < 1, or as many deviations as neither 1 nor depth.
    """
    depth = whole("depth", depth)
    weights, biases = _per_layer(w_std, depth, "w_std"), _per_layer(b_std, depth, "b_std")
    layers = [dense(width if depth > 1 else outputs, weights[0], biases[0])]
    for index in range(1, depth):
        size = width if index < depth - 1 else outputs
        layers += [activation(phi), dense(size, weights[index], biases[index])]
    return serial(*layers)


def _per_layer(value: Any, depth: int, name: str) -> list[Any]:
    if jnp.ndim(value) == 0:
        return [value] * depth
    if jnp.shape(value) != (depth,):
        raise ValueError(f"{name} has shape {jnp.shape(value)}; give one number or {depth}")
    return [value[index] for index in range(depth)]


@partial(jax.jit, static_argnames=("depth", "phi"))
def _mlp_kernels(x1, x2, w_std, b_std, *, depth, phi) -> Kernels:
    return _matrices(mlp(depth, phi, w_std, b_std), x1, x2)


def _prepared(x1, x2, depth, phi, w_std, b_std):
    first, second = _both(x1, x2)
    for name, x in (("x1", first), ("x2", second)):
        if x is not None and x.ndim != 2:
            raise ValueError(f"{name} has shape {x.shape}; give (n, d), or flatten the images")
    mlp(depth, phi, w_std, b_std)  # refuses what it does not understand, before tracing
    return first, second, w_std, b_std


def _as_now(activation: Any) -> Any:
    """An activation of the user's as what it computes now: the program of `_mlp_kernels` is its."""
    if isinstance(activation, str):
        return resolve(activation)
    if isinstance(activation, Activation):
        shapes = (jax.ShapeDtypeStruct((2,), jnp.float32),) * 3
        return Activation(frozen_elementwise(activation.apply), frozen(activation.dual, *shapes))
    return frozen_elementwise(activation)


@enforced
def mlp_kernels(
    x1: Numbers,
    x2: Numbers | None = None,
    *,
    depth: int,
    activation: str | Activation | Callable[..., Any],
    w_std: Numbers,
    b_std: Numbers,
) -> Kernels:
    r"""NNGP and NTK matrices of a fully connected network at infinite width.

    K = w^2 x . x' / d + b^2 and NTK = K after the first layer; then for each hidden layer
    K <- w^2 E[phi phi] + b^2 and NTK <- K + w^2 E[phi' phi'] NTK.

    Args:
        x1: (n1, d).
        x2: (n2, d); None for x1 against itself.
        depth: number of weight layers; 2 is one hidden layer.
        activation: name, Activation or elementwise function (Gauss-Hermite quadrature). Pass the
            same function object again to reuse the compiled program.
        w_std: weights are N(0, w_std^2 / fan_in); one number or (depth,). Traced: sweeping it
            does not recompile, and it can be differentiated.
        b_std: biases are N(0, b_std^2); one number or (depth,). Traced.

    Returns:
        Kernels(nngp, ntk), each (n1, n2), in the precision of x1 but computed in float64 where
        everything is known now; relative error about 1e-15 a layer before the last rounding,
        1e-8 between almost parallel inputs under a kink (in traced float32: 1e-7 and 1e-3).

    Assumes: NTK parametrisation, all layers trained.

    Raises:
        ValueError: wrong shapes, NaN, an unknown activation, depth < 1, negative deviations.

    Reference: Jacot, Gabriel and Hongler (2018), Neural tangent kernel; Lee et al. (2018), Deep
    neural networks as Gaussian processes; as published.
    """
    first, second, w, b = _prepared(x1, x2, depth, activation, w_std, b_std)
    phi = _as_now(activation)

    def run(w, b, first, second=None):
        return _mlp_kernels(first, second, w, b, depth=depth, phi=phi)

    inputs = (first,) if second is None else (first, second)
    return in_double(run, w, b, *inputs, dtype=first.dtype)


@enforced
def mlp_nngp_rate(
    x1: Numbers,
    *,
    depth: int,
    activation: str | Activation | Callable[..., Any],
    w_std: Numbers,
    b_std: Numbers,
) -> JaxArray:
    r"""How the NNGP grows when all parameters are scaled: d K_alpha / d alpha at alpha = 1.

    K_alpha has every w_std and b_std times alpha. Half of it is the covariance of the output
    with its linearisation at the initial parameters, E[(J theta_0) z_0]; for the rectifier
    without biases it is 2 depth K.

    Args:
        x1: (n, d).
        depth: number of weight layers; 2 is one hidden layer.
        activation: name, Activation or elementwise function (Gauss-Hermite quadrature). Pass the
            same function object again to reuse the compiled program.
        w_std: weights are N(0, w_std^2 / fan_in); one number or (depth,). Traced: sweeping it does
            not recompile, and it can be differentiated.
        b_std: biases are N(0, b_std^2); one number or (depth,). Traced.

    Returns:
        (n, n), for `ensemble_information(nngp_rate=...)`.

    Raises:
        ValueError: wrong shapes, NaN, an unknown activation, depth < 1, negative deviations.

    Reference: new here (Euler's identity along the scaling of the parameters).
    """
    first, _, w, b = _prepared(x1, None, depth, activation, w_std, b_std)
    phi = _as_now(activation)

    def run(first, w, b):
        def nngp(scale):
            return _mlp_kernels(first, None, scale * w, scale * b, depth=depth, phi=phi).nngp

        one = jnp.ones((), first.dtype)
        return jax.jvp(nngp, (one,), (one,))[1]

    return in_double(run, first, w, b, dtype=first.dtype)
