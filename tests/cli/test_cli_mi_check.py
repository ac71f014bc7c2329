"""`ibjax mi --check`: verdicts on an estimator from the user's own arrays."""

import numpy as np

from ibjax import cli


def test_verdicts(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    names = [str(tmp_path / name) for name in ("x.npy", "y.npy")]
    np.save(names[0], x)
    np.save(names[1], x + rng.normal(size=400))
    table = tmp_path / "verdicts.md"
    assert cli.main(["mi", *names, "--check", "cca", "--table", str(table)]) == 0
    assert table.read_text().count("True") == 4
    said = capsys.readouterr().out
    assert "cca: passed" in said and said.count("passed") >= 5 and "independence" in said
    assert cli.main(["mi", *names, "--check", "guess"]) == 2
    assert "guess" in capsys.readouterr().err
