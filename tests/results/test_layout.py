import numpy as np
import pytest
import xarray

from ibjax import report
from ibjax.report.axes import heading
from ibjax.results import grid, layout


@pytest.mark.parametrize("lost", ["{", "[1]", "3", 7, ""])
def test_a_file_that_lost_its_configuration_is_shown_without_it(lost):
    found = xarray.Dataset({"gap": 0.1}, attrs={"config": lost})
    assert layout.configuration(found) == {} == layout.configuration(found.drop_attrs())
    assert heading(found) == heading(found.drop_attrs())
    assert report.summarise(found).row("gap").values[0] == 0.1


def test_a_configuration_is_read():
    found = xarray.Dataset(attrs={"config": '{"masks": 3}'})
    assert layout.configuration(found) == {"masks": 3}


def test_cells_from_before_subjects_were_stored_are_joined_with_new_ones():
    """A sweep that is resumed holds cells of both; subjects that differ are none of them all."""
    sizes = dict.fromkeys(grid._PADDED, 1) | {"checkpoint": 1, "bound_name": 2}
    coords = {d: range(n) for d, n in sizes.items() if d in ("checkpoint", "pair", "step")}
    kinds, premises = ["estimate", "certificate"], ["iid", "iid bounded_loss"]
    whole = xarray.Dataset(
        {"table": (tuple(sizes), np.ones(tuple(sizes.values())))},
        coords
        | {
            "bound_name": ["a", "b"],
            "bound_kind": ("bound_name", kinds),
            "bound_about": ("bound_name", ["pair", "sample"]),
            "bound_assumptions": ("bound_name", premises),
        },
    )
    other = whole.assign_coords(bound_about=("bound_name", ["pair", "example"]))
    places = [{"depth": 1}, {"depth": 2}]
    found = grid.stacked([whole, other], places, {"depth": [1, 2]})
    assert found["bound_about"].values.tolist() == ["pair", ""]
    old = grid.stacked([whole, whole.drop_vars("bound_about")], places, {"depth": [1, 2]})
    assert "bound_about" not in old.coords and old["bound_kind"].values.tolist() == kinds
