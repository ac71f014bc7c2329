"""Trained weights on disk, by orbax."""

import json
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ibjax.signatures import enforced

_STRUCTURE = "structure"


@enforced
def save_weights(path: str | Path, weights: Any) -> Path:
    """Save trained weights to a folder of their own, whole or not at all.

    Args:
        path: the folder, which must not be there yet.
        weights: arrays in nested dicts, lists and tuples, such as those of `train`.

    Returns:
        The folder.

    Raises:
        ValueError: where the folder exists, and for other containers or what is no array.
        ImportError: without orbax, the extra `weights`.
    """
    place = Path(path).absolute()
    leaves: list[np.ndarray] = []
    structure = json.dumps(_described(weights, leaves, "weights"))
    if place.exists():
        raise ValueError(f"path={str(path)!r} exists; choose another, or remove it first")
    # Empty arrays, which orbax cannot hold, are in the structure.
    tree = {str(i): leaf for i, leaf in enumerate(leaves) if leaf.size}
    tree[_STRUCTURE] = np.frombuffer(structure.encode(), np.uint8)
    with _checkpointer() as checkpointer:
        checkpointer.save(place, tree)
    return place


@enforced
def load_weights(path: str | Path) -> Any:
    """The weights that `save_weights` saved, as NumPy arrays in the containers they were in.

    Args:
        path: the folder.

    Raises:
        ValueError: where there are none.
        ImportError: without orbax, the extra `weights`.
    """
    place = Path(path).absolute()
    with _checkpointer() as checkpointer:
        if not place.is_dir():
            raise ValueError(f"path={str(path)!r} is no folder; give one that save_weights wrote")
        try:
            tree = checkpointer.restore(place)
            structure = json.loads(np.asarray(tree[_STRUCTURE], np.uint8).tobytes())
        except (KeyError, FileNotFoundError, ValueError, TypeError) as error:
            raise ValueError(f"path={str(path)!r} holds no weights of save_weights") from error
    return _rebuilt(structure, tree)


def _described(node: Any, leaves: list[np.ndarray], where: str) -> Any:
    """Containers and arrays as JSON has them; the arrays are appended in order."""
    if type(node) is dict:
        wrong = [key for key in node if not isinstance(key, str)]
        if wrong:
            raise ValueError(f"{where} has the key {wrong[0]!r}; give dicts with text for keys")
        items = node.items()
        return {"dict": {k: _described(v, leaves, f"{where}[{k!r}]") for k, v in items}}
    if type(node) in (list, tuple):
        items = enumerate(node)
        parts = [_described(v, leaves, f"{where}[{i}]") for i, v in items]
        return {type(node).__name__: parts}
    if isinstance(node, jax.Array) and jax.dtypes.issubdtype(node.dtype, jax.dtypes.prng_key):
        raise ValueError(f"{where} is a key; give the numbers of it: jax.random.key_data")
    array = np.asarray(node)
    if array.dtype.kind not in "biufV" or (array.dtype.kind == "V" and array.dtype.names):
        raise ValueError(
            f"{where} is a {type(node).__name__}; give numeric arrays in dicts, lists and tuples"
        )
    leaves.append(array)
    return {"leaf": len(leaves) - 1, "shape": array.shape, "dtype": array.dtype.name}


def _rebuilt(described: Any, tree: dict[str, Any]) -> Any:
    if "dict" in described:
        return {k: _rebuilt(v, tree) for k, v in described["dict"].items()}
    for kind in (list, tuple):
        if kind.__name__ in described:
            return kind(_rebuilt(v, tree) for v in described[kind.__name__])
    shape = tuple(described["shape"])
    if not math.prod(shape):
        return np.empty(shape, described["dtype"])
    return np.asarray(tree[str(described["leaf"])])


def _checkpointer() -> Any:
    try:
        import orbax.checkpoint as orbax
    except ImportError as error:
        raise ImportError(
            "weights on disk need orbax-checkpoint; install the extra: pip install 'ibjax[weights]'"
        ) from error
    return orbax.Checkpointer(orbax.PyTreeCheckpointHandler())
