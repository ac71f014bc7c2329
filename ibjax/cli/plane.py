"""`ibjax plane`: the information plane of saved activations."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ibjax.cli import exporting, reading
from ibjax.cli.terminal import console, print_whole

HEADS = ("layer", "replica", "checkpoint", "i_tx", "i_tx_lower", "i_ty", "resolution")
"""Columns of ``--table``, informations in nats."""


@dataclass(frozen=True)
class PlaneOptions:
    """Place every layer of saved activations in the information plane; a table and a picture."""

    file: Annotated[Path, tyro.conf.Positional]
    """A .npz with one array a layer, (n, d), (checkpoints, n, d) or (replicas, checkpoints, n, d),
    and the labels, (n,)."""
    method: Literal["adaptive", "mass", "edges", "width", "kde", "renyi"] = "adaptive"
    """Cells over each layer's range, of equal mass, between fixed edges on (-1, 1) or of fixed
    width; bounds through added noise; or matrix-based Renyi entropies, a diagnostic."""
    bins: int = 30
    """Cells, or edges."""
    width: float = 0.07
    """Width of a cell, for --method width."""
    std: float = 1e-3**0.5
    """Standard deviation of the added noise, for --method kde."""
    labels: str = "labels"
    """Name of the labels in the file."""
    out: Path | None = None
    """Picture; beside the file by default."""
    table: Path | None = None
    """Where to write the coordinates as well: .csv, .md or .tex, a row a layer, replica and
    checkpoint."""


def execute(command: PlaneOptions) -> None:
    """Print one row a layer and checkpoint, and draw the plane."""
    import math

    import numpy as np
    from rich.table import Table

    from ibjax import bottleneck, files

    picture = command.out or command.file.with_suffix(".png")
    files.check_apart(picture, command.file, "--out")
    exporting.check_table(command.table, command.file, picture)
    arrays = reading.archive(command.file)
    if command.labels not in arrays:
        raise ValueError(
            f"{command.file}: holds no array {command.labels!r}, only {sorted(arrays)}; name the "
            "labels with --labels"
        )
    labels = arrays.pop(command.labels)
    layers = {name: _layer(command.file, name, a) for name, a in arrays.items()}
    found = bottleneck.plane(
        layers,
        labels,
        method=command.method,
        bins=command.bins,
        width=command.width,
        std=command.std,
    )
    n = len(labels)
    table = Table(
        title=f"nats, n = {n}, log n = {math.log(n):.3f}, H(Y) = {float(found.label_entropy):.3f}: "
        f"{found.measures}",
        title_justify="left",
    )
    resolution = {"kde": "noise std", "renyi": "kernel width"}.get(command.method, "cell width")
    for column in ("layer", "checkpoint", "I(X;T)", "lower bound", "I(T;Y)", resolution):
        table.add_column(column, justify="right")
    columns = (found.i_tx, found.i_tx_lower, found.i_ty, found.resolution)
    for i, name in enumerate(found.names):
        values = [np.atleast_1d(np.asarray(v[i])) for v in columns]
        means = [v.reshape(-1, v.shape[-1]).mean(axis=0) for v in values]
        for checkpoint, row in enumerate(zip(*means)):
            cells = ("-" if math.isnan(v) else f"{v:.4g}" for v in row)
            table.add_row(name, str(checkpoint), *cells)
    out = console()
    print_whole(out, table)
    files.check_place(picture, "--out")
    files.save_figure(bottleneck.draw(found).figure, picture)
    out.print(f"picture: {picture}", soft_wrap=True)
    exporting.write_table(command.table, HEADS, _rows(found))


def _rows(found: Any) -> list[tuple[Any, ...]]:
    """Every coordinate in full precision: a line a layer, replica and checkpoint."""
    import numpy as np

    columns = (found.i_tx, found.i_tx_lower, found.i_ty, found.resolution)
    rows = []
    for i, name in enumerate(found.names):
        shape = np.shape(found.i_tx[i])
        values = [np.broadcast_to(np.asarray(v[i], float), shape) for v in columns]
        for at in np.ndindex(shape):
            *replica, checkpoint = at or (0,)
            where = (replica[0] if replica else 0, checkpoint)
            rows.append((name, *where, *(float(v[at]) for v in values)))
    return rows


def _layer(path: Path, name: str, array: Any) -> Any:
    if array.ndim not in (2, 3, 4) or array.dtype.kind not in "fiub":
        raise ValueError(
            f"{path}: {name!r} has shape {array.shape} of {array.dtype}; give numbers (n, d), "
            "(checkpoints, n, d) or (replicas, checkpoints, n, d)"
        )
    return array
