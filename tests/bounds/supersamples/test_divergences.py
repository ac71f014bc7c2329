"""f-information bounds: divergences against loops, validity on balanced masks, equalities."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax.bounds import f_information, ld_cmi
from ibjax.bounds.supersamples.divergences import divergence

FORMS = ("mutual", "mutual_tv", "chi2", "hellinger", "tv", "js")
KINDS = ("kl", "chi2", "hellinger", "tv", "js")
FAST = {
    (form, pooled): jax.jit(lambda a, m, f=form, p=pooled: f_information(a, m, form=f, pooled=p))
    for form in FORMS
    for pooled in (False, True)
}


def slow(table, kind):
    p = table / table.sum()
    q = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    total = 0.0
    for a, b in zip(p.ravel(), q.ravel()):
        if b == 0:
            continue
        m = (a + b) / 2
        total += {
            "kl": a * np.log(a / b) if a > 0 else 0.0,
            "chi2": (a - b) ** 2 / b,
            "hellinger": (np.sqrt(a) - np.sqrt(b)) ** 2,
            "tv": abs(a - b) / 2,
            "js": (a * np.log(a / m) if a > 0 else 0.0) + b * np.log(b / m),
        }[kind]
    return total


@pytest.mark.parametrize("kind", KINDS)
def test_divergences_agree_with_loops(x64, kind):
    tables = np.random.default_rng(0).integers(0, 4, size=(20, 2, 3)).astype(float)
    tables[0] = [[3, 0, 1], [0, 5, 0]]
    found = divergence(tables, kind)
    np.testing.assert_allclose(found, [slow(t, kind) for t in tables], atol=1e-12)
    assert float(divergence(np.ones((2, 3)), kind)) == 0


def balanced(seed, k1=3, k2=8, n=4):
    """Every example trains in half of the masks; losses lean on the mask."""
    rng = np.random.default_rng(seed)
    half = rng.integers(2, size=(k1, k2 // 2, n))
    masks = np.concatenate([half, 1 - half], 1)
    ghost = np.arange(2) != masks[..., None]
    return (rng.random(ghost.shape) < np.where(ghost, *rng.random(2))).astype(int), masks


def form_by_loops(losses, masks, form):
    """Mean over pairs and supersamples of the printed formulas."""
    found = []
    for s, i in np.ndindex(masks.shape[0], masks.shape[2]):
        table = np.zeros((2, 3))
        d = losses[s, :, i, 1] - losses[s, :, i, 0]
        np.add.at(table, (masks[s, :, i], d + 1), 1.0)
        v = np.mean(d**2)
        i_, j, tv = (slow(table, k) for k in ("kl", "js", "tv"))
        found.append(
            {
                "mutual": i_ + np.sqrt(i_**2 + 2 * v * i_),
                "mutual_tv": np.sqrt(2 * (v + 2 * tv) * i_),
                "chi2": np.sqrt(v * slow(table, "chi2")),
                "hellinger": 2 * np.sqrt(v * slow(table, "hellinger")),
                "tv": 2 * tv,
                "js": 2 * np.sqrt(v * j),
            }[form]
        )
    return np.mean(found)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_its_formula(x64, form):
    losses, masks = balanced(7)
    found = float(FAST[form, False](losses, masks).value)
    assert found == pytest.approx(form_by_loops(losses, masks, form), abs=1e-9)


def test_the_js_form_holds_for_any_law_with_a_fair_bit_and_halves_the_published_one(x64):
    rng = np.random.default_rng(8)
    laws = rng.dirichlet(np.full(3, 0.5), size=(100_000, 2)) / 2
    sign, difference = np.array([[1], [-1]]), np.array([-1, 0, 1])
    gap = np.abs(np.sum(laws * sign * difference, (1, 2)))
    v, j = np.sum(laws * difference**2, (1, 2)), np.asarray(divergence(laws, "js"))
    ours, published = 2 * np.sqrt(v * j), 2 * j + np.sqrt(4 * j**2 + 16 * v * j)
    assert (ours >= gap - 1e-12).all() and (published >= 2 * ours).all()
    assert np.max(gap[gap > 0.01] / ours[gap > 0.01]) > 0.99  # the constant cannot be lowered


def gaps(losses, masks):
    sign = 1 - 2 * masks
    return np.abs(np.mean(sign * (losses[..., 1] - losses[..., 0]), axis=1))


@given(st.integers(0, 10_000))
def test_every_form_bounds_the_gap_of_balanced_masks(x64, seed):
    losses, masks = balanced(seed)
    each = gaps(losses, masks).mean()
    pooled_gap = abs(np.mean((1 - 2 * masks) * (losses[..., 1] - losses[..., 0])))
    for (form, pooled), function in FAST.items():
        value = float(function(losses, masks).value)
        assert value >= (pooled_gap if pooled else each) - 1e-9, (form, pooled)


def test_equalities_of_an_exchangeable_table(x64):
    """Each replica with its mirror image: the pooled differences are symmetric given the bit."""
    losses, masks = balanced(4)
    losses = np.concatenate([losses, losses[..., ::-1]], 1)
    masks = np.concatenate([masks, 1 - masks], 1)
    gap = abs(np.mean((1 - 2 * masks) * (losses[..., 1] - losses[..., 0])))
    assert gap > 0.01
    for form in ("chi2", "tv"):
        assert float(FAST[form, True](losses, masks).value) == pytest.approx(gap, abs=1e-12)


def test_information_and_invalid_replicas(x64):
    losses, masks = balanced(5)
    value = f_information(losses, masks, form="mutual")
    assert float(value.information) == pytest.approx(float(ld_cmi(losses, masks).information))
    valid = np.ones((3, 8), bool)
    valid[2] = False
    broken = losses.copy()
    broken[2] = 9
    for pooled in (False, True):
        found = f_information(broken, masks, pooled=pooled, valid=valid)
        clean = f_information(losses[:2], masks[:2], pooled=pooled)
        assert float(found.value) == pytest.approx(float(clean.value), abs=1e-12)
        assert float(found.std_error) == pytest.approx(float(clean.std_error), abs=1e-12)


def test_jit_precision_and_refusals(dtype):
    losses, masks = balanced(6)
    eager = f_information(losses, masks)
    assert eager.value.dtype == dtype
    assert float(FAST["chi2", False](losses, masks).value) == pytest.approx(
        float(eager.value), rel=1e-5
    )
    assert np.isnan(f_information(losses[:1], masks[:1], pooled=True).std_error)
    with pytest.raises(ValueError, match="form='kl'"):
        f_information(losses, masks, form="kl")
    with pytest.raises(ValueError, match="kind='mutual'"):
        divergence(np.ones((2, 3)), "mutual")
