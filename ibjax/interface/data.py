"""What is trained on: examples, and the pairs and masks that choose among them."""

from typing import NamedTuple

from ibjax.typing import Array, Int


class Dataset(NamedTuple):
    """Inputs and labels of one split.

    Attributes:
        x: inputs, float32 in [0, 1] for images; shape (n, ...).
        y: integer labels in 0..num_classes-1; shape (n,).
        num_classes: the number of classes K.
        name: what it was loaded as.
        truth: known exact quantities of a synthetic law (nats, probabilities), else empty.
    """

    x: Array
    y: Array
    num_classes: int
    name: str
    truth: dict[str, float] = {}  # noqa: RUF012  (a NamedTuple default, never mutated)


class Supersample(NamedTuple):
    """Pairs of examples and the masks that choose the training member of each pair.

    Attributes:
        index: positions in the data set, (k1, n, 2); distinct within a supersample.
        mask: (k1, k2, n) of 0/1; ``mask == u`` means that column u is trained on.
    """

    index: Int[Array, "k1 n 2"]
    mask: Int[Array, "k1 k2 n"]
