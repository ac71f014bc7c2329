"""`ibjax list`: what there is."""

from dataclasses import dataclass

from ibjax.cli.terminal import console


@dataclass(frozen=True)
class List:
    """List bounds, estimators, data sets and reproductions."""


def execute(command: List) -> None:
    """Print every section as a table."""
    from rich.table import Table

    from ibjax import bounds, data, mi, reproduce

    out = console()
    sections = {
        "Bounds (ibjax run)": [(b.name, b.kind, b.summary) for b in bounds.registry().values()],
        "Estimators of mutual information (ibjax mi)": [
            (e.name, f"bias {e.bias}", e.summary) for e in mi.estimators()
        ],
        "Data sets (--dataset)": [(name,) for name in data.names()],
        "Reproductions (ibjax reproduce)": [
            (r.name, r.summary) for r in reproduce.reproductions().values()
        ],
    }
    for title, rows in sections.items():
        table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
        for row in rows:
            table.add_row(*row)
        out.print(table)
