"""Published settings of full-batch Langevin dynamics, their networks and their numbers.

Haghifam, Negrea, Khisti, Roy, Dziugaite (2020), "Sharpened generalization bounds based on
conditional mutual information and an application to noisy, iterative algorithms": four figures
with the bounds of Negrea et al. (2019), Li, Luo, Qiao (2020) and their own. Curves are means over
100 runs of the root of each run, with one training example followed in each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.interface import Hyper, Network
from ibjax.networks import patches
from ibjax.typing import JaxArray as Array
from ibjax.typing import Key

_AT_ONCE = 500
"""Examples whose patches are in memory together."""


@dataclass(frozen=True)
class Setting:
    """One published figure.

    Attributes:
        name: what `ibjax reproduce` calls it.
        dataset: name for `data.load`; inputs are in [0, 1].
        size: n.
        steps: T.
        rate: step size eta_t = rate * decay^floor(t / period).
        decay: see `rate`.
        period: see `rate`.
        noise: v0, v_inf, r, p of the variance v_t = v_inf + (v0 - v_inf) exp(-r floor(t/p)) of
            the noise of an update.
        network: ``(image shape, classes) -> Network``.
        times: t of the published numbers; those of t are known after step t + 1.
        negrea: gradient incoherence at those times; NaN where it is off the figure.
        cmi: the binary-test prior.
        norm: gradient norms.
        spread: standard deviations of the first two over runs at the end.
    """

    name: str
    dataset: str
    size: int
    steps: int
    rate: float
    decay: float
    period: int
    noise: tuple[float, float, float, int]
    network: Callable[[tuple[int, ...], int], Network]
    times: tuple[int, ...]
    negrea: tuple[float, ...]
    cmi: tuple[float, ...]
    norm: tuple[float, ...]
    spread: tuple[float, float]

    def learning_rate(self, t: Any) -> Array:
        """eta_t."""
        return self.rate * self.decay ** jnp.floor(t / self.period)

    def inverse_temperature(self, t: Any) -> Array:
        """beta_t = 2 eta_t / v_t of the mean loss."""
        first, last, fall, period = self.noise
        variance = last + (first - last) * jnp.exp(-fall * jnp.floor(t / period))
        return 2 * self.learning_rate(t) / variance


def mlp(shape: tuple[int, ...], classes: int, *, width: int = 500) -> Network:
    """Two hidden ReLU layers, truncated He initialisation, zero biases."""
    from ibjax.networks import MLP, build

    base = build(MLP(depth=2, width=width, activation="relu"), classes, shape)
    he = jax.nn.initializers.he_normal()

    def init(key: Key, x: Array) -> Any:
        k = jax.random.split(key, 3)
        size = x.reshape(x.shape[0], -1).shape[1]
        middle = jnp.concatenate([he(k[1], (width, width)), jnp.zeros((1, width))])
        first = {"kernel": he(k[0], (size, width)), "bias": jnp.zeros(width)}
        head = {"kernel": he(k[2], (width, classes)), "bias": jnp.zeros(classes)}
        return {"first": first, "hidden": middle[None], "head": head}

    return base._replace(init=init)


def cnn(
    layers: tuple[tuple[str, int, int], ...], dense: int, uniform: bool
) -> Callable[[tuple[int, ...], int], Network]:
    """Networks of convolutions and 2 x 2 max pooling, then one hidden dense layer, all ReLU.

    Args:
        layers: ("same" or "valid", channels, kernel side) or ("pool", 0, 0).
        dense: units of the dense hidden layer.
        uniform: He initialisation from a uniform law instead of a truncated normal.
    """
    initializers = jax.nn.initializers
    he = initializers.he_uniform() if uniform else initializers.he_normal()

    def block(p: Any, x: Array) -> Array:
        weights = iter(p)
        for kind, _, side in layers:
            if kind == "pool":
                rows, cols = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
                x = x[:, :rows, :cols]
                x = x.reshape(x.shape[0], rows // 2, 2, cols // 2, 2, -1).max((2, 4))
                continue
            kernel, bias = next(weights)
            seen = patches(x, side, 1)
            if kind == "valid":
                edge = (side - 1) // 2
                seen = seen[:, edge : seen.shape[1] - edge, edge : seen.shape[2] - edge]
            x = jax.nn.relu(seen @ kernel + bias)
        x = x.reshape(x.shape[0], -1)
        (hidden, bias), (out, last) = weights
        return jax.nn.relu(x @ hidden + bias) @ out + last

    def make(shape: tuple[int, ...], classes: int) -> Network:
        def init(key: Key, x: Array) -> Any:
            rows, cols, depth = x.shape[1:]
            sizes = []
            for kind, out, side in layers:
                if kind == "pool":
                    rows, cols = rows // 2, cols // 2
                    continue
                sizes.append((side * side * depth, out))
                depth = out
                if kind == "valid":
                    rows, cols = rows - side + 1, cols - side + 1
            sizes += [(rows * cols * depth, dense), (dense, classes)]
            keys = jax.random.split(key, len(sizes))
            return [(he(k, s), jnp.zeros(s[1])) for k, s in zip(keys, sizes)]

        def apply(params: Any, x: Array, key: Key | None, hyper: Hyper):
            if x.shape[0] <= _AT_ONCE:
                return block(params, x), ()
            # Patches of the full batch would not fit: some examples at a time, forward and back.
            few = jax.checkpoint(block)
            whole = x.shape[0] // _AT_ONCE * _AT_ONCE
            parts = x[:whole].reshape(-1, _AT_ONCE, *x.shape[1:])
            out = jax.lax.map(lambda part: few(params, part), parts).reshape(whole, -1)
            rest = [block(params, x[whole:])] if whole < x.shape[0] else []
            return jnp.concatenate([out, *rest]), ()

        return Network(init, apply)

    return make


_TWO = (("same", 32, 5), ("pool", 0, 0), ("same", 64, 5), ("pool", 0, 0))
_THREE = (
    ("valid", 32, 3),
    ("pool", 0, 0),
    ("valid", 64, 3),
    ("valid", 32, 3),
    ("pool", 0, 0),
)
_NAN = float("nan")

MNIST_MLP = Setting(
    "langevin-mnist-mlp",
    "mnist",
    20_000,
    900,
    0.06,
    0.95,
    50,
    (3e-6, 1e-8, 0.5, 50),
    mlp,
    (0, 1, 100, 200, 300, 400, 500, 600, 700, 800, 899),
    (0.0117, 0.0163, 0.100, 0.151, 0.206, 0.274, 0.358, 0.452, 0.543, 0.620, 0.679),
    (0.0164, 0.0230, 0.137, 0.188, 0.244, 0.301, 0.350, 0.388, 0.416, 0.433, 0.447),
    (0.0475, 0.0663, 0.459, 0.814, *(_NAN,) * 7),
    (0.162, 0.043),
)

MNIST_CNN = Setting(
    "langevin-mnist-cnn",
    "mnist",
    20_000,
    700,
    0.05,
    0.90,
    40,
    (1e-5, 1e-8, 0.5, 40),
    cnn(_TWO, 128, uniform=True),
    (0, 77, 155, 233, 311, 388, 466, 544, 622, 699),
    (0.0141, 0.063, 0.082, 0.099, 0.115, 0.133, 0.153, 0.174, 0.194, 0.210),
    (0.0204, 0.091, 0.113, 0.125, 0.133, 0.141, 0.150, 0.157, 0.162, 0.165),
    (0.0618, 0.297, 0.464, 0.657, 0.887, *(_NAN,) * 5),
    (0.048, 0.014),
)

FASHION_CNN = Setting(
    "langevin-fashion-cnn",
    "fashion_mnist",
    20_000,
    1300,
    0.07,
    0.95,
    50,
    (7e-6, 5e-8, 0.3, 50),
    cnn(_TWO, 200, uniform=False),
    (0, 144, 288, 433, 577, 722, 866, 1011, 1155, 1299),
    (0.0246, 0.128, 0.197, 0.275, 0.367, 0.471, 0.580, 0.683, 0.766, 0.829),
    (0.0345, 0.186, 0.276, 0.342, 0.390, 0.417, 0.443, 0.461, 0.474, 0.480),
    (0.1083, 0.632, *(_NAN,) * 8),
    (0.12, 0.042),
)

CIFAR_CNN = Setting(
    "langevin-cifar-cnn",
    "cifar10",
    15_000,
    2300,
    0.15,
    0.98,
    50,
    (3e-5, 1e-9, 0.3, 50),
    cnn(_THREE, 128, uniform=True),
    (0, 255, 511, 766, 1022, 1100),
    (0.0238, 0.273, 0.813, *(_NAN,) * 3),
    (0.0309, 0.337, 0.642, 0.724, 0.733, 0.7334),
    (0.1017, *(_NAN,) * 5),
    (_NAN, 0.050),
)

SETTINGS = {s.name: s for s in (MNIST_MLP, MNIST_CNN, FASHION_CNN, CIFAR_CNN)}
"""All of them by name."""
