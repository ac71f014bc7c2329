"""Static description of a training run, and the scalars of it that may be swept."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
import optax

from ibjax import arguments
from ibjax.frozen import unjitted
from ibjax.interface import Hyper, Network
from ibjax.langevin import checks
from ibjax.langevin.frozen import frozen_schedule
from ibjax.langevin.losses import Loss, cross_entropy
from ibjax.langevin.prepared import layer_scalars
from ibjax.networks import CNN, MLP, NormalisedCNN, adapted
from ibjax.networks.claimed import check_facts
from ibjax.signatures import enforced, refuse

Batching = Literal[
    "full", "epochs", "whole_epochs", "without_replacement", "poisson", "fixed", "with_replacement"
]
OPTIMIZERS = ("sgld", "sgd", "momentum", "adam")


@dataclass(frozen=True)
class Config:
    """How replicas are trained and evaluated.

    Attributes:
        network: an `MLP`, `CNN` or `NormalisedCNN` description, a ready `Network`, or a
            flax.linen module (nnx modules by `networks.from_nnx`). What a ready network says of
            its layers is tried out before training.
        steps: number of updates T.
        batch_size: examples a step; None for the full batch.
        batching: None for the full batch where it is one, else without_replacement for sgld
            with a clip (certificates may then count on hidden membership) and epochs for the
            rest; or by name: full; epochs (reshuffled, incomplete last batch dropped);
            whole_epochs (the last batch kept, however small, and averaged over its own size; not
            for sgld); without_replacement (a fresh subset each step); poisson (each example with
            probability b/n, normalised by b); fixed (the same disjoint batches every epoch);
            with_replacement (independent draws: for `track` only, since the replica engine
            counts each example of a batch once). Never dependent on the data, which the
            theorems need. All but whole_epochs divide by the constant b.
        learning_rate: eta, a number (also of NumPy or JAX) or an optax schedule, which must stay
            finite and not negative over all steps and depend on the step alone.
        inverse_temperature: beta of the mean loss, a number or a schedule; ignored by
            optimisers other than sgld.
        clip: bound on the norm of each example's gradient, enforced before averaging; None or inf
            for none. Clipping is what turns the trajectory bounds into certificates. A gradient
            that is not finite then counts as zero.
        radius: project the weights onto the ball of this radius around 0 before each step and
            after the last one; None or inf for not. Where the noise of a step is of the order of
            the ball, the last weights forget, and their certificates are smaller than those of
            the path. For sgld by name.
        optimizer: sgld, sgd, momentum (0.9) or adam; or any optax transformation, which is given
            gradients and weights as the network's parameters, and a `key` for each replica and
            step if its update takes one (`optax.add_noise` draws from a seed of its own, the same
            in every replica). It holds its own step sizes: `learning_rate` and
            `inverse_temperature` are then not used. No trajectory theorem is known to hold for
            it, so the evidence has no step sizes (NaN) and no weight noise (0). Transformations
            are compared by identity of their functions: a program is compiled for each one made,
            so make one and use it for every run.
        loss: what training decreases, of each example: (logits (batch, K), labels (batch,)) to
            (batch,); a pure JAX function. Errors and bounds stay those of
            the 0-1 loss of the largest logit.
        checkpoints: how often to evaluate, evenly spaced, the last one at the end; or the updates
            done at each evaluation, increasing from 0 to `steps`.
        stop_error: end a replica's training after the first update from weights whose training
            error is at most this; None for never. For full batches. The stopping time then looks
            at the data, which leaves no trajectory theorem.
        scalars: further numbers, by name, that a ready network's functions find in
            ``hyper.scalars``; runs that differ in them alone share one compiled program.
        noise_draws: draws of the layer noise per evaluated error; every second one the opposite of
            the one before, where the network's noise has one (`Network.antithetic`). On the digits
            the chance that 16 leave in a replica's gap is a tenth of what replicas differ by.
        shared_randomness: all replicas share initialisation, batches and noise, so that they
            differ in their data alone.
        replicas_per_chunk: how many replicas run at once; None lets the memory decide. At least two
            a device where they run one after the other, see `mapping`.
        memory: bytes that one chunk may take on a device when it is None above; None for 2 GiB on
            a processor and most of what an accelerator has free, by its own count.
        products: what an accelerator may round the float32 factors of matrix products to: float32
            for nothing, or tensorfloat32 (10 bits; several times faster where there is hardware
            for it). A processor rounds nothing. Clipped gradients may then be a thousandth
            longer, which the evidence counts.
        mapping: how the replicas of one device run: vmap (batched, for accelerators), map (one
            after the other: a CPU keeps their matrices in its cache, and the numbers do not
            depend on the chunk to the last bit), or auto (map on CPUs, vmap elsewhere).
        account: keep the trajectory account (likelihood ratios of every slot against its ghost),
            at about the cost of one more backward pass a step with dense layers, and the memory
            of 2n gradients with others; needs sgld.
    """

    network: Any = field(default_factory=MLP)
    steps: int = 400
    batch_size: int | None = None
    batching: Batching | None = None
    learning_rate: Any = 0.05
    inverse_temperature: Any = 2000.0
    clip: float | None = 1.0
    radius: float | None = None
    optimizer: str | optax.GradientTransformation = "sgld"
    loss: Loss = cross_entropy
    checkpoints: int | tuple[int, ...] = 1
    stop_error: float | None = None
    scalars: Any = ()
    noise_draws: int = 16
    shared_randomness: bool = False
    replicas_per_chunk: int | None = None
    memory: int | None = None
    products: Literal["float32", "tensorfloat32"] = "float32"
    mapping: Literal["auto", "vmap", "map"] = "auto"
    account: bool = False

    def __post_init__(self) -> None:
        for name in ("shared_randomness", "account"):
            refuse(name, bool, getattr(self, name))
        for name in ("steps", "noise_draws"):
            self._set(name, arguments.whole(name, getattr(self, name)))
        self._set("checkpoints", _checkpoints(self.checkpoints, self.steps))
        for name in ("batch_size", "replicas_per_chunk", "memory"):
            if getattr(self, name) is not None:
                self._set(name, arguments.whole(name, getattr(self, name)))
        self._set("network", _settled(self.network))
        _check_optimizer(self.optimizer)
        if self.account and self.optimizer != "sgld":
            raise ValueError(
                f"account=True with optimizer={called(self.optimizer)}: the trajectory account "
                "needs the weight noise of sgld, given by name"
            )
        if self.batching == "whole_epochs" and self.optimizer == "sgld":
            raise ValueError(
                "batching='whole_epochs' averages the last batch over fewer examples, which the "
                "trajectory bounds of sgld do not count: use 'epochs' or another optimizer"
            )
        if self.mapping not in ("auto", "vmap", "map"):
            raise ValueError(f"mapping={self.mapping!r} is unknown; choose auto, vmap or map")
        if self.products not in ("float32", "tensorfloat32"):
            raise ValueError(f"products={self.products!r} is unknown; use float32 or tensorfloat32")
        ways = get_args(Batching)
        if self.batching is not None and self.batching not in ways:
            raise ValueError(
                f"batching={self.batching!r} is unknown; choose one of {ways}: batches that "
                "depend on the data would void the trajectory bounds"
            )
        if self.clip is not None:
            clip = _scalar("clip", self.clip)
            self._set("clip", None if clip == math.inf else clip)
        if self.radius is not None:
            radius = _scalar("radius", self.radius)
            if radius < 1e-12:
                raise ValueError(f"radius={radius:g} has no squares in float32; give 1e-12 or more")
            self._set("radius", None if radius == math.inf else radius)
        if self.radius is not None and self.optimizer != "sgld":
            raise ValueError(
                f"radius={self.radius:g} with optimizer={called(self.optimizer)}: contraction of "
                "the last weights is proved for plain noisy steps, of sgld given by name, alone; "
                "set radius=None"
            )
        for name in ("learning_rate", "inverse_temperature", "loss"):
            if callable(given := getattr(self, name)):
                self._set(name, unjitted(given))
            elif name != "loss":
                self._set(name, _scalar(name, given))
        if self.stop_error is not None:
            self._set("stop_error", checks.share("stop_error", self.stop_error))
            if self.account:
                raise ValueError(
                    f"stop_error={self.stop_error:g} with account=True: where training stops looks "
                    "at the data, which is no part of the account; set account=False"
                )
        self._set("scalars", checks.named_scalars(self.scalars, self.network))
        if self.learning_rate == math.inf:
            raise ValueError("learning_rate=inf must be finite")
        if not callable(self.loss):
            raise ValueError(f"loss={self.loss!r} is no function; give logits, labels to (batch,)")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def stops(self) -> tuple[int, ...]:
        """Updates done at each evaluation."""
        if isinstance(self.checkpoints, tuple):
            return self.checkpoints
        each = self.steps / self.checkpoints
        return tuple(round(each * (i + 1)) for i in range(self.checkpoints))

    @property
    def drawn(self) -> Batching:
        """How batches are drawn where they are not full: `batching`, or its default."""
        if self.batching is not None:
            return self.batching
        certified = self.optimizer == "sgld" and self.clip is not None
        return "without_replacement" if certified else "epochs"


def called(optimizer: Any) -> str:
    """An optimizer in a message: its name, or that it is none of ours."""
    return repr(optimizer) if isinstance(optimizer, str) else "an optax transformation"


def _check_optimizer(optimizer: Any) -> None:
    if isinstance(optimizer, optax.GradientTransformation):
        try:
            hash(optimizer)
        except TypeError:
            raise ValueError(
                "optimizer holds functions that cannot be looked up by identity (unhashable); "
                "give plain functions"
            ) from None
    elif not isinstance(optimizer, str) or optimizer not in OPTIMIZERS:
        raise ValueError(
            f"optimizer={optimizer!r} is unknown; choose one of {OPTIMIZERS}, or give an "
            "optax.GradientTransformation"
        )


@enforced
def hyper(config: Config) -> Hyper:
    """The scalars of `config` that one compiled program takes as arguments."""
    noise, depth = layer_scalars(config.network)
    return Hyper(
        learning_rate=_number(config.learning_rate),
        inverse_temperature=_number(config.inverse_temperature),
        clip=math.inf if config.clip is None else config.clip,
        layer_noise=noise,
        depth=depth,
        scalars=dict(config.scalars),
        radius=math.inf if config.radius is None else config.radius,
    )


def static(config: Config) -> Config:
    """`config` with the swept scalars set to one: equal for runs that share a program.

    Schedules are part of it as what they compute, see `frozen`.
    """
    net = config.network
    if isinstance(net, (MLP, CNN)) and net.noise > 0:
        net = dataclasses.replace(net, noise=1.0)
    if isinstance(net, MLP) and net.padded_to is not None:
        net = dataclasses.replace(net, depth=net.padded_to)
    return dataclasses.replace(
        config,
        network=net,
        steps=1,
        checkpoints=1,
        learning_rate=_keep_schedule(config.learning_rate),
        inverse_temperature=_keep_schedule(config.inverse_temperature),
        clip=None if config.clip is None else 1.0,
        radius=None if config.radius is None else 1.0,
        scalars=dict.fromkeys(dict(config.scalars), 1.0),
        memory=None,
        replicas_per_chunk=None,
    )


def _checkpoints(value: Any, steps: int) -> int | tuple[int, ...]:
    """A number of evaluations, or the updates done at each, within the run."""
    if np.ndim(value) == 0:
        count = arguments.whole("checkpoints", value)
        if count > steps:
            raise ValueError(f"checkpoints={count} exceeds steps={steps}; evaluate less often")
        return count
    stops = tuple(arguments.whole("checkpoints", stop, 0) for stop in value)
    if not stops or list(stops) != sorted(set(stops)) or stops[-1] != steps:
        raise ValueError(
            f"checkpoints={stops} must increase, from 0 or later to the end at steps={steps}"
        )
    return stops


def schedules(config: Config, values: Hyper) -> tuple[Any, Any]:
    """Step size and inverse temperature as numbers or schedules, with the traced factors."""
    return (
        _scaled(config.learning_rate, values.learning_rate),
        _scaled(config.inverse_temperature, values.inverse_temperature),
    )


def _settled(network: Any) -> Any:
    """The network in a form that can be looked up by value."""
    if isinstance(network, (MLP, CNN, NormalisedCNN)):
        return network
    if isinstance(network, Network):
        return network._replace(layers=check_facts(network.layers))
    return adapted(network)


def _scalar(name: str, value: Any) -> float:
    """One positive number of Python, NumPy or JAX as a float."""
    array = arguments.host(name, value)
    if array.ndim or array.dtype.kind == "b" or not jnp.isrealobj(array):
        raise ValueError(f"{name}={value!r} must be one positive number")
    number = float(np.float64(array))
    if not number > 0:
        raise ValueError(f"{name}={number:g} must be positive")
    return number


def _number(value: Any) -> float:
    return 1.0 if callable(value) else float(value)


def _keep_schedule(value: Any) -> Any:
    return frozen_schedule(value) if callable(value) else 1.0


def _scaled(value: Any, factor: Any) -> Any:
    return (lambda count: factor * value(count)) if callable(value) else factor
