"""`ibjax reproduce`: named experiments, each a subcommand with its own options."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ibjax.cli import exporting
from ibjax.cli.terminal import console, prepare_devices, print_whole


@dataclass(frozen=True)
class Reproduce:
    """Run a named experiment and print ours beside the known values."""

    out: Path = Path("ibjax-results")
    """Folder for its results file and picture."""
    quick: bool = False
    """A smaller grid, to see it work."""
    table: Path | None = None
    """Where to write the printed table as well: .csv, .md or .tex."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""


def parsers() -> dict[str, Any]:
    """The options of every reproduction: those all share, then its own."""
    from ibjax.reproduce import reproductions

    def options(name: str, summary: str, own: type | None) -> type:
        bases = (Reproduce, own) if own else (Reproduce,)
        return dataclass(frozen=True)(type(name, bases, {"__doc__": summary}))

    return {r.name: options(r.name, r.summary, r.options) for r in reproductions().values()}


def execute(command: Reproduce) -> None:
    """Run it, print its table and name the files it wrote."""
    from ibjax import files
    from ibjax.reproduce import reproductions
    from ibjax.reproduce.outcome import check

    row = reproductions()[type(command).__name__]
    own: Any = None
    if row.options:
        own = row.options(**{f.name: getattr(command, f.name) for f in fields(row.options)})
        check(own)
    files.check_writable(command.out)
    exporting.check_table(command.table)
    prepare_devices(command.cache)
    out = console()
    arguments: list[Any] = [command.out, command.quick, lambda line: out.print(line)]
    if own is not None:
        arguments.append(own)
    outcome = row.run(*arguments)
    print_whole(out, outcome.table)
    exporting.write_printed(command.table, outcome.table)
    for path in outcome.files:
        out.print(f"written: {path}", soft_wrap=True)
