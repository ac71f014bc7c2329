"""The scatters of a layer within and between its classes, and every measure made of them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.typing import Bool, Float, JaxArray
from ibjax.typing import JaxArray as Array


class Collapse(NamedTuple):
    """Measures of neural collapse, plain numbers without a unit; all are diagnostics.

    `FORMULAS` holds the normalisation of each, since papers differ in it by factors.

    Attributes:
        nc1: tr(S_W S_B^+) / K; inf where all class means agree.
        nc1_rank: the same by the rank of S_B in place of K.
        ratio: tr S_W / tr S_B.
        fisher: tr(S_T^+ S_Bw), in [0, rank]; no invertible linear map changes it.
        vci: 1 - fisher / rank, in [0, 1], 0 for a collapsed layer; invariant likewise.
        norms: coefficient of variation of the norms of the centred class means.
        angles: mean of |cos + 1/(K-1)| over pairs of them; 0 for a simplex.
        structure: Frobenius distance of their normalised Gram matrix from that of a simplex.
        cdnv: mean over pairs of classes of (v_c + v_c') / (2 |mu_c - mu_c'|^2).
        head_norms: coefficient of variation of the norms of the head's rows; NaN without one.
        duality: Frobenius distance of the normalised head and class means; NaN without a head.
        nearest_mean: share of examples the head and the nearest class mean name differently; NaN
            without a head.
        rank: rank of S_B.
        classes: number of classes that occur, K in the formulas.
        degenerate: classes whose mean is the centre; `norms` counts them, `angles` cannot.
        ok: False where a class has one example, fewer than two classes occur, all examples are
            one point, the head is not finite, or there are fewer than five examples a direction
            of S_T, where the scatter within classes is too small and the invariant index tends
            to 0 by overfitting.
    """

    nc1: Float[JaxArray, "*batch"]
    nc1_rank: Float[JaxArray, "*batch"]
    ratio: Float[JaxArray, "*batch"]
    fisher: Float[JaxArray, "*batch"]
    vci: Float[JaxArray, "*batch"]
    norms: Float[JaxArray, "*batch"]
    angles: Float[JaxArray, "*batch"]
    structure: Float[JaxArray, "*batch"]
    cdnv: Float[JaxArray, "*batch"]
    head_norms: Float[JaxArray, "*batch"]
    duality: Float[JaxArray, "*batch"]
    nearest_mean: Float[JaxArray, "*batch"]
    rank: Float[JaxArray, "*batch"]
    classes: Float[JaxArray, "*batch"]
    degenerate: Float[JaxArray, "*batch"]
    ok: Bool[JaxArray, "*batch"]


class _Kept(NamedTuple):
    """The examples that are kept: in units of the largest feature, around the overall mean."""

    features: Array
    member: Array
    counts: Array
    present: Array
    means: Array
    centred: Array
    n: Array
    many: Array
    spread: Array


def measures(features: Array, labels: Array, head: Any, keep: Array, classes: int) -> Collapse:
    """All measures of the examples that are kept (weights 0 or 1)."""
    dtype = features.dtype
    nan = jnp.asarray(jnp.nan, dtype)
    kept = _kept(features, labels, keep, classes)
    present, n, many = kept.present, kept.n, kept.many
    inside = kept.features - kept.member @ kept.means
    squares = jnp.sum(inside**2, axis=1)
    within, between = squares.sum() / n, jnp.sum(kept.centred**2) / many
    gram = kept.centred @ kept.centred.T
    nc1, nc1_rank, rank = _trace(kept, inside, gram, within + between)
    some = rank > 0
    fisher, directions = _fisher(kept.features, kept.member, kept.counts, n, _cut(dtype))
    fisher = jnp.where(some, fisher, 0)
    sizes = jnp.sqrt(jnp.diagonal(gram))
    angles, structure, degenerate = _simplex(gram, sizes, present, many, some)
    head_norms, duality, nearest, sound = nan, nan, nan, True
    if head is not None:
        head_norms, duality, nearest, sound = _beside_head(kept, features, head, keep, some)
    finite = jnp.isfinite(within) & jnp.isfinite(between) & (many >= 2)
    enough = (n >= 5 * directions) & jnp.all(~present | (kept.counts >= 2))

    def known(value: Array) -> JaxArray:
        return jnp.where(finite, value, nan)

    return Collapse(
        nc1=known(nc1),
        nc1_rank=known(nc1_rank),
        ratio=known(jnp.where(some, within / jnp.where(some, between, 1), jnp.inf)),
        fisher=known(fisher),
        vci=known(1 - fisher / jnp.maximum(rank, 1)),
        norms=known(jnp.where(some, _variation(sizes, present), nan)),
        angles=known(angles),
        structure=known(structure),
        cdnv=known(_distances(kept, squares)),
        head_norms=known(head_norms),
        duality=known(duality),
        nearest_mean=known(nearest),
        rank=known(rank),
        classes=many,
        degenerate=degenerate.sum().astype(dtype),
        ok=finite & enough & sound & kept.spread,
    )


def _cut(dtype: Any) -> float:
    """Relative size below which an eigenvalue counts as none."""
    return 1e-8 if dtype == jnp.float64 else 1e-5


def _kept(features: Array, labels: Array, keep: Array, classes: int) -> _Kept:
    dtype = features.dtype
    member = jax.nn.one_hot(labels, classes, dtype=dtype) * keep[:, None]
    counts = member.sum(axis=0)
    present = counts > 0
    n, many = counts.sum(), present.sum().astype(dtype)
    given = features
    # Around the overall mean first, so that an offset of the units costs no digits; twice, since
    # the rounding of the first mean is an offset too.
    for _ in range(2):
        features = (features - (keep @ features) / n) * keep[:, None]
    # All measures are ratios: in units of the largest feature no power of them overflows.
    largest = jnp.max(jnp.abs(features))
    rounding = 4 * jnp.finfo(dtype).eps * jnp.max(jnp.abs(given) * keep[:, None])
    spread = ~(largest <= rounding)
    features = jnp.where(spread, features / jnp.where(spread, largest, 1), 0)
    means = (member.T @ features) / jnp.maximum(counts, 1)[:, None]
    centred = jnp.where(present[:, None], means - means.sum(axis=0) / many, 0)
    return _Kept(features, member, counts, present, means, centred, n, many, spread)


def _trace(kept: _Kept, inside: Array, gram: Array, total: Array) -> tuple[Array, Array, Array]:
    """tr(S_W S_B^+) by the number of classes and by the rank of S_B, and that rank."""
    n, many, dtype = kept.n, kept.many, gram.dtype
    values, vectors = jnp.linalg.eigh(gram / many)
    # Rounding of the means, which agree, is no scatter between them.
    noise = (8 * jnp.finfo(dtype).eps) ** 2 * total
    used = values > jnp.maximum(_cut(dtype) * values[-1], noise)
    rank = used.sum().astype(dtype)
    # S_B^+ = M^T V e^-2 V^T M / K, so that nothing of size d x d is inverted.
    projected = (inside @ kept.centred.T) @ vectors
    inverse = jnp.where(used, 1 / jnp.where(used, values, 1) ** 2, 0)
    trace = jnp.sum(jnp.sum(projected**2, axis=0) * inverse) / (n * many)
    by_classes = jnp.where(rank > 0, trace / many, jnp.inf)
    return by_classes, jnp.where(rank > 0, trace / jnp.maximum(rank, 1), jnp.inf), rank


def _simplex(gram: Array, sizes: Array, present: Array, many: Array, some: Array):
    """Angles and structure of the class means beside a simplex, and which are the centre."""
    classes, dtype = len(gram), gram.dtype
    nan = jnp.asarray(jnp.nan, dtype)
    degenerate = present & (sizes <= jnp.maximum(1e-8, 10 * jnp.finfo(dtype).eps) * sizes.max())
    valid = present & ~degenerate
    pairs = valid[:, None] & valid & ~jnp.eye(classes, dtype=bool)
    scale = jnp.where(valid, sizes, 1)
    off = jnp.abs(gram / (scale[:, None] * scale) + 1 / (many - 1))
    angles = jnp.where(pairs.sum() > 0, _mean(off, pairs), nan)
    simplex = jnp.where(present[:, None] & present, jnp.eye(classes, dtype=dtype) - 1 / many, 0)
    simplex = simplex / jnp.sqrt(many - 1)
    return angles, jnp.where(some, _distance(gram, simplex), nan), degenerate


def _distances(kept: _Kept, squares: Array) -> Array:
    """Mean over pairs of classes of their variances over the square distance of their means."""
    spreads = (kept.member.T @ squares) / jnp.maximum(kept.counts, 1)
    apart = jnp.sum((kept.means[:, None] - kept.means) ** 2, axis=-1)
    both = kept.present[:, None] & kept.present & ~jnp.eye(len(spreads), dtype=bool)
    return _mean((spreads[:, None] + spreads) / (2 * jnp.where(both, apart, 1)), both)


def _beside_head(kept: _Kept, given: Array, head: Any, keep: Array, some: Array):
    """Norms of the head, its distance from the class means, their disagreement; if finite."""
    nan = jnp.asarray(jnp.nan, given.dtype)
    weights = jnp.where(kept.present[:, None], head[0].T, 0)
    norms = _variation(jnp.linalg.norm(weights, axis=1), kept.present)
    duality = jnp.where(some, _distance(kept.centred, _unit(weights)), nan)
    logits = jnp.where(kept.present, given @ head[0] + head[1], -jnp.inf)
    # |t - mu|^2 without the |t|^2 that all classes share.
    distances = jnp.sum(kept.means**2, axis=1) - 2 * kept.features @ kept.means.T
    closest = jnp.argmin(jnp.where(kept.present, distances, jnp.inf), axis=1)
    nearest = keep @ (jnp.argmax(logits, axis=1) != closest).astype(given.dtype) / kept.n
    sound = jnp.all(jnp.isfinite(head[0])) & jnp.all(jnp.isfinite(head[1]))
    return norms, duality, jnp.where(sound, nearest, nan), sound


def _fisher(features: Array, member: Array, counts: Array, n: Array, cut: float):
    """tr(S_T^+ S_Bw) and the rank of S_T, by the smaller of the Gram matrix and the scatter."""
    spread = jnp.sqrt(jnp.sum(features**2, axis=0) / n)
    # Units of one variance: the trace is the same and the smallest eigenvalue is better known.
    rows = features / jnp.where(spread > 0, spread, 1) / jnp.sqrt(n)
    classes = member / jnp.sqrt(jnp.maximum(counts, 1))
    if rows.shape[0] < rows.shape[1]:
        values, vectors = jnp.linalg.eigh(rows @ rows.T)
        shares = classes.T @ vectors
    else:
        values, vectors = jnp.linalg.eigh(rows.T @ rows)
        positive = jnp.where(values > 0, values, 1)
        shares = ((classes.T @ rows) @ vectors) / jnp.sqrt(positive)
    used = values > jnp.maximum(cut * values[-1], 0)
    return jnp.sum(jnp.where(used, shares**2, 0)), used.sum()


def _mean(values: Array, where: Array) -> Array:
    return jnp.sum(jnp.where(where, values, 0)) / jnp.maximum(where.sum(), 1)


def _variation(sizes: Array, present: Array) -> Array:
    mean = _mean(sizes, present)
    return jnp.sqrt(_mean((sizes - mean) ** 2, present)) / mean


def _unit(matrix: Array) -> Array:
    norm = jnp.linalg.norm(matrix)
    return matrix / jnp.where(norm > 0, norm, jnp.nan)


def _distance(matrix: Array, other: Array) -> Array:
    return jnp.linalg.norm(_unit(matrix) - other)
