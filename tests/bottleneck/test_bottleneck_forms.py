import jax
import numpy as np
import pytest

from ibjax import bottleneck
from ibjax.bottleneck import search
from ibjax.environment import brief_compilation

P_X = np.array([0.15, 0.25, 0.20, 0.25, 0.15])
ROWS = np.array(
    [[0.8, 0.15, 0.05], [0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.1, 0.3, 0.6], [0.05, 0.15, 0.8]]
)
JOINT = P_X[:, None] * ROWS


def partitions(items):
    """Every partition of a list, as lists of labels."""
    if not items:
        yield []
        return
    for rest in partitions(items[1:]):
        for label in range(max(rest, default=-1) + 2):
            yield [label, *rest]


@pytest.mark.parametrize("beta", [3.0, 6.0, 12.0, 40.0])
def test_the_deterministic_form_finds_the_best_of_all_partitions(beta, x64):
    def functional(labels):
        joint = np.array([JOINT[np.array(labels) == t].sum(0) for t in sorted(set(labels))])
        p_t, p_y = joint.sum(1), joint.sum(0)
        i_ty = np.sum(joint * np.log(joint / np.outer(p_t, p_y)))
        return -np.sum(p_t * np.log(p_t)) - beta * i_ty

    total = np.sum(JOINT * np.log(ROWS / (P_X @ ROWS)))
    every = {tuple(labels) for labels in partitions(list(range(5)))}
    best = min(functional(labels) for labels in every) + beta * total
    got = bottleneck.deterministic_ib(JOINT, beta)
    np.testing.assert_allclose(got.functional, best, atol=1e-12)
    assert set(np.unique(got.encoder)) <= {0.0, 1.0} and bool(got.converged)
    np.testing.assert_allclose(got.i_tx, got.h_t, atol=1e-12)


def test_the_generalised_form_joins_the_two(x64):
    at_one = bottleneck.generalised_ib(JOINT, 6.793248, 1.0)
    np.testing.assert_allclose(at_one.functional, 1.0671697243, atol=1e-7)
    hard = bottleneck.deterministic_ib(JOINT, 6.0)
    nearly = bottleneck.generalised_ib(JOINT, 6.0, 0.05)
    np.testing.assert_allclose(nearly.functional, hard.functional, atol=1e-6)
    assert nearly.h_t >= nearly.i_tx - 1e-12


def test_the_squared_form_traces_the_curve_of_deterministic_labels(x64):
    joint = np.array([[0.2, 0.0], [0.3, 0.0], [0.0, 0.5]])
    for beta in (0.3, 0.6, 1.0, 1.6):
        got = bottleneck.squared_ib(joint, beta)
        want = min(beta / 2, np.log(2))
        # the functional is flat at its minimum: 1e-10 of it is 1e-5 of the information
        np.testing.assert_allclose([got.i_tx, got.i_ty], want, atol=1e-5)
        assert bool(got.converged)


def test_reverse_annealing_follows_the_best_solutions_and_keeps_the_order(x64):
    betas = np.array([4.528832, 2.490858, 11.322080, 3.396624])
    want = np.array([0.9185469326, 0.6719271376, 1.1783865559, 0.8067902241])
    reverse = bottleneck.anneal(JOINT, betas)
    np.testing.assert_allclose(reverse.functional, want, atol=5e-7)
    forward = bottleneck.anneal(JOINT, betas, direction="forward")
    assert (forward.functional >= want - 5e-7).all()
    np.testing.assert_allclose(forward.functional[1], want[1], atol=5e-7)  # the first split
    assert bool(reverse.converged.all()) and bool(forward.converged.all())


def test_the_solver_can_be_vmapped_and_does_not_recompile(x64):
    program = search._program(*brief_compilation().items())
    before = program._cache_size()
    values = [bottleneck.generalised_ib(JOINT, 6.0, a).functional for a in (0.05, 0.3, 0.9)]
    assert program._cache_size() <= before + 1
    assert np.all(np.diff(values) < 0)  # H(T|X) >= 0 is paid back at alpha
    both = jax.vmap(lambda b: bottleneck.ib(JOINT, b, max_iterations=30).functional)(
        np.array([5.0, 9.0])
    )
    one = bottleneck.ib(JOINT, 9.0, max_iterations=30).functional
    np.testing.assert_allclose(both[1], one, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: bottleneck.generalised_ib(JOINT, 2.0, 0.0), "deterministic_ib"),
        (lambda: bottleneck.anneal(JOINT, [2.0], direction="up"), "direction='up'"),
        (lambda: bottleneck.anneal(JOINT, [-2.0]), "betas"),
        (lambda: bottleneck.anneal(JOINT, [2.0], noise=-1.0), "noise=-1"),
        (lambda: bottleneck.curve(JOINT, [2.0], at_once=0), "at_once=0"),
        (lambda: bottleneck.squared_ib(JOINT, -1.0), "beta=-1"),
        (lambda: bottleneck.deterministic_ib(JOINT, 2.0, 0), "cardinality=0"),
        (lambda: bottleneck.dual_ib_statistics(ROWS, ROWS[:, :2], 1.0), "statistics has shape"),
        (lambda: bottleneck.dual_ib_statistics(ROWS, ROWS, 1.0, np.ones(4)), "p_x has shape"),
        (lambda: bottleneck.ib(np.full((2, 2), np.inf), 2.0), "finite"),
        (lambda: bottleneck.ib(JOINT, 2.0, tolerance=np.inf), "tolerance=inf"),
        (lambda: bottleneck.squared_ib(JOINT, 2.0, tolerance=np.inf), "tolerance=inf"),
        (lambda: bottleneck.squared_ib(JOINT, 2.0, tolerance=np.nan), "tolerance=nan"),
        (lambda: bottleneck.dual_ib_statistics(ROWS, ROWS, 1.0, tolerance=-1.0), "tolerance=-1"),
        (lambda: bottleneck.anneal(JOINT, [2.0], noise=np.inf), "noise=inf"),
    ],
)
def test_bad_input_is_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()
