"""Table and picture of certificates without noise in training, from their file."""

from typing import Any, NamedTuple

import numpy as np
import xarray

from ibjax import blank
from ibjax.reproduce.outcome import bound_text, viewer

COLOURS = {"code": "#0072B2", "posterior": "#D55E00"}


class Known(NamedTuple):
    """A number of others for MNIST.

    Attributes:
        what: network and task.
        train_error: of draws from its posterior.
        test_error: likewise.
        risk: bound on the test error.
        source: where it can be read.
    """

    what: str
    train_error: float
    test_error: float
    risk: float
    source: str


KNOWN = (
    Known("two classes of digits, 2 x 600", 0.020, 0.027, 0.102, "re-run of DR 2017"),
    Known("two classes of digits, 3 x 600", 0.016, 0.024, 0.100, "re-run of DR 2017"),
    Known("ten classes, 2 x 600", 0.031, 0.035, 0.134, "re-run of DR 2017"),
    Known("ten classes, 3 x 300", 0.025, 0.031, 0.129, "re-run of DR 2017"),
)
"""From the table of github.com/AliceDeLorenci/Nonvacuous-Generalization-Bounds-for-DNNs, which
trains Gaussian posteriors around a random start on MNIST as Dziugaite and Roy (2017) do; tables of
the papers themselves are to be added when they have been read."""


def table(dataset: xarray.Dataset) -> Any:
    """One row a certificate, ours above those of others."""
    about = dataset.attrs
    made = blank.table(
        ("certificate", "kind", "bits | KL", "n", "train", "test", "risk"),
        f"{about['dataset']}, n = {about['train_size']}, one hidden layer of "
        f"{about['width']}, {about['parameters']} weights",
        caption=f"risk: bound on the test error; those of one method hold together with "
        f"probability {1 - about['delta']:g}. Errors of a posterior are those of its draws, its n "
        "what the certificate counts. re-run of DR 2017: others' networks on MNIST, posteriors as "
        "Dziugaite and Roy train them, from a public repository; other sizes and training.",
        left=("certificate",),
        wrap=("certificate",),
        padding=0,
    )
    for p in dataset["dimension"].values:
        row = {k: float(dataset[f"code_{k}"].sel(dimension=p)) for k in ("bits", *_SHARED)}
        cost = f"{row['bits']:.0f} bits"
        made.add_row(
            f"code, {p} dimensions", "certificate", cost, str(about["train_size"]), *_cells(row)
        )
    for share in dataset["prior_share"].values:
        names = ("divergence", "size", *_SHARED)
        row = {k: float(dataset[f"posterior_{k}"].sel(prior_share=share)) for k in names}
        prior = "random" if share == 0 else f"from {share:.0%}"
        cost, size = f"{row['divergence']:.1f} nats", f"{row['size']:.0f}"
        made.add_row(f"posterior, prior {prior}", "certificate", cost, size, *_cells(row))
    made.add_section()
    for known in KNOWN:
        made.add_row(known.what, known.source, "", "", *_cells(known._asdict()))
    return made


_SHARED = ("train_error", "test_error", "risk")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    train, test = (f"{row[k]:.3f}" for k in ("train_error", "test_error"))
    return train, test, bound_text(row["risk"], kind="certificate")


def figure(dataset: xarray.Dataset) -> Any:
    """Certificates and test errors: of codes over their length, of posteriors beside them."""
    made, (left, right) = blank.figure((9, 4), 1, 2, sharey=True, width_ratios=(3, 2))
    draw_codes(dataset, left)
    draw_posteriors(dataset, right)
    return made


def draw_codes(dataset: xarray.Dataset, ax: Any = None) -> Any:
    """Draw certificate, test and training error over the length of the description."""
    ax = blank.axes(ax)
    bits = dataset["code_bits"].values
    order = np.argsort(bits)
    for name, look, label in (
        ("risk", "s-", "certificate"),
        ("test_error", "o--", "test error"),
        ("train_error", ":", "training error"),
    ):
        values = dataset[f"code_{name}"].values[order]
        ax.plot(bits[order], values, look, color=COLOURS["code"], label=label)
    ax.set(xscale="log", yscale="log", xlabel="bits of the whole network", ylabel="0-1 error")
    ax.set_title(f"{dataset.attrs['dataset']}: quantised random subspace", fontsize=10)
    ax.legend(frameon=False, fontsize=8)
    return ax


def draw_posteriors(dataset: xarray.Dataset, ax: Any = None) -> Any:
    """Draw the same for Gaussian posteriors, one place a share of the data for the prior."""
    ax = blank.axes(ax)
    place = np.arange(dataset.sizes["prior_share"])
    for name, look in (("risk", "s"), ("test_error", "o"), ("train_error", "_")):
        fill = COLOURS["posterior"] if name == "risk" else "white"
        values = dataset[f"posterior_{name}"].values
        ax.plot(place, values, look, color=COLOURS["posterior"], markerfacecolor=fill)
    shares = dataset["prior_share"].values
    ax.set_xticks(place, ["random" if s == 0 else f"{s:.0%} of data" for s in shares])
    ax.set_xlim(-0.5, len(place) - 0.5)
    ax.set_xlabel("prior mean")
    ax.set_title("Gaussian posterior (square: certificate)", fontsize=10)
    return ax


view = viewer(table, figure)
"""Table and picture of what was stored."""
