"""Limits at n ~ d^2: the known table, two routes to the overlap, thresholds, where regimes join."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import teacher
from ibjax.teacher.free_convolution import spectrum
from ibjax.teacher.polynomials import roots

H23 = (0.0, 0.0, 1.0, 6**-0.5)
MODEL = dict(width_ratio=0.5, noise=0.1)
ALPHA = np.array([0.36, 0.72, 1, 1.52, 2.4, 3.12, 3.92, 7.92])


@pytest.mark.parametrize(
    "readout,signal,overlap",
    [
        ("ones", 0.5, 0.4243857969),
        ("ones", 2, 0.7507406682),
        ("ones", 8, 0.9189241466),
        ("signed", 0.5, 0.3763229528),
        ("signed", 2, 0.7232634263),
    ],
)
def test_overlap_by_two_routes(x64, readout, signal, overlap):
    signal, ratio = jnp.asarray(float(signal)), jnp.asarray(0.5)
    np.testing.assert_allclose(teacher.denoise(signal, ratio, readout).overlap, overlap, atol=1e-10)
    x, w, g = spectrum(signal, ratio, readout)
    density = -g.imag / np.pi
    np.testing.assert_allclose(w @ density, 1, atol=1e-13)
    # The rotationally invariant denoiser and its error; the mean of v = 1 is known beforehand.
    denoised = x - 2 * g.real
    total = signal + (ratio * signal if readout == "ones" else 0) - w @ (density * denoised**2)
    np.testing.assert_allclose(1 - total / signal, overlap, atol=1e-10)
    # A sampled matrix has this second moment: 1 + l, and gamma l of the mean.
    second = 1 + signal + (ratio * signal if readout == "ones" else 0)
    np.testing.assert_allclose(w @ (density * x**2), second, rtol=1e-12)


def test_spectrum_of_sampled_matrices(x64):
    rng = np.random.default_rng(0)
    d, signal = 400, 3.0
    k = d // 2
    for readout, v in (("ones", np.ones(k)), ("signed", np.repeat([1, -1], k // 2))):
        rows = rng.normal(size=(k, d)) / np.sqrt(d)
        form = (rows.T * v) @ rows / np.sqrt(k / d)
        noise = rng.normal(size=(d, d)) / np.sqrt(d)
        sampled = np.linalg.eigvalsh(np.sqrt(signal) * form + (noise + noise.T) / np.sqrt(2))
        x, w, g = spectrum(jnp.asarray(signal), jnp.asarray(0.5), readout)
        for power in (2, 4):
            moment = w @ (-g.imag / np.pi * x**power)
            np.testing.assert_allclose(np.mean(sampled**power), moment, rtol=0.06)


@pytest.mark.parametrize("readout", ["ones", "signed"])
@pytest.mark.parametrize("signal", [1e-4, 1e-2, 1.0, 30.0, 1e4])
def test_information_is_the_integral_of_the_overlap(x64, readout, signal):
    """Half the overlap is its slope: I-MMSE, through gaps of the spectrum and for faint signals."""
    ratio, h = jnp.asarray(0.3), 1e-4 * signal

    def information(z):
        return teacher.denoise(jnp.asarray(z), ratio, readout).information

    slope = (information(signal + h) - information(signal - h)) / h
    overlap = teacher.denoise(jnp.asarray(signal), ratio, readout).overlap
    np.testing.assert_allclose(slope, overlap, rtol=1e-5, atol=1e-8)


def test_known_potentials(x64):
    ratio = jnp.asarray(0.5)
    found = [teacher.denoise(jnp.asarray(z), ratio, "ones").information for z in (0.5, 3.0, 10.0)]
    np.testing.assert_allclose(found, [0.05961786, 0.92893281, 4.05994550], atol=6e-9)


def test_parts_of_activations(x64):
    table = {
        "relu": (0.282094791774, 0.011267585362),
        "tanh": (0, 0.027415326035),
        "elu": (0.184963783989, 0.004965467344),
        "quadratic": (1, 0),
    }
    for name, (second, higher) in table.items():
        parts = teacher.hermite_parts(name)
        np.testing.assert_allclose(parts.quadratic**0.5, second, atol=1e-11)
        np.testing.assert_allclose(parts.higher, higher, atol=1e-11)
    relu = teacher.hermite_parts("relu")
    x = 0.7
    known = -1 / (2 * np.pi) - x**2 / (4 * np.pi) + np.sqrt(1 - x**2) / (2 * np.pi)
    known += x * np.arcsin(x) / (2 * np.pi)
    np.testing.assert_allclose(relu.generating(x), known, rtol=1e-12)
    np.testing.assert_allclose(relu.slope(x), (np.arcsin(x) - x) / (2 * np.pi), rtol=1e-12)
    square = teacher.hermite_parts(lambda z: z**2)
    np.testing.assert_allclose([square.quadratic, square.higher], [2, 0], atol=1e-12)


def test_rectifier_table(x64):
    found = teacher.quadratic_limits("relu", ALPHA, **MODEL)
    universal = np.array(
        [
            [0.331436682, 0.064470164, 0.2060616],
            [0.539242331, 0.047933516, 0.3644156],
            [0.632640931, 0.040501091, 0.4663846],
            [0.733899577, 0.032443184, 0.6263652],
            [0.818297832, 0.025726984, 0.8479932],
            [0.855456683, 0.022769977, 1.0036338],
            [0.882051940, 0.020653594, 1.1603330],
            [0.938143375, 0.016189979, 1.8201876],
        ]
    )
    special = np.array(
        [
            [0, 0.251124361, 0.070861215, 0.2118743],
            [0, 0.421449395, 0.057307180, 0.3890717],
            [0.030014578, 0.515284949, 0.049839978, 0.5088500],
            [0.273502402, 0.644764407, 0.039498367, 0.6995815],
            [0.591728671, 0.778972421, 0.027941372, 0.9527031],
            [0.751375404, 0.843674763, 0.021102226, 1.1092963],
            [0.834906480, 0.884665632, 0.016193937, 1.2447221],
            [0.942128264, 0.951565897, 0.007283014, 1.6468458],
        ]
    )
    ours = np.stack([found.q2_universal, found.mmse_universal, found.mi_universal], 1)
    np.testing.assert_allclose(ours, universal, atol=6e-8)
    parts = ("q_w_specialised", "q2_specialised", "mmse_specialised", "mi_specialised")
    ours = np.stack([getattr(found, name) for name in parts], 1)
    np.testing.assert_allclose(ours, special, atol=6e-8)
    np.testing.assert_array_equal(found.branch, [0] * 7 + [1])
    np.testing.assert_allclose(found.mmse[-1], 0.007283014, atol=1e-9)
    lower = np.minimum(found.mi_universal, found.mi_specialised)
    np.testing.assert_allclose(found.mi_per_parameter, lower, rtol=1e-14)
    np.testing.assert_allclose(found.mi_per_sample * ALPHA, lower / 2, rtol=1e-12)
    np.testing.assert_allclose(found.generalization_error, found.mmse + 0.1, rtol=1e-14)
    # n I(alpha) is concave, q2 increases, and the result says what it is.
    slopes = np.diff(found.mi_per_parameter) / np.diff(ALPHA)
    assert (np.diff(slopes) < 0).all() and (np.diff(found.q2) > 0).all()
    assert found.status.startswith("conjectured")


def test_other_activations(x64):
    """Columns: q2, error and information of the universal branch; q_w, q2, error, information."""
    he = {
        0.72: (0.536304514, 0.630362152, 0.3753284, 0, 0.418873349, 0.747793318, 0.3995644),
        1.52: (
            *(0.731532212, 0.435134455, 0.6511482),
            *(0.477278790, 0.672837846, 0.475708530, 0.7171386),
        ),
        3.12: (
            *(0.853935267, 0.312731400, 1.0572026),
            *(0.803693462, 0.858441720, 0.221704241, 1.0799170),
        ),
        3.92: (
            *(0.880765758, 0.285900908, 1.2284522),
            *(0.851210355, 0.890577387, 0.173297249, 1.1961592),
        ),
        7.92: (
            *(0.937414221, 0.229252446, 1.9614863),
            *(0.932871412, 0.948967747, 0.082393840, 1.5529336),
        ),
    }
    tanh = {
        2.4: (0, 0.027415326, 0.5814764, 0, 0, 0.027415326, 0.5814764),
        3.92: (0, 0.027415326, 0.9497448, 0.752371037, 0.566062177, 0.016923982, 0.9346333),
        7.92: (0, 0.027415326, 1.9188722, 0.918356463, 0.843378594, 0.007046116, 1.3327873),
    }
    for activation, noise, table in ((H23, 1.25, he), ("tanh", 0.1, tanh)):
        found = teacher.quadratic_limits(activation, list(table), width_ratio=0.5, noise=noise)
        names = ("q2_universal", "mmse_universal", "mi_universal", "q_w_specialised")
        names += ("q2_specialised", "mmse_specialised", "mi_specialised")
        ours = np.stack([getattr(found, name) for name in names], 1)
        np.testing.assert_allclose(ours, list(table.values()), atol=6e-8)
        won = [row[-1] < row[2] for row in table.values()]
        np.testing.assert_array_equal(found.branch, won)


def test_jumps_of_the_other_activations(x64):
    """On either side of the thresholds, and the overlap to which the rows jump."""
    for activation, threshold, jump in (("relu", 5.53608, 0.90439), ("tanh", 3.73148, 0.71954)):
        alpha = threshold * (1 + np.array([-1e-5, 1e-5]))
        found = teacher.quadratic_limits(activation, alpha, **MODEL)
        np.testing.assert_array_equal(found.branch, [0, 1])
        np.testing.assert_allclose(found.q_w, [0, jump], atol=3e-5)
        # Potentials are continuous where branches change.
        np.testing.assert_allclose(*found.mi_per_parameter, rtol=1e-4)


ENDS = np.array([1e-12, 1e-6, 1e-3, 0.1, 1.0, 10.0, 1e2, 1e4, 1e6, 1e9])


def test_ends_of_the_regime():
    """Faint and endless data, little noise: no branch is lost and no digits cancel.

    In float32; rows found up to an error d cost (log 1/d)/2 nats a weight.
    """
    for noise in (0.1, 1e-12):
        for activation in ("relu", (0.0, 0.0, 0.0, 1.0)):
            found = teacher.quadratic_limits(activation, ENDS, width_ratio=0.5, noise=noise)
            assert (np.diff(found.mi_per_parameter) > 0).all()
            assert (np.diff(found.mmse) <= 0).all() and (np.asarray(found.mmse) >= 0).all()
            np.testing.assert_array_equal(found.branch[-5:], 1)
            growth = np.diff(found.mi_per_parameter)[-2:] / np.diff(np.log(ENDS))[-2:]
            np.testing.assert_allclose(growth, 0.5, atol=2e-3)
            least = np.minimum(found.mi_universal, found.mi_specialised)
            np.testing.assert_allclose(found.mi_per_parameter, least, rtol=1e-6)
    found = teacher.quadratic_limits("relu", ENDS, prior="rademacher", **MODEL)
    np.testing.assert_allclose(found.mi_per_parameter[-4:], np.log(2), rtol=1e-5)
    # The scale of the output is a matter of units.
    small = teacher.quadratic_limits((0.0, 0.0, 1e-5, 1e-5), ENDS, width_ratio=0.5, noise=1e-10)
    large = teacher.quadratic_limits((0.0, 0.0, 1e5, 1e5), ENDS, width_ratio=0.5, noise=1e10)
    np.testing.assert_allclose(small.mi_per_parameter, large.mi_per_parameter, rtol=1e-4)


def test_what_is_wrong_inside_jit_is_no_number():
    def error(alpha, ratio, noise):
        found = teacher.quadratic_limits("relu", alpha, width_ratio=ratio, noise=noise)
        signal = teacher.denoise(alpha, ratio, "ones")
        return found.mmse + found.q_w + found.mi_per_parameter, signal.overlap

    run = jax.jit(error)
    assert np.isfinite(run(1.0, 0.5, 0.1)).all()
    for wrong in ((-1.0, 0.5, 0.1), (1.0, -0.5, 0.1), (jnp.nan, 0.5, 0.1)):
        assert np.isnan(run(*wrong)).all()
    for noise in (0.0, -0.1, jnp.nan):
        assert np.isnan(run(1.0, 0.5, noise)[0])


def test_quadratic_activation_never_specialises(x64):
    alpha = np.array([0.560086, 1.52, 7.92])
    found = teacher.quadratic_limits("quadratic", alpha, width_ratio=0.5, noise=1.25)
    np.testing.assert_allclose(found.q2, [0.487772006, 0.753561763, 0.944070687], atol=2e-9)
    np.testing.assert_allclose(found.mmse, [0.512227994, 0.246438237, 0.055929313], atol=2e-9)
    np.testing.assert_allclose(
        found.mi_per_parameter, [0.2567415740, 0.4917228, 1.0123948], atol=6e-8
    )
    assert not np.asarray(found.branch).any()
    signed = teacher.quadratic_limits(
        H23, [0.2, 0.4], width_ratio=0.5, noise=1.25, readout="signed"
    )
    np.testing.assert_allclose(signed.q2, [0.159650505, 0.307182140], atol=1e-9)


def test_threshold(x64):
    found = teacher.quadratic_threshold(H23, width_ratio=0.5, noise=1.25)
    np.testing.assert_allclose(found, 3.47354, atol=1e-5)
    above = teacher.quadratic_limits(H23, found * (1 + 1e-6), width_ratio=0.5, noise=1.25)
    np.testing.assert_allclose(above.q_w, 0.82795, atol=1e-5)
    assert teacher.quadratic_threshold("quadratic", width_ratio=0.5, noise=1.25) == jnp.inf


def test_regimes_join(x64):
    """Few examples a squared dimension: the error floor of n = O(d) once the line is learnt."""
    found = teacher.quadratic_limits("relu", 1e-8, **MODEL)
    eps = teacher.activation_constants("relu").eps
    np.testing.assert_allclose(found.mmse, eps, rtol=1e-6)
    # The linear limit at many examples a dimension, less the noise, is the same floor.
    linear = teacher.bayes_limits("identity", 1e6, activation="relu", noise=0.1)
    np.testing.assert_allclose(linear.generalization_error - 0.1, eps, rtol=1e-4)


def test_binary_rows_hold_one_bit(x64):
    found = teacher.quadratic_limits("relu", [0.1, 1e3], prior="rademacher", **MODEL)
    np.testing.assert_allclose(found.mi_per_parameter[1], np.log(2), rtol=1e-9)
    np.testing.assert_allclose(found.q_w[1], 1, rtol=1e-9)
    assert found.branch[0] == 0


def test_roots(x64):
    known = np.array([[1.0, -2.0, 3.0 + 1j, 3.0 - 1j], [1e-3, 5.0, 5.5, -1e3]])
    coefficients = np.stack([np.poly(row) for row in known])
    found = roots(jnp.asarray(coefficients.astype(complex)))
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(known), rtol=1e-9)


@pytest.mark.parametrize(
    "change,word",
    [
        (dict(activation="cubic"), "activation"),
        (dict(activation=(np.nan, 1.0)), "activation"),
        (dict(alpha=0.0), "alpha"),
        (dict(alpha="many"), "alpha"),
        (dict(noise=0.0), "noise"),
        (dict(width_ratio=-1.0), "width_ratio"),
        (dict(width_ratio=[1.0, 2.0]), "scalars"),
        (dict(readout="gaussian"), "readout"),
        (dict(prior="laplace"), "prior"),
    ],
)
def test_refusals(change, word):
    call = dict(activation="relu", alpha=1.0, width_ratio=0.5, noise=0.1) | change
    with pytest.raises(ValueError, match=word):
        teacher.quadratic_limits(**call)


@pytest.mark.parametrize(
    "call,word",
    [((-1.0, 0.5, "ones"), "signal"), ((1.0, 0.0, "ones"), "ratio"), ((1.0, 0.5, "both"), "read")],
)
def test_denoising_refuses(call, word):
    with pytest.raises(ValueError, match=word):
        teacher.denoise(*call)


def test_threshold_refuses_a_trace():
    with pytest.raises(ValueError, match="jit"):
        jax.jit(lambda d: teacher.quadratic_threshold("relu", width_ratio=0.5, noise=d))(0.1)
