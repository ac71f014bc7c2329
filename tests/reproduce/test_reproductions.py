import numpy as np
import pytest
import xarray

from ibjax.reproduce import reproductions, stored
from ibjax.reproduce.depth import sign_learner
from ibjax.reproduce.outcome import bound_text


def test_the_depth_factor_is_attained_at_every_depth():
    found = sign_learner.points(n=20, rho=0.8, depths=(0, 1, 3), runs=20_000)
    for p in found:
        assert p.gap / p.bound == pytest.approx(0.6776607516, abs=1e-9)
        assert abs(p.simulated - p.gap) < 4 * p.std_error
    assert found[1].bound == pytest.approx(0.2106215078, abs=1e-9)
    assert found[2].bound == pytest.approx(0.1347977650, abs=1e-9)


@pytest.mark.parametrize("name", ["sign-learner", "depth-trade-off"])
def test_a_reproduction_runs_and_writes_its_files(name, tmp_path, check_shown):
    said = []
    outcome = reproductions()[name].run(tmp_path, True, said.append)
    check_shown(name, outcome, drawn=True)
    assert said and outcome.table.row_count >= 4
    assert all(path.stat().st_size > 1000 for path in outcome.files)
    again = reproductions()[name].run(tmp_path, True, said.append)
    old = [list(c.cells) for c in outcome.table.columns]
    assert [list(c.cells) for c in again.table.columns] == old
    if name == "depth-trade-off":
        cells = {c.header: list(c.cells) for c in outcome.table.columns}
        factor, least, train, effective = (
            np.array(cells[k], float) for k in ("eta^(L/2)", "least", "train", "L eff.")
        )
        assert (factor >= least).all() and (least > 0).all()
        assert least[3] < least[1]
        assert factor[2] < factor[0] and factor[3] < factor[2]
        assert train[3] > train[1]
        np.testing.assert_allclose(effective, [1, 2, 1, 2])


@pytest.mark.parametrize("name", reproductions())
def test_every_file_of_a_reproduction_has_a_view(name):
    """Found by its mark, and asked for the numbers it needs."""
    assert reproductions()[name].view is not None
    with pytest.raises(ValueError, match=f"^a file of {name} that "):
        stored.view(xarray.Dataset(attrs={"reproduction": name}))


@pytest.mark.parametrize(
    "settings, name",
    [
        ('{"noise": "langevin", "train_size": 100, "pool": 9}', "fcmi-mnist-langevin"),
        ('{"variant": "wide", "train_size": 75, "pool": 9}', "fcmi-mnist"),
        ('{"budget": 1, "learning_rate": 1, "batch_size": 3}', "certified-mnist"),
        ('{"separation": 1, "classes": 2, "sklearn": "1"}', "linear-classifier"),
        ('{"budget": 1}', None),
        ("[]", None),
        ("not JSON", None),
    ],
)
def test_parts_that_name_no_reproduction_are_told_by_their_settings(settings, name):
    assert stored.name_of(xarray.Dataset(attrs={"settings": settings})) == name


def test_a_file_of_nothing_known_has_no_view():
    assert stored.view(xarray.Dataset(attrs={"reproduction": "of something else"})) is None
    assert stored.view(xarray.Dataset(attrs={"title": "else"})) is None


def test_a_vacuous_bound_says_so():
    assert bound_text(0.1234, 0.01) == "0.123±0.010"
    assert bound_text(1.0) == "1.000 vacuous"
    assert bound_text(float("nan")) == "nan"


def test_a_trade_off_that_says_nothing_of_the_test_error_is_vacuous():
    names = ("effective", "factor", "least", "train_error", "test_error", "gap", "gap_half_width")
    found = {name: (("curve", "depth"), [[0.5]]) for name in names}
    found |= {"bound": (("curve", "depth"), [[0.6]])}
    places = {"depth": [1], "dataset": ("curve", ["digits"]), "train_size": ("curve", [9])}
    places |= {"layer_noise": ("curve", [1.0])}
    from ibjax.reproduce.depth import trade_off

    extra = {f"{n}_half_width": (("curve", "depth"), [[0.1]]) for n in ("train_error", "bound")}
    table = trade_off.view(xarray.Dataset(found | extra, places, {"width": 8})).table
    cells = {c.header: next(iter(c.cells)) for c in table.columns}
    assert cells["bound"] == "0.600" and cells["train + bound"] == "1.100 vacuous"
