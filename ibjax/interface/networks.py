"""A network as pure functions, the facts of its layers, and the scalars of a run."""

from collections.abc import Callable
from typing import Any, NamedTuple


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


class Hyper(NamedTuple):
    """The scalars of a run that may be swept without compiling again.

    Attributes:
        learning_rate: step size eta, or the factor of a schedule.
        inverse_temperature: beta of the Langevin noise, or the factor of a schedule.
        clip: largest norm of a per-example gradient; inf for none.
        layer_noise: standard deviation of the noise after each hidden activation.
        depth: number of hidden layers in use, for networks of padded depth.
        scalars: further numbers, by name, that the functions of a network of one's own ask for.
        radius: of the ball the weights are projected to before each step; inf for none.
    """

    learning_rate: Any
    inverse_temperature: Any
    clip: Any = float("inf")
    layer_noise: Any = 0.0
    depth: Any = 0
    scalars: Any = ()
    radius: Any = float("inf")


class BatchStatistics(NamedTuple):
    """A network whose training pass is not that of evaluation.

    It normalises by statistics of the batch and keeps running ones for later; or drops units in
    training alone, with nothing to keep.

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
        init: ``(key, x) -> params`` for inputs of the shape of x; drawn without the data.
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
        antithetic: whether all that `apply` draws is symmetric noise times ``hyper.layer_noise``,
            so that the negative of it gives the opposite draw. Evaluation then takes both.
    """

    init: Callable[..., Any]
    apply: Callable[..., tuple[Any, tuple[Any, ...]]]
    layers: tuple[LayerFacts, ...] = ()
    taps: Callable[..., Any] | None = None
    tap_shapes: Callable[..., Any] | None = None
    assemble: Callable[..., Any] | None = None
    trainable: Callable[..., Any] | None = None
    batch_statistics: BatchStatistics | None = None
    antithetic: bool = False

    @property
    def stochastic(self) -> bool:
        """Whether `apply` draws noise, so that evaluation averages over draws: its layers say."""
        return any(facts.noise > 0 or facts.dropout > 0 for facts in self.layers)
