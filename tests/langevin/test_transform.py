import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax.langevin import noise_std, sgld
from ibjax.langevin.transform import SgldState


def test_one_update_is_the_stated_formula():
    params = {"a": jnp.ones((2, 3)), "b": jnp.zeros(4)}
    grads = jax.tree.map(lambda p: p + 0.5, params)
    opt = sgld(0.1, 50.0)
    key = jax.random.key(3)
    updates, state = opt.update(grads, opt.init(params), params, key=key)
    xi = jax.random.normal(key, (10,))
    expected = -0.1 * grads["a"] + np.sqrt(2 * 0.1 / 50) * xi[:6].reshape(2, 3)
    np.testing.assert_allclose(updates["a"], expected, rtol=1e-6)
    expected = -0.1 * grads["b"] + np.sqrt(2 * 0.1 / 50) * xi[6:]
    np.testing.assert_allclose(updates["b"], expected, rtol=1e-6)
    assert int(state.count) == 1


def test_schedules_follow_the_step_count():
    eta = optax.exponential_decay(0.1, 10, 0.5)
    beta = optax.linear_schedule(10.0, 100.0, 5)
    opt = sgld(eta, beta)
    state = opt.init(jnp.zeros(2))._replace(count=jnp.int32(3))
    key = jax.random.key(0)
    updates, _ = opt.update(jnp.ones(2), state, key=key)
    expected = -eta(3) + jnp.sqrt(2 * eta(3) / beta(3)) * jax.random.normal(key, (2,))
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


def test_replicas_under_vmap_never_share_their_noise():
    opt = sgld(0.1, 10.0)
    keys = jax.random.split(jax.random.key(0), 4)
    state = opt.init(jnp.zeros(3))
    updates = jax.vmap(lambda k: opt.update(jnp.zeros(3), state, key=k)[0])(keys)
    assert len(np.unique(np.asarray(updates), axis=0)) == 4


def test_it_ends_a_chain_so_that_noise_is_added_after_clipping():
    opt = optax.chain(optax.clip_by_global_norm(1.0), sgld(0.5, jnp.inf))
    params = jnp.zeros(4)
    updates, _ = opt.update(100 * jnp.ones(4), opt.init(params), params, key=jax.random.key(0))
    np.testing.assert_allclose(updates, -0.5 * 0.5 * jnp.ones(4), rtol=1e-6)


def test_stationary_law_on_a_quadratic_is_the_known_one():
    # w <- (1 - eta) w + sqrt(2 eta / beta) xi has variance (1 / beta) / (1 - eta / 2).
    eta, beta, chains, steps = 0.1, 50.0, 4000, 200
    opt = sgld(eta, beta)

    def step(carry, key):
        w, state = carry
        updates, state = opt.update(w, state, key=key)
        return (optax.apply_updates(w, updates), state), None

    w0 = jnp.zeros(chains)
    keys = jax.random.split(jax.random.key(1), steps)
    (w, _), _ = jax.jit(lambda: jax.lax.scan(step, (w0, opt.init(w0)), keys))()
    truth = (1 / beta) / (1 - eta / 2)
    assert abs(float(jnp.var(w)) - truth) < 4 * truth * np.sqrt(2 / chains)
    assert abs(float(jnp.mean(w))) < 4 * np.sqrt(truth / chains)


def test_noise_keeps_the_precision_of_the_weights(dtype):
    opt = sgld(0.1, 10.0)
    grads = jnp.ones(3, dtype)
    updates, _ = opt.update(grads, opt.init(grads), key=jax.random.key(0))
    assert updates.dtype == dtype


@pytest.mark.parametrize("arguments", [(-0.1, 1.0), (0.1, -1.0), (float("nan"), 1.0)])
def test_negative_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match="must not be negative"):
        sgld(*arguments)


def test_noise_deviation():
    assert float(noise_std(0.02, 100.0)) == pytest.approx(0.02)


def test_groups_of_a_tree_draw_noise_of_their_own():
    params = {"a": jnp.zeros(3), "b": jnp.zeros(3), "c": {"d": jnp.zeros((2, 3))}}
    labels = {"a": "one", "b": "two", "c": {"d": "two"}}
    groups = {"one": sgld(0.5, 1.0), "two": sgld(0.5, 1.0)}
    opt = optax.multi_transform(groups, labels)
    key = jax.random.key(4)
    noise, _ = opt.update(params, opt.init(params), params, key=key)
    a, b, d = np.asarray(noise["a"]), np.asarray(noise["b"]), np.asarray(noise["c"]["d"])
    rows = np.stack([a, b, *d])
    assert len(np.unique(rows)) == rows.size
    # one group that holds everything is the plain transformation
    whole = optax.multi_transform({"one": sgld(0.5, 1.0)}, jax.tree.map(lambda _: "one", params))
    got, _ = whole.update(params, whole.init(params), params, key=key)
    plain, _ = sgld(0.5, 1.0).update(params, SgldState(jnp.int32(0)), key=key)
    jax.tree.map(np.testing.assert_array_equal, got, plain)


def test_noise_of_half_precision_weights_is_drawn_in_single():
    opt = sgld(0.5, 1.0)
    updates, _ = opt.update(
        jnp.zeros(4, jnp.bfloat16), SgldState(jnp.int32(0)), key=jax.random.key(0)
    )
    expected = jax.random.normal(jax.random.key(0), (4,)).astype(jnp.bfloat16)
    np.testing.assert_array_equal(updates.astype(jnp.float32), expected.astype(jnp.float32))


@pytest.mark.parametrize("rate", [np.float32(-0.1), jnp.float32(jnp.nan), np.ones(2), "0.1"])
def test_numbers_of_numpy_and_jax_are_checked_too(rate):
    with pytest.raises(ValueError, match="learning_rate"):
        sgld(rate, 1.0)
