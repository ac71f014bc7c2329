"""Networks of finite width beside sampled ones; known values at n ~ d^2."""

import numpy as np
import pytest
import xarray

from ibjax.reproduce.width import extensive as extensive_width
from ibjax.reproduce.width import finite as finite_width


def test_theory_and_replicas_agree(tmp_path, check_shown):
    options = finite_width.Options(
        widths=(4,), scales=(0.5,), replicas=24, steps=1000, learning_rate=0.004
    )
    outcome = finite_width.run(tmp_path, False, lambda line: None, options)
    assert outcome.table.row_count == 1
    check_shown("finite-width", outcome)
    with xarray.open_dataset(tmp_path / "finite-width.nc", engine="h5netcdf") as found:
        off = found["langevin_variance"] - found["exact_variance"]
        assert abs(float(off[0, 0])) < 4 * float(found["langevin_variance_se"][0, 0])
        # Labels smaller than the prior expects: narrow networks have the smaller variance.
        assert float(found["infinite_surprise"][0]) < 1
        assert float(found["exact_variance"][0, 0]) < float(found["infinite_variance"][0])
        mine = found.assign(certificate=1 - found["train_error"])
        cells = [list(c.cells) for c in finite_width.view(mine).table.columns]
        assert cells[-1][0].endswith("vacuous")
        gap = float((found["test_error"] - found["train_error"])[0, 0])
        assert gap < float(found["certificate"][0, 0]) < 0.5


def test_inputs_are_chosen_without_the_examples_that_are_certified():
    made = finite_width.task(finite_width.Options())
    x = made.x_test
    np.testing.assert_allclose(x.mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(x.T @ x / len(x), np.eye(x.shape[1]), atol=1e-9)
    assert np.abs(made.x.T @ made.x / len(made.x) - np.eye(x.shape[1])).max() > 0.01


def test_jackknife_of_the_predictive_variance():
    """Unbiased for independent draws: the sample variance with n - 1."""
    draws = np.random.default_rng(0).normal(size=(30, 1, 5))
    found = finite_width.summary(draws, np.zeros(5))
    expected = np.mean(np.var(draws[:, 0], axis=0, ddof=1))
    np.testing.assert_allclose(found["langevin_variance"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    "change,word",
    [
        (dict(widths=(4, 4)), "widths"),
        (dict(steps=5), "steps"),
        (dict(train_size=10_000), "train"),
        (dict(components=70), "components"),
    ],
)
def test_mistakes(tmp_path, change, word):
    with pytest.raises(ValueError, match=word):
        finite_width.run(tmp_path, False, print, finite_width.Options(**change))


def test_known_values_at_the_squared_dimension(monkeypatch):
    def known(*_, **__):
        return 3.47354

    # The search for the threshold has its own test.
    monkeypatch.setattr(extensive_width.teacher, "quadratic_threshold", known)
    for row in extensive_width.points(quick=True):
        np.testing.assert_allclose(row.ours, row.known.value, atol=2 * 10.0**-row.known.digits)


def test_both_regimes_are_stored_and_shown(tmp_path, monkeypatch, check_shown):
    """Made-up numbers: the run itself is the two lines above and the limits' own tests."""
    known = extensive_width.Known("made up", 0.5, "nowhere", 3)
    monkeypatch.setattr(extensive_width, "points", lambda quick: [extensive_width.Row(known, 0.4)])
    names = ("mmse", "mmse_universal")
    made_up = {f"quadratic_{name}": ("alpha", np.array([0.3, 0.2])) for name in names}
    curves = xarray.Dataset(
        {"linear_error": ("linear_alpha", np.array([0.9, 0.5, 0.4])), **made_up},
        {"linear_alpha": [1.0, 2.0, 3.0], "alpha": [1.0, 2.0]},
        {"floor": 0.35, "noise": 0.1},
    )
    monkeypatch.setattr(extensive_width, "curves", lambda quick: curves)
    outcome = extensive_width.run(tmp_path, True, lambda line: None)
    check_shown("extensive-width", outcome)
    assert [next(iter(c.cells)) for c in outcome.table.columns] == [
        "made up", "0.4000", "0.5000", "nowhere",
    ]  # fmt: skip
