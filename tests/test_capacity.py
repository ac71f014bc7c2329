"""What does not fit is refused with what would, before anything is asked for."""

import re

import jax
import pytest

from ibjax import capacity, networks
from ibjax.networks import MLP


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_parameters_are_those_of_the_network(depth):
    network = networks.build(MLP(depth, 7, "tanh", 0.1), 3, (4, 4, 1))
    example = jax.ShapeDtypeStruct((1, 4, 4, 1), "f4")
    shapes = jax.eval_shape(network.init, jax.random.key(0), example)
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    assert capacity.parameters(16, 7, depth, 3) == count


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_the_width_that_is_said_to_fit_fits_and_no_wider_one(depth):
    memory = 10**9
    with pytest.raises(ValueError, match="width=10000000") as refused:
        capacity.check_network(64, 10**7, depth, 10, memory)
    width = int(re.findall(r"at most width=(\d+)", str(refused.value))[0])
    capacity.check_network(64, width, depth, 10, memory)
    with pytest.raises(ValueError, match=f"at most width={width} fits"):
        capacity.check_network(64, width + 1, depth, 10, memory)


@pytest.mark.parametrize("k", [(2**63 - 1, 1), (5, 10**21), (10**9, 10**9)])
def test_the_replicas_that_are_said_to_fit_fit_and_no_more(k):
    with pytest.raises(ValueError, match=f"masks={k[1]}") as refused:
        capacity.check_replicas(*k, 100, 4, 10**9)
    most = int(re.findall(r"at most (\d+) replicas", str(refused.value))[0])
    capacity.check_replicas(1, most, 100, 4, 10**9)
    with pytest.raises(ValueError, match="replicas"):
        capacity.check_replicas(1, most + 1, 100, 4, 10**9)


def test_steps_and_depths():
    capacity.check_steps(capacity.STEPS, 10**12)
    for steps, memory in ((capacity.STEPS + 1, 10**12), (1001, 16_000)):
        with pytest.raises(ValueError, match=f"steps={steps}"):
            capacity.check_steps(steps, memory)
    capacity.check_depth(capacity.DEPTH)
    with pytest.raises(ValueError, match="depth=1001"):
        capacity.check_depth(capacity.DEPTH + 1)
