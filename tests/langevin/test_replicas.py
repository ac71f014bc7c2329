import dataclasses
import os
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax.interface import Dataset, Hyper, Supersample
from ibjax.langevin import Config, cross_entropy, run_replicas, train
from ibjax.langevin.programs import compiled
from ibjax.networks import CNN, MLP, build, from_linen

RNG = np.random.default_rng(0)
POOL = Dataset(
    RNG.normal(size=(40, 3)).astype(np.float32), (np.arange(40) % 2).astype(np.int32), 2, "toy"
)
INDEX = np.stack([RNG.permutation(40)[:20].reshape(10, 2) for _ in range(2)])
PAIRS = Supersample(INDEX, RNG.integers(0, 2, (2, 3, 10)))
CONFIG = Config(
    MLP(depth=2, width=4, noise=0.3), steps=12, batch_size=4, checkpoints=3, noise_draws=4
)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def whole():
    return run_replicas(KEY, CONFIG, POOL, PAIRS)


def same(a, b, but=()):
    for name, left, right in zip(a._fields, a, b):
        if name not in but:
            np.testing.assert_array_equal(left, right, err_msg=name)


def test_evidence_has_the_stated_shapes(whole):
    assert whole.predictions.shape == (2, 3, 3, 10, 2)
    assert whole.train_error.shape == whole.sample_information.shape == (2, 3, 3)
    assert whole.checkpoints.tolist() == [4, 8, 12]
    assert whole.step_sizes.shape == whole.noise_stds.shape == (12,)
    assert whole.layer_log1m.shape == (2,) and whole.dim == 3 * 4 + 4 + 4 * 4 + 4 + 4 * 2 + 2
    assert not whole.diverged.any()
    np.testing.assert_array_equal(whole.labels, POOL.y[INDEX])


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_the_size_of_a_chunk_does_not_change_the_numbers(whole, chunk):
    same(
        whole, run_replicas(KEY, dataclasses.replace(CONFIG, replicas_per_chunk=chunk), POOL, PAIRS)
    )


def test_every_second_draw_is_the_opposite_of_the_one_before():
    """With one noisy layer and a loss linear in the logits, two of them mean no noise at all."""
    config = dataclasses.replace(
        CONFIG, network=MLP(1, 4, noise=0.3), clip=None, loss=lambda z, y: z[:, 0] - z[:, 1]
    )
    one, two, three = (
        train(KEY, dataclasses.replace(config, noise_draws=d), POOL, PAIRS, weights=True)
        for d in (1, 2, 3)
    )
    chosen = np.take_along_axis(INDEX[:, None], PAIRS.mask[..., None], -1)[..., 0]
    network = build(config.network, 2, (3,))

    def quiet(params, rows):
        logits, _ = network.apply(params, jnp.asarray(POOL.x)[rows], None, Hyper(0.0, 0.0))
        return jnp.mean(config.loss(logits, None))

    losses = jax.vmap(jax.vmap(quiet))(two.weights, chosen)
    for (s, u), loss in np.ndenumerate(losses):
        np.testing.assert_allclose(two.evidence.train_loss[s, u, -1], loss, rtol=1e-5)
        assert abs(one.evidence.train_loss[s, u, -1] - loss) > 1e-5
    np.testing.assert_array_equal(one.evidence.predictions, two.evidence.predictions)
    np.testing.assert_array_equal(one.evidence.predictions, three.evidence.predictions)
    assert (np.asarray(two.evidence.train_loss) != three.evidence.train_loss).all()


def test_a_replica_does_not_depend_on_those_beside_it(whole):
    fewer = Supersample(INDEX[:1], PAIRS.mask[:1, :2])
    alone = run_replicas(KEY, CONFIG, POOL, fewer)
    np.testing.assert_array_equal(alone.predictions, whole.predictions[:1, :2])
    np.testing.assert_array_equal(alone.train_loss, whole.train_loss[:1, :2])


def test_vmap_and_map_agree(whole):
    mapped = run_replicas(KEY, dataclasses.replace(CONFIG, mapping="vmap"), POOL, PAIRS)
    np.testing.assert_allclose(mapped.train_loss, whole.train_loss, rtol=1e-5)
    np.testing.assert_allclose(mapped.sample_information, whole.sample_information, rtol=1e-4)


def test_little_memory_means_small_chunks_and_the_same_numbers(whole):
    compiled.cache_clear()
    same(whole, run_replicas(KEY, dataclasses.replace(CONFIG, memory=1), POOL, PAIRS))
    assert compiled.cache_info().misses >= 2  # the first, for all replicas, did not fit


def test_several_devices_give_the_numbers_of_one(tmp_path):
    script = """
import sys, jax, numpy as np
jax.config.update("jax_num_cpu_devices", 3)
from ibjax.interface import Dataset, Supersample
from ibjax.langevin import Config, programs, run_replicas
from ibjax.networks import MLP
rng = np.random.default_rng(0)
pool = Dataset(rng.normal(size=(40, 3)).astype("f"), np.arange(40) % 2, 2, "toy")
index = np.stack([rng.permutation(40)[:20].reshape(10, 2) for _ in range(1)])
pairs = Supersample(index, rng.integers(0, 2, (1, 5, 10)))
config = Config(MLP(depth=1, width=4, noise=0.3), steps=8, batch_size=4, account=True)
there = jax.local_devices()
for devices in (3, 1):
    assert len(there) == 3 and programs.compiled.cache_info().misses == (devices == 1)
    jax.local_devices, jax.local_device_count = lambda: there[:devices], lambda: devices
    evidence = run_replicas(jax.random.key(0), config, pool, pairs)
    np.savez(f"{sys.argv[1]}/{devices}.npz", **evidence._asdict())
assert programs.compiled.cache_info().misses == 2
"""
    # bits are equal in the programs people run; the flags of the tests cost the last one
    environment = os.environ | {"XLA_FLAGS": ""}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=environment)
    one, three = (np.load(tmp_path / f"{devices}.npz") for devices in (1, 3))
    for name in one.files:
        np.testing.assert_array_equal(one[name], three[name], err_msg=name)


def test_swept_scalars_do_not_compile_again(whole):
    compiled.cache_clear()
    for eta, beta, clip, noise in ((0.1, 100.0, 1.0, 0.3), (0.2, 50.0, 0.5, 0.9)):
        network = dataclasses.replace(CONFIG.network, noise=noise)
        swept = dataclasses.replace(
            CONFIG, network=network, learning_rate=eta, inverse_temperature=beta, clip=clip
        )
        result = run_replicas(KEY, swept, POOL, PAIRS)
        assert result.clip == clip and result.layer_noise[0] == noise
        np.testing.assert_allclose(result.noise_stds, np.sqrt(2 * eta / beta), rtol=1e-6)
    assert compiled.cache_info().misses == 1


@pytest.mark.parametrize("depth", [1, 3])
def test_padded_depth_trains_to_the_numbers_of_the_exact_depth(depth):
    exact = dataclasses.replace(CONFIG, network=MLP(depth=depth, width=4, noise=0.3))
    padded = dataclasses.replace(CONFIG, network=MLP(depth=depth, width=4, noise=0.3, padded_to=3))
    a, b = run_replicas(KEY, exact, POOL, PAIRS), run_replicas(KEY, padded, POOL, PAIRS)
    assert a.dim == b.dim
    np.testing.assert_array_equal(a.predictions, b.predictions)
    np.testing.assert_allclose(a.train_loss, b.train_loss, rtol=1e-5)
    np.testing.assert_allclose(a.sample_information, b.sample_information, rtol=1e-4)


def test_one_program_serves_every_padded_depth():
    compiled.cache_clear()
    for depth in (1, 2, 3):
        network = MLP(depth=depth, width=4, noise=0.3, padded_to=3)
        run_replicas(KEY, dataclasses.replace(CONFIG, network=network), POOL, PAIRS)
    assert compiled.cache_info().misses == 1


def test_a_diverged_replica_is_marked_and_spoils_no_other():
    # The same huge input under both labels: whoever trains on the two overflows, in turn.
    x, y, mask = POOL.x.copy(), POOL.y.copy(), PAIRS.mask.copy()
    x[INDEX[0, :2, 0]] = 1e20
    y[INDEX[0, :2, 0]] = (0, 1)
    mask[0, :, :2] = np.array([[0, 0], [1, 1], [1, 1]])
    others = np.setdiff1d(np.arange(40), INDEX[0, :2, 0])[:20].reshape(10, 2)
    pairs = Supersample(np.stack([INDEX[0], others]), mask)
    network = MLP(depth=1, width=4, activation="identity")
    config = dataclasses.replace(CONFIG, network=network, clip=None, batch_size=None)
    evidence = run_replicas(KEY, config, POOL._replace(x=x, y=y), pairs)
    np.testing.assert_array_equal(evidence.diverged[0], [True, False, False])
    assert not evidence.diverged[1].any()
    for error in (evidence.train_error, evidence.test_error):
        assert (error[0, 0] == 1).all()  # it errs everywhere, so that its gap counts as zero
    assert np.isnan(evidence.train_loss[0, 0]).all()
    assert np.isnan(evidence.sample_information[0, 0]).all()
    assert (evidence.predictions[0, 0] == -1).all()
    assert np.isfinite(evidence.train_error[~evidence.diverged]).all()


def test_shared_randomness_leaves_the_data_as_the_only_difference():
    masks = np.repeat(PAIRS.mask[:, :1], 2, axis=1)
    config = dataclasses.replace(CONFIG, shared_randomness=True)
    evidence = run_replicas(KEY, config, POOL, Supersample(INDEX, masks))
    np.testing.assert_array_equal(evidence.train_loss[:, 0], evidence.train_loss[:, 1])


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_other_optimisers_run_and_carry_infinite_trajectory_information(optimizer):
    config = dataclasses.replace(CONFIG, optimizer=optimizer, learning_rate=0.05)
    evidence = run_replicas(KEY, config, POOL, PAIRS)
    assert (evidence.noise_stds == 0).all()
    assert np.isinf(evidence.sample_information).all()
    assert np.isfinite(evidence.train_loss).all()


def test_schedules_reach_the_evidence():
    eta = optax.exponential_decay(0.1, 4, 0.5)
    evidence = run_replicas(KEY, dataclasses.replace(CONFIG, learning_rate=eta), POOL, PAIRS)
    np.testing.assert_allclose(evidence.step_sizes, [eta(t) for t in range(12)], rtol=1e-6)


class Small(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.tanh(nn.Dense(4)(x)))


def test_the_norm_of_poisson_batches_counts_their_size(whole):
    assert whole.gradient_norm == whole.clip == 1.0
    config = dataclasses.replace(CONFIG, batching="poisson")
    got = run_replicas(KEY, config, POOL, PAIRS)
    sizes = np.random.default_rng(0).binomial(10, 0.4, 200_000) / 4
    spread = np.std(sizes**2) / np.sqrt(200_000)
    assert abs(got.gradient_norm**2 - np.mean(sizes**2)) < 4 * spread


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_users_module_trains_in_the_same_engine(clip):
    config = dataclasses.replace(CONFIG, network=from_linen(Small()), clip=clip)
    evidence = run_replicas(KEY, config, POOL, PAIRS)
    assert np.isfinite(evidence.train_loss).all()
    assert np.isfinite(evidence.sample_information).all() == (clip is not None)
    assert evidence.layer_log1m.shape == (0,)


def test_a_cnn_trains_in_the_same_engine():
    images = POOL._replace(x=RNG.normal(size=(40, 4, 4, 1)).astype(np.float32))
    config = dataclasses.replace(CONFIG, network=CNN((2,), width=3, noise=0.1), steps=4)
    assert np.isfinite(run_replicas(KEY, config, images, PAIRS).train_loss).all()


def test_training_learns_and_the_information_of_a_clipped_run_obeys_its_bound():
    x = (POOL.y[:, None] * 2 - 1 + 0.1 * RNG.normal(size=(40, 3))).astype(np.float32)
    config = Config(MLP(depth=1, width=8), steps=60, learning_rate=0.5, inverse_temperature=1e4)
    evidence = run_replicas(KEY, config, POOL._replace(x=x), PAIRS)
    assert evidence.train_error.mean() < 0.05
    most = 60 * 0.5 * 1e4 / 4  # sum of eta beta / 4 times clip^2
    assert (evidence.gradient_information <= most).all()
    assert (evidence.sample_information <= most / 10**2 * (1 + 1e-5)).all()
    assert (evidence.incoherence_information >= 0).all()


@pytest.mark.parametrize(
    ("pool", "pairs", "named"),
    [
        (POOL, PAIRS._replace(index=INDEX + 30), "reaches from"),
        (POOL, PAIRS._replace(mask=PAIRS.mask[:1]), "supersample.mask has shape"),
        (POOL, PAIRS._replace(mask=PAIRS.mask + 1), "0 and 1 only"),
        (POOL, PAIRS._replace(index=INDEX[..., 0]), "supersample.index has shape"),
        (POOL._replace(y=POOL.y + 1), PAIRS, "labels must lie in"),
        (POOL._replace(x=POOL.x * np.nan), PAIRS, "NaN"),
        (POOL._replace(y=POOL.y[:-1]), PAIRS, "match them"),
    ],
)
def test_data_that_cannot_be_right_are_refused(pool, pairs, named):
    with pytest.raises(ValueError, match=named):
        run_replicas(KEY, CONFIG, pool, pairs)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"steps": 0}, "steps=0"),
        ({"checkpoints": 99}, "checkpoints=99"),
        ({"optimizer": "adamw"}, "adamw"),
        ({"batching": "sorted"}, "sorted"),
        ({"clip": 0.0}, "clip=0"),
        ({"learning_rate": -1.0}, "learning_rate=-1"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        dataclasses.replace(CONFIG, **wrong)


def squares(logits, y):
    return 0.5 * jnp.sum((logits - jax.nn.one_hot(y, logits.shape[1])) ** 2, axis=1)


def test_replicas_and_their_accounts_follow_the_loss_given():
    # With weights that do not move, the reported loss is that of the initial network alone.
    still = dataclasses.replace(
        CONFIG, network=MLP(1, 4), learning_rate=1e-12, loss=squares, account=True, checkpoints=1
    )
    evidence = run_replicas(KEY, still, POOL, PAIRS)
    entropic = run_replicas(KEY, dataclasses.replace(still, loss=cross_entropy), POOL, PAIRS)
    np.testing.assert_array_equal(evidence.predictions, entropic.predictions)
    assert np.all(evidence.train_loss != entropic.train_loss)
    assert np.all(evidence.sample_information != entropic.sample_information)
    moving = dataclasses.replace(still, learning_rate=0.2, steps=60, inverse_temperature=1e6)
    assert run_replicas(KEY, moving, POOL, PAIRS).train_loss.mean() < evidence.train_loss.mean()


@pytest.mark.parametrize(
    "loss", [lambda z, y: squares(z, y).mean(), lambda z, y: z, lambda z, y: y]
)
def test_a_loss_that_is_no_number_an_example_is_refused(loss):
    with pytest.raises(ValueError, match="one real number an example"):
        run_replicas(KEY, dataclasses.replace(CONFIG, loss=loss), POOL, PAIRS)
