"""The 12-bit symmetric rule of the classic information-plane experiment, generated exactly.

Bits are the vertices of an icosahedron, switched on or off. The label depends on the number of
active vertices W, of active pairs of neighbours N1, of active pairs at the next distance N2 and of
active antipodes N3 alone, so that it is invariant under every symmetry of the icosahedron.
"""

import math

import numpy as np

from ibjax.interface import Dataset
from ibjax.signatures import enforced
from ibjax.typing import Scalar

_ANTIPODES = ((0, 9), (1, 7), (2, 5), (3, 6), (4, 10), (8, 11))
_NEIGHBOURS = (
    (1, 3, 5, 10, 11),
    (0, 2, 3, 4, 11),
    (1, 3, 4, 8, 9),
    (0, 1, 2, 8, 10),
    (1, 2, 6, 9, 11),
    (0, 6, 7, 10, 11),
    (4, 5, 7, 9, 11),
    (5, 6, 8, 9, 10),
    (2, 3, 7, 9, 10),
    (2, 4, 6, 7, 8),
    (0, 3, 5, 7, 8),
    (0, 1, 4, 5, 6),
)
THRESHOLD = 98.5


def patterns() -> np.ndarray:
    """All 4096 patterns of 12 bits, (4096, 12), most significant bit first."""
    return (np.arange(4096)[:, None] >> np.arange(11, -1, -1)) & 1


def score(bits: np.ndarray) -> np.ndarray:
    """The integer 23 W + N1 - 5 N2 - 8 N3 of each pattern, (n, 12) to (n,)."""
    near = np.zeros((12, 12), int)
    for i, others in enumerate(_NEIGHBOURS):
        near[i, others] = 1
    far = np.zeros((12, 12), int)
    for i, j in _ANTIPODES:
        far[i, j] = far[j, i] = 1
    middle = 1 - near - far - np.eye(12, dtype=int)
    weights = near - 5 * middle - 8 * far
    bits = np.asarray(bits, int)
    return 23 * bits.sum(axis=1) + np.einsum("ni,ij,nj->n", bits, weights, bits) // 2


def symmetric_rule() -> Dataset:
    """The 4096 patterns and their labels: 1 where the score exceeds 98.5.

    Returns:
        A `Dataset` with x (4096, 12) float32 of 0 and 1, y (4096,) int32 with 2118 ones, and as
        truth, in nats, ``label_entropy`` and the equal ``mutual_information`` for uniform inputs.

    Reference:
        Shwartz-Ziv and Tishby (2017), Opening the black box of deep neural networks via
        information, for the experiment; the integer rule is a compact form of its label table,
        found here, and agrees with it on all 4096 patterns.
    """
    bits = patterns()
    y = (score(bits) > THRESHOLD).astype(np.int32)
    p = y.mean()
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    truth = {"label_entropy": float(entropy), "mutual_information": float(entropy)}
    return Dataset(bits.astype(np.float32), y, 2, "symmetric-rule", truth)


@enforced
def symmetric_rule_joint(sharpness: Scalar) -> np.ndarray:
    r"""Joint law of the score and a noisy label, p(y=1|x) = sigmoid(sharpness (score - 98.5)).

    Patterns of one score share their p(y|x), so that the table of scores has the same bottleneck
    solutions as that of all patterns, with a curve that is not trivial.

    Args:
        sharpness: gamma > 0; the rule itself as it grows.

    Returns:
        (scores, 2) in float64, rows by increasing score, summing to 1.

    Raises:
        ValueError: for a sharpness that is not positive.

    Reference:
        The noise model is a logistic one chosen here; the published noisy table is another.
    """
    gamma = float(sharpness)
    if not gamma > 0:
        raise ValueError(f"sharpness={sharpness} must be positive")
    values, counts = np.unique(score(patterns()), return_counts=True)
    logit = gamma * (values - THRESHOLD)
    # one minus a sigmoid near 1 would round to 0, and the dual needs positive rows
    zeros, ones = (np.exp(-np.logaddexp(0.0, sign * logit)) for sign in (1, -1))
    return counts[:, None] / 4096 * np.stack([zeros, ones], axis=1)
