import jax
import numpy as np
import pytest

from ibjax import contraction


def test_layers_that_contract_are_counted(x64):
    strong, weak = contraction.gaussian_noise(2.0, 1.0), contraction.gaussian_noise(20.0, 1.0)
    still = contraction.gaussian_noise(2.0, 0.0)
    got = contraction.effective_depth([strong, still, strong, weak])
    assert got.layers == 4 and float(got.noisy) == 3
    assert got.equivalent == pytest.approx(2.0, abs=1e-9)
    assert got.log_factor == pytest.approx(np.log(0.5504004908), abs=1e-9)
    assert got.mean == pytest.approx(0.5504004908**0.5, abs=1e-9)
    none = contraction.effective_depth([still, still])
    assert (float(none.noisy), float(none.equivalent), float(none.mean)) == (0, 0, 1)
    blocked = contraction.effective_depth([strong, contraction.gaussian_noise(0.0, 1.0)])
    assert float(blocked.equivalent) == 1 and float(blocked.mean) == 0
    assert contraction.effective_depth([]).layers == 0
    with pytest.raises(ValueError, match="Contraction"):
        contraction.effective_depth([0.5])


def test_a_layer_far_below_rounding_still_counts_as_noisy(x64):
    wide = contraction.gaussian_noise(200.0, 1.0)
    got = contraction.effective_depth([wide, wide])
    assert float(wide.value) == 1.0 and float(got.noisy) == 2
    assert got.equivalent == pytest.approx(2.0)


def test_a_sweep_of_noise(x64):
    def f(std):
        return contraction.effective_depth([contraction.gaussian_noise(2.0, std)] * 3).log_factor

    stds = np.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(jax.jit(jax.vmap(f))(stds), [f(s) for s in stds], rtol=1e-12)


def test_average_pooling_shrinks_distances(x64):
    for size, window, stride in ((8, 4, 4), (9, 3, 2), (8, 2, 1)):
        starts = range(0, size - window + 1, stride)
        rows = np.array([[1 / window * (s <= i < s + window) for i in range(size)] for s in starts])
        norm = np.linalg.norm(rows, 2)
        bound = contraction.pool_norm((window,), (stride,))
        assert norm <= bound + 1e-12
        if window == stride:
            assert norm == pytest.approx(bound)
    assert contraction.pool_norm((2, 2)) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="window"):
        contraction.pool_norm((2, 2), (1,))
