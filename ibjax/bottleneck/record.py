"""What an information plane holds, and what its methods measure."""

from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, get_args

import jax

from ibjax.bottleneck.cells import Cells
from ibjax.bottleneck.kernel_entropies import MEASURES
from ibjax.typing import Array, BiasDirection, JaxArray

Kernel: TypeAlias = Literal["renyi", "total_correlation", "hsic", "cka"]
Method: TypeAlias = Cells | Literal["kde", "propagation"] | Kernel
METHODS = (*get_args(Cells), "kde", "propagation", *MEASURES)

IN_WORDS = {
    "adaptive": "entropy of cells that follow the layer's range; I(X;T) is infinite or log n",
    "mass": "entropy of cells of equal mass in each unit; I(X;T) is infinite or log n",
    "edges": "entropy of cells between fixed edges, blind to what leaves them",
    "width": "entropy of cells of fixed width; I(X;T) is infinite or log n",
    "kde": "bounds on I(X;T + noise) for noise that is added for the measurement only",
    "propagation": "I(X;T) of the noisy layer, whose noise is part of the network",
    **MEASURES,
}


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "i_tx",
        "i_ty",
        "resolution",
        "i_tx_lower",
        "i_ty_lower",
        "i_ty_upper",
        "std_error",
        "cap",
        "permuted",
        "log_n",
        "label_entropy",
    ],
    meta_fields=["names", "method", "measures", "bias"],
)
@dataclass(frozen=True)
class Plane:
    """Coordinates of every layer in the information plane, nats; leading axis: layers.

    Attributes:
        i_tx: I(X;T) of what `measures` says; the upper bound for "kde".
        i_ty: I(T;Y) likewise; for "kde" the difference of two upper bounds, as is usual.
        resolution: width of a cell or kernel, or standard deviation of the noise: no value means
            anything without it.
        i_tx_lower: lower bound on I(X;T), "kde" only, else NaN.
        i_ty_lower: lower bound on I(T;Y), "kde" only, else NaN.
        i_ty_upper: upper bound on I(T;Y), "kde" only, else NaN.
        cap: the most i_ty could be at this kernel width and n, kernel methods only, else NaN.
        permuted: mean of i_ty over permuted labels, what width and n alone make, likewise.
        std_error: of i_tx for the inputs given, from the draws of noise; 0 where it is exact.
        names: names of the layers.
        method: how it was measured.
        measures: what the numbers measure, in words.
        bias: direction in which i_tx errs for the inputs given and the channel stated.
        log_n: logarithm of the number of inputs: what i_tx is where every input is told from the
            others, and no more can be seen.
        label_entropy: H(Y) of the labels, the most that i_ty can be.
    """

    i_tx: JaxArray
    i_ty: JaxArray
    resolution: JaxArray
    i_tx_lower: JaxArray
    i_ty_lower: JaxArray
    i_ty_upper: JaxArray
    std_error: JaxArray
    cap: JaxArray
    permuted: JaxArray
    names: tuple[str, ...]
    method: Method
    measures: str
    bias: BiasDirection
    log_n: Array | float = float("nan")
    label_entropy: Array | float = float("nan")
