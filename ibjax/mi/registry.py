"""The estimators of `ibjax mi`: one row each, and the function that runs those that apply."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from ibjax.interface import Estimate
from ibjax.mi.knn import ksg
from ibjax.mi.parametric import binned, gaussian_copula, plug_in
from ibjax.typing import BiasDirection


@dataclass(frozen=True)
class Estimator:
    """One row: a function of two samples, what they may be, and how it errs.

    Attributes:
        name: key in tables.
        function: ``(x, y) -> Estimate``.
        applies_to: "continuous" samples or "discrete" classes.
        bias: direction in which it errs on average.
        reference: where it comes from.
        summary: one line for people.
    """

    name: str
    function: Callable[[Any, Any], Estimate]
    applies_to: Literal["continuous", "discrete"]
    bias: BiasDirection
    reference: str
    summary: str


def estimators() -> tuple[Estimator, ...]:
    """Every estimator of two plain samples."""
    return (
        Estimator(
            "ksg",
            ksg,
            "continuous",
            "down",
            "kraskov2004",
            "nearest neighbours, algorithm 1, k = 3; the first choice in few dimensions",
        ),
        Estimator(
            "ksg_2",
            partial(ksg, algorithm=2),
            "continuous",
            "down",
            "kraskov2004",
            "nearest neighbours, algorithm 2, k = 3",
        ),
        Estimator(
            "gaussian_copula",
            gaussian_copula,
            "continuous",
            "unknown",
            "ince2017",
            "Gaussian dependence of the ranks; misses what correlation does not show",
        ),
        Estimator(
            "binned_10",
            partial(binned, bins=10),
            "continuous",
            "up",
            "",
            "plug-in over 10 equal bins a coordinate: a measure of clustering",
        ),
        Estimator(
            "plug_in",
            plug_in,
            "discrete",
            "up",
            "",
            "table of counts",
        ),
    )


def all_applicable(x: Any, y: Any, *, key: Any = None) -> dict[str, Estimate]:
    """Every estimate that applies to two samples, by name.

    Two integer vectors are classes and get the plug-in value; anything else is continuous.

    Args:
        x: samples, (n,) or (n, d).
        y: samples of the same length.
        key: for estimators that draw random numbers; none here does.

    Raises:
        ValueError: for samples that do not pair up or are not finite.
    """
    del key
    a, b = np.asarray(x), np.asarray(y)
    classes = all(np.issubdtype(v.dtype, np.integer) and v.ndim == 1 for v in (a, b))
    kind = "discrete" if classes else "continuous"
    return {e.name: e.function(a, b) for e in estimators() if e.applies_to == kind}
