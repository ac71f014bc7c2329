"""An empty table for the terminal and an empty picture, as everything here is shown."""

import io
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table


def table(
    columns: Iterable[str],
    title: str | None = None,
    *,
    caption: str | None = None,
    left: Collection[str] = (),
    wrap: Collection[str] | bool = False,
    **style: Any,
) -> "Table":
    """A table without rows.

    Args:
        columns: their heads, numbers to the right.
        title: above it.
        caption: below it.
        left: heads of the columns that hold words, aligned to the left.
        wrap: heads of the columns whose cells may take several lines; True for all.
        **style: of `rich.table.Table`.
    """
    from rich import box
    from rich.table import Table

    aligned: dict[str, Any] = {"title_justify": "left", "caption_justify": "left"}
    out = Table(box=box.SIMPLE_HEAD, title=title, caption=caption, **{**aligned, **style})
    for head in columns:
        whole = not (head in wrap if isinstance(wrap, Collection) else wrap)
        out.add_column(head, justify="left" if head in left else "right", no_wrap=whole)
    return out


def compact() -> dict[str, Any]:
    """The style of a table that wants every column of a narrow terminal."""
    return {"padding": 0, "pad_edge": False, "show_edge": False}


def figure(
    size: tuple[float, float] | None, rows: int = 1, columns: int = 1, **shared: Any
) -> "tuple[Figure, Any]":
    """An empty picture and its panels.

    Args:
        size: width and height in inches; as Matplotlib is set if None.
        rows: of panels.
        columns: of panels.
        **shared: of `matplotlib.figure.Figure.subplots`.
    """
    from matplotlib.figure import Figure

    out = Figure(figsize=size, layout="constrained")
    return out, out.subplots(rows, columns, **shared)


def prepare() -> None:
    """Have all imported that drawing a picture takes: half a second, best spent beside other work.

    A small picture is drawn for nobody, since Matplotlib and Pillow import when they are used.
    """
    figure((1, 1))[0].savefig(io.BytesIO(), format="png")


def axes(ax: "Axes | None" = None) -> "Axes":
    """The panel to draw on: the one given, or the only one of a new picture."""
    return figure(None)[1] if ax is None else ax
