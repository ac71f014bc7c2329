import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibjax import bottleneck
from ibjax.bottleneck import descent, search, sweeps

P_X = np.array([0.15, 0.25, 0.20, 0.25, 0.15])
ROWS = np.array(
    [[0.8, 0.15, 0.05], [0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.1, 0.3, 0.6], [0.05, 0.15, 0.8]]
)
JOINT = P_X[:, None] * ROWS
BSC = np.array([[0.45, 0.05], [0.05, 0.45]])

IB_TABLE = np.array(
    [
        [2.490858, 0.1573354503, 0.0665437321, 0.6719271376],
        [3.396624, 0.4164353953, 0.1582115502, 0.8067902241],
        [4.528832, 0.5198651014, 0.1851039752, 0.9185469326],
        [6.793248, 0.7800209749, 0.2308661790, 1.0671697243],
        [11.322080, 1.0000101898, 0.2573811732, 1.1783865559],
        [226.4416, 1.5808051255, 0.2731229520, 1.5837388924],
    ]
)
DUAL_TABLE = np.array(
    [
        [1.632985, 0.0727701504, 0.0314821010, 0.5449440265],
        [2.226797, 0.2787343524, 0.1126489197, 0.6795843572],
        [2.969063, 0.4192614287, 0.1588565323, 0.7894902558],
        [7.422657, 0.8606410164, 0.2419068011, 1.0991922765],
        [148.453, 1.5614020997, 0.2730078917, 1.5802218077],
    ]
)

TABLES = {"ib": IB_TABLE, "dual": DUAL_TABLE}


@pytest.mark.parametrize("form", ["ib", "dual"])
def test_known_solutions_of_a_five_by_three_joint(form, x64):
    table = TABLES[form]
    got = bottleneck.curve(JOINT, table[:, 0], form=form, restarts=8, max_iterations=20_000)
    np.testing.assert_allclose(got.functional, table[:, 3], atol=5e-7)  # beta has 7 digits
    np.testing.assert_allclose(got.i_tx, table[:, 1], atol=1e-5)
    np.testing.assert_allclose(got.i_ty, table[:, 2], atol=1e-5)
    assert bool(got.converged.all())


def test_critical_values(x64):
    np.testing.assert_allclose(bottleneck.critical_beta(JOINT), 2.264415982510197, rtol=1e-12)
    got = bottleneck.critical_beta(JOINT, form="dual")
    np.testing.assert_allclose(got, 1.4845313994, rtol=1e-10)
    np.testing.assert_allclose(bottleneck.critical_beta(BSC), 1.5625, rtol=1e-12)
    got = bottleneck.critical_beta(BSC, form="dual")
    np.testing.assert_allclose(got, 0.828535449690, rtol=1e-11)


@pytest.mark.parametrize("form", ["ib", "dual"])
def test_the_trivial_solution_splits_at_the_critical_value(form, x64):
    critical = bottleneck.critical_beta(JOINT, form=form)
    below, above = bottleneck.curve(
        JOINT, critical * jnp.array([0.97, 1.05]), form=form, max_iterations=20_000
    ).i_tx
    assert below < 1e-7 and above > 1e-2


def test_binary_symmetric_channel_lies_on_its_curve(x64):
    def curve(i_x):
        """I_Y = log 2 - h(a * p) with h(a) = log 2 - I_X."""

        def h(a):
            return -a * np.log(a) - (1 - a) * np.log(1 - a)

        low, high = 0.0, 0.5
        for _ in range(80):
            a = 0.5 * (low + high)
            low, high = (a, high) if h(a) < np.log(2) - i_x else (low, a)
        return np.log(2) - h(a * 0.9 + (1 - a) * 0.1)

    got = bottleneck.curve(BSC, [2.0, 3.0], cardinality=2)
    np.testing.assert_allclose(got.i_tx, [0.4827303826, 0.6577625913], atol=1e-7)
    np.testing.assert_allclose(got.i_ty, [0.2822729836, 0.3580764777], atol=1e-7)
    dual = bottleneck.curve(BSC, [2.0, 1.6], cardinality=2, form="dual")
    np.testing.assert_allclose(dual.i_tx, [0.5501210641, 0.4407641717], atol=1e-7)
    for i_x, i_y in zip(dual.i_tx, dual.i_ty):
        np.testing.assert_allclose(i_y, curve(float(i_x)), atol=1e-8)


def test_deterministic_labels_have_one_corner(x64):
    joint = np.array([[0.2, 0.0], [0.3, 0.0], [0.0, 0.5]])
    got = bottleneck.curve(joint, [1.5, 3.0, 20.0])
    np.testing.assert_allclose(got.i_tx, np.log(2), atol=1e-6)
    np.testing.assert_allclose(got.i_ty, np.log(2), atol=1e-6)


@partial(jax.jit, static_argnums=0)
def trajectory(form, p, beta, start):
    """Free energies and summaries along accelerated steps."""
    fixed = sweeps.rows(p)

    def step(d, _):
        d = descent.advance(search.family(form, fixed, 1.0), beta, d)
        got = search.finish(form, fixed, beta, 1.0, d, 0.0)
        return d, (d.free_energy, got["functional"], got["i_tx"], got["i_ty"])

    return jax.lax.scan(step, descent.begin(sweeps.update(form, fixed, start)), length=12)[1]


@given(seed=st.integers(0, 10_000), beta=st.floats(0.1, 30.0), form=st.sampled_from(["ib", "dual"]))
def test_no_step_raises_the_functional_and_processing_loses_information(seed, beta, form):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(15)).reshape(5, 3) + 1e-6
    with jax.enable_x64(True):
        p = jnp.asarray(p / p.sum())
        start = jax.nn.softmax(jnp.asarray(rng.normal(size=(5, 4))), axis=1)
        energy, functional, i_tx, i_ty = trajectory(form, p, beta, start)
        assert (np.diff(energy) <= 1e-12).all()
        assert (functional <= energy + 1e-12).all()
        assert (i_ty <= i_tx + 1e-12).all()
        total = jnp.sum(p * jnp.log(p / p.sum(1, keepdims=True) / p.sum(0)))
        assert (i_ty <= total + 1e-12).all()


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000))
def test_dual_decoders_stay_in_the_exponential_family(seed):
    rng = np.random.default_rng(seed)
    statistics, natural = rng.normal(size=(7, 2)), rng.normal(size=(5, 2))
    with jax.enable_x64(True):
        rows = jax.nn.softmax(jnp.asarray(statistics @ natural.T), axis=1)
        got = bottleneck.dual_ib(rows / 7, 4.0)
        basis = np.column_stack([natural, np.ones(5)])
        for mass, row in zip(got.encoder.mean(0), np.log(got.decoder)):
            if mass > 1e-6:
                fit = basis @ np.linalg.lstsq(basis, row, rcond=None)[0]
                np.testing.assert_allclose(fit, row, atol=1e-9)
        by_statistics = bottleneck.dual_ib_statistics(statistics, natural, 4.0)
        np.testing.assert_allclose(by_statistics.functional, got.functional, atol=1e-9)
        np.testing.assert_allclose(by_statistics.i_ty, got.i_ty, atol=1e-6)
        decoders = jax.nn.log_softmax(by_statistics.statistics @ natural.T, axis=1)
        np.testing.assert_allclose(jnp.exp(decoders) @ np.ones(5), 1.0)
        p_t = by_statistics.encoder.mean(0)
        mean = by_statistics.encoder.T @ statistics / 7 / p_t[:, None]
        kept = p_t > 1e-6
        np.testing.assert_allclose(by_statistics.statistics[kept], mean[kept], atol=1e-12)


def test_one_beta_is_its_entry_of_the_curve_and_counts_are_normalised(x64):
    key = jax.random.key(3)
    many = bottleneck.curve(JOINT, [3.0, 5.0], key=key)
    one = bottleneck.ib(1000 * JOINT, 5.0, 5, key=key)
    np.testing.assert_allclose(one.i_tx, many.i_tx[1], rtol=1e-9)
    np.testing.assert_allclose(one.i_ty_decoder, one.i_ty, rtol=1e-9)
    assert one.encoder.shape == (5, 5)
    np.testing.assert_allclose(one.encoder.sum(1), 1.0, rtol=1e-12)


def test_an_unfinished_run_says_so(x64):
    got = bottleneck.ib(JOINT, 2.3, max_iterations=4)
    assert not bool(got.converged) and int(got.iterations) == 4


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: bottleneck.ib(-JOINT, 2.0), "nonnegative"),
        (lambda: bottleneck.ib(JOINT[0], 2.0), "table"),
        (lambda: bottleneck.ib(JOINT, -2.0), "beta=-2"),
        (lambda: bottleneck.ib(JOINT, 2.0, 0), "cardinality=0"),
        (lambda: bottleneck.dual_ib(np.eye(2), 2.0), "label noise"),
        (lambda: bottleneck.curve(JOINT, [1.0], form="triple"), "triple"),
        (lambda: bottleneck.critical_beta(JOINT, form="triple"), "triple"),
    ],
)
def test_bad_input_is_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def poisson(rows=36):
    """X Poisson of mean 1, up to 35 with mass 1e-41; Y one of two classes, slowly decided."""
    k = np.arange(rows)
    p_x = np.exp(-1 - np.array([math.lgamma(i + 1) for i in k]))
    return p_x[:, None] * np.stack([0.5**k, 1 - 0.5**k + 1e-9], axis=1)


@pytest.mark.parametrize(
    "solve", [bottleneck.ib, bottleneck.squared_ib, bottleneck.deterministic_ib]
)
def test_rows_of_hardly_any_mass_do_no_harm(solve):
    joint = poisson()
    whole, part = solve(joint, 8.0, 4), solve(joint[:14], 8.0, 4)
    for got in (whole, part):
        assert np.isfinite(got.functional) and bool(got.converged)
        assert np.isfinite(np.asarray(got.encoder)).all()
    np.testing.assert_allclose(whole.i_tx, part.i_tx, atol=1e-4)
    np.testing.assert_allclose(whole.i_ty, part.i_ty, atol=1e-4)
    assert float(whole.i_ty) > 0.1
    if solve is bottleneck.ib:
        with jax.enable_x64(True):
            want = bottleneck.ib(joint, 8.0, 4)
        np.testing.assert_allclose([whole.i_tx, whole.i_ty], [want.i_tx, want.i_ty], rtol=1e-6)
        # traced in float32, where the last rows have no mass at all
        traced = jax.jit(lambda p: bottleneck.ib(p, 8.0, 4, restarts=2, max_iterations=300))(joint)
        assert np.isfinite(traced.i_tx) and np.isfinite(np.asarray(traced.encoder)).all()


def test_the_bottleneck_of_a_poisson_input(dtype):
    # P(y = 1 | x) = 1 / (1 + x), by plain alternation over the 14 rows of mass above 1e-11
    k = np.arange(36)
    p_x = np.exp(-1 - np.array([math.lgamma(i + 1) for i in k]))
    joint = p_x[:, None] * np.stack([1 / (1 + k), k / (1 + k)], axis=1)
    want = [0.405754, 0.163994]
    for rows in (joint, joint[:, ::-1], joint[::-1], joint[:14]):
        got = bottleneck.ib(rows.astype(dtype), 3.0, 4, restarts=4)
        np.testing.assert_allclose([got.i_tx, got.i_ty], want, atol=2e-5)
        assert bool(got.converged)
    traced = jax.jit(lambda p, b: bottleneck.ib(p, b, 4, restarts=3, max_iterations=600))
    got = traced(joint.astype(dtype), 3.0)
    np.testing.assert_allclose([got.i_tx, got.i_ty], want, atol=2e-3)
    large = bottleneck.ib(joint, 1e6, 4, restarts=4)
    assert np.isfinite(large.functional) and float(large.i_ty) == pytest.approx(0.24197, abs=3e-3)


def test_what_is_no_number_has_not_converged():
    joint = np.array([[0.4, 0.1], [0.1, 0.4]])
    got = jax.jit(lambda b: bottleneck.ib(joint, b, restarts=2, max_iterations=9))(np.inf)
    assert not bool(got.converged)


def test_counts_keep_their_value():
    big = np.array([[2**33 + 4, 4], [4, 2**33 + 4]])
    got = bottleneck.ib(big, 50.0, restarts=2)
    np.testing.assert_allclose(got.i_ty, np.log(2), atol=1e-6)
    np.testing.assert_allclose(bottleneck.critical_beta(big), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cardinality": 2.0}, "cardinality=2.0"),
        ({"restarts": 2.5}, "restarts=2.5"),
        ({"max_iterations": 0}, "max_iterations=0"),
        ({"beta": np.inf}, "beta=inf must be finite"),
        ({"beta": np.nan}, "beta=nan"),
        ({"joint": np.eye(2) * 1j}, "joint holds complex"),
        ({"joint": np.ones((0, 2))}, "joint has shape"),
    ],
)
def test_settings_of_other_types_are_one_clear_error(change, named):
    for solve in (bottleneck.ib, bottleneck.squared_ib, bottleneck.deterministic_ib):
        with pytest.raises(ValueError, match=named):
            solve(**{"joint": np.eye(2), "beta": 2.0} | change)
