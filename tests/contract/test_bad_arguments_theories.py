"""The same one bad argument at a time for theories of width, collapse and short descriptions."""

from typing import Any

import jax
import numpy as np
import pytest

from ibjax import bounds, data, infinite, langevin, maxent, mi, networks, teacher

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
X, Y, LABELS = RNG.normal(size=(30, 2)), RNG.normal(size=(30, 2)), RNG.integers(0, 2, 30)
KERNEL = X @ X.T
REGRESSION = dict(
    train=KERNEL, y=X[:, 0], noise=0.5, widths=[4], test_train=KERNEL[:2], test=KERNEL[:2, :2]
)

CALLS: list[tuple[Any, dict[str, Any]]] = [
    (maxent.collapse, dict(features=X, labels=LABELS, num_classes=2)),
    (maxent.collapse_errors, dict(features=X, labels=LABELS, groups=3)),
    (maxent.collapse_columns, dict(features=[X[None]], labels=LABELS[None])),
    (infinite.finite_width_regression, REGRESSION),
    (infinite.finite_width_error, REGRESSION | dict(labels=np.ones(2))),
    (infinite.finite_width_information, dict(kernel=KERNEL, noise=0.5, widths=[4])),
    (
        infinite.scale_information,
        dict(key=KEY, kernel=KERNEL, noise=0.5, widths=[4], draws=2),
    ),
    (teacher.quadratic_limits, dict(activation="relu", alpha=1.0, width_ratio=0.5, noise=0.1)),
    (teacher.hermite_parts, dict(activation="relu")),
    (mi.renyi_entropy, dict(x=X, width=1.0)),
    (mi.renyi_information, dict(x=X, y=Y, widths=(1.0, 1.0))),
    (mi.renyi_total_correlation, dict(variables=(X, Y), widths=(1.0, 1.0))),
    (mi.median_width, dict(x=X)),
    (mi.silverman_width, dict(x=X)),
    (mi.hsic, dict(x=X, y=Y)),
    (mi.cka, dict(x=X, y=Y)),
    (mi.hsic_test, dict(key=KEY, x=X, y=Y, permutations=3)),
    (mi.k_sliced, dict(key=KEY, x=X, y=Y, dim=1, slices=2)),
    (mi.self_consistency, dict(key=KEY, estimator="cca", x=X, y=Y)),
    (bounds.occam, dict(train_error=0.1, bits=10.0, n=100, delta=0.05)),
    (bounds.code_length, dict(letters=LABELS, alphabet=2)),
    (bounds.integer_bits, dict(number=3)),
    (data.embedded_gaussian, dict(key=KEY, n=3, ambient=9, pairs=2)),
    (infinite.error_probability, dict(mean=X[:, 0], variance=np.ones(30), sign=np.ones(30))),
    (infinite.flow_time, dict(learning_rate=0.1, steps=10.0, entries=1.0)),
    (infinite.flow_steps, dict(time=1.0, learning_rate=0.1, entries=1.0)),
    (infinite.input_information, dict(mean=X, variance=np.ones(30))),
    (infinite.ntk_regression, dict(train=KERNEL, y=X[:, 0], test_train=KERNEL[:2], ridge=0.1)),
    (infinite.quadrature, dict(function=np.tanh)),
    (maxent.binarise, dict(features=X)),
    (maxent.joint_table, dict(labels=LABELS, num_classes=2)),
    (maxent.probe, dict(key=KEY, features=X, labels=LABELS, num_classes=2, width=8)),
    (teacher.activation_constants, dict(activation="tanh")),
    (teacher.sample_linear_teacher, dict(key=KEY, readout="sign", n=10, d=5)),
    (langevin.noise_std, dict(learning_rate=0.1, inverse_temperature=10.0)),
    (langevin.cross_entropy, dict(logits=X, y=LABELS)),
    (networks.diameter, dict(name="tanh", width=3)),
    (data.bit_images, dict(key=KEY, n=3, flip=0.1)),
]


LOOSE = {bounds.code_length: ("letters",)}


@pytest.mark.parametrize(
    ("function", "arguments"), CALLS, ids=[f"{f.__module__[6:]}.{f.__name__}" for f, _ in CALLS]
)
def test_a_bad_argument_is_one_clear_error(function, arguments, answers):
    answers(function, arguments, LOOSE.get(function, ()))
