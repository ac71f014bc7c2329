import numpy as np
import pytest

from ibjax.reproduce import linear_classifier

OPTIONS = linear_classifier.Options(train_size=(6,), supersamples=4, masks=8, epochs=60)


def test_training_is_gradient_descent_with_the_published_stop():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5)).astype(np.float32)
    y = (x[:, 0] + 0.3 * rng.normal(size=40) > 0).astype(np.int32)
    index, mask = np.arange(12).reshape(1, 6, 2), rng.integers(0, 2, (1, 1, 6))
    found = np.asarray(linear_classifier.train(x, y, index, mask, 2, 60, 0.1))[0, 0]
    rows = index[0, np.arange(6), mask[0, 0]]
    a, hot, w = np.c_[x, np.ones(40)][rows], np.eye(2)[y[rows]], np.zeros((6, 2))
    for t in range(60):
        p = np.exp(a @ w) / np.exp(a @ w).sum(1, keepdims=True)
        if t and ((a @ w).argmax(1) == y[rows]).all():
            break
        w -= 0.1 * a.T @ (p - hot) / 6
    np.testing.assert_array_equal(found, (np.c_[x, np.ones(40)][index[0]] @ w).argmax(-1))


def test_the_bounds_keep_their_order_and_hold(tmp_path):
    said = []
    outcome = linear_classifier.run(tmp_path, False, said.append, OPTIONS)
    assert len(said) == 1 and outcome.files[0].stat().st_size > 1000
    x, y = linear_classifier.synthetic(OPTIONS)
    values = linear_classifier.point(6, x, y, OPTIONS).values
    value = {name: v for name, (v, _) in values.items()}
    assert value["ld-CMI"] <= value["e-CMI"] + 1e-6 <= value["f-CMI"] + 2e-6
    assert value["fast rate"] <= value["ld-MI"] + 1e-6
    assert value["gap"] <= min(v for name, v in value.items() if name != "gap") + 0.05
    assert float(outcome.table.columns[1]._cells[0].split("±")[0]) == pytest.approx(
        value["gap"], abs=1e-3
    )


def test_impossible_grids_are_refused():
    with pytest.raises(ValueError, match="classes"):
        linear_classifier.Options(classes=20)
    with pytest.raises(ValueError, match="masks"):
        linear_classifier.Options(masks=1)
