"""The learner for which the exponential factor of the depth bound is attained exactly.

``Z_i ~ N(0, 1)``, ``W = sign(sum Z_i)``, loss ``-w T_L`` where each layer is the channel
``T_l = rho T_{l-1} + sqrt(1 - rho^2) N`` with fresh noise. The gap is
``rho^L sqrt(2 / (pi n))``, ``I(S; W) = log 2`` and the coefficient of each layer for Gaussian
inputs is ``rho^2``, so gap over bound is ``1 / sqrt(pi log 2)`` at every depth: the published
formula is right here, because the labels play no part and the layers are fixed beforehand.
"""

import math
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import xarray

from ibjax import blank, bounds, rounding
from ibjax.reproduce.outcome import Log, Outcome, View, record
from ibjax.typing import Key

RATIO = 1 / math.sqrt(math.pi * math.log(2))
"""Gap over bound, at every n, rho and L."""


class Point(NamedTuple):
    """One depth: the exact gap, a simulated one with its standard error, and the bound."""

    layers: int
    gap: float
    simulated: float
    std_error: float
    bound: float


def simulate(key: Key, n: int, rho: float, layers: int, runs: int) -> tuple[float, float]:
    """Mean and standard error of the gap over independent runs of the learner.

    The fresh test term has mean zero given W, so the gap of a run is the mean of W T_L,i over
    its training points.
    """

    def one(k):
        draw = jax.random.normal(k, (layers + 1, n))
        t = draw[0]
        w = jnp.sign(jnp.sum(t))
        for i in range(layers):
            t = rho * t + math.sqrt(1 - rho**2) * draw[i + 1]
        return w * jnp.mean(t)

    gaps = jax.lax.map(one, jax.random.split(key, runs), batch_size=4096)
    return float(jnp.mean(gaps)), float(jnp.std(gaps) / math.sqrt(runs))


def points(n: int, rho: float, depths: tuple[int, ...], runs: int) -> list[Point]:
    """Exact gap, simulated gap and depth bound for several numbers of layers."""
    out = []
    for layers in depths:
        with jax.enable_x64(True):
            etas = jnp.full(layers, rho**2)
            bound = bounds.depth(math.log(2), etas, n, 1.0, variant="published")
        mean, error = simulate(jax.random.key(layers), n, rho, layers, runs)
        exact = rho**layers * math.sqrt(2 / (math.pi * n))
        out.append(Point(layers, exact, mean, error, float(bound.value)))
    return out


def run(folder: Path, quick: bool, log: Log) -> Outcome:
    """The table of ratios and the picture of gap and bound against depth."""
    n, rho = 20, 0.8
    depths = (0, 1, 2, 4) if quick else (0, 1, 2, 3, 4, 6, 8)
    runs = 20_000 if quick else 200_000
    log(f"sign learner, n = {n}, rho = {rho}: {runs} runs at each of {len(depths)} depths")
    found = points(n, rho, depths, runs)
    columns = {name: ("layers", list(values)) for name, values in zip(Point._fields, zip(*found))}
    about = {"n": n, "rho": rho, "units": "loss -w T"}
    return record(
        xarray.Dataset(columns, attrs=about), folder / "sign-learner.nc", "sign-learner", view
    )


def view(found: xarray.Dataset) -> View:
    """Ratios beside the known one; gap and bound against depth."""
    table = blank.table(
        ("layers", "exact gap", "simulated gap", "depth bound", "gap / bound"),
        f"n = {found.n}, rho = {found.rho:g}; known ratio 1/sqrt(pi log 2) = {RATIO:.10f}",
        wrap=True,
    )
    for p in (Point(*row) for row in zip(*(found[name].values for name in Point._fields))):
        table.add_row(
            str(p.layers),
            f"{p.gap:.10f}",
            f"{p.simulated:.4f} ± {1.96 * p.std_error:.4f}",
            rounding.up(p.bound, ".10f"),
            f"{p.gap / p.bound:.10f}",
        )
    figure, ax = blank.figure((5, 4))
    ax.semilogy(found.layers, found.bound, "s-", color="#D55E00", label="depth bound")
    ax.semilogy(found.layers, found.gap, "k-", label="exact gap")
    ax.errorbar(
        found.layers,
        found.simulated,
        1.96 * found.std_error,
        fmt="o",
        markerfacecolor="white",
        color="#0072B2",
        label="simulated gap",
    )
    ax.set_xlabel("noisy layers")
    ax.set_ylabel("generalization gap, loss -w T")
    ax.legend(frameon=False)
    return View(table, figure)
