"""Certificate, gap and published bounds of one setting of noisy SGD, from replicas on disk."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray

from ibjax.interface import BoundValue, Dataset, Evidence
from ibjax.intervals import t_quantile
from ibjax.reproduce.outcome import Log, in_names, jsoned, stretches

WIDTH = 32
"""Units of the hidden layer, tanh, without noise of its own."""

_ENTRIES = 2_000_000
"""Predictions whose tables are held at once."""

BOUNDS = {
    "individual": "certificate",
    "individual_at_error": "at the training error",
    "sample_gradient": "measured norms",
    "revealed": "membership revealed",
    "whole_batch": "whole batch",
    "incoherence": "gradient incoherence",
    "trajectory_cmi": "path, given pairs",
    "ld_cmi": "loss differences",
}
"""Every bound that is shown, and what tables call it: the first three ours, then the forms of Bu et
al. 2020, Pensia et al. 2018, Negrea et al. 2019, Haghifam et al. 2020, and Wang and Mao 2023."""


@dataclass(frozen=True)
class Setting:
    """How one set of replicas is trained."""

    dataset: str
    n: int
    batch_size: int
    steps: int
    learning_rate: float
    budget: float
    """T eta beta C^2/4 with the clip C = 1: the information of an example times n^2, in nats."""
    supersamples: int
    masks: int
    seed: int = 0

    @property
    def temperature(self) -> float:
        """Inverse temperature beta that spends the budget."""
        return 4 * self.budget / (self.steps * self.learning_rate)


class Point(NamedTuple):
    """One setting and what its replicas gave: errors, gap, and the bounds on it.

    Attributes:
        setting: how they were trained.
        train: mean training error.
        test: mean error on the other members of the pairs.
        gap: their difference.
        half_width: half the width of its 95 % interval, over supersamples.
        norms: mean square gradient norm in units of the clip.
        bounds: by name.
        kinds: of the bounds.
        null: what `ld_cmi` reads where masks mean nothing.
    """

    setting: Setting
    train: float
    test: float
    gap: float
    half_width: float
    norms: float
    bounds: dict[str, float]
    kinds: dict[str, str]
    null: float

    def ratio(self, name: str = "individual") -> float:
        """A bound over the measured gap."""
        return self.bounds[name] / self.gap

    def test_bound(self, name: str = "individual_at_error") -> float:
        """Training error plus a bound: what it says of the test error."""
        return self.train + self.bounds[name]


def point(setting: Setting, pool: Dataset, folder: Path, log: Log) -> tuple[Point, Path]:
    """Train the replicas of a setting, or read what an earlier run left; and the file.

    Raises:
        OSError: if the file cannot be written.
    """
    from ibjax import environment, files
    from ibjax.reproduce.replica_cells import fingerprint, stored

    settings = {**asdict(setting), "width": WIDTH}
    settings["data"] = files.digest(pool.x, pool.y, pool.num_classes)
    name = f"{in_names(setting.dataset)}-n-{setting.n}-{fingerprint(settings)}"
    path = folder / f"{name}.nc"
    found = stored(path, name, log)
    if found is None:
        found = _measured(setting, pool, stretches(log, name))
        found.attrs = {**environment.describe(), "settings": json.dumps(settings, sort_keys=True)}
        files.write(found, path)
    return read(found), path


def _measured(setting: Setting, pool: Dataset, progress: Any) -> xarray.Dataset:
    import jax

    from ibjax import bounds, data, langevin
    from ibjax.networks import MLP
    from ibjax.randomness import seed_key

    keys = [jax.random.fold_in(seed_key(setting.seed), part) for part in (0, 1)]
    pairs = data.supersample(
        keys[0],
        len(pool.y),
        setting.n,
        setting.supersamples,
        setting.masks,
        balanced=setting.masks % 2 == 0,
    )
    config = langevin.Config(
        network=MLP(1, WIDTH, "tanh", 0.0),
        steps=setting.steps,
        batch_size=setting.batch_size,
        learning_rate=setting.learning_rate,
        inverse_temperature=setting.temperature,
        account=True,
    )
    evidence = langevin.run_replicas(keys[1], config, pool, pairs, progress=progress)
    values, null = evaluated(evidence)
    gap = bounds.gap(evidence)
    norms = np.asarray(evidence.sample_information)[:, :, -1] / _largest(setting)
    replicas = ("supersample", "mask_id")
    return xarray.Dataset(
        {
            "train_error": (replicas, evidence.train_error[:, :, -1]),
            "test_error": (replicas, evidence.test_error[:, :, -1]),
            "mean_square_norm": (replicas, norms),
            "gap": ((), float(gap.value)),
            "gap_std_error": ((), float(gap.std_error)),
            "bound_value": (("bound_name",), [float(v.value) for v in values.values()]),
            "bound_kind": (("bound_name",), [v.kind for v in values.values()]),
            "ld_cmi_null": ((), null),
        },
        coords={"bound_name": list(values)},
    )


def _largest(setting: Setting) -> float:
    """The sample information were every gradient as long as the clip: T eta beta/(4 n b)."""
    return setting.budget / (setting.n * setting.batch_size)


def evaluated(evidence: Evidence) -> tuple[dict[str, BoundValue], float]:
    """The bounds of `BOUNDS` on the same replicas, those of the literature as they are printed.

    Returns:
        The bounds by name, and what `ld_cmi` reads where masks mean nothing.
    """
    from ibjax import bounds

    registered = [n for n in BOUNDS if n in bounds.registry() and n != "ld_cmi"]
    found = bounds.evaluate(evidence, names=registered)
    known = evidence._replace(shared_batches=np.asarray(1.0))  # counted as if all were told them
    revealed = bounds.evaluate(known, names=["xu_raginsky"])["xu_raginsky"]
    steps, noise = evidence.step_sizes, evidence.noise_stds
    whole = bounds.noisy_sgd_information(steps, noise, evidence.clip, int(evidence.dim), form="log")
    batch = bounds.xu_raginsky(whole, evidence.mask.shape[-1], 0.5)
    tables, null = _tables(evidence)
    found |= {"revealed": revealed, "whole_batch": batch, "ld_cmi": tables}
    return {name: replace(found[name], name=name) for name in BOUNDS}, null


def _tables(evidence: Evidence) -> tuple[BoundValue, float]:
    """`ld_cmi` and its null, of as many supersamples as fit.

    The tables of 1,600 replicas of n = 5000 take 17 GB, and two of the twenty supersamples hold
    10,000 pairs as it is.
    """
    from ibjax import bounds

    kept = max(_ENTRIES // int(np.prod(evidence.predictions.shape[1:])), 1)
    along = ("index", "mask", "labels", "predictions", "train_error", "test_error", "diverged")
    part = {name: getattr(evidence, name)[:kept] for name in along}
    replicas = evidence.mask.shape[:2]
    rest = {
        name: np.asarray(np.nan)
        for name in Evidence._fields
        if name not in along and np.shape(getattr(evidence, name))[:2] == replicas
    }
    piece = evidence._replace(**part, **rest)
    null = bounds.row_nulls(piece, names=["ld_cmi"])["ld_cmi"].mean
    return bounds.evaluate(piece, names=["ld_cmi"])["ld_cmi"], float(null)


def read(found: xarray.Dataset) -> Point:
    """The point that a file holds."""
    given = jsoned(found.attrs, "settings")
    setting = Setting(**{field.name: given[field.name] for field in fields(Setting)})
    names = [str(name) for name in found["bound_name"].values]
    units = setting.supersamples if setting.supersamples > 1 else setting.masks
    return Point(
        setting=setting,
        train=float(found["train_error"].mean()),
        test=float(found["test_error"].mean()),
        gap=float(found["gap"]),
        half_width=t_quantile(units) * float(found["gap_std_error"]),
        norms=float(found["mean_square_norm"].mean()),
        bounds=dict(zip(names, map(float, found["bound_value"].values))),
        kinds=dict(zip(names, map(str, found["bound_kind"].values))),
        null=float(found["ld_cmi_null"]),
    )


_NUMBERS = ("train", "test", "gap", "half_width", "norms", "null")


def together(**questions: list[Point]) -> xarray.Dataset:
    """The points of every question as one data set."""
    points = [(question, p) for question, found in questions.items() for p in found]
    columns: dict[str, Any] = {k: ("point", [getattr(p, k) for _, p in points]) for k in _NUMBERS}
    for field in fields(Setting):
        columns[field.name] = ("point", [getattr(p.setting, field.name) for _, p in points])
    columns["question"] = ("point", [question for question, _ in points])
    for name, part in (("bound_value", "bounds"), ("bound_kind", "kinds")):
        values = [[getattr(p, part)[bound] for bound in BOUNDS] for _, p in points]
        columns[name] = (("point", "bound_name"), np.array(values))
    return xarray.Dataset(columns, {"bound_name": list(BOUNDS)})


def apart(found: xarray.Dataset, question: str) -> list[Point]:
    """The points of one question, as `together` stored them."""
    names = found["bound_name"].values.tolist()
    out = []
    for i in np.flatnonzero(found["question"].values == question):
        at = found.isel(point=int(i))
        setting = Setting(**{field.name: at[field.name].item() for field in fields(Setting)})
        parts = [dict(zip(names, at[k].values.tolist())) for k in ("bound_value", "bound_kind")]
        numbers = {name: at[name].item() for name in _NUMBERS}
        out.append(Point(setting=setting, bounds=parts[0], kinds=parts[1], **numbers))
    return out
