import numpy as np
import pytest
import xarray as xr

from ibjax import data
from ibjax.reproduce import reproductions
from ibjax.reproduce.mi import benchmark as mi_benchmark
from ibjax.reproduce.mi.published import PUBLISHED


def test_every_law_has_a_published_row():
    assert list(PUBLISHED) == list(data.benchmark_laws())
    for row in PUBLISHED.values():
        alone = [v is None for v in (row.mine, row.infonce, row.nwj, row.dv)]
        assert all(alone) or not any(alone)
    assert all(PUBLISHED[name].mine is not None for name in mi_benchmark.CHOSEN)


@pytest.mark.parametrize(
    ("ours", "theirs", "want"),
    [(0.98, 0.9, "better"), (1.02, 1.1, "better"), (0.9, 1.01, "worse"), (0.97, 1.0, "alike")],
)
def test_verdicts_weigh_the_distance_from_the_truth(ours, theirs, want):
    # three standard errors, 3 sqrt(0.01^2 / 2 + 0.02^2 / 3), or the spread of ours for one run,
    # and half a unit of the published last digit
    cell = mi_benchmark.Cell("law", "cca", 1.0, ours, 0.01, 2, theirs, 0.02, 3)
    assert cell.margin == pytest.approx(3 * np.sqrt(0.01**2 / 2 + 0.02**2 / 3) + 0.0005)
    assert cell.verdict == want
    alone = cell._replace(their_spread=float("nan"), their_seeds=1)
    assert alone.margin == pytest.approx(3 * np.sqrt(1.5) * 0.01 + 0.0005)


def test_the_table_the_file_and_the_picture(tmp_path, monkeypatch, check_shown):
    laws = ("1v1-normal-0.75", "1v1-additive-0.1")
    monkeypatch.setattr(mi_benchmark, "CHOSEN", laws)
    said = []
    outcome = reproductions()["mi-benchmark"].run(tmp_path, True, said.append)
    assert outcome.table.row_count == 2 and any("quick" in s for s in said)
    assert "no number here compares" in outcome.table.caption
    assert all(path.stat().st_size > 1000 for path in outcome.files)
    check_shown("mi-benchmark", outcome)
    with xr.open_dataset(outcome.files[0]) as found:
        assert found.law.values.tolist() == list(laws)
        ksg = found.sel(estimator="ksg")
        assert np.all(np.abs(ksg.ours - ksg.truth) < 0.1)
        assert np.isfinite(found.ours.sel(estimator="infonce").values[0])
        assert found.ours.attrs["units"] == "nats" and found.attrs["samples"] == 1000
