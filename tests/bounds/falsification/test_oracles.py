"""Toys whose informations and gaps are known by enumeration or in closed form."""

import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds
from ibjax.bounds import invert


class Toy(NamedTuple):
    """A finite law of examples, a learner and a 0-1 loss table."""

    n: int
    law: np.ndarray  # (Z,)
    loss: np.ndarray  # (W, Z)
    output: np.ndarray  # (W, Z): the prediction at an example
    learner: dict  # sample tuple -> law of W


def majority(n, p):
    learn = {s: np.eye(2)[int(2 * sum(s) > n)] for s in itertools.product((0, 1), repeat=n)}
    w, z = np.arange(2)[:, None], np.arange(2)[None]
    return Toy(n, np.array([1 - p, p]), (w != z) * 1, np.broadcast_to(w, (2, 2)), learn)


def lookup(cells, p, n):
    """Majority label of each cell; ties and unseen cells give 0. z = 2 cell + label."""
    z = np.arange(2 * cells)
    tables = list(itertools.product((0, 1), repeat=cells))
    output = np.array([[t[c // 2] for c in z] for t in tables])
    learn = {}
    for s in itertools.product(z, repeat=n):
        votes = np.zeros(cells)
        for e in s:
            votes[e // 2] += 2 * (e % 2) - 1
        learn[s] = np.eye(len(tables))[tables.index(tuple((votes > 0).astype(int)))]
    law = np.tile([1 - p, p], cells) / cells
    return Toy(n, law, (output != z % 2) * 1, output, learn)


def gibbs(n, p, beta):
    base, learn = majority(n, p), {}
    for s in base.learner:
        weight = np.exp(-beta * base.loss[:, list(s)].mean(1))
        learn[s] = weight / weight.sum()
    return base._replace(learner=learn)


def information(joint):
    """Mutual information of a table (..., X, Y) of joint laws, in nats."""
    joint = np.asarray(joint)
    outer = joint.sum(-1, keepdims=True) * joint.sum(-2, keepdims=True)
    positive = joint > 0
    ratio = np.where(positive, joint, 1) / np.where(positive, outer, 1)
    return np.sum(np.where(positive, joint, 0) * np.log(ratio), axis=(-2, -1))


def grouped(joint, codes):
    """Laws of (code(W), U) from a table (W, U)."""
    out = np.zeros((max(codes) + 1, joint.shape[1]))
    np.add.at(out, list(codes), joint)
    return out


def enumerate_toy(t: Toy):
    """Everything exact: errors, informations of weights, and supersample informations of pair 0."""
    z, n = range(len(t.law)), t.n
    samples = list(itertools.product(z, repeat=n))
    mass = np.array([np.prod(t.law[list(s)]) for s in samples])
    q = np.array([t.learner[s] for s in samples])
    joint = mass[:, None] * q
    test = t.loss @ t.law
    fit = np.array([t.loss[:, list(s)].mean(1) for s in samples])
    first = np.zeros((len(t.law), q.shape[1]))
    np.add.at(first, [s[0] for s in samples], joint)
    marginal = joint.sum(0)
    positive = (mass > 0)[:, None] & (joint > 0)
    lautum = np.nan
    if positive[mass > 0].all():
        product = mass[:, None] * marginal
        lautum = np.sum(product * (np.log(product) - np.log(joint)))
    out = {
        "train": np.sum(joint * fit),
        "test": np.sum(joint @ test),
        "I(W;S)": float(information(joint)),
        "I(W;Z)": float(information(first)),
        "lautum": lautum,
    }
    masks = list(itertools.product((0, 1), repeat=n))
    sums = np.zeros(6)
    difference, single = np.zeros((3, 2)), np.zeros((2, 2))
    for pairs in itertools.product(itertools.product(z, repeat=2), repeat=n):
        weight = np.prod([t.law[a] * t.law[b] for a, b in pairs])
        if weight == 0:
            continue
        table = np.array([t.learner[tuple(p[u] for p, u in zip(pairs, m))] for m in masks]).T
        table = table / len(masks)
        whole = information(table)
        one = np.stack([table[:, [m[0] == u for m in masks]].sum(1) for u in (0, 1)], axis=1)
        a, b = pairs[0]
        preds, losses = t.output[:, [a, b]], t.loss[:, [a, b]]
        delta = losses[:, 1] - losses[:, 0] + 1
        codes = (
            preds[:, 0] * 2 + preds[:, 1],
            losses[:, 0] * 2 + losses[:, 1],
            delta,
            losses[:, 0],
        )
        tables = [grouped(one, c) for c in codes]
        values = [whole, information(one), *(information(g) for g in tables)]
        sums += weight * np.array([float(v) for v in values])
        difference[: len(tables[2])] += weight * tables[2]
        single[: len(tables[3])] += weight * tables[3]
    names = ("I(W;U)", "I(W;U_i)", "f", "e", "ld", "single")
    out |= dict(zip(names, sums))
    return out | {
        "pooled ld": float(information(difference)),
        "pooled single": float(information(single)),
    }


# train, test | I(W;S), I(W;Z_i) | I(W;U|Z), I(W;U_i|Z), f, e, ld, single | pooled ld, single
KNOWN = {
    "A2": (majority(2, 0.3), "0.21 0.336 .302538 .119279 .151598 .064261 .064261 .064261 .064261 "
           ".064261 .019194 .010068"),
    "A3": (majority(3, 0.3), "0.21 0.3864 .521798 .102138 .300986 .079519 .079519 .079519 .079519 "
           ".079519 .038218 .018798"),
    "B22": (lookup(2, 0.5, 2), "0.125 0.5 1.234245 .433217 .648286 .301713 .297625 .297625 "
            ".286795 .219051 .158189 .086128"),
    "B32": (lookup(3, 0.25, 2), "0.0625 .309028 1.087113 .393764 .472313 .219603 .215061 .215061 "
            ".213857 .145066 .099456 .053966"),
    "I32": (lookup(3, 1.0, 2), "0 .444444 1.735126 .636514 .872852 .410754 .410754 .410754 "
            ".410754 .269306 .308065 .186225"),
    "C3": (gibbs(3, 0.3, 4.0), ".260463 .409701 .231481 .063313 .122082 .036899 .036899 .036899 "
           ".036899 .036899 .027103 .012574"),
}  # fmt: skip
ORDER = ("train", "test", "I(W;S)", "I(W;Z)", "I(W;U)", "I(W;U_i)", "f", "e", "ld", "single",
         "pooled ld", "pooled single")  # fmt: skip


@pytest.fixture(scope="module")
def exact():
    return {name: enumerate_toy(toy) for name, (toy, _) in KNOWN.items()}


@pytest.mark.parametrize("name", list(KNOWN))
def test_enumerated_informations_are_the_known_ones(exact, name):
    known = [float(v) for v in KNOWN[name][1].split()]
    np.testing.assert_allclose([exact[name][k] for k in ORDER], known, atol=2e-6)


@pytest.mark.parametrize("name", list(KNOWN))
def test_informations_and_bounds_are_ordered(x64, exact, name):
    e, toy = exact[name], KNOWN[name][0]
    gap, eps = e["test"] - e["train"], 1e-12
    assert e["ld"] <= e["e"] + eps and e["e"] <= e["f"] + eps and e["f"] <= e["I(W;U_i)"] + eps
    assert e["single"] <= e["e"] + eps
    assert toy.n * e["I(W;U_i)"] <= e["I(W;U)"] + eps
    assert e["I(W;U)"] <= min(toy.n * np.log(2), e["I(W;S)"]) + eps
    assert toy.n * e["I(W;Z)"] <= e["I(W;S)"] + eps
    assert e["pooled ld"] <= e["ld"] + eps
    for info, bound in (
        (e["I(W;S)"], bounds.xu_raginsky(e["I(W;S)"], toy.n, 0.5).value),
        (e["I(W;Z)"], bounds.individual(np.full(toy.n, e["I(W;Z)"]), 0.5).value),
        (e["pooled ld"], invert.phi(e["pooled ld"])),
        (e["ld"], invert.pair(e["train"], e["ld"]) - e["train"]),
        (e["e"], invert.kl_half(e["train"], e["e"]) - e["train"]),
    ):
        assert float(bound) >= gap - 1e-12, info
    # For the 0-1 loss the single-loss information is the Jensen-Shannon divergence itself.
    test = float(invert.js(e["train"], e["pooled single"]))
    assert test == pytest.approx(e["test"], abs=1e-8)


def test_known_inversions_of_the_toys(x64, exact):
    known = {"A2": (0.509466, 0.542664), "B22": (0.841343, 0.849572), "B32": (0.536914, 0.604274)}
    for name, (pair, half) in known.items():
        e = exact[name]
        assert float(invert.pair(e["train"], e["e"])) == pytest.approx(pair, abs=2e-6)
        assert float(invert.kl_half(e["train"], e["e"])) == pytest.approx(half, abs=2e-6)
    assert exact["I32"]["pooled ld"] / np.log(2) == pytest.approx(4 / 9, abs=1e-9)


def test_the_gap_of_a_gibbs_posterior_is_its_symmetric_information(exact):
    e = exact["C3"]
    assert e["lautum"] == pytest.approx(0.365473424, abs=1e-9)
    assert (e["I(W;S)"] + e["lautum"]) / 4 == pytest.approx(e["test"] - e["train"], abs=1e-12)


def test_the_gibbs_posterior_of_a_gaussian(x64):
    """W ~ N(mean, 1/beta): I, gap and symmetric information in closed form."""
    n, d, beta = 10, 2, 50.0
    info = d / 2 * np.log1p(beta / n)
    assert info == pytest.approx(1.79175947, abs=1e-8)
    assert beta * d / n - info == pytest.approx(8.20824053, abs=1e-8)
    assert float(bounds.gibbs(beta, n, np.sqrt(0.1)).value) >= d / n * 0.1
    eta = 0.1
    spread = 2 * eta / beta / (1 - (1 - eta) ** 2)
    assert spread == pytest.approx(0.02105263, abs=1e-8)


def test_the_mean_of_a_gaussian(x64):
    """W = mean + noise, loss |w - z|^2: the lower tail is that of a chi-squared variable.

    Three cases at once, as if they were the examples of one sample.
    """
    n, d = np.array([10, 10, 100]), np.array([1, 1, 5])
    noise, variance = np.array([0.0, 0.1, 0.05]), np.array([1.0, 1.0, 2.0])
    spread = variance / n + noise
    info = d / 2 * np.log(spread / (variance * (n - 1) / n**2 + noise))
    np.testing.assert_allclose(info, [0.05268026, 0.02564665, 0.00715308], atol=1e-8)
    v = variance * (1 + 1 / n) + noise
    tail = bounds.individual_cumulant(info, lambda s: d * (v * s - jnp.log1p(2 * v * s) / 2))
    gauss = bounds.individual_cumulant(info, lambda s: d * v**2 * s**2)
    exact, one_sided = (0.43082459, 0.34445793, 0.76332939), (0.50494797, 0.38434969, 0.78294617)
    assert float(tail.value) == pytest.approx(np.mean(exact), abs=1e-8)
    assert float(gauss.value) == pytest.approx(np.mean(one_sided), abs=1e-8)
    np.testing.assert_allclose(one_sided, 2 * v * np.sqrt(d * info), atol=1e-8)
    assert (2 * d * variance / n <= exact).all()
    plain = bounds.individual_cumulant(info, lambda s: 0.25 * s**2 / 2)
    assert float(plain.value) == pytest.approx(float(bounds.individual(info, 0.5).value), rel=1e-9)
    none = bounds.individual_cumulant(np.zeros(3), lambda s: 0.25 * s**2 / 2)
    assert float(none.value) == 0
    # No centred variable has a negative cumulant, and no bound lies below 0 by one.
    assert not bool(bounds.individual_cumulant(info, lambda s: -(s**2), most=10.0).holds)
    with pytest.raises(ValueError, match="most=0"):
        bounds.individual_cumulant(info, lambda s: s**2, most=0)


def test_langevin_on_a_quadratic_one_example_at_a_time():
    """Path and final informations of one example given, and not given, the others."""
    for (n, d, v, eta, beta, steps), known in (
        ((10, 1, 1.0, 0.1, 50, 100), (0.04311017, 0.05054806, 0.19432044, 0.62638148)),
        ((10, 2, 1.0, 0.05, 200, 50), (0.09910744, 0.10109612, 0.98258581, 1.25276297)),
        ((100, 10, 1.0, 0.01, 1000, 500), (0.04558615, 0.04830955, 0.46836697, 1.11571776)),
    ):
        a, q = 1 - (1 - eta) ** steps, 2 * eta / beta
        last = q * (1 - (1 - eta) ** (2 * steps)) / (1 - (1 - eta) ** 2)

        def channel(signal, others, noise, d=d):
            return d / 2 * np.log1p(signal / (others + noise))

        share, rest = v / n**2, v * (n - 1) / n**2
        power = steps * eta**2
        got = (
            channel(a**2 * share, a**2 * rest, last),
            channel(power * share, power * rest, q),
            channel(a**2 * share, 0, last),
            channel(power * share, 0, q),
        )
        np.testing.assert_allclose(got, known, atol=6e-8)
        assert got[0] <= got[1] and got[2] <= got[3] and got[1] <= got[3]
        assert got[3] <= steps * eta * beta * d * v / (4 * n * (n - 1))  # gradient incoherence
