"""What any estimator of information must satisfy, tested on the user's own data without a truth."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import host
from ibjax.interface import Estimate
from ibjax.mi.registry import estimators
from ibjax.signatures import enforced
from ibjax.typing import Bool, JaxArray, Key, Numbers


class SelfConsistency(NamedTuple):
    """Three tests of an estimator, nats; `ok` of each says whether it is passed.

    Attributes:
        value: the estimate on the data as they are.
        independence: after Y is permuted; should be 0.
        processing: change when X loses information; should not be positive.
        padding: change when X gains a coordinate of pure noise; should be 0.
        additivity: information of two independent copies less the sum of theirs; should be 0.
        ratio: the copies' information by that sum; should be 1.
        passed: whether all are.
    """

    value: Estimate
    independence: Estimate
    processing: Estimate
    padding: Estimate
    additivity: Estimate
    ratio: JaxArray
    passed: Bool[JaxArray, ""]


@enforced
def self_consistency(
    key: Key,
    estimator: str | Callable[..., Estimate],
    x: Numbers,
    y: Numbers,
    *,
    random: bool | None = None,
    tolerance: float = 0.05,
) -> SelfConsistency:
    r"""Put an estimator through independence, data processing and additivity on given samples.

    - independence: I(X; Y') for a permuted Y', within two standard errors of 0;
    - data processing: I(X + noise; Y) <= I(X; Y), with noise of X's own standard deviations
      (merged letters for classes), and I((X, noise); Y) = I(X; Y);
    - additivity: I(X_1 X_2; Y_1 Y_2) = I(X_1; Y_1) + I(X_2; Y_2) for the two halves of the sample
      side by side, which are independent copies.

    Every test allows two standard errors, those of a difference added as independent, and
    `tolerance`. None proves an estimator right: one that always returns 0 passes all.

    Args:
        key: of permutations, noise, and the estimator if it draws numbers.
        estimator: a name of `estimators`, or ``(x, y) -> Estimate``, or with `random`
            ``(key, x, y) -> Estimate``.
        x: samples, (n,) or (n, d); a vector of integers is a variable of classes.
        y: samples of the same length.
        random: whether the estimator takes a key; read off a name.
        tolerance: nats allowed on top of the errors, and the whole allowance of an estimator that
            knows no error.

    Returns:
        A `SelfConsistency`.

    Raises:
        ValueError: for an unknown name, fewer than 16 samples, or lengths that differ.

    Reference:
        Song and Ermon 2020, "Understanding the limitations of variational mutual information
        estimators", for the three tests; noise coordinates and the halves are choices made here.
    """
    a, b = host("x", x), host("y", y)
    if a.ndim not in (1, 2) or b.ndim not in (1, 2) or len(a) != len(b):
        raise ValueError(f"x has shape {a.shape} and y {b.shape}; give (n,) or (n, d) of one n")
    if len(a) < 16:
        raise ValueError(f"x holds {len(a)} samples; give at least 16, halves are compared")
    if not tolerance >= 0:
        raise ValueError(f"tolerance={tolerance} must be a number of nats not below zero")
    call = _caller(estimator, random)
    keys = iter(jax.random.split(key, 12))
    half = len(a) // 2
    order = np.asarray(jax.random.permutation(next(keys), len(a)))
    first, second = order[:half], order[half : 2 * half]

    def at(left: np.ndarray, right: np.ndarray) -> Estimate:
        return call(next(keys), left, right)

    value = at(a, b)
    shuffled = at(a, b[np.asarray(jax.random.permutation(next(keys), len(b)))])
    lossy = at(_lossy(next(keys), a), b)
    padded = at(_padded(next(keys), a), b)
    parts = at(a[first], b[first]), at(a[second], b[second])
    both = at(_side_by_side(a[first], a[second]), _side_by_side(b[first], b[second]))
    total = parts[0].value + parts[1].value

    def test(name: str, terms: tuple[Estimate, ...], signs: tuple[int, ...], upper: bool):
        change = sum(s * t.value for s, t in zip(signs, terms))
        error = jnp.sqrt(sum(jnp.nan_to_num(t.std_error) ** 2 for t in terms))
        excess = change if upper else jnp.abs(change)
        # An error that is not known allows nothing, an infinite one would allow everything.
        good = jnp.all(jnp.stack([t.ok & ~jnp.isinf(t.std_error) for t in terms]))
        ok = good & (excess <= 2 * error + tolerance)
        reason = f"the estimator fails {name}, or one of its estimates is not ok"
        return Estimate(jnp.asarray(change), error, ok, "unknown", name, reason)

    tests = (
        test("independence", (shuffled,), (1,), False),
        test("processing", (lossy, value), (1, -1), True),
        test("padding", (padded, value), (1, -1), False),
        test("additivity", (both, *parts), (1, -1, -1), False),
    )
    passed = jnp.all(jnp.stack([t.ok for t in tests]))
    return SelfConsistency(value, *tests, jnp.asarray(both.value / total), passed)


def _caller(estimator: Any, random: bool | None) -> Callable[[Key, Any, Any], Estimate]:
    if isinstance(estimator, str):
        rows = {row.name: row for row in estimators()}
        if estimator not in rows:
            raise ValueError(f"estimator={estimator!r} is unknown; choose one of {sorted(rows)}")
        row = rows[estimator]
        estimator, random = row.function, row.random
    if random:
        return estimator
    return lambda key, x, y: estimator(x, y)


def _classes(z: np.ndarray) -> bool:
    return z.ndim == 1 and np.issubdtype(z.dtype, np.integer)


def _lossy(key: Key, x: np.ndarray) -> np.ndarray:
    if _classes(x):
        return np.unique(x, return_inverse=True)[1] // 2
    noise = np.asarray(jax.random.normal(key, x.shape))
    return x + noise.astype(x.dtype) * x.std(axis=0)


def _padded(key: Key, x: np.ndarray) -> np.ndarray:
    if _classes(x):
        coin = np.asarray(jax.random.bernoulli(key, 0.5, x.shape)).astype(x.dtype)
        return 2 * np.unique(x, return_inverse=True)[1] + coin
    x = x.reshape(len(x), -1)
    noise = np.asarray(jax.random.normal(key, (len(x), 1)))
    return np.hstack([x, (noise * x.std(axis=0).mean()).astype(x.dtype)])


def _side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if _classes(left):
        letters = np.unique(np.concatenate([left, right]), return_inverse=True)[1]
        one, other = letters[: len(left)], letters[len(left) :]
        return one * (letters.max() + 1) + other
    rows = len(left)
    return np.hstack([left.reshape(rows, -1), right.reshape(rows, -1)])
