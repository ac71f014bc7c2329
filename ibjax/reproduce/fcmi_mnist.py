"""The f-CMI experiment: MNIST 4 versus 9, hundreds of networks, what their predictions betray.

For each of k1 supersamples, k2 masks choose the training member of every pair and one network is
trained per mask. The gap of those networks is bounded by what their predictions tell about the
masks. Settings are those of the published program; two things differ on purpose: masks are drawn
anew for every supersample (published: the same k2 masks for all), and the pool is another random
80 % of the training images.

Reference: Harutyunyan, Raginsky, Ver Steeg, Galstyan 2021, "Information-theoretic generalization
bounds for black-box learning algorithms"; Wang, Mao 2023, "Tighter information-theoretic
generalization bounds from supersamples", for the narrower bounds.
"""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from ibjax import bounds, data
from ibjax.interface import Dataset, Supersample
from ibjax.reproduce.outcome import Log, Outcome, save
from ibjax.reproduce.replica_cells import cell

if TYPE_CHECKING:
    import xarray

    from ibjax.langevin import Config

BATCH, RATE, MEAN, STD = 128, 1e-3, 0.456, 0.224
EVALUATIONS = 10
SEED = 0


class Published(NamedTuple):
    """Gap and f-CMI bound as printed; their spread over supersamples read off the figure."""

    gap: float
    f_cmi: float
    gap_spread: float = math.nan
    f_cmi_spread: float = math.nan


PUBLISHED = {
    "standard": {
        75: Published(0.08924, 0.24268, 0.023, 0.052),
        250: Published(0.03627, 0.10733),
        1000: Published(0.01553, 0.04673),
        4000: Published(0.00806, 0.02571),
    },
    "deterministic": {
        75: Published(0.08347, 0.22257, 0.020, 0.041),
        250: Published(0.03451, 0.09499),
        1000: Published(0.01411, 0.04081),
        4000: Published(0.00814, 0.02655),
    },
    "wide": {
        75: Published(0.09253, 0.23986, 0.019, 0.046),
        250: Published(0.03739, 0.11018),
        1000: Published(0.01335, 0.03949),
        4000: Published(0.00789, 0.02541),
    },
}
"""Printed by the authors' program; "wide" shares its randomness as "deterministic" does."""


@dataclass(frozen=True)
class Options:
    """The grid."""

    train_size: tuple[int, ...] = (75,)
    """Numbers of training examples; published: 75 250 1000 4000."""
    masks: int = 30
    """Networks a supersample."""
    supersamples: int = 5
    """Draws of the pairs."""
    epochs: int = 200
    """Passes over the training examples."""
    variants: tuple[str, ...] = ("standard",)
    """Of standard, deterministic (networks share initialisation and batch order) and wide."""
    precision: str = "float32"
    """Of the matrix products: float32 or bfloat16."""

    def __post_init__(self) -> None:
        unknown = [v for v in self.variants if v not in PUBLISHED]
        if unknown or not self.variants:
            raise ValueError(f"variants={self.variants} must be some of {tuple(PUBLISHED)}")
        if not self.train_size or min(self.train_size) < 2 or max(self.train_size) > 4600:
            raise ValueError(f"train_size={self.train_size}: give sizes from 2 to 4600")
        if self.masks < 2 or self.supersamples < 1 or self.epochs < 1:
            raise ValueError(
                f"masks={self.masks}, supersamples={self.supersamples}, epochs={self.epochs}: give "
                "at least 2 masks, 1 supersample and 1 epoch"
            )


class Row(NamedTuple):
    """One variant and size; each statistic with one number a supersample, (k1, checkpoints)."""

    variant: str
    n: int
    epochs: np.ndarray
    gap: np.ndarray
    train_error: np.ndarray
    bounds: dict[str, np.ndarray]
    seconds: float


BOUNDS = ("f-CMI", "e-CMI", "ld-CMI", "single loss", "pair JS")
"""Names of the bounds of a row, loosest first."""


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train what is missing of the grid, then the table and the picture."""
    options = options or Options()
    if quick:
        options = replace(options, train_size=(75,), masks=4, supersamples=1, epochs=5)
        options = replace(options, variants=options.variants[:1])
    pool = mnist()
    rows, files = [], []
    for variant in options.variants:
        for n in options.train_size:
            cells = []
            for s in range(options.supersamples):
                path = folder / "fcmi-mnist" / f"{variant}-n{n}-s{s}.nc"
                cells.append(_train(path, variant, n, s, options, pool, log))
                files.append(path)
            rows.append(row(variant, n, cells))
    picture = save(figure(rows), folder / "fcmi-mnist.png")
    return Outcome(table(rows, options), (*files, picture))


def mnist(classes: tuple[int, int] = (4, 9)) -> Dataset:
    """A random 80 % of the training images of two digits, normalised as published.

    Raises:
        FileNotFoundError: where MNIST is not prepared.
    """
    try:
        whole = data.load("mnist", "train", classes=classes)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "MNIST is not prepared here: set TFDS_DATA_DIR to a directory that holds it in "
            'ArrayRecord format, or fetch it once with python -c "from ibjax import data; '
            "data.load('mnist', download=True)\""
        ) from error
    chosen = np.random.default_rng(42).permutation(len(whole.y))[: int(0.8 * len(whole.y))]
    x = (np.asarray(whole.x)[chosen] - np.float32(MEAN)) / np.float32(STD)
    return whole._replace(x=x, y=np.asarray(whole.y)[chosen])


def configuration(variant: str, n: int, epochs: int, precision: str) -> "Config":
    """The published training run: Adam, batches of 128, the last one of an epoch kept."""
    from ibjax import langevin
    from ibjax.networks import normalised

    network = normalised.PUBLISHED["wide" if variant == "wide" else "standard"]
    network = normalised.build(replace(network, precision=precision), 2, (28, 28, 1))
    return langevin.Config(
        network=network,
        steps=epochs * math.ceil(n / BATCH),
        batch_size=min(BATCH, n),
        batching="whole_epochs",
        learning_rate=RATE,
        clip=None,
        optimizer="adam",
        checkpoints=min(EVALUATIONS, epochs),
        shared_randomness=variant != "standard",
    )


def _train(path, variant, n, s, options, pool, log) -> "xarray.Dataset":
    root = jax.random.key(SEED)
    pairs = data.supersample(
        jax.random.fold_in(root, n), len(pool.y), n, options.supersamples, options.masks
    )
    one = Supersample(pairs.index[s : s + 1], pairs.mask[s : s + 1])
    config = configuration(variant, n, options.epochs, options.precision)
    training = jax.random.fold_in(root, 1)
    key = training if config.shared_randomness else jax.random.fold_in(training, s)
    settings = {
        **asdict(replace(options, train_size=(n,), variants=(variant,), supersamples=1)),
        "supersample": s,
        "seed": SEED,
        "pool": len(pool.y),
    }
    return cell(path, settings, key, config, pool, one, log)


def row(variant: str, n: int, cells: "list[xarray.Dataset]") -> Row:
    """Gap and bounds of every supersample and checkpoint."""
    gaps, trains = [], []
    values: dict[str, list[list[float]]] = {name: [] for name in BOUNDS}
    for c in cells:
        valid = c.diverged.values[None] == 0
        gaps.append((c.test_error - c.train_error).mean("mask_id").values)
        trains.append(c.train_error.mean("mask_id").values)
        each: dict[str, list[float]] = {name: [] for name in BOUNDS}
        masks = c.mask.values[None].astype(np.int32)
        for t in range(c.sizes["checkpoint"]):
            predictions = c.predictions.values[:, t][None].astype(np.int32)
            losses = (predictions != c.labels.values[None, None]).astype(np.int32)
            for name, value in _bounds(predictions, losses, masks, valid):
                each[name].append(value)
        for name in BOUNDS:
            values[name].append(each[name])
    steps = math.ceil(n / min(BATCH, n))
    return Row(
        variant,
        n,
        cells[0].step.values / steps,
        np.array(gaps),
        np.array(trains),
        {name: np.array(v) for name, v in values.items()},
        sum(float(c.attrs["seconds"]) for c in cells),
    )


def _bounds(predictions, losses, masks, valid):
    yield "f-CMI", float(bounds.f_cmi(predictions, masks, 2, valid=valid).value)
    yield "e-CMI", float(bounds.e_cmi(losses, masks, valid=valid).value)
    yield "ld-CMI", float(bounds.ld_cmi(losses, masks, valid=valid).value)
    yield "single loss", float(bounds.single_loss(losses, masks, valid=valid).value)
    yield "pair JS", float(bounds.ld_cmi(losses, masks, inversion="pair", valid=valid).value)


def table(rows: list[Row], options: Options) -> Any:
    """Ours beside the published numbers, mean ± standard deviation over supersamples."""
    from rich import box
    from rich.table import Table

    out = Table(
        box=box.SIMPLE_HEAD,
        title=f"MNIST 4 versus 9, {options.supersamples} x {options.masks} networks, "
        f"{options.epochs} epochs, {options.precision}; ± over supersamples",
        title_justify="left",
        caption="gap: measured test minus training error. Bounds are plug-in estimates (biased up) "
        "of how tight a bound is; they use the test labels and certify nothing.",
        caption_justify="left",
    )
    out.add_column("variant", no_wrap=True)
    for column in ("n", "quantity", "ours", "published", "difference"):
        out.add_column(column, justify="right", no_wrap=True)
    for r in rows:
        known = PUBLISHED[r.variant].get(r.n, Published(math.nan, math.nan))
        lines = [("gap", r.gap, known.gap, known.gap_spread)]
        lines += [("f-CMI", r.bounds["f-CMI"], known.f_cmi, known.f_cmi_spread)]
        lines += [(name, r.bounds[name], math.nan, math.nan) for name in BOUNDS[1:]]
        for i, (name, values, value, spread) in enumerate(lines):
            ours = values[:, -1].mean()
            first = (r.variant, str(r.n)) if i == 0 else ("", "")
            away = "" if math.isnan(value) else f"{ours - value:+.4f}"
            if not math.isnan(spread):
                away += f" = {(ours - value) / spread:+.1f} sd"
            out.add_row(*first, name, _spread(values[:, -1]), _number(value, spread), away)
    return out


def _spread(values: np.ndarray) -> str:
    if len(values) < 2:
        return f"{values.mean():.4f}"
    return f"{values.mean():.4f}±{values.std(ddof=1):.4f}"


def _number(value: float, spread: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.4f}" if math.isnan(spread) else f"{value:.4f}±{spread:.3f}"


COLOURS = {"gap": "#000000"} | dict(
    zip(BOUNDS, ("#D55E00", "#E69F00", "#0072B2", "#009E73", "#CC79A7"))
)


def figure(rows: list[Row]) -> Any:
    """Gap and bounds against n with the published points, and along training."""
    from matplotlib.figure import Figure

    out = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = out.subplots(1, 2)
    for variant in dict.fromkeys(r.variant for r in rows):
        some = [r for r in rows if r.variant == variant]
        _against_n(left, variant, some)
    last = rows[0]
    _along_training(right, last)
    handles, labels = left.get_legend_handles_labels()
    unique = dict(zip(labels, handles))
    left.legend(unique.values(), unique.keys(), frameon=False, fontsize=7)
    right.legend(frameon=False, fontsize=7)
    return out


def _against_n(ax: Any, variant: str, rows: list[Row]) -> None:
    sizes = np.array([r.n for r in rows])
    marker = {"standard": "o", "deterministic": "s", "wide": "^"}[variant]
    for name, colour in COLOURS.items():
        values = [r.gap if name == "gap" else r.bounds[name] for r in rows]
        mean = [v[:, -1].mean() for v in values]
        error = [v[:, -1].std(ddof=1) if len(v) > 1 else 0.0 for v in values]
        ax.errorbar(sizes, mean, error, fmt=marker + "-", color=colour, label=name, markersize=4)
    known = PUBLISHED[variant]
    published = np.array([known.get(n, Published(np.nan, np.nan))[:2] for n in sizes])
    for column, name in enumerate(("gap", "f-CMI")):
        ax.plot(
            sizes * 1.06,
            published[:, column],
            "x",
            color=COLOURS[name],
            label=f"{name}, published",
            markersize=7,
        )
    ax.set(
        xscale="log", yscale="log", xlabel="training examples n", ylabel="test minus train error"
    )
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()


def _along_training(ax: Any, r: Row) -> None:
    for name, colour in COLOURS.items():
        values = r.gap if name == "gap" else r.bounds[name]
        error = values.std(0, ddof=1) if len(values) > 1 else None
        ax.errorbar(
            r.epochs, values.mean(0), error, fmt="o-", color=colour, label=name, markersize=3
        )
    ax.set(xlabel="epoch", title=f"{r.variant}, n = {r.n}", ylim=(0, None))
