"""Matrix-based Renyi coordinates of layers in the information plane: a diagnostic of geometry."""

import numpy as np

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
