"""What sentences and tables may say of certificates."""

import io

import numpy as np
import xarray
from rich.console import Console

from ibjax import report, rounding
from ibjax.bounds import from_arrays
from ibjax.report.summary import Row
from ibjax.report.table import cell


def test_the_best_of_several_limits_holds_with_the_confidence_of_all():
    rng, k1, k2, n = np.random.default_rng(0), 200, 2, 5
    mask = rng.integers(0, 2, (k1, k2, n))
    losses = np.zeros((k1, k2, n, 2))
    np.put_along_axis(losses, 1 - mask[..., None], rng.integers(0, 2, (k1, k2, n, 1)), -1)
    given = {"mask": mask, "losses": losses, "step_sizes": np.full(4, 0.1), "clip": 1.0}
    given |= {"noise_stds": np.full(4, 0.1), "exchangeable": 1, "shared_batches": 0, "dim": 7}
    given |= {"bounded_steps": 1, "batching": "full", "batch_size": n, "num_classes": 2}
    given |= {"membership_information": np.full((k1, k2), 1e-3)}
    evidence = from_arrays(given)._replace(index=np.arange(2 * k1 * n).reshape(k1, n, 2))
    names = ("individual", "individual_kl", "individual_at_error")
    one = report.why(evidence, names=names)
    assert "Bound to gap" in " ".join(one.sentences)
    assert "Certificate to estimate: individual_kl (95 %) " in one.sentences[0]
    three = report.why(evidence, names=(*names, "trajectory_cmi_certified"))
    assert "(the best of 2 limits, 90 %) " in three.sentences[0]
    sure = report.why(evidence, names=("individual", "individual_at_error"))
    value = rounding.up(next(row for row in sure.rows if row[0] == "individual")[-1], ".3g")
    assert f"Certificate to estimate: individual {value} is " in sure.sentences[0]
    assert f"takes individual from {value} to " in " ".join(sure.sentences)


def test_a_small_bound_does_not_read_as_zero():
    values = np.array([0.00041, 0.0, 0.0126])
    row = Row("individual", "certificate", values, np.full(3, np.nan), np.zeros(3, bool))
    assert [cell(row, i) for i in range(3)] == ["0.0005", "0.000", "0.013"]
    measured = row._replace(kind="measured", errors=np.full(3, 0.001))
    assert cell(measured, 0) == "0.000±.001"


def test_what_is_vacuous_is_called_so():
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 2, (3, 2, 5))
    losses = rng.integers(0, 2, (3, 2, 5, 2))
    given = {"mask": mask, "losses": losses, "step_sizes": np.full(4, 9.0), "clip": 9.0, "dim": 70}
    given |= {"noise_stds": np.full(4, 0.1), "exchangeable": 1, "shared_batches": 0}
    given |= {"bounded_steps": 1, "batching": "full", "batch_size": 5, "num_classes": 2}
    names = ("individual", "xu_raginsky")
    for step, said in ((9.0, True), (1e-4, False)):
        given["step_sizes"] = np.full(4, step)
        found = report.why(from_arrays(given), names=names)
        assert [row[-1] >= 1 for row in found.rows] == [said, said]
        sentence = "Vacuous, no gap is ruled out: individual, xu_raginsky."
        assert (sentence == found.sentences[0]) == said


def test_shared_noise_is_said_of_what_was_measured_under_it():
    runs = (("learning_rate", "supersample", "mask_id"), np.full((2, 3, 2), 0.1))
    columns = {"train_error": runs, "test_error": runs, "gap": ("learning_rate", [0.1, 0.2])}
    columns |= {"gap_std_error": ("learning_rate", [0.01, 0.01])}
    columns |= {"shared_batches": ("learning_rate", [0.0, 1.0])}
    found = xarray.Dataset(columns, {"learning_rate": [0.1, 0.2]})
    words = "given the batches or noise that all replicas share"
    page = Console(width=120, file=io.StringIO(), legacy_windows=False)
    page.print(report.table(found))
    assert f"Errors and gap, with their ±, at eta 0.2: {words}." in page.file.getvalue()
    for text in (report.markdown(found), report.latex(found), page.file.getvalue()):
        assert text.count("measured, shared noise") == 3
    assert "shared noise" not in report.markdown(found.isel(learning_rate=[0]))
    rows = report.frame(found)
    given = rows[rows.given == words]
    assert set(given.learning_rate) == {0.2} and {"gap", "train error"} <= set(given.name)
    assert set(given.kind) == {"measured"} and set(rows.given.dropna()) == {words}
