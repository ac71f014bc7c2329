"""Groups read with every object looked up once are those that xarray reads."""

import io

import h5py
import numpy as np
import pytest
import xarray

from ibjax import hdf5

ROOT = xarray.Dataset(
    {
        "number": (("pair", "side"), np.arange(6.0).reshape(3, 2), {"units": "nat"}),
        "whole": ("pair", np.array([1, 2, 3], np.int8)),
        "true": ("pair", [True, False, True]),
        "word": ("side", ["ä", ""]),
        "none": ((), np.nan),
        "empty": ("nothing", np.zeros(0)),
    },
    coords={"pair": [3, 1, 2], "label": ("pair", ["a", "b", "c"]), "one": 7},
    attrs={"name": "root", "number": 1.5, "list": [1, 2]},
)
BELOW = xarray.Dataset({"gap": (("place", "step"), np.full((4, 2), np.nan))}, {"step": [2, 4]})


def both(content):
    opened = xarray.open_groups(io.BytesIO(content), engine="h5netcdf")
    return {n: g.load().drop_encoding() for n, g in opened.items()}, hdf5.groups(content)


def test_a_tree_is_read_as_xarray_reads_it():
    tree = {"/": ROOT, "/cells/depth=1": BELOW, "/cells/depth=2": BELOW.isel(step=[1])}
    theirs, ours = both(bytes(xarray.DataTree.from_dict(tree).to_netcdf(engine="h5netcdf")))
    assert list(ours) == list(theirs) == ["/", "/cells", "/cells/depth=1", "/cells/depth=2"]
    for name, group in theirs.items():
        assert ours[name].identical(group) and list(ours[name].variables) == list(group.variables)
        assert {k: v.dtype for k, v in ours[name].variables.items()} == {
            k: v.dtype for k, v in group.variables.items()
        }
    assert ours["/"].identical(ROOT) and ours["/cells/depth=1"].identical(BELOW)


@pytest.mark.filterwarnings("ignore:The 'phony_dims' kwarg")
def test_a_file_without_named_dimensions_is_read_too():
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["a"], file["below/b"] = np.arange(3), np.ones((2, 2))
    theirs, ours = both(stream.getvalue())
    assert all(ours[name].identical(group) for name, group in theirs.items())
    assert ours["/below"]["b"].shape == (2, 2)
    with pytest.raises(OSError):
        hdf5.groups(b"\x89HDF\r\n\x1a\n" + bytes(200))
