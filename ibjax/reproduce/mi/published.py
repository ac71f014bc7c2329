"""Estimates of the published benchmark's own package, beside which ours are put.

Czyz et al. (2023), Beyond normal, show their table (10,000 samples, ten seeds) as a figure. The
numbers here are those of the package that made it (benchmark-mi, JAX 0.4.30) with its defaults:
canonical correlations and nearest neighbours (k = 5, Euclidean in each space, clipped at zero) as
mean and standard deviation of three seeds with 10,000 samples; networks as one run with 5,000
samples, half of them for training, the best value seen on the other half.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """Means and standard deviations over seeds, in nats; networks have one seed."""

    cca: tuple[float, float]
    ksg: tuple[float, float]
    mine: float | None = None
    infonce: float | None = None
    nwj: float | None = None
    dv: float | None = None


SAMPLES = {"cca": 10_000, "ksg": 10_000, "mine": 5_000, "infonce": 5_000, "nwj": 5_000, "dv": 5_000}
"""How many samples each number was made with."""

_P = "multinormal-sparse"
PUBLISHED = {
    "1v1-normal-0.75": Published((0.412, 0.003), (0.415, 0.009), 0.397, 0.384, 0.371, 0.387),
    "normal_cdf-1v1-normal-0.75": Published(
        (0.385, 0.005), (0.420, 0.009), 0.366, 0.353, 0.349, 0.356
    ),
    "1v1-additive-0.1": Published((1.627, 0.003), (1.688, 0.004), 1.655, 1.659, 1.680, 1.673),
    "1v1-additive-0.75": Published((0.184, 0.005), (0.322, 0.012), 0.340, 0.302, 0.314, 0.311),
    "1v1-bimodal-0.75": Published((0.333, 0.006), (0.415, 0.009), 0.375, 0.363, 0.363, 0.361),
    "wiggly-1v1-normal-0.75": Published((0.380, 0.002), (0.415, 0.009), 0.382, 0.379, 0.372, 0.379),
    "half_cube-1v1-normal-0.75": Published(
        (0.385, 0.004), (0.412, 0.008), 0.391, 0.377, 0.368, 0.379
    ),
    "student-identity-1-1-1": Published(
        (0.191, 0.260), (0.187, 0.006), 0.196, 0.194, -0.379, 0.014
    ),
    "asinh-student-identity-1-1-1": Published(
        (0.000, 0.000), (0.231, 0.007), 0.217, 0.233, 0.228, 0.222
    ),
    "swissroll_x-normal_cdf-1v1-normal-0.75": Published(
        (0.020, 0.003), (0.413, 0.009), 0.360, 0.357, 0.340, 0.343
    ),
    "multinormal-dense-2-2-0.5": Published((0.292, 0.005), (0.298, 0.008)),
    "multinormal-dense-3-3-0.5": Published((0.414, 0.003), (0.414, 0.003)),
    "multinormal-dense-5-5-0.5": Published(
        (0.593, 0.004), (0.572, 0.004), 0.574, 0.554, 0.567, 0.555
    ),
    "multinormal-dense-25-25-0.5": Published(
        (1.328, 0.002), (1.087, 0.005), 1.056, 1.043, -0.001, 1.028
    ),
    "multinormal-dense-50-50-0.5": Published(
        (1.736, 0.002), (1.286, 0.014), 1.424, 1.169, 1.408, 1.064
    ),
    f"{_P}-2-2-2-2.0": Published((1.014, 0.009), (1.023, 0.013)),
    f"{_P}-3-3-2-2.0": Published((1.029, 0.004), (0.984, 0.008)),
    f"{_P}-5-5-2-2.0": Published((1.023, 0.003), (0.787, 0.005), 0.885, 0.966, 0.921, 0.956),
    f"{_P}-25-25-2-2.0": Published((1.056, 0.001), (0.212, 0.005), 0.646, 0.720, 0.794, 0.689),
    "student-identity-2-2-1": Published((0.914, 0.551), (0.276, 0.006)),
    "student-identity-2-2-2": Published((0.037, 0.028), (0.114, 0.006)),
    "student-identity-3-3-2": Published((0.054, 0.034), (0.136, 0.008)),
    "student-identity-3-3-3": Published((0.023, 0.020), (0.077, 0.009)),
    "student-identity-5-5-2": Published((0.316, 0.059), (0.194, 0.005), 0.254, 0.179, 0.029, 0.111),
    "student-identity-5-5-3": Published((0.058, 0.037), (0.137, 0.001)),
    f"normal_cdf-{_P}-3-3-2-2.0": Published((0.970, 0.007), (0.947, 0.006)),
    f"normal_cdf-{_P}-5-5-2-2.0": Published((0.958, 0.005), (0.758, 0.005)),
    f"normal_cdf-{_P}-25-25-2-2.0": Published(
        (0.993, 0.002), (0.221, 0.005), 0.660, 0.664, 0.683, 0.607
    ),
    f"half_cube-{_P}-3-3-2-2.0": Published((0.963, 0.004), (0.917, 0.005)),
    f"half_cube-{_P}-5-5-2-2.0": Published((0.965, 0.014), (0.710, 0.005)),
    f"half_cube-{_P}-25-25-2-2.0": Published(
        (0.992, 0.002), (0.183, 0.007), 0.655, 0.589, 0.758, 0.642
    ),
    f"spiral-{_P}-3-3-2-2.0": Published((0.238, 0.008), (0.772, 0.010), 0.410, 0.554, 0.481, 0.484),
    f"spiral-{_P}-5-5-2-2.0": Published((0.382, 0.002), (0.600, 0.003)),
    f"spiral-{_P}-25-25-2-2.0": Published(
        (0.863, 0.005), (0.191, 0.004), 0.583, 0.482, 0.619, 0.471
    ),
    f"spiral-normal_cdf-{_P}-3-3-2-2.0": Published((0.848, 0.007), (0.930, 0.008)),
    f"spiral-normal_cdf-{_P}-5-5-2-2.0": Published((0.894, 0.003), (0.732, 0.002)),
    f"spiral-normal_cdf-{_P}-25-25-2-2.0": Published((0.982, 0.002), (0.215, 0.003)),
    "asinh-student-identity-2-2-1": Published((0.001, 0.001), (0.406, 0.003)),
    "asinh-student-identity-3-3-2": Published((0.001, 0.000), (0.201, 0.005)),
    "asinh-student-identity-5-5-2": Published(
        (0.003, 0.001), (0.250, 0.002), 0.195, 0.309, 0.008, 0.182
    ),
}
