"""The information bottleneck and its dual on discrete joints."""

from typing import NamedTuple

import numpy as np

from ibjax.bottleneck.search import solve
from ibjax.bottleneck.sweeps import Form
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key, Scalar


class Bottleneck(NamedTuple):
    """The best solution found at one beta.

    Attributes:
        encoder: q(t|x), (k, cardinality).
        i_tx: I(X;T), nats.
        i_ty: I(T;Y) with the Bayes decoder, nats.
        functional: the minimised value, I(X;T) + beta E d for `ib` and `dual_ib`, nats; a mean
            distortion E d within rounding counts as 0.
        decoder: p(y|t), (cardinality, m): Bayes for the IB, normalised geometric mean for its dual.
        i_ty_decoder: I(T;Y') where Y' is drawn from `decoder`; equals `i_ty` for the IB.
        iterations: sweeps of the restart that won.
        converged: whether its last sweep moved no entry of p(t) and p(t, y) by the tolerance, and
            all is finite.
        h_t: entropy of T, nats; equals `i_tx` for a deterministic encoder.
    """

    encoder: JaxArray
    i_tx: JaxArray
    i_ty: JaxArray
    functional: JaxArray
    decoder: JaxArray
    i_ty_decoder: JaxArray
    iterations: JaxArray
    converged: JaxArray
    h_t: JaxArray


@enforced
def ib(
    joint: Float[Array, "k m"],
    beta: Scalar,
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Bottleneck:
    r"""Minimise I(X;T) - beta I(T;Y) over encoders of a discrete joint.

    Alternates :math:`q(t|x) \propto p(t) e^{-\beta D[p(y|x) \| p(y|t)]}` with the marginal and the
    Bayes decoder; each sweep lowers :math:`I(X;T) + \beta E\,D[p(y|x)\|p(y|t)]`, which is the
    functional up to the constant beta I(X;Y), and safeguarded Newton steps save most of them.
    The problem is not convex: the best of several starts is returned, the trivial and the identity
    encoder among them. Near a critical beta convergence is slow: look at `converged`.

    Args:
        joint: p(x, y) or counts, (k, m); every row must have mass.
        beta: trade-off, >= 0 and finite.
        cardinality: number of clusters; k by default, which suffices.
        key: for the random starts; a fixed one by default.
        restarts: number of starts, at least 2 (the third and later ones are random).
        max_iterations: sweeps a start, counted in twos.
        tolerance: largest change of an entry of p(t) and p(t, y) in one sweep that counts as
            converged.

    Returns:
        A `Bottleneck`, computed in float64 where the joint is known now; float64 input gives
        float64 results.

    Raises:
        ValueError: for a joint that is no table of nonnegative numbers with mass in every row, a
            negative beta, or counts below 1.

    Reference:
        Tishby, Pereira, Bialek (1999), The information bottleneck method; as published.
    """
    found = solve(
        "ib", joint, beta, 1.0, cardinality, key, restarts, max_iterations, tolerance, None
    )
    return Bottleneck(**found)


@enforced
def dual_ib(
    joint: Float[Array, "k m"],
    beta: Scalar,
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Bottleneck:
    r"""Minimise the dual functional I(X;T) + beta E D[p(y|t) || p(y|x)].

    The arguments of the divergence are exchanged, so the decoder is the normalised geometric mean
    of the p(y|x) of its cluster. Both information coordinates are returned: `i_ty` with the Bayes
    decoder (never above the IB curve) and `i_ty_decoder` with the dual one.

    Args:
        joint: p(x, y) or counts, (k, m), positive everywhere: deterministic labels have an
            infinite distortion and need a model of label noise.
        beta: trade-off, >= 0 and finite.
        cardinality: number of clusters; k by default, which suffices.
        key: for the random starts; a fixed one by default.
        restarts: number of starts, at least 2 (the third and later ones are random).
        max_iterations: sweeps a start, counted in twos.
        tolerance: largest change of an entry of p(t) and p(t, y) in one sweep that counts as
            converged.

    Returns:
        A `Bottleneck`.

    Raises:
        ValueError: as `ib`, and for a joint with zeros.

    Reference:
        Piran, Shwartz-Ziv, Tishby (2020), The dual information bottleneck.
    """
    found = solve(
        "dual", joint, beta, 1.0, cardinality, key, restarts, max_iterations, tolerance, None
    )
    return Bottleneck(**found)


@enforced
def generalised_ib(
    joint: Float[Array, "k m"],
    beta: Scalar,
    alpha: Scalar,
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
) -> Bottleneck:
    r"""Minimise H(T) - alpha H(T|X) - beta I(T;Y): the IB at 1, hard clusters as alpha falls.

    Args:
        joint: p(x, y) or counts, (k, m); every row must have mass.
        beta: trade-off, >= 0 and finite.
        alpha: price of a noisy encoder, > 0; for 0 see `deterministic_ib`.
        cardinality: number of clusters; k by default, which suffices up to alpha = 1. Beyond it
            more are always better: halving each at random takes off (alpha - 1) log 2.
        key: for the random starts; a fixed one by default.
        restarts: number of starts, at least 2 (the third and later ones are random).
        max_iterations: sweeps a start, counted in twos.
        tolerance: largest change of an entry of p(t) and p(t, y) in one sweep that counts as
            converged.

    Returns:
        A `Bottleneck` whose `functional` is H(T) - alpha H(T|X) + beta (I(X;Y) - I(T;Y)).

    Raises:
        ValueError: as `ib`, and for an alpha that is not positive.

    Reference:
        Strouse and Schwab (2017), The deterministic information bottleneck.
    """
    found = solve(
        "ib", joint, beta, alpha, cardinality, key, restarts, max_iterations, tolerance, None
    )
    return Bottleneck(**found)


@enforced
def curve(
    joint: Float[Array, "k m"],
    betas: Float[Array, " b"],
    cardinality: int | None = None,
    key: Key | None = None,
    *,
    form: Form = "ib",
    restarts: int = 8,
    max_iterations: int = 5000,
    tolerance: float = 1e-10,
    at_once: int | None = None,
) -> Bottleneck:
    """Solutions at many betas in one program; each field gains a leading axis.

    Args:
        joint: p(x, y) or counts, (k, m); every row must have mass.
        betas: trade-offs, (b,).
        cardinality: number of clusters; k by default, which suffices.
        key: for the random starts; a fixed one by default.
        form: "ib" or "dual".
        restarts: number of starts, at least 2 (the third and later ones are random).
        max_iterations: sweeps a start, counted in twos.
        tolerance: largest change of an entry of p(t) and p(t, y) in one sweep that counts as
            converged.
        at_once: descents advanced together; one that has converged makes room for the next. None
            takes few on a CPU, all on an accelerator.

    Raises:
        ValueError: for a joint that is no table of nonnegative numbers with mass in every row, a
            negative beta, or counts below 1.
    """
    if np.ndim(betas) != 1:
        shape = np.shape(betas)
        raise ValueError(f"betas has shape {shape}; give (b,), or call ib for one beta")
    found = solve(
        form, joint, betas, 1.0, cardinality, key, restarts, max_iterations, tolerance, at_once
    )
    return Bottleneck(**found)
