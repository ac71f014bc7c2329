"""A certificate near the gap: MNIST 4 versus 9 against the number of training examples.

Noisy SGD on fresh subsets; the information of an example is counted with its membership hidden
(`bounds.account`). Beside it stand the forms that the literature evaluates, on the same runs: the
membership revealed, the whole batch as one channel, and the supersample bound of the replicas.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ibjax import bounds, results, sweep
from ibjax.interface import Evidence
from ibjax.pipeline import Experiment
from ibjax.report import summarise
from ibjax.reproduce.outcome import Log, Outcome, bound_text, quickened, refuse_repeats, save

if TYPE_CHECKING:
    from ibjax.report import Summary

BASE = Experiment(
    dataset="mnist",
    classes=(4, 9),
    depths=(1,),
    learning_rate=0.2,
    layer_noise=0.1,
    checkpoints=1,
)


@dataclass(frozen=True)
class Options:
    """Which sizes, and how many replicas narrow the interval of the gap."""

    dataset: str = "mnist"
    """Data set; "digits" needs no files."""
    sizes: tuple[int, ...] = (250, 500, 1000, 2500, 5000)
    """Numbers of training examples n."""
    supersamples: int = 10
    """Supersamples of each size."""
    masks: int = 20
    """Replicas of each supersample, in complementary pairs."""
    steps: int = 200
    """Updates, on fresh subsets of a tenth of the examples."""
    temperature: float = 12.0
    """Inverse temperature over the root of n: colder runs fit more and are certified less."""
    data_dir: str | None = None
    """TFDS data directory; TFDS_DATA_DIR or its usual place by default."""


QUICK = Options(dataset="digits", sizes=(60, 120), supersamples=3, masks=4, steps=60)


_SHOWN = ("individual", "individual_at_error", "ld_cmi")


class Point(NamedTuple):
    """One size: its summary, and the bounds in the forms of the literature."""

    n: int
    summary: "Summary"
    revealed: float
    whole_batch: float


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train replicas at every size and set the certificate beside the measured gap; resumable."""
    from rich import box
    from rich.table import Table

    options = Options() if options is None else options
    options = quickened(options, QUICK) if quick else options
    refuse_repeats("sizes", options.sizes)
    files, points = [], []
    for n in options.sizes:
        log(f"{options.dataset}, n = {n}")
        path = folder / "certified-mnist" / f"{options.dataset}-n-{n}.nc"
        experiment = at_size(options, n)
        dataset = sweep.run(experiment, path)
        files.append(path)
        points.append(point_of(n, summarise(dataset), results.evidence(dataset, 1)))
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{options.dataset}, 4 versus 9: certificates and gap; {options.steps} steps",
        title_justify="left",
        caption="certificate: I(Z;W) with batches hidden, tight form of Pinsker's inequality; at "
        "error: the same information at the measured training error, an estimate; revealed, whole "
        "batch: certificates from the same runs with the forms of the literature; ±: 95 % over "
        "supersamples, which share one pool.",
        caption_justify="left",
    )
    columns = ("n", "train", "test", "gap", "certificate", "at error", "cert./gap")
    for column in (*columns, "revealed", "whole batch", "ld_cmi", "its null"):
        table.add_column(column, justify="right", no_wrap=True)
    for point in points:
        table.add_row(*_cells(point))
    picture = save(_figure(points, options.dataset), folder / "certified-mnist.png")
    return Outcome(table, (*files, picture))


def at_size(options: Options, n: int) -> Experiment:
    """The experiment of one size: batches of a tenth, inverse temperature growing as root n."""
    return replace(
        BASE,
        dataset=options.dataset,
        train_size=n,
        batch_size=max(n // 10, 1),
        supersamples=options.supersamples,
        masks=options.masks,
        steps=options.steps,
        inverse_temperature=options.temperature * float(np.sqrt(n)),
        data_dir=options.data_dir,
    )


def ratio(point: Point) -> float:
    """The best certificate over the measured gap."""
    return float(point.summary.row("individual").values[0] / point.summary.row("gap").values[0])


def point_of(n: int, summary: "Summary", evidence: Evidence) -> Point:
    """One size: the summary of its file, and the forms of the literature on the same evidence."""
    known = evidence._replace(shared_batches=np.asarray(1.0))  # counted as if all were told them
    revealed = bounds.evaluate(known, names=["xu_raginsky"])["xu_raginsky"]
    steps, noise = evidence.step_sizes, evidence.noise_stds
    whole = bounds.noisy_sgd_information(steps, noise, evidence.clip, int(evidence.dim), form="log")
    batch = bounds.xu_raginsky(whole, n, 0.5)
    return Point(n, summary, float(revealed.value), float(batch.value))


def _cells(point: Point) -> tuple[str, ...]:
    row = point.summary.row
    gap, null = row("gap"), row("ld_cmi").null
    return (
        str(point.n),
        f"{row('train error').values[0]:.3f}",
        f"{row('test error').values[0]:.3f}",
        f"{gap.values[0]:.4f}±{gap.errors[0]:.4f}",
        bound_text(row("individual").values[0], digits=4),
        bound_text(row("individual_at_error").values[0], digits=4),
        f"{ratio(point):.1f}",
        bound_text(point.revealed, digits=4),
        bound_text(point.whole_batch, digits=3),
        bound_text(row("ld_cmi").values[0], digits=3),
        "-" if null is None else f"{null[0]:.3f}",
    )


def _figure(points: list[Point], name: str):
    from matplotlib.figure import Figure

    out = Figure(figsize=(7, 4.8), layout="constrained")
    ax = out.subplots()
    n = [p.n for p in points]
    gaps = [p.summary.row("gap") for p in points]
    middle = np.array([g.values[0] for g in gaps])
    away = np.nan_to_num(np.array([g.errors[0] for g in gaps]))
    down = np.minimum(away, 0.7 * np.abs(middle))
    ax.errorbar(n, middle, [down, away], color="black", marker="D", capsize=3, label="measured gap")
    rows = {name: [p.summary.row(name).values[0] for p in points] for name in _SHOWN}
    curves = (
        ("certificate, batches hidden", rows["individual"], "#0072B2", "s-"),
        (
            "at the training error (estimate)",
            rows["individual_at_error"],
            "#56B4E9",
            "o--",
        ),
        ("certificate, batches revealed", [p.revealed for p in points], "#009E73", "^-"),
        ("certificate, whole batch", [p.whole_batch for p in points], "#D55E00", "v-"),
        ("ld_cmi of the replicas (estimate)", rows["ld_cmi"], "#CC79A7", "o--"),
    )
    for label, values, colour, look in curves:
        ax.plot(n, values, look, color=colour, label=label)
    ax.axhspan(1, max(1.5, *(p.whole_batch for p in points)), color="0.92", zorder=0)
    ax.text(n[0], 1.05, "vacuous", color="0.35", fontsize=9)
    ax.set(xscale="log", yscale="log", xlabel="training examples n", ylabel="gap, 0-1 loss")
    ax.set_title(f"{name}, 4 versus 9", fontsize=10)
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    out.set_size_inches(9.5, 4.8)
    return out
