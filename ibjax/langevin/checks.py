"""Checks of the data a run trains on."""

from collections import Counter
from typing import Any

import numpy as np

from ibjax import arguments
from ibjax.interface import Dataset, Network


def pool_arrays(dataset: Dataset, network: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of the pool as training takes them.

    Args:
        dataset: the pool.
        network: description of the network: whole numbers stay what they are for a ready
            `Network`, which may look tokens up, and become float32 for the others.

    Returns:
        x float32 or int32, (N, ...); y int32, (N,).

    Raises:
        ValueError: if the pool is unusable, or put together from copies.
    """
    num_classes = arguments.whole("num_classes", dataset.num_classes, 2)
    x = arguments.inputs("dataset.x", dataset.x)
    y = arguments.labels("dataset.y", dataset.y, num_classes)
    if len(x) != len(y):
        raise ValueError(f"dataset.x has {len(x)} examples but dataset.y {len(y)}; match them")
    check_copies(x, y)
    return x if isinstance(network, Network) else x.astype(np.float32, copy=False), y


_FEW = 10
"""Different examples of which as many of each may come about by chance."""


def check_copies(x: np.ndarray, y: np.ndarray) -> None:
    """Refuse a data set put together from copies of itself, or of the examples of a class.

    Copies are no independent draws. A certificate would count each of them, and of the gap that is
    measured a part is missing: that between examples trained on and their copies.

    Raises:
        ValueError: where many different examples are all listed equally often, more than once.
    """
    flat, order = x.reshape(len(x), -1), np.argsort(y, kind="stable")
    classes = np.split(order, np.flatnonzero(np.diff(y[order])) + 1)
    for members in (order, *classes):
        if len(members) < 2 * _FEW or not _has_copy(flat, y, members):
            continue  # one without a copy is enough, and all that is looked at as a rule
        counts = Counter((flat[i].tobytes(), int(y[i])) for i in members)
        often = set(counts.values())
        if len(counts) >= _FEW and len(often) == 1:
            of = "" if members is order else f" of class {y[members[0]]}"
            raise ValueError(
                f"dataset lists every example{of} {often.pop()} times: copies are no independent "
                "draws, and a certificate would count each of them; give each once"
            )


def _has_copy(flat: np.ndarray, y: np.ndarray, members: np.ndarray) -> bool:
    """Whether the first of these examples comes again; a few of its numbers are compared first."""
    first, some = members[0], np.linspace(0, flat.shape[1] - 1, 8).astype(int)
    near = members[y[members] == y[first]]
    near = near[(flat[np.ix_(near, some)] == flat[first, some]).all(1)]
    return int((flat[near] == flat[first]).all(1).sum()) > 1


def repeated(x: np.ndarray) -> int:
    """How many inputs are equal to an earlier one."""
    return len(x) - len({hash(row.tobytes()) for row in x})


def pairs(supersample: Any, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (k1, n, 2) and masks (k1, k2, n) of a supersample, int32.

    Raises:
        ValueError: if pool, pairs and masks do not fit each other.
    """
    index = _whole("supersample.index", supersample.index)
    mask = _whole("supersample.mask", supersample.mask)
    if index.ndim != 3 or index.shape[2] != 2:
        raise ValueError(f"supersample.index has shape {index.shape}; it must be (k1, n, 2)")
    if mask.ndim != 3 or (mask.shape[0], mask.shape[2]) != index.shape[:2]:
        raise ValueError(
            f"supersample.mask has shape {mask.shape}; with index {index.shape} it must be "
            f"({index.shape[0]}, k2, {index.shape[1]})"
        )
    if index.shape[1] < 2:
        raise ValueError(f"n={index.shape[1]} training examples are too few; give n >= 2")
    if not mask.size:
        raise ValueError(f"supersample.mask has shape {mask.shape}; give at least one mask")
    size = len(dataset.y)
    if index.min() < 0 or index.max() >= size:
        raise ValueError(
            f"supersample.index reaches from {index.min()} to {index.max()} but the data set "
            f"{dataset.name!r} has {size} examples; draw it with size={size}"
        )
    # both members of a pair may be one example: there is then nothing to tell apart
    second = np.where(index[..., 1] == index[..., 0], -1 - np.arange(index.shape[1]), index[..., 1])
    check_distinct("supersample.index", np.concatenate([index[..., 0], second], 1), "supersample")
    if not np.isin(mask, (0, 1)).all():
        raise ValueError("supersample.mask must hold 0 and 1 only")
    return index.astype(np.int32), mask.astype(np.int32)


def positions(name: str, value: Any) -> np.ndarray:
    """Positions in the pool, int32.

    Raises:
        ValueError: for anything but whole numbers.
    """
    return _whole(name, value).astype(np.int32)


def check_distinct(name: str, rows: np.ndarray, owner: str) -> None:
    """Refuse rows that hold an example twice: it would count twice in what it reveals.

    Raises:
        ValueError: naming the example.
    """
    ordered = np.sort(rows, axis=1)
    twice = ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]]
    if twice.size:
        raise ValueError(
            f"{name} holds example {twice[0]} twice in one {owner}; bounds need different "
            "(independent) examples: draw them without replacement"
        )


def share(name: str, value: Any) -> float:
    """One number in [0, 1].

    Raises:
        ValueError: for anything else.
    """
    array = arguments.host(name, value)
    if array.ndim or array.dtype.kind not in "iuf" or not 0 <= float(array) <= 1:
        raise ValueError(f"{name}={value!r} must be one number in [0, 1]")
    return float(array)


def named_scalars(value: Any, network: Any) -> tuple[tuple[str, float], ...]:
    """Further scalars in the order of their names, so that equal ones are equal.

    Raises:
        ValueError: for anything but numbers by name, and for a network that asks for none.
    """
    try:
        given = dict(value)
    except (TypeError, ValueError):
        raise ValueError(f"scalars={value!r} must be numbers by name: a dict") from None
    if given and not isinstance(network, Network):
        raise ValueError(
            f"scalars={sorted(map(str, given))} with a network that cannot ask for them; they are "
            "for a ready Network, whose functions find them in hyper.scalars"
        )
    out = []
    for name in sorted(given, key=str):
        array = arguments.host(f"scalars[{name!r}]", given[name])
        if not isinstance(name, str) or array.ndim or array.dtype.kind not in "iuf":
            raise ValueError(f"scalars[{name!r}]={given[name]!r} must be one number under a name")
        out.append((name, float(array)))
    return tuple(out)


def reason(error: Exception) -> str:
    """Kind and first line of an error, for the one line of another."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}".removesuffix(": ")


def _whole(name: str, value: Any) -> np.ndarray:
    array = arguments.host(name, value)
    if array.dtype.kind == "f" and array.size and (array == np.floor(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "biu":
        raise ValueError(f"{name} holds {array.dtype} values; give whole numbers")
    return array
