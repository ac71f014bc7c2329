"""What a docstring says of a gradient is what the gradient does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import mi

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2))
Y = X + 0.5 * RNG.normal(size=(20, 2))
LABELS = RNG.integers(0, 2, 20)
OF_X = {
    mi.ksg: lambda x: mi.ksg(x, Y),
    mi.ross: lambda x: mi.ross(x, LABELS),
    mi.gaussian_copula: lambda x: mi.gaussian_copula(x, Y),
    mi.binned: lambda x: mi.binned(x, Y, 3),
    mi.knn_entropy: lambda x: mi.knn_entropy(x),
}


@pytest.mark.parametrize("estimator", OF_X, ids=lambda f: f.__name__)
def test_the_gradient_is_zero_exactly_where_the_docstring_says_so(estimator):
    slope = jax.grad(lambda x: OF_X[estimator](x).value)(jnp.asarray(X))
    said = "gradient is zero almost everywhere" in " ".join(estimator.__doc__.split())
    assert said == (float(jnp.abs(slope).max()) == 0)


@pytest.mark.parametrize(
    "function",
    [
        lambda p: mi.discrete(p).value,
        lambda p: mi.entropy(p[0] / p[0].sum()).value,
        lambda p: mi.conditional_entropy(p).value,
        lambda p: mi.conditional_discrete(jnp.stack([p, p.T])).value,
    ],
)
def test_cells_that_stay_empty_leave_the_gradient_a_number(function, x64):
    def at(t):
        return function(jnp.array([[0.3 + t, 0.2, 0.0], [0.0, 0.4 - 2 * t, 0.1 + t], [0, 0, 0]]))

    slope = float(jax.grad(at)(0.05))
    finite = (float(at(0.05 + 1e-5)) - float(at(0.05 - 1e-5))) / 2e-5
    assert slope == pytest.approx(finite, abs=1e-6) and abs(slope) > 0.01
