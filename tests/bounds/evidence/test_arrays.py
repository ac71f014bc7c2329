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


def only(name, **more):
    """One bound, whose program is small, of the arrays with more."""
    return bounds.evaluate(bounds.from_arrays(arrays(**more)), names=[name])[name]


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
    gap = bounds.gap(evidence)
    np.testing.assert_allclose(gap.value, 2 * (whole.mean() - np.mean(train)), atol=1e-12)


def test_supersample_bounds_are_those_of_the_arrays(x64):
    given = arrays()
    values = bounds.evaluate(bounds.from_arrays(given))
    direct = bounds.f_cmi(given["predictions"], given["mask"], 3)
    np.testing.assert_allclose(values["f_cmi_published"].value, direct.value, atol=1e-12)
    best = bounds.e_cmi(losses(given).astype(int), given["mask"], correction="polynomial")
    np.testing.assert_allclose(values["e_cmi"].value, best.value, atol=1e-12)
    only_losses = {"mask": given["mask"], "losses": losses(given)}
    few = bounds.evaluate(bounds.from_arrays(only_losses))
    np.testing.assert_allclose(few["ld_cmi"].value, values["ld_cmi"].value, atol=1e-12)
    assert not few["f_cmi"].holds and np.isnan(few["individual"].value)


def test_trajectory_bounds_need_the_word_of_the_user(x64):
    missing = only("individual", **STEPS)
    assert not missing.holds and "exchangeable" in missing.note
    told = {**STEPS, "exchangeable": 1.0, "batching": "full"}
    values = bounds.evaluate(
        bounds.from_arrays(arrays(**told)), names=["individual", "xu_raginsky"]
    )
    each = 10 * 40 / 2 * np.log1p((0.1 / 0.05 / N) ** 2 / 40)
    np.testing.assert_allclose(values["individual"].information, each, rtol=1e-12)
    batch = 10 * 40 / 2 * np.log1p((0.1 / 0.05) ** 2 / 40)
    np.testing.assert_allclose(values["xu_raginsky"].information, min(batch, N * each), rtol=1e-12)


def test_one_mask_a_supersample_takes_away_its_bounds_alone(x64):
    given = arrays(trajectory_cmi=np.full((K1, K2), 0.1), **STEPS, exchangeable=1.0)
    given = {n: a[:, :1] if np.shape(a)[:2] == (K1, K2) else a for n, a in given.items()}
    values = bounds.evaluate(bounds.from_arrays(given))
    for name in ("individual", "xu_raginsky", "trajectory_cmi"):
        assert values[name].holds, name
    for name in ("f_cmi", "e_cmi", "ld_cmi", "single_loss", "ld_cmi_pair"):
        assert np.isnan(values[name].value) and not values[name].holds, name


def test_a_diverged_replica_errs_everywhere(x64):
    given = arrays(trajectory_cmi=np.full((K1, K2), 0.1))
    whole = bounds.from_arrays(given)
    given["predictions"][0, 0] = -1
    given["trajectory_cmi"][0, 0] = -7
    evidence = bounds.from_arrays(given)
    assert evidence.diverged.sum() == 1
    assert (evidence.train_error[0, 0] == 1).all() and (evidence.test_error[0, 0] == 1).all()
    each = (whole.test_error - whole.train_error)[..., 0]
    each[0, 0] = 0
    np.testing.assert_allclose(bounds.gap(evidence).value, each.mean(), rtol=1e-12)


def test_what_a_diverged_replica_holds_does_not_matter(x64):
    """Losses of diverged replicas may be NaN, and the rows of tables count them as wrong."""
    given = arrays()
    gone = np.zeros((K1, K2))
    gone[1, 2] = 1
    wrong = losses(given)
    wrong[1, 2] = np.nan
    found = bounds.evaluate(
        bounds.from_arrays({"mask": given["mask"], "losses": wrong, "diverged": gone}),
        names=["e_cmi"],
    )
    wrong[1, 2] = 1
    direct = bounds.e_cmi(wrong.astype(int), given["mask"], correction="polynomial")
    np.testing.assert_allclose(found["e_cmi"].value, direct.value, rtol=1e-12)
    assert "1 of 36 replicas diverged" in found["e_cmi"].note


def test_certificates_do_not_survive_divergence_of_unknown_gradients(x64):
    """Whether a replica diverges can depend on its data, through a gradient nothing bounded."""
    told = {**STEPS, "exchangeable": 1.0, "batching": "full", "diverged": np.eye(K1, K2)}
    for name in ("individual", "xu_raginsky"):
        found = only(name, **told)
        assert np.isnan(found.value) and "diverged" in found.note
    found = only("individual", **told, bounded_steps=1)
    assert found.holds and found.kind == "certificate"


def exact_average(weights, r):
    """(1/n) sum_i of the capacity of one step whose example i has this weight, in nats."""
    return np.mean(np.asarray(weights) ** 2) * r**2 / 2


@pytest.mark.parametrize(
    ("batching", "weights"),
    [
        ("with_replacement", "binomial"),
        ("whole_epochs", "short"),
        (None, "with_replacement"),
        (None, "short"),
    ],
)
def test_batches_of_every_kind_are_counted(x64, batching, weights):
    """Repeated examples and a short last batch weigh more than 1/b; unknown ones may do either."""
    n, b, steps = N, 6, 10
    told = {**STEPS, "batch_size": b, "dim": 10**6, "exchangeable": 1.0}
    told |= {} if batching is None else {"batching": batching}
    found = only("individual", **told)
    r = 0.1 / 0.05
    if weights == "short":  # batches of 6, 6, 6 and 2, each averaged over its own size
        sizes = [6, 6, 6, 2, 6, 6, 6, 2, 6, 6]
        each = np.mean([s / n * (r / s) ** 2 / 2 for s in sizes])
    else:  # multiplicities are binomial: E m^2 = (b/n) (1 + (b-1)/n)
        each = b / n * (1 + (b - 1) / n) * (r / b) ** 2 / 2
    assert float(found.information) >= steps * each * (1 - 1e-4)
    plain = steps * b / n * (r / b) ** 2 / 2
    assert float(found.information) > plain * (1 + 1e-3)


def test_classes_that_happen_to_occur_enter_no_certificate(x64):
    told = {**STEPS, "exchangeable": 1.0, "batching": "full", "layer_log1m": np.full(2, -0.1)}
    told["clip"] = 5.0
    found = only("depth", **told)
    assert np.isnan(found.value) and "num_classes was not given" in found.note
    few = only("depth", **told, num_classes=3).value
    many = only("depth", **told, num_classes=7).value
    assert few < many
    rest = {k: v for k, v in arrays(**told).items() if k not in ("predictions", "labels")}
    beside = bounds.from_arrays({**rest, "losses": losses(arrays()), "num_classes": 7})
    np.testing.assert_allclose(
        bounds.evaluate(beside, names=["depth"])["depth"].value, many, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"wrong_name": 1.0}, "wrong_name"),
        ({"mask": np.zeros(4)}, "mask has shape"),
        ({"mask": np.zeros((3, 4))}, "predictions has shape"),
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
        ({"batch_size": N + 1}, "batch_size=21 exceeds the n = 20"),
        ({"batch_size": 5, "batching": "full"}, "batching='full'"),
        ({"batch_size": 5, "smallest_batch": 6}, "smallest_batch=6 exceeds"),
        ({"batching": "permutation"}, "batching='permutation' is unknown"),
        ({"exchangeable": 0.5}, "exchangeable holds 0.5; it must be 1 for yes or 0 for no"),
        ({"step_sizes": np.ones(0), "noise_stds": np.ones(0)}, "step_sizes has shape"),
        ({"step_sizes": np.ones(3), "noise_stds": np.full(3, np.inf)}, "noise_stds holds inf"),
        ({"noise_std": np.ones(3)}, "did you mean 'noise_stds'"),
        ({"diverged": np.full((K1, K2), 0.5)}, "diverged must hold 0 and 1"),
        ({"labels": np.full((K1, N, 2), 2**32)}, "labels must hold whole"),
    ],
)
def test_refusals_name_the_array(changes, named):
    with pytest.raises(ValueError, match=named):
        bounds.from_arrays(arrays(**changes))


def test_what_may_be_negative_or_unknown_is_taken():
    free = {n: np.full((K1, K2), -0.1) for n in ("train_loss", "trajectory_cmi_llr")}
    assert bounds.from_arrays(arrays(**free, num_classes=np.nan)).num_classes == 3


def test_one_supersample_needs_no_axis_of_its_own(x64):
    given = arrays(trajectory_cmi=np.full((K1, K2), 0.1))
    first = {k: np.asarray(v)[0] for k, v in given.items()}
    whole = {k: np.asarray(v)[:1] for k, v in given.items()}
    found, wanted = (bounds.evaluate(bounds.from_arrays(a)) for a in (first, whole))
    for name in wanted:
        np.testing.assert_array_equal(found[name].value, wanted[name].value)


def test_missing_arrays_and_losses_out_of_range_are_refused():
    with pytest.raises(ValueError, match="mask is missing"):
        bounds.from_arrays({})
    with pytest.raises(ValueError, match="losses are missing"):
        bounds.from_arrays({"mask": arrays()["mask"]})
    with pytest.raises(ValueError, match=r"losses holds 1\.25"):
        bounds.from_arrays({"mask": arrays()["mask"], "losses": np.full((K1, K2, N, 2), 1.25)})


def test_real_losses_are_taken_as_they_are(x64):
    given = arrays()
    real = 0.25 + 0.5 * losses(given)
    evidence = bounds.from_arrays({"mask": given["mask"], "losses": real})
    whole = bounds.from_arrays({"mask": given["mask"], "losses": losses(given)})
    np.testing.assert_allclose(
        bounds.gap(evidence).value, 0.5 * bounds.gap(whole).value, rtol=1e-12
    )
    found = bounds.evaluate(evidence)
    direct = bounds.e_cmi(real, given["mask"], correction="polynomial")
    np.testing.assert_allclose(found["e_cmi"].value, direct.value, rtol=1e-9)
    assert not found["f_cmi"].holds
