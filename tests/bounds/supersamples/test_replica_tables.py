"""What the bounds from tables share: types of losses, errors, orderings, and where they err."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from ibjax import bounds
from ibjax.bounds import invert
from ibjax.bounds.supersamples import replica_tables

LOSS_BOUNDS = {"e": bounds.e_cmi, "ld": bounds.ld_cmi, "single": bounds.single_loss}


def balanced(seed, k1=3, k2=8, n=4):
    """Every example trains in half of the masks; losses lean on the mask and on the column."""
    rng = np.random.default_rng(seed)
    half = rng.integers(2, size=(k1, k2 // 2, n))
    masks = np.concatenate([half, 1 - half], 1)
    ghost = np.arange(2) != masks[..., None]
    lean = rng.random((2, 2))
    return (rng.random(ghost.shape) < lean[ghost.astype(int), np.arange(2)]).astype(int), masks


def memoriser(masks):
    """Wrong on every member that was not trained on: a gap of 1."""
    return (np.arange(2) != np.asarray(masks)[..., None]).astype(int)


@pytest.mark.parametrize(
    "bound",
    [
        bounds.e_cmi,
        bounds.ld_cmi,
        bounds.single_loss,
        bounds.f_information,
        lambda e, m: bounds.per_class(e, m[:, 0, :, None] ^ np.arange(2), m, 2).bound,
        lambda e, m: bounds.f_cmi(e, m, 2),
    ],
    ids=["e_cmi", "ld_cmi", "single_loss", "f_information", "per_class", "f_cmi"],
)
def test_boolean_losses_are_losses(x64, bound):
    losses, masks = balanced(0)
    wanted = bound(losses, masks).value
    for kind in (np.asarray, jnp.asarray):
        given = kind(losses.astype(bool))
        np.testing.assert_array_equal(bound(given, masks).value, wanted)
        np.testing.assert_allclose(jax.jit(lambda e: bound(e, masks).value)(given), wanted)
    np.testing.assert_array_equal(bound(losses, masks.astype(bool)).value, wanted)


@pytest.mark.parametrize("k2", [4, 30])
def test_unbalanced_masks_cap_the_information_below_log_2(x64, k2):
    masks = np.random.default_rng(0).integers(2, size=(50, k2, 40))
    half = np.arange(k2)[None, :, None] % 2 ^ masks[:, :1]
    for chosen, entropy in ((masks, np.log(2) - 1 / (2 * k2)), (half, np.log(2))):
        losses = memoriser(chosen)
        ld = bounds.ld_cmi(losses, chosen)
        assert float(ld.information) == pytest.approx(entropy, abs=0.05 if k2 == 4 else 1e-3)
        phi = float(bounds.ld_cmi(losses, chosen, inversion="phi").value)
        pair = float(bounds.ld_cmi(losses, chosen, inversion="pair").value)
        tv = float(bounds.f_information(losses, chosen, form="tv").value)
        if chosen is half:
            assert [phi, pair, tv] == pytest.approx([1, 1, 1], abs=1e-6)
        else:
            assert max(phi, pair, tv) < 0.999


def test_notes_say_how_the_value_errs():
    losses, masks = balanced(1)
    notes = {
        (c, p): bounds.ld_cmi(losses, masks, correction=c, pooled=p).note
        for c in (None, "miller_madow", "jackknife")
        for p in (False, True)
    }
    plain, pooled = notes[None, False], notes[None, True]
    assert "up near zero" in plain and "low near log 2" in plain and "(2 k2) nats a cell" in plain
    assert "up near zero" in pooled and "low near log 2" in pooled and "k1 k2 n" in pooled
    assert "masks" in notes["jackknife", False] and "draws" in notes["jackknife", True]
    assert bounds.f_cmi(losses, masks, 2).note == plain
    assert "tv fall below" in bounds.f_information(losses, masks).note
    by_class = bounds.per_class(losses, masks[:, 0, :, None] ^ np.arange(2), masks, 2).bound.note
    assert by_class.startswith(plain)
    for name in ("jackknife", "permutation"):
        assert "up near zero" not in replica_tables.note(name)


def cells(values, masks):
    """Information of each pair and supersample, by loops."""
    k1, _, n = masks.shape
    return np.array(
        [[mutual_info_score(values[s, :, i], masks[s, :, i]) for i in range(n)] for s in range(k1)]
    )


def codes(name, losses):
    return {
        "e": [2 * losses[..., 0] + losses[..., 1]],
        "ld": [losses[..., 1] - losses[..., 0]],
        "single": [losses[..., 0], losses[..., 1]],
    }[name]


@pytest.mark.parametrize("name", list(LOSS_BOUNDS))
def test_phi_and_sqrt_are_means_over_cells(x64, name):
    losses, masks = balanced(2)
    info = np.maximum([cells(c, masks) for c in codes(name, losses)], 0)
    for inversion, root in (("phi", invert.phi), ("sqrt", lambda i: np.sqrt(2 * i))):
        found = LOSS_BOUNDS[name](losses, masks, inversion=inversion)
        assert float(found.value) == pytest.approx(float(np.mean(root(info))), abs=1e-9)
    pooled = np.mean([mutual_info_score(c.ravel(), masks.ravel()) for c in codes(name, losses)])
    found = LOSS_BOUNDS[name](losses, masks, inversion="phi", pooled=True)
    assert float(found.value) == pytest.approx(float(invert.phi(float(pooled))), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "inversion"),
    [("ld", "pair"), ("e", "pair"), ("ld", "kl_half"), ("single", "js")],
)
@pytest.mark.parametrize("pooled", [False, True])
def test_inversions_through_means_and_their_jackknife(x64, name, inversion, pooled):
    losses, masks = balanced(3, k1=5)

    def by_loop(keep):
        a, m = losses[keep], masks[keep]
        values = codes(name, a)
        if pooled:
            info = np.mean([mutual_info_score(c.ravel(), m.ravel()) for c in values])
        else:
            info = np.mean([cells(c, m) for c in values])
        rate = np.mean(np.take_along_axis(a, m[..., None], -1))
        return float(getattr(invert, inversion)(rate, max(info, 0.0))) - rate

    found = LOSS_BOUNDS[name](losses, masks, inversion=inversion, pooled=pooled)
    assert float(found.value) == pytest.approx(by_loop(np.arange(5)), abs=1e-9)
    left = np.array([by_loop(np.arange(5) != s) for s in range(5)])
    twin = np.sqrt(4 / 5 * np.sum((left - left.mean()) ** 2))
    assert float(found.std_error) == pytest.approx(twin, rel=1e-6)


def test_pooled_error_is_the_jackknife_over_supersamples(x64):
    losses, masks = balanced(11, k1=5)
    left = []
    for s in range(5):
        keep = np.arange(5) != s
        left.append(float(bounds.ld_cmi(losses[keep], masks[keep], pooled=True).value))
    twin = np.sqrt(4 / 5 * np.sum((np.array(left) - np.mean(left)) ** 2))
    value = bounds.ld_cmi(losses, masks, pooled=True)
    assert float(value.std_error) == pytest.approx(twin, rel=1e-9)


@jax.jit
def everything(losses, masks):
    out = {}
    for name, bound in LOSS_BOUNDS.items():
        means = ("js",) if name == "single" else ("pair", "kl_half")
        for pooled in (False, True):
            for inversion in ("sqrt", "phi", *means):
                out[name, pooled, inversion] = bound(
                    losses, masks, pooled=pooled, inversion=inversion
                )
    return out


@given(st.integers(0, 10_000))
def test_orderings_and_validity_on_balanced_masks(x64, seed):
    """With fair empirical bits the table of each pair is a law the theorems speak of."""
    losses, masks = balanced(seed)
    found = everything(losses, masks)
    differences = (1 - 2 * masks) * (losses[..., 1] - losses[..., 0])
    gap = {False: np.abs(differences.mean(1)).mean(), True: abs(differences.mean())}
    # Inversions through the means bound the signed gap, pooled or not.
    signed = differences.mean()
    for (name, pooled, inversion), value in found.items():
        low = gap[pooled] if inversion in ("sqrt", "phi") else signed
        assert float(value.value) >= low - 1e-9, (name, pooled, inversion)
        assert (
            float(found[name, True, inversion].information)
            <= float(found[name, False, inversion].information) + 1e-12
        )
    for pooled in (False, True):
        single, e, ld = (found[k, pooled, "sqrt"] for k in ("single", "e", "ld"))
        assert float(single.value) <= float(e.value) + 1e-12
        assert float(ld.value) <= float(e.value) + 1e-12
        assert (
            float(found["ld", pooled, "pair"].value)
            <= float(found["ld", pooled, "kl_half"].value) + 1e-9
        )


def test_losses_of_one_column_alone_need_symmetric_columns(x64):
    """Only column 1 tells its members apart: both columns see the gap, column 0 does not."""
    masks = balanced(5)[1]
    losses = np.stack([np.zeros_like(masks), 1 - masks], -1)
    gap = np.mean((1 - 2 * masks) * (losses[..., 1] - losses[..., 0]))
    assert gap == pytest.approx(0.5)
    assert float(bounds.single_loss(losses, masks).value) >= gap
    assert float(bounds.single_loss(losses, masks, inversion="phi").value) >= gap - 1e-9
    assert float(bounds.single_loss(losses, masks, centred=False).value) == 0
