"""What a process has, and where it may keep things."""

import os
import stat
from pathlib import Path

import pytest

from ibjax import data, environment, files


def test_memory_is_of_this_machine():
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < environment.available_memory() <= total
    assert 0 < environment.device_memory()
    sizes = (0, 1023, 1536, 5 * 2**30, 2**60)
    words = ("0 bytes", "1023 bytes", "1.5 KiB", "5 GiB", "1048576 TiB")
    assert tuple(map(environment.amount, sizes)) == words


@pytest.mark.parametrize("home", ["", "relative", "/proc/nowhere"])
def test_without_a_home_caches_lie_in_a_private_folder(home, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(os.path, "expanduser", lambda p: p.replace("~", home) if home else p)
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    remark = environment.settle_caches()
    folder = tmp_path / f"ibjax-{os.getuid()}"
    assert str(folder) in remark and "\n" not in remark
    assert environment.cache_folder() == folder / "ibjax" / "xla"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert environment.settle_caches() == ""


def test_without_a_home_data_are_looked_for_in_a_folder_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda p: p)
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        data.load("mnist")
    with pytest.raises(ValueError, match="without ~"):
        environment.expanded("~/data")


def test_a_usual_home_needs_no_remark(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert environment.settle_caches() == ""
    assert environment.cache_folder() == tmp_path / ".cache" / "ibjax" / "xla"
    assert environment.expanded("~/a") == tmp_path / "a" and environment.home() == Path(tmp_path)


def test_descriptions_keep_every_device_and_version_once():
    one = {"device": "cpu x 2", "versions": '{"jax": "1", "numpy": "2"}'}
    two = {"device": "gpu x 8", "versions": '{"jax": "1", "numpy": "3"}'}
    both = environment.merged([one, two])
    assert both == {"device": "cpu x 2; gpu x 8", "versions": '{"jax": "1", "numpy": "2 / 3"}'}
    assert environment.merged([both, one]) == both and environment.merged([one]) == one
    assert files.digest(1) != files.digest(2)
