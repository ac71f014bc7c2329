"""Settings every test shares: hypothesis profile, the float64 fixture, the shared data."""

import gc
import os
from importlib.metadata import version
from pathlib import Path

# A test runs a program a few times: LLVM's optimisation and the emitters of fused loops cost half
# of the compilation and gain nothing. Results are the same up to rounding; set XLA_FLAGS to test
# optimised programs. The second flag is no promise of XLA, and an unknown one ends the process.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    + " --xla_cpu_use_fusion_emitters=false" * version("jaxlib").startswith("0.10."),
)

import jax
import pytest
from hypothesis import HealthCheck, settings

# Tracing makes objects by the thousand, most of which stay: to look for cycles among them after
# every 700, as Python does, is up to a tenth of a test's time.
gc.set_threshold(50_000)

# Four fifths of the suite's time is compilation. Programs are shared between workers and with the
# processes tests start, and kept for the next run; JAX's keys hold versions and flags.
_CACHE = {
    "jax_compilation_cache_dir": str(Path(__file__).parents[1] / ".pytest_cache" / "xla"),
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    for _name, _value in _CACHE.items():
        os.environ[_name.upper()] = str(_value)
        jax.config.update(_name, _value)

settings.register_profile(
    "ibjax",
    deadline=None,
    derandomize=True,
    max_examples=int(os.environ.get("IBJAX_EXAMPLES", "25")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("ibjax")


@pytest.fixture(scope="module", autouse=True)
def few_memory_maps():
    """Drop compiled programs before their memory maps reach Linux's limit of 65,530 a process.

    Every program XLA compiles for the CPU holds about fourteen maps; past the limit the next
    compilation ends in a segmentation fault.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 35_000:
        from ibjax.langevin import programs

        programs.compiled.cache_clear()
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def x64():
    """Run one test in float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Run one test in both precisions; the value is the dtype's name."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param


@pytest.fixture(scope="session")
def tfds_dir() -> str:
    """A TFDS data directory with MNIST, or a skip with its reason."""
    shared = Path(__file__).parents[2] / "shared" / "datasets" / "tfds"
    candidates = [os.environ.get("TFDS_DATA_DIR"), shared]
    for candidate in candidates:
        if candidate and (Path(candidate) / "mnist").is_dir():
            return str(candidate)
    pytest.skip("needs MNIST in TFDS format: set TFDS_DATA_DIR to a directory that holds it")
