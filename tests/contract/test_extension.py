"""What an addition costs: a statistic two places, a bound a function and a row, an optimiser none.

Each is added here, to the library as it stands.
"""

import importlib
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray

import ibjax
from ibjax import bounds, langevin, report, results
from ibjax.cli import listing
from ibjax.interface import BoundValue, Dataset, Supersample, fields
from ibjax.networks import MLP

PACKAGE = Path(ibjax.__file__).parent
registry = importlib.import_module("ibjax.bounds.evidence.registry")

STATISTIC = {
    "interface/evidence.py": (
        "    membership_information: Any = math.nan\n",
        "    sharpness: Any = math.nan\n",
    ),
    "interface/fields.py": (
        "FIELDS: dict[str, Field] = {\n",
        '    "sharpness": Field(_ALONG, True, "1/loss", least=0.0, what="largest curvature"),\n',
    ),
}
"""The two places of a new statistic, and the line it takes behind which."""

USE = """
import sys
import numpy as np
from ibjax import bounds, results
from ibjax.interface import Evidence
import ibjax.bounds.evidence.registry

registry = sys.modules["ibjax.bounds.evidence.registry"]
registry._ROWS = registry._ROWS[:1]  # one bound compiles sooner than all
mask = np.arange(24).reshape(2, 3, 4) % 2
given = {"mask": mask, "losses": np.zeros((2, 3, 4, 2), int)}
sharpness = np.arange(6.0).reshape(2, 3)
evidence = bounds.from_arrays(given | {"sharpness": sharpness})
assert np.array_equal(bounds.at(evidence).sharpness, sharpness)
for wrong, said in ((-sharpness, "at least 0"), (sharpness[0], "shape")):
    try:
        bounds.from_arrays(given | {"sharpness": wrong})
    except ValueError as error:
        assert "sharpness" in str(error) and said in str(error), error
    else:
        raise AssertionError("not refused")
row = registry.Bound("own", lambda moment: None, ("sharpness",), (), "bu2020", "reads it")
assert row.kind == "estimate"
results.write(results.from_evidence(evidence), sys.argv[1])
found = results.read(sys.argv[1])
assert np.array_equal(results.evidence(found).sharpness, sharpness[..., None])
said = "sharpness: (k1, k2, E), 1/loss, largest curvature."
assert said in Evidence.__doc__ and "radius: of the ball" in Evidence.__doc__
"""


def with_lines(folder, places):
    """The package in another folder, by links, but for a line more in some of its files."""
    opened = {Path(place).parents[i] for place in places for i in range(len(Path(place).parents))}
    for inside in sorted(opened, key=lambda path: len(path.parts)):
        (folder / "ibjax" / inside).mkdir(parents=True)
        for entry in (PACKAGE / inside).iterdir():
            own = entry.relative_to(PACKAGE)
            if own not in opened and str(own) not in places and entry.name != "__pycache__":
                (folder / "ibjax" / own).symlink_to(entry)
    for place, (before, line) in places.items():
        text = (PACKAGE / place).read_text()
        assert text.count(before) == 1, f"{place} has no line {before!r}"
        (folder / "ibjax" / place).write_text(text.replace(before, before + line))


def test_a_new_statistic_is_two_places(tmp_path):
    """A field and its row: arrays, checkpoints, checks, kinds, and the results file follow."""
    with_lines(tmp_path, STATISTIC)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", USE, str(tmp_path / "found.nc")]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with xarray.open_dataset(tmp_path / "found.nc", engine="h5netcdf") as found:
        assert found.sharpness.dims == ("supersample", "mask_id", "checkpoint")
        assert found.sharpness.attrs["units"] == "1/loss"
        assert found.sharpness.attrs["long_name"] == "largest curvature"


def test_what_evidence_holds_is_listed_from_its_table(monkeypatch, capsys):
    """A field added while the program runs is there, and every other one with what it is."""
    monkeypatch.setitem(fields.FIELDS, "sharpness", fields.Field(what="largest curvature"))
    only = {title: rows for title, rows in listing.SECTIONS.items() if "evidence" in title}
    monkeypatch.setattr(listing, "SECTIONS", only)
    listing.execute(listing.List())
    printed = capsys.readouterr().out
    assert all(name in printed and field.what for name, field in fields.FIELDS.items())
    assert "largest curvature" in printed


def twice_the_error(moment):
    """A bound of one's own: nothing of it is anywhere else."""
    error = jnp.mean(moment.train_error)
    return BoundValue(2 * error, vacuous=error >= 0.5, kind="certificate")


@pytest.fixture(scope="module")
def evidence():
    """Replicas trained by a rule of one's own, for three steps."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40).astype(np.int32)
    x = (y[:, None] * 2 - 1 + 0.3 * rng.normal(size=(40, 3))).astype(np.float32)
    index = np.stack([rng.permutation(40)[:20].reshape(10, 2) for _ in range(2)])
    pairs = Supersample(index, rng.integers(0, 2, (2, 2, 10)))

    def update(gradients, state, params=None):
        return jax.tree.map(lambda g: -0.5 * jnp.sign(g), gradients), state + 1

    rule = optax.GradientTransformation(lambda params: jnp.zeros((), int), update)
    config = langevin.Config(MLP(depth=1, width=4), steps=3, batch_size=5, optimizer=rule)
    return langevin.run_replicas(jax.random.key(0), config, Dataset(x, y, 2, "toy"), pairs)


def test_an_optimiser_of_ones_own_needs_no_place(evidence):
    """Steps along the sign of the gradient: no theorem of the path holds, the tables do."""
    assert evidence.train_error.shape == (2, 2, 1) and not evidence.diverged.any()
    assert np.isnan(evidence.step_sizes).all() and (evidence.noise_stds == 0).all()


def test_a_new_bound_is_one_function_and_one_row(evidence, monkeypatch, tmp_path):
    """Its kind, its note where it cannot hold, the file, the table and the text follow."""
    row = registry.Bound(
        "own", twice_the_error, ("train_error",), ("iid",), "bu2020", "twice the training error"
    )
    path = replace(row, name="own_path", assumptions=("weight_noise",))
    monkeypatch.setattr(registry, "_ROWS", (row, path))
    assert list(bounds.registry()) == ["own", "own_path"]
    assert "noise_stds" in path.inputs and "noise_stds" not in row.inputs
    found = bounds.evaluate(evidence)
    expected = 2 * np.mean(evidence.train_error)
    assert float(found["own"].value) == pytest.approx(expected, abs=1e-7)
    assert found["own"].kind == "estimate"  # it reads what was measured
    assert np.isnan(found["own_path"].value) and found["own_path"].note
    results.write(results.from_evidence(evidence), tmp_path / "found.nc")
    stored = results.read(tmp_path / "found.nc")
    assert stored.bound_name.values.tolist() == ["own", "own_path"]
    assert float(stored.bound_value.sel(bound_name="own").squeeze()) == pytest.approx(expected)
    assert stored.bound_kind.sel(bound_name="own").item() == "estimate"
    assert "own" in report.csv(stored) and "own" in report.markdown(stored, names=["own"])
    assert "bu2020" in report.bibliography(stored)
    assert stored.bound_about.values.tolist() == ["", ""]  # of no information

    def told(moment, **about):
        return replace(twice_the_error(moment), information=jnp.asarray(0.1), **about)

    monkeypatch.setattr(registry, "_ROWS", (replace(row, measure=told),))
    with pytest.raises(ValueError, match="own gives information and does not say what"):
        bounds.evaluate(evidence, names=["own"])
    stated = replace(row, measure=partial(told, about="pair"))
    monkeypatch.setattr(registry, "_ROWS", (stated,))
    again = bounds.evaluate(evidence, names=["own"])["own"]
    assert again.about == "pair"
    with pytest.raises(ValueError, match="from own, which is about single pairs"):
        bounds.xu_raginsky(again, 10, 0.5)


def test_a_row_has_its_kind_from_all_that_it_reads(evidence, monkeypatch):
    """What was measured and is not declared is not there: it made a certificate of an estimate."""

    def claims(read):
        def measure(moment):
            return BoundValue(jnp.asarray(read(moment)), kind="certificate", about="other")

        return registry.Bound("own", measure, ("clip",), ("iid",), "bu2020", "claims")

    def of(read):
        monkeypatch.setattr(registry, "_ROWS", (claims(read),))
        return bounds.evaluate(evidence, names=["own"])["own"]

    fair = of(lambda moment: 0.25)
    assert fair.kind == "certificate" and float(fair.value) == 0.25
    for read in (
        lambda moment: jnp.mean(moment.train_error),
        lambda moment: jnp.mean(jax.jit(lambda m: m.test_error)(moment)),
        lambda moment: jnp.mean(moment[moment._fields.index("train_error")]),
    ):
        hidden = of(read)
        assert np.isnan(hidden.value) and not hidden.holds
        assert "what was measured and is not among its inputs" in hidden.note
    for wrong, said in ((jnp.ones(3), r"float\d+ \(3,\)"), (0.5 + 1j, "complex")):
        with pytest.raises(ValueError, match=f"own gives {said}.*one real number"):
            of(lambda moment, wrong=wrong: wrong)
    with pytest.raises(ValueError, match="own reads predictions, which was measured"):
        of(lambda moment: jnp.mean(moment.predictions))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"inputs": ("train_eror",)}, "inputs of own holds 'train_eror'"),
        ({"limits": ("test_error",)}, "limits of own holds 'test_error'"),
        ({"assumptions": ("idd",)}, "assumptions of own holds 'idd'"),
        ({"lowered": "proof"}, "lowered of own holds 'proof'"),
    ],
)
def test_a_row_that_names_what_is_not_there_is_refused(change, named):
    row = registry.Bound("own", twice_the_error, ("train_error",), ("iid",), "bu2020", "twice")
    with pytest.raises(ValueError, match=named):
        replace(row, **change)


def test_two_rows_of_one_name_are_refused(monkeypatch):
    first = registry._ROWS[0]
    own = replace(first, measure=twice_the_error, summary="another")
    monkeypatch.setattr(registry, "_ROWS", (*registry._ROWS, own))
    with pytest.raises(ValueError, match="two rows of the registry are named 'individual'"):
        bounds.registry()
