"""This checkout beside an earlier revision of it: their sources, and processes that run them."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def checkout(revision: str | None, name: str) -> Iterator[dict[str, Path]]:
    """The sources to run: this checkout by its name, and before it a work tree of a revision."""
    sources = {name: HERE}
    if revision is None:
        yield sources
        return
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "before"
        git = ["git", "-C", str(HERE), "worktree"]
        add = [*git, "add", "--detach", "-f", str(place), revision]
        subprocess.run(add, check=True, capture_output=True)
        try:
            yield {"before": place, **sources}
        finally:
            remove = [*git, "remove", "--force", str(place)]
            subprocess.run(remove, check=True, capture_output=True)


def environment(source: Path) -> dict[str, str]:
    """That of a process of these sources on the CPU, without what JAX was told here."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    return kept | {"PYTHONPATH": str(source), "JAX_PLATFORMS": "cpu"}
