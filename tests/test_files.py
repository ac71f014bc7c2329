"""Files whole or not at all, with a checksum, and nothing of anybody else's touched."""

import errno
import os
import resource
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray

from ibjax import files


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    return xarray.Dataset(
        {
            "a": (("x", "y"), rng.random((80, 40)), {"units": "nat"}),
            "flag": ("x", rng.random(80) < 0.5),
        },
        {"x": np.arange(80), "name": ("y", [f"é{i}" for i in range(40)])},
        {"about": "two words", "number": 3},
    )


def test_what_is_written_is_read_again_by_us_and_by_others(dataset, tmp_path):
    path = tmp_path / "deep" / "a.nc"
    files.write(dataset, path)
    assert files.read(path).identical(dataset)
    with xarray.open_dataset(path) as opened:
        assert opened.identical(dataset)
    with h5py.File(path) as opened:
        assert opened["a"].shape == (80, 40)


def test_every_single_byte_is_watched(dataset, tmp_path):
    path = tmp_path / "a.nc"
    files.write(dataset, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    places = [*range(20), *range(len(whole) - 90, len(whole)), *rng.integers(len(whole), size=300)]
    for place in places:
        broken = bytearray(whole)
        broken[place] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"a\.nc.*not a whole netCDF file"):
            files.read(path)
    for keep in (0, 1, 8, 100, len(whole) - 79, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(ValueError, match="not a whole netCDF file"):
            files.read(path)


def test_a_number_changed_by_another_program_is_noticed(dataset, tmp_path):
    path = tmp_path / "a.nc"
    files.write(dataset, path)
    with h5py.File(path, "r+") as opened:
        opened["a"][0, 0] = 0.14
    with pytest.raises(ValueError, match="no checksum"):
        files.read(path)


def test_what_is_no_file(tmp_path):
    for place in (tmp_path / "absent.nc", tmp_path):
        with pytest.raises(FileNotFoundError, match="no such file"):
            files.read(place)


def test_a_file_is_put_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    files.put(path, b"first")

    def half(stream):
        stream.write(b"sec")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        files.put(path, half)
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError):
        files.put(tmp_path / "nowhere" / "a.txt", b"")
    with pytest.raises(IsADirectoryError):
        files.put(tmp_path, b"")


@pytest.mark.parametrize("room", [0, 1, 100, 4096, 20_000])
def test_a_full_disk_leaves_the_old_file(dataset, tmp_path, room):
    """A limit on the size of files fails where a full disk does, in the middle of a write."""
    path = tmp_path / "a.nc"
    files.write(dataset, path)
    before = path.read_bytes()
    assert len(before) > 20_000
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, old[1]))
        with pytest.raises(OSError) as refused:
            files.write(dataset, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert "a.nc: cannot be written (File too large)" in str(refused.value)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


HOLD = """
import sys, time; from pathlib import Path; from ibjax import files
with files._part(Path(sys.argv[1])) as (part, stream):
    stream.write(b"half"); stream.flush(); print("held", flush=True); time.sleep(60)
"""


def test_a_part_goes_with_its_process_and_stays_while_it_lives(tmp_path):
    path = tmp_path / "r[0].nc"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline().strip() == "held"
    (part,) = tmp_path.iterdir()
    files.put(path, b"whole")
    files.check_writable(tmp_path)
    assert part.exists()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    files.put(tmp_path / "another", b"")
    assert not part.exists() and path.read_bytes() == b"whole"


def test_no_foreign_file_is_removed(tmp_path):
    names = [".r.nc.notes.part", ".r.nc.old.part", "r.nc.part", ".r.nc.ibjax-12.part", "x.part.nc"]
    names += [".r.nc.ibjax-0123456789abcdef.part.keep", ".r.nc.0123abcd.part.nc"]
    for name in names:
        (tmp_path / name).write_text("mine")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".r.nc.ibjax-0123456789abcdef.part").mkdir()
    files.put(tmp_path / "r.nc", b"whole")
    files.remove_parts(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(names) + 2


def test_a_link_is_followed(tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "a.txt", tmp_path / "a.txt"
    target.write_text("old")
    link.symlink_to(target)
    files.put(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    with pytest.raises(ValueError, match="--picture"):
        files.check_apart(link, target, "--picture")
    files.check_apart(tmp_path / "b.txt", target, "--picture")


def test_a_home_is_put_in_its_place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    files.put("~/a.txt", b"here")  # pyright: ignore[reportArgumentType]
    assert [f.name for f in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(ValueError, match="~nobody-of-this-name"):
        files.put("~nobody-of-this-name/a.txt", b"")  # pyright: ignore[reportArgumentType]


def test_a_place_is_looked_at_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "a.nc"):
        with pytest.raises(OSError, match="--table"):
            files.check_place(place, "--table")
    with pytest.raises(ValueError, match="too long"):
        files.check_place(tmp_path / ("x" * 240), "--table")
    files.check_place(tmp_path / "new" / "a.nc")
    assert (tmp_path / "new").is_dir() and not list((tmp_path / "new").iterdir())


def test_without_locks_parts_are_left_alone(tmp_path, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = tmp_path / ".a.ibjax-0123456789abcdef.part"
    left.write_text("half")
    files.put(tmp_path / "a", b"whole")
    assert left.exists() and (tmp_path / "a").read_bytes() == b"whole"


def test_a_digest_sees_shapes_types_and_values():
    a = np.arange(6.0)
    same = files.digest(a, 3)
    assert same == files.digest(a.copy(), 3)
    others = [files.digest(a.reshape(2, 3), 3), files.digest(a.astype("f4"), 3)]
    others += [files.digest(a, 4), files.digest(np.nextafter(a, 9), 3)]
    assert len({same, *others}) == 5
