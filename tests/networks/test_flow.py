import jax
import jax.numpy as jnp
import numpy as np

from ibjax.interface import Hyper
from ibjax.networks import MLP, build
from ibjax.networks.flow import traced

HYPER = Hyper(0.1, 10.0, layer_noise=0.3)


def mlp():
    network = build(MLP(2, 3, noise=0.3), 2, (4,))
    x = jax.random.normal(jax.random.key(1), (5, 4))
    return network, network.init(jax.random.key(0), x), x, jax.random.key(2)


def test_a_traced_network_gives_its_own_numbers_and_its_layers_cut_it():
    network, params, x, key = mlp()
    function = lambda p, x, k: network.apply(p, x, k, HYPER)  # noqa: E731
    flow = traced(function, params, x, key)
    given = jax.tree.leaves((params, x, key))
    for got, expected in zip(flow.run(given), jax.tree.leaves(function(params, x, key))):
        np.testing.assert_array_equal(got, expected)
    logits, first, second = flow.outputs
    source, noise = flow.inputs[-2:]
    assert flow.leads([source], logits)
    assert not flow.leads([source], logits, [first])
    assert not flow.leads([source], logits, [second])
    assert flow.leads([noise], logits, [first]) and not flow.leads([noise], logits, [second])


def test_holding_a_layer_feeds_the_rest_and_still_reports_what_was_computed():
    network, params, x, key = mlp()
    flow = traced(lambda p, x, k: network.apply(p, x, k, HYPER), params, x, key)
    given = jax.tree.leaves((params, x, key))
    plain = flow.run(given)
    held = flow.run(given, {flow.outputs[2]: lambda h: 0 * h})
    np.testing.assert_array_equal(held[2], plain[2])
    np.testing.assert_allclose(held[0], np.tile(params["head"]["bias"], (5, 1)), atol=1e-7)


def test_calls_are_written_out_and_their_variables_kept_apart():
    @jax.custom_vjp
    def twice(x):
        return 2 * x

    twice.defvjp(lambda x: (2 * x, None), lambda _, d: (2 * d,))
    shared = jax.jit(lambda x: jax.nn.relu(jnp.sin(x)))

    def function(x):
        middle = jax.checkpoint(lambda y: shared(twice(y)))(x)
        return shared(middle) + shared(x), middle

    flow = traced(function, 0.4)
    np.testing.assert_allclose(flow.run([0.4]), function(0.4), rtol=1e-6)
    assert flow.leads(flow.inputs, flow.outputs[0], [flow.outputs[1]])  # the way round
    alone = traced(lambda x: (shared(shared(x)), shared(x)), 0.4)
    assert alone.leads(alone.inputs, alone.outputs[0], [alone.outputs[1]])  # a copy is no cut
