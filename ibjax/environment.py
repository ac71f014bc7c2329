"""What a process runs in: memory, folders of the user, versions."""

import contextlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax


def available_memory() -> int:
    """Bytes this process can still get: of the machine, its control group and its own limit."""
    known = [_proc("/proc/meminfo", "MemAvailable:", 1024)]
    known += [_group_memory("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current")]
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            known.append(soft - _proc("/proc/self/status", "VmSize:", 1024, 0))
    return max(min(known), 0)


def device_memory() -> int:
    """Bytes of the smallest device of this process; the host's on a CPU."""
    limits = []
    for device in jax.local_devices():
        with contextlib.suppress(Exception):  # not every backend keeps these figures
            limits.append(int((device.memory_stats() or {})["bytes_limit"]))
    return min(limits, default=available_memory())


PROCESSOR_CHUNK = 2 * 1024**3
"""Bytes of a chunk of replicas on a processor, which gains nothing by more."""

FREE_SHARE = 0.85
"""Of an accelerator's free memory, what a chunk may take: the rest is for what XLA's account of a
program leaves out, and for the gaps of the allocator."""


def chunk_memory() -> int:
    """Bytes that a chunk of replicas may take on each device of this process.

    On a processor 2 GiB; on accelerators a fixed share of what is free on the fullest one by its
    own count (`memory_stats`); 2 GiB where the backend keeps none.
    """
    free = []
    for device in jax.local_devices():
        if device.platform == "cpu":
            continue
        with contextlib.suppress(Exception):  # not every backend keeps these figures
            figures = device.memory_stats() or {}
            free.append(int(figures["bytes_limit"]) - int(figures.get("bytes_in_use", 0)))
    return int(FREE_SHARE * min(free)) if free else PROCESSOR_CHUNK


def analysis_device() -> Any:
    """Where bounds of evidence are computed in float64: the host; None where it has no backend.

    Evidence is small and its arithmetic one short program, which launches and copies would
    dominate on an accelerator; consumer cards have a 32nd to a 64th of their speed in float64,
    and some accelerators none. Where JAX_PLATFORMS leaves the host out, the default device serves.
    """
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def quick_compilation() -> dict[str, Any]:
    """Options of XLA for large programs that run a few times: half the time to compile.

    LLVM's optimisation and the emitters of fused loops gain nothing there. Results are the same up
    to rounding. The second option is no promise of XLA: it is given to the versions known to have
    it.
    """
    return {"xla_backend_optimization_level": 0} | _plain_loops()


def _plain_loops() -> dict[str, Any]:
    """Fused loops of a processor by the older emitters, where XLA is known to have the option."""
    known = version("jaxlib").startswith("0.10.")
    return {"xla_cpu_use_fusion_emitters": False} if known else {}


def lean_compilation() -> dict[str, Any]:
    """Options of XLA for large programs of a processor that run long: sooner compiled.

    The first level of LLVM's optimisation gives loops no slower than the third does. A level that
    the user asks for by XLA_FLAGS stays.
    """
    name = "xla_backend_optimization_level"
    return {} if name in os.environ.get("XLA_FLAGS", "") else {name: 1}


def brief_compilation() -> dict[str, Any]:
    """Options of XLA for programs that run for about as long as they compile: half the time.

    Those of `lean_compilation`, and the older emitters of fused loops: their loops are slower by a
    few hundredths. None on an accelerator.
    """
    return lean_compilation() | _plain_loops() if jax.default_backend() == "cpu" else {}


def amount(size: float) -> str:
    """A number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"


def settle_caches() -> str:
    """Give this process a place for what libraries keep between runs, where home offers none.

    A process in a container may have no home directory, or one that it cannot write to. The
    folder in its stead is this user's alone: compiled programs are run without a question.

    Returns:
        A remark that says which folder it is; empty where the usual one will do.
    """
    told = os.environ.get("XDG_CACHE_HOME")
    usual = Path(told) if told else Path(os.path.expanduser("~")) / ".cache"
    try:
        if not usual.is_absolute():
            raise FileNotFoundError(2, "no home directory")
        usual.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=usual):
            return ""
    except OSError as error:
        why = error.strerror if not usual.is_absolute() else f"{usual}: {error.strerror}"
    folder = temporary()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            raise FileExistsError(17, "belongs to another user")
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="ibjax-"))
    os.environ["XDG_CACHE_HOME"] = str(folder)
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    return f"{why}; compiled programs are kept in {folder}"


def cache_folder() -> Path:
    """Where compiled programs are kept between runs."""
    told = os.environ.get("XDG_CACHE_HOME")
    return (Path(told) if told else home() / ".cache") / "ibjax" / "xla"


def home() -> Path:
    """The home directory, or a folder of this user's in the temporary one where there is none."""
    place = os.path.expanduser("~")  # by HOME, or by the table of users
    return temporary() if place.startswith("~") else Path(place)


def temporary() -> Path:
    """A folder of this user's in the temporary one; not made here."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"ibjax-{user}"


def expanded(path: str | os.PathLike) -> Path:
    """A path with ``~`` and ``~user`` replaced.

    Raises:
        ValueError: if there is no such user or no home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: no home directory is known; give the path without ~") from None


def describe() -> dict[str, str]:
    """What the numbers of any file were made with: versions, device, unit of information."""
    device = jax.devices()[0]
    packages = ("ibjax", "jax", "jaxlib", "flax", "optax", "numpy", "xarray")
    return {
        "versions": json.dumps({name: version(name) for name in packages}),
        "device": f"{device.platform}: {device.device_kind} x {jax.local_device_count()}",
        "information_units": "nat",
    }


def merged(made: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Several descriptions as one: each device and version once, in their order."""

    def each(between: str, values: Iterable[str]) -> str:
        return between.join(dict.fromkeys(one for v in values for one in v.split(between)))

    versions = [json.loads(m["versions"]) for m in made]
    names = dict.fromkeys(name for v in versions for name in v)
    together = {k: each(" / ", (v[k] for v in versions if k in v)) for k in names}
    device = each("; ", (m["device"] for m in made))
    return {**made[-1], "versions": json.dumps(together), "device": device}


def version(package: str) -> str:
    """Version of an installed package."""
    return importlib.metadata.version(package)


def _proc(path: str, name: str, unit: int, missing: int = 2**62) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * unit
    return missing


def _group_memory(limit: str, used: str) -> int:
    try:
        return int(Path(limit).read_text()) - int(Path(used).read_text())
    except (OSError, ValueError):  # no such group, or "max"
        return 2**62
