import jax
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import mutual_info_score

from ibjax.langevin.streams import INIT
from ibjax.reproduce.linear import classifier as linear_classifier
from ibjax.reproduce.linear import measures as linear_measures
from ibjax.reproduce.linear import view as linear_view
from ibjax.reproduce.linear.classifier import Options

OPTIONS = Options(train_size=(6,), supersamples=4, masks=8, epochs=60)


def trained(n=6, options=OPTIONS, rate=0.1, scale=1.0):
    key, pairs, x, y = linear_classifier.synthetic(n, options)
    x = x * np.float32(scale)
    masks = np.asarray(pairs.mask)
    found = linear_classifier.train(key, x, y, masks, options.classes, options.epochs, rate)
    return key, masks, x, y, *map(np.array, found)


def test_training_is_gradient_descent_with_the_published_start_and_stop():
    key, masks, x, y, predictions, diverged = trained(rate=0.5)
    ends, sooner, width = [], [], 1 / np.sqrt(5)
    for s, u in np.ndindex(4, 8):
        one = jax.random.fold_in(jax.random.fold_in(key, s), u)
        start = jax.random.fold_in(one, INIT)
        w = np.asarray(linear_classifier.start_weights(start, 2), float)
        assert w.shape == (6, 2) and (np.abs(w) <= width).all() and np.abs(w).max() > width / 2
        points = np.concatenate([x[s], np.ones((6, 2, 1))], -1)
        a, labels = points[np.arange(6), masks[s, u]], y[s][np.arange(6), masks[s, u]]
        for _ in range(60):
            outputs, before = a @ w, w.copy()
            p = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
            w -= 0.5 * a.T @ (p - np.eye(2)[labels]) / 6
            if (outputs.argmax(1) == labels).all():  # of the output before the step just taken
                break
        ends.append((points @ w).argmax(-1))
        sooner.append((points @ before).argmax(-1))
    assert not diverged.any()
    np.testing.assert_array_equal(predictions.reshape(32, 6, 2), ends)
    assert (np.array(sooner) != ends).any()  # the last step shows


def test_every_supersample_has_a_law_of_its_own_and_equal_classes():
    more = Options(supersamples=6, masks=12)
    _, pairs, x, _ = linear_classifier.synthetic(6, OPTIONS)
    _, again, other, labels = linear_classifier.synthetic(6, more)
    np.testing.assert_array_equal(x, other[:4])
    np.testing.assert_array_equal(pairs.mask, again.mask[:4, :8])
    assert (labels.reshape(6, -1).sum(1) == 6).all()
    assert len({tuple(row) for row in labels.reshape(6, -1)}) > 1
    assert not np.isclose(other[0].mean((0, 1)), other[1].mean((0, 1))).any()


def test_the_bounds_have_the_published_forms():
    _, masks, _, y, predictions, diverged = trained(options=Options(supersamples=7, masks=20))
    found = linear_measures.measure(predictions, y, masks, ~diverged, 2)
    losses = (predictions != y[:, None]).astype(int)
    first, second = losses[..., 0], losses[..., 1]

    def pooled(values):
        return np.array([mutual_info_score(values[..., i].ravel(), u) for i, u in enumerate(bits)])

    bits = masks.reshape(-1, 6).T
    single, joint, difference = pooled(first), pooled(2 * first + second), pooled(second - first)
    train = np.where(masks, second, first).mean()
    expected = {
        "training error": train,
        "gap": np.where(masks, first - second, second - first).mean(),
        "single loss, published": 2 * np.sqrt(2 * single).mean(),
        "single loss, centred": (np.sqrt(2 * single) + np.sqrt(2 * pooled(second))).mean() / 2,
        "ld-MI": np.sqrt(2 * difference).mean(),
        "e-MI": np.sqrt(2 * joint).mean(),
    }
    codes = 2 * predictions[..., 0] + predictions[..., 1]
    for name, values in (("ld-CMI", second - first), ("f-CMI", codes)):
        cells = np.ndindex(7, 6)
        each = [mutual_info_score(values[s, :, i], masks[s, :, i]) for s, i in cells]
        expected[name] = np.sqrt(2 * np.maximum(each, 0)).mean()
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, abs=1e-6), name

    def family(d):  # the least c at each d, e^(2 d) + e^(-2 d (c + 1)) = 2
        return (-np.log(2 - np.exp(2 * d)) / (2 * d) - 1) * train + single.mean() / d

    best = minimize_scalar(family, bounds=(1e-6, np.log(2) / 2 - 1e-9), method="bounded")
    assert found["fast rate"][0] == pytest.approx(best.fun, abs=1e-5)


def test_errors_are_a_jackknife_over_supersamples_and_diverged_replicas_are_left_out():
    _, masks, _, y, predictions, diverged = trained()
    diverged[1, 3] = diverged[2, 1:] = True  # supersample 2 keeps one replica: too few
    found = linear_measures.measure(predictions, y, masks, ~diverged, 2)
    predictions[diverged] = 1 - predictions[diverged]
    assert linear_measures.measure(predictions, y, masks, ~diverged, 2) == found
    diverged[2] = True
    assert linear_measures.measure(predictions, y, masks, ~diverged, 2) == found
    left = []
    for s in (0, 1, 3):
        rest = diverged | (np.arange(4) == s)[:, None]
        left.append(linear_measures.measure(predictions, y, masks, ~rest, 2))
    for name in linear_measures.POOLED:
        values = np.array([one[name][0] for one in left])
        spread = ((values - values.mean()) ** 2).sum()
        assert found[name][1] == pytest.approx(np.sqrt(2 / 3 * spread)), name
    means = [np.mean([one["gap"][0] for one in left]), found["gap"][0]]
    assert means[0] == pytest.approx(means[1])


def test_weights_that_are_not_finite_are_counted_and_all_of_them_give_nan():
    _, masks, _, y, predictions, diverged = trained(rate=1e9, scale=1e30)
    assert diverged.mean() > 0.5 and (predictions[diverged] == -1).all()
    found = linear_measures.measure(predictions, y, masks, np.zeros_like(diverged), 2)
    assert np.isnan([value for value, _ in found.values()]).all()


def test_a_run_is_stored_taken_up_again_and_shown(tmp_path, check_shown):
    said = []
    outcome = linear_classifier.run(tmp_path, False, said.append, OPTIONS)
    assert len(said) == 1 and "32 trainings" in said[0]
    assert [f.suffix for f in outcome.files] == [".nc", ".nc", ".png"]
    check_shown("linear-classifier", outcome)
    assert all(f.stat().st_size > 1000 for f in outcome.files)
    again = linear_classifier.run(tmp_path, False, said.append, OPTIONS)
    assert said[1] == "n = 6: finished before" and again.files == outcome.files
    cells = [list(c.cells) for c in outcome.table.columns]
    assert [list(c.cells) for c in again.table.columns] == cells
    rows = dict(zip(*cells))
    assert rows["proved orders"] == "hold"
    found, path = linear_classifier.cell(tmp_path / "linear-classifier", 6, OPTIONS, said.append)
    value, error = (float(v.sel(quantity="gap")) for v in (found.value, found.std_error))
    assert rows["gap"] == f"{value:.3f}±{error:.3f}" and "training error" in rows
    assert "log 2" in outcome.table.caption and "certify nothing" in outcome.table.caption
    path.write_bytes(path.read_bytes()[:1000])
    linear_classifier.cell(tmp_path / "linear-classifier", 6, OPTIONS, said.append)
    assert "cannot be read" in said[-2] and "32 trainings" in said[-1]
    other = Options(train_size=(6,), supersamples=4, masks=8, epochs=61)
    assert linear_classifier.cell(tmp_path, 6, other, said.append)[1].name != path.name


def test_broken_orders_and_diverged_trainings_are_said():
    found = linear_classifier.point(6, OPTIONS)
    found.attrs["n"] = 6
    found.attrs["settings"] = "{}"

    def last():
        shown = linear_view.table(linear_classifier.together([found]), OPTIONS)
        return list(shown.columns[1].cells)[-1], shown.caption

    assert last()[0] == "hold"
    found.value.loc["e-CMI"] = 0.0
    found.diverged[0, 0] = 1
    verdict, caption = last()
    assert verdict == "ld-CMI > e-CMI" and "n = 6: 1 of 32 trainings diverged" in caption
    found.value[:] = np.nan
    assert last()[0] == "nothing trained"


def test_quick_keeps_what_was_asked_for(tmp_path):
    options = Options(train_size=(7,), supersamples=3, epochs=20)
    outcome = linear_classifier.run(tmp_path, True, lambda line: None, options)
    assert outcome.table.columns[1].header == "n = 7" and "3 x 30" in outcome.table.title


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"classes": 33}, "classes"),
        ({"masks": 1}, "masks"),
        ({"supersamples": 1}, "spread"),
        ({"train_size": (75, 75)}, "train_size"),
        ({"train_size": (1,)}, "train_size"),
        *(({"learning_rate": v}, "learning_rate") for v in (np.nan, -1, 0, np.inf, 1e30)),
        *(({"separation": v}, "separation") for v in (np.nan, -1, 0, 1e30)),
    ],
)
def test_impossible_grids_are_refused(wrong, named):
    with pytest.raises(ValueError, match=named):
        Options(**wrong)
