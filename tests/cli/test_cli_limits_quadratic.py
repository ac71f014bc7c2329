"""`ibjax limits --regime quadratic`: table, file and picture; what has no meaning is refused."""

import numpy as np
import pytest
import xarray

from ibjax import cli


def test_limits_at_the_squared_dimension(tmp_path, capsys):
    out = tmp_path / "limits.nc"
    words = "limits --regime quadratic --activation relu --alpha 1 7.92 --points 3 --out"
    assert cli.main([*words.split(), str(out)]) == 0
    said = capsys.readouterr().out
    assert "0.46638" in said and "specialised" in said and "conjectured" in said
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    with xarray.open_dataset(out, engine="h5netcdf") as found:
        np.testing.assert_allclose(found["mi_per_parameter"], [0.4663846, 1.6468458], atol=6e-8)
        assert found["mi_per_parameter"].attrs == {"units": "nat", "kind": "conjectured"}
        assert found.attrs["status"].startswith("conjectured")
        np.testing.assert_allclose(found["curve_q2"][[0, -1]], found["q2"], rtol=1e-9)


@pytest.mark.parametrize(
    "words, message",
    [
        ("--noise 0", "noise=0.0 must be positive"),
        ("--noise 1 --depth 2", "depth=2"),
        ("--noise 1 --readout abs", "readout=abs"),
        ("--noise 1 --width 5 --dimension 5", "dimension"),
        ("--noise 1 --width-ratio 0", "width_ratio=0.0"),
        ("--noise 1 --activation swish", "activation must be"),
    ],
)
def test_mistakes_end_in_one_line(words, message, capsys):
    assert cli.main(["limits", "--regime", "quadratic", *words.split()]) == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and said.out == ""
