"""`ibjax limits`: the table, the file and the picture; mistakes in one line."""

import numpy as np
import pytest
import xarray

from ibjax import cli


def test_limits_writes_both_branches_with_their_kinds(tmp_path, capsys):
    out = tmp_path / "limits.nc"
    words = "limits --readout identity --noise 0.1 --alpha 1 2 --points 5 --dimension 100 --out"
    table = tmp_path / "limits.csv"
    assert cli.main([*words.split(), str(out), "--table", str(table)]) == 0
    heads, first, _ = (line.split(",") for line in table.read_text().splitlines())
    assert heads[0] == "alpha" and first[0] == "1.0"
    assert float(first[heads.index("mi_per_sample (nat)")]) == pytest.approx(0.6608449098)
    said = capsys.readouterr().out
    assert "0.6608" in said and "0.2891" in said and "exact" in said and "diagn." in said
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    again = tmp_path / "again.png"
    assert cli.main(["show", str(out), "--picture", str(again)]) == 0
    assert said.partition("table: ")[0] == capsys.readouterr().out.partition("picture: ")[0]
    assert again.read_bytes() == out.with_suffix(".png").read_bytes()
    with xarray.open_dataset(out, engine="h5netcdf") as found:
        # The tabulated tanh teacher at Delta = 0.1.
        expected = [0.6608449098, 0.5500217978]
        np.testing.assert_allclose(found["mi_per_sample"], expected, atol=6e-11)
        expected = [0.2891066308, 0.2086395003]
        np.testing.assert_allclose(found["generalization_error"], expected, atol=6e-11)
        np.testing.assert_allclose(found["q_algorithmic"], found["q"], atol=1e-12)
        assert found["mi_per_sample"].attrs == {"units": "nat", "kind": "exact"}
        assert found["rate_scale"].attrs["kind"] == "diagnostic"
        np.testing.assert_allclose(found["curve_mi_per_sample"][[0, -1]], found["mi_per_sample"])


@pytest.mark.parametrize("words, message", [
    ("--alpha 0", "alpha=(0.0,) must list positive numbers"),
    ("--points 1", "points=1 must be at least 2"),
    ("--out limits.txt", "must end in .nc"),
    ("--width 10", "give both"),
    ("--activation swish", "activation must be a function or one of"),
    ("--noise -1", "noise must be finite and >= 0"),
    ("--readout tanh", "needs noise > 0"),
])  # fmt: skip
def test_mistakes_end_in_one_line(words, message, capsys):
    assert cli.main(["limits", *words.split()]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
