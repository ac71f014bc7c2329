"""Bayes-optimal limits against tabulated closed and high-precision values."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax import teacher

# activation, noise, alpha, q, network information, vector information, error
IDENTITY = [
    ("linear", 0.1, 0.5, 0.4258342613, 1.0831558186, 1.0831558186, 0.6741657387),
    ("linear", 0.1, 10.0, 0.9890242272, 0.2282228983, 0.2282228983, 0.1109757728),
    ("linear", 1.0, 1.0, 0.3819660113, 0.2902288194, 0.2902288194, 1.6180339887),
    ("linear", 1.0, 2.0, 0.5857864376, 0.2471835825, 0.2471835825, 1.4142135624),
    ("tanh", 0.1, 0.5, 0.3294045125, 0.7289820430, 0.6078411188, 0.3734428381),
    ("tanh", 0.1, 1.0, 0.5592791293, 0.6608449098, 0.5397039856, 0.2891066308),
    ("tanh", 0.1, 10.0, 0.9629919167, 0.2884507434, 0.1673098191, 0.1409928207),
    ("erf", 0.1, 1.0, 0.5672168914, 0.7226669561, 0.5539101346, 0.3238247289),
    ("erf", 0.1, 2.0, 0.7861423189, 0.6075042365, 0.4387474151, 0.2309098917),
    ("relu", 0.1, 0.5, 0.2481050790, 0.7029975038, 0.3798516576, 0.3788187872),
    ("relu", 0.1, 2.0, 0.6404175070, 0.6117291442, 0.2885832980, 0.2807406802),
    ("sign", 0.1, 1.0, 0.4363999414, 1.1218993028, 0.3552104243, 0.8221791686),
]
SIGN = [
    ("linear", 0.0, 0.5, 0.2803257344, 0.6433316152, 0.6433316152, 0.3223953396),
    ("linear", 0.0, 5.0, 0.9320642457, 0.3630731921, 0.3630731921, 0.0839351698),
    ("linear", 0.0, 100.0, 0.9998075110, 0.0477765371, 0.0477765371, 0.0044163862),
    ("linear", 0.1, 1.0, 0.4407692088, 0.3989418181, 0.3989418181, 0.2818199635),
    ("linear", 0.1, 2.0, 0.6657994285, 0.3370734835, 0.3370734835, 0.2162381714),
    ("tanh", 0.0, 0.5, 0.2600118055, 0.6505335963, 0.4609987641, 0.3363146145),
    ("tanh", 0.0, 10.0, 0.9512974920, 0.3467157846, 0.1571809523, 0.1100513834),
    ("tanh", 0.1, 2.0, 0.5677003692, 0.2822690114, 0.2416010888, 0.2751352728),
    ("erf", 0.0, 1.0, 0.4429230374, 0.6146308731, 0.4034622352, 0.2805388931),
    ("relu", 0.0, 2.0, 0.5626936642, 0.6061467940, 0.2377999212, 0.2779252974),
    ("sign", 0.0, 1.0, 0.3180290982, 0.6564717972, 0.2279636374, 0.3514383897),
]
SMOOTH = [
    ("linear", 0.1, 1.0, 0.571156869, 0.616214594, 0.616214594, 0.280383954),
    ("tanh", 0.1, 0.5, 0.280073332, 0.547193519, 0.468381952, 0.276438095),
    ("tanh", 0.1, 2.0, 0.700810124, 0.426000423, 0.347188856, 0.184829619),
    ("tanh", 0.01, 1.0, 0.691814837, 1.322247073, 0.845900641, 0.096820779),
    ("erf", 0.1, 2.0, 0.704166147, 0.456624146, 0.350955309, 0.196858724),
    ("sign", 0.1, 1.0, 0.365848977, 0.707582221, 0.274924305, 0.408564783),
]
NODES = (61, 171, 105)


def _row(limits):
    return np.array(
        [
            float(limits.q),
            float(limits.mi_per_sample),
            float(limits.vector_mi_per_sample),
            float(limits.generalization_error),
        ]
    )


@pytest.mark.parametrize("readout, table", [("identity", IDENTITY), ("sign", SIGN)])
def test_tables(x64, readout, table):
    for activation, noise, alpha, *expected in table:
        limits = teacher.bayes_limits(readout, alpha, activation=activation, noise=noise)
        np.testing.assert_allclose(_row(limits), expected, rtol=0, atol=6e-11)


# Solving a smooth readout takes longer than compiling it: five times as long as without the
# optimisation that other tests do without.
@partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})
def _smooth(alpha, rho, eps, noise):
    return teacher.bayes_limits(jnp.tanh, alpha, rho=rho, eps=eps, noise=noise, nodes=NODES)


def test_smooth_readout_table(x64):
    for activation, noise, alpha, *expected in SMOOTH:
        rho, eps = teacher.activation_constants(activation)[:2]
        limits = _smooth(*map(np.float64, (alpha, rho, eps, noise)))
        np.testing.assert_allclose(_row(limits), expected, rtol=0, atol=6e-10)


def test_nodes_chosen_from_the_noise(x64):
    limits = teacher.bayes_limits(jnp.tanh, 2.0, noise=0.01)
    assert float(limits.mmse) == pytest.approx(0.03126987377876309, abs=1e-10)
    assert float(limits.mi_per_sample) == pytest.approx(1.0151867412447841, abs=1e-10)


def test_perceptron_to_twenty_digits(x64):
    limits = teacher.bayes_limits("sign", 1.0)
    assert float(limits.q) == pytest.approx(0.48626363701611648854, abs=2e-15)
    assert float(limits.mi_per_sample) == pytest.approx(0.59644125568897970543, abs=2e-15)
    assert float(limits.generalization_error) == pytest.approx(0.25437297033937518801, abs=2e-15)
    assert float(limits.gibbs_error) == pytest.approx(0.3383594684214715, abs=2e-15)
    # Far out: err = 1 / (pi c1 alpha), I(v; D) / d = log(c1 alpha) + 1/2.
    far = teacher.bayes_limits("sign", 1e4)
    c1 = 0.7206471695142628
    assert float(far.generalization_error) * 1e4 == pytest.approx(0.441700043584908, rel=1e-7)
    assert float(far.gibbs_error) * 1e4 == pytest.approx(0.624658192138565, rel=1e-7)
    assert float(far.mi_per_sample) * 1e4 == pytest.approx(np.log(c1 * 1e4) + 0.5, abs=1e-7)


@pytest.mark.parametrize("depth, expected", [
    (2, (0.4771340407, 0.5115658611, 0.2343945506)),
    (3, (0.4212424395, 0.4194969430, 0.2040846587)),
])  # fmt: skip
def test_depth(x64, depth, expected):
    rho, eps, _ = teacher.activation_constants("tanh", depth=depth)
    limits = teacher.bayes_limits("identity", 1.0, rho=rho, eps=eps, noise=0.1)
    got = [limits.q, limits.mi_per_sample, limits.generalization_error]
    np.testing.assert_allclose([float(x) for x in got], expected, rtol=0, atol=6e-11)


@given(st.floats(0.05, 20), st.floats(0.05, 2), st.floats(0, 1), st.floats(0.01, 3))
def test_identity_closed_form_and_scaling(alpha, rho, eps, noise):
    with jax.enable_x64(True):
        limits = teacher.bayes_limits("identity", alpha, rho=rho, eps=eps, noise=noise)
        s = (eps + noise) / rho**2
        b = s + alpha - 1
        root = np.sqrt(b * b + 4 * s)
        e = (root - b) / 2 if b < 0 else 2 * s / (root + b)
        assert float(limits.mmse) == pytest.approx(e, rel=1e-11)
        linear = 0.5 * (alpha * np.log1p(e / s) - np.log(e) - (1 - e)) / alpha
        assert float(limits.vector_mi_per_sample) == pytest.approx(linear, abs=1e-11)
        total = linear + 0.5 * np.log1p(eps / noise)
        assert float(limits.mi_per_sample) == pytest.approx(total, abs=1e-11)
        assert float(limits.next_sample_mi) <= total + 1e-12
        same = teacher.bayes_limits("identity", alpha, rho=3 * rho, eps=9 * eps, noise=9 * noise)
        assert float(same.q) == pytest.approx(float(limits.q), abs=1e-12)
        assert float(same.mi_per_sample) == pytest.approx(total, abs=1e-11)


@pytest.mark.parametrize("readout, options, top", [
    ("sign", {}, 2.0),
    ("sign", {"noise": 0.1, "activation": "tanh"}, 2.0),
    ("sign", {"prior": "rademacher"}, 1.2),
    ("identity", {"noise": 0.1, "activation": "relu"}, 2.0),
])  # fmt: skip
def test_area_theorem(x64, readout, options, top):
    t, w = np.polynomial.legendre.leggauss(40)
    alpha = np.append(top * (t + 1) / 2, top)
    limits = teacher.bayes_limits(readout, alpha, **options)
    area = top / 2 * w @ np.asarray(limits.next_sample_mi)[:-1]
    assert area == pytest.approx(top * float(limits.mi_per_sample[-1]), abs=1e-9)


def test_area_theorem_smooth(x64):
    t, w = np.polynomial.legendre.leggauss(8)
    limits = [_smooth(*map(np.float64, (a, 0.6, 0.0, 0.1))) for a in np.append((t + 1) / 2, 1.0)]
    area = 0.5 * w @ np.array([float(x.next_sample_mi) for x in limits[:-1]])
    assert area == pytest.approx(float(limits[-1].mi_per_sample), abs=1e-9)


def test_orderings_along_a_curve(x64):
    alpha = np.geomspace(1e-3, 1e3, 41)
    quiet = teacher.bayes_limits("sign", alpha, activation="tanh", noise=0.0)
    loud = teacher.bayes_limits("sign", alpha, activation="tanh", noise=0.3)
    assert np.all(np.diff(quiet.q) > 0) and np.all(np.diff(quiet.mi_per_sample) < 0)
    assert np.all(np.diff(alpha * quiet.mi_per_sample) > 0)
    assert np.all(loud.q < quiet.q) and np.all(loud.mi_per_sample < quiet.mi_per_sample)
    assert np.all(quiet.mi_per_sample <= np.log(2))
    assert np.all(quiet.vector_mi_per_sample < quiet.mi_per_sample)
    assert np.all(loud.clean_error < loud.generalization_error)
    assert np.all(quiet.gibbs_error > quiet.generalization_error)
    assert not np.any(quiet.hard)
    # Floor: what no number of samples proportional to d can teach.
    floor = np.arctan(np.sqrt(0.027415326035430256) / 0.6057055096021589) / np.pi
    wide = teacher.bayes_limits("sign", 1e9, activation="tanh")
    assert float(wide.generalization_error) == pytest.approx(floor, abs=1e-9)
    assert float(wide.mi_per_sample) == pytest.approx(0.1895348322, abs=1e-7)


def test_perfect_recovery_without_noise(x64):
    for alpha in (0.25, 0.5, 1.5):
        limits = teacher.bayes_limits("identity", alpha)
        assert float(limits.mmse) == pytest.approx(max(0.0, 1 - alpha), abs=1e-12)
        assert np.isposinf(float(limits.mi_per_sample))


def test_derivatives_are_implicit(x64):
    def value(alpha, noise):
        limits = teacher.bayes_limits("sign", alpha, rho=0.6, eps=0.03, noise=noise)
        return jnp.stack([limits.q, limits.mmse, limits.mi_per_sample, limits.generalization_error])

    exact = jax.jacfwd(value, (0, 1))(1.3, 0.2)
    h = 1e-5
    by_alpha = (value(1.3 + h, 0.2) - value(1.3 - h, 0.2)) / (2 * h)
    by_noise = (value(1.3, 0.2 + h) - value(1.3, 0.2 - h)) / (2 * h)
    np.testing.assert_allclose(exact, [by_alpha, by_noise], rtol=1e-7)


def test_reverse_derivative(x64):
    def value(alpha):
        limits = teacher.bayes_limits("identity", alpha, rho=0.6, eps=0.03, noise=0.2)
        return alpha * limits.mi_per_sample

    # The slope of the total information is the information of the next sample.
    limits = teacher.bayes_limits("identity", 1.3, rho=0.6, eps=0.03, noise=0.2)
    assert float(jax.grad(value)(1.3)) == pytest.approx(float(limits.next_sample_mi), abs=1e-12)


def test_jit_vmap_and_one_trace(x64):
    traces = []

    @jax.jit
    def value(alpha, noise, rho):
        traces.append(1)
        return teacher.bayes_limits("identity", alpha, rho=rho, eps=0.1, noise=noise).q

    noise = np.array([0.1, 0.4])
    one_by_one = [value(1.0, s, 0.7) for s in noise]
    assert len(traces) == 1
    mapped = jax.vmap(lambda s: teacher.bayes_limits("identity", 1.0, rho=0.7, eps=0.1, noise=s).q)(
        noise
    )
    np.testing.assert_allclose(mapped, one_by_one, atol=1e-14)
    eager = teacher.bayes_limits("identity", 1.0, rho=0.7, eps=0.1, noise=0.4).q
    np.testing.assert_allclose(eager, one_by_one[1], atol=1e-14)
    assert np.isnan(value(1.0, -5.0, 0.7))


def test_precisions(dtype):
    limits = teacher.bayes_limits("sign", np.array(1.0, dtype))
    assert limits.q.dtype == dtype
    tolerance = 3e-4 if dtype == "float32" else 1e-13
    assert float(limits.q) == pytest.approx(0.48626363701611649, rel=tolerance)


@pytest.mark.parametrize("options, words", [
    ({"readout": "step"}, "readout='step' is unknown"),
    ({"alpha": 0.0}, "alpha must be finite and > 0"),
    ({"alpha": [1.0, np.nan]}, "alpha must be finite"),
    ({"noise": -1.0}, "noise must be finite and >= 0"),
    ({"prior": "laplace"}, "prior=.* is unknown"),
    ({"activation": "swosh"}, "activation must be a function or one of"),
    ({"activation": "tanh", "rho": 1.0}, "not both"),
    ({"rho": [1.0, 2.0]}, "jax.vmap"),
    ({"readout": jnp.tanh}, "needs noise > 0"),
])  # fmt: skip
def test_bad_arguments(options, words):
    options = {"readout": "sign", "alpha": 1.0} | options
    with pytest.raises(ValueError, match=words):
        teacher.bayes_limits(options.pop("readout"), options.pop("alpha"), **options)
