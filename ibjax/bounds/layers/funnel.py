"""The Wasserstein bound of every layer, and the layer at which it is smallest."""

from typing import Any

import jax
import jax.numpy as jnp

from ibjax.bounds import checks, outcome
from ibjax.bounds.kinds import fitted
from ibjax.interface import BoundValue, Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar


@enforced
def tail_lipschitz(
    norms: Float[Array, "*draws layers"], slope: Scalar | Float[Array, " layers"] = 1.0
) -> Float[JaxArray, "*draws points"]:
    """Bound the Lipschitz constant of the rest of the network, from each layer on.

    ``max(1, prod_{j > l} slope_j |W_j|_op)`` for l = 0, ..., L; 1 at the output. The labels go
    past the layers unchanged, whence the 1.

    Args:
        norms: operator norms of the layers, first layer first.
        slope: Lipschitz constant of the activations: one a layer, (layers,), or a number for all.
            The output mostly has no activation: a number below 1 does not count for the last layer.

    Raises:
        ValueError: for negative norms, or slopes that are not one a layer.
    """
    sizes, steep = checks.real("norms", norms, 0.0), checks.real("slope", slope, 0.0)
    if sizes.ndim < 1:
        raise ValueError(f"norms has shape {sizes.shape}; give one a layer: (layers,)")
    if steep.ndim and steep.shape != sizes.shape[-1:]:
        raise ValueError(
            f"slope has shape {steep.shape}; give one a layer, {sizes.shape[-1:]}, or a number"
        )
    each = sizes * steep
    if not steep.ndim:
        each = each.at[..., -1:].set(sizes[..., -1:] * jnp.maximum(steep, 1.0))
    after = jnp.flip(jnp.cumprod(jnp.flip(each, -1), -1), -1)
    after = jnp.concatenate([after, jnp.ones_like(after[..., :1])], -1)
    return jnp.maximum(after, 1.0)


@enforced
def funnel_layers(
    distances: Float[Array, "draws points"] | Float[Array, " points"] | Estimate,
    norms: Float[Array, "draws layers"] | Float[Array, " layers"] | Estimate,
    loss_lipschitz: Scalar | Estimate = 1.0,
    *,
    slope: Scalar | Float[Array, " layers"] = 1.0,
    loss_range: Scalar = jnp.inf,
    law: Float[Array, " draws"] | None = None,
    norms_for_all: bool = False,
) -> BoundValue:
    """Bound the expected gap at every layer by how far training and test features are apart.

    ``|gap| <= rho E_W [tail_l(W) (1/n) sum_i W_1(law of (T_l,i, Y_i) given W, law of (T_l, Y))]``

    The loss after layer l is a Lipschitz function of (T_l, Y); by duality its means under two
    laws differ by no more than its constant times their Wasserstein distance. Unlike divergences
    the distances need not fall from layer to layer.

    The expectation is of a product. Distance and norm of one W belong together, and the product
    of their averages over W says nothing of it: weights of norm 10 and distance 1 half of the
    time, of norm 0.1 and distance 0 otherwise, have the bound 5 and the averages 5.05 and 0.5,
    whose product is 2.525. So rows are asked for, one a W.

    Args:
        distances: (draws, points): the distances for l = 0 (inputs) to L (output), averaged over
            the examples, one row a W. With `norms_for_all` also (points,), averages over W.
        norms: (draws, layers): operator norms of the L layers, the rows of the same W.
        loss_lipschitz: Lipschitz constant rho of the loss in (output, label).
        slope: Lipschitz constant of the activations, as in `tail_lipschitz`.
        loss_range: largest minus smallest loss; bounds from there on are vacuous.
        law: probabilities of the rows, which then are all values of W; (1,) for one known W.
            None for rows that are independent draws of W.
        norms_for_all: `norms` is one row (layers,) of bounds that hold for every W, such as
            spectral normalisation enforces, and may leave the expectation.

    Returns:
        One value a layer, the input first. With `law`, or averages under `norms_for_all`, numbers
        are taken at their word: certificate; draws of W are averaged: estimate, with its error.
        An `Estimate` passes on its kind: distances between clouds of features make an estimate.

    Assumes:
        Independent examples; a Lipschitz loss; distances that are not below the truth.

    Raises:
        ValueError: averages in place of rows; shapes that do not fit, negative numbers, a law
            that does not sum to one.

    Reference:
        He, Yu, Goldfeld 2024, "Hierarchical generalization bounds for deep neural networks";
        re-derived here.
    """
    far, sizes = checks.quantity("distances", distances), checks.quantity("norms", norms)
    rho = checks.quantity("loss_lipschitz", loss_lipschitz)
    limit = checks.real("loss_range", loss_range, 0.0, open_low=True)
    shapes = jnp.shape(far.value), jnp.shape(sizes.value)
    if norms_for_all:
        if sizes.value.ndim != 1 or far.value.ndim not in (1, 2):
            raise ValueError(
                f"norms has shape {shapes[1]} and distances {shapes[0]}; with norms_for_all give "
                "(layers,) and (points,) or (draws, points)"
            )
    elif far.value.ndim != 2 or sizes.value.ndim != 2 or shapes[0][0] != shapes[1][0]:
        raise ValueError(
            f"distances has shape {shapes[0]} and norms {shapes[1]}; give one row a W, (draws, "
            "points) and (draws, layers): the mean over W of a product is not the product of "
            "means. For one known W give one row and law=[1.0]; for norms that bound those of "
            "every W, norms_for_all=True"
        )
    tails = tail_lipschitz(sizes.value, slope)
    if shapes[0][-1] != tails.shape[-1]:
        raise ValueError(
            f"distances has shape {shapes[0]} for norms of {tails.shape[-1] - 1} layers; "
            "give one at the input and one after each layer"
        )
    each = rho.value * tails * far.value
    error = _first_order(far, sizes, rho, slope, tails)
    drawn = each.ndim == 2 and law is None
    if each.ndim == 2 and law is not None:
        weight = checks.real("law", law, 0.0, 1.0)
        if weight.shape != each.shape[:1]:
            raise ValueError(f"law has shape {weight.shape}; give one a row: {each.shape[:1]}")
        if checks.concrete(weight) and not abs(float(jnp.sum(weight)) - 1) < 1e-4:
            raise ValueError(f"law={law!r} must sum to one over the rows, which are all W")
        each, error = weight @ each, weight @ error
    elif law is not None:
        raise ValueError("law is given for averages over W; give rows, or no law")
    elif drawn:
        # The spread over draws has that of the estimates of each in it.
        draws = each.shape[0]
        mean = jnp.mean(each, 0)
        spread = jnp.sum((each - mean) ** 2, 0) / max(draws - 1, 1)
        error = jnp.sqrt(spread / draws) if draws > 1 else jnp.full_like(mean, jnp.nan)
        each = mean
    return outcome.result(
        each,
        name="funnel",
        kind="estimate" if drawn else "certificate",
        inputs=[
            # A limit for one W is part of every layer's bound.
            given._replace(confidence=fitted(given.confidence, ()))
            for given in (far, sizes, rho)
        ],
        limit=limit,
        assumptions=("iid",),
        std_error=error,
        note="for a Lipschitz loss; distances must not be below the truth",
    )


@enforced
def funnel(
    distances: Float[Array, "draws points"] | Float[Array, " points"] | Estimate,
    norms: Float[Array, "draws layers"] | Float[Array, " layers"] | Estimate,
    loss_lipschitz: Scalar | Estimate = 1.0,
    **options: Any,
) -> BoundValue:
    """Bound the expected gap by the smallest of the layers' Wasserstein bounds.

    The layer that attains it is the argmin of `funnel_layers`: the generalization funnel. The
    expectation over W is taken before the minimum, as the theorem has it.

    Args:
        distances: as in `funnel_layers`, one row a W.
        norms: as in `funnel_layers`, the rows of the same W.
        loss_lipschitz: Lipschitz constant rho of the loss in (output, label).
        options: `slope`, `loss_range`, `law` and `norms_for_all` of `funnel_layers`.

    Raises:
        ValueError: averages in place of rows; shapes that do not fit, negative numbers, a law that
            does not sum to one.

    Reference:
        He, Yu, Goldfeld 2024, "Hierarchical generalization bounds for deep neural networks";
        re-derived here.
    """
    layers = funnel_layers(distances, norms, loss_lipschitz, **options)
    best = jnp.argmin(layers.value)
    return jax.tree.map(lambda field: field[best], layers)


def _first_order(
    far: checks.Given, sizes: checks.Given, rho: checks.Given, slope: Any, tails: JaxArray
) -> JaxArray:
    """Standard error of rho tail distance, errors added up; a layer at a time where norms err."""
    error = outcome.scaled_error(rho.value * tails, far.error)
    error = error + outcome.scaled_error(tails * far.value, rho.error)
    # The other end of one error of every norm: convex in each, so not below the slope.
    wider = tail_lipschitz(sizes.value + jnp.nan_to_num(sizes.error), slope) - tails
    unknown = jnp.any(jnp.isnan(sizes.error), -1, keepdims=True)
    moved = jnp.where(unknown, jnp.nan, rho.value * far.value * wider)
    return error + jnp.where(jnp.all(sizes.error == 0), 0.0, moved)
