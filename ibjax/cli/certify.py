"""`ibjax certify`: train one network on all of the data and print its certified test error."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from ibjax import rounding
from ibjax.cli.terminal import console, prepare_devices, print_whole, quantities


@dataclass(frozen=True)
class Certify:
    """Train one network on all of the data and certify its test error, with one confidence.

    Noisy gradient descent with full batches, against a prior run that follows a part of the data
    only: PAC-Bayes over the path by its realised density. No held-out set is needed; where there
    is one its error is printed beside, as a check.
    """

    dataset: str = "digits"
    """Data set: "digits" (embedded), or any TFDS name."""
    classes: tuple[str, ...] = ("0,2,4,6,8", "1,3,5,7,9")
    """Groups of labels to tell apart, labels joined by commas; "all" for every label by itself."""
    split: str = "train"
    """The examples to train on, all of them."""
    held_out: str | None = "test"
    """Examples to check the certificate on, or None: the certificate does not need them."""
    depth: int = 1
    """Hidden layers."""
    width: int = 32
    """Units per hidden layer."""
    activation: str = "tanh"
    """Activation."""
    layer_noise: float = 0.0
    """Standard deviation of the noise after each hidden activation; half of delta then pays for
    the draws that measure the training error."""
    noise_draws: int = 256
    """Draws of the layer noise an example, where there is any."""
    steps: int = 200
    """Updates."""
    learning_rate: float = 0.5
    """Step size eta."""
    inverse_temperature: float = 1000.0
    """beta: each update adds N(0, 2 eta/beta)."""
    clip: float = 1.0
    """Largest norm of the gradient of an example."""
    prior_share: float = 0.5
    """Share of the examples, drawn at random, that the prior run follows; 0 for a prior run
    without data. The certificate is about the error on the others."""
    delta: float = 0.05
    """Probability, over the data and the noise of the run, that the certificate fails."""
    data_dir: str | None = None
    """TFDS data directory; TFDS_DATA_DIR or its usual place by default."""
    download: bool = False
    """Fetch and prepare the data set if it is not there."""
    seed: int = 0
    """Root of all randomness; fix it before looking at the data."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""


class Certified(NamedTuple):
    """What was found, in order of the table.

    Attributes:
        n: training examples.
        certified_on: examples that the certificate measures the training error on.
        train_error: 0-1 error on all training examples.
        certified_train_error: the same on those of the certificate; with layer noise a limit.
        energy: A, in nats.
        martingale: M, in nats.
        bracket: log density and confidence, in nats.
        test_error: certified.
        confidence: of the certificate.
        held_out_error: measured on the held-out examples; NaN without.
        held_out: how many there are.
        vacuous: whether any test error would be within the certificate.
    """

    n: int
    certified_on: int
    train_error: float
    certified_train_error: float
    energy: float
    martingale: float
    bracket: float
    test_error: float
    confidence: float
    held_out_error: float
    held_out: int
    vacuous: bool


def execute(command: Certify) -> int:
    """Train, certify, print; 1 where the certificate is vacuous, else 0."""
    _check(command)
    prepare_devices(command.cache)
    found = certify(command)
    out = console()
    print_whole(out, _table(command, found))
    bracket = rounding.up(found.bracket, ".4g")
    share = rounding.up(found.bracket / found.certified_on, ".4g")
    if found.vacuous:
        out.print(
            f"Nothing is certified: kl(train || test) <= {bracket} nat / "
            f"{found.certified_on} = {share} allows any test error. Take more examples, a "
            "larger prior_share, fewer steps or a lower inverse_temperature.",
            soft_wrap=True,
        )
        return 1
    sure, most = rounding.probability(found.confidence), rounding.up(found.test_error, ".4f")
    out.print(
        f"With probability {sure} over the data and the noise of the run the test error of this "
        f"network is at most {most}: kl(train || test) <= {bracket} nat / "
        f"{found.certified_on} = {share}."
    )
    if found.held_out_error > found.test_error:
        out.print(
            "The held-out error lies above the certificate: the held-out examples follow another "
            "law, or this is one of the cases that delta allows for."
        )
    return 0


def _check(command: Certify) -> None:
    for name in ("steps", "depth", "width", "noise_draws"):
        if getattr(command, name) < 1:
            raise ValueError(f"{name}={getattr(command, name)} must be at least 1")
    for name in ("learning_rate", "inverse_temperature", "clip"):
        if not 0 < getattr(command, name) < float("inf"):
            raise ValueError(f"{name}={getattr(command, name)} must be positive and finite")
    if not 0 <= command.layer_noise < float("inf"):
        raise ValueError(f"layer_noise={command.layer_noise} must not be negative")
    if not 0 <= command.prior_share < 1:
        raise ValueError(f"prior_share={command.prior_share} must lie in [0, 1)")
    if not 0 < command.delta < 1:
        raise ValueError(f"delta={command.delta} must lie in (0, 1)")


def certify(command: Certify) -> Certified:
    """Train the network and certify it.

    Raises:
        ValueError: options out of range, labels the data do not have, or too few examples.
    """
    import jax
    import numpy as np

    from ibjax import bounds, networks
    from ibjax.interface import Hyper
    from ibjax.langevin.certified import certified_run, noisy_errors
    from ibjax.langevin.checks import check_copies

    train = _examples(command, command.split)
    check_copies(np.asarray(train.x), np.asarray(train.y))
    n = len(train.y)
    first = round(command.prior_share * n)
    if n - first < 2:
        raise ValueError(
            f"prior_share={command.prior_share} leaves {n - first} of {n} examples to certify on"
        )
    root = jax.random.key(command.seed)
    run_key, order_key = jax.random.split(root)
    # Which examples the prior may see is drawn without looking at them.
    order = np.asarray(jax.random.permutation(order_key, n))
    x, y = train.x[order], train.y[order]
    network = networks.build(
        networks.MLP(command.depth, command.width, command.activation, command.layer_noise),
        train.num_classes,
        x.shape[1:],
    )
    hyper = Hyper(
        command.learning_rate, command.inverse_temperature, command.clip, command.layer_noise
    )
    run = certified_run(run_key, network, x, y, hyper, steps=command.steps, prior_size=first)
    if not np.isfinite([float(run.energy), float(run.martingale)]).all():
        raise ValueError(
            f"training diverged at learning_rate={command.learning_rate:g}; there is nothing to "
            "certify: lower it"
        )
    draws = command.noise_draws if network.stochastic else 1

    def errors(x, y):
        return np.asarray(
            noisy_errors(run_key, network, run.params, x, y, hyper, draws), np.float64
        )

    each = errors(x, y)
    m = n - first
    with jax.enable_x64(True):
        rate, delta = float(each[first:].mean()), command.delta
        if network.stochastic:
            # m x draws independent errors measure the mean over the layer noise.
            delta = command.delta / 2
            rate = float(bounds.invert.kl(rate, np.log(1 / delta) / (m * draws)))
        density = float(run.energy) - float(run.martingale)
        bound = bounds.path_certificate(rate, density, m, delta)
    checked = None if command.held_out is None else _examples(command, command.held_out)
    return Certified(
        n=n,
        certified_on=m,
        train_error=float(each.mean()),
        certified_train_error=rate,
        energy=float(run.energy),
        martingale=float(run.martingale),
        bracket=float(bound.information),
        test_error=rate + float(bound.value),
        confidence=1 - command.delta,
        held_out_error=np.nan if checked is None else float(errors(checked.x, checked.y).mean()),
        held_out=0 if checked is None else len(checked.y),
        vacuous=bool(bound.vacuous),
    )


def _examples(command: Certify, split: str) -> Any:
    """A split with the groups of labels as classes."""
    from ibjax import data

    groups = None
    if command.classes != ("all",):
        groups = [_labels(words) for words in command.classes]
        if len(groups) < 2:
            raise ValueError(f"classes={command.classes} must be two or more groups")
    place = {"data_dir": command.data_dir, "download": command.download}
    return data.load(command.dataset, split, classes=groups, **place)


def _labels(words: str) -> list[int]:
    try:
        return [int(word) for word in words.split(",")]
    except ValueError:
        raise ValueError(f"classes: {words!r} must be labels joined by commas") from None


def _table(command: Certify, found: Certified) -> Any:
    words = "all labels" if command.classes == ("all",) else " against ".join(command.classes)
    table = quantities(
        f"{command.dataset}, {words}: n = {found.n}, depth {command.depth}, "
        f"T = {command.steps}, eta = {command.learning_rate:g}, "
        f"beta = {command.inverse_temperature:g}, full batches",
    )
    on = f"on the {found.certified_on} examples that the prior run does not follow"
    kind = "measured" if command.layer_noise == 0 else "upper limit"
    table.add_row("train error", "measured", f"{found.train_error:.4f}", f"on all {found.n}")
    rate = rounding.by_kind(found.certified_train_error, ".4f", kind)
    table.add_row("train error", kind, rate, on)
    table.add_row("A", "exact", f"{found.energy:.4g}", "nat, what the path deviates from the prior")
    table.add_row("M", "exact", f"{found.martingale:.4g}", "nat, mean zero; A - M counts")
    table.add_section()
    level = rounding.kind("certificate", found.confidence)
    words = "vacuous" if found.vacuous else "of this network"
    table.add_row("test error", level, rounding.up(found.test_error, ".4f"), words)
    if found.held_out:
        table.add_row("test error", "measured", f"{found.held_out_error:.4f}",
                      f"on {found.held_out} held-out examples, a check only")  # fmt: skip
    return table
