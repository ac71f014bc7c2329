"""A user's own flax module as it is: what trains, what is measured, what is refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ibjax import data, langevin, networks
from ibjax.interface import Dataset, Hyper
from ibjax.networks import from_module

HYPER = Hyper(0.1, 10.0)
X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
POOL = Dataset(X, (X[:, 0] > 0).astype(np.int32), 2, "ball")
PAIRS = data.supersample(jax.random.key(1), 40, 8, 2, 2)


class Dropped(nn.Module):
    rate: float = 0.5

    @nn.compact
    def __call__(self, x, train: bool = False):
        h = nn.Dropout(self.rate, deterministic=not train)(nn.tanh(nn.Dense(8)(x)))
        return nn.Dense(2)(h)


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(2)(nn.BatchNorm(use_running_average=not train, momentum=0.5)(x))


class Both(nnx.Module):
    def __init__(self, rngs):
        self.one = nnx.Linear(6, 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, momentum=0.5, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.two = nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x):
        return self.two(self.drop(self.norm(nnx.relu(self.one(x)))))


class Tokens(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic=True):
        assert jnp.issubdtype(x.dtype, jnp.integer)
        h = nn.Embed(5, 4, param_dtype=jnp.bfloat16)(x).mean(1)
        return nn.Dense(2)(nn.Dropout(0.2)(h, deterministic=deterministic))


class Tied(nn.Module):
    @nn.compact
    def __call__(self, x):
        layer = nn.Dense(6, param_dtype=jnp.bfloat16)
        return nn.Dense(2)(nn.tanh(layer(nn.tanh(layer(x)))))


def trained(network, pool=POOL, **changed):
    own = network.batch_statistics is not None
    how = {"clip": None, "account": False} if own else {"account": True}
    config = langevin.Config(network=network, steps=4, batch_size=4, **how, **changed)
    return langevin.train(jax.random.key(0), config, pool, PAIRS, weights=True)


@pytest.mark.parametrize("module", [Dropped(), Normalised(), Both], ids=lambda m: str(m)[:12])
def test_dropout_and_statistics_of_ones_own_train(module):
    network = from_module(module, X)
    assert network.batch_statistics is not None
    found = trained(network)
    assert np.isfinite(found.evidence.train_loss).all()
    assert np.isin(found.evidence.predictions, (0, 1)).all()
    assert np.isnan(found.evidence.trajectory_cmi).all()
    assert np.isnan(found.evidence.sample_information).all()


def test_dropout_is_drawn_in_training_alone():
    network = from_module(Dropped(), X)
    params = network.init(jax.random.key(0), X)
    kept = network.batch_statistics
    one, two = (kept.train(params, {}, X, None, jax.random.key(i), HYPER)[0] for i in (1, 2))
    assert (np.abs(one - two).max(1) > 0).all()
    still = kept.evaluate(params, {}, X, jax.random.key(1), HYPER)
    np.testing.assert_array_equal(still, Dropped().apply({"params": params}, X))


def test_running_statistics_are_those_of_the_module():
    network = from_module(Both, X)
    kept, params = network.batch_statistics, network.init(jax.random.key(0), X)
    _, after = kept.train(params, kept.init(), X, None, jax.random.key(2), HYPER)
    model = Both(nnx.Rngs(0))
    nnx.update(model, _state(model, params))
    hidden = np.asarray(nnx.relu(model.one(X)))
    np.testing.assert_allclose(after["norm"]["mean"], 0.5 * hidden.mean(0), rtol=1e-5)
    np.testing.assert_allclose(
        kept.evaluate(params, after, X[:1], jax.random.key(3), HYPER)[0],
        kept.evaluate(params, after, X, jax.random.key(4), HYPER)[0],
        rtol=1e-5,
    )


def _state(model, params):
    state = nnx.state(model, nnx.Param)
    nnx.replace_by_pure_dict(state, params)
    return state


def test_what_draws_nothing_keeps_every_bound():
    for module in (Dropped(rate=0.0), Tied(), lambda rngs: nnx.Linear(6, 2, rngs=rngs)):
        network = from_module(module, X)
        assert network.batch_statistics is None
    found = trained(from_module(Tied(), X))
    assert np.isfinite(found.evidence.sample_information).all()
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(found.weights)} == {"float32"}


def test_tokens_stay_whole_and_bfloat16_trains():
    tokens = np.random.default_rng(1).integers(0, 5, (40, 3))
    pool = POOL._replace(x=tokens)
    network = from_module(Tokens(), tokens.astype(np.int32))
    assert network.batch_statistics is not None
    assert np.isfinite(trained(network, pool).evidence.train_loss).all()


class Stubborn(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.BatchNorm(use_running_average=False)(x))


class Demanding(nn.Module):
    @nn.compact
    def __call__(self, x, mask):
        return nn.Dense(2)(x * mask)


class Odd(nn.Module):
    """Modules that fail, or give no logits, each in a way of its own."""

    way: str

    @nn.compact
    def __call__(self, x, train=False):
        if self.way == "fails":
            raise RuntimeError("my own problem")
        if self.way == "one batch":
            x = x.reshape(1, 6)
        if self.way == "branches" and x.sum() > 0:
            x = -x
        if self.way == "rate":
            x = nn.Dropout(0.5)(x)
        z = nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(x))
        return {"dict": {"logits": z}, "three": (z, x, x)}.get(self.way, z)


@pytest.mark.parametrize(
    ("module", "named"),
    [
        (Odd("fails"), "Odd cannot be called .*RuntimeError: my own problem"),
        (Odd("one batch"), "Odd cannot be called .*cannot reshape"),
        (Odd("branches"), "Odd cannot be called .*boolean conversion"),
        (Odd("rate"), "Odd cannot be called .*deterministic"),
        (Odd("dict"), "Odd gives a dict; its call must give logits"),
        (Odd("three"), "Odd gives a tuple; its call must give logits"),
        (Stubborn(), "use_running_average=not train"),
        (Demanding(), "must take a batch"),
        (Both(nnx.Rngs(0)), "from_nnx"),
        (Dropped, "give an instance"),
        (7, "is not an MLP"),
    ],
    ids=[
        "fails",
        "one batch",
        "branches",
        "rate",
        "dict",
        "three",
        "stubborn",
        "demanding",
        "nnx",
        "class",
        "number",
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(module, named):
    with pytest.raises(ValueError, match=named) as refused:
        from_module(module, X)
    assert "\n" not in str(refused.value)


def test_poisson_batches_are_refused_beside_running_statistics():
    with pytest.raises(ValueError, match="poisson"):
        trained(from_module(Normalised(), X), batching="poisson")


def test_networks_are_found_by_name(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import flax.linen as nn\nfrom flax import nnx\nfrom jax import numpy as jnp\n"
        "class Net(nn.Module):\n"
        "    num_classes: int\n"
        "    @nn.compact\n"
        "    def __call__(self, x):\n        return nn.Dense(self.num_classes)(x)\n"
        "class Other(nnx.Linear):\n"
        "    def __init__(self, num_classes, *, rngs):\n"
        "        super().__init__(6, num_classes, rngs=rngs)\n"
        "def needy(width):\n    return Net(width)\n"
        "class Constant(nnx.Module):\n"
        "    def __init__(self):\n        self.w = nnx.Param(jnp.ones((6, 2)))\n"
        "    def __call__(self, x):\n        return x @ self.w.get_value()\n"
        "def fails():\n    raise RuntimeError('boom')\n"
        "broken = 3\nmade = Constant()\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in (
        "mine:Net",
        "mine.py:Net",
        "mine:Other",
        f"{tmp_path}/mine.py:Other",
        "mine:Constant",
    ):
        network = from_module(networks.located(name, 2), X)
        params = network.init(jax.random.key(0), X)
        assert network.apply(params, X, None, HYPER)[0].shape == (40, 2)
    for name, named in (
        ("mine", "names nothing"),
        ("mine:absent", "has no absent"),
        ("absent:f", "cannot be imported"),
        ("absent.py:f", "no such file"),
        ("mine:needy", "width"),
        ("mine:fails", "RuntimeError: boom"),
    ):
        with pytest.raises(ValueError, match=named):
            networks.located(name, 2)
    with pytest.raises(ValueError, match="is not an MLP"):
        from_module(networks.located("mine:broken", 2), X)
    with pytest.raises(ValueError, match="from_nnx"):
        from_module(networks.located("mine:made", 2), X)


def test_a_digest_is_of_what_is_computed_alone():
    def of(module):
        return networks.digest(from_module(module, X), X, 2)

    one = of(Dropped())
    with jax.enable_x64(True):
        assert of(Dropped()) == one
    with jax.default_matmul_precision("highest"):
        assert of(Dropped()) == one
    assert of(Dropped(rate=0.4)) != one and of(Normalised()) != one
    assert networks.digest(networks.MLP(2), X, 2) != networks.digest(networks.MLP(3), X, 2)


def test_what_draws_outside_of_jax_is_no_network():
    """One program is made of a network: it would keep the first number for good."""

    class Drifting(nn.Module):
        dropout: float = 0.0

        @nn.compact
        def __call__(self, x, train=False):
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
            return nn.Dense(2)(x) * np.random.default_rng().random()

    for module in (Drifting(), Drifting(0.5)):
        with pytest.raises(ValueError, match="draws random numbers outside of JAX"):
            networks.digest(from_module(module, X), X, 2)
