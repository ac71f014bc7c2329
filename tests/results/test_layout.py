import pytest
import xarray

from ibjax import report
from ibjax.report.axes import heading
from ibjax.results import layout


@pytest.mark.parametrize("lost", ["{", "[1]", "3", 7, ""])
def test_a_file_that_lost_its_configuration_is_shown_without_it(lost):
    found = xarray.Dataset({"gap": 0.1}, attrs={"config": lost})
    assert layout.configuration(found) == {} == layout.configuration(found.drop_attrs())
    assert heading(found) == heading(found.drop_attrs())
    assert report.summarise(found).row("gap").values[0] == 0.1


def test_a_configuration_is_read():
    found = xarray.Dataset(attrs={"config": '{"masks": 3}'})
    assert layout.configuration(found) == {"masks": 3}
