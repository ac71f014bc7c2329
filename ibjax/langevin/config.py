"""Static description of a training run, and the scalars of it that may be swept."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import optax

from ibjax.interface import Hyper, Network
from ibjax.langevin.gradients import Loss, cross_entropy
from ibjax.networks import CNN, MLP

Batching = Literal[
    "full", "epochs", "whole_epochs", "without_replacement", "poisson", "fixed", "with_replacement"
]
OPTIMIZERS = ("sgld", "sgd", "momentum", "adam")


@dataclass(frozen=True)
class Config:
    """How replicas are trained and evaluated.

    Attributes:
        network: an `MLP` or `CNN` description, or a ready `Network`.
        steps: number of updates T.
        batch_size: examples a step; None for the full batch.
        batching: full; epochs (reshuffled, incomplete last batch dropped); whole_epochs (the
            last batch kept, however small, and averaged over its own size; not for sgld);
            without_replacement (a fresh subset each step); poisson (each example with
            probability b/n, normalised by b); fixed (the same disjoint batches every epoch);
            with_replacement (independent draws: for `track` only, since the replica engine
            counts each example of a batch once). Never dependent on the data, which the
            theorems need.
        learning_rate: eta, a number or an optax schedule.
        inverse_temperature: beta of the mean loss, a number or a schedule; ignored by
            optimisers other than sgld.
        clip: bound on the norm of each example's gradient, enforced before averaging; None for
            none. Clipping is what turns the trajectory bounds into certificates.
        optimizer: sgld, sgd, momentum (0.9) or adam.
        loss: what training decreases, of each example: (logits (batch, K), labels (batch,)) to
            (batch,); a pure JAX function, compared by identity. Errors and bounds stay those of
            the 0-1 loss of the largest logit.
        checkpoints: how often to evaluate, evenly spaced, the last one at the end.
        noise_draws: fresh draws of the layer noise per evaluated error.
        shared_randomness: all replicas share initialisation, batches and noise, so that they
            differ in their data alone.
        replicas_per_chunk: how many replicas run at once; None lets the memory decide.
        memory: bytes that one chunk may take when it is None above.
        mapping: how the replicas of one device run: vmap (batched, for accelerators), map (one
            after the other: a CPU keeps their matrices in its cache, and the numbers do not
            depend on the chunk to the last bit), or auto (map on CPUs, vmap elsewhere).
        account: keep the trajectory account (likelihood ratios of every slot against its ghost),
            at about the cost of one more backward pass a step with dense layers, and the memory
            of 2n gradients with others; needs sgld.
    """

    network: MLP | CNN | Network = field(default_factory=MLP)
    steps: int = 400
    batch_size: int | None = None
    batching: Batching = "epochs"
    learning_rate: Any = 0.05
    inverse_temperature: Any = 2000.0
    clip: float | None = 1.0
    optimizer: str = "sgld"
    loss: Loss = cross_entropy
    checkpoints: int = 1
    noise_draws: int = 32
    shared_randomness: bool = False
    replicas_per_chunk: int | None = None
    memory: int = 2 * 1024**3
    mapping: Literal["auto", "vmap", "map"] = "auto"
    account: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "checkpoints", "noise_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("batch_size", "replicas_per_chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} must be at least 1, or None")
        if self.checkpoints > self.steps:
            raise ValueError(
                f"checkpoints={self.checkpoints} exceeds steps={self.steps}; evaluate less often"
            )
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer={self.optimizer!r} is unknown; choose one of {OPTIMIZERS}")
        if self.account and self.optimizer != "sgld":
            raise ValueError(
                f"account=True with optimizer={self.optimizer!r}: the trajectory account needs the "
                "weight noise of sgld"
            )
        if self.batching == "whole_epochs" and self.optimizer == "sgld":
            raise ValueError(
                "batching='whole_epochs' averages the last batch over fewer examples, which the "
                "trajectory bounds of sgld do not count: use 'epochs' or another optimizer"
            )
        if self.mapping not in ("auto", "vmap", "map"):
            raise ValueError(f"mapping={self.mapping!r} is unknown; choose auto, vmap or map")
        ways = get_args(Batching)
        if self.batching not in ways:
            raise ValueError(
                f"batching={self.batching!r} is unknown; choose one of {ways}: batches that "
                "depend on the data would void the trajectory bounds"
            )
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip={self.clip} must be positive, or None for no clipping")
        for name in ("learning_rate", "inverse_temperature"):
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not value > 0:
                raise ValueError(f"{name}={value} must be positive")
        if self.learning_rate == math.inf:
            raise ValueError("learning_rate=inf must be finite")


def hyper(config: Config) -> Hyper:
    """The scalars of `config` that one compiled program takes as arguments."""
    net = config.network
    noise = net.noise if isinstance(net, (MLP, CNN)) else 0.0
    return Hyper(
        learning_rate=_number(config.learning_rate),
        inverse_temperature=_number(config.inverse_temperature),
        clip=math.inf if config.clip is None else config.clip,
        layer_noise=noise,
        depth=net.depth if isinstance(net, MLP) else 0,
    )


def static(config: Config) -> Config:
    """`config` with the swept scalars set to one: equal for runs that share a program."""
    net = config.network
    if isinstance(net, (MLP, CNN)) and net.noise > 0:
        net = dataclasses.replace(net, noise=1.0)
    if isinstance(net, MLP) and net.padded_to is not None:
        net = dataclasses.replace(net, depth=net.padded_to)
    return dataclasses.replace(
        config,
        network=net,
        learning_rate=_keep_schedule(config.learning_rate),
        inverse_temperature=_keep_schedule(config.inverse_temperature),
        clip=None if config.clip is None else 1.0,
        memory=0,
        replicas_per_chunk=None,
    )


def schedules(config: Config, values: Hyper) -> tuple[Any, Any]:
    """Step size and inverse temperature as numbers or schedules, with the traced factors."""
    return (
        _scaled(config.learning_rate, values.learning_rate),
        _scaled(config.inverse_temperature, values.inverse_temperature),
    )


def optimizer(config: Config, values: Hyper) -> optax.GradientTransformationExtraArgs:
    """The optax transformation of a run."""
    from ibjax.langevin.transform import sgld

    eta, beta = schedules(config, values)
    if config.optimizer == "sgld":
        return sgld(eta, beta)
    plain = {"sgd": optax.sgd, "momentum": lambda r: optax.sgd(r, 0.9), "adam": optax.adam}
    return optax.with_extra_args_support(plain[config.optimizer](eta))


def _number(value: Any) -> float:
    return 1.0 if callable(value) else float(value)


def _keep_schedule(value: Any) -> Any:
    return value if callable(value) else 1.0


def _scaled(value: Any, factor: Any) -> Any:
    return (lambda count: factor * value(count)) if callable(value) else factor
