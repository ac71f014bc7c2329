"""What importing costs and needs."""

import json
import subprocess
import sys

HEAVY = ("flax", "optax", "xarray", "matplotlib", "tensorflow_datasets", "sklearn", "tyro", "rich")


def loaded(statement):
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_ibjax_loads_nothing_heavy_and_no_stage():
    modules = loaded("import ibjax")
    assert not modules & set(HEAVY)
    assert "ibjax.bounds" not in modules


def test_the_mathematics_loads_without_training_or_reading_anything():
    modules = loaded("import ibjax; ibjax.bounds, ibjax.mi, ibjax.contraction, ibjax.data")
    assert not modules & (set(HEAVY) - {"optax", "flax"})


def test_a_command_loads_neither_results_nor_reports_before_it_needs_them():
    modules = loaded("import ibjax.cli.commands as c; c.account.quantities('')")
    assert not modules & {"xarray", "matplotlib", "ibjax.results", "ibjax.report"}


def test_what_a_sweep_runs_on_loads_no_large_part_of_another_library():
    """SciPy's distributions are slow to import, and not needed."""
    modules = loaded("import ibjax; ibjax.sweep")
    assert not modules & {"scipy.stats", "scipy.optimize", "sklearn", "matplotlib"}


def test_what_stores_and_draws_is_loaded_beside_a_training():
    """By the first cell that is stored, and by `blank.prepare`."""
    modules = loaded("import ibjax.cli.commands, ibjax.sweep, ibjax.plan, ibjax.results")
    assert not modules & {"xarray", "pandas", "h5netcdf", "matplotlib", "PIL"}
    modules = loaded("from ibjax import blank; blank.prepare()")
    assert modules >= {"matplotlib.backends.backend_agg", "PIL.PngImagePlugin"}


def test_ibjax_works_without_tensorflow_datasets():
    blocked = "import sys; sys.modules['tensorflow_datasets'] = None"
    use = "import ibjax; assert len(ibjax.data.load('digits', classes=(4, 9)).y) > 200"
    loaded(f"{blocked}; {use}; import ibjax.cli")


def test_importing_makes_no_array_and_starts_no_device():
    check = "from jax._src import xla_bridge as b; assert not b.backends_are_initialized()"
    loaded(f"import ibjax, ibjax.cli; ibjax.bounds, ibjax.langevin, ibjax.sweep; {check}")
