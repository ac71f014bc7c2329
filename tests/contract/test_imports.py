"""What importing costs and needs."""

import json
import subprocess
import sys

import pytest

HEAVY = ("flax", "optax", "xarray", "matplotlib", "tensorflow_datasets", "sklearn", "tyro", "rich")
BEGUN = "getattr(sys.modules.get('jax._src.xla_bridge'), 'backends_are_initialized', bool)()"
STATEMENTS = {
    "the package": "import ibjax",
    "the mathematics": "ibjax.bounds, ibjax.mi, ibjax.contraction, ibjax.data",
    "the command": "import ibjax.cli.commands as c; c.account.quantities('')",
    "a sweep": "ibjax.langevin, ibjax.sweep",
    "results": "import ibjax.plan, ibjax.results",
    "pictures": "from ibjax import blank; blank.prepare()",
}


def loaded(*statements):
    """The modules that are there after each of these statements, and ``device`` if one is."""
    told = f"print(json.dumps([*sorted(sys.modules), *['device'] * {BEGUN}]))"
    code = "\n".join(["import sys, json", *(f"{s}\n{told}" for s in statements)])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [set(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def after():
    """What is there after each of the statements, in one process.

    Modules stay: what one statement must not load is there neither from those before it.
    """
    return dict(zip(STATEMENTS, loaded(*STATEMENTS.values()), strict=True))


def test_importing_ibjax_loads_nothing_heavy_and_no_stage(after):
    assert not after["the package"] & set(HEAVY)
    assert "ibjax.bounds" not in after["the package"]


def test_the_mathematics_loads_without_training_or_reading_anything(after):
    assert "ibjax.bounds" in after["the mathematics"]
    assert not after["the mathematics"] & (set(HEAVY) - {"optax", "flax"})


def test_a_command_loads_neither_results_nor_reports_before_it_needs_them(after):
    assert "ibjax.cli.account" in after["the command"]
    assert not after["the command"] & {"xarray", "matplotlib", "ibjax.results", "ibjax.report"}


def test_what_a_sweep_runs_on_loads_no_large_part_of_another_library(after):
    """SciPy's distributions are slow to import, and not needed."""
    assert "ibjax.sweep" in after["a sweep"]
    assert not after["a sweep"] & {"scipy.stats", "scipy.optimize", "sklearn", "matplotlib"}


def test_what_stores_and_draws_is_loaded_beside_a_training(after):
    """By the first cell that is stored, and by `blank.prepare`."""
    assert not after["results"] & {"xarray", "pandas", "h5netcdf", "matplotlib", "PIL"}
    assert after["pictures"] >= {"matplotlib.backends.backend_agg", "PIL.PngImagePlugin"}


def test_ibjax_works_without_tensorflow_datasets():
    blocked = "import sys; sys.modules['tensorflow_datasets'] = None"
    use = "import ibjax; assert len(ibjax.data.load('digits', classes=(4, 9)).y) > 200"
    loaded(f"{blocked}; {use}; import ibjax.cli")


def test_importing_makes_no_array_and_starts_no_device(after):
    assert {"ibjax.cli", "ibjax.sweep", "jax._src.xla_bridge"} <= after["results"]
    assert "device" not in after["results"]
    (begun,) = loaded("import jax; jax.devices()")
    assert "device" in begun
