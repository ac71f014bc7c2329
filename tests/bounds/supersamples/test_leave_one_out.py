"""The leave-one-out bounds against counting and enumeration."""

import itertools

import jax
import numpy as np
import pytest

from ibjax import bounds


def slow_information(losses):
    """Information of each point set by counting equal loss vectors."""
    size, found = losses.shape[1], []
    for table in losses:
        rows = [tuple(row) for row in table]
        found.append(np.log(size) - np.mean([np.log(rows.count(row)) for row in rows]))
    return np.array(found)


def test_it_is_its_definition_with_its_error(x64):
    losses = np.random.default_rng(5).integers(0, 2, (7, 4, 4))
    losses[:, 1] = losses[:, 0]
    info = slow_information(losses)
    each = 4 / 3 * np.sqrt(info / 2)
    found = bounds.leave_one_out(losses)
    assert float(found.value) == pytest.approx(each.mean(), abs=1e-12)
    assert float(found.information) == pytest.approx(info.mean(), abs=1e-12)
    assert float(found.std_error) == pytest.approx(each.std(ddof=1) / np.sqrt(7), abs=1e-12)
    ran = np.ones((7, 4), bool)
    ran[2, 3] = ran[5] = False
    spoilt = np.where(ran[..., None], losses, np.nan)
    kept = bounds.leave_one_out(losses[[0, 1, 3, 4, 6]])
    for function in (bounds.leave_one_out, jax.jit(bounds.leave_one_out)):
        found = function(spoilt, valid=ran)
        np.testing.assert_allclose(
            (found.value, found.information, found.std_error),
            (kept.value, kept.information, kept.std_error),
            atol=1e-12,
        )
    assert np.isnan(jax.jit(bounds.leave_one_out)(spoilt).value)
    with pytest.raises(ValueError, match="mark diverged"):
        bounds.leave_one_out(spoilt)
    with pytest.raises(ValueError, match="valid has shape"):
        bounds.leave_one_out(losses, valid=ran[:, 0])
    with pytest.raises(ValueError, match="form='fast'"):
        bounds.leave_one_out(losses, form="fast")


def entropy(law):
    return -sum(p * np.log(p) for p in law.values() if p > 0)


def test_of_a_randomised_learner_by_enumeration(x64):
    """Majority of n = 2 fair labels, ties by a fair coin of each training: all equally likely."""
    tables, exact, gap = [], [], 0.0
    for labels in itertools.product((0, 1), repeat=3):
        joint, marginal = {}, {}
        for coins in itertools.product((0, 1), repeat=3):
            table = np.zeros((3, 3), int)
            for u in range(3):
                ones = sum(np.delete(labels, u))
                rule = coins[u] if ones == 1 else int(ones == 2)
                table[u] = [rule != y for y in labels]
                gap += (table[u, u] - np.delete(table[u], u).mean()) / (64 * 3)
                key = tuple(table[u])
                joint[u, key] = joint.get((u, key), 0) + 1 / 24
                marginal[key] = marginal.get(key, 0) + 1 / 24
            tables.append(table)
        exact.append(np.log(3) + entropy(marginal) - entropy(joint))
    tables, exact = np.array(tables), np.array(exact)
    # Test error 1/2; training error 1/2 of a tie, which has probability 1/2, and else 0.
    assert gap == pytest.approx(0.25, abs=1e-12)
    assert gap <= 1.5 * np.mean(np.sqrt(exact / 2))
    found = bounds.leave_one_out(tables)
    # One training an index reads its coin as information: up, on average.
    assert float(found.information) > exact.mean() + 0.01
    assert float(found.value) >= 1.5 * np.mean(np.sqrt(exact / 2))
    assert np.isnan(bounds.leave_one_out(tables, form="interpolation").value)


def test_of_an_interpolating_learner_by_enumeration(x64):
    """Wrong at the held-out point with a probability of its own, right at every other."""
    chances = np.array([0.0, 0.25, 0.5, 1.0])
    marginal = {u: p / 4 for u, p in enumerate(chances)} | {"none": (1 - chances.mean())}
    joint = {(u, w): (p if w else 1 - p) / 4 for u, p in enumerate(chances) for w in (0, 1)}
    exact = np.log(4) + entropy(marginal) - entropy(joint)
    assert chances.mean() <= exact / np.log(4)
    wrong = np.array(list(itertools.product((0, 1), repeat=4)))
    tables = wrong[:, :, None] * np.eye(4, dtype=int)
    info = slow_information(tables)
    for one, table, number in zip(wrong, tables, info):
        found = bounds.leave_one_out(table[None], form="interpolation")
        assert float(found.value) == pytest.approx(number / np.log(4), abs=1e-12)
        assert one.mean() <= float(found.value) + 1e-12
    found = bounds.leave_one_out(tables, form="interpolation")
    spread = (info / np.log(4)).std(ddof=1) / 4
    assert float(found.std_error) == pytest.approx(spread, abs=1e-12)
    assert found.kind == "estimate" and "interpolation" in found.assumptions
    law = np.prod(np.where(wrong, chances, 1 - chances), 1)
    assert law @ info >= exact - 1e-12
    tables[3, 0, 1] = 1
    traced = jax.jit(lambda t: bounds.leave_one_out(t, form="interpolation"))(tables)
    assert np.isnan(traced.value) and not traced.holds


def test_on_an_enumerated_memoriser(x64):
    """Three cells, label 1, unseen 0: every point set of size n + 1 = 3, by exact weights."""
    sets = np.array(list(itertools.product(range(3), repeat=3)))
    losses = np.zeros((27, 3, 3), int)
    for s, points in enumerate(sets):
        for u in range(3):
            seen = set(np.delete(points, u))
            losses[s, u] = [p not in seen for p in points]
    value = bounds.leave_one_out(losses)
    info = slow_information(losses)
    assert float(value.information) == pytest.approx(info.mean(), abs=1e-12)
    assert float(value.value) == pytest.approx(1.5 * np.mean(np.sqrt(info / 2)))
    test_error = np.mean([losses[:, u, u] for u in range(3)])
    assert test_error == pytest.approx((2 / 3) ** 2)
    assert test_error <= float(value.value)
    assert test_error <= float(value.information) / np.log(3) + 1e-12
    traced = jax.jit(bounds.leave_one_out)(losses)
    assert float(traced.value) == pytest.approx(float(value.value), abs=1e-12)
    assert np.isnan(bounds.leave_one_out(losses[:1]).std_error)


def test_refusals():
    with pytest.raises(ValueError, match=r"give .k1, n . 1, n . 1."):
        bounds.leave_one_out(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="other values"):
        bounds.leave_one_out(np.full((2, 3, 3), 2))
