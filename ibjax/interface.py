"""The nouns of ibjax: what one stage hands to the next. Imports nothing of ibjax but `typing`.

Arrays are the data of each pytree; names, kinds and scopes are static metadata, so that they
survive `jit` and `vmap` and can never be averaged with the numbers they describe.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.typing import (
    Array,
    BiasDirection,
    Bool,
    BoundKind,
    CoefficientKind,
    Divergence,
    Float,
    Int,
    Scope,
)


class Dataset(NamedTuple):
    """Inputs and labels of one split.

    Attributes:
        x: inputs, float32 in [0, 1] for images; shape (n, ...).
        y: integer labels in 0..num_classes-1; shape (n,).
        num_classes: the number of classes K.
        name: what it was loaded as.
        truth: known exact quantities of a synthetic law (nats, probabilities), else empty.
    """

    x: Array
    y: Array
    num_classes: int
    name: str
    truth: dict[str, float] = {}  # noqa: RUF012  (a NamedTuple default, never mutated)


class Supersample(NamedTuple):
    """Pairs of examples and the masks that choose the training member of each pair.

    Attributes:
        index: positions in the data set, (k1, n, 2); distinct within a supersample.
        mask: (k1, k2, n) of 0/1; ``mask == u`` means that column u is trained on.
    """

    index: Int[Array, "k1 n 2"]
    mask: Int[Array, "k1 k2 n"]


class LayerFacts(NamedTuple):
    """What the depth bounds need to know of one hidden layer, read off its definition.

    Attributes:
        name: a name for tables.
        width: number of units.
        diameter: Euclidean diameter of the set the noiseless output can lie in, for every
            weight setting and input; inf where the activation is unbounded.
        noise: standard deviation of the Gaussian noise added after the activation; 0 for none.
        dropout: probability that a unit is dropped (independently); 0 for none.
    """

    name: str
    width: int
    diameter: float
    noise: float = 0.0
    dropout: float = 0.0


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["value", "std_error", "ok", "confidence"],
    meta_fields=["bias", "name", "reason", "exact"],
)
@dataclass(frozen=True)
class Estimate:
    """A number estimated or computed from data, in nats unless its function says otherwise.

    Attributes:
        value: the raw estimate, never clamped.
        std_error: its standard error; 0 for an exact value, NaN where none is known.
        ok: False where the estimate must not be used (`reason` says what to look at).
        bias: the direction in which it errs on average.
        name: the estimator.
        reason: the static part of why `ok` may be False, and what to do about it.
        exact: computed from known laws or proved, not from a sample: with bias "none" the
            quantity itself, with "up" or "down" a proved bound on it. Only this makes a number
            fit for a certificate; a sample that shows no spread does not.
        confidence: probability with which a limit holds (bias "up" or "down" and `exact`); 1 for
            what is not left to chance.
    """

    value: Float[Array, "*batch"]
    std_error: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(jnp.nan))
    ok: Bool[Array, "*batch"] = field(default_factory=lambda: jnp.array(True))
    bias: BiasDirection = "unknown"
    name: str = ""
    reason: str = ""
    exact: bool = False
    confidence: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(1.0))


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["value", "log1m"],
    meta_fields=["kind", "scope", "reason", "divergence"],
)
@dataclass(frozen=True)
class Contraction:
    """A strong data-processing coefficient in [0, 1].

    Attributes:
        value: the coefficient eta.
        log1m: log(1 - eta), accurate where eta rounds to 1.
        kind: exact, upper, lower or estimate. Only exact and upper enter a certificate.
        scope: channel (any input law), input (one input law) or instance (one variable).
        reason: where the number comes from, in words.
        divergence: for which divergence it holds: kl, tv (total variation) or chi2. The
            coefficient of total variation is at least that of any f-divergence.
    """

    value: Float[Array, "*batch"]
    log1m: Float[Array, "*batch"]
    kind: CoefficientKind = "exact"
    scope: Scope = "channel"
    reason: str = ""
    divergence: Divergence = "kl"


@dataclass(frozen=True)
class Assumption:
    """One premise of a theorem, in one sentence, with how it is checked."""

    name: str
    statement: str
    checked: str = "by the user"


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["value", "information", "std_error", "vacuous", "holds", "confidence"],
    meta_fields=["name", "kind", "assumptions", "note"],
)
@dataclass(frozen=True)
class BoundValue:
    """The value of a generalization bound and what kind of number it is.

    Attributes:
        value: the bound, in units of the loss; NaN where an input is missing or a checkable
            premise fails.
        information: the information it was computed from, in nats; NaN where it uses none.
        std_error: standard error of `value` where it is estimated; NaN where unknown.
        vacuous: True where the bound says no more than the range of the loss does.
        holds: whether the premises that can be computed hold.
        name: the registered name.
        kind: certificate, estimate or diagnostic.
        assumptions: names of the premises.
        note: one line for people, for instance why a published formula is no certificate.
        confidence: probability with which a certificate holds over what was sampled; 1 for one
            that nothing sampled enters.
    """

    value: Float[Array, "*batch"]
    information: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(jnp.nan))
    std_error: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(jnp.nan))
    vacuous: Bool[Array, "*batch"] = field(default_factory=lambda: jnp.array(False))
    holds: Bool[Array, "*batch"] = field(default_factory=lambda: jnp.array(True))
    name: str = ""
    kind: BoundKind = "diagnostic"
    assumptions: tuple[str, ...] = ()
    note: str = ""
    confidence: Float[Array, "*batch"] = field(default_factory=lambda: jnp.array(1.0))


class Hyper(NamedTuple):
    """The scalars of a run that may be swept without compiling again.

    Attributes:
        learning_rate: step size eta, or the factor of a schedule.
        inverse_temperature: beta of the Langevin noise, or the factor of a schedule.
        clip: largest norm of a per-example gradient; inf for none.
        layer_noise: standard deviation of the noise after each hidden activation.
        depth: number of hidden layers in use, for networks of padded depth.
    """

    learning_rate: Any
    inverse_temperature: Any
    clip: Any = float("inf")
    layer_noise: Any = 0.0
    depth: Any = 0


class BatchStatistics(NamedTuple):
    """A network that normalises by statistics of the batch and keeps running ones for later.

    Attributes:
        init: ``() -> running statistics`` before the first step.
        train: ``(params, statistics, x, weights, key, hyper) -> (logits, statistics)``, normalised
            by the batch; `weights` says how much each example counts, None for equally.
        evaluate: ``(params, statistics, x, key, hyper) -> logits`` with the running statistics.
        prepare: ``x -> pytree`` of what is worth computing once for each input, a row for each;
            `train` is then given rows of it in the place of x. None for nothing.
    """

    init: Callable[..., Any]
    train: Callable[..., tuple[Any, Any]]
    evaluate: Callable[..., Any]
    prepare: Callable[[Any], Any] | None = None


class Network(NamedTuple):
    """A network as pure functions; the mathematics never sees a framework.

    Attributes:
        init: ``(key, x) -> params`` for one batch x.
        apply: ``(params, x, key, hyper) -> (logits, features)``; features is a tuple of the
            (noisy) outputs of the hidden layers. `key` draws the layer noise; None turns it off.
        layers: facts of the hidden layers, in order.
        taps: ``(params, x, key, hyper, taps) -> (logits, inputs)`` for networks made of dense
            layers only: `taps` are added to the pre-activations, `inputs` are what each dense
            layer saw. Their gradients give every per-example gradient as an outer product.
        tap_shapes: ``(params, batch) -> taps of zeros``, one (batch, out) array a dense layer.
        assemble: ``(params, inputs, deltas) -> gradient`` summed over the batch.
        trainable: ``(params, hyper) -> pytree of 0/1`` marking the parameters in use, or None
            when all are (padded depth masks the rest).
        batch_statistics: for batch normalisation, else None. Training and evaluation then go
            through it instead of `apply`. Trajectory bounds refuse such a network.
    """

    init: Callable[..., Any]
    apply: Callable[..., tuple[Any, tuple[Any, ...]]]
    layers: tuple[LayerFacts, ...] = ()
    taps: Callable[..., Any] | None = None
    tap_shapes: Callable[..., Any] | None = None
    assemble: Callable[..., Any] | None = None
    trainable: Callable[..., Any] | None = None
    batch_statistics: BatchStatistics | None = None

    @property
    def stochastic(self) -> bool:
        """Whether `apply` draws noise, so that evaluation averages over draws: its layers say."""
        return any(facts.noise > 0 or facts.dropout > 0 for facts in self.layers)


BATCHINGS = (
    "full",
    "epochs",
    "whole_epochs",
    "without_replacement",
    "poisson",
    "fixed",
    "with_replacement",
)
"""Ways to draw batches, in the order of their codes in `Evidence.batching`."""


class Evidence(NamedTuple):
    """Everything measured on the replicas of one configuration; bounds are arithmetic on it.

    Leading axes: k1 supersamples, k2 masks; E checkpoints; n pairs; T steps; L hidden layers.
    Missing pieces are NaN arrays of the right shape (or shape ()), never None.

    Attributes:
        index: pool positions of the pairs, (k1, n, 2).
        mask: training column of each pair, (k1, k2, n).
        labels: (k1, n, 2); -1 where they are not known and `predictions` holds the 0-1 loss.
        predictions: predicted class, one fresh draw of the layer noise, (k1, k2, E, n, 2).
        train_error: 0-1 error on the training members, averaged over noise draws, (k1, k2, E);
            1, as the test error, where the replica diverged.
        test_error: the same on the ghosts.
        train_loss: training loss (surrogate) at the checkpoints, (k1, k2, E).
        diverged: whether the parameters left the finite numbers, (k1, k2).
        checkpoints: steps done at each checkpoint, (E,).
        step_sizes: eta_t, (T,).
        noise_stds: standard deviation of the noise added to the weights, (T,).
        clip: per-example gradient norm bound enforced in training; inf if none.
        gradient_norm: bound on the norm of a step's gradient, root mean square over the choice
            of the batch: `clip`, and more under Poisson sampling, where batches vary in size.
        batch_size: b, a float scalar.
        dim: number of trained parameters d.
        gradient_information: cumulative sum of eta^2 |g_B|^2 / (2 s^2), (k1, k2, E).
        sample_information: cumulative sum of eta^2 / (2 s^2) * (1/n) sum_{i in B} |g_i|^2/b^2.
        incoherence_information: the same with the gradient of the average of the other
            examples subtracted (Negrea et al. prior), (k1, k2, E).
        trajectory_cmi: information of the path about which member of a pair was trained on,
            mean over pairs, Rao-Blackwell estimate, (k1, k2, E); NaN if not accounted for.
        trajectory_cmi_llr: the same from the log-likelihood ratio alone.
        test_prior_information: cost of the binary-test prior (Haghifam et al.), the same shape.
        likelihood_ratio: mean likelihood ratio of wrong to right; expectation 1 (a check).
        layer_diameter: (L,).
        layer_noise: (L,).
        layer_log1m: log(1 - eta_l) of each hidden layer, channel scope, exact or upper, (L,).
        num_classes: K, a float scalar.
        exchangeable: 1 where batches and stopping were chosen independently of the data.
        batching: how batches were drawn, a position in `BATCHINGS`; NaN where it is not known,
            and the worst of them is then counted.
        smallest_batch: fewest examples that a step's gradient was averaged over: b, and less
            where a last batch is shorter and divided by its own size.
        shared_batches: 1 where all replicas saw the same batches, so that the measured gap is
            the one given these; 0 where each drew its own.
        bounded_steps: 1 where every example's gradient was kept within `clip`, also one that was
            not finite, so that the bounds cover replicas that diverged.
        classes_given: 1 where `num_classes` is known, not counted from the labels that occur.
    """

    index: Array
    mask: Array
    labels: Array
    predictions: Array
    train_error: Array
    test_error: Array
    train_loss: Array
    diverged: Array
    checkpoints: Array
    step_sizes: Array
    noise_stds: Array
    clip: Array
    gradient_norm: Array
    batch_size: Array
    dim: Array
    gradient_information: Array
    sample_information: Array
    incoherence_information: Array
    trajectory_cmi: Array
    trajectory_cmi_llr: Array
    test_prior_information: Array
    likelihood_ratio: Array
    layer_diameter: Array
    layer_noise: Array
    layer_log1m: Array
    num_classes: Array
    exchangeable: Array
    batching: Any = math.nan
    smallest_batch: Any = math.nan
    shared_batches: Any = math.nan
    bounded_steps: Any = math.nan
    classes_given: Any = math.nan


class Moment(Evidence):
    """The evidence of one checkpoint: the fields of `Evidence` without their checkpoint axis.

    A type of its own, so that a whole run and one moment of it cannot be taken for each other;
    `bounds.at` makes it. ``checkpoints`` is then the number of steps done, and the sizes of later
    steps are zero.
    """

    __slots__ = ()
