"""Certificates without noise: what the file holds, and that it can be shown again."""

import numpy as np
import pytest

from ibjax import bounds, cli, files
from ibjax.reproduce import stored
from ibjax.reproduce.posteriors import compression as compression_mnist
from ibjax.reproduce.posteriors import compression_view

SMALL = compression_mnist.Options(
    dataset="digits",
    width=4,
    dimensions=(10, 20),
    fractions=(0.5,),
    steps=40,
    batch=32,
    draws=10,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compression")
    return compression_mnist.run(folder, False, lambda line: None, SMALL)


def test_the_certificates_follow_from_what_stands_beside_them(written):
    found = files.read(written.files[0])
    n = found.attrs["train_size"]
    for p in SMALL.dimensions:
        row = found.sel(dimension=p)
        bits, rate = float(row["code_bits"]), float(row["code_train_error"])
        # letters, one bit for the code, 16 bits a level, one bit for the dimension of two
        assert bits > 16 * SMALL.letters + 2 and bits < 3 * p + 16 * SMALL.letters + 40
        gap = bounds.occam(rate, bits, n, SMALL.delta).value
        np.testing.assert_allclose(row["code_risk"], rate + gap, rtol=1e-4)
    row = found.isel(prior_share=0)
    assert int(row["posterior_size"]) == n - round(n / 2)
    upper = bounds.invert.kl(float(row["posterior_train_error"]), np.log(1 / 0.01) / SMALL.draws)
    divergence = float(row["posterior_divergence"])
    gap = bounds.pac_bayes_kl(float(upper), divergence, int(row["posterior_size"]), delta=0.04)
    np.testing.assert_allclose(row["posterior_risk"], upper + gap.value, rtol=1e-4)
    for name in ("code_risk", "posterior_risk"):
        assert found[name].attrs["kind"] == "certificate"
        assert (found[name] >= found[name.replace("risk", "test_error")]).all()


def test_the_file_is_shown_again(written, capsys, tmp_path, check_shown):
    check_shown("compression-mnist", written)
    picture = tmp_path / "again.png"
    command = ["show", str(written.files[0]), "--picture", str(picture)]
    assert cli.main(command) == 0
    shown = capsys.readouterr().out
    assert "20 dimensions" in shown and "prior from 50%" in shown and picture.is_file()
    assert all(f"{known.risk:.3f}" in shown for known in compression_view.KNOWN)
    assert cli.main([*command, "--all-bounds"]) != 0
    assert "--all-bounds" in capsys.readouterr().err


def test_files_of_before_are_told_and_refusals_name_the_option(written, tmp_path):
    found = files.read(written.files[0])
    del found.attrs["reproduction"]
    assert stored.name_of(found) is None
    assert stored.name_of(found.assign_attrs(what="compression")) == "compression-mnist"
    for change, word in (
        ({"delta": 1.5}, "delta"),
        ({"dimensions": (5, 5)}, "dimensions"),
        ({"fractions": ()}, "fractions"),
    ):
        with pytest.raises(ValueError, match=word):
            compression_mnist.run(
                tmp_path, False, print, compression_mnist.Options(dataset="digits", **change)
            )
