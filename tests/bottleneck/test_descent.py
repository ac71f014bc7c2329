import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bottleneck import sweeps
from ibjax.bottleneck.descent import Family, active, advance, begin, queue

METRIC = np.array([0.5, 2.0, 1.0, 0.3])


def linear(slopes, curve=0.0):
    """Sweeps x -> J x with slopes symmetric in METRIC; the free energy is x W (1 - J) x / 2."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    root = np.sqrt(METRIC)
    step = jnp.asarray((turn * slopes) @ turn.T * root / root[:, None])
    hessian = jnp.asarray(METRIC[:, None] * (np.eye(4) - np.asarray(step)))

    def sweep(_, x):
        return step @ x, x @ hessian @ x / 2 + curve * jnp.sum(x**4)

    directions = jnp.asarray(turn / root[:, None])
    return Family(sweep, lambda x: x, lambda x: jnp.asarray(METRIC)), directions


def descended(family, start, turns):
    found = [begin(start)]
    for _ in range(turns):
        found.append(advance(family, None, found[-1]))
    return found


def test_a_step_solves_what_is_linear_in_two_directions(x64):
    family, directions = linear(np.array([0.99, 0.7, 0.4, 0.2]))
    start = 1e-2 * (directions[:, 0] + 0.5 * directions[:, 1])
    plain, solved = descended(family, start, 2)[1:]
    assert float(jnp.abs(plain.state).max()) > 3e-3
    # The first turn knows one direction, the second both: what is left is rounding.
    assert bool(solved.leapt) and float(jnp.abs(solved.ahead).max()) < 1e-13
    assert float(solved.iterations) == 4


def test_a_saddle_is_left_and_not_sought(x64):
    family, directions = linear(np.array([1.05, 0.9, 0.4, 0.2]))
    start = 1e-3 * directions[:, 1] + 1e-5 * directions[:, 0]
    found = descended(family, start, 12)
    away = [float(abs(directions[:, 0] * METRIC @ d.state)) for d in found]
    assert np.all(np.diff(away) > 0) and away[-1] > 100 * away[0]
    energies = [float(d.free_energy) for d in found[1:]]
    assert np.all(np.diff(energies) <= 1e-15)


def test_an_extrapolation_that_climbs_is_taken_back(x64):
    """Sweeps that creep along a line, with a wall ahead: one step too far costs a turn."""

    def sweep(_, x):
        return x + 1e-3, jnp.where(x[0] < 0.05, -x[0], jnp.where(x[0] > 0.2, jnp.nan, 9.0))

    family = Family(sweep, lambda x: x, jnp.ones_like)
    first, second = descended(family, jnp.zeros(1), 2)[1:]
    assert bool(first.leapt) and float(first.ahead[0]) > 0.05
    assert float(second.state[0]) == float(first.state[0]) == float(second.ahead[0])
    assert not bool(second.leapt) and float(second.change) == float(first.change)
    # Without a leap whatever a sweep gives is kept, so that the descent goes on.
    third = advance(family, None, second)
    assert float(third.state[0]) == pytest.approx(4e-3)


def test_what_is_no_number_ends_a_descent_at_once(x64):
    family, _ = linear(np.array([0.9, 0.7, 0.4, 0.2]))
    only = advance(family, None, begin(jnp.full(4, jnp.nan)))
    assert not bool(active(only, 100, 1e-8)) and not bool(only.change <= 1e-8)


def test_a_queue_gives_each_start_what_it_gets_alone(x64):
    family, _ = linear(np.array([0.999, 0.7, 0.4, 0.2]), curve=1.0)
    starts = jnp.asarray(np.random.default_rng(1).normal(size=(7, 4))) * 0.1
    starts = starts.at[3].set(jnp.nan)

    def alone(x):
        end = jax.lax.while_loop(
            lambda d: active(d, 400, 1e-9), lambda d: advance(family, 0, d), begin(x)
        )
        return end.end()

    want = jax.jit(jax.vmap(alone))(starts)
    for slots in (1, 3, 7):
        got = queue(family, lambda i: i, lambda i: starts[i], 7, slots, 400, 1e-9)
        np.testing.assert_array_equal(got.iterations, want.iterations)
        np.testing.assert_allclose(got.state, want.state, rtol=0, atol=1e-12)
    assert len(set(np.asarray(want.iterations).tolist())) > 2


@pytest.mark.parametrize("form", ["ib", "dual"])
def test_a_sweep_is_an_encoder_and_its_marginals(form, x64):
    rng = np.random.default_rng(2)
    fixed = sweeps.rows(jnp.asarray(rng.dirichlet(np.ones(15)).reshape(5, 3)))
    state = sweeps.update(form, fixed, jnp.asarray(rng.dirichlet(np.ones(4), size=5)))
    q, energy = sweeps.encode(form, fixed, 7.0, 0.5, state)
    np.testing.assert_allclose(q.sum(1), 1.0, rtol=1e-14)
    after, same = sweeps.sweep(form, fixed, 7.0, 0.5, state)
    assert float(energy) == float(same)
    for got, want in zip(after, sweeps.update(form, fixed, q)):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    joint = fixed.p_x[:, None] * q
    p_t = joint.sum(0)
    np.testing.assert_allclose(jnp.exp(after.log_t), p_t, rtol=1e-12)
    means = (joint / p_t).T @ (fixed.conditional if form == "ib" else fixed.logs)
    decoder = means if form == "ib" else jax.nn.softmax(means, axis=1)
    np.testing.assert_allclose(jnp.exp(after.log_decoder), decoder, rtol=1e-12)


@pytest.mark.parametrize("form", ["ib", "dual"])
def test_rounding_is_no_distance_and_what_is_no_number_stays_none(form, x64):
    fixed = sweeps.rows(jnp.outer(jnp.array([0.2, 0.3, 0.5]), jnp.array([0.4, 0.25, 0.35])))
    own = jnp.log(jnp.array([[0.4, 0.25, 0.35]]))
    assert np.all(np.asarray(sweeps.distortion(form, fixed, own)) == 0)
    apart = own + jnp.array([[1e-6, 0.0, -1e-6]])
    found = np.asarray(sweeps.distortion(form, fixed, apart - jax.nn.logsumexp(apart)))
    assert np.all(found > 1e-13) and np.all(found < 1e-11)
    assert np.isnan(np.asarray(sweeps.distortion(form, fixed, own.at[0, 0].set(jnp.nan)))).all()
