"""The estimators of `ibjax mi`: one row each, and the function that runs those that apply."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ibjax.arguments import host, is_classes
from ibjax.interface import Estimate
from ibjax.mi.copula import cca, gaussian_copula
from ibjax.mi.histogram import binned, plug_in
from ibjax.mi.k_slices import k_sliced
from ibjax.mi.knn import ksg
from ibjax.mi.latent_codes import latent
from ibjax.mi.mixed_samples import mixed, ross
from ibjax.mi.ranges import places
from ibjax.mi.slices import max_sliced, sliced
from ibjax.mi.variational import neural
from ibjax.signatures import enforced
from ibjax.typing import BiasDirection, Numbers

Samples: TypeAlias = Literal["continuous", "mixed", "discrete"]
"""Two continuous variables, one continuous and one of classes, or two of classes."""


@dataclass(frozen=True)
class Estimator:
    """One row: a function of two samples, what they may be, and how it errs.

    Attributes:
        name: key in tables.
        function: ``(x, y) -> Estimate``, or ``(key, x, y)`` where `random`.
        applies_to: "continuous" samples, "discrete" classes, or "mixed": continuous x, classes y.
        bias: direction in which it errs on average.
        reference: where it comes from.
        summary: one line for people.
        random: whether it draws random numbers.
        each: fewest coordinates of either variable that it is for.
        together: fewest of both.
        samples: fewest samples it takes.
    """

    name: str
    function: Callable[..., Estimate]
    applies_to: Samples
    bias: BiasDirection
    reference: str
    summary: str
    random: bool = False
    each: int = 1
    together: int = 2
    samples: int = 2


_ROWS = (
    Estimator(
        "ksg",
        ksg,
        "continuous",
        "unknown",
        "Kraskov, Stoegbauer, Grassberger (2004)",
        "nearest neighbours, algorithm 1, k = 3; the first choice in few dimensions",
    ),
    Estimator(
        "ksg_2",
        partial(ksg, algorithm=2),
        "continuous",
        "unknown",
        "Kraskov, Stoegbauer, Grassberger (2004)",
        "nearest neighbours, algorithm 2, k = 3",
    ),
    Estimator(
        "gaussian_copula",
        gaussian_copula,
        "continuous",
        "unknown",
        "Ince et al. (2017)",
        "Gaussian dependence of the ranks; misses what correlation does not show",
    ),
    Estimator(
        "cca",
        cca,
        "continuous",
        "unknown",
        "Gaussian law with exact correction",
        "canonical correlations; exact on average for Gaussian samples of any dimension",
    ),
    Estimator(
        "binned_10",
        partial(binned, bins=10),
        "continuous",
        "unknown",
        "",
        "plug-in over 10 equal bins a coordinate: cutting lowers it, counting raises it",
    ),
    Estimator(
        "binned_10_mass",
        partial(binned, bins=10, cells="mass"),
        "continuous",
        "unknown",
        "",
        "plug-in over 10 bins of equal mass each: cutting lowers it, counting raises it",
    ),
    Estimator(
        "sliced",
        sliced,
        "continuous",
        "unknown",
        "Goldfeld, Greenewald (2021)",
        "mean over random one-dimensional projections; a smaller quantity than I",
        random=True,
    ),
    Estimator(
        "max_sliced",
        max_sliced,
        "continuous",
        "unknown",
        "Tsur, Goldfeld, Greenewald (2023)",
        "the best of such projections, measured on the other half of the samples",
        random=True,
    ),
    Estimator(
        "neural_infonce",
        neural,
        "continuous",
        "down",
        "van den Oord et al. (2018)",
        "trained critic, held out; at most the logarithm of the samples measured at once",
        random=True,
    ),
    Estimator(
        "neural_nwj",
        partial(neural, objective="nwj"),
        "continuous",
        "down",
        "Nguyen, Wainwright, Jordan (2010)",
        "trained critic, held out; no cap, variance grows like exp(I)",
        random=True,
    ),
    Estimator(
        "mixed_numbers",
        mixed,
        "continuous",
        "unknown",
        "Gao, Kannan, Oh, Viswanath (2017)",
        "nearest neighbours with atoms and ties: rounded values, many zeros",
    ),
    Estimator(
        "k_sliced_2",
        partial(k_sliced, dim=2),
        "continuous",
        "unknown",
        "Goldfeld, Greenewald, Nuradha, Reeves (2022)",
        "mean over random planes; a smaller quantity than I",
        random=True,
        each=2,
    ),
    Estimator(
        "latent",
        latent,
        "continuous",
        "unknown",
        "Gowri, Lun, Klein, Yin (2024)",
        "nearest neighbours of learnt codes: many dimensions that share few",
        random=True,
        together=10,
        samples=200,
    ),
    Estimator(
        "ross",
        ross,
        "mixed",
        "unknown",
        "Ross (2014)",
        "nearest neighbours within and across classes",
    ),
    Estimator(
        "mixed",
        mixed,
        "mixed",
        "unknown",
        "Gao, Kannan, Oh, Viswanath (2017)",
        "nearest neighbours with atoms, within and across classes",
    ),
    Estimator(
        "plug_in",
        plug_in,
        "discrete",
        "unknown",
        "",
        "table of counts",
    ),
    Estimator(
        "plug_in_corrected",
        partial(plug_in, corrected=True),
        "discrete",
        "unknown",
        "Panzeri, Treves (1996)",
        "table of counts less the leading bias",
    ),
)


def estimators() -> tuple[Estimator, ...]:
    """Every estimator of two plain samples."""
    return _ROWS


@enforced
def all_applicable(x: Numbers, y: Numbers, *, key: Any = None) -> dict[str, Estimate]:
    """Every estimate that applies to two samples, by name.

    A vector of integers or booleans is a variable of classes, and so are the rows of several
    columns of booleans; anything else is continuous.

    Args:
        x: samples, (n,) or (n, d).
        y: samples of the same length.
        key: for estimators that draw random numbers, which are left out without one.

    Returns:
        One `Estimate` a row of `estimators` that applies, in their order; those for many
        dimensions or many samples only where there are so many.

    Raises:
        ValueError: for samples that do not pair up or are not finite.
    """
    a, b = variable("x", x), variable("y", y)
    kind = ("continuous", "mixed", "discrete")[a.classes + b.classes]
    if kind == "mixed" and a.classes:
        a, b = b, a
    dims = [1 if v.classes or v.values.ndim == 1 else v.values.shape[1] for v in (a, b)]
    rows = [
        e
        for e in estimators()
        if e.applies_to == kind
        and (key is not None or not e.random)
        and min(dims) >= e.each
        and sum(dims) >= e.together
        and len(a.values) >= e.samples
    ]
    pair = a.values, b.values
    return {e.name: e.function(key, *pair) if e.random else e.function(*pair) for e in rows}


class Variable(NamedTuple):
    """Samples as estimators take them.

    Attributes:
        values: (n,) names of classes, or (n,) or (n, d) numbers.
        classes: whether they are names.
        note: what was done to the columns, in words.
    """

    values: np.ndarray
    classes: bool
    note: str


def variable(name: str, value: Any) -> Variable:
    """Samples, (n,) or (n, d), as a variable of classes or a continuous one.

    Raises:
        ValueError: for values that are no real numbers, or another number of axes.
    """
    v = host(name, value)
    if v.ndim not in (1, 2) or v.size == 0:
        raise ValueError(f"{name} has shape {v.shape}; give (n,) or (n, d)")
    if is_classes(v) and (v.ndim == 1 or v.shape[1] == 1 or v.dtype == bool):
        names = places(v.reshape(len(v), -1))
        number = len(names.weight)
        classes = v.reshape(-1) if v.size == len(v) else names.place
        return Variable(classes, True, f"{name}: {number} classes, their names mean nothing")
    columns = v.reshape(len(v), -1)
    constant = int(np.sum((columns == columns[:1]).all(axis=0)))
    few = sum(len(np.unique(c)) <= min(20, len(v) // 5) for c in columns.T) - constant
    text = f"{name}: {columns.shape[1]} continuous column{'s' * (columns.shape[1] > 1)}, each "
    text += "divided by its standard deviation for nearest neighbours, slices and critics"
    if constant:
        text += f", {constant} constant and without effect"
    if few:
        text += f", {few} with 20 values at most (give one such as integers to make it classes)"
    return Variable(v, False, text)
