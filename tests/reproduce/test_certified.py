"""Certificates against n and settings: settings, tables of made-up points, a small run."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ibjax import bounds
from ibjax.reproduce.certified import mnist as study
from ibjax.reproduce.certified import view as view
from ibjax.reproduce.certified.points import BOUNDS, Point, Setting

SETTING = Setting("digits", 500, 100, 50, 0.2, 1000.0, 10, 16)


def made_up(gap, half_width=0.002, train=0.2, certificate=0.045, **changes):
    values = dict.fromkeys(BOUNDS, 0.1) | {"individual": certificate, "individual_at_error": 0.04}
    kinds = {k: "certificate" if k == "individual" else "estimate" for k in BOUNDS}
    return Point(
        replace(SETTING, **changes), train, train + gap, gap, half_width, 0.9, values, kinds, 0.09
    )


def test_the_budget_is_the_information_times_n_squared(x64):
    for n in (500, 5000):
        s = replace(SETTING, n=n, batch_size=study.batch_size(n))
        assert s.temperature == pytest.approx(4 * 1000 / (50 * 0.2))
        etas = np.full(s.steps, s.learning_rate)
        stds = np.sqrt(2 * etas / s.temperature)
        found = bounds.account(
            etas, stds, clip=1.0, batching="without_replacement", batch_size=s.batch_size, n=n,
            dim=None,
        )  # fmt: skip
        assert float(found.rule_of_thumb) == pytest.approx(s.budget / n**2, rel=1e-12)
        # Batches are large enough for the rule of thumb to hold.
        assert 1 < float(found.per_example.value) * n**2 / s.budget < 1.04


def test_replicas_grow_with_n_where_the_gap_is_hard_to_see():
    masks = [study.at_size(study.Options(), n).masks for n in (250, 1000, 2500, 5000)]
    assert masks == [16, 16, 40, 80]
    grid = study.compared_at(study.Options(), 500)
    assert len(grid) == 12 == len({(s.learning_rate, s.budget) for s in grid})
    assert {s.masks for s in study.compared_at(study.Options(), 5000)} == {2}


def test_each_bound_is_shown_at_its_best_settings():
    grid = [
        made_up(0.015, budget=1000.0),
        made_up(0.001, train=0.1, certificate=0.1, budget=9000.0),
        made_up(0.012, train=0.15, certificate=0.08, budget=3000.0),
    ]
    assert view.lowest(grid, "individual").setting.budget == 9000
    assert view.lowest(grid[::2], "individual").setting.budget == 3000
    clear = view.measurable(grid)
    assert [p.setting.budget for p in clear] == [1000, 3000]
    assert view.nearest(clear, "individual") is grid[0]
    assert view.nearest([], "individual") is None
    table = view.best_table(grid)
    assert table.row_count == len(BOUNDS)
    assert next(iter(table.columns[-1].cells)) == "3.0"


def test_an_interval_that_reaches_zero_gives_no_largest_ratio():
    table = view.size_table([made_up(0.015), made_up(0.001, n=5000)], "digits")
    ratio = list(next(c for c in table.columns if c.header == "ratio").cells)
    assert ratio[0] == "3.0 (2.6–3.5)" and ratio[1] == "45.0 (> 15.0)"
    view.figure([made_up(0.015), made_up(-0.001, n=5000)], [made_up(0.015)], "digits")


@pytest.mark.parametrize("change, message", [
    (dict(sizes=(100, 100)), "names one twice"),
    (dict(budgets=(0.0,)), "budgets"),
    (dict(compared=()), "compared"),
    (dict(supersamples=1), "supersamples=1 must be at least 2"),
    (dict(learning_rate=-1.0), "learning_rate"),
])  # fmt: skip
def test_refusals(tmp_path, change, message):
    options = replace(study.Options(dataset="digits"), **change)
    with pytest.raises(ValueError, match=message):
        study.run(tmp_path, False, print, options)


def test_a_small_run_and_its_continuation(tmp_path, check_shown):
    options = study.Options(
        dataset="digits", sizes=(20,), compared=(20,), supersamples=2, masks=2, steps=3,
        budget=10.0, budgets=(10.0,), rates=(0.2,),
    )  # fmt: skip
    said = []
    outcome = study.run(tmp_path, False, said.append, options)
    assert all(path.stat().st_size > 1000 for path in outcome.files)
    check_shown("certified-mnist", outcome)
    times = [path.stat().st_mtime_ns for path in outcome.files[:-2]]
    again = study.run(tmp_path, False, said.append, options)
    assert [path.stat().st_mtime_ns for path in again.files[:-2]] == times and len(times) == 2
    tables = [t.renderables for t in (outcome.table, again.table)]
    for old, new in zip(*tables):
        assert [list(c.cells) for c in old.columns] == [list(c.cells) for c in new.columns]


@pytest.mark.parametrize("entries", [10**6, 2 * 4 * 20 * 2])
def test_tables_of_as_many_supersamples_as_fit(monkeypatch, entries):
    """Exactly the bound on those; every other bound reads all of them."""
    from ibjax import data, langevin
    from ibjax.networks import MLP
    from ibjax.reproduce.certified import points as certified_points

    monkeypatch.setattr(certified_points, "_ENTRIES", entries)
    pool = data.load("digits", classes=(4, 9))
    pairs = data.supersample(jax.random.key(0), len(pool.y), 20, 3, 4, balanced=True)
    config = langevin.Config(
        network=MLP(1, 4, "tanh", 0.0), steps=3, batch_size=10, learning_rate=0.2,
        inverse_temperature=50.0, account=True,
    )  # fmt: skip
    evidence = langevin.run_replicas(jax.random.key(1), config, pool, pairs)
    found, null = certified_points.evaluated(evidence)
    whole = bounds.evaluate(evidence, names=["individual", "trajectory_cmi"])
    for name, value in whole.items():
        assert float(found[name].value) == pytest.approx(float(value.value), rel=1e-9)
    kept = 3 if entries > 1000 else 2
    now = bounds.at(evidence)
    losses = (now.predictions != now.labels[:, None])[:kept].astype(int)
    with jax.enable_x64(True):
        direct = bounds.ld_cmi(losses, np.asarray(now.mask)[:kept], correction="polynomial")
    assert float(found["ld_cmi"].value) == pytest.approx(float(direct.value), rel=1e-9)
    assert 0 < null and float(found["revealed"].value) > float(found["individual"].value)
