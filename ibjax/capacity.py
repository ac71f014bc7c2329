"""What a sweep needs at least, said before it is asked of the machine."""

import math

from ibjax.environment import amount, device_memory

STEPS = 2**31 - 1
"""Most updates: they are counted in 32 bits."""

DEPTH = 1000
"""Deepest network of a sweep: a program is as long as its network is deep."""

_COPIES = 4
"""Weights, gradient, noise and the next weights, all at once."""


def parameters(inputs: int, width: int, depth: int, classes: int) -> int:
    """Weights and biases of a network of `depth` hidden layers of equal width."""
    return (inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * classes


def check_replicas(
    supersamples: int, masks: int, train_size: int, checkpoints: int, memory: int | None = None
) -> None:
    """Refuse more replicas than the masks and predictions of fit into memory.

    Counted are 4 n bytes a replica for its mask and 2 * 2 n bytes a checkpoint for its predictions,
    once to make and once to keep: a lower limit of what is needed.

    Args:
        supersamples: k1.
        masks: k2.
        train_size: n.
        checkpoints: evaluations along training.
        memory: bytes; what the device has by default.

    Raises:
        ValueError: says how many replicas would fit.
    """
    memory = device_memory() if memory is None else memory
    each = 2 * train_size * (4 + 4 * checkpoints)
    needed = supersamples * masks * each
    if needed > memory:
        raise ValueError(
            f"supersamples={supersamples} with masks={masks}: masks and predictions alone need "
            f"{amount(needed)} and {amount(memory)} are there; at most {memory // each} replicas "
            "(supersamples times masks) fit"
        )


def check_network(
    inputs: int, width: int, depth: int, classes: int, memory: int | None = None
) -> None:
    """Refuse a network of which one replica cannot be trained in memory.

    Counted are four copies of the weights, 4 bytes each: a lower limit of what is needed.

    Args:
        inputs: numbers an example has.
        width: units a hidden layer.
        depth: hidden layers.
        classes: classes K.
        memory: bytes; what the device has by default.

    Raises:
        ValueError: says what width would fit.
    """
    memory = device_memory() if memory is None else memory
    needed = 4 * _COPIES * parameters(inputs, width, depth, classes)
    if needed <= memory:
        return
    # (depth - 1) w^2 + (inputs + depth + classes) w + classes = most
    most, line = memory // (4 * _COPIES) - classes, inputs + depth + classes
    if depth > 1:
        square = depth - 1
        fits = int((math.sqrt(line * line + 4 * square * most) - line) / (2 * square))
    else:
        fits = most // line
    raise ValueError(
        f"width={width} with {depth} hidden layers: one network in training needs at least "
        f"{amount(needed)} and {amount(memory)} are there; at most width={max(fits, 0)} fits"
    )


def check_steps(steps: int, memory: int | None = None) -> None:
    """Refuse more updates than can be counted, or listed with their sizes and noises.

    Raises:
        ValueError: says how many would fit.
    """
    memory = device_memory() if memory is None else memory
    most = min(STEPS, memory // 16)  # a step size and a noise each, in 64 bits
    if steps > most:
        raise ValueError(f"steps={steps}: at most {most} can be counted and listed here")


def check_depth(depth: int) -> None:
    """Refuse a network whose program would never be compiled.

    Raises:
        ValueError: says how deep one may be.
    """
    if depth > DEPTH:
        raise ValueError(f"depth={depth}: programs of at most {DEPTH} hidden layers are compiled")
