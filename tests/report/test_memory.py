"""Tables and pictures of remembered examples."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from ibjax import bounds, report


@pytest.fixture(scope="module")
def found():
    """A pool of ten examples of which the first two are remembered."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (60, 10))
    losses = (rng.random((60, 10)) < 0.2).astype(int)
    losses[:, :2] = 1 - bits[:, :2]
    return (
        bounds.remembered(losses, bits),
        bounds.remembered_by_class(losses, bits, np.arange(10) % 2, 2),
    )


def test_the_surest_examples_come_first(found):
    examples, classes = found
    rows = report.examples(examples)
    assert {row[0] for row in rows[:2]} == {0, 1} and len(rows) == 10
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
    _, value, low, high, inside, outside, sure = rows[0]
    assert (value, inside, outside, sure) == (1.0, 0.0, 1.0, True) and low < value <= high
    table = report.examples_table(examples, ("example",), 3)
    assert table.row_count == 3 and list(table.columns[-1].cells) == ["sure among all"] * 2 + [""]
    assert report.classes_table(classes, ("a", "b")).row_count == 2


def test_pictures_show_the_numbers_on_a_given_axis(found):
    examples, classes = found
    ax = Figure().subplots()
    assert report.remembered_examples(examples, ax=ax, count=4) is ax
    curve, sure, unsure = ax.lines[1], *(c[0] for c in ax.containers)
    np.testing.assert_allclose(curve.get_ydata(), np.sort(examples.memory)[::-1], rtol=1e-6)
    rows = report.examples(examples)[:4]
    np.testing.assert_allclose(sure.get_ydata(), [1, 1])
    np.testing.assert_allclose(unsure.get_ydata(), [row[1] for row in rows[2:]], rtol=1e-6)
    assert [t.get_text() for t in ax.get_xticklabels()] == [str(row[0]) for row in rows]
    ax = report.remembered_classes(classes, names=("even", "odd"))
    np.testing.assert_allclose(ax.containers[0][0].get_ydata(), classes.memory, rtol=1e-6)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["even", "odd"]
    assert len(report.memory_figure(examples, classes).axes) == 2
    assert len(report.memory_figure(examples).axes) == 1


def test_nothing_known_is_said(found):
    bits = np.ones((4, 3), int)
    nothing = bounds.remembered(np.zeros((4, 3), int), bits)
    assert report.examples(nothing) == []
    with pytest.raises(ValueError, match="nothing is known"):
        report.remembered_examples(nothing)
    with pytest.raises(ValueError, match="count=0"):
        report.remembered_examples(found[0], count=0)
