"""`ibjax list`: what there is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ibjax.cli.terminal import console


@dataclass(frozen=True)
class List:
    """List bounds, estimators, data sets, reproductions, and what evidence holds."""


Rows = Iterable[tuple[str, ...]]


def _bounds() -> Rows:
    from ibjax.bounds import registry

    return ((b.name, b.kind, b.summary) for b in registry().values())


def _estimators() -> Rows:
    from ibjax.mi import estimators

    return ((e.name, f"bias {e.bias}", e.summary) for e in estimators())


def _data_sets() -> Rows:
    from ibjax.data import names

    return ((name,) for name in names())


def _reproductions() -> Rows:
    from ibjax.reproduce import reproductions

    return ((r.name, r.summary) for r in reproductions().values())


def _fields() -> Rows:
    from ibjax.interface.fields import FIELDS

    return ((name, field.words) for name, field in FIELDS.items())


SECTIONS: dict[str, Callable[[], Rows]] = {
    "Bounds (ibjax run)": _bounds,
    "Estimators of mutual information (ibjax mi)": _estimators,
    "Data sets (--dataset)": _data_sets,
    "Reproductions (ibjax reproduce)": _reproductions,
    "Fields of evidence (k1 supersamples, k2 masks, E checkpoints, n pairs)": _fields,
}
"""What is listed, by title; each reads its own registry or table when it is asked for."""


def execute(command: List) -> None:
    """Print every section as a table."""
    from rich.table import Table

    out = console()
    for title, rows in SECTIONS.items():
        table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
        for row in rows():
            table.add_row(*row)
        out.print(table)
