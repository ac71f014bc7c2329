"""A network by the name of what makes it: ``module:function`` or ``file.py:name``."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import flax.linen as nn

from ibjax.interface import Network
from ibjax.networks.cnn import CNN
from ibjax.networks.mlp import MLP
from ibjax.networks.normalised import NormalisedCNN
from ibjax.networks.own import parameters
from ibjax.signatures import enforced

_READY = (Network, nn.Module, MLP, CNN, NormalisedCNN)


@enforced
def located(name: str, num_classes: int) -> Any:
    """The network of a name, or what makes one: what `networks.from_module` takes.

    A class or function is called, with ``num_classes`` where it has such a parameter; one with a
    parameter ``rngs`` makes nnx modules and becomes a function of it.

    Args:
        name: ``module:function`` (found from the working directory or installed), or
            ``path/to/file.py:function``; a class or a ready object will do. Its code is run.
        num_classes: number of logits.

    Raises:
        ValueError: for a name that leads nowhere, or a call that needs more.
    """
    source, _, attribute = name.rpartition(":")
    if not source or not attribute:
        raise ValueError(f"network={name!r} names nothing; give module:function or file.py:name")
    found: Any = _module(name, source)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"network={name!r}: {source} has no {attribute}")
        found = getattr(found, part)
    kind = found if isinstance(found, type) else type(found)
    own = _of_nnx(kind)
    if isinstance(found, _READY) or not callable(found) or (own and kind is not found):
        return found
    names = parameters(found)
    given = {"num_classes": num_classes} if "num_classes" in names else {}
    if "rngs" in names or own:

        def make(rngs: Any) -> Any:
            return found(**given, **({"rngs": rngs} if "rngs" in names else {}))

        make.__name__ = attribute
        return make
    try:
        return found(**given)
    except TypeError as error:
        raise ValueError(
            f"network={name!r} cannot be called with "
            f"{'num_classes' if given else 'no argument'} ({error}); give a function that needs "
            "no more than num_classes, and rngs for nnx"
        ) from error
    except ValueError:
        raise
    except Exception as error:  # the user's own code may fail in any way
        raise ValueError(f"network={name!r} fails ({type(error).__name__}: {error})") from error


def _of_nnx(kind: type) -> bool:
    """Whether a class is one of nnx modules; flax.nnx is not loaded to find out."""
    return any(k.__module__.startswith("flax.nnx") for k in kind.__mro__)


def _module(name: str, source: str) -> Any:
    try:
        if source.endswith(".py"):
            path = Path(source).resolve()
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None or not path.is_file():
                raise ImportError(f"{source}: no such file")
            module = importlib.util.module_from_spec(spec)
            sys.modules.setdefault(path.stem, module)
            spec.loader.exec_module(module)
            return module
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        return importlib.import_module(source)
    except Exception as error:  # the user's own code may fail in any way
        raise ValueError(
            f"network={name!r}: {source} cannot be imported ({type(error).__name__}: {error})"
        ) from error
