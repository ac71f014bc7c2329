"""Networks as a small vocabulary: each word is a finite layer and its infinitely wide limit.

    serial(dense(512), activation("relu"), dense(1))

reads like the network. A layer is three pure functions, so that the finite network whose width
grows and the kernel it converges to are written once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.infinite import checks, duals
from ibjax.infinite.nonlinearity import resolve
from ibjax.signatures import enforced
from ibjax.typing import Array, JaxArray, Key, Numbers


class Covariance(NamedTuple):
    """What an infinite-width layer hands to the next one.

    Attributes:
        nngp: covariance between the inputs of two batches, (n1, n2, *positions).
        ntk: tangent kernel of the layers so far, the same shape; a scalar 0 before any layer
            with parameters.
        self1: covariance of each input of the first batch with itself, (n1, *positions).
        self2: the same for the second batch.
        layout: "features" (no positions), "diagonal" (h, w) for equal positions only, or
            "pairs" (h, w, h, w).
        gaussian: whether the channels are independent centred Gaussians given the inputs.
    """

    nngp: JaxArray
    ntk: JaxArray
    self1: JaxArray
    self2: JaxArray
    layout: str
    gaussian: bool


class Layer(NamedTuple):
    """A layer of finite width and its limit.

    Attributes:
        init: ``(key, shape) -> (shape, params)``; shapes of one example, all parameters N(0, 1).
        apply: ``(params, x) -> y`` on a batch.
        kernel: ``(covariance, keep) -> covariance``; `keep` says that a later layer needs the
            covariances of different positions.
        pairs: whether this layer needs them itself.
        affine: whether the output is a centred Gaussian process given the input.
        scales: whether each output is its input times a number of the example: it is such a
            process where the input is one, and by itself is not independent of the input.
    """

    init: Callable[..., tuple[tuple[int, ...], Any]]
    apply: Callable[[Any, Any], JaxArray]
    kernel: Callable[[Covariance, bool], Covariance]
    pairs: bool = False
    affine: bool = False
    scales: bool = False


def each(function: Callable[[JaxArray], JaxArray], k: Covariance) -> list[JaxArray]:
    """`function` of the four arrays; a scalar tangent kernel stays 0."""
    return [function(part) if part.ndim else part for part in k[:4]]


def position_diagonal(k: Covariance) -> Covariance:
    """Keep the covariances of equal positions only."""
    if k.layout != "pairs":
        return k
    parts = each(lambda part: jnp.einsum("...hwhw->...hw", part), k)
    return Covariance(*parts, layout="diagonal", gaussian=k.gaussian)


def broadcast_variances(k: Covariance) -> tuple[JaxArray, JaxArray]:
    """The variances of both members of each entry of `k.nngp`, ready to broadcast."""
    own = position_diagonal(k)
    a, b = own.self1, own.self2
    if k.layout == "pairs":
        return a[:, None, :, :, None, None], b[None, :, None, None, :, :]
    return a[:, None], b[None]


def _variance(k: Covariance, which: JaxArray) -> tuple[JaxArray, JaxArray]:
    """The same for one of the covariances of inputs with themselves."""
    if k.layout != "pairs":
        return which, which
    own = jnp.einsum("...hwhw->...hw", which)
    return own[..., :, :, None, None], own[..., None, None, :, :]


@enforced
def dense(width: int = 1, w_std: Numbers = 1.0, b_std: Numbers = 0.0) -> Layer:
    r"""A fully connected layer, y = (w_std / sqrt(fan_in)) W x + b_std b.

    Covariance: K <- w_std^2 K + b_std^2, and NTK <- K_new + w_std^2 NTK.

    Args:
        width: units of the finite network; the limit does not depend on it.
        w_std: standard deviation of a weight times sqrt(fan_in); may be traced.
        b_std: standard deviation of a bias; may be traced.

    Returns:
        A Layer.

    Assumes: NTK parametrisation, all parameters trained at the same rate.

    Raises:
        ValueError: a negative standard deviation; images that were not flattened.

    Reference: Jacot, Gabriel and Hongler (2018), Neural tangent kernel; as published.
    """
    w_std = checks.non_negative(w_std, "w_std")
    b_std = checks.non_negative(b_std, "b_std")

    def init(key: Key, shape: tuple[int, ...]):
        weight_key, bias_key = jax.random.split(key)
        weight = jax.random.normal(weight_key, (shape[-1], width))
        return (*shape[:-1], width), (weight, jax.random.normal(bias_key, (width,)))

    def apply(params, x):
        weight, bias = params
        return (w_std / x.shape[-1] ** 0.5) * (x @ weight) + b_std * bias

    def kernel(k: Covariance, keep: bool) -> Covariance:
        del keep
        if k.layout != "features":
            raise ValueError("dense needs vectors; put flatten() or global_avg_pool() before it")
        nngp, self1, self2 = (w_std**2 * part + b_std**2 for part in (k.nngp, k.self1, k.self2))
        return Covariance(nngp, nngp + w_std**2 * k.ntk, self1, self2, k.layout, True)

    return Layer(init, apply, kernel, affine=True)


@enforced
def activation(function: Any) -> Layer:
    """A nonlinearity by name, as an Activation, or as any elementwise function (quadrature).

    Covariance: K <- E[phi phi], NTK <- E[phi' phi'] NTK.

    Args:
        function: "relu", "leaky_relu" (slope 0.01), "abs", "erf", "sin", "cos", "gelu" (exact),
            "sign", "identity"; or `leaky(slope)`, `quadrature(f, points)`, or f.

    Returns:
        A Layer.

    Raises:
        ValueError: an unknown name; inputs whose channels are not Gaussian (a nonlinearity
            directly on data or on another nonlinearity).

    Reference: Lee et al. (2018), Deep neural networks as Gaussian processes; as published.
    """
    phi = resolve(function)

    def kernel(k: Covariance, keep: bool) -> Covariance:
        del keep
        if not k.gaussian:
            raise ValueError("an activation needs Gaussian inputs; put dense or conv before it")
        nngp, slope = phi.dual(*broadcast_variances(k), k.nngp)
        self1, _ = phi.dual(*_variance(k, k.self1), k.self1)
        self2, _ = phi.dual(*_variance(k, k.self2), k.self2)
        return Covariance(nngp, slope * k.ntk, self1, self2, k.layout, False)

    return Layer(lambda key, shape: (shape, ()), lambda params, x: phi.apply(x), kernel)


def layer_norm() -> Layer:
    """Normalisation over the channels, right after a dense or convolutional layer.

    Covariance: K <- K / sqrt(a b), NTK <- NTK / sqrt(a b): in the limit the channels have mean
    zero and variance a, and the projection of the Jacobian is of order 1/width.

    Returns:
        A Layer without trained scale or shift.

    Raises:
        ValueError: the channels are not centred Gaussians (after an activation there is no
            closed form).

    Reference: Ba, Kiros and Hinton (2016), Layer normalization; the limit is elementary.
    """

    def apply(params, x):
        centred = x - x.mean(-1, keepdims=True)
        return centred / jnp.sqrt(jnp.mean(centred**2, -1, keepdims=True))

    def kernel(k: Covariance, keep: bool) -> Covariance:
        del keep
        if not k.gaussian:
            raise ValueError("layer_norm is closed only after dense or conv; move it there")

        def inverse(pair):
            scale = duals.safe_sqrt(pair[0]) * duals.safe_sqrt(pair[1])
            return jnp.where(scale > 0, 1.0 / jnp.where(scale > 0, scale, 1.0), 0.0)

        factor = inverse(broadcast_variances(k))
        self1 = k.self1 * inverse(_variance(k, k.self1))
        self2 = k.self2 * inverse(_variance(k, k.self2))
        return Covariance(k.nngp * factor, k.ntk * factor, self1, self2, k.layout, True)

    return Layer(lambda key, shape: (shape, ()), apply, kernel, scales=True)


@enforced
def serial(*layers: Layer) -> Layer:
    """Layers one after the other.

    Covariances of different positions are dropped as soon as no later layer needs them, which
    divides the memory by the number of positions.

    Args:
        *layers: at least one.

    Returns:
        A Layer.

    Raises:
        ValueError: no layer.
    """
    if not layers:
        raise ValueError("serial() needs at least one layer")

    def init(key: Key, shape: tuple[int, ...]):
        params = []
        for index, layer in enumerate(layers):
            shape, part = layer.init(jax.random.fold_in(key, index), shape)
            params.append(part)
        return shape, tuple(params)

    def apply(params, x):
        for layer, part in zip(layers, params, strict=True):
            x = layer.apply(part, x)
        return x

    def kernel(k: Covariance, keep: bool) -> Covariance:
        for index, layer in enumerate(layers):
            if not (keep or any(later.pairs for later in layers[index:])):
                k = position_diagonal(k)
            k = layer.kernel(k, keep or any(later.pairs for later in layers[index + 1 :]))
        return k

    # What comes before layers that only scale decides.
    affine = next((layer.affine for layer in reversed(layers) if not layer.scales), False)
    scales = all(layer.scales for layer in layers)
    return Layer(init, apply, kernel, any(layer.pairs for layer in layers), affine, scales)


@enforced
def residual(branch: Layer) -> Layer:
    """A skip connection: y = x + branch(x).

    Covariance: the sums of both, exact because a branch that ends in an affine layer is centred
    and independent given x.

    Args:
        branch: a Layer that keeps shapes and ends in dense, conv or layer_norm after them.

    Returns:
        A Layer.

    Raises:
        ValueError: a branch that does not end in an affine layer, or changes the shape.

    Reference: He et al. (2016), Deep residual learning; the limit is elementary.
    """
    if not branch.affine:
        raise ValueError(
            "residual needs a branch that ends in dense or conv, or in layer_norm after one of "
            "them; append one: without weights of its own it is not independent of the input"
        )

    def init(key: Key, shape: tuple[int, ...]):
        out, params = branch.init(key, shape)
        if out != shape:
            raise ValueError(f"the branch turns {shape} into {out}; keep the shape")
        return out, params

    def kernel(k: Covariance, keep: bool) -> Covariance:
        out = branch.kernel(k, keep)
        skip = k if k.layout == out.layout else position_diagonal(k)
        if skip.nngp.shape != out.nngp.shape:
            raise ValueError(
                f"the branch turns positions {skip.nngp.shape[2:]} into {out.nngp.shape[2:]}; "
                "use SAME padding and stride 1"
            )
        parts = [a + b for a, b in zip(skip[:4], out[:4], strict=True)]
        return Covariance(*parts, layout=out.layout, gaussian=k.gaussian and out.gaussian)

    return Layer(init, lambda p, x: x + branch.apply(p, x), kernel, branch.pairs)


def start(x1: Array, x2: Array | None, pairs: bool) -> Covariance:
    """The covariance of the data themselves, x . x' / d or per pair of positions."""
    first = jnp.asarray(x1)
    second = first if x2 is None else jnp.asarray(x2)
    size = first.shape[-1]
    if first.ndim == 2:
        layout, cross, own = "features", "ic,jc->ij", "ic,ic->i"
    elif pairs:
        layout, cross, own = "pairs", "ihwc,jklc->ijhwkl", "ihwc,iklc->ihwkl"
    else:
        layout, cross, own = "diagonal", "ihwc,jhwc->ijhw", "ihwc,ihwc->ihw"

    def inner(form: str, a: JaxArray, b: JaxArray) -> JaxArray:
        return jnp.einsum(form, a, b, precision=jax.lax.Precision.HIGHEST) / size

    nngp = inner(cross, first, second)
    self1 = inner(own, first, first)
    self2 = self1 if x2 is None else inner(own, second, second)
    return Covariance(nngp, jnp.zeros((), nngp.dtype), self1, self2, layout, False)
