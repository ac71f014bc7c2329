"""The command line: `ibjax run`, `show`, `list`, `mi`, `reproduce`."""

import contextlib
import io
import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ibjax.pipeline import Experiment

if TYPE_CHECKING:
    import xarray
    from rich.console import Console


@dataclass(frozen=True)
class Run(Experiment):
    """Train noisy-SGD replicas for several depths and print a table of bounds."""

    out: Path = Path("ibjax-results/results.nc")
    """Results file (netCDF); the picture and the finished cells lie beside it."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""


@dataclass(frozen=True)
class Show:
    """Print the table and redraw the picture of a results file."""

    file: Annotated[Path, tyro.conf.Positional]
    """Results file written by `ibjax run`."""
    checkpoint: int = -1
    """Which evaluation along training, from 0; the last by default."""


@dataclass(frozen=True)
class List:
    """List bounds, estimators, data sets and reproductions."""


@dataclass(frozen=True)
class Mi:
    """Estimate the mutual information of two arrays with every estimator that applies."""

    x: Annotated[Path, tyro.conf.Positional]
    """First variable, .npy: (n,) or (n, d); integers are taken as classes."""
    y: Annotated[Path, tyro.conf.Positional]
    """Second variable, .npy, of the same length."""
    seed: int = 0
    """Seed of the estimators that draw random numbers."""


@dataclass(frozen=True)
class Reproduce:
    """Run a named experiment and print ours beside the known values."""

    name: Annotated[str, tyro.conf.Positional]
    """Which one; `ibjax list` names them."""
    out: Path = Path("ibjax-results")
    """Folder for its results file and picture."""
    quick: bool = False
    """A smaller grid, to see it work."""
    cache: bool = True
    """Keep compiled programs on disk between runs."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status is 0 only on success.

    A mistake of the user's ends in one line on standard error that says what to change, and
    status 2; an interruption in status 130.
    """
    commands: dict[type, Callable[[Any], None]] = {
        Run: _run,
        Show: _show,
        List: _list,
        Mi: _mi,
        Reproduce: _reproduce,
    }
    names = {"run": Run, "show": Show, "list": List, "mi": Mi, "reproduce": Reproduce}
    try:
        command = _parse(names, argv)
        commands[type(command)](command)
    except (ValueError, OSError, ImportError) as error:
        print(f"ibjax: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ibjax: interrupted; finished cells are kept, run again to go on", file=sys.stderr)
        return 130
    return 0


def _parse(names: dict[str, type], argv: list[str] | None) -> Any:
    """The command and its options; a mistake among them is a `ValueError` of one line."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.extras.subcommand_cli_from_dict(
                names,
                args=argv,
                prog="ibjax",
                description="How well will this network generalize, and which bound says so?",
            )
    except SystemExit as stopped:
        if stopped.code in (0, None):
            raise
        raise ValueError(f"{_message(said.getvalue())}; see ibjax --help") from None


def _message(framed: str) -> str:
    """The text between the title and the next rule of a framed report, on one line."""
    lines = [line.strip("╭╮╰╯─│+-| ") for line in framed.splitlines()]
    texts = itertools.dropwhile(lambda line: not line, lines[1:])
    return " ".join(itertools.takewhile(bool, texts)) or "unknown option"


def _run(command: Run) -> None:
    from ibjax import sweep

    _prepare_devices(command.cache)
    path = _results_path(command.out)
    experiment = Experiment(**{f.name: getattr(command, f.name) for f in fields(Experiment)})
    with _Progress(_console(stderr=True), experiment) as progress:
        dataset = sweep.run(experiment, path, progress=progress.report, log=progress.log)
    _present(dataset, path)


def _show(command: Show) -> None:
    from ibjax import results

    dataset = results.read(command.file)
    count = dataset.sizes["checkpoint"]
    if not -count <= command.checkpoint < count:
        raise ValueError(f"checkpoint={command.checkpoint}: the file has {count}, 0 to {count - 1}")
    _present(dataset, command.file, command.checkpoint)


def _list(command: List) -> None:
    from rich.table import Table

    from ibjax import bounds, data, mi, reproduce

    console = _console()
    sections = {
        "Bounds (ibjax run)": [(b.name, b.kind, b.summary) for b in bounds.registry().values()],
        "Estimators of mutual information (ibjax mi)": [
            (e.name, f"bias {e.bias}", e.summary) for e in mi.estimators()
        ],
        "Data sets (--dataset)": [(name,) for name in data.names()],
        "Reproductions (ibjax reproduce)": [
            (r.name, "", r.summary) for r in reproduce.reproductions().values()
        ],
    }
    for title, rows in sections.items():
        table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
        for row in rows:
            table.add_row(*row)
        console.print(table)


def _mi(command: Mi) -> None:
    import jax
    from rich.table import Table

    from ibjax import mi

    x, y = _load(command.x), _load(command.y)
    with jax.enable_x64(True):
        found = mi.all_applicable(x, y, key=jax.random.key(command.seed))
    table = Table(title=f"I(X; Y) in nats, n = {len(x)}", title_justify="left")
    for column in ("estimator", "value", "standard error", "bias", "remark"):
        table.add_column(column)
    for name, e in found.items():
        remark = "" if bool(e.ok) else f"do not use: {e.reason}"
        table.add_row(name, f"{float(e.value):.4f}", f"{float(e.std_error):.4f}", e.bias, remark)
    _console().print(table)


def _reproduce(command: Reproduce) -> None:
    from ibjax import reproduce

    known = reproduce.reproductions()
    if command.name not in known:
        raise ValueError(f"name={command.name!r} is unknown; choose one of {sorted(known)}")
    _prepare_devices(command.cache)
    console = _console()
    outcome = known[command.name].run(command.out, command.quick, lambda m: console.print(m))
    console.print(outcome.table)
    for path in outcome.files:
        console.print(f"written: {path}", soft_wrap=True)


def _load(path: Path) -> Any:
    import numpy as np

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a .npy array")
    array = np.load(path, allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.ndim not in (1, 2):
        shape = getattr(array, "shape", "an archive")
        raise ValueError(f"{path}: holds {shape}; give one .npy array of shape (n,) or (n, d)")
    return array


def _results_path(out: Path) -> Path:
    return out if out.suffix == ".nc" else out / "results.nc"


def _present(dataset: "xarray.Dataset", path: Path, checkpoint: int = -1) -> None:
    from ibjax import report

    console = _console()
    console.print(report.table(dataset, checkpoint))
    picture = path.with_suffix(".png")
    partial = picture.with_suffix(".part.png")
    try:
        report.figure(dataset, checkpoint).savefig(partial, dpi=150)
        os.replace(partial, picture)
    finally:
        partial.unlink(missing_ok=True)
    console.print(f"results: {path}", soft_wrap=True)
    console.print(f"picture: {picture}", soft_wrap=True)


def _console(stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _prepare_devices(cache: bool) -> None:
    """One XLA device a core on a CPU, and compiled programs kept on disk.

    Both are settings of this process, made before JAX starts; a setting of the user's stays.
    """
    import jax

    if "XLA_FLAGS" not in os.environ and not os.environ.get("JAX_NUM_CPU_DEVICES"):
        try:
            jax.config.update("jax_num_cpu_devices", min(os.cpu_count() or 1, 8))
        except RuntimeError:
            pass  # JAX has started (the command line called as a function): keep its devices
    if cache and getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(base / "ibjax" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


class _Progress:
    """A bar on a terminal, a line a finished depth elsewhere."""

    def __init__(self, console: "Console", experiment: Experiment):
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.console, self.experiment, self.finished = console, experiment, []
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
        )
        shown = console.is_terminal
        self.bar = Progress(*columns, TimeElapsedColumn(), console=console, disable=not shown)
        per_depth = experiment.supersamples * experiment.masks * experiment.steps
        self.task = self.bar.add_task("compiling", total=per_depth * len(experiment.depths))

    def __enter__(self) -> "_Progress":
        self.bar.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.bar.__exit__(*raised)

    def report(self, depth: int, done: int, total: int) -> None:
        """Move on to `done` of `total` replica-steps at this depth."""
        position = self.experiment.depths.index(depth) * total + done
        self.bar.update(self.task, completed=position, description=f"training depth {depth}")
        if not self.console.is_terminal and done == total and depth not in self.finished:
            self.finished.append(depth)
            self.log(f"depth {depth}: done")

    def log(self, message: str) -> None:
        """A line above the bar."""
        self.console.print(message, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
