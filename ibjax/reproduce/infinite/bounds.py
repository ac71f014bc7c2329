"""Information bounds against the exact gap of an infinite ensemble, and finite networks beside it.

n pairs of Gaussian inputs with noisy sign labels; a mask picks the training member of each pair.
At infinite width the outputs of an ensemble on all 2 n points are jointly Gaussian, so for each
of the 2^n masks the chance of every error is in closed form, and with them the gap and the
information of a pair's losses about its mask bit: nothing is sampled but the points themselves.
For the model linear in its parameters with the same tangent kernel, the divergence of
p(theta | D) from p(theta) is exact and bounds I(Theta; D), so the classical bound is a
certificate for it up to the error of the mean over the points (hence "estimate"); for the network
it is the linearised number, a diagnostic.

The engine then trains finite networks of growing width on the same points by gradient descent.
It minimises cross-entropy; `squared` writes the squared loss as one, exactly, by a third class
that no label has.
"""

import math
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray

from ibjax import bounds, infinite, langevin, mi
from ibjax.infinite.kernel_matrix import Kernels
from ibjax.interface import Dataset, Estimate, Network, Supersample
from ibjax.reproduce.infinite.view import figure, tables
from ibjax.reproduce.outcome import Log, Outcome, View, record
from ibjax.typing import JaxArray

SCALE = 0.02
"""Factor of the squared loss inside the cross-entropy: outputs up to 1 / sqrt(SCALE) keep their
sign as the predicted class."""


class Setting(NamedTuple):
    """Sizes of the experiment; n <= 12, since all 2^n masks are enumerated."""

    n: int = 8
    inputs: int = 4
    supersamples: int = 6
    widths: tuple[int, ...] = (2, 8, 32, 128, 512)
    masks: int = 96
    step: float = 0.005
    checkpoints: int = 8
    steps: int = 400
    activation: str = "erf"
    w_std: float = 1.3
    b_std: float = 0.1
    noise: float = 0.5

    @property
    def times(self) -> np.ndarray:
        """Gradient-flow times of the summed loss at the checkpoints."""
        return self.step * self.steps * np.arange(1, self.checkpoints + 1) / self.checkpoints


def points(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (k1, 2n, d) and signs (k1, 2n); members 2i and 2i + 1 form pair i."""
    stream = np.random.default_rng(7)
    x = stream.normal(size=(setting.supersamples, 2 * setting.n, setting.inputs))
    teacher = np.ones(setting.inputs) / setting.inputs**0.5
    noise = setting.noise * stream.normal(size=x.shape[:2])
    return x, np.where(x @ teacher + noise > 0, 1.0, -1.0)


class Exact(NamedTuple):
    """Of one supersample over times, averaged over all masks.

    Attributes:
        train: chance of an error on a training member, (t,).
        test: the same on the other members, (t,).
        pair: information of a pair's two losses about its mask bit, nats, (t, n).
        divergence: KL of p(theta | D) from p(theta), nats, (t,).
        train_loss: mean squared training loss (with its 1/2), (t,).
    """

    train: JaxArray
    test: JaxArray
    pair: JaxArray
    divergence: JaxArray
    train_loss: JaxArray


def exact(x: Any, sign: Any, setting: Setting, *, linear: bool) -> Exact:
    """The infinite ensemble on one supersample, every mask enumerated."""
    net = {
        "depth": 2,
        "activation": setting.activation,
        "w_std": setting.w_std,
        "b_std": setting.b_std,
    }
    whole = infinite.mlp_kernels(x, **net)
    whole = Kernels(whole.ntk, whole.ntk) if linear else whole
    rate = infinite.mlp_nngp_rate(x, **net)
    masks = np.array(list(product((0, 1), repeat=setting.n)))
    return _over_masks(whole, rate, jnp.asarray(sign), setting.times, masks, linear)


@partial(jax.jit, static_argnames="linear")
def _over_masks(whole, rate, sign, times, masks, linear) -> Exact:
    n = masks.shape[1]
    pair, every = np.arange(n), np.arange(2 * n)

    def one(mask):
        train, other = 2 * pair + mask, 2 * pair + 1 - mask

        def block(rows, columns):
            return Kernels(*(part[rows[:, None], columns[None]] for part in whole))

        own = block(train, train)
        law = infinite.gradient_flow(own, sign[train], times, block(every, train), whole)
        mean, cov = law.mean[..., 0], law.cov
        wrong = infinite.error_probability(mean, jnp.diagonal(cov, axis1=1, axis2=2), sign)
        paired = jnp.moveaxis(cov.reshape(-1, n, 2, n, 2)[:, pair, :, pair, :], 0, 1)
        tables = infinite.pair_errors(mean.reshape(-1, n, 2), paired, sign.reshape(n, 2))
        out = infinite.ensemble_information(
            own, sign[train], times, linear=linear, nngp_rate=rate[train[:, None], train[None]]
        )
        return (
            wrong[:, train].mean(1),
            wrong[:, other].mean(1),
            tables.reshape(-1, n, 4),
            out.parameter_information.value,
            out.train_loss.value / n,
        )

    train, test, tables, divergence, loss = jax.lax.map(one, masks, batch_size=32)
    share = len(masks) / 2
    given = [jnp.einsum("mi,mtic->tic", masks == u, tables) / share for u in (0, 1)]
    # The quadrature may round an impossible pair of errors below zero.
    joint = jnp.maximum(jnp.stack(given, 2) / 2, 0.0)
    information = jnp.asarray(jax.vmap(jax.vmap(lambda j: mi.discrete(j).value))(joint))
    return Exact(train.mean(0), test.mean(0), information, divergence.mean(0), loss.mean(0))


def squared(width: int, setting: Setting) -> Network:
    """A network of one hidden layer whose cross-entropy is SCALE times the squared loss.

    With z the output and targets -1, 1 for the classes 0, 1, the logits are
    -SCALE/2 (z -+ 1)^2 - log 2, and a third one makes their exponentials sum to one. The
    cross-entropy of a label is then SCALE/2 (z - target)^2 + log 2, the negative logarithm of a
    Gaussian likelihood.
    """
    net = infinite.mlp(2, setting.activation, setting.w_std, setting.b_std, width)

    def init(key, x):
        return net.init(key, x.shape[1:])[1]

    def apply(params, x, key, hyper):
        z = net.apply(params, x)
        logits = -SCALE / 2 * (z - jnp.array([-1.0, 1.0])) ** 2 - math.log(2)
        # 1 - sum exp, without cancellation.
        rest = -0.5 * jnp.sum(jnp.expm1(logits + math.log(2)), 1, keepdims=True)
        return jnp.concatenate([logits, jnp.log(rest)], 1), ()

    return Network(init, apply, ())


def finite(width: int, setting: Setting, x: np.ndarray, sign: np.ndarray) -> Any:
    """Evidence of the engine for networks of one width on the same supersamples."""
    k1, n = setting.supersamples, setting.n
    pool = Dataset(
        x.reshape(-1, setting.inputs).astype(np.float32),
        (sign.reshape(-1) > 0).astype(np.int32),
        3,
        "gaussian signs",
    )
    index = np.arange(2 * n * k1).reshape(k1, n, 2)
    mask = np.random.default_rng(8).integers(0, 2, (k1, setting.masks, n))
    config = langevin.Config(
        network=squared(width, setting),
        steps=setting.steps,
        batching="full",
        learning_rate=setting.step * n / SCALE,
        optimizer="sgd",
        clip=None,
        checkpoints=setting.checkpoints,
    )
    return langevin.run_replicas(jax.random.key(9), config, pool, Supersample(index, mask))


def experiment(setting: Setting, log: Log = lambda _: None) -> xarray.Dataset:
    """Exact numbers of both models, their bounds, and the finite networks of every width."""
    x, sign = points(setting)
    k1, times = setting.supersamples, setting.times
    data = xarray.Dataset(
        coords={"model": ["network", "linear"], "time": times, "width": list(setting.widths)},
        attrs={**setting._asdict(), "units": "errors as probabilities, information in nats"},
    )
    rows: dict[str, list[np.ndarray]] = {}
    kinds: list[str] = []

    def keep(name: str, values: Any) -> None:
        """Mean and standard error over supersamples, (k1, t)."""
        values = np.asarray(values, float)
        rows.setdefault(name, []).append(values.mean(0))
        rows.setdefault(f"{name}_error", []).append(values.std(0, ddof=1) / k1**0.5)

    for linear in (False, True):
        log(f"infinite width, {'linear model' if linear else 'network'}: 2^{setting.n} masks")
        with jax.enable_x64(True):
            parts = [exact(*both, setting, linear=linear) for both in zip(x, sign)]
            found = jax.tree.map(lambda *a: jnp.stack(a), *parts)
            e_cmi = bounds.individual(found.pair, 1.0)
            error = jnp.std(found.divergence, 0, ddof=1) / k1**0.5
            divergence = Estimate(
                found.divergence.mean(0), error, jnp.array(True), "up", about="sample"
            )
            classical = bounds.xu_raginsky(divergence, setting.n, 0.5)
            keep("train", found.train)
            keep("test", found.test)
            keep("gap", found.test - found.train)
            keep("e_cmi", e_cmi.value)
            keep("divergence", found.divergence)
            keep("train_loss", found.train_loss)
            rows.setdefault("xu_raginsky", []).append(np.asarray(classical.value))
        kinds.append(classical.kind if linear else "diagnostic")
    for name, values in rows.items():
        data[name] = (("model", "time"), np.stack(values))
    data["kind"] = ("model", kinds)
    _train(data, setting, x, sign, log)
    return data


def _train(data: xarray.Dataset, setting: Setting, x, sign, log: Log) -> None:
    """Errors of finite networks; their standard errors are those given the points."""
    columns: dict[str, list[np.ndarray]] = {}
    for width in setting.widths:
        log(f"width {width}: {setting.supersamples * setting.masks} replicas")
        evidence = finite(width, setting, x, sign)
        loss = (np.asarray(evidence.train_loss, float) - math.log(2)) / SCALE
        train, test = (np.asarray(e, float) for e in (evidence.train_error, evidence.test_error))
        for name, values in (
            ("train", train),
            ("test", test),
            ("gap", test - train),
            ("train_loss", loss),
        ):
            spread = np.sqrt(np.mean(values.var(1, ddof=1), 0) / values.shape[0] / values.shape[1])
            columns.setdefault(f"finite_{name}", []).append(values.mean((0, 1)))
            columns.setdefault(f"finite_{name}_error", []).append(spread)
        plugged = []
        for checkpoint in range(setting.checkpoints):
            now = bounds.at(evidence, checkpoint)
            losses = np.asarray(now.predictions != np.asarray(now.labels)[:, None], int)
            plugged.append(float(bounds.e_cmi(losses, np.asarray(now.mask)).value))
        columns.setdefault("finite_e_cmi", []).append(np.array(plugged))
        columns.setdefault("diverged", []).append(
            np.full(setting.checkpoints, float(np.mean(evidence.diverged)))
        )
    for name, values in columns.items():
        data[name] = (("width", "time"), np.stack(values))


def run(folder: Path, quick: bool, log: Log) -> Outcome:
    """Exact gap, bounds and finite networks; two tables, a results file and a picture."""
    setting = Setting()
    if quick:
        setting = Setting(
            n=5, supersamples=2, widths=(2, 64), masks=64, steps=100, checkpoints=2, step=0.01
        )
    return record(experiment(setting, log), folder / "infinite-bounds.nc", "infinite-bounds", view)


def view(data: xarray.Dataset) -> View:
    """Both tables, one below the other, and the picture."""
    from rich.console import Group

    return View(Group(*tables(data)), figure(data))
