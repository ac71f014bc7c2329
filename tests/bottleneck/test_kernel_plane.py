"""Matrix-based Renyi coordinates of layers in the information plane: a diagnostic of geometry."""

import numpy as np
import pytest

from ibjax import bottleneck, mi


def test_clusters_and_spread_layers(x64):
    y = np.arange(40) % 4
    clusters = 10.0 * np.eye(4)[y]
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(40, 30)) * 5
    found = bottleneck.plane({"c": clusters, "s": spread}, y, method="renyi")
    # Collapsed onto the classes: log 4 for both coordinates, up to the tails of the kernel.
    width = float(found.resolution[0])
    known = mi.renyi_information(clusters, 1e3 * y, (width, 1.0))
    np.testing.assert_allclose(found.i_tx[0], known.entropy_x, rtol=1e-9)
    np.testing.assert_allclose(found.i_ty[0], known.value, rtol=1e-9)
    assert found.i_tx[0] < found.i_tx[1] <= np.log(40)
    assert found.bias == "unknown" and "no information" in found.measures
    np.testing.assert_allclose(found.resolution[1], mi.median_width(spread), rtol=1e-12)


def test_one_width_a_layer_sees_a_shrinking_scale(x64):
    rng = np.random.default_rng(1)
    t = rng.normal(size=(20, 3))
    path = np.stack([0.1 * t, 0.5 * t, t])
    found = bottleneck.plane([path], np.arange(20) % 2, method="renyi")
    assert (np.diff(np.asarray(found.i_tx[0])) > 0).all()
    assert len(set(np.asarray(found.resolution[0]).tolist())) == 1
    still = bottleneck.plane([np.zeros((20, 3))], np.arange(20) % 2, method="renyi")
    np.testing.assert_allclose([still.i_tx[0], still.i_ty[0]], 0, atol=1e-9)


@pytest.mark.parametrize("method", ["renyi", "total_correlation", "hsic", "cka"])
def test_coordinates_are_those_of_the_functions_with_cap_and_null(x64, method):
    rng = np.random.default_rng(2)
    y = np.arange(30) % 3
    x = rng.normal(size=(30, 4))
    path = np.stack([0.3 * x[:, :3], x[:, :3] + 2 * np.eye(3)[y]])
    found = bottleneck.plane([path], y, method=method, inputs=x)
    t, width = path[-1], float(mi.median_width(path[-1]))
    classes = np.eye(3)[y] * 1e3, 1.0
    if method == "renyi":
        known = mi.renyi_information(t, classes[0], (width, 1.0))
        want = known.entropy_x, known.value, known.cap
    elif method == "total_correlation":
        units = [t[:, j] for j in range(3)]
        widths = [float(mi.median_width(u)) for u in units]
        tc = mi.renyi_total_correlation(tuple(units), tuple(widths))
        both = mi.renyi_total_correlation((*units, classes[0]), (*widths, 1.0))
        # TC of units and label less that of the units is the information about the label
        whole = sum(float(mi.renyi_entropy(u, w)) for u, w in zip(units, widths)) - tc
        label = mi.renyi_entropy(*classes)
        want = tc, both - tc, min(float(whole), float(label))
    else:
        function = mi.hsic if method == "hsic" else mi.cka
        ways = {"kernel": "gaussian"}
        own = float(mi.median_width(x))
        against = function(t, classes[0], widths=(width, 1.0), **ways)
        size = mi.hsic(t, t, widths=(width, width)) * mi.hsic(*2 * (classes[0],), widths=(1.0, 1.0))
        cap = np.sqrt(size) if method == "hsic" else 1.0
        want = function(t, x, widths=(width, own), **ways), against, cap
    got = (found.i_tx[0, 1], found.i_ty[0, 1], found.cap[0, 1])
    np.testing.assert_allclose(got, want, rtol=1e-9)
    # permuted labels show less than the labels do, and a layer that knows none of them no more
    assert float(found.permuted[0, 1]) < float(found.i_ty[0, 1]) <= float(found.cap[0, 1])
    assert float(found.resolution[0, 0]) == float(found.resolution[0, 1])
    assert "diagnostic" in found.measures and found.bias == "unknown"
    assert bottleneck.draw(found).lines


def test_kernels_of_inputs_need_inputs():
    t, y = np.ones((8, 2)), np.arange(8) % 2
    for change, word in (({}, "inputs="), ({"inputs": np.ones((7, 2))}, "inputs has shape")):
        with pytest.raises(ValueError, match=word):
            bottleneck.plane([t], y, method="cka", **change)
