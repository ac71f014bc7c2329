"""The Wasserstein bound of every layer, and the layer at which it is smallest."""

from typing import Any

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.interface import BoundValue
from ibjax.typing import Array, Float, JaxArray, Scalar


def tail_lipschitz(
    norms: Float[Array, "*draws layers"], slope: Scalar = 1.0
) -> Float[JaxArray, "*draws points"]:
    """Bound the Lipschitz constant of the rest of the network, from each layer on.

    ``max(1, prod_{j > l} slope |W_j|_op)`` for l = 0, ..., L; 1 at the output. The labels go
    past the layers unchanged, whence the 1.

    Args:
        norms: operator norms of the layers, first layer first.
        slope: Lipschitz constant of the activations.

    Raises:
        ValueError: for negative norms.
    """
    each = checks.real("norms", norms, 0.0) * checks.real("slope", slope, 0.0)
    if each.ndim < 1:
        raise ValueError(f"norms has shape {each.shape}; give one a layer: (layers,)")
    after = jnp.flip(jnp.cumprod(jnp.flip(each, -1), -1), -1)
    after = jnp.concatenate([after, jnp.ones_like(after[..., :1])], -1)
    return jnp.maximum(after, 1.0)


def funnel_layers(
    distances: Float[Array, "*draws points"],
    norms: Float[Array, "*draws layers"],
    loss_lipschitz: Scalar = 1.0,
    *,
    slope: Scalar = 1.0,
    loss_range: Scalar = jnp.inf,
) -> BoundValue:
    """Bound the expected gap at every layer by how far training and test features are apart.

    ``|gap| <= rho E_W [tail_l(W) (1/n) sum_i W_1(law of (T_l,i, Y_i) given W, law of (T_l, Y))]``

    The loss after layer l is a Lipschitz function of (T_l, Y); by duality its means under two
    laws differ by no more than its constant times their Wasserstein distance. Unlike divergences
    the distances need not fall from layer to layer.

    Args:
        distances: the distances for l = 0 (inputs) to L (output), averaged over the examples;
            with a leading axis, one row a draw of W.
        norms: operator norms of the L layers, for the same draws of W.
        loss_lipschitz: Lipschitz constant rho of the loss in (output, label).
        slope: Lipschitz constant of the activations.
        loss_range: largest minus smallest loss; bounds from there on are vacuous.

    Returns:
        One value a layer, the input first. Numbers for one known W, or averages over all W, are
        taken at their word: certificate; rows of draws are averaged: estimate, with its error.

    Assumes:
        Independent examples; a Lipschitz loss; distances that are not below the truth.

    Raises:
        ValueError: for shapes that do not fit or negative numbers.

    Reference:
        He, Yu, Goldfeld 2024, "Information-theoretic generalization bounds for deep neural
        networks"; re-derived here.
    """
    far = checks.real("distances", distances, 0.0)
    tails = tail_lipschitz(norms, slope)
    rho = checks.real("loss_lipschitz", loss_lipschitz, 0.0)
    limit = checks.real("loss_range", loss_range, 0.0, open_low=True)
    if far.ndim not in (1, 2) or far.shape[-1] != tails.shape[-1]:
        raise ValueError(
            f"distances has shape {far.shape} for norms of {tails.shape[-1] - 1} layers; "
            "give one at the input and one after each layer"
        )
    each = rho * tails * far
    drawn = each.ndim == 2
    value, error = each, jnp.zeros_like(each)
    if drawn:
        draws = each.shape[0]
        value = jnp.mean(each, 0)
        spread = jnp.sum((each - value) ** 2, 0) / max(draws - 1, 1)
        error = jnp.sqrt(spread / draws) if draws > 1 else jnp.full_like(value, jnp.nan)
    return checks.result(
        value,
        name="funnel",
        kind="estimate" if drawn else "certificate",
        limit=limit,
        assumptions=("iid",),
        std_error=error,
        note="for a Lipschitz loss; distances must not be below the truth",
    )


def funnel(
    distances: Float[Array, "*draws points"],
    norms: Float[Array, "*draws layers"],
    loss_lipschitz: Scalar = 1.0,
    **options: Any,
) -> BoundValue:
    """Bound the expected gap by the smallest of the layers' Wasserstein bounds.

    The layer that attains it is the argmin of `funnel_layers`: the generalization funnel. The
    expectation over W is taken before the minimum, as the theorem has it.

    Args:
        distances: as in `funnel_layers`.
        norms: as in `funnel_layers`.
        loss_lipschitz: as in `funnel_layers`.
        options: `slope` and `loss_range` of `funnel_layers`.

    Raises:
        ValueError: as `funnel_layers` does.

    Reference:
        He, Yu, Goldfeld 2024, "Information-theoretic generalization bounds for deep neural
        networks"; re-derived here.
    """
    layers = funnel_layers(distances, norms, loss_lipschitz, **options)
    best = jnp.argmin(layers.value)
    return BoundValue(
        layers.value[best],
        layers.information[best],
        layers.std_error[best],
        layers.vacuous[best],
        layers.holds[best],
        layers.name,
        layers.kind,
        layers.assumptions,
        layers.note,
    )
