"""The premises that can be checked on evidence: what must hold, and what to say where it fails.

A row of the registry names its assumptions; those that stand here are checked for it, every one,
each time it is evaluated.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from ibjax.interface import Moment
from ibjax.typing import Array, Bool


class Premise(NamedTuple):
    """One check.

    Attributes:
        holds: from the evidence of one checkpoint to whether it holds.
        inputs: the fields it reads.
        otherwise: what to say, and do, where it does not.
    """

    holds: Callable[[Moment], Bool[Array, ""]]
    inputs: tuple[str, ...]
    otherwise: str


def _noisy(moment: Moment) -> Array:
    sizes, noise = jnp.asarray(moment.step_sizes), jnp.asarray(moment.noise_stds)
    if sizes.ndim != 1 or sizes.shape != noise.shape or not sizes.shape[0]:
        return jnp.array(False)
    right = (sizes > 0) & jnp.isfinite(sizes) & (noise > 0) & jnp.isfinite(noise)
    return jnp.all((sizes == 0) | right)


def _independent(moment: Moment) -> Array:
    return jnp.asarray(moment.exchangeable) == 1


def _clipped(moment: Moment) -> Array:
    return jnp.isfinite(jnp.asarray(moment.clip))


def _covered(moment: Moment) -> Array:
    gone = jnp.asarray(moment.diverged, bool)
    return ~jnp.any(gone) | (jnp.asarray(moment.bounded_steps) == 1) & ~jnp.all(gone)


CHECKED: dict[str, Premise] = {
    "data_independent_batches": Premise(
        _independent,
        ("exchangeable",),
        "exchangeable is not 1: it takes your word that initial weights, batches and "
        "stopping did not look at the data",
    ),
    "weight_noise": Premise(
        _noisy,
        ("step_sizes", "noise_stds"),
        "step_sizes or noise_stds are missing, or a step added no noise to the weights",
    ),
    "clipped": Premise(
        _clipped,
        ("clip",),
        "clip is infinite or missing: nothing bounds the gradient of an example",
    ),
    "class_number": Premise(
        lambda moment: jnp.asarray(moment.classes_given) == 1,
        ("classes_given",),
        "num_classes was not given: the labels that happen to occur do not tell how many there are",
    ),
    "independent_runs": Premise(
        lambda moment: jnp.asarray(moment.shared_batches) == 0,
        ("shared_batches",),
        "shared_batches is not 0: replicas that share their batches or noise, or may do so, are "
        "no independent runs",
    ),
    "every_replica": Premise(
        _covered,
        ("diverged", "bounded_steps"),
        "replicas diverged, and it is not known that every gradient, also one that was not "
        "finite, was kept within clip",
    ),
}


def hold(moment: Moment, assumptions: tuple[str, ...]) -> Bool[Array, ""]:
    """Whether every one of these assumptions that can be checked holds."""
    checks = [CHECKED[name].holds(moment) for name in assumptions if name in CHECKED]
    return jnp.all(jnp.stack([jnp.asarray(c, bool) for c in checks])) if checks else jnp.array(True)


def failing(moment: Moment, assumptions: tuple[str, ...]) -> list[str]:
    """What to say of the assumptions that do not hold, for evidence that is known now."""
    named = [CHECKED[name] for name in assumptions if name in CHECKED]
    return [premise.otherwise for premise in named if not bool(premise.holds(moment))]


def inputs(assumptions: tuple[str, ...]) -> tuple[str, ...]:
    """The fields that checking these assumptions reads."""
    found = [f for name in assumptions if name in CHECKED for f in CHECKED[name].inputs]
    return tuple(dict.fromkeys(found))
