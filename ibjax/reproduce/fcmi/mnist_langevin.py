"""The Langevin part of the f-CMI experiment, with the noise as published and as intended.

The published program multiplies noise of standard deviation 1/beta by sqrt(2 eta/beta): its runs
are Langevin dynamics at inverse temperature beta^3, that is nearly plain SGD, while the trajectory
curve drawn beside them assumes beta. ``noise="published"`` repeats it; ``noise="langevin"``
adds the noise of standard deviation sqrt(2 eta/beta) that the algorithm is named after.

Early in training the published f-CMI (0.21 after four epochs) and test error lie above ours with
the published noise. The first public versions of the program also measured the spread of
per-example gradients of four of every thirty networks, in evaluation mode, and trained on in that
mode until the epoch ended: with running batch statistics, which fit badly at first. That would
make such a hump; here all networks are trained alike. A plain PyTorch loop agrees with ours.

Reference: Harutyunyan, Raginsky, Ver Steeg, Galstyan 2021, "Information-theoretic generalization
bounds for black-box learning algorithms".
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray

from ibjax import blank, bounds, data
from ibjax.interface import Dataset, Supersample
from ibjax.reproduce.fcmi import file as fcmi_file
from ibjax.reproduce.fcmi.mnist import SEED, mnist
from ibjax.reproduce.fcmi.rows import Row, lost, row
from ibjax.reproduce.fcmi.view import (
    COLOURS,
    along_training,
    caveat,
    corrected,
    corrected_text,
    null_text,
    spread_text,
)
from ibjax.reproduce.outcome import Log, Outcome, View, jsoned, record, refuse_repeats, settled
from ibjax.reproduce.replica_cells import cell

if TYPE_CHECKING:
    from ibjax.langevin import Config

NAME = "fcmi-mnist-langevin"
BATCH = 100
SHOWN = ("f-CMI", "single loss", "pair JS")
CONVENTIONS = ("published", "langevin")

PUBLISHED = {
    "epoch": (4, 8, 12, 16, 20, 24, 28, 32, 36, 40),
    "gap": (0.0058, 0.0068, 0.0078, 0.0088, 0.0097, 0.0105, 0.0107, 0.0115, 0.0117, 0.0117),
    "f-CMI": (0.212, 0.085, 0.041, 0.034, 0.032, 0.032, 0.032, 0.032, 0.033, 0.033),
    "test error": (0.0827, 0.0438, 0.0306, 0.0248, 0.0219, 0.0199, 0.0185, 0.0185, 0.0175, 0.0175),
}
"""Read off the published figure, +-0.001; n = 4000."""


@dataclass(frozen=True)
class Options:
    """The grid."""

    train_size: int = 4000
    """Training examples, a multiple of 100; published: 4000."""
    masks: int = 10
    """Networks a supersample; published: 30."""
    supersamples: int = 1
    """Draws of the pairs; published: 5."""
    epochs: int = 40
    """Passes over the training examples."""
    noise: tuple[str, ...] = CONVENTIONS
    """published (standard deviation sqrt(2 eta/beta)/beta) and langevin (without the last beta)."""
    precision: str = "float32"
    """Of the matrix products: float32 or bfloat16."""
    shared_masks: bool = False
    """Use the same masks for every supersample, as published."""

    def __post_init__(self) -> None:
        if self.train_size % BATCH or not 0 < self.train_size <= 4600:
            raise ValueError(f"train_size={self.train_size}: give a multiple of {BATCH} up to 4600")
        if not self.noise or any(c not in CONVENTIONS for c in self.noise):
            raise ValueError(f"noise={self.noise} must be some of {CONVENTIONS}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision={self.precision!r} must be float32 or bfloat16")
        refuse_repeats("noise", self.noise)
        if self.masks < 2 or self.supersamples < 1 or self.epochs < 1:
            raise ValueError(
                f"masks={self.masks}, supersamples={self.supersamples}, epochs={self.epochs}: give "
                "at least 2 masks, 1 supersample and 1 epoch"
            )


QUICK = Options(train_size=100, masks=4, epochs=4)


def step_size(step: Any) -> Any:
    """eta_t = 0.004, times 0.9 every 100 updates."""
    return 0.004 * 0.9 ** (step // 100)


def inverse_temperature(step: Any) -> Any:
    """beta_t = 10 at first, then 10 exp(t/100) between 100 and 4000."""
    step = jnp.asarray(step, jnp.float32)
    grown = jnp.clip(10 * jnp.exp(step / 100), 100.0, 4000.0)
    return jnp.where(step == 0, 10.0, grown)


def published_temperature(step: Any) -> Any:
    """beta_t^3: the inverse temperature of the noise that the program adds."""
    return inverse_temperature(step) ** 3


def configuration(options: Options, noise: str) -> "Config":
    """The published run: batches of 100, no clipping, weight noise by the convention."""
    from ibjax import langevin
    from ibjax.networks import normalised

    network = replace(normalised.PUBLISHED["standard"], precision=options.precision)
    return langevin.Config(
        network=normalised.build(network, 2, (28, 28, 1)),
        steps=options.epochs * (options.train_size // BATCH),
        batch_size=BATCH,
        learning_rate=step_size,
        inverse_temperature=inverse_temperature if noise == "langevin" else published_temperature,
        clip=None,
        checkpoints=_checkpoints(options.epochs),
    )


def _checkpoints(epochs: int) -> int:
    """After every epoch of a short run; then every fourth as published, if that comes out even."""
    return epochs // 4 if epochs > 10 and epochs % 4 == 0 else min(10, epochs)


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train what is missing, then the table along training and the picture."""
    options = settled(options, quick, QUICK)
    log(bounds.masks_advice(options.masks, balanced=False))
    pool = mnist()
    rows, files = [], []
    for noise in options.noise:
        cells = []
        for s in range(options.supersamples):
            path = folder / "fcmi-mnist-langevin" / f"{noise}-n{options.train_size}-s{s}.nc"
            found, path = _train(path, noise, s, options, pool, log)
            cells.append(found)
            files.append(path)
        rows.append(_row(noise, options.train_size, cells))
    together = fcmi_file.dataset(rows, asdict(options), NAME)
    return record(together, folder / f"{NAME}.nc", NAME, view, tuple(files))


def view(found: xarray.Dataset) -> View:
    """Table and picture of what was stored, or of one cell of it."""
    if "predictions" in found:
        found = _alone(found)
    rows = {r.variant: r for r in fcmi_file.rows(found)}
    return View(table(rows, fcmi_file.options(found, Options)), figure(rows))


def _row(noise: str, n: int, cells: list[xarray.Dataset]) -> Row:
    epochs = np.asarray(cells[0].step.values) / (n // BATCH)
    return row(noise, n, cells)._replace(epochs=epochs)


def _alone(found: xarray.Dataset) -> xarray.Dataset:
    """A cell as a grid of its own."""
    given = jsoned(found.attrs, "settings")
    noise, n = given["noise"], given["train_size"]
    options = {
        "train_size": n,
        "masks": found.sizes["mask_id"],
        "supersamples": 1,
        "epochs": given["epochs"],
        "noise": (noise,),
        "precision": given["precision"],
    }
    return fcmi_file.dataset([_row(noise, n, [found])], options, NAME)


def _train(
    path: Path, noise: str, s: int, options: Options, pool: Dataset, log: Log
) -> tuple[xarray.Dataset, Path]:
    root, n = jax.random.key(SEED), options.train_size
    draw = jax.random.fold_in(root, n)
    k1, k2, shared = options.supersamples, options.masks, options.shared_masks
    pairs = data.supersample(draw, len(pool.y), n, k1, k2, shared=shared)
    one = Supersample(pairs.index[s : s + 1], pairs.mask[s : s + 1])
    settings = {
        "experiment": "langevin",
        "noise": noise,
        "train_size": n,
        "epochs": options.epochs,
        "precision": options.precision,
        "supersample": s,
        "seed": SEED,
        "pool": len(pool.y),
    }
    if options.shared_masks:
        settings["shared_masks"] = True  # cells of runs without it stay usable
    key = jax.random.fold_in(jax.random.fold_in(root, 1), s)
    return cell(path, settings, key, configuration(options, noise), pool, one, log)


def table(rows: dict[str, Row], options: Options) -> Any:
    """Along training: gap, f-CMI and test error of each convention beside the published curve.

    Then the nulls of the bounds and the corrected ones, where the rows have them.
    """
    from rich.console import Group

    beside = all(r.beside for r in rows.values())
    text = (
        f"{caveat(options.masks, list(rows.values()))} published: read off the figure, n = 4000 "
        "and 5 x 30 networks; ± standard deviation over supersamples." + lost(list(rows.values()))
    )
    names = ("gap", "publ.", "f-CMI", "publ.", "single loss", "pair JS", "test error", "publ.")
    out = blank.table(
        ("noise", "epoch", *names),
        f"MNIST 4 versus 9 by Langevin dynamics, n = {options.train_size}, "
        f"{options.supersamples} x {options.masks} networks, {options.precision}",
        caption=None if beside else text,
    )
    for noise, r in rows.items():
        for i, epoch in enumerate(r.epochs):
            known = _published(float(epoch)) if options.train_size == 4000 else ("",) * 3
            ours = (
                spread_text(values[:, i])
                for values in (*(r.bounds[k] for k in SHOWN), r.train_error + r.gap)
            )
            f_cmi, single, pair, test = ours
            gap = spread_text(r.gap[:, i])
            cells = (gap, known[0], f_cmi, known[1], single, pair, test, known[2])
            out.add_row(noise if i == 0 else "", f"{epoch:g}", *cells)
    if not beside:
        return out
    parts = [column for name in SHOWN for column in (f"{name}, null", "corrected")]
    nulls = blank.table(("noise", "epoch", *parts), "nulls and corrected bounds", caption=text)
    for noise, r in rows.items():
        for i, epoch in enumerate(r.epochs):
            each = [r.beside[name] for name in SHOWN]
            cells = [text for b in each for text in (null_text(b, at=i), corrected_text(b, i))]
            nulls.add_row(noise if i == 0 else "", f"{epoch:g}", *cells)
    return Group(out, nulls)


def _published(epoch: float) -> tuple[str, ...]:
    names = ("gap", "f-CMI", "test error")
    if epoch not in PUBLISHED["epoch"]:
        return ("",) * len(names)
    place = PUBLISHED["epoch"].index(int(epoch))
    return tuple(f"{PUBLISHED[name][place]:.4f}" for name in names)


def figure(rows: dict[str, Row]) -> Any:
    """Gap and bounds along training, one column a convention; published points as crosses.

    Bands are nulls; corrected bounds stand below.
    """
    below = all(r.beside for r in rows.values())
    size = (4.5 * len(rows) + 1.5, 4 + 3.5 * below)
    out, grid = blank.figure(size, 1 + below, len(rows), sharey="row", squeeze=False)
    panels = grid[0]
    for ax, (noise, r) in zip(panels, rows.items()):
        along_training(ax, r)
        if r.n == 4000 and noise == "published":
            for name in ("gap", "f-CMI"):
                points = PUBLISHED["epoch"], PUBLISHED[name]
                ax.plot(*points, "x", color=COLOURS[name], label=f"{name}, published")
        ax.set_title(f"{noise} noise, n = {r.n}")
    for ax, r in zip(grid[1] if below else (), rows.values()):
        corrected(ax, [r], r.epochs, last=False)
        ax.set_xlabel("epoch")
    panels[0].set_ylim(min(0.0, panels[0].get_ylim()[0]), None)
    handles = panels[0].get_legend_handles_labels()
    out.legend(*handles, loc="outside right upper", frameon=False)
    return out
