import jax
import numpy as np
import pytest

from ibjax import mi
from ibjax.mi.copies import LISTED_AGAIN, drawn_apart

ROWS = {e.name: e for e in mi.estimators() if e.name != "latent" and "neural" not in e.name}


@pytest.mark.parametrize("name", ROWS)
def test_samples_listed_again_are_no_more_samples(name, x64):
    row, rng = ROWS[name], np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = 0.8 * x + 0.6 * rng.normal(size=(400, 2))
    if row.applies_to != "continuous":
        y = np.digitize(y[:, 0], [-0.5, 0.5])
    if row.applies_to == "discrete":
        # few classes hold many samples each, copies or not
        x, y = rng.integers(0, 300, 400), rng.integers(0, 2, 400)
    f = row.function
    for twice in ((x, y), (np.r_[x, x[:160]], np.r_[y, y[:160]])):
        again = [np.repeat(v, 2, 0) for v in twice]
        got = f(jax.random.key(0), *again) if row.random else f(*again)
        assert not bool(got.ok), got


def test_critics_are_not_measured_on_what_they_have_seen():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 1)).astype(np.float32)
    options = {"steps": 2, "every": 2, "widths": (4,), "batch": 8}
    for times in (1, 2):
        a, b = (np.repeat(v, times, 0) for v in (x, y))
        got = mi.neural(jax.random.key(0), a, b, **options)
        assert bool(got.ok) == (times == 1) and LISTED_AGAIN in got.reason


LAWS = {
    "a density": lambda rng, n: rng.normal(size=n),
    "a grid": lambda rng, n: np.round(30 * rng.normal(size=n)),
    "a few values": lambda rng, n: rng.integers(0, 40, n),
    "heavy tails": lambda rng, n: rng.zipf(1.5, n),
    "an atom and a density": lambda rng, n: np.where(rng.random(n) < 0.5, 0, rng.normal(size=n)),
}


@pytest.mark.parametrize("law", LAWS)
def test_draws_of_any_law_are_drawn_apart_and_copies_are_not(law):
    rng = np.random.default_rng(0)
    draws = [LAWS[law](rng, n) for n in (30, 100, 400) for _ in range(20)]
    assert all(bool(drawn_apart(v)) for v in draws)
    if law in ("a density", "a grid"):
        assert not any(bool(drawn_apart(np.repeat(v, 2))) for v in draws[20:])


def test_under_a_trace_as_known_now():
    z = np.random.default_rng(1).normal(size=(80, 12)).astype(np.float32)
    for v, apart in ((z, True), (np.repeat(z, 3, 0), False)):
        assert bool(drawn_apart(v)) == bool(jax.jit(drawn_apart)(v)) == apart
