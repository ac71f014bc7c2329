"""How far the layers of trained networks are from strict maximum entropy, and what changes it.

Zheng, Sang and Xu (2017) see a deep network as a recursion of maximum-entropy problems that is
strict under two conditions: features are sufficient, and independent given the label. They give
no measurements; four statements that their reading suggests are put to the test here, in one
setting where everything is enumerated and in one where probes must do:

H1  the linear gap falls from layer to layer of a trained network;
H2  shortcuts lower the sufficiency residual I(X;Y|T) of the last layer;
H3  penalties and dropout lower |CE - H_q on fresh data - the same on training data|;
H4  penalties and dropout lower TC(T|Y), the second condition as it is worded.

Each answer is a mean difference over replicas (trained on the same data from the same weights) and
depths 1 to 6 with its 95% interval; a statement is supported or refuted where the interval leaves
out zero, else open.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray

from ibjax import blank, data
from ibjax.reproduce.maxent.measures import VARIANTS, Measured, Study, by_probes, exactly
from ibjax.reproduce.outcome import Log, Outcome, View, in_names, record, settled

BITS = Study("bits", train_size=500, width=8, growth=4, batch_size=100, steps=800)
IMAGES = Study()
SHORTCUTS, PENALTIES = ("additive", "concatenative"), ("L2", "L1", "dropout")
COLOURS = ("#000000", "#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73")


@dataclass(frozen=True)
class Options:
    """Options of this reproduction."""

    dataset: str = "digits"
    """Images the probes are used on: digits, or a name such as mnist."""
    data_dir: str | None = None
    """Where that data set lies, if it is not embedded."""
    replicas: int = 6
    """Independent training sets."""


class Answer(NamedTuple):
    """One statement, in one setting, for one variant.

    Attributes:
        statement: H1 to H4, and what is compared.
        setting: the data.
        variant: against plain, or the network the layers are of.
        difference: mean over replicas, nats.
        half: half width of its 95% interval (Student).
        verdict: supported, refuted or open; "by construction" where nothing could differ,
            "not measured" where the estimate was refused in every replica.
    """

    statement: str
    setting: str
    variant: str
    difference: float
    half: float
    verdict: str


def interval(values: np.ndarray) -> tuple[Any, Any]:
    """Mean over the last axis and half the width of its 95% interval, replicas that failed out."""
    from scipy.stats import t

    used = np.isfinite(values)
    count = np.maximum(used.sum(axis=-1), 1)
    mean = np.where(used, values, 0).sum(axis=-1) / count
    spread = np.where(used, (values - mean[..., None]) ** 2, 0).sum(axis=-1)
    freedom = np.maximum(count - 1, 1)
    half = t.ppf(0.975, freedom) * np.sqrt(spread / freedom / count)
    empty = used.sum(axis=-1) == 0
    return np.where(empty, np.nan, mean), np.where(used.sum(axis=-1) < 2, np.nan, half)


def last_layers(values: np.ndarray) -> np.ndarray:
    """The last layer at every depth: (V, D, L, R) to (V, D, R)."""
    depths = np.arange(values.shape[1])
    return values[:, depths, depths]


def answers(found: Measured, setting: str) -> list[Answer]:
    """H1 to H4 in one setting; every statement predicts a negative difference."""
    names = list(VARIANTS)

    def answer(statement: str, variant: str, per_replica: np.ndarray, trivial: bool = False):
        mean, half = (float(v) for v in interval(per_replica))
        verdict = "supported" if mean + half < 0 else "refuted" if mean - half > 0 else "open"
        if not np.isfinite(mean):
            verdict = "not measured"
        elif trivial:
            verdict = "by construction"
        return Answer(statement, setting, variant, mean, half, verdict)

    gap = found.layers["linear_gap"]
    out = []
    for i, name in enumerate(names):
        change = gap[i, -1, -1] - gap[i, -1, 0]
        out.append(answer(f"H1 linear gap, layer {gap.shape[2]} - 1", name, change))
    first = gap[0, -1, 0] - found.inputs["linear_gap"]
    out.insert(1, answer("H1 linear gap, 1 - inputs", "plain", first))
    if "probe_loss" in found.layers:
        # Over the bits this is the linear gap plus H(Y|X), the same statement.
        loss = found.layers["probe_loss"]
        for i, name in enumerate(names):
            change = loss[i, -1, -1] - loss[i, -1, 0]
            out.append(answer(f"H1 probe loss, layer {gap.shape[2]} - 1", name, change))
    residual = last_layers(found.layers["sufficiency_residual"])
    for name in SHORTCUTS:
        change = (residual[names.index(name)] - residual[0]).mean(axis=0)
        # The inputs are among the units: nothing can be lost.
        exact_copy = name == "concatenative" and setting == "bits"
        out.append(answer("H2 sufficiency", name, change, exact_copy))
    excess = np.abs(found.heads["duality_gap_test"] - found.heads["duality_gap_train"])
    spread = found.heads["loss_test"] - found.heads["loss_train"]
    total = last_layers(found.layers["total_correlation"])
    for statement, values in (
        ("H3 |CE - Hq test - train|", excess),
        ("H3 loss, test - train", spread),
        ("H4 TC(T|Y)", total),
    ):
        for name in PENALTIES:
            change = (values[names.index(name)] - values[0]).mean(axis=0)
            out.append(answer(statement, name, change))
    return out


def to_dataset(found: dict[str, Measured], studies: dict[str, Study]) -> xarray.Dataset:
    """Every number with its axes; names are those of the setting and the measure."""
    variables: dict[str, Any] = {}
    axes = ("variant", "depth", "layer", "replica")
    for setting, one in found.items():
        mine = (*axes[:3], f"replica_{setting}")
        for name, value in one.layers.items():
            variables[f"{setting}_{name}"] = (mine, value)
        for name, value in one.heads.items():
            variables[f"{setting}_head_{name}"] = ((mine[0], mine[1], mine[3]), value)
        for name, value in one.inputs.items():
            variables[f"{setting}_inputs_{name}"] = (mine[3:], value)
    slots = next(iter(studies.values())).slots
    levels = np.arange(1, slots + 1)
    notes: dict[str, Any] = {
        f"{setting}_identity_defect": one.identity for setting, one in found.items()
    }
    for setting, study in studies.items():
        notes[f"{setting}_study"] = repr(study)
    return xarray.Dataset(
        variables,
        {"variant": list(VARIANTS), "depth": levels, "layer": levels},
        {**notes, "units": "nats"},
    )


def from_dataset(found: xarray.Dataset) -> dict[str, Measured]:
    """What `to_dataset` stored, by setting.

    Raises:
        KeyError: if it holds no setting.
    """
    out = {}
    for setting in (k.removesuffix("_study") for k in found.attrs if k.endswith("_study")):
        rest = {
            str(name).removeprefix(f"{setting}_"): value.values
            for name, value in found.items()
            if f"replica_{setting}" in value.dims
        }
        heads, inputs = (
            {k.removeprefix(part): rest.pop(k) for k in list(rest) if k.startswith(part)}
            for part in ("head_", "inputs_")
        )
        defect = float(found.attrs[f"{setting}_identity_defect"])
        out[setting] = Measured(rest, heads, inputs, defect)
    if not out:
        raise KeyError("a study")
    return out


LAYERS = {
    "linear gap": "linear_gap",
    "sufficiency": "sufficiency_residual",
    "TC(T|Y)": "total_correlation",
    "logistic part": "explained",
}


def tables(found: dict[str, Measured], replies: list[Answer]) -> Any:
    """The answers, and the deepest network layer by layer."""
    from rich.console import Group

    top = blank.table(
        ("statement", "data", "variant", "difference", "verdict"),
        "differences ± 95% over replicas, H2 to H4 less plain; statements predict < 0",
        left=("statement", "data", "variant", "verdict"),
        wrap=True,
        **blank.compact(),
    )
    for a in replies:
        difference = f"{a.difference:+.4f}±{a.half:.4f}".replace("±0.", "±.").replace("±nan", "")
        if a.verdict == "not measured":
            difference = "-"
        top.add_row(a.statement, a.setting, a.variant, difference, a.verdict)
    return Group(top, *(_by_layer(setting, one) for setting, one in found.items()))


def _by_layer(setting: str, one: Measured) -> Any:
    slots = one.heads["loss_test"].shape[1]
    kind = "exact, but for linear gap of cut units" if setting == "bits" else "by probes"
    out = blank.table(
        ("", *(f"layer {layer}" for layer in range(1, slots + 1))),
        f"{setting}, depth {slots}, mean ± 95%, nats; {kind}",
        left=("",),
        **blank.compact(),
    )
    for label, name in LAYERS.items():
        if name not in one.layers:
            continue
        out.add_row(label, style="bold")
        for i, variant in enumerate(VARIANTS):
            mean, half = interval(one.layers[name][i, -1])
            out.add_row(variant, *map(_cell, mean, half), end_section=i == len(VARIANTS) - 1)
    return out


def _cell(mean: float, half: float) -> str:
    """Three decimals below one, one above ten; "-" where nothing could be measured."""
    if not np.isfinite(mean):
        return "-"
    decimals = 3 if abs(mean) < 1 else 2 if abs(mean) < 10 else 1
    text = f"{mean:.{decimals}f}±{half:.{decimals}f}".replace("±0.", "±.")
    return text.replace("-0.", "-.") if text[0] == "-" else text.removeprefix("0")


def figure(found: dict[str, Measured]) -> Any:
    """Four measures of each setting: three by layer at full depth, the last by depth."""
    from matplotlib.ticker import MaxNLocator

    picture, grid = blank.figure((12, 3.2 * len(found) + 0.4), len(found), 4, squeeze=False)
    for row, (setting, one) in zip(grid, found.items()):
        kind = "exact" if setting == "bits" else "probes"
        for ax, (label, name) in zip(row, list(LAYERS.items())[:3]):
            for i, variant in enumerate(VARIANTS):
                mean, half = interval(one.layers[name][i, -1])
                _line(ax, i, variant, mean, half)
            ax.set_xlabel("layer of the deepest network")
            ax.set_ylabel("nats")
            ax.set_title(f"{setting}: {label}\n({kind})", fontsize=11)
        excess = np.abs(one.heads["duality_gap_test"] - one.heads["duality_gap_train"])
        for i, variant in enumerate(VARIANTS):
            _line(row[3], i, variant, *interval(excess[i]))
        row[3].set_xlabel("depth")
        row[3].set_ylabel("nats")
        row[3].set_title(f"{setting}: |duality gap,\ntest - train| of the head", fontsize=11)
        if setting == "bits":
            row[2].set_yscale("log")  # concatenation multiplies it
        for ax in row:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    lines = grid[0, 0].get_legend_handles_labels()
    picture.legend(*lines, frameon=False, ncols=len(VARIANTS), loc="outside lower center")
    return picture


def _line(ax: Any, i: int, label: str, mean: np.ndarray, half: np.ndarray) -> None:
    place = np.arange(1, len(mean) + 1) + 0.06 * (i - 2.5)
    marker = "osD^v*"[i]
    ax.errorbar(
        place, mean, half, fmt=f"{marker}-", color=COLOURS[i], label=label, markersize=4, lw=1
    )


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train, measure, answer; one results file, one picture."""
    chosen = settled(options, quick, Options(replicas=2))
    own = {"replicas": chosen.replicas}
    bits = replace(BITS, **own)
    images = replace(IMAGES, dataset=chosen.dataset, data_dir=chosen.data_dir, **own)
    if quick:
        # Stacked layers as wide as concatenative ones share their compiled programs.
        small: dict[str, Any] = {"slots": 2, "steps": 60, "growth": 4}
        bits = replace(bits, **small, width=18)
        images = replace(images, **small, train_size=200, held_out=300, width=72, probe_width=16)
    setting = in_names(images.dataset)
    _check(images, setting)
    studies = {"bits": bits, setting: images}
    log(f"ten bits, enumerated: {bits.replicas} replicas of {len(VARIANTS)} networks, every depth")
    found = {"bits": exactly(bits)}
    log(f"{images.dataset}: the same on {images.train_size} images, measured by probes")
    found[setting] = by_probes(images)
    for setting, one in found.items():
        log(f"{setting}: largest defect of CE - H_q = -<W,R> - <b,R_b>: {one.identity:.1e} nats")
    path = folder / f"maxent-layers-{setting}.nc"
    return record(to_dataset(found, studies), path, "maxent-layers", view)


def _check(images: Study, setting: str) -> None:
    """Find out before anything is trained whether the images are there, and enough of them.

    Raises:
        ValueError: if they are not.
        OSError: if they are not prepared, or cannot be read.
    """
    if setting == "bits":
        raise ValueError("dataset='bits' is the other study of this reproduction; give images")
    size = len(data.load(images.dataset, data_dir=images.data_dir).y)
    if size < 2 * images.train_size:
        raise ValueError(
            f"dataset={images.dataset!r} has {size} examples; give one of "
            f"{2 * images.train_size} or more: {images.train_size} pairs are drawn"
        )


def view(stored: xarray.Dataset) -> View:
    """The answers, and the deepest networks layer by layer."""
    found = from_dataset(stored)
    replies = [reply for setting, one in found.items() for reply in answers(one, setting)]
    return View(tables(found, replies), figure(found))
