"""What the commands share: the console, the devices of this process, how a result is shown."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibjax import files, rounding
from ibjax.environment import cache_folder, settle_caches

if TYPE_CHECKING:
    import xarray
    from rich.console import Console, RenderableType
    from rich.table import Table


def console(stderr: bool = False) -> "Console":
    """A console that prints what it is given; the width is the terminal's.

    Names of files and data are no markup.
    """
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def print_whole(out: "Console", table: "RenderableType") -> None:
    """Print a table, in longer lines than the terminal has where it would cut off a number.

    A pipe counts as 80 columns.
    """
    given = out.width
    while True:
        with out.capture() as said:
            out.print(table)
        if "\N{HORIZONTAL ELLIPSIS}" not in said.get() or out.width >= 400:
            break
        out.width += 4
    out.print(table)
    out.width = given


def quantities(title: str) -> "Table":
    """An empty table of quantities: a row is its name, kind, value and a remark."""
    from ibjax import blank

    return blank.table(("", "kind", "value", ""), title, left=("", "kind"), wrap=True)


def write_rows(
    path: Path, heads: Sequence[str], rows: Sequence[Sequence[Any]], **style: Any
) -> None:
    """Write rows under their heads to .csv, .md or .tex, whole or not at all.

    In .md and .tex a number of a row whose kind is a certificate is rounded up.

    Args:
        path: the ending decides; a file that is there is replaced.
        heads: names of the columns.
        rows: cells, in the full precision of numbers in .csv.
        style: how `tabulate` shows them in .md and .tex.

    Raises:
        OSError: if the place cannot be written.
    """
    files.put(path, rows_text(path.suffix, heads, rows, **style).encode())


def rows_text(
    suffix: str, heads: Sequence[str], rows: Sequence[Sequence[Any]], **style: Any
) -> str:
    """What `write_rows` writes to a file of that ending."""
    if suffix == ".csv":
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([heads, *rows])
        return stream.getvalue()
    from tabulate import tabulate

    form = "latex_booktabs" if suffix == ".tex" else "github"
    if "kind" in heads and "floatfmt" in style:
        rows = [_rounded(heads, row, style["floatfmt"]) for row in rows]
    return tabulate(rows, heads, tablefmt=form, **style) + "\n"


_BESIDE = ("std_error", "null", "null_spread")
"""Columns that describe a certificate and are none."""


def _rounded(heads: Sequence[str], row: Sequence[Any], form: str) -> list[Any]:
    """A row with its numbers as text, each rounded as its kind and column ask for."""
    kind = str(row[heads.index("kind")])

    def text(head: str, value: Any) -> Any:
        if not isinstance(value, float) or head in _BESIDE:
            return value
        if head == "confidence":
            return rounding.probability(value)
        return rounding.by_kind(value, form, kind)

    return [text(head, value) for head, value in zip(heads, row)]


def prepare_devices(cache: bool) -> None:
    """One XLA device a core on a CPU, and compiled programs kept on disk.

    Both are settings of this process, made before JAX starts; a setting of the user's stays.
    """
    import jax

    chosen = "device_count" in os.environ.get("XLA_FLAGS", "")
    if not chosen and not os.environ.get("JAX_NUM_CPU_DEVICES"):
        try:
            jax.config.update("jax_num_cpu_devices", min(os.cpu_count() or 1, 8))
        except RuntimeError:
            pass  # JAX has started (the command line called as a function): keep its devices
    if cache and getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        if remark := settle_caches():
            console(stderr=True).print(remark, soft_wrap=True)
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        # Small programs too: there are more of them, and all together they take a few MB.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def chosen(dataset: "xarray.Dataset", names: tuple[str, ...], every: bool) -> list[str]:
    """The bounds to show: those named, all of the file, or the main ones.

    Raises:
        ValueError: for both, or a bound that is not in the file.
    """
    from ibjax import report

    stored = report.stored(dataset)
    if names and every:
        raise ValueError("--bounds and --all-bounds are both given; keep one of them")
    unknown = [name for name in names if name not in stored]
    if unknown:
        raise ValueError(f"bounds={unknown[0]!r} is not in the file; it has {', '.join(stored)}")
    return stored if every else list(names) or report.headlines(dataset)


def present(
    dataset: "xarray.Dataset",
    path: Path,
    checkpoint: int = -1,
    picture: Path | None = None,
    names: list[str] | None = None,
    axis: str | None = None,
    sources: Sequence[Path] = (),
    quiet: bool = False,
) -> None:
    """Print the table of a results file and redraw its picture, whole or not at all.

    Args:
        dataset: what the file holds.
        path: the file; the picture lies beside it.
        checkpoint: which evaluation along training.
        picture: where to draw instead.
        names: which bounds.
        axis: the columns, and what runs to the right.
        sources: the files that were read; the file itself by default.
        quiet: print no table.

    Raises:
        OSError: if the picture cannot be stored; the table is printed by then.
        ValueError: if the picture would replace the file.
    """
    from ibjax import report

    out = console()
    place = picture or path.with_suffix(".png")
    for source in sources or (path,):
        files.check_apart(place, source, "--picture")
    if not quiet:
        print_whole(out, report.table(dataset, checkpoint, names, axis))
    if not place.parent.is_dir():
        raise OSError(
            f"{place.parent}: no such folder for the picture; make it or choose another with "
            "--picture"
        )
    files.check_place(place, "--picture")
    for source in sources or (path,):
        out.print(f"results: {source}", soft_wrap=True)
    if report.panels(dataset, axis) > report.MOST_PANELS:
        out.print("picture: none, the sweep has too many axes for one; choose one with --axis")
        return
    files.save_figure(report.figure(dataset, checkpoint, names, axis), place)
    out.print(f"picture: {place}", soft_wrap=True)
