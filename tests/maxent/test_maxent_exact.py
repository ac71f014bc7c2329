"""The exact decomposition on finite alphabets: ten toy laws with all their digits, orderings."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax import maxent

CUBE = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
SQUARE = np.array(list(itertools.product([0.0, 1.0], repeat=2)))
PARITY = SQUARE[:, :1] != SQUARE[:, 1:]
PRODUCT = SQUARE[:, :1] * SQUARE[:, 1:]
XOR = np.array([[0.25, 0], [0, 0.25], [0, 0.25], [0.25, 0]])
NOISY = np.array([[0.09, 0.01], [0.02, 0.18], [0.03, 0.27], [0.36, 0.04]])


def naive_bayes_law():
    prior = [0.5, 0.3, 0.2]
    ones = np.array([[0.9, 0.3, 0.1], [0.2, 0.7, 0.4], [0.5, 0.6, 0.8]])
    table = np.empty((8, 3))
    for row, letter in enumerate(CUBE):
        chances = np.where(letter[:, None] == 1, ones, 1 - ones)
        table[row] = prior * chances.prod(axis=0)
    return table


COMMON = np.array(
    [
        [0.04316551191197244, 0.14143312533402935],
        [0.07865269078328545, 0.21099342943789823],
        [0.0007906039286270409, 0.015671236984066274],
        [0.001440574282013927, 0.02337873837541936],
        [0.015879704400055657, 0.0009529689024157024],
        [0.028934707931985302, 0.0014216625447078378],
        [0.11733602664644714, 0.042598838723262686],
        [0.213800180115613, 0.0635499996982006],
    ]
)
DEPENDENT = np.array(
    [
        [0.06866741627699567, 0.014720669002090807],
        [0.09269131665499042, 0.017979865721116626],
        [0.005636564770603877, 0.1622685308510904],
        [0.007608566600072255, 0.19819523114412035],
        [0.025261330726667974, 0.040014927051143796],
        [0.03409922977248308, 0.04887434226784502],
        [0.113213429819903, 0.008078874439436076],
        [0.15282214537828376, 0.009867559523156919],
    ]
)
LN2 = 0.6931471805599453
H_BAYES = 0.6648376735485608
H_NOISY = 0.3250829733914482
# Features, joint law, then H(Y|X), I(X;Y|T), linear gap, naive-Bayes gap, TC, KL_T, CE_softmax.
CASES = {
    "A": (CUBE, naive_bayes_law(), (H_BAYES, 0, 0, 0, 0, 0, H_BAYES)),
    "A2 drops x3": (
        CUBE[:, :2],
        naive_bayes_law(),
        (H_BAYES, 0.017206382390695385, 0, 0, 0, 0, 0.6820440559392567),
    ),
    "A3 copies x3": (
        CUBE[:, [0, 1, 2, 2]],
        naive_bayes_law(),
        (H_BAYES, 0, 0, 0.015004234339052624, 0.6485575750903871, 0.6335533407513348, H_BAYES),
    ),
    "B xor": (SQUARE, XOR, (0, 0, LN2, LN2, LN2, 0, LN2)),
    "B2 parity": (PARITY, XOR, (0, 0, 0, 0, 0, 0, 0)),
    "B3 xor and parity": (np.hstack([SQUARE, PARITY]), XOR, (0, 0, 0, 0, LN2, LN2, 0)),
    "B4 noisy xor": (
        SQUARE,
        NOISY,
        (
            H_NOISY,
            0,
            0.28980736712110766,
            0.29153192369978664,
            0.30220088950224655,
            0.010668965802460115,
            0.6148903405125559,
        ),
    ),
    "B5 noisy xor and product": (
        np.hstack([SQUARE, PRODUCT]),
        NOISY,
        (H_NOISY, 0, 0, 0.23032092673398485, 0.7380622341102774, 0.5077413073762927, H_NOISY),
    ),
    "C common coupling": (
        CUBE,
        COMMON,
        (
            0.5298267168318875,
            0,
            0,
            0.08603238804390734,
            0.3324912556103379,
            0.24645886756643048,
            0.5298267168318879,
        ),
    ),
    "D coupling by class": (
        CUBE,
        DEPENDENT,
        (
            0.31186377667785203,
            0,
            0.2525897919677733,
            0.2538167562430087,
            0.25804410916372733,
            0.0042273529207187965,
            0.5644535686456253,
        ),
    ),
}
NAMES = (
    "label_entropy",
    "sufficiency_residual",
    "linear_gap",
    "naive_bayes_gap",
    "total_correlation",
    "mixture_divergence",
    "cross_entropy",
)


def padded(features, joint):
    """One shape for every case: constant units and letters without mass change no value."""
    letters, units = features.shape
    wide = np.zeros((8, 4))
    wide[:letters, :units] = features
    mass = np.zeros((8, joint.shape[1]))
    mass[:letters] = joint
    return wide, mass


@pytest.mark.parametrize("case", CASES)
def test_toy_laws_to_all_digits(x64, case):
    features, joint, expected = CASES[case]
    found = maxent.decompose(*padded(features, joint))
    for name, value in zip(NAMES, expected):
        part = getattr(found, name)
        np.testing.assert_allclose(part.value, value, atol=1e-12, rtol=0, err_msg=name)
        assert bool(part.ok)
        assert part.bias == "none" and float(part.std_error) == 0


def test_float32_is_close_and_stays_float32():
    features, joint, expected = CASES["D coupling by class"]
    found = maxent.decompose(features.astype(np.float32), joint)
    for name, value in zip(NAMES, expected):
        assert getattr(found, name).value.dtype == jnp.float32
        np.testing.assert_allclose(getattr(found, name).value, value, atol=3e-6)


def test_strict_laws_return_the_true_conditional(x64):
    """Both conditions on binary units, or a common base measure: moment-ME = the Bayes law."""
    for case in ("A", "A3 copies x3", "B5 noisy xor and product", "C common coupling"):
        features, joint, _ = CASES[case]
        found = maxent.decompose(*padded(features, joint))
        features = padded(features, joint)[0][: len(joint)]
        truth = joint / joint.sum(axis=1, keepdims=True)
        law = jax.nn.softmax(features @ found.weights + found.bias)
        np.testing.assert_allclose(law, truth, atol=1e-9)


laws = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).dirichlet(np.full(16, 0.7)).reshape(8, 2)
)


@given(laws, st.integers(0, 7))
def test_ordering_of_the_residuals(x64, joint, merged):
    """0 <= linear gap <= naive-Bayes gap = TC - KL_T <= TC, and the sum rule, for binary units."""
    features = CUBE.copy()
    features[merged, 2] = 1 - features[merged, 2]
    found = maxent.decompose(*padded(features, joint))
    value = {name: float(getattr(found, name).value) for name in NAMES}
    assert value["sufficiency_residual"] >= -1e-12
    assert -1e-10 <= value["linear_gap"] <= value["naive_bayes_gap"] + 1e-10
    assert value["naive_bayes_gap"] == pytest.approx(
        value["total_correlation"] - value["mixture_divergence"], abs=1e-10
    )
    assert value["mixture_divergence"] >= -1e-12
    assert value["cross_entropy"] == pytest.approx(
        value["label_entropy"] + value["sufficiency_residual"] + value["linear_gap"], abs=1e-12
    )


def test_jit_and_vmap_agree_with_a_loop(x64):
    wide, _ = padded(CUBE, COMMON)
    laws = np.random.default_rng(1).dirichlet(np.ones(16), size=3).reshape(3, 8, 2)
    batch = jax.jit(jax.vmap(lambda joint: maxent.decompose(wide, joint)))(laws)
    for index, joint in enumerate(laws):
        eager = maxent.decompose(wide, joint)
        for name in NAMES:
            one = getattr(eager, name).value
            np.testing.assert_allclose(getattr(batch, name).value[index], one, atol=1e-11)


def test_counts_are_accepted_and_letters_without_mass_ignored(x64):
    joint = np.array([[3, 1], [0, 0], [2, 2], [1, 5]])
    features, counts = padded(SQUARE, joint)
    found = maxent.decompose(features, counts)
    features[1] = [7, -2, 1, 1]
    moved = maxent.decompose(features, counts / 14)
    for name in NAMES:
        one, two = getattr(found, name).value, getattr(moved, name).value
        np.testing.assert_allclose(one, two, atol=1e-11)
    assert float(found.label_entropy.value) == pytest.approx(
        (4 * 0.5623351446188083 + 4 * LN2 + 6 * 0.4505612088663047) / 14, abs=1e-12
    )


@pytest.mark.parametrize(
    ("features", "joint", "message"),
    [
        (np.zeros(4), XOR, "features has shape"),
        (np.full((4, 1), np.nan), XOR, "NaN"),
        (SQUARE, XOR[:3], "rows"),
        (SQUARE, -XOR, "negative"),
        (SQUARE, XOR[:, :1], "one column a class"),
    ],
)
def test_bad_input(features, joint, message):
    with pytest.raises(ValueError, match=message):
        maxent.decompose(features, joint)
