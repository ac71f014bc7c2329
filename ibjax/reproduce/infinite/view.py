"""Tables and picture of the infinite-width gap beside its bounds."""

from typing import Any

import xarray

from ibjax import blank
from ibjax.reproduce.outcome import bound_text


def tables(data: xarray.Dataset) -> tuple[Any, Any]:
    """The bounds against time, and the networks against width at the last time."""
    first = blank.table(
        ("model", "time", "test error", "gap", "e-CMI", "KL [nats]", "Xu-Raginsky", "kind"),
        "0-1 loss at infinite width, mean over the points ± 1.96 s.e.; MI bounds on the gap",
    )
    for model in data.model.values:
        for time in data.time.values:
            at = data.sel(model=model, time=time)
            first.add_row(
                str(model),
                f"{time:.2f}",
                f"{float(at.test):.3f}",
                f"{float(at.gap):.3f}±{1.96 * float(at.gap_error):.3f}",
                bound_text(float(at.e_cmi), 1.96 * float(at.e_cmi_error)),
                f"{float(at.divergence):.2f}±{1.96 * float(at.divergence_error):.2f}",
                bound_text(float(at.xu_raginsky), kind=str(at.kind.item())),
                str(at.kind.item()),
            )
    names = ("train", "test", "gap", "train_loss")
    second = blank.table(
        ("width", *names, "plug-in e-CMI"),
        f"trained networks at time {float(data.time[-1]):.2f}, ± 1.96 s.e. given the points",
    )
    end = data.isel(time=-1)
    for width in data.width.values:
        at = end.sel(width=width)
        cells = [
            f"{float(at[f'finite_{n}']):.4f}±{1.96 * float(at[f'finite_{n}_error']):.4f}"
            for n in names
        ]
        second.add_row(str(width), *cells, f"{float(at.finite_e_cmi):.3f}")
    limit = end.sel(model="network")
    second.add_row(
        "infinite, exact", *(f"{float(limit[n]):.4f}" for n in names), f"{float(limit.e_cmi):.3f}"
    )
    return first, second


def figure(data: xarray.Dataset) -> Any:
    """Gap against width with its limit, and gap and bounds against time."""
    picture, (left, right) = blank.figure((11, 4), 1, 2)
    end = data.isel(time=-1)
    rows = (("test", "#D55E00"), ("train", "#0072B2"), ("gap", "#009E73"))
    for name, colour in rows:
        left.errorbar(
            data.width,
            end[f"finite_{name}"],
            1.96 * end[f"finite_{name}_error"],
            fmt="o",
            color=colour,
            capsize=2,
            label=f"{name}, trained",
        )
        left.axhline(float(end[name].sel(model="network")), color=colour, linewidth=1)
    left.plot([], [], "k-", linewidth=1, label="infinite width, exact")
    top = 1.25 * float(end["finite_test"].max())
    left.set(xscale="log", xlabel="width", ylabel="0-1 loss", ylim=(0, top))
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    for model, style in (("network", "-"), ("linear", "--")):
        at = data.sel(model=model)
        for name, colour, marker, label in (
            ("gap", "#009E73", "o", "gap"),
            ("e_cmi", "#0072B2", "s", "e-CMI bound"),
            ("xu_raginsky", "#D55E00", "^", "Xu-Raginsky bound"),
        ):
            right.plot(
                data.time,
                at[name],
                marker + style,
                color=colour,
                markersize=4,
                label=f"{label}, {model}",
            )
    right.axhline(1.0, color="k", linestyle=":", linewidth=1)
    top = 1.4 * float(max(data["xu_raginsky"].max(), data["e_cmi"].max(), 1.0))
    right.set(xlabel="gradient-flow time", ylabel="gap and bounds, 0-1 loss", ylim=(0, top))
    right.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    return picture
