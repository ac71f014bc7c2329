"""A certificate near the gap: MNIST 4 versus 9, against the number of examples and the settings.

Noisy SGD on fresh subsets; the information of an example is counted with its membership hidden
(`bounds.account`), ``I = T eta beta C^2/(4 n^2)`` nats to leading order. Two questions:

1. How near is a certificate to the gap, from n = 250 to 5000? What the replicas do depends on the
   budget ``I n^2`` and hardly on n, so that certificate and gap both fall like 1/n at a fixed
   budget, and their ratio stays.
2. What does the budget buy? A small one keeps the certificate near the gap, and the training error
   high: every example then sits near the margin, where its own gradient decides. A large one
   lowers the training error; the gap hardly grows, since few examples are near the margin, and the
   certificate pays for all of them. An example moves its own margin by at most ``sqrt(2 I)``
   standard deviations of the weight noise, and the share of errors by that times the density of
   the margins at zero; the certificate is ``sqrt(I/2)``. With normal margins their ratio is
   therefore at least ``1/(2 phi(Phi^-1(error)))``: 1.8 at an error of 0.2, 2.8 at 0.1, 4.8 at 0.05.
   That is a rule of thumb, no bound.

A third, measured norms in the place of the clip, is worth the root of the mean square norm: a few
per cent where the certificate is near the gap, since runs that short are clipped throughout, and
a third where it is not. It stays an estimate here: its upper limit (`bounds.measured_information`)
takes tens of disjoint samples, and the pool has one of n = 5000.

Beside the certificate stand the published bounds, on the same replicas and each at the settings
that suit it best.
"""

from dataclasses import dataclass
from pathlib import Path

import xarray

from ibjax.reproduce.certified.points import Point, Setting, apart, point, read, together
from ibjax.reproduce.certified.view import figure, tables
from ibjax.reproduce.outcome import Log, Outcome, View, record, refuse_repeats, settled


@dataclass(frozen=True)
class Options:
    """Which sizes and settings, and how many replicas narrow the interval of the gap."""

    dataset: str = "mnist"
    """Data set; "digits" needs no files."""
    sizes: tuple[int, ...] = (250, 500, 1000, 2500, 5000)
    """Numbers of training examples n."""
    supersamples: int = 20
    """Supersamples of each size."""
    masks: int = 16
    """Replicas of each supersample up to n = 1000, in complementary pairs; in proportion to n above
    that, since the gap falls faster with n than the noise of measuring it."""
    steps: int = 50
    """Updates T, on fresh subsets."""
    learning_rate: float = 0.2
    """Step size eta."""
    budget: float = 1000.0
    """T eta beta C^2/4, the information of an example in nats times n^2."""
    budgets: tuple[float, ...] = (300.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0)
    """Budgets of the second question."""
    rates: tuple[float, ...] = (0.2, 0.8)
    """Step sizes of the second question."""
    compared: tuple[int, ...] = (500, 5000)
    """Numbers of examples of the second question."""
    data_dir: str | None = None
    """TFDS data directory; TFDS_DATA_DIR or its usual place by default."""


QUICK = Options(
    dataset="digits",
    sizes=(60, 120),
    supersamples=3,
    masks=4,
    budgets=(100.0, 1000.0),
    rates=(0.2,),
    compared=(120,),
)


def run(folder: Path, quick: bool, log: Log, options: Options | None = None) -> Outcome:
    """Train replicas at every size and setting; resumable."""
    from ibjax import data

    options = settled(options, quick, QUICK)
    _check(options)
    pool = data.load(options.dataset, classes=(4, 9), data_dir=options.data_dir)
    store, files = folder / "certified-mnist", []

    def measured(setting: Setting) -> Point:
        log(
            f"{setting.dataset}, n = {setting.n}: learning rate {setting.learning_rate:g}, "
            f"budget {setting.budget:g}"
        )
        found, path = point(setting, pool, store, log)
        files.append(path)
        return found

    sizes = [measured(at_size(options, n)) for n in options.sizes]
    grid = [measured(s) for n in options.compared for s in compared_at(options, n)]
    found = together(sizes=sizes, grid=grid)
    return record(found, folder / "certified-mnist.nc", "certified-mnist", view, tuple(files))


def view(found: xarray.Dataset) -> View:
    """Tables and picture of both questions, or of one point of them."""
    if "question" in found:
        sizes, grid = apart(found, "sizes"), apart(found, "grid")
    else:
        sizes = grid = [read(found)]
    name = sizes[0].setting.dataset
    return View(tables(sizes, grid, name), figure(sizes, grid, name))


def at_size(options: Options, n: int) -> Setting:
    """The setting of one size for the first question."""
    return Setting(
        dataset=options.dataset,
        n=n,
        batch_size=batch_size(n),
        steps=options.steps,
        learning_rate=options.learning_rate,
        budget=options.budget,
        supersamples=options.supersamples,
        masks=2 * max(round(options.masks / 2 * max(n / 1000, 1)), 1),
    )


def compared_at(options: Options, n: int) -> list[Setting]:
    """The settings of one size for the second question, on fewer replicas where n is large."""
    return [
        Setting(
            dataset=options.dataset,
            n=n,
            batch_size=batch_size(n),
            steps=options.steps,
            learning_rate=rate,
            budget=budget,
            supersamples=min(options.supersamples, 10),
            masks=2 * max(round(options.masks / 2 * min(500 / n, 1)), 1),
        )
        for rate in options.rates
        for budget in options.budgets
    ]


def batch_size(n: int) -> int:
    """Batches of a twentieth, of 100 at least: large enough that their size costs nothing."""
    return min(max(n // 20, 100), n)


def _check(options: Options) -> None:
    for name in ("sizes", "compared", "budgets", "rates"):
        values = getattr(options, name)
        refuse_repeats(name, values)
        if not all(value > 0 for value in values):
            raise ValueError(f"{name}={values} must list positive numbers")
    for name in ("supersamples", "masks"):
        if getattr(options, name) < 2:
            raise ValueError(f"{name}={getattr(options, name)} must be at least 2")
    for name in ("budget", "learning_rate"):
        if not getattr(options, name) > 0:
            raise ValueError(f"{name}={getattr(options, name)} must be positive")
