"""Samples within a radius, against all differences."""

import numpy as np
import pytest

from ibjax.mi import ranges


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("n", "step"), [(1, 0), (2, 0), (128, 0), (200, 0.5), (333, 0.1)])
def test_samples_within_a_radius_are_all_that_are(n, step, dims, strict):
    """On grids too, whose differences are rounded, and where samples coincide."""
    rng = np.random.default_rng(n + dims)
    z, radius = rng.normal(size=(n, dims)), np.abs(rng.normal(size=n))
    if step:
        z, radius = np.round(z / step) * step, np.round(radius / step) * step
    gap = np.abs(z[:, None] - z[None]).max(axis=2)
    wanted = gap < radius[:, None] if strict else gap <= radius[:, None]
    np.testing.assert_array_equal(
        ranges.within(ranges.places(z), z, radius, strict), wanted.sum(axis=1)
    )


def test_some_samples_may_be_asked_for_alone():
    rng = np.random.default_rng(0)
    for dims in (1, 2):
        z, asked = rng.normal(size=(300, dims)), rng.normal(size=(40, dims))
        radius = np.full(40, 0.5)
        gap = np.abs(asked[:, None] - z[None]).max(axis=2)
        found = ranges.within(ranges.places(z), asked, radius, False)
        np.testing.assert_array_equal(found, (gap <= 0.5).sum(axis=1))
