"""Table and picture of bounds along Langevin dynamics beside the published curves."""

from typing import Any, NamedTuple

import numpy as np
import xarray

from ibjax import blank
from ibjax.reproduce.langevin.settings import SETTINGS, Setting
from ibjax.reproduce.outcome import View, or_vacuous


class Curve(NamedTuple):
    """One bound along training: value and 95 % half-width at each time."""

    value: np.ndarray
    error: np.ndarray


def view(found: xarray.Dataset, setting: Setting | None = None) -> View:
    """Table and picture of stored curves, of the published setting that they name."""
    setting = SETTINGS[found.attrs["setting"]] if setting is None else setting
    return View(_table(setting, found), _figure(setting, found))


_COLUMNS = (
    ("Negrea et al.", "negrea legacy", "negrea valid", "negrea"),
    ("test prior", "cmi legacy", "cmi valid", "cmi"),
    ("gradient norm", "norm", "norm", "norm"),
)


def _published(setting: Setting, key: str, t: int) -> float:
    values = dict(zip(setting.times, getattr(setting, key)))
    return values.get(t, float("nan"))


def _curve(found: xarray.Dataset, key: str) -> Curve:
    return Curve(found[f"bound {key}"].values, found[f"half width {key}"].values)


def _table(setting: Setting, found: xarray.Dataset) -> Any:
    runs, slots = found.sizes["run"], found.sizes["slot"]
    table = blank.table(
        ("t", *(name for name, *_ in _COLUMNS), "exact, phi^-1", "train / test error"),
        f"{found.title}: ours legacy / published / ours valid; estimates over "
        f"{runs} x {slots} examples; 1.96 standard errors",
        wrap=True,
    )

    def cell(value: float) -> str:
        return "-" if np.isnan(value) else f"{value:.4f}" if value < 0.1 else f"{value:.3f}"

    train, test = found.train_error.values, found.test_error.values
    for e, step in enumerate(found.checkpoint.values):
        t = int(step) - 1
        cells = [str(t)]
        for _, legacy, valid, key in _COLUMNS:
            known = _published(setting, key, t) if found.comparable else float("nan")
            ours = _curve(found, legacy)
            first = f"{cell(ours.value[e])}±{cell(ours.error[e])}"
            bound = float(_curve(found, valid).value[e])
            cells.append(f"{first} / {cell(known)} / {or_vacuous(cell(bound), bound)}")
        exact = _curve(found, "exact")
        least = float(exact.value[e])
        cells.append(or_vacuous(f"{cell(least)}±{cell(exact.error[e])}", least))
        cells.append(f"{train[:, e].mean():.3f} / {test[:, e].mean():.3f}")
        table.add_row(*cells)
    return table


def _figure(setting: Setting, found: xarray.Dataset) -> Any:
    figure, ax = blank.figure((8, 4.6))
    t = found.checkpoint.values
    lines = (
        ("negrea legacy", "Negrea et al., mean of roots", "#0072B2", "-"),
        ("negrea valid", "Negrea et al., root of mean", "#0072B2", "--"),
        ("cmi legacy", "test prior, mean of roots", "#D55E00", "-"),
        ("cmi valid", "test prior, root of mean", "#D55E00", "--"),
        ("exact", "exact path information", "#009E73", "-"),
        ("norm", "gradient norm", "#CC79A7", "--"),
    )
    for key, label, colour, style in lines:
        c = _curve(found, key)
        ax.errorbar(t, c.value, c.error, color=colour, linestyle=style, label=label, capsize=2)
    mean = (found.test_error - found.train_error).mean("run").values
    ax.plot(t, np.where(mean > 0, mean, np.nan), "k.-", label="measured gap")
    if found.comparable:
        for key, colour, marker in (
            ("negrea", "#0072B2", "o"),
            ("cmi", "#D55E00", "s"),
            ("norm", "#CC79A7", "^"),
        ):
            times = np.array(setting.times) + 1
            ax.plot(
                times,
                getattr(setting, key),
                marker,
                color=colour,
                markerfacecolor="white",
                linestyle="none",
                label=f"published, {dict(negrea='Negrea', cmi='test prior', norm='norm')[key]}",
            )
    ax.axhline(1.0, color="0.6", linewidth=0.8)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("updates")
    ax.set_ylabel("bound on the generalization gap, 0-1 loss")
    ax.set_title(found.title, fontsize=9)
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
