import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax.langevin import cross_entropy
from ibjax.langevin.losses import check_loss


def hinge(z, y):
    return jax.nn.relu(1 - (2 * y - 1) * (z[:, 1] - z[:, 0]))


@pytest.mark.parametrize(
    "loss",
    [
        cross_entropy,
        lambda z, y: cross_entropy(z, y),
        hinge,
        lambda z, y: 0.5 * jnp.sum((z - jax.nn.one_hot(y, z.shape[1])) ** 2, axis=1),
        lambda z, y: optax.sigmoid_focal_loss(z, jax.nn.one_hot(y, z.shape[1])).sum(1),
        lambda z, y: hinge(z, y) + jnp.sqrt(jnp.where(z[:, 0] < 0, 0 * z[:, 0], 1.0)),
    ],
)
def test_a_loss_of_each_example_alone_passes(loss):
    check_loss(loss, 2)


@pytest.mark.parametrize(
    ("loss", "named"),
    [
        (lambda z, y: cross_entropy(z, y).mean(), "one real number an example"),
        (lambda z, y: z, "one real number an example"),
        (lambda z, y: jnp.sum((z - y) ** 2, -1), r"loss fails on .*jax\.nn\.one_hot"),
        (lambda z: z, r"loss fails on .*TypeError"),
        (lambda z, y: cross_entropy(z - 0.1 * z.mean(0), y), "row of logits of another"),
        (lambda z, y: jnp.roll(cross_entropy(z, y), 1), "row of logits of another"),
        (lambda z, y: jnp.sort(cross_entropy(z, y)), "row of logits of another"),
        (lambda z, y: jnp.abs(z[:, 0] - z[::-1, 0]), "row of logits of another"),
        (lambda z, y: cross_entropy(z, y) * (1 + jnp.sum(y)), "label of another"),
        (lambda z, y: cross_entropy(z, y) / len(y), "alone than in a batch"),
        (lambda z, y: cross_entropy(z, y) * jnp.arange(len(y)), "alone than in a batch"),
        (lambda z, y: jnp.log(-(z[:, 0] ** 2)), "finite at ordinary logits"),
        # the value is each one's own, the derivative is not
        (
            lambda z, y: hinge(z, y) + jnp.sum(z**2) - jax.lax.stop_gradient(jnp.sum(z**2)),
            "alone than in a batch",
        ),
    ],
)
def test_a_loss_that_looks_further_is_refused(loss, named):
    with pytest.raises(ValueError, match=named):
        check_loss(loss, 2)


def test_a_loss_that_has_changed_is_looked_at_again():
    mean = [0.0]

    def loss(z, y):
        return cross_entropy(z - mean[0] * z.mean(0), y)

    check_loss(loss, 2)
    mean[0] = 0.1
    with pytest.raises(ValueError, match="row of logits of another"):
        check_loss(loss, 2)


def test_cross_entropy_is_that_of_optax_and_of_no_label_out_of_range():
    logits = jnp.array([[0.3, -1.0, 80.0], [0.0, -jnp.inf, 1.0], [-90.0, 2.0, 2.0]])
    y = jnp.array([0, 2, 1])
    theirs = optax.softmax_cross_entropy_with_integer_labels
    np.testing.assert_allclose(cross_entropy(logits, y), theirs(logits, y), rtol=1e-6)
    ours, wanted = (jax.grad(lambda z, f=f: f(z, y).sum())(logits) for f in (cross_entropy, theirs))
    np.testing.assert_allclose(ours, wanted, rtol=1e-6, atol=1e-7)
    assert np.isnan(cross_entropy(logits, jnp.array([3, -1, 1]))).tolist() == [True, True, False]
