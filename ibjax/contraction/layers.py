"""The coefficients of a network's hidden layers, each with its reason in words."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ibjax.contraction.combine import compose
from ibjax.contraction.masks import dropout
from ibjax.contraction.noise import gaussian_noise, gaussian_noise_tv
from ibjax.interface import Contraction, LayerFacts, Network
from ibjax.signatures import enforced
from ibjax.typing import Divergence, Numbers


@enforced
def network(
    module: Network | Sequence[LayerFacts],
    params: Any = None,
    *,
    layer_noise: Numbers | None = None,
    divergence: Divergence = "kl",
) -> tuple[Contraction, ...]:
    """Give one contraction coefficient a hidden layer.

    A layer contracts only by its noise. A deterministic one has eta = 1 exactly, whatever it
    does: for V = f(A) the layer f keeps all of I(V; A). Dropout then Gaussian noise multiply.
    The diameter comes from the range of the activation, so a coefficient holds for every weight
    setting and no supremum over the weights is left to take.

    Args:
        module: a `Network`, or the facts of its hidden layers in order.
        params: not used by coefficients that hold for all weights; accepted so that a call may
            pass the network it has.
        layer_noise: standard deviation to use in place of that of the noisy layers, a number or
            an array, for sweeps; deterministic layers stay deterministic.
        divergence: "kl", for `bounds.depth` and its kind, or "tv", for `bounds.depth_tv`.

    Returns:
        A tuple, one `Contraction` a layer: kind exact for deterministic layers, else upper.

    Raises:
        ValueError: if `module` is neither, a fact is out of range, or the divergence another.
    """
    if divergence not in ("kl", "tv"):
        raise ValueError(f'divergence={divergence!r} is unknown; choose "kl" or "tv"')
    facts = module.layers if isinstance(module, Network) else module
    if not isinstance(facts, (tuple, list)) or not all(isinstance(f, LayerFacts) for f in facts):
        raise ValueError(
            f"module is {type(module).__name__}; give a Network or a sequence of LayerFacts"
        )
    return tuple(_layer(f, layer_noise, divergence) for f in facts)


def _layer(fact: LayerFacts, layer_noise: Any, divergence: Divergence) -> Contraction:
    stages, words = [], []
    if fact.dropout != 0:
        stages.append(dropout(fact.dropout, fact.width))
        words.append(f"dropout {fact.dropout:g} of {fact.width} units")
    if fact.noise != 0:
        std = fact.noise if layer_noise is None else layer_noise
        noisy = gaussian_noise if divergence == "kl" else gaussian_noise_tv
        stages.append(noisy(fact.diameter, std))
        size = (
            "unbounded output" if fact.diameter == float("inf") else f"diameter {fact.diameter:g}"
        )
        amount = f"{fact.noise:g}" if layer_noise is None else "swept"
        words.append(f"Gaussian noise {amount} on {size}")
    if not stages:
        one = jnp.ones(())
        reason = f"{fact.name}: deterministic, keeps all of I(f(A); A), so eta = 1"
        return Contraction(one, -jnp.inf * one, "exact", "channel", reason, divergence)
    both = compose(stages)
    reason = f"{fact.name}: {' and '.join(words)}"
    return Contraction(both.value, both.log1m, "upper", "channel", reason, divergence)
