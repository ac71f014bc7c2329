"""`ibjax plane`: the information plane of saved activations."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ibjax import archives, rounding
from ibjax.cli import exporting
from ibjax.cli.terminal import console, print_whole

HEADS = ("layer", "replica", "checkpoint", "i_tx", "i_tx_lower", "i_ty", "resolution")
HEADS += ("cap", "permuted", "label_entropy", "examples", "measures")
"""Columns of ``--table``, informations in nats; cap and permuted for matrix-based measures. The
last says what is measured."""


@dataclass(frozen=True)
class PlaneOptions:
    """Place every layer of saved activations in the information plane; a table and a picture."""

    file: Annotated[Path, tyro.conf.Positional]
    """A .npz with one array a layer, (n, d), (checkpoints, n, d) or (replicas, checkpoints, n, d),
    and the labels, (n,)."""
    method: Literal[
        "adaptive", "mass", "edges", "width", "kde", "renyi", "total_correlation", "hsic", "cka"
    ] = "adaptive"
    """Cells over each layer's range, of equal mass, between fixed edges on (-1, 1) or of fixed
    width; bounds through added noise; or, as diagnostics, matrix-based Renyi entropies or total
    correlation of the units, HSIC or CKA with inputs and labels."""
    bins: int = 30
    """Cells, or edges."""
    width: float = 0.07
    """Width of a cell, for --method width."""
    std: float = 1e-3**0.5
    """Standard deviation of the added noise, for --method kde."""
    labels: str = "labels"
    """Name of the labels in the file."""
    inputs: str = "inputs"
    """Name of the inputs in the file, (n, d), for --method hsic and cka; else left out."""
    out: Path | None = None
    """Picture; beside the file by default."""
    table: Path | None = None
    """Where to write the coordinates as well: .csv, .md or .tex, a row a layer, replica and
    checkpoint."""


_KERNEL = {
    "renyi": ("S(T)", "S(T)+S(Y)-S(T,Y)"),
    "total_correlation": ("TC of units", "S(T)+S(Y)-S(T,Y)"),
    "hsic": ("HSIC(X,T)", "HSIC(T,Y)"),
    "cka": ("CKA(X,T)", "CKA(T,Y)"),
}


def execute(command: PlaneOptions) -> None:
    """Print one row a layer and checkpoint, and draw the plane."""
    import math

    import numpy as np
    from rich.table import Table

    from ibjax import bottleneck, files

    picture = command.out or command.file.with_suffix(".png")
    files.check_apart(picture, command.file, "--out")
    exporting.check_table(command.table, command.file, picture)
    arrays = archives.archive(command.file)
    if command.labels not in arrays:
        raise ValueError(
            f"{command.file}: holds no array {command.labels!r}, only {sorted(arrays)}; name the "
            "labels with --labels"
        )
    labels = arrays.pop(command.labels)
    inputs = arrays.pop(command.inputs, None)
    if command.method in ("hsic", "cka") and inputs is None:
        raise ValueError(
            f"{command.file}: --method {command.method} needs the inputs, (n, d); name their array "
            "with --inputs"
        )
    layers = {name: _layer(command.file, name, a) for name, a in arrays.items()}
    found = bottleneck.plane(
        layers,
        labels,
        method=command.method,
        bins=command.bins,
        width=command.width,
        std=command.std,
        inputs=inputs,
    )
    n = len(labels)
    unit = "" if command.method in ("hsic", "cka") else "nats, "
    entropy = float(found.label_entropy)
    table = Table(
        title=f"{unit}n = {n}, log n = {math.log(n):.3f}, H(Y) = {entropy:.3f}: {found.measures}",
        title_justify="left",
    )
    heads, columns = ["I(X;T)", "lower bound"], [found.i_tx, found.i_tx_lower]
    heads, columns = [*heads, "I(T;Y)"], [*columns, found.i_ty]
    if command.method in _KERNEL:
        heads, columns = [*_KERNEL[command.method], "its cap", "permuted"], [found.i_tx, found.i_ty]
        columns += [found.cap, found.permuted]
    resolution = "noise std" if command.method == "kde" else "cell width"
    heads.append("kernel width" if command.method in _KERNEL else resolution)
    columns.append(found.resolution)
    # what is through noise is between two bounds, each rounded to its side
    kinds = ["upper", "lower"] if command.method == "kde" else []
    kinds += [""] * (len(columns) - len(kinds))
    for column in ("layer", "checkpoint", *heads):
        table.add_column(column, justify="right")
    for i, name in enumerate(found.names):
        values = [np.atleast_1d(np.asarray(v[i])) for v in columns]
        means = [v.reshape(-1, v.shape[-1]).mean(axis=0) for v in values]
        for checkpoint, row in enumerate(zip(*means)):
            cells = (
                "-" if math.isnan(v) else rounding.by_kind(v, ".4g", kind)
                for v, kind in zip(row, kinds)
            )
            table.add_row(name, str(checkpoint), *cells)
    out = console()
    print_whole(out, table)
    files.check_place(picture, "--out")
    files.save_figure(bottleneck.draw(found).figure, picture)
    out.print(f"picture: {picture}", soft_wrap=True)
    exporting.write_table(command.table, HEADS, _rows(found, n))


def _rows(found: Any, n: int) -> list[tuple[Any, ...]]:
    """Every coordinate in full precision: a line a layer, replica and checkpoint."""
    import numpy as np

    columns = (found.i_tx, found.i_tx_lower, found.i_ty, found.resolution)
    columns += (found.cap, found.permuted)
    constant = (float(found.label_entropy), n, found.measures)
    rows = []
    for i, name in enumerate(found.names):
        shape = np.shape(found.i_tx[i])
        values = [np.broadcast_to(np.asarray(v[i], float), shape) for v in columns]
        for at in np.ndindex(shape):
            *replica, checkpoint = at or (0,)
            where = (replica[0] if replica else 0, checkpoint)
            rows.append((name, *where, *(float(v[at]) for v in values), *constant))
    return rows


def _layer(path: Path, name: str, array: Any) -> Any:
    if array.ndim not in (2, 3, 4) or array.dtype.kind not in "fiub":
        raise ValueError(
            f"{path}: {name!r} has shape {array.shape} of {array.dtype}; give numbers (n, d), "
            "(checkpoints, n, d) or (replicas, checkpoints, n, d)"
        )
    return array
