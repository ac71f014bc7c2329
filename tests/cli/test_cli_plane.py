import numpy as np
import pytest

from ibjax import cli, mi


@pytest.fixture
def saved(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "activations.npz"
    layers = {"first": rng.normal(size=(2, 3, 40, 4)), "second": rng.normal(size=(2, 3, 40, 2))}
    np.savez(path, labels=rng.integers(0, 2, 40), **layers)
    return path


def test_plane_prints_layers_and_draws_the_picture(saved, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    table = saved.with_suffix(".csv")
    assert cli.main(["plane", str(saved), "--bins", "5", "--table", str(table)]) == 0
    rows = table.read_text().splitlines()
    heads = "layer,replica,checkpoint,i_tx,i_tx_lower,i_ty,resolution"
    assert rows[0] == f"{heads},cap,permuted,label_entropy,examples,measures"
    assert len(rows) == 1 + 2 * 2 * 3 and rows[-1].startswith("second,1,2,")
    said = capsys.readouterr().out
    assert "log n = 3.689" in said and "entropy of cells" in said
    assert sum(line.count("second") for line in said.splitlines()) == 3
    assert saved.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--labels", "y"], "no array 'y'"), (["--bins", "1"], "bins=1"), (["--std", "0"], "std=0")],
)
def test_mistakes_are_one_line(saved, capsys, arguments, named):
    assert cli.main(["plane", str(saved), *arguments]) == 2
    said = capsys.readouterr().err
    assert named in said and said.count("\n") == 1


def test_one_class_has_entropy_zero_and_not_minus_zero(tmp_path, capsys):
    path = tmp_path / "one.npz"
    np.savez(path, labels=np.zeros(8, int), layer=np.arange(8.0)[:, None])
    assert cli.main(["plane", str(path), "--bins", "3"]) == 0
    assert "H(Y) = 0.000" in capsys.readouterr().out
    assert not np.signbit(float(mi.entropy(np.ones(1)).value))


def test_a_vector_is_no_layer(tmp_path, capsys):
    path = tmp_path / "odd.npz"
    np.savez(path, labels=np.zeros(4, int), layer=np.zeros(4))
    assert cli.main(["plane", str(path)]) == 2
    assert "'layer' has shape (4,)" in capsys.readouterr().err


def test_kernel_measures_print_cap_and_null(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    rng = np.random.default_rng(0)
    path = tmp_path / "activations.npz"
    x = rng.normal(size=(20, 3))
    np.savez(path, labels=np.arange(20) % 2, first=x[:, :2], start=x)
    for method, head in (("cka", "CKA(X,T)"), ("total_correlation", "TC of units")):
        table = tmp_path / f"{method}.csv"
        command = ["plane", str(path), "--method", method, "--inputs", "start"]
        assert cli.main([*command, "--table", str(table)]) == 0
        rows = table.read_text().splitlines()
        found = dict(zip(rows[0].split(","), rows[1].split(",")))
        assert len(rows) == 2 and np.isfinite([float(found[k]) for k in ("cap", "permuted")]).all()
        said = capsys.readouterr().out
        assert head in said and "its cap" in said and "permuted" in said and "diagnostic" in said
    assert cli.main(["plane", str(path), "--method", "hsic"]) == 2
    assert "--inputs" in capsys.readouterr().err
