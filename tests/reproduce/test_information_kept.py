"""From the information in the data to the certified gap: orders that must hold, and the file."""

import numpy as np
import pytest

from ibjax import cli, files, teacher
from ibjax.reproduce.teacher import kept as information_kept

SMALL = information_kept.Options(
    # Both regimes at one size, which compile one program.
    linear_alpha=(6.0,),
    quadratic_alpha=(1.0,),
    dimension=6,
    quadratic_dimension=6,
    teacher_width=60,
    width=4,
    teachers=3,
    masks=4,
    steps=20,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    return information_kept.run(folder, False, lambda line: None, SMALL)


def test_informations_and_gaps_are_in_order(written, check_shown):
    check_shown("information-kept", written)
    found = files.read(written.files[0])
    for regime in ("linear", "quadratic"):
        at = {k.split("_", 1)[1]: v for k, v in found.data_vars.items() if k.startswith(regime)}
        assert float(at["certificate"][0]) >= float(at["gap"][0])
        assert float(at["kept_at_most"][0]) > 0 and float(at["information"][0]) > 0
        errors = at["test_error"].mean() - at["train_error"].mean()
        np.testing.assert_allclose(at["gap"][0], errors, atol=1e-6)
        assert at["certificate"].attrs["kind"] == "certificate"
    assert found["linear_information"].attrs["kind"] == "exact"
    assert found["quadratic_information"].attrs["kind"] == "conjectured"
    assert found["linear_n"].item() == found["quadratic_n"].item() == 36


def test_a_vacuous_certificate_is_called_so(written):
    found = files.read(written.files[0])
    more = found.assign(linear_certificate=1 + 0 * found["linear_certificate"])
    seen = [list(c.cells) for c in information_kept.view(more).table.columns]
    said = sum("vacuous" in cell for column in seen for cell in column)
    assert said == 1 + int((found["quadratic_certificate"] >= 1).sum())


def test_labels_are_independent_given_the_teacher():
    """Thresholds at the mean of the sample gave every teacher as many of either sign."""
    key = information_kept.jax.random.key(3)
    few, many = (
        information_kept.quadratic_sample(key, n, information_kept.Options(teachers=40))
        for n in (1, 400)
    )
    assert np.abs(many.y.mean(1)).mean() < 0.15
    # Of two labels, thresholded at their own mean, one is always 1 and the other -1.
    assert 5 < np.sum(few.y.sum(1) != 0) < 35


def test_what_an_error_needs(x64):
    # At the Bayes error it is the rate at the Bayes overlap, which the data can afford.
    alpha = np.array([0.5, 2.0, 8.0])
    limits = teacher.bayes_limits("sign", alpha, activation="tanh")
    found = information_kept.needed(limits.generalization_error, alpha)
    np.testing.assert_allclose(found, -np.log1p(-np.asarray(limits.q)) / (2 * alpha), rtol=1e-8)
    assert (found <= np.asarray(limits.mi_per_sample)).all()
    assert information_kept.needed(0.5, 1.0) == pytest.approx(0, abs=1e-12)
    assert information_kept.needed(0.7, 1.0) == 0
    # Below the floor of the activation no amount suffices.
    assert np.isnan(information_kept.needed(0.0, 1.0))


def test_the_file_is_shown_again(written, capsys, tmp_path):
    picture = tmp_path / "again.png"
    assert cli.main(["show", str(written.files[0]), "--picture", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert "conj" in shown and "certificate" in shown and picture.is_file()


@pytest.mark.parametrize(
    ("change", "word"), [({"linear_alpha": (-1.0,)}, "linear_alpha"), ({"masks": 3}, "masks=3")]
)
def test_mistakes(tmp_path, change, word):
    with pytest.raises(ValueError, match=word):
        information_kept.run(tmp_path, False, print, information_kept.Options(**change))
