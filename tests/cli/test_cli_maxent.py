"""`ibjax run --maxent`: the conditions of the last layer in the file, the table, and the CSV."""

import io
import json

import jax
import numpy as np
import pandas
import pytest
import xarray

from ibjax import cli, data, langevin, networks, pipeline, results

SMALL = "--depths 2 --width 4 --train-size 10 --supersamples 2 --masks 3 --steps 6".split()
SMALL += "--checkpoints 2 --layer-noise 0 --classes 3 8 --seed 2".split()
ROWS = ("moment residual", "duality gap, nats", "linear gap, nats", "TC(T|Y), nats")
COLLAPSE = ("NC1", "collapse index VCI", "NC2 angles", "NC3 head", "NC4 not nearest mean")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("maxent") / "small.nc"
    assert cli.main(["run", *SMALL, "--maxent", "--no-cache", "--out", str(path)]) == 0
    return path


def test_the_conditions_are_stored_with_units_and_kind_and_shown(finished, capsys):
    found = results.read(finished)
    for name, units in results.CONDITIONS.items():
        part = found[f"maxent_{name}"]
        assert part.dims == ("depth", "supersample", "mask_id") and part.shape == (1, 2, 3)
        assert np.isfinite(part.values).all(), name
        assert part.attrs["units"] == units and part.attrs["kind"] == "diagnostic"
    for name in results.COLLAPSE:
        part = found[f"maxent_{name}"]
        assert np.isfinite(part.values).all() and (part.values >= 0).all(), name
        assert part.attrs["kind"] == "diagnostic" and part.attrs["estimator"]
    assert float(found["maxent_vci"].max()) <= 1 and float(found["maxent_nearest_mean"].max()) <= 1
    assert cli.main(["show", str(finished)]) == 0
    shown = capsys.readouterr().out
    assert all(row in shown for row in (*ROWS, *COLLAPSE))
    assert cli.main(["show", str(finished), "--format", "csv"]) == 0
    table = pandas.read_csv(io.StringIO(capsys.readouterr().out))
    mine = table[(table.name == "linear gap, nats") & (table.depth == 2)]
    means = found.maxent_linear_gap.sel(depth=2).values.mean(axis=1)
    assert mine.value.item() == pytest.approx(means.mean(), rel=1e-6)
    # Student t of two supersamples.
    half = 12.706204736432095 * means.std(ddof=1) / 2**0.5
    assert mine.half_width_95.item() == pytest.approx(half, rel=1e-6)
    # They are of the last checkpoint alone.
    assert cli.main(["show", str(finished), "--checkpoint", "0"]) == 0
    assert ROWS[0] not in capsys.readouterr().out


def test_a_file_from_before_still_shows(finished, tmp_path, capsys):
    found = results.read(finished)
    config = json.loads(found.attrs["config"])
    del config["maxent"]
    names = (*results.CONDITIONS, *results.COLLAPSE)
    old = found.drop_vars([f"maxent_{name}" for name in names])
    results.write(old.assign_attrs(config=json.dumps(config)), tmp_path / "old.nc")
    assert cli.main(["show", str(tmp_path / "old.nc")]) == 0
    shown = capsys.readouterr().out
    assert "train error" in shown and ROWS[0] not in shown
    again = xarray.load_dataset(tmp_path / "old.nc", engine="h5netcdf")
    assert "maxent_linear_gap" not in again


def test_the_option_leaves_the_default_cell_its_name():
    plain = pipeline.Experiment(depths=(1,))
    asked = pipeline.Experiment(depths=(1,), maxent=True)
    assert results.fingerprint(plain, 1) != results.fingerprint(asked, 1)


def test_the_measured_replicas_are_those_of_the_engine(finished):
    """Without layer noise the networks measured predict what the evidence says."""
    found = results.read(finished)
    experiment = pipeline.Experiment(**json.loads(found.attrs["config"]))
    pool, supersample = pipeline.load(experiment)
    index, mask = np.asarray(supersample.index), np.asarray(supersample.mask)
    held = pipeline._held_out(pool, supersample)
    assert held.shape == (6, len(pool.y) - 10)
    with jax.enable_x64(False):
        key = jax.random.fold_in(jax.random.key(experiment.seed), 1)
        config = pipeline.training(experiment, 2)
        trained = langevin.train(key, config, pool, supersample, weights=True).weights
        features = pipeline.last_features(trained, key, config, pool, held)
    features = np.asarray(features, float)
    weights, bias = (a.reshape(6, *a.shape[2:]).astype(float) for a in pipeline.head(trained))
    logits = np.einsum("rnd,rdk->rnk", features, weights) + bias[:, None]
    predictions = results.evidence(found, 2).predictions[:, :, -1]
    logq = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    pairs = np.arange(10)
    for r, (s, u) in enumerate(np.ndindex(2, 3)):
        # The other members of the pairs come first, training members never.
        np.testing.assert_array_equal(held[r, :10], index[s, pairs, 1 - mask[s, u]])
        assert not np.isin(index[s, pairs, mask[s, u]], held[r]).any()
        ghosts = predictions[s, u, pairs, 1 - mask[s, u]]
        np.testing.assert_array_equal(logits[r, :10].argmax(axis=1), ghosts)
        loss = -logq[r, np.arange(held.shape[1]), np.asarray(pool.y)[held[r]]].mean()
        expected = -(np.exp(logq[r]) * logq[r]).sum(axis=1).mean()
        gap = float(found.maxent_duality_gap[0, s, u])
        assert gap == pytest.approx(loss - expected, abs=1e-5)
        # Neural collapse of two classes, by hand.
        t, y = features[r], np.asarray(pool.y)[held[r]]
        parts = [t[y == c] for c in (0, 1)]
        step = parts[1].mean(axis=0) - parts[0].mean(axis=0)
        within = sum((p - p.mean(axis=0)).T @ (p - p.mean(axis=0)) for p in parts) / len(y)
        nc1 = 2 * (step @ within @ step) / (step @ step) ** 2
        assert float(found.maxent_nc1[0, s, u]) == pytest.approx(nc1, rel=1e-4)


def test_a_network_of_one_hidden_layer_has_a_last_layer():
    experiment = pipeline.Experiment(classes=(3, 8), width=4, depths=(1,), layer_noise=0.0)
    pool, config = data.load("digits", classes=(3, 8)), pipeline.training(experiment, 1)
    network = networks.build(config.network, 2, pool.x.shape[1:])
    one = network.init(jax.random.key(0), pool.x[:1])
    weights = jax.tree.map(lambda a: np.broadcast_to(a, (2, 3, *a.shape)), one)
    shown = np.arange(60).reshape(6, 10)
    got = pipeline.last_features(weights, jax.random.key(1), config, pool, shown)
    want = network.apply(one, pool.x[shown[4]], None, langevin.hyper(config))[1][-1]
    np.testing.assert_allclose(got[4], want, rtol=1e-5)
