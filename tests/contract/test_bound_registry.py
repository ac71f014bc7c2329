"""What every registered bound must satisfy, whatever it computes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds, results
from ibjax.bounds import evidence as of
from ibjax.interface import Evidence
from ibjax.pipeline import Experiment

K1, K2, E, N, T, L = 3, 8, 2, 10, 6, 2
RNG = np.random.default_rng(0)
ROWS = bounds.registry()


def example(**changes) -> Evidence:
    labels = RNG.integers(0, 2, (K1, N, 2))
    mask = np.random.default_rng(1).integers(0, 2, (K1, K2, N))
    wrong = np.random.default_rng(2).random((K1, K2, E, N, 2)) < 0.2
    base = Evidence(
        index=np.arange(K1 * N * 2).reshape(K1, N, 2),
        mask=mask,
        labels=labels,
        predictions=np.where(wrong, 1 - labels[:, None, None], labels[:, None, None]),
        train_error=np.full((K1, K2, E), 0.1),
        test_error=np.full((K1, K2, E), 0.2) + 0.01 * RNG.random((K1, K2, E)),
        train_loss=np.full((K1, K2, E), 0.5),
        diverged=np.zeros((K1, K2), bool),
        checkpoints=np.array([3, 6]),
        step_sizes=np.full(T, 0.1),
        noise_stds=np.full(T, 0.05),
        clip=np.float64(0.2),
        gradient_norm=np.float64(0.2),
        batch_size=np.float64(5),
        dim=np.float64(50),
        gradient_information=np.linspace(0.5, 1.0, K1 * K2 * E).reshape(K1, K2, E),
        sample_information=np.linspace(0.05, 0.1, K1 * K2 * E).reshape(K1, K2, E),
        incoherence_information=np.linspace(0.04, 0.08, K1 * K2 * E).reshape(K1, K2, E),
        trajectory_cmi=np.linspace(0.02, 0.06, K1 * K2 * E).reshape(K1, K2, E),
        trajectory_cmi_llr=np.linspace(0.02, 0.06, K1 * K2 * E).reshape(K1, K2, E),
        test_prior_information=np.linspace(0.03, 0.07, K1 * K2 * E).reshape(K1, K2, E),
        likelihood_ratio=np.ones((K1, K2, E)),
        layer_diameter=np.full(L, 2.0),
        layer_noise=np.full(L, 0.5),
        layer_log1m=np.full(L, -0.7),
        num_classes=np.float64(2),
        exchangeable=np.float64(1),
    )
    return base._replace(**changes)


EXAMPLE = example()


def value(name, evidence, checkpoint=-1):
    with jax.enable_x64(True):
        return bounds.evaluate(evidence, checkpoint, [name])[name]


@pytest.fixture(params=list(ROWS))
def row(request):
    return ROWS[request.param]


def test_a_row_is_complete(row):
    assert row.kind in ("certificate", "estimate", "diagnostic")
    assert row.summary and row.reference and row.assumptions
    assert set(row.assumptions) <= set(bounds.assumptions())
    assert set(row.inputs) <= set(Evidence._fields)


def test_the_value_is_finite_and_carries_its_row(row):
    got = value(row.name, EXAMPLE)
    assert np.isfinite(got.value) and got.value >= 0 and bool(got.holds)
    assert (got.name, got.kind, got.assumptions) == (row.name, row.kind, row.assumptions)
    assert bool(got.vacuous) == (float(got.value) >= 1.0)


def test_it_reads_its_declared_inputs_and_no_others(row):
    # Large gradients: below the label term the depth bound is that without layers.
    example = EXAMPLE._replace(clip=EXAMPLE.clip * 10)
    reference = value(row.name, example)

    def ruined(name):
        old = np.asarray(getattr(example, name))
        if old.dtype.kind == "f":
            return np.full_like(old, np.nan)
        return np.ones_like(old) if old.dtype.kind == "b" else np.zeros_like(old)

    # Shapes and the choice of the checkpoint are read by all.
    spared = {*row.inputs, "checkpoints"}
    other = {n: ruined(n) for n in Evidence._fields if n not in spared}
    np.testing.assert_array_equal(value(row.name, example._replace(**other)).value, reference.value)
    touched = [
        not np.array_equal(
            value(row.name, example._replace(**{n: ruined(n)})).value, reference.value
        )
        for n in row.inputs
        if np.asarray(getattr(example, n)).dtype.kind == "f"
    ]
    assert all(touched)


def test_jit_is_eager(row):
    with jax.enable_x64(True):
        now = jax.tree.map(jnp.asarray, of.at(EXAMPLE))
        static = {"num_classes": EXAMPLE.num_classes}
        eager = row.function(now._replace(**static))
        traced = jax.jit(lambda e: row.function(e._replace(**static)))(now)
    np.testing.assert_allclose(traced.value, eager.value, rtol=1e-12)
    assert traced.kind == eager.kind


def test_more_gradient_information_never_lowers_it(row):
    if "clip" in row.inputs:
        fields = {n: getattr(EXAMPLE, n) * 2 for n in ("clip", "gradient_norm")}
    else:
        grows = [n for n in row.inputs if n.endswith("_information") or n == "trajectory_cmi"]
        fields = {n: np.asarray(getattr(EXAMPLE, n)) * 2 for n in grows}
    if fields:
        more = value(row.name, EXAMPLE._replace(**fields))
        assert float(more.value) > float(value(row.name, EXAMPLE).value)


def test_an_earlier_checkpoint_of_a_trajectory_bound_is_no_larger(row):
    if "step_sizes" in row.inputs:
        assert float(value(row.name, EXAMPLE, 0).value) < float(value(row.name, EXAMPLE, 1).value)


def test_a_certificate_is_missing_where_a_premise_fails():
    broken = {
        "no clipping": example(clip=np.float64(np.inf)),
        "no noise": example(noise_stds=np.zeros(T)),
        "data-dependent batches": example(exchangeable=np.float64(0)),
    }
    for what, evidence in broken.items():
        for name, row in ROWS.items():
            if row.kind == "certificate":
                got = value(name, evidence)
                assert np.isnan(got.value) and not got.holds and not got.vacuous, (what, name)


def test_a_diverged_replica_is_left_out_of_every_mean():
    marked = np.zeros((K1, K2), bool)
    marked[0, 0] = True
    spoiled = EXAMPLE._replace(
        diverged=marked,
        **{
            n: np.where(marked[..., None], np.nan, getattr(EXAMPLE, n))
            for n in Evidence._fields
            if np.shape(getattr(EXAMPLE, n)) == (K1, K2, E)
        },
        predictions=np.where(marked[..., None, None, None], -1, EXAMPLE.predictions),
    )
    for name in ROWS:
        assert np.isfinite(value(name, spoiled).value), name
    with jax.enable_x64(True):
        gap = bounds.gap(bounds.at(spoiled))
    rest = (EXAMPLE.test_error - EXAMPLE.train_error)[:, :, -1]
    rest[0, 0] = np.nan
    np.testing.assert_allclose(gap.value, np.nanmean(rest, axis=1).mean(), rtol=1e-12)


def test_nothing_is_left_where_every_replica_diverged():
    gone = EXAMPLE._replace(diverged=np.ones((K1, K2), bool))
    with jax.enable_x64(True):
        assert not bool(bounds.gap(bounds.at(gone)).ok)
    for name, row in ROWS.items():
        if row.kind == "estimate":
            got = value(name, gone)
            assert np.isnan(got.value) and not got.holds, name


def test_values_are_looked_up_by_name_not_by_position():
    with jax.enable_x64(True):
        found = bounds.evaluate(EXAMPLE)
    assert list(found) == list(ROWS)
    assert all(found[name].name == name for name in found)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no_such_bound"):
        bounds.evaluate(EXAMPLE, names=["no_such_bound"])


def test_rows_of_supersamples_are_the_functions_of_their_arrays():
    losses = (EXAMPLE.predictions != EXAMPLE.labels[:, None, None])[:, :, -1]
    rows = {
        "e_cmi": bounds.e_cmi,
        "ld_cmi": bounds.ld_cmi,
        "single_loss": bounds.single_loss,
        "ld_cmi_pair": partial(bounds.ld_cmi, inversion="pair"),
    }
    found = {name: value(name, EXAMPLE) for name in rows}
    for name, function in rows.items():
        with jax.enable_x64(True):
            direct = function(losses, EXAMPLE.mask)
        assert float(found[name].value) == float(direct.value), name
        assert found[name].assumptions == direct.assumptions, name
    assert max(found["single_loss"].value, found["ld_cmi"].value) <= found["e_cmi"].value


def test_one_mask_a_supersample_leaves_its_rows_missing_and_raises_nothing():
    one = {
        name: np.asarray(getattr(EXAMPLE, name))[:, :1]
        for name in Evidence._fields
        if np.shape(getattr(EXAMPLE, name))[:2] == (K1, K2)
    }
    with jax.enable_x64(True):
        found = bounds.evaluate(EXAMPLE._replace(**one))
    for name, row in ROWS.items():
        assert bool(found[name].holds) == ("plug_in" not in row.assumptions), name


def test_stored_cells_with_other_rows_are_not_taken(monkeypatch):
    before = results.fingerprint(Experiment(), 1)
    fewer = {name: row for name, row in ROWS.items() if name != "single_loss"}
    monkeypatch.setattr(bounds, "registry", lambda: fewer)
    assert results.fingerprint(Experiment(), 1) != before


def test_closed_forms():
    steps = 6 * 25 * np.log1p((0.1 * 0.2) ** 2 / (50 * 0.05**2))
    np.testing.assert_allclose(
        value("xu_raginsky", EXAMPLE).value, np.sqrt(2 * 0.25 * steps / N), rtol=1e-12
    )
    one = 6 * 0.5 * 25 * np.log1p((0.1 * 0.2 / 5) ** 2 / (50 * 0.05**2))
    individual = np.sqrt(0.5 * one)
    np.testing.assert_allclose(value("individual", EXAMPLE).value, individual, rtol=1e-12)
    eta, away = (1 - np.exp(-0.7)) ** 2, 0.5 * np.sqrt(1 / N)
    assert individual < away
    np.testing.assert_allclose(value("depth", EXAMPLE).value, individual, rtol=1e-12)
    steep = EXAMPLE._replace(clip=EXAMPLE.clip * 10)
    squared = float(value("individual", steep).value) ** 2
    np.testing.assert_allclose(
        value("depth", steep).value,
        (1 - eta) * away + np.sqrt(eta * squared - eta * (1 - eta) * away**2),
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        value("depth_published", EXAMPLE).value,
        np.sqrt(eta * 0.5 * steps / N),
        rtol=1e-12,
    )
