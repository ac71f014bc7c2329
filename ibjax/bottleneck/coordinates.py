"""The information plane of activations: every layer, checkpoint and replica in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, cast, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import numeric
from ibjax.bottleneck import tables
from ibjax.bottleneck.cells import Cells, cut, informations
from ibjax.bottleneck.pairwise import sandwich
from ibjax.bottleneck.propagation import propagate
from ibjax.typing import Array, BiasDirection, Int, JaxArray, Key, Scalar

Method: TypeAlias = Cells | Literal["kde", "propagation"]
METHODS = (*get_args(Cells), "kde", "propagation")

SMALL = 32
"""Layers up to this width are widened to the widest of them and measured together."""

_MEASURES = {
    "adaptive": "entropy of cells that follow the layer's range; I(X;T) is infinite or log n",
    "mass": "entropy of cells of equal mass in each unit; I(X;T) is infinite or log n",
    "edges": "entropy of cells between fixed edges, blind to what leaves them",
    "width": "entropy of cells of fixed width; I(X;T) is infinite or log n",
    "kde": "bounds on I(X;T + noise) for noise that is added for the measurement only",
    "propagation": "I(X;T) of the noisy layer, whose noise is part of the network",
}


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "i_tx",
        "i_ty",
        "resolution",
        "i_tx_lower",
        "i_ty_lower",
        "i_ty_upper",
        "std_error",
    ],
    meta_fields=["names", "method", "measures", "bias"],
)
@dataclass(frozen=True)
class Plane:
    """Coordinates of every layer in the information plane, nats; leading axis: layers.

    Attributes:
        i_tx: I(X;T) of what `measures` says; the upper bound for "kde".
        i_ty: I(T;Y) likewise; for "kde" the difference of two upper bounds, as is usual.
        resolution: width of a cell, or standard deviation of the noise: no value means anything
            without it.
        i_tx_lower: lower bound on I(X;T), "kde" only, else NaN.
        i_ty_lower: lower bound on I(T;Y), "kde" only, else NaN.
        i_ty_upper: upper bound on I(T;Y), "kde" only, else NaN.
        std_error: of i_tx for the inputs given, from the draws of noise; 0 where it is exact.
        names: names of the layers.
        method: how it was measured.
        measures: what the numbers measure, in words.
        bias: direction in which i_tx errs for the inputs given and the channel stated.
    """

    i_tx: JaxArray
    i_ty: JaxArray
    resolution: JaxArray
    i_tx_lower: JaxArray
    i_ty_lower: JaxArray
    i_ty_upper: JaxArray
    std_error: JaxArray
    names: tuple[str, ...]
    method: Method
    measures: str
    bias: BiasDirection


def plane(
    activations: Mapping[str, Array] | Sequence[Array],
    labels: Int[Array, " n"],
    *,
    method: Method = "adaptive",
    bins: int = 30,
    edges: tuple[float, float] = (-1.0, 1.0),
    width: Scalar = 0.07,
    std: Scalar = 1e-3**0.5,
    key: Key | None = None,
    conditional: Mapping[str, Array] | None = None,
    draws: int = 4,
    num_classes: int | None = None,
) -> Plane:
    r"""Coordinates I(X;T) and I(T;Y) of every layer, checkpoint and replica.

    Inputs are taken to be the n rows, equally likely and distinct. A deterministic layer has
    I(X;T) = log n (or infinite, for continuous X) whatever it learns, so that every method measures
    something else, stated in `measures`, at a resolution that is returned with it.

    Args:
        activations: for each layer an array (..., n, d_l), with the same leading axes (replicas,
            checkpoints) in every layer; a mapping gives names.
        labels: classes, (n,), shared by all.
        method: "adaptive" cuts the range of each layer into `bins` equal cells; "mass" each unit
            into `bins` cells of equal mass; "edges" puts `bins` edges on the interval `edges`, as
            published with 30 on (-1, 1) for tanh, which is wrong for unbounded layers; "width"
            cuts at multiples of `width`, as published with 0.07; "kde" bounds the information
            through added noise of standard deviation `std`; "propagation" measures a network whose
            layers have that noise, from their noiseless outputs.
        bins: cells or edges.
        edges: first and last edge.
        width: of a cell.
        std: standard deviation of the noise, > 0.
        key: for "propagation"; a fixed one by default.
        conditional: for "propagation", by layer name, r propagations of each of m inputs through
            the noisy layers before, (..., m, r, d_l); layers without are taken to be the first
            noisy ones.
        draws: of the noise for each row, at least 2, "propagation" only.
        num_classes: number of classes; the largest label plus one by default.

    Returns:
        A `Plane`, fields (layers, ...).

    Raises:
        ValueError: for shapes that do not fit, an unknown method, labels that are no classes,
            values that are not finite, or settings out of range.

    Reference:
        Shwartz-Ziv and Tishby (2017) for "edges"; Saxe et al. (2018), On the information bottleneck
        theory of deep learning, for "width" and "kde" with the bounds of Kolchinsky and Tracey
        (2017); Goldfeld et al. (2019) for "propagation". The two-sided bounds on I(T;Y) follow from
        those on the entropies.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is unknown; choose one of {METHODS}")
    names, layers = _layers(activations)
    y, classes = _labels(labels, layers[0].shape[-2], num_classes)
    if bins < 2:
        raise ValueError(f"bins={bins} must be at least 2")
    if not edges[0] < edges[1]:
        raise ValueError(f"edges={edges} must increase")
    for name, value in (("width", width), ("std", std)):
        if tables.concrete(value) and not np.asarray(value) > 0:
            raise ValueError(f"{name}={value} must be positive")
    if method == "propagation":
        found = _propagation(names, layers, labels, classes, std, key, conditional, draws)
    else:
        found = _measure(layers, y, classes, method, bins, edges, width, std)
    fields = {k: jnp.stack([f[k] for f in found]) for k in found[0]}
    missing = jnp.full_like(fields["i_tx"], jnp.nan)
    complete = {k: fields.get(k, missing) for k in ("i_tx_lower", "i_ty_lower", "i_ty_upper")}
    error = fields.get("std_error", jnp.zeros_like(missing))
    bias: BiasDirection = "none"
    if method == "kde":
        bias = "up"
    elif conditional:
        bias = "unknown"
    return Plane(
        fields["i_tx"],
        fields["i_ty"],
        fields["resolution"],
        **complete,
        std_error=error,
        names=names,
        method=method,
        measures=_MEASURES[method],
        bias=bias,
    )


def _layers(activations: Any) -> tuple[tuple[str, ...], list[JaxArray]]:
    if isinstance(activations, Mapping):
        named = {str(k): v for k, v in activations.items()}
    else:
        named = {f"T{i + 1}": v for i, v in enumerate(activations)}
    if not named:
        raise ValueError("activations is empty; give one array (..., n, d) a layer")
    layers = {k: tables.floating(v) for k, v in named.items()}
    first = next(iter(layers.values())).shape
    for name, t in layers.items():
        if t.ndim < 2 or t.shape[:-1] != first[:-1]:
            raise ValueError(
                f"activations[{name!r}] has shape {t.shape}; give (..., n, d) with the "
                f"leading axes {first[:-1]} of the first layer"
            )
        if tables.concrete(t) and not np.isfinite(np.asarray(t)).all():
            raise ValueError(f"activations[{name!r}] holds NaN or infinite values; remove those")
    if first[-2] < 2:
        raise ValueError(f"activations hold {first[-2]} inputs; give at least 2")
    return tuple(layers), list(layers.values())


def _labels(labels: Any, n: int, num_classes: int | None) -> tuple[JaxArray, int]:
    y = numeric("labels", labels)
    if y.shape != (n,) or not (jnp.issubdtype(y.dtype, jnp.integer) or y.dtype == bool):
        raise ValueError(
            f"labels has shape {y.shape} and type {y.dtype}; give integers of shape ({n},)"
        )
    if not tables.concrete(labels):
        if num_classes is None:
            raise ValueError("num_classes=None needs labels that are known; give it under jit")
        return y.astype(jnp.int32), num_classes
    host = np.asarray(labels).astype(int)
    classes = int(host.max()) + 1 if num_classes is None else num_classes
    if host.min() < 0 or host.max() >= classes:
        raise ValueError(f"labels run from {host.min()} to {host.max()}; give 0..{classes - 1}")
    return y.astype(jnp.int32), classes


def _measure(layers, y, classes, method, bins, edges, width, std) -> list[dict[str, JaxArray]]:
    """All layers of like width with their replicas and checkpoints in one program."""
    widest = max(t.shape[-1] for t in layers)
    if widest <= SMALL:
        stacked = jnp.stack([_widened(t, widest, method) for t in layers])
        found = _group(stacked, y, classes, method, bins, edges, width, std)
        return [{k: v[i] for k, v in found.items()} for i in range(len(layers))]
    return [_group(t, y, classes, method, bins, edges, width, std) for t in layers]


def _widened(t: JaxArray, widest: int, method: Method) -> JaxArray:
    """Columns that change no cell and no distance, so that layers share a shape."""
    shape = (*t.shape[:-1], widest - t.shape[-1])
    more = jnp.zeros(shape, t.dtype) if method == "kde" else jnp.broadcast_to(t[..., -1:], shape)
    return jnp.concatenate([t, more], axis=-1)


def _group(t, y, classes, method, bins, edges, width, std) -> dict[str, JaxArray]:
    batch = t.shape[:-2]
    flat = t.reshape(-1, *t.shape[-2:])
    low, high = edges
    found = _all(flat, y, width, std, low, high, classes, method, bins)
    return jax.tree.map(lambda v: v.reshape(batch), found)


@partial(jax.jit, static_argnames=("classes", "method", "bins"))
def _all(flat, y, width, std, low, high, classes: int, method: Method, bins: int):
    n = flat.shape[1]

    def one(t):
        if method == "kde":
            rows = max(1, (2**19 if jax.default_backend() == "cpu" else 2**25) // n)
            noise = jnp.asarray(std, t.dtype)
            return {**sandwich(t, y, classes, noise, min(rows, n)), "resolution": noise}
        how = cast(Cells, method)
        cells, resolution = cut(t, how, bins, low, high, width)
        i_tx, i_ty = informations(cells, y, classes, t.dtype)
        return {"i_tx": i_tx, "i_ty": i_ty, "resolution": resolution}

    # one after the other on a CPU: one layer of one network already fills its cache
    together = 1 if jax.default_backend() == "cpu" else 16
    return jax.lax.map(one, flat, batch_size=min(together, flat.shape[0]))


def _propagation(names, layers, labels, classes, std, key, conditional, draws):
    key = jax.random.key(0) if key is None else key
    given = conditional or {}
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"conditional names {unknown}, which are no layers; choose of {names}")
    if not tables.concrete(labels):
        raise ValueError("method='propagation' needs labels that are known, not traced")
    return [
        propagate(
            jax.random.fold_in(key, i), t, np.asarray(labels), classes, std, given.get(name), draws
        )
        for i, (name, t) in enumerate(zip(names, layers))
    ]
