"""Bounds along full-batch Langevin dynamics beside the published curves, legacy and correct.

What is compared: the mean over runs of the root of each run ("legacy"), as published. What is a
bound: the root of the mean ("valid"), and the exact information of the path, which no published
figure shows. A curve drawn the legacy way lies below the bound it is named after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray

from ibjax import bounds, data, langevin
from ibjax.interface import Dataset
from ibjax.reproduce.langevin.settings import MNIST_MLP, Setting
from ibjax.reproduce.langevin.view import Curve, view
from ibjax.reproduce.outcome import Log, Outcome, given, record, settled

RUNS, SLOTS, STEPS = 2, 64, 101
"""Independent runs, tracked examples in each, and updates of the default run."""

FIRST = 2
"""Updates during which sums may be rescaled from a smaller sample: the paths hardly differ."""


@dataclass(frozen=True)
class Options:
    """How much of the published setting to run."""

    runs: int | None = None
    """Independent runs: sample, initialisation and noise (published: 100)."""
    slots: int | None = None
    """Training examples followed in each run, each with one ghost (published: 1)."""
    steps: int | None = None
    """Updates (the published number is the whole setting)."""
    train_size: int | None = None
    """Training examples; fewer than published compares at the first two updates only."""
    dataset: str | None = None
    """Another data set than the published one."""
    data_dir: str | None = None
    """TFDS data directory; TFDS_DATA_DIR or its usual place by default."""
    seed: int = 0
    """Root of all randomness."""


class Plan(NamedTuple):
    """What is run: data, numbers, and whether they may be compared with the figure."""

    pool: Dataset
    title: str
    size: int
    runs: int
    slots: int
    steps: int
    comparable: bool


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """The MNIST figure with two dense hidden layers."""
    return reproduce(MNIST_MLP, folder, quick, log, settled(options, False, Options()))


def runner(setting: Setting) -> Callable[..., Outcome]:
    """`run` for another published figure."""

    def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
        return reproduce(setting, folder, quick, log, settled(options, False, Options()))

    return run


def reproduce(setting: Setting, folder: Path, quick: bool, log: Log, options: Options) -> Outcome:
    """Train, account, and set ours beside the published numbers."""
    plan = _plan(setting, quick, options, log)
    log(f"{plan.title}: {plan.runs} runs x {plan.steps} updates, {plan.slots} examples followed")
    found = trace(setting, plan, options.seed, log)
    curves = curves_of(found, plan.size, setting.size if plan.comparable else plan.size)
    stored = _stored(setting, plan, found, curves, options)
    show = partial(view, setting=setting)
    return record(stored, folder / f"{setting.name}.nc", setting.name, show)


def _plan(setting: Setting, quick: bool, options: Options, log: Log) -> Plan:
    name = options.dataset or setting.dataset
    try:
        pool, real = data.load(name, data_dir=options.data_dir), name == setting.dataset
    except (FileNotFoundError, ImportError) as error:
        if options.dataset is not None:
            raise
        log(f"{error}; the embedded digits stand in, and nothing is compared")
        pool, real, name = data.load("digits", "all"), False, "digits"
    room = len(pool.y)
    size = min(1000 if quick else setting.size, room // 2)
    size = given(options.train_size, size)
    runs, slots = given(options.runs, RUNS), min(given(options.slots, SLOTS), size)
    heavy = setting is not MNIST_MLP
    steps = FIRST if (quick or heavy) and real else min(STEPS, setting.steps)
    steps = given(options.steps, steps)
    steps = min(steps, 20) if quick and options.steps is None else steps
    if size + slots >= room or size < 2:
        raise ValueError(f"train_size={size} with slots={slots} does not fit the {room} examples")
    if steps > setting.steps:
        raise ValueError(f"steps={steps} exceeds the published {setting.steps}")
    comparable = real and (size == setting.size or steps <= FIRST)
    title = f"{name}, n = {size}"
    if not real:
        title += f" (not {setting.dataset}: not comparable with the published curve)"
    elif size < setting.size:
        title += f" (published n = {setting.size}"
        title += ", sums rescaled)" if comparable else ", not comparable)"
    return Plan(pool, title, size, runs, slots, steps, comparable)


def trace(setting: Setting, plan: Plan, seed: int, log: Log) -> langevin.Track:
    """The tracked runs: each has its own random sample, ghosts and test examples."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.permutation(len(plan.pool.y)) for _ in range(plan.runs)])
    cuts = plan.size, plan.size + plan.slots, min(plan.size + plan.slots + 5000, len(plan.pool.y))
    test = rows[:, cuts[1] : cuts[2]]
    network = setting.network(np.shape(plan.pool.x)[1:], plan.pool.num_classes)
    config = langevin.Config(
        network=network,
        steps=plan.steps,
        learning_rate=setting.learning_rate,
        inverse_temperature=setting.inverse_temperature,
        clip=None,
        mapping="map",
        replicas_per_chunk=1,
    )
    times = [t for t in setting.times if t < plan.steps]
    stops = tuple(sorted({t + 1 for t in times} | {plan.steps}))
    total = plan.runs * plan.steps

    def progress(done: int, whole: int) -> None:
        if done % 50 == 0 or done == whole:
            log(f"update {done} of {total}")

    ghosts = rows[:, cuts[0] : cuts[1], None]
    return langevin.track(
        jax.random.key(seed),
        config,
        plan.pool,
        rows[:, : cuts[0]],
        ghosts,
        test,
        checkpoints=stops,
        progress=progress,
    )


def curves_of(found: langevin.Track, size: int, published: int) -> dict[str, Curve]:
    """Every bound at every checkpoint; sums rescaled to the published number of examples.

    Sums of n examples in a full batch go as 1/n^2 as long as the paths agree.
    """
    factor = (size / published) ** 2
    s = found.sums
    prior, member = bounds.path_prior, bounds.path_membership
    legacy = {"reduction": "mean_of_sqrt"}
    norms = 4**2 * s.second_moment / size**2

    with jax.enable_x64(True):

        def along(bound: Callable[..., Any], values: Any, **keywords: Any) -> Curve:
            rows = []
            for e in range(len(found.steps)):
                now = np.asarray(values, np.float64)[:, e] * factor
                got = bound(now, **keywords)
                error = float(got.std_error)
                if now.shape[0] == 1 and now.ndim == 2:  # slots stand in for runs
                    error = float(bound(now.T, **keywords).std_error)
                rows.append((float(got.value), 1.96 * error))
            value, error = np.array(rows).T
            return Curve(value, error)

        return {
            "negrea legacy": along(prior, s.incoherence, **legacy),
            "negrea valid": along(prior, s.incoherence),
            "cmi legacy": along(member, s.erf_prior, form="sqrt", **legacy),
            "cmi valid": along(member, s.test_prior, form="sqrt"),
            "exact": along(member, s.gain),
            "norm": along(prior, norms),
            "null": along(prior, s.null),
        }


def _stored(
    setting: Setting,
    plan: Plan,
    found: langevin.Track,
    curves: dict[str, Curve],
    options: Options,
) -> xarray.Dataset:
    slots = ("run", "checkpoint", "slot")
    fields = {
        "incoherence_information": (slots, found.sums.incoherence),
        "null_information": (slots, found.sums.null),
        "test_prior_information": (slots, found.sums.test_prior),
        "erf_prior_information": (slots, found.sums.erf_prior),
        "exact_information": (slots, found.sums.gain),
        "log_likelihood_ratio": (slots, found.sums.llr[..., 0]),
        "second_moment_information": (slots[:2], found.sums.second_moment),
        "train_error": (slots[:2], found.train_error),
        "test_error": (slots[:2], found.test_error),
        "train_loss": (slots[:2], found.train_loss),
    }
    for name, curve in curves.items():
        fields[f"bound {name}"] = (("checkpoint",), curve.value)
        fields[f"half width {name}"] = (("checkpoint",), curve.error)
    attributes = {
        "title": plan.title,
        "comparable": int(plan.comparable),
        "units": "information in nats, bounds in units of the 0-1 loss",
        "setting": setting.name,
        "train_size": plan.size,
        "seed": options.seed,
    }
    return xarray.Dataset(fields, {"checkpoint": np.asarray(found.steps)}, attributes)
