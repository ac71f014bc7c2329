"""What every reproduction promises of its files."""

import io

import pytest
from rich.console import Console

from ibjax import files
from ibjax.reproduce import stored


def text(table):
    """A table as a terminal 300 columns wide shows it."""
    console = Console(width=300, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


@pytest.fixture(scope="session")
def check_shown():
    """Checks that files alone show what was printed and drawn."""

    def check(name, outcome, drawn=False):
        places = [path for path in outcome.files if path.suffix == ".nc"]
        last = places[-1]
        shown = stored.view(files.read(last))
        assert stored.name_of(files.read(last)) == name and shown is not None
        assert text(shown.table) == text(outcome.table)
        assert shown.figure.axes and last.with_suffix(".png").stat().st_size > 5000
        if drawn:  # takes a second or more
            again = files.save_figure(shown.figure, last.with_name(f"{last.stem}-again.png"))
            assert again.read_bytes() == last.with_suffix(".png").read_bytes()
        for path in places[:-1]:
            part = files.read(path)
            one = stored.view(part)
            # A part is shown alone; a sweep has tables and pictures of its own.
            assert "bound_value" in part if one is None else len(text(one.table)) > 100

    return check
