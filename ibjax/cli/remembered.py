"""What `ibjax bounds` shows of single examples and classes: how much of each is remembered."""

from pathlib import Path
from typing import Any, NamedTuple

from ibjax.cli.terminal import console, print_whole, write_rows


class Asked(NamedTuple):
    """How many examples to print, and where to write all of them and draw those remembered most."""

    examples: int
    table: Path | None
    picture: Path | None


def labels_of(arrays: dict[str, Any]) -> Any:
    """Whole numbers, one an example of the pool; None where there are none."""
    import numpy as np

    if "labels" not in arrays:
        return None
    labels, wanted = np.asarray(arrays["labels"]), np.shape(arrays["losses"])[-1:]
    if labels.shape != wanted:
        raise ValueError(f"labels has shape {labels.shape}; it must be {wanted} to fit the losses")
    if not np.all(labels == np.round(labels)):
        raise ValueError("labels must hold whole numbers, the class of each example")
    return labels


def show(
    asked: Asked,
    values: Any,
    masks: Any,
    labels: Any,
    columns: tuple[str, ...],
    valid: Any = None,
) -> None:
    """Tables and picture of the memory of examples and, where their labels are known, classes."""
    if not any(asked):
        return

    import jax
    import numpy as np

    from ibjax import bounds, files, report

    with jax.enable_x64(True):
        found = bounds.remembered(values, masks, valid=valid)
        classes, names = None, None
        if labels is not None:
            distinct, place = np.unique(labels, return_inverse=True)
            names, place = distinct.tolist(), place.reshape(np.shape(labels))
            classes = bounds.remembered_by_class(values, masks, place, len(names), valid=valid)
    out = console()
    if asked.examples:
        print_whole(out, report.examples_table(found, columns, asked.examples))
        if classes is not None:
            print_whole(out, report.classes_table(classes, names))
    if asked.table is not None:
        write_rows(asked.table, (*columns, *report.HEADS), report.examples(found))
        out.print(f"table: {asked.table}", soft_wrap=True)
        if classes is not None:
            write_rows(beside(asked.table), report.CLASS_HEADS, report.classes(classes, names))
            out.print(f"table: {beside(asked.table)}", soft_wrap=True)
    if asked.picture is not None:
        figure = report.memory_figure(found, classes, asked.examples or 30, names)
        files.save_figure(figure, asked.picture)
        out.print(f"picture: {asked.picture}", soft_wrap=True)


def beside(table: Path) -> Path:
    """Where the memory of classes goes, beside that of examples."""
    return table.with_stem(f"{table.stem}-classes")
