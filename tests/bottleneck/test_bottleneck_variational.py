import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bottleneck
from ibjax.bottleneck import latent
from ibjax.bottleneck.deep import _train


def blobs(seed=0, n=150):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return (np.eye(3)[y] * 2 + rng.normal(size=(n, 3))).astype(np.float32), y


@pytest.mark.parametrize("form", ["vib", "ceb", "dual"])
def test_every_bound_is_on_its_side_of_what_it_bounds(form):
    x, y = blobs()
    config = bottleneck.Variational(form=form, latent=2, widths=(8,), steps=120, batch=64)
    law = bottleneck.label_law(y, 3, smoothing=0.05) if form == "dual" else None

    before = _train._cache_size()
    runs = [
        bottleneck.variational(
            jax.random.key(i), x, y, beta, config, label_law=law, learning_rate=1e-2
        )._replace(params=None)
        for i, beta in enumerate((0.0, 3.0, 30.0))
    ]
    assert _train._cache_size() == before + 1
    got = jax.tree.map(lambda *v: jnp.stack(v), *runs)
    slack = 4 * got.std_error + 1e-3
    if form == "ceb":
        assert np.isnan(got.rate).all() and (got.residual >= got.i_xz_given_y - slack).all()
        # it is no bound on I(X;Z)
        assert (got.residual < got.i_xz - slack).any()
    else:
        assert np.isnan(got.residual).all() and (got.rate >= got.i_xz - slack).all()
    assert (got.i_zy_lower <= got.i_zy + slack).all()
    assert (got.i_zy <= got.i_xz + slack).all()
    assert got.i_xz[0] < 0.1 and got.i_zy[2] > 0.5
    assert (np.diff(got.i_xz) > 0).all() and got.accuracy[2] > 0.8
    assert np.isnan(got.dual_distortion).all() == (form != "dual")


def test_measured_information_of_a_known_latent():
    n, d = 400, 1
    mean = jnp.where(jnp.arange(n) % 2 == 0, -1.0, 1.0)[:, None]
    keys = jax.random.split(jax.random.key(1), 8)
    z = latent.Latent(mean, jnp.ones((n, d)))
    # two equal Gaussians two standard deviations apart, by quadrature
    want = 0.33683082
    both, within, error = latent.informations(keys, z, jnp.zeros(n, int))
    assert abs(both - want) < 4 * error and abs(both - within) < 1e-5
    both, within, error = latent.informations(keys, z, jnp.arange(n) % 2)
    assert abs(both - want) < 4 * error and abs(within) < 1e-5


def test_divergence_of_latents_is_that_of_gaussians(x64):
    a = latent.Latent(jnp.array([[0.3, -1.0]]), jnp.array([[0.5, 2.0]]))
    b = latent.Latent(jnp.array([[0.0, 0.4]]), jnp.array([[1.5, 1.0]]))
    first = np.log(1.5 / 0.5) + (0.5**2 + 0.3**2) / (2 * 1.5**2) - 0.5
    second = np.log(1.0 / 2.0) + (2.0**2 + 1.4**2) / 2 - 0.5
    np.testing.assert_allclose(a.divergence(b), [first + second], rtol=1e-12)


def test_inputs_of_any_size_train_alike():
    """Those whose squares are no numbers were trained on as if they were constant."""
    (x, y), config = blobs(), bottleneck.Variational(steps=60)
    plain, *others = (
        bottleneck.variational(jax.random.key(0), np.float32(s) * x, y, 5.0, config)
        for s in (1, 2.0**-80, 2.0**80)
    )
    assert float(plain.accuracy) > 0.5
    for found in others:
        np.testing.assert_allclose(found.distortion, plain.distortion, rtol=1e-3)


def test_laws_of_labels(x64):
    law = bottleneck.label_law(np.array([0, 2]), 4, smoothing=0.04)
    np.testing.assert_allclose(law[0], [0.97, 0.01, 0.01, 0.01])
    counts = np.array([[8.0, 2.0], [0.0, 20.0]])
    law = bottleneck.label_law(np.array([0, 1]), 2, smoothing=0.5, confusion=counts)
    np.testing.assert_allclose(law, [[0.65, 0.35], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda x, y: bottleneck.Variational(form="via"), "form='via'"),
        (lambda x, y: bottleneck.Variational(latent=0), "latent=0"),
        (
            lambda x, y: bottleneck.variational(
                jax.random.key(0), x, y, 1.0, bottleneck.Variational(form="dual")
            ),
            "label_law",
        ),
        (lambda x, y: bottleneck.variational(jax.random.key(0), x, y[:3], 1.0), "integers"),
        (lambda x, y: bottleneck.variational(jax.random.key(0), x, y, -1.0), "beta=-1"),
        (lambda x, y: bottleneck.variational(jax.random.key(0), x * np.nan, y, 1.0), "x holds NaN"),
        (lambda x, y: bottleneck.label_law(y, 3, smoothing=0.0), "smoothing=0"),
        (lambda x, y: bottleneck.label_law(y + 1, 3), "y reaches from"),
        (lambda x, y: bottleneck.label_law(y - 1, 3), "y reaches from"),
        (lambda x, y: bottleneck.label_law(y, 3, confusion=np.ones((2, 2))), "confusion"),
        (lambda x, y: bottleneck.label_law(y, 3, confusion=np.diag([1, np.inf, 1])), "finite"),
        (
            lambda x, y: bottleneck.variational(jax.random.key(0), x, y, 1.0, num_classes=2),
            "^y reaches",
        ),
        (
            lambda x, y: bottleneck.variational(
                jax.random.key(0), x, y, 1.0, evaluate=(x, y - 1), num_classes=3
            ),
            "evaluate's y reaches",
        ),
        (
            lambda x, y: bottleneck.variational(
                jax.random.key(0), x, y, 1.0, label_law=np.eye(3)[y]
            ),
            "zeros",
        ),
        (
            lambda x, y: bottleneck.variational(
                jax.random.key(0), x, y, 1.0, label_law=1 + np.eye(3)[y]
            ),
            "do not sum to 1",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call(*blobs())
