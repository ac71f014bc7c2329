import itertools

import numpy as np
import pytest

from ibjax import contraction


def matrix_of(kernel, size, circular):
    """The convolution of one direction as a matrix (size * cin, size * cout)."""
    k, cin, cout = kernel.shape
    out = np.zeros((size, cin, size, cout))
    for i, t in itertools.product(range(size), range(k)):
        j = i + t - k // 2
        if circular or 0 <= j < size:
            out[j % size, :, i] += kernel[t]
    return out.reshape(size * cin, size * cout)


def test_a_small_convolution(x64):
    kernel = np.array([1.0, 2.0, 1.0]).reshape(3, 1, 1)
    zero = matrix_of(kernel, 8, False)
    assert contraction.conv_norm(kernel, (8,)) == pytest.approx(4.0)
    assert np.linalg.norm(zero, 2) == pytest.approx(3.8793852, abs=6e-8)
    assert np.linalg.norm(zero[:, 1::2], 2) == pytest.approx(2.7444651, abs=6e-8)
    assert contraction.conv_norm(kernel, (8,), padding="zero") >= 3.8793852


@pytest.mark.parametrize("seed", range(3))
def test_norms_of_random_convolutions(x64, seed):
    kernel = np.random.default_rng(seed).normal(size=(3, 2, 4))
    exact = np.linalg.norm(matrix_of(kernel, 6, True), 2)
    assert contraction.conv_norm(kernel, (6,)) == pytest.approx(exact, rel=1e-12)
    zero = np.linalg.norm(matrix_of(kernel, 6, False), 2)
    assert contraction.conv_norm(kernel, (6,), padding="zero") >= zero
    flat = contraction.conv_norm(kernel[:, None], (6, 5))
    assert flat == pytest.approx(exact, rel=1e-12)


def test_the_image_of_a_box(x64):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(3, 2))
    corners = np.array(list(itertools.product((-1, 1), repeat=3))) @ w
    exact = max(np.linalg.norm(a - b) for a in corners for b in corners)
    for half_width in (1.0, np.inf):
        assert contraction.mapped_diameter(w, 2 * np.sqrt(3), half_width) >= exact
    row = rng.normal(size=(3, 1))
    one = contraction.mapped_diameter(row, 2 * np.sqrt(3), 1.0)
    assert one == pytest.approx(2 * np.abs(row).sum())
    assert contraction.mapped_diameter(w, 2.0) == pytest.approx(2 * np.linalg.norm(w, 2))
    assert float(contraction.mapped_diameter(np.zeros((3, 2)), np.inf)) == 0.0


def test_misfits_are_refused():
    with pytest.raises(ValueError, match="padding"):
        contraction.conv_norm(np.ones((3, 1, 1)), (8,), padding="same")
    with pytest.raises(ValueError, match="size"):
        contraction.conv_norm(np.ones((3, 1, 1)), (8, 8))
    with pytest.raises(ValueError, match="matrix"):
        contraction.dense_norm(np.ones(3))
