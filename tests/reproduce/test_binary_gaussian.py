import numpy as np
import pytest

from ibjax.reproduce import reproductions
from ibjax.reproduce.depth import binary_gaussian


def test_the_simulated_network_agrees_with_the_integrals():
    found = binary_gaussian.row(binary_gaussian.Setting(20, 6, 3, 1.0, 0.7), runs=4_000)
    assert abs(found.gap - found.exact.gap) < 4 * found.gap_error
    assert abs(found.linear_gap - found.exact.linear_gap) < 4 * found.linear_error
    assert found.exact.gap < found.exact.output_bound < found.exact.input_bound


def test_the_reproduction_writes_its_files(tmp_path, check_shown):
    outcome = reproductions()["binary-gaussian"].run(tmp_path, True, lambda _: None)
    assert all(path.stat().st_size > 1000 for path in outcome.files)
    check_shown("binary-gaussian", outcome)
    cells = {c.header: list(c.cells) for c in outcome.table.columns}
    assert float(cells["gap"][0]) == pytest.approx(0.0409875, abs=1e-6)
    # 0.10701884 and 0.22473711: bounds are rounded up
    assert (cells["KL output"][0], cells["KL hidden"][0]) == ("0.1070189", "0.2247372")
    hidden = np.array(cells["KL hidden"], float)
    assert np.all(np.diff(hidden) < 0)  # the divergence bound falls with the rank
