import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray

from ibjax.interface import Dataset, Hyper
from ibjax.reproduce.maxent import layers as maxent_layers
from ibjax.reproduce.maxent.measures import VARIANTS, bits_law
from ibjax.reproduce.maxent.networks import grown, knobs, stacked
from ibjax.reproduce.outcome import in_names


def scalars(**given):
    return Hyper(0.1, 1.0, scalars=knobs(**given))


def test_units_are_dropped_in_training_alone():
    net = stacked(1, 50, 2)
    x, params = jnp.ones((3, 4)), net.init(jax.random.key(1), jnp.ones((1, 4)))
    own, hyper = net.batch_statistics, scalars(depth=1, dropout=0.5)
    clean, _ = net.apply(params, x, None, hyper)
    logits, _ = own.train(params, (), x, None, jax.random.key(2), hyper)
    np.testing.assert_array_equal(own.evaluate(params, (), x, jax.random.key(2), hyper), clean)
    assert (logits[0] != logits[1]).all() and (clean[0] == clean[1]).all()


def test_depth_and_shortcuts_are_data():
    """Unused layers change nothing; shortcuts add; concatenation keeps what was there."""
    x = jax.random.normal(jax.random.key(0), (5, 7))
    net = stacked(3, 4, 2)
    params = net.init(jax.random.key(1), x)
    layers, head = params
    first = jnp.tanh(x @ layers[0][0])
    second = jnp.tanh(first @ layers[1][0])
    for depth, skip, last in ((1, 0, first), (2, 0, second), (2, 1, second + first)):
        logits, features = net.apply(params, x, None, scalars(depth=depth, skip=skip))
        np.testing.assert_allclose(features[-1], last, atol=1e-6)
        np.testing.assert_allclose(logits, last @ head[0], atol=1e-6)
    net = grown(2, 3, 2)
    params = net.init(jax.random.key(1), x)
    _, (one, two) = net.apply(params, x, None, scalars(depth=2))
    np.testing.assert_array_equal(two[:, :7], x)
    np.testing.assert_array_equal(one[:, :10], two[:, :10])
    assert (one[:, 10:] == 0).all() and (two[:, 10:] != 0).all()


def test_penalties_enter_the_gradient_and_spare_the_biases():
    x = jnp.ones((1, 2))
    net = stacked(1, 2, 2)
    params = jax.tree.map(lambda a: a + 0.5, net.init(jax.random.key(0), x))

    def loss(params, **penalties):
        return net.apply(params, x, None, scalars(depth=1, **penalties))[0].sum()

    plain, both = jax.grad(loss)(params), jax.grad(loss)(params, l2=0.1, l1=0.01)
    for before, after, leaf in zip(*map(jax.tree.leaves, (plain, both, params))):
        extra = 0.1 * leaf + 0.01 * jnp.sign(leaf) if leaf.ndim == 2 else 0
        np.testing.assert_allclose(after, before + extra, atol=1e-6)


def test_intervals_and_verdicts():
    mean, half = maxent_layers.interval(np.array([[1.0, 2, 3, np.nan], [1, np.nan, 3, np.nan]]))
    np.testing.assert_allclose(mean, [2, 2])
    np.testing.assert_allclose(half, [4.302652729911275 / 3**0.5, 12.706204736432095], rtol=1e-9)


def test_the_law_over_bits_is_a_law():
    letters, joint = bits_law()
    assert len(np.unique(letters, axis=0)) == 1024
    np.testing.assert_allclose(joint.sum(axis=1), 1 / 1024)
    assert joint.min() > 0


def test_maxent_layers_runs_and_writes_its_files(tmp_path, check_shown):
    said = []
    outcome = maxent_layers.run(tmp_path, True, said.append)
    assert all(path.stat().st_size > 1000 for path in outcome.files)
    check_shown("maxent-layers", outcome)
    found = xarray.load_dataset(outcome.files[0], engine="h5netcdf")
    assert list(found.variant.values) == list(VARIANTS)
    assert found.attrs["bits_identity_defect"] < 1e-12 > found.attrs["digits_identity_defect"]
    last = found.isel(depth=-1)
    gap, gain = last.bits_cut_linear_gap, last.bits_naive_bayes_gap
    # Cut units are binary: 0 <= linear gap <= naive-Bayes gap = TC - mixture divergence.
    assert float(gap.min()) > -1e-9 and float((gain - gap).min()) > -1e-9
    rest = last.bits_total_correlation - last.bits_mixture_divergence - gain
    assert float(abs(rest).max()) < 1e-9
    copies = last.sel(variant="concatenative").bits_sufficiency_residual
    assert float(abs(copies).max()) < 1e-9
    answers, bits, images = outcome.table.renderables
    columns = [list(column.cells) for column in answers.columns]
    assert not any("nan" in difference for difference in columns[3])
    for difference, verdict in zip(*columns[3:]):
        assert (difference == "-") == (verdict == "not measured")
    # A line a measure and one a variant; how logistic units are is asked over the bits alone.
    assert answers.row_count == 18 + 24 and (bits.row_count, images.row_count) == (7 * 4, 7 * 3)
    known = {"supported", "refuted", "open", "by construction", "not measured"}
    assert set(answers.columns[-1].cells) <= known
    assert len(said) == 4


@pytest.mark.parametrize("name, said", [("no-such-set", "no data set"), ("bits", "other study")])
def test_images_that_are_not_there_are_refused_before_anything_is_trained(
    tmp_path, monkeypatch, name, said
):
    monkeypatch.setattr(maxent_layers, "exactly", lambda study: pytest.fail("trained"))
    with pytest.raises(ValueError, match=said):
        maxent_layers.run(tmp_path, True, print, maxent_layers.Options(dataset=name))


def test_too_few_images_are_refused_before_anything_is_trained(tmp_path, monkeypatch):
    few = Dataset(np.zeros((300, 4)), np.arange(300) % 2, 2, "few/small")
    monkeypatch.setattr(maxent_layers.data, "load", lambda name, **_: few)
    monkeypatch.setattr(maxent_layers, "exactly", lambda study: pytest.fail("trained"))
    with pytest.raises(ValueError, match="300 examples"):
        maxent_layers.run(tmp_path, True, print, maxent_layers.Options(dataset="few/small"))


def test_names_with_slashes_name_no_folders():
    assert in_names("emnist/digits:3.1.0") == "emnist-digits-3.1.0"
