"""The models of the bench against sums written out another way, and against closed forms."""

import itertools

import jax
import numpy as np
import pytest

from ibjax import bounds, contraction, mi
from ibjax.bounds.falsification import families, paths, tables
from ibjax.bounds.falsification.learners import solve

EVERY = families()


@pytest.mark.parametrize("name", EVERY)
def test_every_family_is_finite_within_range_and_consistent(name):
    family = EVERY[name]
    fields = family.solve(family.draw(np.random.default_rng(0), 6))
    for key, value in fields.items():
        assert np.all(np.isfinite(value)) and len(value) == 6, key
        if "information" in key or key in ("train_error", "test_error", "etas"):
            assert np.all(value >= 0), key
    np.testing.assert_allclose(
        fields["gap"], fields["test_error"] - fields["train_error"], atol=1e-12
    )
    again = family.solve(family.draw(np.random.default_rng(0), 6))
    np.testing.assert_array_equal(again["gap"], fields["gap"])


def test_a_layered_learner_against_loops():
    """n = 2, one layer: all sums over samples, noise and weights, one term at a time."""
    family = EVERY["head, n=2"]
    drawn = family.draw(np.random.default_rng(1), 1)
    found = {k: v[0] for k, v in family.solve(drawn).items()}
    law = tables.softmax(drawn["law"][0].ravel()).reshape(2, 2)
    layer = np.repeat(tables.softmax(drawn["layer_0"][0]), 2, 0)
    loss, learner = tables.sigmoid(drawn["loss"][0]), tables.softmax(drawn["learner"][0])
    examples = list(itertools.product(range(2), repeat=2))
    joint, train, test = {}, 0.0, 0.0
    labels, single, given = np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 4, 4))
    pair = np.zeros((2, 2, 4))

    def mean(w, z):
        return sum(layer[w, z[0], t] * loss[w, t, z[1]] for t in range(2))

    for (i, a), (j, b) in itertools.product(enumerate(examples), repeat=2):
        for w in range(4):
            p = law[a] * law[b] * learner[4 * i + j, w]
            joint[a, b, w] = p
            train += p * (mean(w, a) + mean(w, b)) / 2
            test += p * sum(law[z] * mean(w, z) for z in examples)
            labels[2 * a[1] + b[1], w] += p
            single[i, w] += p
            given[j, i, w] += p
            pair[a[1], a[0], w] += p
    assert found["train_error"] == pytest.approx(train, abs=1e-14)
    assert found["test_error"] == pytest.approx(test, abs=1e-14)
    with jax.enable_x64(True):

        def exact(table):
            return float(mi.discrete(table).value)

        every = np.array(list(joint.values())).reshape(16, 4)
        assert found["information"] == pytest.approx(exact(every), abs=1e-12)
        assert found["label_information"] == pytest.approx(exact(labels), abs=1e-12)
        assert found["information_i"][0] == pytest.approx(exact(single), abs=1e-12)
        rest = sum(g.sum() * exact(g) for g in given)
        assert found["conditional_information_i"][0] == pytest.approx(rest, abs=1e-12)
        inputs = sum(g.sum() * exact(g) for g in pair)
        assert found["input_information_i"][0] == pytest.approx(inputs, abs=1e-12)
        # I(T^2, Y^2; h | U), the features drawn afresh.
        table = np.zeros((2, 16, 2))
        for (a, b, w), p in joint.items():
            for s, t in itertools.product(range(2), repeat=2):
                code = 8 * s + 4 * t + 2 * a[1] + b[1]
                table[w // 2, code, w % 2] += p * layer[w, a[0], s] * layer[w, b[0], t]
        head = sum(u.sum() * exact(u) for u in table)
        assert found["head_information"] == pytest.approx(head, abs=1e-12)


def test_coefficients_are_those_of_the_channels(x64):
    logits = np.random.default_rng(0).normal(size=(40, 1, 3, 3))
    channels = tables.softmax(logits * np.geomspace(0.1, 10, 40)[:, None, None, None])
    kl, tv = tables.coefficients(channels)
    np.testing.assert_allclose(kl, jax.vmap(contraction.kl)(channels[:, 0]).value, rtol=1e-9)
    np.testing.assert_allclose(tv, jax.vmap(contraction.tv)(channels[:, 0]).value, rtol=1e-12)


def test_information_keeps_its_digits_near_independence():
    """A bit seen with probability 1/2 + e has 2 e^2 nats, to 7 digits at e = 1e-8."""
    e = 1e-8
    table = np.array([[0.25 + e / 2, 0.25 - e / 2], [0.25 - e / 2, 0.25 + e / 2]])
    assert tables.mutual(table) == pytest.approx(2 * e * e, rel=1e-6)
    assert tables.divergence(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == np.log(2)
    assert tables.divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == np.inf


def test_labels_bypass_the_layers():
    """W the majority of five labels, nothing passes the layer: gap .1875, I(Y_i; W) known."""
    n, law = 5, np.full((1, 2), 0.5)
    votes = tables.words(2, n).sum(-1) > n / 2
    learner = np.eye(2)[votes.astype(int)]
    loss = np.broadcast_to(1.0 - np.eye(2)[:, None], (2, 1, 2))
    found = solve(law, [], loss, learner, n)
    assert found.gap == pytest.approx(0.1875) and found.information == pytest.approx(np.log(2))
    np.testing.assert_allclose(found.label_information_i, 0.0720608060, atol=6e-11)
    np.testing.assert_allclose(found.input_information_i, 0, atol=1e-15)


def test_supersamples_against_loops():
    family = EVERY["supersample, n=2"]
    drawn = family.draw(np.random.default_rng(2), 1)
    found = {k: v[0] for k, v in family.solve(drawn).items()}
    law, learner = tables.softmax(drawn["law"][0]), tables.softmax(drawn["learner"][0])
    inputs, labels = (0, 0, 1), (0, 1, 0)
    rules = np.argmax(drawn["rules"][0], -1)
    train = test = ghost = weights = pair = single = 0.0
    free = np.zeros((2, 2, 3))  # pair, bit, difference + 1
    for z in itertools.product(range(3), repeat=4):
        mass = np.prod(law[list(z)])
        table, pairs = np.zeros((4, 3)), np.zeros((2, 2, 4))
        ones = np.zeros((2, 2, 2, 2))  # pair, column, bit, loss
        for k, u in enumerate(itertools.product(range(2), repeat=2)):
            own = [z[2 * i + u[i]] for i in range(2)]
            for w in range(3):
                p = learner[3 * own[0] + own[1], w] / 4
                lost = [int(rules[w, inputs[v]] != labels[v]) for v in z]
                seen = np.mean([lost[2 * i + u[i]] for i in range(2)])
                away = np.mean([lost[2 * i + 1 - u[i]] for i in range(2)])
                train, test = train + mass * p * seen, test + mass * p * away
                ghost += mass * p * abs(away - seen)
                table[k, w] += p
                for i in range(2):
                    a, b = lost[2 * i], lost[2 * i + 1]
                    pairs[i, u[i], 2 * a + b] += p
                    free[i, u[i], b - a + 1] += mass * p
                    ones[i, 0, u[i], a] += p
                    ones[i, 1, u[i], b] += p
        weights += mass * tables.mutual(table)
        pair += mass * np.mean(tables.mutual(pairs))
        single += mass * np.mean(tables.mutual(ones))
    expected = {
        "train_error": train,
        "test_error": test,
        "ghost_gap": ghost,
        "mask_information": weights,
        "pair_information": pair,
        "single_information": single,
        "difference_information_free": np.mean(tables.mutual(free)),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("batching", ["full", "poisson", "without_replacement", "epochs"])
def test_batches_are_drawn_as_they_should(batching):
    scheme = paths.draws(batching, 4, 4 if batching == "full" else 2)
    assert scheme.weight.sum() == pytest.approx(1)
    share = 1.0 if batching == "full" else 0.5
    for step in (scheme.first, scheme.second):
        np.testing.assert_allclose(scheme.weight @ step, share)
    if batching == "epochs":
        assert np.all(scheme.first + scheme.second == 1)
    with pytest.raises(ValueError, match="batching"):
        paths.draws("whole_epochs", 4, 2)


def test_one_noisy_step_is_a_mixture_whose_information_is_known(x64):
    """Poisson, gradients +-1, no second step: what one example tells given the other's absence.

    With Z_2 a constant of zero gradient the first step is N(0, 1) or, with probability 1/2, moved
    by +-r: I(Z_1; W) is a one-dimensional integral.
    """
    from scipy.integrate import quad
    from scipy.stats import norm

    r = 0.7
    drawn = {
        "law": np.zeros((1, 1)),
        "gradient": np.zeros((1, 2, 2, 3)),
        "shift": np.log([[r, r]]),
        "units": np.zeros((1, 2)),
        "scale": np.zeros((1, 1)),
        "loss": np.array([[[-40.0, 40.0], [40.0, -40.0]]]),
        "threshold": np.zeros((1, 1)),
    }
    drawn["gradient"][0, 0, :, 0] = [40.0, -40.0]
    found = EVERY["disjoint, n=2, b=1"].solve(drawn)

    def density(w, z):
        return norm.pdf(w + r * z)

    def integrand(w):
        both = [density(w, z) for z in (1, -1)]
        mean = sum(both) / 2
        return sum(p / 2 * np.log(p / mean) for p in both)

    known = quad(integrand, -10, 10, epsabs=1e-13, limit=200)[0]
    np.testing.assert_allclose(found["information_i"][0], [known, 0], atol=1e-11)
    # The second gradient is zero: W_2 = W_1 + N; its sign is read off.
    right = norm.cdf(r / np.sqrt(2))
    assert found["train_error"][0] == pytest.approx((1 - right + 0.5) / 2, abs=1e-11)
    assert found["test_error"][0] == pytest.approx(0.5, abs=1e-11)
    assert found["information"][0] <= float(
        bounds.noisy_sgd_information(
            found["step_sizes"][0], found["noise_stds"][0], found["clip"][0], 1
        ).value
    )
