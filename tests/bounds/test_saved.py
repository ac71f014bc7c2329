"""Evidence from saved arrays: the same bounds as from the engine, and refusals by name."""

import numpy as np
import pytest

from ibjax import bounds

K1, K2, N = 3, 12, 20
STEPS = {
    "step_sizes": np.full(10, 0.1),
    "noise_stds": np.full(10, 0.05),
    "clip": 1.0,
    "batch_size": float(N),
    "dim": 40.0,
}


INFORMATION = (
    "gradient_information",
    "sample_information",
    "incoherence_information",
    "trajectory_cmi",
    "test_prior_information",
)


def arrays(**changes):
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 2, (K1, K2, N))
    labels = rng.integers(0, 3, (K1, N, 2))
    trained = np.stack([mask == 0, mask == 1], -1)
    wrong = rng.random((K1, K2, N, 2)) < np.where(trained, 0.05, 0.3)
    predictions = np.where(wrong, (labels[:, None] + 1) % 3, labels[:, None])
    return {"mask": mask, "predictions": predictions, "labels": labels, **changes}


def losses(a):
    return (a["predictions"] != a["labels"][:, None]).astype(float)


def test_errors_are_those_of_the_members_the_mask_names(x64):
    given = arrays()
    evidence = bounds.from_arrays(given)
    wrong = losses(given)
    train = [
        [np.mean([wrong[s, u, i, given["mask"][s, u, i]] for i in range(N)]) for u in range(K2)]
        for s in range(K1)
    ]
    np.testing.assert_allclose(evidence.train_error[:, :, 0], train, atol=1e-15)
    whole = wrong.mean(axis=(-1, -2))
    np.testing.assert_allclose(evidence.test_error[:, :, 0] + train, 2 * whole, atol=1e-15)
    gap = bounds.gap(bounds.at(evidence))
    np.testing.assert_allclose(gap.value, 2 * (whole.mean() - np.mean(train)), atol=1e-12)


def test_supersample_bounds_are_those_of_the_arrays(x64):
    given = arrays()
    values = bounds.evaluate(bounds.from_arrays(given))
    direct = bounds.f_cmi(given["predictions"], given["mask"], 3)
    np.testing.assert_allclose(values["f_cmi"].value, direct.value, atol=1e-12)
    only_losses = {"mask": given["mask"], "losses": losses(given)}
    few = bounds.evaluate(bounds.from_arrays(only_losses))
    np.testing.assert_allclose(few["ld_cmi"].value, values["ld_cmi"].value, atol=1e-12)
    assert not few["f_cmi"].holds and np.isnan(few["individual"].value)


def test_trajectory_bounds_need_the_word_of_the_user(x64):
    assert not bounds.evaluate(bounds.from_arrays(arrays(**STEPS)))["individual"].holds
    value = bounds.evaluate(bounds.from_arrays(arrays(**STEPS, exchangeable=1.0)))["xu_raginsky"]
    information = 10 * 40 / 2 * np.log1p((0.1 / 0.05) ** 2 / 40)
    np.testing.assert_allclose(value.value, np.sqrt(2 * 0.25 * information / N), rtol=1e-12)


def test_one_mask_a_supersample_takes_away_its_bounds_alone(x64):
    given = arrays(trajectory_cmi=np.full((K1, K2), 0.1), **STEPS, exchangeable=1.0)
    given = {n: a[:, :1] if np.shape(a)[:2] == (K1, K2) else a for n, a in given.items()}
    values = bounds.evaluate(bounds.from_arrays(given))
    for name in ("individual", "xu_raginsky", "trajectory_cmi"):
        assert values[name].holds, name
    for name in ("f_cmi", "e_cmi", "ld_cmi", "single_loss", "ld_cmi_pair"):
        assert np.isnan(values[name].value) and not values[name].holds, name


def test_diverged_replicas_are_left_out(x64):
    given = arrays(trajectory_cmi=np.full((K1, K2), 0.1))
    given["predictions"][0, 0] = -1
    given["trajectory_cmi"][0, 0] = -7
    evidence = bounds.from_arrays(given)
    assert evidence.diverged.sum() == 1 and np.isnan(evidence.train_error[0, 0]).all()
    assert np.isfinite(bounds.gap(bounds.at(evidence)).value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"wrong_name": 1.0}, "wrong_name"),
        ({"mask": np.zeros((3, 4))}, "mask has shape"),
        ({"mask": np.full((K1, K2, N), 2)}, "mask must hold 0 and 1"),
        ({"labels": np.zeros((K1, N))}, "labels has shape"),
        ({"labels": np.full((K1, N, 2), 0.5)}, "labels must hold whole"),
        ({"num_classes": 2}, "0..1"),
        ({"losses": np.zeros((K1, K2, N, 2))}, "both given"),
        ({"step_sizes": np.ones(3)}, "noise_stds"),
        ({"clip": np.ones(2)}, "clip has shape"),
        ({"clip": "one"}, "clip holds"),
        ({"layer_log1m": np.ones((2, 2))}, "layer_log1m has shape"),
        ({"layer_log1m": np.full(2, 0.5)}, "layer_log1m holds 0.5"),
        *(({name: np.full((K1, K2), -0.001)}, f"{name} holds -0.001") for name in INFORMATION),
        ({"step_sizes": -np.ones(3), "noise_stds": np.ones(3)}, "step_sizes holds -1"),
        ({"clip": -1.0}, "clip holds -1"),
        ({"dim": 0.5}, "dim holds 0.5; it must be a whole number of at least 1"),
        ({"batch_size": np.inf}, "batch_size holds inf"),
        ({"num_classes": np.inf}, "num_classes holds inf"),
    ],
)
def test_refusals_name_the_array(changes, named):
    with pytest.raises(ValueError, match=named):
        bounds.from_arrays(arrays(**changes))


def test_what_may_be_negative_or_unknown_is_taken():
    free = {n: np.full((K1, K2), -0.1) for n in ("train_loss", "trajectory_cmi_llr")}
    assert bounds.from_arrays(arrays(**free, num_classes=np.nan)).num_classes == 3


def test_missing_arrays_and_real_losses_are_refused():
    with pytest.raises(ValueError, match="mask is missing"):
        bounds.from_arrays({})
    with pytest.raises(ValueError, match="losses are missing"):
        bounds.from_arrays({"mask": arrays()["mask"]})
    with pytest.raises(ValueError, match=r"losses holds 0\.25"):
        bounds.from_arrays({"mask": arrays()["mask"], "losses": np.full((K1, K2, N, 2), 0.25)})
