"""Path information against the Gaussian membership channel, and its orderings."""

import jax
import numpy as np
import pytest

from ibjax.bounds import invert
from ibjax.bounds.paths import membership

# I(k) of a log-likelihood ratio N(-k, 2k) under the truth.
CHANNEL = {
    0.01: 0.00249377,
    0.1: 0.02439465,
    0.5: 0.11142148,
    1.0: 0.20134547,
    4.0: 0.50007214,
    8.0: 0.63272019,
}


def paths(seed=0, replicas=4000, steps=20, total=2.0):
    """Paths whose energies depend on their past, as those of training do."""
    rng = np.random.default_rng(seed)
    y, energies, products = np.zeros(replicas), [], []
    for _ in range(steps):
        k = total / steps * (0.5 + 1 / (1 + np.exp(-y)))
        inner = np.sqrt(2 * k) * rng.normal(size=replicas)
        energies.append(k)
        products.append(inner)
        y = y - k - inner
    return np.array(energies).T, np.array(products).T


def test_one_step_channel(x64):
    k = np.array(list(CHANNEL))
    values = membership.step_information(k, np.zeros_like(k))
    np.testing.assert_allclose(values, list(CHANNEL.values()), atol=3e-6)
    np.testing.assert_allclose(values[:3], list(CHANNEL.values())[:3], atol=1e-8)
    assert float(membership.step_information(0.0, 1.3)) == 0
    # With a certain posterior nothing is left to learn.
    assert float(membership.step_information(1.0, -40.0)) == pytest.approx(0, abs=1e-12)


def test_both_estimators_agree_and_the_ratio_is_normalised(x64):
    energy, product = paths()
    ratios = membership.log_likelihood_ratios(energy, product)
    assert ratios.shape == (4000, 21) and not np.any(ratios[:, 0])
    weight = np.exp(np.asarray(ratios[:, -1]))
    assert abs(weight.mean() - 1) < 5 * weight.std() / np.sqrt(4000)
    direct = membership.membership_information(ratios[:, -1])
    step = membership.stepwise_information(energy, ratios[:, :-1])
    error = np.hypot(float(direct.std_error), float(step.std_error))
    assert abs(float(direct.value) - float(step.value)) < 4 * error
    assert float(step.std_error) < float(direct.std_error)
    assert direct.bias == "none" and float(direct.value) < np.log(2)


def test_exact_below_every_candidate_prior(x64):
    energy, product = paths(1)
    before = membership.log_likelihood_ratios(energy, product)[:, :-1]
    exact = float(membership.stepwise_information(energy, before).value)
    bounds = {t: membership.haghifam(energy, before, theta=t) for t in ("sigmoid", "erf", "half")}
    infos = {t: float(b.information) for t, b in bounds.items()}
    assert exact <= infos["sigmoid"] <= min(infos["erf"], infos["half"])
    assert infos["half"] == pytest.approx(energy.sum(1).mean() / 4)
    assert float(invert.phi(exact)) <= float(bounds["sigmoid"].value)
    assert float(bounds["sigmoid"].value) == pytest.approx(np.sqrt(2 * infos["sigmoid"]))


def test_more_ghosts_saturate_at_log_k(x64):
    rng = np.random.default_rng(2)
    # One true Gaussian mean among K = 4 far apart, then indistinguishable.
    far = -200 + rng.normal(size=(50, 3))
    assert float(membership.membership_information(far).value) == pytest.approx(np.log(4))
    none = membership.membership_information(np.zeros((50, 3)))
    assert float(none.value) == pytest.approx(0, abs=1e-12)
    assert np.isnan(membership.membership_information(np.zeros(1)).std_error)


def test_k_ghost_constants(x64):
    two = membership.k_ghost(0.1, 2)
    assert float(two.value) == pytest.approx(np.sqrt(0.2))
    assert float(membership.k_ghost(0.1, 10**6).value) == pytest.approx(np.sqrt(0.05), rel=1e-5)
    for k in (2, 3, 8):
        tight = float(invert.ghost(0.2, 0.1, k)) - 0.2
        assert tight <= float(membership.k_ghost(0.1, k).value)
    with pytest.raises(ValueError, match="k=1"):
        membership.k_ghost(0.1, 1)


def test_jit_vmap_and_refusals(dtype):
    energy, product = (a.astype(dtype) for a in paths(3, 6, 4))
    ratios = membership.log_likelihood_ratios(energy, product)
    loop = [membership.log_likelihood_ratios(k, p) for k, p in zip(energy, product)]
    np.testing.assert_allclose(ratios, loop, rtol=1e-6)
    assert ratios.dtype == dtype
    eager = membership.stepwise_information(energy, ratios[:, :-1])
    traced = jax.jit(membership.stepwise_information)(energy, ratios[:, :-1])
    assert float(traced.value) == pytest.approx(float(eager.value), rel=1e-5)
    with pytest.raises(ValueError, match="must both be"):
        membership.stepwise_information(energy, ratios)
    with pytest.raises(ValueError, match="theta='step'"):
        membership.haghifam(energy, ratios[:, :-1], theta="step")
    with pytest.raises(ValueError, match="energy holds -1"):
        membership.log_likelihood_ratios([-1.0], [0.0])
