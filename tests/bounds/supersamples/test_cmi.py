"""Supersample bounds on learners enumerated to the last mask, orderings and invariances."""

import itertools
from functools import cache

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from ibjax import bounds
from ibjax.bounds import invert
from ibjax.bounds.supersamples import plugin


@cache
def lookup(cells, p, n):
    """Majority label of each cell (ties and unseen: 0) on every supersample and mask.

    Inputs are uniform on `cells`, labels Bernoulli(p). Returns weights (K,), predictions and
    losses (K, 2^n, n, 2), masks (K, 2^n, n) and the learned functions (K, 2^n).
    """
    support = [(x, y) for x in range(cells) for y in (0, 1) if p < 1 or y == 1]
    mass = np.array([(p if y else 1 - p) / cells for _, y in support])
    tables = np.array(list(itertools.product(range(len(support)), repeat=2 * n)))
    weights = mass[tables].prod(1)
    x = np.array([s[0] for s in support])[tables].reshape(-1, n, 2)
    y = np.array([s[1] for s in support])[tables].reshape(-1, n, 2)
    masks = np.array(list(itertools.product((0, 1), repeat=n)))
    k, k2 = len(tables), len(masks)
    train_x = np.take_along_axis(x[:, None], masks[None, ..., None], -1)[..., 0]
    train_y = np.take_along_axis(y[:, None], masks[None, ..., None], -1)[..., 0]
    votes = [np.sum((train_x == c) * (2 * train_y - 1), -1) for c in range(cells)]
    rule = np.stack(votes, -1) > 0
    predictions = np.take_along_axis(
        rule[:, :, None, :].repeat(n, 2), x[:, None].repeat(k2, 1), -1
    ).astype(int)
    losses = (predictions != y[:, None]).astype(int)
    functions = rule @ (2 ** np.arange(cells))
    return weights, predictions, losses, np.broadcast_to(masks, (k, k2, n)), functions


# Training and test error, information of W, F, E, LD, single (disintegrated means), pooled LD and
# single; then the bounds: whole-sample CMI, W, LD, single, pooled LD, pooled single.
TOYS = {
    (1, 0.3, 2): (
        (0.21, 0.336, 0.151598, 0.064261, 0.064261, 0.064261, 0.064261, 0.019194, 0.010068),
        (0.389356, 0.160384, 0.160384, 0.195930, 0.141904),
        (0.509466, 0.542664),
    ),
    (1, 0.3, 3): (
        (0.21, 0.3864, 0.300986, 0.079519, 0.079519, 0.079519, 0.079519, 0.038218, 0.018798),
        (0.447948, 0.215930, 0.215930, 0.276471, 0.193896),
        None,
    ),
    (2, 0.5, 2): (
        (0.125, 0.5, 0.648286, 0.297625, 0.297625, 0.286795, 0.219051, 0.158189, 0.086128),
        (0.805162, 0.586433, 0.462841, 0.562474, 0.415037),
        (0.841343, 0.849572),
    ),
    (3, 0.25, 2): (
        (0.0625, 0.309028, 0.472313, 0.215061, 0.215061, 0.213857, 0.145066, 0.099456, 0.053966),
        (0.687250, 0.442763, 0.303723, 0.445996, 0.328529),
        (0.536914, 0.604274),
    ),
    (2, 0.25, 3): (
        (
            *(0.140625, 0.318359, 0.441135, 0.119509, 0.119509, 0.117367, 0.083182),
            *(0.044361, 0.022801),
        ),
        (0.542301, 0.319345, 0.232533, 0.297861, 0.213544),
        (0.527958, 0.576021),
    ),
    (3, 1.0, 2): (
        (0.0, 0.444444, 0.872852, 0.410754, 0.410754, 0.410754, 0.269306, 0.308065, 0.186225),
        (0.934265, 0.733850, 0.543501, 0.784940, 0.610287),
        (0.592593, 0.673700),
    ),
}


def per_supersample(function, values, masks, **keywords):
    return jax.jit(jax.vmap(lambda v, m: function(v[None], m[None], **keywords)))(values, masks)


@pytest.mark.parametrize("toy", list(TOYS), ids=str)
def test_enumerated_learners(x64, toy):
    weights, predictions, losses, masks, functions = lookup(*toy)
    printed, roots, inverted = TOYS[toy]
    n = toy[2]
    train = np.take_along_axis(losses, masks[..., None], -1)[..., 0]
    test = np.take_along_axis(losses, 1 - masks[..., None], -1)[..., 0]
    low, high = weights @ train.mean((1, 2)), weights @ test.mean((1, 2))
    codes = masks @ (2 ** np.arange(n))
    whole = [mutual_info_score(f, c) for f, c in zip(functions, codes)]
    values = {
        "f": per_supersample(lambda p, m: bounds.f_cmi(p, m, 2), predictions, masks),
        "e": per_supersample(bounds.e_cmi, losses, masks),
        "ld": per_supersample(bounds.ld_cmi, losses, masks),
        "single": per_supersample(bounds.single_loss, losses, masks),
    }
    info = {k: weights @ np.asarray(v.information) for k, v in values.items()}
    bound = {k: weights @ np.asarray(v.value) for k, v in values.items()}
    # Weighted counts stand for the exact unconditional law.
    difference = losses[..., 1] - losses[..., 0] + 1
    joint = np.zeros((2, 3))
    first = np.zeros((2, 2))
    scale = np.broadcast_to(weights[:, None, None], masks.shape) / masks[0].size
    np.add.at(joint, (masks, difference), scale)
    np.add.at(first, (masks, losses[..., 0]), scale)
    pooled = float(plugin.mutual_information(joint)), float(plugin.mutual_information(first))
    found = (low, high, weights @ whole, *(info[k] for k in ("f", "e", "ld", "single")), *pooled)
    np.testing.assert_allclose(found, printed, atol=6e-7)
    sz = bounds.steinke_zakynthinou(weights @ whole, n).value
    found = (sz, bound["ld"], bound["single"], *np.sqrt(2 * np.array(pooled)))
    np.testing.assert_allclose(found, roots, atol=6e-7)
    if inverted:
        e = info["e"]
        np.testing.assert_allclose(
            (invert.pair(low, e), invert.kl_half(low, e)), inverted, atol=1e-6
        )
    assert float(invert.js(low, pooled[1])) == pytest.approx(high, abs=1e-9)
    gap = high - low
    assert gap <= min(bound.values()) + 1e-12
    assert gap <= float(invert.pair(low, pooled[0])) - low + 1e-12
    if low == 0:
        assert pooled[0] / np.log(2) == pytest.approx(high, abs=1e-12)


def test_pooled_functions_on_a_uniform_toy(x64):
    _, _, losses, masks, _ = lookup(2, 0.5, 2)
    ld = bounds.ld_cmi(losses, masks, pooled=True)
    assert float(ld.value) == pytest.approx(0.562474, abs=6e-7)
    assert float(ld.information) == pytest.approx(0.158189, abs=6e-7)
    e = bounds.e_cmi(losses, masks, pooled=True)
    assert float(e.information) == pytest.approx(float(ld.information), abs=1e-12)
    single = bounds.single_loss(losses, masks, pooled=True)
    assert float(single.value) == pytest.approx(0.415037, abs=6e-7)
    js = bounds.single_loss(losses, masks, pooled=True, inversion="js")
    assert float(js.value) == pytest.approx(0.375, abs=1e-9)
    published = bounds.single_loss(losses, masks, pooled=True, centred=False)
    assert float(published.value) == pytest.approx(2 * 0.415037, abs=2e-6)
    pair = bounds.e_cmi(losses, masks, inversion="pair")
    assert float(pair.value) == pytest.approx(0.841343 - 0.125, abs=1e-6)
    half = bounds.e_cmi(losses, masks, inversion="kl_half")
    assert float(half.value) == pytest.approx(0.849572 - 0.125, abs=1e-6)


def random_replicas(seed, k1=2, k2=6, n=3):
    rng = np.random.default_rng(seed)
    return rng.integers(2, size=(k1, k2, n, 2)), rng.integers(2, size=(k1, k2, n))


LOSS_BOUNDS = {"e": bounds.e_cmi, "ld": bounds.ld_cmi, "single": bounds.single_loss}
FAST = {
    (name, pooled): jax.jit(lambda a, m, f=f, pooled=pooled: f(a, m, pooled=pooled))
    for name, f in LOSS_BOUNDS.items()
    for pooled in (False, True)
}
FAST["f", False] = jax.jit(lambda p, m: bounds.f_cmi(p, m, 2))


@given(st.integers(0, 10_000))
def test_data_processing_and_invariances(x64, seed):
    losses, masks = random_replicas(seed)
    rng = np.random.default_rng(seed + 1)
    labels = rng.integers(2, size=(2, 1, 3, 2))
    predictions = losses ^ labels
    e, ld = FAST["e", False](losses, masks), FAST["ld", False](losses, masks)
    f, single = FAST["f", False](predictions, masks), FAST["single", False](losses, masks)
    assert max(float(ld.value), float(single.value)) <= float(e.value) + 1e-12
    assert float(e.value) <= float(f.value) + 1e-12
    pairs, order = rng.permutation(3), rng.permutation(6)
    flip = rng.integers(2, size=(2, 1, 3))
    changes = {
        "pairs": (lambda a: a[:, :, pairs], masks[:, :, pairs]),
        "replicas": (lambda a: a[:, order], masks[:, order]),
        "supersamples": (lambda a: a[::-1], masks[::-1]),
        "columns": (lambda a: np.where(flip[..., None] == 1, a[..., ::-1], a), masks ^ flip),
    }
    for (name, pooled), function in FAST.items():
        given = predictions if name == "f" else losses
        reference = float(function(given, masks).value)
        for change, (of, bits) in changes.items():
            if change == "columns" and pooled:
                continue  # relabelling single pairs moves mass between pooled tables
            found = float(function(of(given), bits).value)
            assert found == pytest.approx(reference, abs=1e-9), (name, change)


def test_duplicated_replicas_leave_the_plugin_unchanged(x64):
    losses, masks = random_replicas(3)
    twice = bounds.ld_cmi(losses.repeat(2, 1), masks.repeat(2, 1))
    assert float(twice.value) == pytest.approx(float(bounds.ld_cmi(losses, masks).value))


def test_slow_twin_and_error_over_supersamples(x64):
    rng = np.random.default_rng(5)
    predictions, masks = rng.integers(4, size=(3, 10, 5, 2)), rng.integers(2, size=(3, 10, 5))
    means, infos = [], []
    for s in range(3):
        info = [
            mutual_info_score(4 * predictions[s, :, i, 0] + predictions[s, :, i, 1], masks[s, :, i])
            for i in range(5)
        ]
        means.append(np.mean(np.sqrt(2 * np.array(info))))
        infos.append(np.mean(info))
    value = bounds.f_cmi(predictions.astype(np.uint8), masks.astype(np.uint8), 4)
    assert float(value.value) == pytest.approx(np.mean(means), abs=1e-12)
    assert float(value.information) == pytest.approx(np.mean(infos), abs=1e-12)
    assert float(value.std_error) == pytest.approx(np.std(means, ddof=1) / np.sqrt(3), abs=1e-12)
    assert value.kind == "estimate" and "biased up" in value.note
    assert np.isnan(bounds.f_cmi(predictions[:1], masks[:1], 4).std_error)
    phi = bounds.f_cmi(predictions, masks, 4, inversion="phi")
    assert float(phi.value) <= min(float(value.value), 1.0)


@pytest.mark.parametrize("pooled", [False, True])
def test_invalid_replicas_are_left_out(x64, pooled):
    losses, masks = random_replicas(8, k1=3, k2=7)
    valid = np.ones((3, 7), bool)
    valid[:, 0] = False
    broken = losses.copy()
    broken[:, 0] = 77
    value = bounds.e_cmi(broken, masks, valid=valid, pooled=pooled)
    clean = bounds.e_cmi(losses[:, 1:], masks[:, 1:], pooled=pooled)
    assert float(value.value) == pytest.approx(float(clean.value), abs=1e-12)
    valid[2, 1:] = False
    two = bounds.e_cmi(broken, masks, valid=valid, pooled=pooled)
    clean = bounds.e_cmi(losses[:2, 1:], masks[:2, 1:], pooled=pooled)
    assert float(two.value) == pytest.approx(float(clean.value), abs=1e-12)
    assert float(two.std_error) == pytest.approx(float(clean.std_error), abs=1e-12)
    none = bounds.e_cmi(broken, masks, valid=np.zeros((3, 7), bool), pooled=pooled)
    assert np.isnan(none.value) and not bool(none.holds)


def test_corrections(x64):
    losses, masks = random_replicas(2, k1=4, k2=12, n=20)
    raw = bounds.ld_cmi(losses, masks)
    for correction in ("miller_madow", "jackknife", "permutation"):
        value = bounds.ld_cmi(losses, masks, correction=correction)
        # Masks independent of losses: every correction removes most of the information.
        assert (
            abs(float(value.information))
            < (0.7 if correction == "miller_madow" else 0.4) * raw.information
        )
        assert float(value.value) < float(raw.value)
        assert value.note != raw.note


def test_a_constant_predictor_has_no_information():
    predictions = np.ones((2, 4, 3, 2), int)
    masks = random_replicas(0, 2, 4, 3)[1]
    assert float(bounds.f_cmi(predictions, masks, 2).value) == 0


def test_jit_and_precision(dtype):
    losses, masks = random_replicas(4)
    for (name, pooled), function in FAST.items():
        if name == "f":
            continue
        eager = LOSS_BOUNDS[name](losses, masks, pooled=pooled)
        traced = function(losses, masks)
        assert eager.value.dtype == dtype
        np.testing.assert_allclose(traced.value, eager.value, rtol=1e-5)
        assert traced.kind == eager.kind and traced.assumptions == eager.assumptions


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a, m: bounds.e_cmi(a[..., 0], m), "give .k1, k2, n, 2."),
        (lambda a, m: bounds.e_cmi(a, m[:1]), "masks has shape"),
        (lambda a, m: bounds.e_cmi(a + 0.5, m), r"losses holds values outside .0, 1.; give clip="),
        (lambda a, m: bounds.f_cmi(a + 1, m, 2), "predictions holds other values"),
        (lambda a, m: bounds.ld_cmi(a, m + 2), "masks holds other values"),
        (lambda a, m: bounds.ld_cmi(a, m, inversion="cubic"), "inversion='cubic'"),
        (lambda a, m: bounds.ld_cmi(a, m, correction="cubic"), "correction='cubic'"),
        (lambda a, m: bounds.f_cmi(a, m, 1), "num_classes=1"),
        (lambda a, m: bounds.ld_cmi(a[:, :1], m[:, :1]), "k2 >= 2"),
        (lambda a, m: bounds.single_loss(a, m, centred=False, inversion="js"), "centred=True"),
    ],
)
def test_refusals(call, message):
    losses, masks = random_replicas(1)
    with pytest.raises(ValueError, match=message):
        call(losses, masks)
    assert np.isnan(jax.jit(bounds.e_cmi)(losses + 5, masks).value)
