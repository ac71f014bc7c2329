"""Flipped bits, full disks, archives and data sets of `hostile.py`."""

import contextlib
import json
import resource
import signal
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
from hostile_words import Found, refused, said

ROOM = 20


def flipped(content: bytes, rng: np.random.Generator, end: int | None = None) -> bytes:
    broken = bytearray(content)
    broken[rng.integers(end or len(content))] ^= 1 << rng.integers(8)
    return bytes(broken)


def _sweep():
    """A small experiment, and the sweep's stages patched to give its cell without training."""
    from ibjax import pipeline
    from ibjax.pipeline import Experiment

    small = Experiment(
        depths=(1,), width=4, train_size=10, supersamples=2, masks=4, steps=4, checkpoints=2
    )
    pool, pairs = pipeline.load(small)
    cell = pipeline.run_cell(small, 1, pool, pairs)
    known = {"train_cell": lambda *_, **__: cell, "bound_cell": lambda cell: cell}
    return small, mock.patch.multiple(pipeline, **known)


def flips(folder: Path, count: int = 600) -> Found:
    """One bit of a cell, of a results file or of an f-CMI file: an error, or the cell is redone."""
    from ibjax import files, results, sweep

    small, known = _sweep()
    rng, path = np.random.default_rng(0), folder / "r.nc"
    with known:
        whole = sweep.run(small, path)
        (place,) = path.with_suffix(".cells").iterdir()
        other = folder / "fcmi.nc"
        files.write(whole.drop_attrs(deep=False), other)
        contents = {file: file.read_bytes() for file in (path, place, other)}
        for trial in range(count):
            file = (path, place, other)[trial % 3]
            file.write_bytes(flipped(contents[file], rng))
            read = files.read if file == other else results.read
            try:
                read(file)
                way = "silent"
            except (ValueError, OSError) as error:
                way = "fine" if file.name in str(error) and "\n" not in str(error) else "traceback"
            except Exception:
                way = "traceback"
            if way == "fine" and trial % 30 == 1:  # a sweep that finds it redoes the cell
                log: list[str] = []
                again = sweep.run(small, path, log=log.append)
                way = "fine" if again.identical(whole) and "redone" in log[0] else "silent"
            if way == "fine" and trial % 30 == 0:
                way = refused(["show", str(file)])
            file.write_bytes(contents[file])
            yield f"{file.name} {trial}", way


@contextlib.contextmanager
def limited(room: int):
    """Writes beyond so many bytes of a file fail, as they do where a disk is full."""
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def disks(folder: Path) -> Found:
    """A disk that fills up while cell, results, picture and table are written."""
    from ibjax import results, sweep

    small, known = _sweep()
    old, new = folder / "old.nc", folder / "new.nc"
    with known:
        whole = sweep.run(small, old)
        said(["show", str(old)])
        before = {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()}
        for room in np.unique(np.linspace(0, 0.95 * old.stat().st_size, ROOM).astype(int)):
            way = "fine"
            with limited(int(room)):
                for write in (lambda: sweep.run(small, new), lambda: results.write(whole, old)):
                    try:
                        write()
                        way = "silent"
                    except OSError as error:
                        if "cannot be written" not in str(error):
                            way = "traceback"
                    except Exception:
                        way = "traceback"
                for options in ([], ["--table", str(folder / "t.csv")]):
                    shown = refused(["show", str(old), *options], may_pass=True)
                    way = shown if way == "fine" else way
            kept = [f for f in before if f.suffix != ".png"]  # pictures are drawn anew
            same = all(f.read_bytes() == before[f] for f in kept)
            odd = [f for f in folder.rglob("*") if f not in before and f.is_file()]
            whole_parts = all(f.suffix in (".nc", ".csv", ".png") and f.stat().st_size for f in odd)
            for f in odd:
                f.unlink()
            yield f"{room} bytes", way if same and whole_parts else "silent"


def _headers() -> dict[str, bytes]:
    import io

    def header(shape, text=None):
        stream = io.BytesIO()
        fields = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, fields)
        if text is None:
            return stream.getvalue()
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text

    return {
        "negative": header((-3, 2)),
        "truth for a size": header((True, 2)),
        "beyond 64 bits": header((2**62, 2**62)),
        "wraps to nothing": header((2**32, 2**32)),
        "a thousand axes": header((1,) * 1000),
        "two GiB": header((2**28,)),
        "eight TiB": header((10**6, 10**6)),
        "unknown type": header((2,), b"{'descr': 'zz', 'fortran_order': False, 'shape': (2,)}\n"),
        "code": header((2,), b"{'descr': open('x')}\n"),
        "deep": header((2,), b"(" * 9000 + b"\n"),
        "endless": header((2,), b"9" * 60_000),
        "not closed": header((2,), b"{'descr': '<f8', \n"),
        "another version": b"\x93NUMPY\x09\x00" + header((2,))[8:],
        "nothing": b"",
        "cut": header((2,))[:20],
        "more promised": header((20,)) + b"\0" * 159,
    }


def archives(folder: Path, count: int = 221) -> Found:
    """Archives of arrays: bits, cuts, headers, types, shapes and values that cannot be."""
    rng, path = np.random.default_rng(0), folder / "a.npz"
    half = rng.integers(0, 2, (2, 3, 5))
    mask = np.stack([half, 1 - half], 2).reshape(2, 6, 5)
    good = {"mask": mask, "losses": rng.integers(0, 2, (2, 6, 5, 2))}
    np.savez(path, **good)
    whole = path.read_bytes()
    _, table, _ = said(["bounds", str(path)])
    tried = 0

    def tell(what: str, command: str = "bounds", may_pass: bool = False):
        nonlocal tried
        tried += 1
        files = [str(path)] * (2 if command == "mi" else 1)
        return f"{command} {what}", refused([command, *files], may_pass)

    def bit(content: bytes):
        path.write_bytes(flipped(content, rng))
        found = tell("with a flipped bit", may_pass=True)
        same = said(["bounds", str(path)])[:2] in ((0, table), (2, ""))
        return found if same else (found[0], "silent")

    np.savez_compressed(path, **good)
    packed = path.read_bytes()
    for content in (whole, packed):
        for _ in range(35):
            yield bit(content)
        for keep in np.linspace(0, len(content) - 1, 15).astype(int):
            path.write_bytes(content[:keep])
            yield tell(f"cut after {keep} bytes")
    for what, content in _headers().items():
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("mask.npy", content)
        yield tell(f"with a header: {what}")
        path.write_bytes(content)
        yield tell(f"with a header: {what}", "mi")
    odd_types = [complex, np.longdouble, "V8", [("x", "f4")], "U2", "M8[s]", object]
    for name in good:
        for kind in odd_types:
            np.savez(path, **good | {name: np.zeros(good[name].shape, kind)})
            yield tell(f"with {name} of type {kind}")
        for shape in ((), (0,), (2, 6), (2, 6, 0), (1, 1, 1, 1), (6, 2, 5), (2, 6, 5, 2, 1)):
            np.savez(path, **good | {name: np.zeros(shape, int)})
            yield tell(f"with {name} of shape {shape}")
    scalars = {
        "dim": (-1, 0.5, 2**40),
        "num_classes": (1, 1.5, -2, 2**40),
        "exchangeable": (0.5, 2, -1),
        "batch_size": (0, 99, 1.5),
        "clip": (-1.0,),
        "diverged": (2, 0.5),
        "step_sizes": (-1.0, np.nan, np.inf),
        "noise_stds": (-1.0, np.nan),
        "layer_log1m": (0.5,),
        "batching": (3, "odd"),
        "maks": (1,),
    }
    vectors = ("step_sizes", "noise_stds", "layer_log1m")
    for name, values in scalars.items():
        for value in values:
            shape = {"diverged": (2, 6)} | dict.fromkeys(vectors, (3,))
            array = np.full(shape.get(name, ()), value)
            both = {k: array for k in ("step_sizes", "noise_stds") if name in vectors[:2]}
            np.savez(path, **good | both | {name: array})
            yield tell(f"with {name} = {value}")
    np.savez(path, **good | {k: np.zeros(0) for k in vectors[:2]}, exchangeable=1)
    yield tell("with no steps")
    for name, bad in (("mask", 2), ("mask", -1), ("losses", 2), ("losses", -1), ("losses", np.nan)):
        array = good[name].astype(float)
        array.flat[3] = bad
        np.savez(path, **good | {name: array})
        yield tell(f"with {name} holding {bad}")
    labels = rng.integers(0, 2, (2, 5, 2))
    for bad in (2**32, -1, 0.5, np.nan, 2**62):
        array = labels.astype(float)
        array.flat[0] = bad
        np.savez(path, mask=mask, predictions=good["losses"], labels=array)
        yield tell(f"with a label {bad}")
    while tried < count:
        path.write_bytes(rng.bytes(int(rng.integers(1, 400))))
        yield tell("of random bytes")


def data_sets(folder: Path, damaged: int = 51, counts: int = 10) -> Found:
    """Shards and their descriptions, damaged: an error that names the place, or the same data."""
    from ibjax import data
    from ibjax.data import preparing, tfds

    rng, size = np.random.default_rng(0), 120
    images = rng.integers(0, 256, (size, 8, 8, 1)).astype(np.uint8)
    place = preparing.write(
        folder, "small", "1.0.0", {"train": (images, rng.integers(0, 10, size))}
    )

    def load():
        tfds._cached.cache_clear()
        tfds._sizes.cache_clear()
        found = data.load("small", data_dir=folder)
        return np.asarray(found.x), np.asarray(found.y)

    whole = load()

    def way() -> str:
        try:
            found = load()
        except (ValueError, FileNotFoundError) as error:
            named = str(place) in str(error) or "'small'" in str(error)
            return "fine" if named and "\n" not in str(error) else "traceback"
        except Exception:
            return "traceback"
        return "fine" if all(map(np.array_equal, found, whole)) else "silent"

    shards = {kind: next(place.glob(f"*{kind}*")) for kind in ("array_record", "info", "features")}
    for trial in range(damaged):
        file = list(shards.values())[trial % 3]
        content = file.read_bytes()
        kind = ("bit", "cut", "gone")[trial // 3 % 3]
        if kind == "bit":
            file.write_bytes(flipped(content, rng, min(len(content), 80_000)))
        elif kind == "cut":
            file.write_bytes(content[: int(rng.random() * len(content))])
        else:
            file.unlink()
        yield f"{file.name} {kind}", way()
        file.write_bytes(content)
    info, content = shards["info"], shards["info"].read_text()
    promises = [[size - 1], [size + 1], [size, size], [0], [10 * size], [], ["x"], [-1]]
    promises += [[2**63], [1.5]]
    for promised in promises[:counts]:
        changed = json.loads(content)
        changed["splits"][0]["shardLengths"] = list(map(str, promised))
        info.write_text(json.dumps(changed))
        yield f"shard lengths {promised}", way()
    info.write_text(content)
