"""The information plane of activations: every layer, checkpoint and replica in one call."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import codes, concrete, host, is_classes, numeric, precision, whole
from ibjax.bottleneck.cells import Cells, cut, informations
from ibjax.bottleneck.kernel_entropies import MEASURES, kernel_measures
from ibjax.bottleneck.pairwise import sandwich
from ibjax.bottleneck.propagation import propagate
from ibjax.bottleneck.record import IN_WORDS, METHODS, Method, Plane
from ibjax.signatures import enforced
from ibjax.typing import Array, BiasDirection, Int, JaxArray, Key, Scalar

SMALL = 32
"""Layers up to this width are widened to the widest of them and measured together."""


@enforced
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
    inputs: Array | None = None,
) -> Plane:
    r"""Coordinates I(X;T) and I(T;Y) of every layer, checkpoint and replica.

    Inputs are taken to be the n rows, equally likely and distinct. A deterministic layer has
    I(X;T) = log n (or infinite, for continuous X) whatever it learns, so that every method measures
    something else, stated in `measures`, at a resolution that is returned with it.

    Args:
        activations: for each layer an array (..., n, d_l), with the same leading axes (replicas,
            checkpoints) in every layer; a mapping gives names.
        labels: classes, (n,), integers or booleans of any names, shared by all.
        method: "adaptive" cuts the range of each layer into `bins` equal cells; "mass" each unit
            into `bins` cells of equal mass; "edges" puts `bins` edges on the interval `edges`, as
            published with 30 on (-1, 1) for tanh, which is wrong for unbounded layers; "width"
            cuts at multiples of `width`, as published with 0.07; "kde" bounds the information
            through added noise of standard deviation `std`; "propagation" measures a network whose
            layers have that noise, from their noiseless outputs. Of geometry, and no information:
            "renyi" takes matrix-based Renyi entropies of a Gaussian kernel of one width a layer,
            "total_correlation" that of a layer's units, "hsic" and "cka" the dependence of kernels
            of the layer with those of `inputs` and labels.
        bins: cells or edges.
        edges: first and last edge.
        width: of a cell.
        std: standard deviation of the noise, > 0.
        key: for "propagation"; a fixed one by default.
        conditional: for "propagation", by layer name, r propagations of each of m inputs through
            the noisy layers before, (..., m, r, d_l); layers without are taken to be the first
            noisy ones.
        draws: of the noise for each row, at least 2, "propagation" only.
        num_classes: labels must then lie below it; needed for traced labels only.
        inputs: (n, dx), for "hsic" and "cka".

    Returns:
        A `Plane`, fields (layers, ...), measured in float64 where everything is known now.

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
    names, layers = _layers(activations, labels)
    y, classes = _labels(labels, layers[0].shape[-2], num_classes)
    n = layers[0].shape[-2]
    entropy = _entropy(jnp.asarray(y), classes)
    bins = whole("bins", bins, 2)
    if not edges[0] < edges[1]:
        raise ValueError(f"edges={edges} must increase")
    for name, value in (("width", width), ("std", std)):
        if concrete(value) and not (np.ndim(value) == 0 and np.asarray(value) > 0):
            raise ValueError(f"{name}={value} must be one positive number")
    if method == "propagation":
        found = _propagation(names, layers, y, classes, std, key, conditional, draws)
    elif method in MEASURES:
        found = kernel_measures(method, layers, y, _inputs(inputs, method, len(y)))
    else:
        found = _measure(layers, y, method, bins, edges, width, std)
    fields = {k: jnp.stack([f[k] for f in found]) for k in found[0]}
    missing = jnp.full_like(fields["i_tx"], jnp.nan)
    optional = ("i_tx_lower", "i_ty_lower", "i_ty_upper", "cap", "permuted")
    complete = {k: fields.get(k, missing) for k in optional}
    error = fields.get("std_error", jnp.zeros_like(missing))
    bias: BiasDirection = "none"
    if method == "kde":
        bias = "up"
    elif conditional or method in MEASURES:
        bias = "unknown"
    return Plane(
        fields["i_tx"],
        fields["i_ty"],
        fields["resolution"],
        **complete,
        std_error=error,
        names=names,
        method=method,
        measures=IN_WORDS[method],
        bias=bias,
        log_n=jnp.log(jnp.asarray(n, missing.dtype)),
        label_entropy=entropy.astype(missing.dtype),
    )


@partial(jax.jit, static_argnames="classes")
def _entropy(y: JaxArray, classes: int) -> JaxArray:
    shares = jnp.bincount(y, length=classes) / y.shape[0]
    return 0 - jnp.sum(jax.scipy.special.xlogy(shares, shares))  # of one class 0, not -0


def _inputs(inputs: Any, method: str, n: int) -> Array | None:
    if method not in ("hsic", "cka"):
        return None
    if inputs is None:
        raise ValueError(f"method={method!r} compares layers with inputs; give inputs=, (n, d)")
    x = _layer("inputs", inputs, None)
    if x.ndim != 2 or x.shape[0] != n or n < 4:
        raise ValueError(f"inputs has shape {x.shape}; give ({n}, d), and 4 inputs at least")
    return x


def _layers(activations: Any, labels: Any) -> tuple[tuple[str, ...], list[Array]]:
    """Names and layers: in NumPy, of the precision given, where they are known now."""
    if isinstance(activations, Mapping):
        named = {str(k): v for k, v in activations.items()}
    else:
        named = {f"T{i + 1}": v for i, v in enumerate(activations)}
    if not named:
        raise ValueError("activations is empty; give one array (..., n, d) a layer")
    n = np.shape(labels)[0] if np.ndim(labels) == 1 else None
    layers = {k: _layer(f"activations[{k!r}]", v, n) for k, v in named.items()}
    first = next(iter(layers.values())).shape
    for name, t in layers.items():
        if t.shape[:-1] != first[:-1]:
            raise ValueError(
                f"activations[{name!r}] has shape {t.shape}; give (..., n, d) with the "
                f"leading axes {first[:-1]} of the first layer"
            )
    if first[-2] < 2:
        raise ValueError(f"activations hold {first[-2]} inputs; give at least 2")
    return tuple(layers), list(layers.values())


def _layer(name: str, value: Any, n: int | None) -> Array:
    known = concrete(value)
    t = host(name, value) if known else numeric(name, value)
    if t.ndim < 2 or 0 in t.shape:
        raise ValueError(f"{name} has shape {t.shape}; give (..., n, d), one row an input")
    if n is not None and t.shape[-2] != n and n in (t.shape[0], t.shape[-1]):
        remedy = f".reshape({n}, -1)" if t.shape[0] == n else ", its last two axes exchanged"
        raise ValueError(
            f"{name} has shape {t.shape}, where (..., {n}, d) has one row for each of the {n} "
            f"inputs; give it{remedy}"
        )
    if known and not np.isfinite(t).all():
        raise ValueError(f"{name} holds NaN or infinite values; remove those")
    wide = t.dtype in (np.float32, np.float64)
    return t if wide else t.astype(np.float64 if known and is_classes(t) else np.float32)


def _labels(labels: Any, n: int, num_classes: int | None) -> tuple[Array, int]:
    """Classes numbered from 0 without gaps, or as they are traced, and how many there may be."""
    y = host("labels", labels) if concrete(labels) else jnp.asarray(labels)
    if y.shape != (n,) or not is_classes(y):
        raise ValueError(
            f"labels has shape {y.shape} and type {y.dtype}; give integers of shape ({n},)"
        )
    if not concrete(labels):
        if num_classes is None:
            raise ValueError("num_classes=None needs labels that are known; give it under jit")
        return y.astype(jnp.int32), num_classes
    if num_classes is not None and (y.min() < 0 or y.max() >= num_classes):
        raise ValueError(f"labels run from {y.min()} to {y.max()}; give 0..{num_classes - 1}")
    found = codes("labels", y)
    return found, int(found.max()) + 1


def _measure(layers, y, method, bins, edges, width, std) -> list[dict[str, JaxArray]]:
    """All layers of like width with their replicas and checkpoints in one program.

    Each is measured in float64, whatever the flag, where everything is known now.
    """
    if not concrete(layers, y, width, std):
        layers = [jnp.asarray(t) for t in layers]
        return _groups(layers, y, method, bins, edges, width, std)
    dtypes = [precision(t) for t in layers]
    with jax.enable_x64(True):
        found = _groups(layers, y, method, bins, edges, width, std)
        return [{k: v.astype(t) for k, v in f.items()} for f, t in zip(found, dtypes)]


def _groups(layers, y, method, bins, edges, width, std) -> list[dict[str, JaxArray]]:
    widest = max(t.shape[-1] for t in layers)
    if widest <= SMALL:
        stacked = jnp.stack([_widened(t, widest, method) for t in layers])
        found = _group(stacked, y, method, bins, edges, width, std)
        return [{k: v[i] for k, v in found.items()} for i in range(len(layers))]
    return [_group(jnp.asarray(t), y, method, bins, edges, width, std) for t in layers]


def _widened(t: Array, widest: int, method: Method) -> JaxArray:
    """Columns that change no cell and no distance, so that layers share a shape."""
    shape = (*t.shape[:-1], widest - t.shape[-1])
    more = jnp.zeros(shape, t.dtype) if method == "kde" else jnp.broadcast_to(t[..., -1:], shape)
    return jnp.concatenate([t, more], axis=-1)


def _group(t, y, method, bins, edges, width, std) -> dict[str, JaxArray]:
    batch = t.shape[:-2]
    flat = t.reshape(-1, *t.shape[-2:])
    low, high = edges
    work = jnp.result_type(float) if concrete(flat, y, width, std) else t.dtype
    found = _all(flat, y, width, std, low, high, method, bins, work)
    return jax.tree.map(lambda v: v.reshape(batch), found)


@partial(jax.jit, static_argnames=("method", "bins", "work"))
def _all(flat, y, width, std, low, high, method: Method, bins: int, work: Any):
    n = flat.shape[1]
    grain = 4 * bins * float(jnp.finfo(flat.dtype).eps)

    def one(t):
        t = t.astype(work)
        if method == "kde":
            rows = max(1, (2**19 if jax.default_backend() == "cpu" else 2**25) // n)
            noise = jnp.asarray(std, t.dtype)
            return {**sandwich(t, y, noise, min(rows, n)), "resolution": noise}
        how = cast(Cells, method)
        cells, resolution = cut(t, how, bins, low, high, width, grain)
        sound = jnp.all(jnp.isfinite(t))  # a cell would hide what is no number
        i_tx, i_ty = (jnp.where(sound, v, jnp.nan) for v in informations(cells, y))
        return {"i_tx": i_tx, "i_ty": i_ty, "resolution": resolution.astype(work)}

    # one after the other on a CPU: one layer of one network already fills its cache
    together = None if jax.default_backend() == "cpu" else min(16, flat.shape[0])
    return jax.lax.map(one, flat, batch_size=together)


def _propagation(names, layers, y, classes, std, key, conditional, draws):
    key = jax.random.key(0) if key is None else key
    given = conditional or {}
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"conditional names {unknown}, which are no layers; choose of {names}")
    if not concrete(y):
        raise ValueError("method='propagation' needs labels that are known, not traced")
    return [
        propagate(
            jax.random.fold_in(key, i),
            jnp.asarray(t, precision(t)),
            np.asarray(y),
            classes,
            std,
            given.get(name),
            draws,
        )
        for i, (name, t) in enumerate(zip(names, layers))
    ]
