"""Which parameters a network says are trained, looked at before any training."""

from typing import Any

import jax
import numpy as np

from ibjax.interface import Hyper, Network
from ibjax.langevin.checks import reason
from ibjax.networks.flow import traced


def check_marks(network: Network, params: Any, hyper: Hyper) -> None:
    """Refuse marks of trained parameters that are none.

    A step and its noise are multiplied by the marks, and the certificate counts a dimension for
    each. With other numbers than 0 and 1 the count is not that of the directions in which the
    weights move; with marks that look at the weights it is that of one step alone.

    Args:
        network: the network; one without `trainable` trains all.
        params: shapes of its parameters, a pytree of `jax.ShapeDtypeStruct`.
        hyper: the scalars of the run.

    Raises:
        ValueError: where `network.trainable` fails, gives another structure or shapes than the
            parameters, looks at them, or gives numbers other than 0 and 1, or 0 everywhere.
    """
    if network.trainable is None:
        return
    do = "give 0 or 1 for each parameter, by hyper alone"
    try:
        shapes = jax.eval_shape(network.trainable, params, hyper)
    except Exception as error:  # the user's own code may fail in any way
        raise ValueError(f"network.trainable fails ({reason(error)}); {do}") from error
    if _form(shapes) != _form(params):
        raise ValueError(
            "network.trainable gives another structure or other shapes than the parameters have; "
            f"{do}"
        )
    count = len(jax.tree.leaves(params))
    flow = traced(network.trainable, params, hyper)
    if any(flow.leads(flow.inputs[:count], target) for target in flow.outputs):
        raise ValueError(
            "network.trainable looks at the parameters: which of them are trained would change "
            f"along the path, and with it the dimension that a certificate counts; {do}"
        )
    marks = _values(network, params, hyper)
    for leaf in marks:
        other = leaf[(leaf != 0) & (leaf != 1)]
        if other.size:
            raise ValueError(
                f"network.trainable gives {other[0]:g}, which scales steps and noise instead of "
                f"saying what is trained; {do}"
            )
    if not any(leaf.any() for leaf in marks):
        raise ValueError(f"network.trainable gives 0 everywhere: nothing is trained; {do}")


def marked(network: Network, params: Any, hyper: Hyper) -> int:
    """How many parameters are trained.

    Args:
        network: the network, whose marks were checked.
        params: shapes of its parameters.
        hyper: the scalars of the run.
    """
    if network.trainable is None:
        return sum(int(np.prod(s.shape)) for s in jax.tree.leaves(params))
    return sum(int(np.count_nonzero(leaf)) for leaf in _values(network, params, hyper))


def _values(network: Network, params: Any, hyper: Hyper) -> list[np.ndarray]:
    assert network.trainable is not None
    zeros = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), params)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(network.trainable(zeros, hyper))]


def _form(tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [leaf.shape for leaf in leaves]
