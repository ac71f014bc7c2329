"""Teacher and student at a tiny size: what is written, and what no number may contradict."""

import numpy as np
import xarray
from scipy.stats import t

from ibjax.reproduce.teacher import student as teacher_student
from ibjax.reproduce.teacher import view as teacher_view

TINY = teacher_student.Options(
    alpha=(2.0,),
    dimension=20,
    teacher_width=100,
    width=8,
    teachers=4,
    masks=2,
    steps=30,
    passing_dimension=300,
    passing_runs=8,
    passing_steps=12,
)


def test_teacher_and_student(tmp_path, check_shown):
    said = []
    outcome = teacher_student.run(tmp_path, False, said.append, TINY)
    assert said == ["n/d = 2: n = 40"]
    check_shown("teacher-student", outcome)
    found = xarray.load_dataset(outcome.files[0], engine="h5netcdf")
    # The tabulated noiseless sign of a tanh teacher at alpha = 2.
    assert abs(float(found["bayes_error"][0]) - 0.2074258195) < 6e-11
    assert abs(float(found["mi_per_sample"][0]) - 0.5455954130) < 6e-11
    assert found["bayes_error"][0] < found["ridge_limit"][0] < 0.25
    # Message passing on state evolution: t with 7 degrees of freedom, and O(1/d).
    off, path = teacher_view.deviations(found)
    assert abs(off[0]) < t.ppf(0.9995, 7) and np.all(np.abs(path[0, 2:]) < 6)
    # The student is above the line, and no bound on its gap is below the floor.
    mean, half = teacher_view.interval(found["student_error"].values)
    assert mean[0] + half[0] > float(found["bayes_error"][0])
    assert "No student beats" in str(outcome.table.caption)
    certified = found["bound_value"].values[0, found["bound_kind"].values == "certificate"]
    certified = certified[np.isfinite(certified)]
    assert certified.size >= 2 and np.all(certified > teacher_view.floor(found)[0])
    kinds = list(outcome.table.columns[1].cells)
    assert set(kinds) == {"exact", "estimate", "certificate", "diagnostic"}


def test_the_verdict_can_be_negative():
    found = xarray.Dataset(
        {
            "student_error": (("alpha", "teacher"), [[0.1, 0.11, 0.12]]),
            "bayes_error": ("alpha", [0.2]),
            "train_error": (("alpha", "teacher"), [[0.0, 0.1, 0.2]]),
        },
        {"alpha": [2.0]},
    )
    assert "BELOW THE BAYES LINE at n/d = 2" in teacher_view.verdict(found)
    np.testing.assert_allclose(teacher_view.floor(found), 0.1)


def test_one_teacher_has_no_verdict():
    found = xarray.Dataset(
        {
            "student_error": (("alpha", "teacher"), [[0.0]]),
            "bayes_error": ("alpha", [0.3]),
        },
        {"alpha": [2.0]},
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        assert "nothing is said of the Bayes line" in teacher_view.verdict(found)
