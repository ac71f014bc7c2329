"""The recursion: units as labels of the layer below, and exact telescoping along a chain."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.interface import Estimate
from ibjax.maxent import alphabets, checks
from ibjax.maxent.correlation import binarise
from ibjax.maxent.duality import Solution, solve
from ibjax.maxent.exact import exact
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Numbers


class Units(NamedTuple):
    """The two-class problem of every unit of a layer on the layer below; nats, one a unit.

    Attributes:
        solution: the logistic problems, each field with a leading axis of units.
        entropy: H(T_j), what a constant prediction costs.
        given: H(T_j | T_below) under the law given; 0 where the layer is a function of it.
        cross_entropy: the loss of logistic regression on the layer below.
        linear_gap: cross_entropy - given; zero where maximum entropy is applied strictly.
        explained: 1 - linear_gap / I(T_j; T_below); 0 for a constant prediction, 1 if strict,
            NaN where the unit does not depend on the layer below.
    """

    solution: Solution
    entropy: Estimate
    given: Estimate
    cross_entropy: Estimate
    linear_gap: Estimate
    explained: Float[Array, " u"]


@jax.jit
def _units(below: Array, bits: Array, mass: Array, l2: Array, l1: Array) -> tuple[Any, ...]:
    ids = alphabets.cells(below)

    def one(bit: Array) -> tuple[Solution, Array, Array]:
        joint = mass[:, None] * jnp.stack([1 - bit, bit], axis=1)
        fit = solve(below, joint, l2=l2, l1=l1, method="newton")
        given = alphabets.label_entropy(alphabets.pooled(joint, ids))
        return fit, -alphabets.xlogx(joint.sum(axis=0)).sum(), given

    return jax.lax.map(one, bits.T)


@enforced
def units(
    below: Numbers,
    above: Numbers,
    *,
    mass: Numbers | None = None,
    threshold: Numbers | None = None,
    l2: Numbers = 0.0,
    l1: Numbers = 0.0,
) -> Units:
    """Solve the maximum-entropy problem whose label is a unit, for every unit of a layer.

    Each unit, cut at a threshold, is a two-class label; its maximum-entropy law given the layer
    below is logistic,

        P(T_j = 1 | T_below) = sigmoid(w_j . T_below + b_j),

    and strict exactly when the linear gap is zero. A layer that satisfies its conditions
    thus leaves one such problem a unit to the layer below, and so on to the input.

    Args:
        below: (n, d) features of the layer below.
        above: (n, u) features of the layer; cut at the threshold.
        mass: probability (or count) of each row, (n,); equal if None.
        threshold: one number or one a unit; the mean of each unit over rows if None.
        l2: weight of a quadratic penalty, which keeps the weights of separable units finite.
        l1: weight of an absolute penalty, for sparse connections.

    Returns:
        A `Units`, exact for the law given (std_error 0): the in-sample values when rows are a
        sample. `given` is then meaningful only if rows repeat.

    Raises:
        ValueError: on shapes that do not fit, negative mass or penalty, or NaN.

    Reference:
        Zheng, Sang, Xu, "Understanding Deep Learning Generalization by Maximum Entropy", 2017,
        for the recursion; this form of it is derived here.
    """
    below = checks.matrix("below", below)
    bits = binarise(above, threshold).astype(below.dtype)
    rows = below.shape[0]
    if bits.shape[0] != rows:
        raise ValueError(f"above has {bits.shape[0]} rows and below {rows}; give the same rows")
    for name, value in (("l2", l2), ("l1", l1)):
        checks.nonnegative(name, value)
    mass = jnp.ones(rows, below.dtype) if mass is None else jnp.asarray(mass, below.dtype)
    if mass.shape != (rows,):
        raise ValueError(f"mass has shape {mass.shape}; give one number a row: ({rows},)")
    checks.nonnegative("mass", mass)
    penalties = jnp.asarray(l2, below.dtype), jnp.asarray(l1, below.dtype)
    fit, entropy, given = _units(below, bits, mass / mass.sum(), *penalties)
    gap = fit.cross_entropy - given
    information = entropy - given
    live = information > 100 * jnp.finfo(below.dtype).eps
    remedy = "a logistic problem did not converge; scale the features or give l2 > 0"
    return Units(
        solution=fit,
        entropy=exact("H(T_j)", entropy),
        given=exact("H(T_j|T_below)", given),
        cross_entropy=exact("CE of logistic regression", fit.cross_entropy, fit.converged, remedy),
        linear_gap=exact("CE - H(T_j|T_below)", gap, fit.converged, remedy),
        explained=jnp.where(live, 1 - gap / jnp.where(live, information, 1), jnp.nan),
    )


class Chain(NamedTuple):
    """Exact book-keeping along layers, one entry a layer, in nats.

    Attributes:
        sufficiency_residual: I(X;Y|T_l).
        information_loss: I(T_{l-1};Y|T_l), with T_0 = X; what the layer throws away.
        information_regain: I(T_l;Y|T_{l-1}); zero for a chain, positive where the layer
            sees something its predecessor does not (quantised layers, skip connections).
        linear_gap: CE_softmax(T_l) - H(Y|T_l).
        cross_entropy: CE_softmax(T_l).
        probe_gain: CE_softmax(T_{l-1}) - CE_softmax(T_l); NaN for the first without inputs.
    """

    sufficiency_residual: Estimate
    information_loss: Estimate
    information_regain: Estimate
    linear_gap: Estimate
    cross_entropy: Estimate
    probe_gain: Estimate


@jax.jit
def _entropies(stack: tuple[Array, ...], joint: Array) -> tuple[Array, Array]:
    """H(Y|T_l) of every layer from the input on, and H(Y|T_{l-1}, T_l)."""

    def entropy(array: Array) -> Array:
        return alphabets.label_entropy(alphabets.pooled(joint, alphabets.cells(array)))

    alone = jnp.stack([entropy(array) for array in stack])
    pairs = [jnp.concatenate(pair, axis=1) for pair in pairwise(stack)]
    return alone, jnp.stack([entropy(array) for array in pairs])


def _chain(features: tuple[Array, ...], inputs: Array, joint: Array, probed: bool) -> Chain:
    alone, both = _entropies((inputs, *features), joint)
    # One compiled solver a shape, not one program a network.
    fits = [solve(array, joint, method="newton") for array in features]
    loss = jnp.stack([fit.cross_entropy for fit in fits])
    fine = jnp.stack([fit.converged for fit in fits])
    if probed:
        first = solve(inputs, joint, method="newton")
        before, fine_before = first.cross_entropy, first.converged
    else:
        before, fine_before = jnp.full((), jnp.nan, joint.dtype), jnp.asarray(False)
    remedy = "the softmax did not converge; scale the features"
    gain = jnp.concatenate([before[None], loss[:-1]]) - loss
    gain_fine = jnp.concatenate([fine_before[None], fine[:-1]]) & fine
    return Chain(
        sufficiency_residual=exact("I(X;Y|T_l)", alone[1:] - alone[0]),
        information_loss=exact("I(T_{l-1};Y|T_l)", alone[1:] - both),
        information_regain=exact("I(T_l;Y|T_{l-1})", alone[:-1] - both),
        linear_gap=exact("CE_softmax(T_l) - H(Y|T_l)", loss - alone[1:], fine, remedy),
        cross_entropy=exact("CE_softmax(T_l)", loss, fine, remedy),
        probe_gain=exact("probe gain", gain, gain_fine, remedy),
    )


@enforced
def chain(features_list: Sequence[Any], joint: Numbers, *, inputs: Numbers | None = None) -> Chain:
    """Account for label information and loss along the layers of a network, exactly.

    For layers T_1, ..., T_L that form a chain Y - X - T_1 - ... - T_L,

        I(X;Y|T_L) = sum_l I(T_{l-1};Y|T_l),
        probe_gain_l = linear_gap(T_{l-1}) - linear_gap(T_l) - I(T_{l-1};Y|T_l),

    so depth never improves sufficiency and helps only by lowering the linear gap by more than it
    loses. For layers that form no chain both hold with the regain I(T_l;Y|T_{l-1}) added to the
    gain (subtracted from the loss).

    Args:
        features_list: T_l at every row, each (n, d_l).
        joint: mass or counts of each row and class, (n, K). A row is an input letter, or an
            (input, noise) pair for stochastic layers.
        inputs: (n, dx); rows that agree are one letter of X. None: every row is its own.

    Returns:
        A `Chain` of exact values, arrays over layers.

    Assumes:
        Finite alphabets: features that agree bit for bit are one letter.

    Raises:
        ValueError: if the list is empty, or on shapes that do not fit.

    Reference:
        The chain rule of mutual information; Cover, Thomas, "Elements of Information Theory".
    """
    if len(features_list) == 0:
        raise ValueError("features_list is empty; give the outputs of at least one layer")
    features = tuple(
        checks.matrix(f"features_list[{index}]", array) for index, array in enumerate(features_list)
    )
    rows = features[0].shape[0]
    joint = checks.law("joint", joint, rows).astype(features[0].dtype)
    for index, array in enumerate(features):
        if array.shape[0] != rows:
            raise ValueError(
                f"features_list[{index}] has {array.shape[0]} rows, the first {rows}; "
                "give every layer at the same rows"
            )
    probed = inputs is not None
    letters = jnp.arange(rows, dtype=joint.dtype)[:, None] if inputs is None else inputs
    return _chain(features, checks.matrix("inputs", letters).astype(joint.dtype), joint, probed)
