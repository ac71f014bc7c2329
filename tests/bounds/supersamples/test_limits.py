"""An upper limit over supersamples, and how many masks are enough."""

import re

import numpy as np
import pytest

from ibjax import bounds
from ibjax.bounds.supersamples import polynomial


def balanced(seed, k1, half, n):
    bits = np.random.default_rng(seed).integers(2, size=(k1, half, n))
    return np.stack([bits, 1 - bits], 2).reshape(k1, 2 * half, n)


# Supersamples, mean information, limit at 95 %, its bound on the gap by phi: closed values.
@pytest.mark.parametrize(("k1", "limit"), [(20, 0.0964), (200, 0.0103)])
def test_limit_of_nothing(x64, k1, limit):
    masks = balanced(0, k1, 2, 3)
    found = bounds.cmi_limit(np.zeros((*masks.shape, 2), int), masks)
    assert float(found.information) == pytest.approx(limit, abs=6e-5)
    assert float(found.information) == pytest.approx(np.log(2) * (1 - 0.05 ** (1 / k1)), abs=1e-9)
    assert float(found.confidence) == pytest.approx(0.95) and found.kind == "estimate"


def test_limit_lies_above_the_mean_and_needs_its_premises(x64):
    masks = balanced(1, 6, 5, 8)
    losses = np.random.default_rng(1).integers(2, size=(*masks.shape, 2))
    for of, bound in [("ld_cmi", bounds.ld_cmi), ("e_cmi", bounds.e_cmi)]:
        found = bounds.cmi_limit(losses, masks, of=of)
        plain = bound(losses, masks, correction="conservative")
        assert float(found.information) > float(plain.information)
        assert float(found.value) > float(bound(losses, masks, inversion="phi").value)
    one = bounds.cmi_limit(losses[:1], masks[:1])
    assert not bool(one.holds) and "one supersample has no upper limit" in one.note
    assert not bool(bounds.cmi_limit(losses, masks[0]).holds)  # shared
    fair = np.random.default_rng(2).integers(2, size=masks.shape)
    assert not bool(bounds.cmi_limit(losses, fair).holds)
    # A replica left out counts as one that remembers everything.
    valid = np.ones(masks.shape[:2], bool)
    valid[0, 0] = False
    worse = bounds.cmi_limit(losses, masks, valid=valid)
    assert float(worse.information) > float(bounds.cmi_limit(losses, masks).information) + 0.05
    with pytest.raises(ValueError, match="delta=0"):
        bounds.cmi_limit(losses, masks, delta=0)


def test_masks_needed_against_the_closed_forms():
    assert [bounds.masks_needed(v, estimate="root") for v in (0.1, 0.3, 0.5)] == [6368, 708, 256]
    found = [bounds.masks_needed(np.sqrt(2 * i), estimate="information") for i in (0.01, 0.05, 0.2)]
    assert found == [500, 100, 26]
    need = bounds.masks_needed(0.3)
    assert need % 2 == 0
    assert polynomial.largest_bias(need // 2, 2) <= 0.0045
    assert polynomial.largest_bias(need // 2 - 1, 2) > 0.0045
    for wrong in (dict(value=0.0), dict(value=0.1, share=-1.0)):
        with pytest.raises(ValueError, match=r"give numbers in \(0"):
            bounds.masks_needed(**wrong)
    with pytest.raises(ValueError, match="more than 2000 masks"):
        bounds.masks_needed(1e-3)


@pytest.mark.parametrize("letters", [2, 3])
def test_resolution_is_the_inverse_of_masks_needed(letters):
    for masks in (8, 20):
        seen = bounds.resolution(masks, letters=letters)
        assert bounds.masks_needed(np.sqrt(2 * seen) + 1e-9, letters=letters) == masks
        assert bounds.resolution(masks, letters=letters, balanced=False) > seen
        assert bounds.resolution(masks, 0.2, letters=letters) == pytest.approx(seen / 2)
    with pytest.raises(ValueError, match="masks=1"):
        bounds.resolution(1)
    with pytest.raises(ValueError, match="at most 2000"):
        bounds.resolution(2001)


def test_advice_on_masks_names_what_is_seen_and_what_a_third_of_it_needs():
    said = bounds.masks_advice(20)
    seen, wanted, needed = (float(x) for x in re.findall(r"[\d.]+ (?=nats|would)|\d+$", said))
    assert seen == float(f"{bounds.resolution(20):.1g}") and wanted < seen / 2
    assert bounds.resolution(int(needed)) <= wanted < bounds.resolution(int(needed) - 10)
    assert "no information" in bounds.masks_advice(2)
    assert bounds.masks_advice(10, balanced=False).endswith("balanced ones")
    assert "would need" not in bounds.masks_advice(10**12)
