"""The door of the command line: one line whatever happens, and quiet when it is told to stop."""

import subprocess
import sys
from pathlib import Path

import pytest

from ibjax import cli
from ibjax.cli import commands


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyError("missing"), 1, ("unexpected KeyError", "report it", "--debug")),
        (RecursionError("deep\nand deeper"), 1, ("unexpected RecursionError: deep and deeper",)),
        (AssertionError(), 1, ("unexpected AssertionError",)),
        (ValueError("x=1 is\n  wrong"), 2, ("error: x=1 is wrong",)),
        (ValueError(), 2, ("error: ValueError",)),
        (MemoryError(), 2, ("not enough memory",)),
        (RuntimeError("RESOURCE_EXHAUSTED: no\nroom"), 2, ("not enough memory",)),
        (RuntimeError("INTERNAL: Error: Out of memory allocating 9"), 2, ("not enough memory",)),
        (PermissionError(13, "Permission denied", "a.nc"), 2, ("Permission denied", "a.nc")),
        (KeyboardInterrupt(), 130, ("interrupted; finished cells are kept",)),
    ],
)
def test_whatever_goes_wrong_is_one_line(error, status, words, monkeypatch, capsys):
    def fail(given):
        assert given == ["run"]
        raise error

    monkeypatch.setattr(commands, "execute", fail)
    assert cli.main(["run"]) == status
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and said.err.startswith("ibjax: ")
    assert all(word in said.err for word in words), said.err
    assert cli.main(["--debug", "run"]) == status
    traceback = "Traceback" in capsys.readouterr().err
    assert traceback == (status != 130)


def test_an_interruption_while_libraries_load_is_quiet():
    code = (
        "import builtins, sys\n"
        "load = builtins.__import__\n"
        "def interrupted(name, *rest, **more):\n"
        "    if name.partition('.')[0] in ('jax', 'numpy', 'tyro'): raise KeyboardInterrupt\n"
        "    return load(name, *rest, **more)\n"
        "builtins.__import__ = interrupted\n"
        "from ibjax.cli import main\n"
        "sys.exit(main(['list']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "ibjax: interrupted\n")


def test_an_interruption_does_not_wait_for_other_threads():
    code = (
        "import sys, threading\n"
        "from ibjax.cli import commands, main\n"
        "def interrupted(words):\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    raise KeyboardInterrupt\n"
        "commands.execute = interrupted\n"
        "sys.argv = ['ibjax', 'run']\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "ibjax: interrupted; finished cells are kept, run again to go on\n"


@pytest.mark.parametrize("end", ["process()", "main()"])
def test_a_process_ends_with_the_status_of_its_command_and_frees_nothing(end):
    """All else that was asked for at its end is done; who calls `main` goes on after it."""
    code = (
        "import atexit, sys\n"
        "from ibjax.cli import commands, main, process\n"
        "class Held:\n"
        "    def __del__(self): print('freed', flush=True)\n"
        "held = Held()\n"
        "def execute(words):\n"
        "    atexit.register(print, 'put away')\n"
        "    return 3\n"
        "commands.execute = execute\n"
        "sys.argv = ['ibjax', 'run']\n"
        f"{end}\nsys.exit(5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    ours = end == "process()"
    assert done.returncode == (3 if ours else 5)
    assert done.stdout == ("put away\n" if ours else "put away\nfreed\n")


def test_nobody_who_reads_is_no_error():
    child = subprocess.Popen(
        [sys.executable, "-m", "ibjax", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b"" and child.wait() in (1, 141)


def test_the_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ibjax 0.")


def test_paths_begin_at_home_wherever_they_are_given(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for words, names in (
        ("run --out=~/x --data-dir=~/data", ("out", "data_dir")),
        ("show ~/x.nc --table ~/t.csv --picture ~/p.png", ("files", "table", "picture")),
        ("limits --out ~/x.nc", ("out",)),
        ("reproduce sign-learner --out ~/x", ("out",)),
        ("mi ~/x.npy ~/y.npy", ("x", "y")),
    ):
        _, options = commands.parse(words.split())
        given = [getattr(options, name) for name in names]
        places = [p for g in given for p in (g if isinstance(g, tuple) else (g,))]
        assert all(str(place).startswith(str(tmp_path)) for place in places)
    assert not Path("~").exists()
    with pytest.raises(ValueError, match="no path"):
        commands.parse(["show", "a\0b"])
    with pytest.raises(ValueError, match="no home directory"):
        commands.parse(["show", "~nobody-of-this-name/a.nc"])


@pytest.mark.parametrize(
    "words",
    [
        "run --steps 4 --steps 5",
        "run --masks=4 --masks 6",
        "run --cache --no-cache",
        "run --layer_noise 0 --layer-noise 1",
        "show a.nc --bounds depth --bounds ld_cmi",
        "reproduce teacher-student --seed 1 --seed 2",
        "mi x.npy y.npy --seed 1 --seed 1",
    ],
)
def test_an_option_given_twice_loses_no_value(words):
    with pytest.raises(ValueError, match="is given twice"):
        commands.parse(words.split())


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("account --train-error nan", "train_error"),
        ("run --learning-rate 0.1 nan", "learning_rate"),
        ("run --radius nan", "radius"),
        ("bounds a.npz --clip nan 1", "clip"),
        ("certify --delta NaN", "delta"),
    ],
)
def test_an_option_that_is_no_number_is_named(words, name):
    with pytest.raises(ValueError, match=f"{name}=nan is no number"):
        commands.parse(words.split())


@pytest.mark.parametrize("out", ["a.csv", "b.png", "c.toml", "d.NC", "e.npz"])
def test_results_go_to_no_folder_that_reads_like_a_file(out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"must end in \.nc"):
        commands.execute(["run", "--out", out, "--dry-run"])
    assert not list(tmp_path.iterdir())


def test_a_picture_that_would_not_be_drawn_is_refused():
    with pytest.raises(ValueError, match="is drawn with --format terminal alone"):
        commands.execute("show absent.nc --format csv --picture p.png".split())


@pytest.mark.parametrize("words", ["run", "mi x.npy y.npy", "reproduce teacher-student"])
@pytest.mark.parametrize("seed", ["-1", "4294967296", "18446744073709551616"])
def test_a_seed_has_one_name(words, seed):
    with pytest.raises(ValueError, match=f"seed={seed} must be"):
        commands.parse([*words.split(), "--seed", seed])
