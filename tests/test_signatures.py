"""Enforced annotations: what passes, and that nothing else changes."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Key, Numbers, Scalar


@enforced
def sample(
    x: Float[Array, "n d"],
    scale: Scalar | Estimate = 1.0,
    *,
    count: int = 2,
    mode: Literal["a", "b"] | None = None,
    flag: bool = False,
    key: Key | None = None,
    widths: Sequence[int] = (),
    ends: tuple[float, float] = (0.0, 1.0),
    data: Numbers | None = None,
    later: "Unknown | None" = None,  # noqa: F821
) -> Any:
    """The sum of x, scaled."""
    return jnp.sum(jnp.asarray(x)) * (scale.value if isinstance(scale, Estimate) else scale)


@pytest.mark.parametrize(
    "given",
    [
        dict(x=np.ones(3)),
        dict(x=[[1, 2], [3, 4]]),
        dict(x=[jnp.ones(2), np.ones(2)]),
        dict(scale=jnp.float32(2)),
        dict(scale=Estimate(1.0)),
        dict(count=np.int64(3), flag=np.True_, mode="b"),
        dict(count=3.0, flag=1),
        dict(key=jax.random.key(0), widths=[3, 4], ends=[0, 1]),
        dict(key=jax.random.PRNGKey(0), widths=np.array([3, 4])),
        dict(data=[[1.0], [2.0]], later=object()),
    ],
    ids=lambda given: "-".join(given),
)
def test_what_is_right_passes(given):
    assert np.isfinite(sample(**{"x": np.ones((2, 2)), **given}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(x="ones"), "x='ones' holds no numbers"),
        (dict(x=[[1, 2], [3]]), "is ragged"),
        (dict(x=np.ones((1, 2, 2))), r"x has shape \(1, 2, 2\); give \(n, d\)"),
        (dict(x=jnp.ones((2, 2)) * 1j), "x holds complex numbers"),
        (dict(x=jax.random.key(0)), "random keys"),
        (dict(count=2.5), "count=2.5 must be a whole number"),
        (dict(count=np.ones(2)), "count=.* must be a whole number"),
        (dict(mode="c"), "mode='c' is unknown; choose one of 'a', 'b' or None"),
        (dict(flag="no"), "flag='no' is neither True nor False"),
        (dict(key=0), "key=0 is no random key"),
        (dict(widths=[1, 2.5]), "widths=2.5 must be a whole number"),
        (dict(widths="12"), "no sequence"),
        (dict(ends=(0.0,)), "has 1 entries; give 2"),
        (dict(data=["a"]), "data=.* holds no numbers"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(given, said):
    with pytest.raises(ValueError, match=said):
        sample(**{"x": np.ones((2, 2)), **given})


def test_a_missing_argument_is_said_by_the_function_itself():
    with pytest.raises(TypeError, match=r"sample\(\) missing 1 required positional argument: 'x'"):
        sample()


def test_tracers_pass_and_transformations_are_those_of_the_function():
    def f(x, scale):
        return sample(x, scale)

    x = jnp.arange(4.0).reshape(2, 2)
    assert jax.jit(f)(x, 2.0) == jax.vmap(f, (0, None))(x[None], 2.0)[0] == 12
    np.testing.assert_array_equal(jax.grad(f)(x, 2.0), np.full((2, 2), 2.0))
    with pytest.raises(ValueError, match="x holds complex"):
        jax.jit(f)(x * 1j, 2.0)
    assert sample.__doc__ == "The sum of x, scaled."
