"""Falsification: the exact information of small runs, integrated over paths, against the bounds.

One dimension, noise 1, W_0 = 0, two-valued examples, gradients that may depend on the weights, all
sequences of batches enumerated, path densities on a grid of increments.
"""

import itertools
import math

import numpy as np
import pytest

from ibjax.bounds import (
    bins_epoch,
    fixed_step,
    hidden_share,
    mixture_kl,
    per_example_information,
    sample_information_total,
)
from ibjax.bounds.accounting.mixtures import overflow
from ibjax.bounds.accounting.revealed import channel

GRADIENTS = [
    lambda z, w: (2 * z - 1) + 0 * w,
    lambda z, w: np.tanh((2 * z - 1) * (1.5 * w + 0.7)),
    lambda z, w: (2 * z - 1) * np.sign(w - 0.2),
    lambda z, w: np.cos((1 + 2 * z) * w),
]


def subsets(n, size):
    """Multiplicities of all subsets of one size, with their probability."""
    chosen = list(itertools.combinations(range(n), size))
    return [(1 / len(chosen), np.isin(np.arange(n), c) * 1.0) for c in chosen]


def poisson(n, q, most=None):
    found = []
    for bits in itertools.product((0, 1), repeat=n):
        mass = np.prod([q if bit else 1 - q for bit in bits])
        size = sum(bits)
        if most is None or size <= most:
            found.append((mass, np.array(bits, float)))
            continue
        members = np.flatnonzero(bits)
        for kept in itertools.combinations(members, most):
            found.append((mass / math.comb(size, most), np.isin(np.arange(n), kept) * 1.0))
    return found


def repeats(n, b):
    draws = itertools.product(range(n), repeat=b)
    return [(n**-b, np.bincount(d, minlength=n) * 1.0) for d in draws]


def fresh(law, steps):
    """Independent batches: sequences as a product, kept apart step by step."""
    return [law] * steps


def permutations(n, b, epochs=1, own_size=False):
    """One sequence a permutation and epoch; batches of b, the last maybe over its own size."""
    once = []
    for order in itertools.permutations(range(n)):
        cuts = [order[i : i + b] for i in range(0, n, b)]
        cuts = cuts if own_size else [c for c in cuts if len(c) == b]
        rows = [np.isin(np.arange(n), c) * (b / len(c)) for c in cuts]
        once.append((1 / math.factorial(n), rows))
    if epochs == 1:
        return once
    return [(p * q, a + c) for (p, a), (q, c) in itertools.product(once, once)]


def partition(n, b, epochs):
    """Batches in the order of the examples, the same in every epoch: nothing is hidden."""
    rows = [np.isin(np.arange(n), range(i, i + b)) * 1.0 for i in range(0, n, b)]
    return [(1.0, rows * epochs)]


def bins(n, m):
    found = []
    for places in itertools.product(range(m), repeat=n):
        found.append((m**-n, [np.equal(places, t) * 1.0 for t in range(m)]))
    return found


def densities(batches, independent, n, r, gradients, points):
    """Path density of every sample z in {0, 1}^n on the grid of increments, and the cell."""
    first = batches[0] if independent else batches[0][1]
    steps = len(batches) if independent else len(first)
    y = np.linspace(-6.5, 6.5, points)
    places = np.meshgrid(*[y] * steps, indexing="ij", sparse=True)
    before = [sum(places[:t], np.zeros((1,) * steps)) for t in range(steps)]
    found = {}
    for z in itertools.product((0, 1), repeat=n):
        g = [[gradients[j](z[j], w) for j in range(n)] for w in before]

        def step(t, m, g=g):
            drift = sum(mj * gj for mj, gj in zip(m, g[t]) if mj)
            return np.exp(-((places[t] + r * drift) ** 2) / 2) / math.sqrt(2 * math.pi)

        if independent:
            law = 1.0
            for t, one in enumerate(batches):
                law = law * sum(p * step(t, m) for p, m in one)
        else:
            law = sum(p * math.prod(step(t, m) for t, m in enumerate(rows)) for p, rows in batches)
        found[z] = np.broadcast_to(law, (points,) * steps)
    return found, (y[1] - y[0]) ** steps


def informations(batches, independent, n, r, gradients, prior=0.5, points=41):
    """I(Z_1; W | Z_-1), mean over examples, and I(S; W)."""
    laws, cell = densities(batches, independent, n, r, gradients, points)
    mass = {z: math.prod(prior if bit else 1 - prior for bit in z) for z in laws}

    def divergence(p, q):
        return cell * float(np.sum(p * (np.log(p) - np.log(q))))

    each = []
    for i in range(n):
        total = 0.0
        for z in laws:
            pair = [(*z[:i], bit, *z[i + 1 :]) for bit in (0, 1)]
            mixed = (1 - prior) * laws[pair[0]] + prior * laws[pair[1]]
            total += mass[z] * divergence(laws[z], mixed)
        each.append(total)
    everything = sum(mass[z] * laws[z] for z in laws)
    return np.mean(each), sum(mass[z] * divergence(laws[z], everything) for z in laws)


def ours(batching, n, b, r, steps, **options):
    """The two bounds for shifts r of one example of a batch of b."""
    run = (np.ones(steps), np.ones(steps), b * r, batching, b, n, None)
    return [
        float(f(*run, **options).value) for f in (per_example_information, sample_information_total)
    ]


CASES = {
    "fixed, small": ("without_replacement", 4, 2, 0.03, fresh(subsets(4, 2), 2), True, 0.95),
    "fixed": ("without_replacement", 4, 2, 0.3, fresh(subsets(4, 2), 2), True, 0.6),
    "fixed, one": ("without_replacement", 3, 1, 0.3, fresh(subsets(3, 1), 2), True, 0.6),
    "poisson": ("poisson", 2, 1, 0.3, fresh(poisson(2, 0.5), 2), True, 0.8),
    "permutation": ("epochs", 3, 1, 0.3, permutations(3, 1), False, 0.3),
    "permutation, small": ("epochs", 4, 2, 0.03, permutations(4, 2), False, 0.8),
    "two epochs": ("epochs", 2, 1, 0.05, permutations(2, 1, 2), False, 0.6),
    "same batches": ("fixed", 2, 1, 0.1, partition(2, 1, 2), False, 0.9),
    "own size": ("whole_epochs", 3, 2, 0.3, permutations(3, 2, own_size=True), False, 0.4),
    "replacement": ("with_replacement", 3, 2, 0.3, fresh(repeats(3, 2), 2), True, 0.4),
    "bins": ("balls_and_bins", 3, 1, 0.3, bins(3, 3), False, 0.8),
    "truncated": ("truncated_poisson", 3, 1, 0.3, fresh(poisson(3, 1 / 3, 1), 2), True, 0.05),
    "full": ("full", 2, 2, 0.3, fresh(subsets(2, 2), 2), True, 0.9),
}


@pytest.mark.parametrize("case", CASES)
def test_information_stays_below_its_bound(x64, case):
    batching, n, b, r, batches, independent, tight = CASES[case]
    steps = len(batches) if independent else len(batches[0][1])
    points = 33 if steps > 3 else 41
    if steps == 4:
        points = 21
    options = {"capacity": 1} if batching == "truncated_poisson" else {}
    one, whole = ours(batching, n, b, r, steps, **options)
    unknown = ours(np.nan, n, b, r, steps)
    best = 0.0
    for gradient in GRADIENTS if steps < 4 else GRADIENTS[:2]:
        for prior in (0.5, 0.3):
            each, sample = informations(batches, independent, n, r, [gradient] * n, prior, points)
            assert each <= one and sample <= whole
            assert sample <= n * each * (1 + 1e-9)
            assert each <= unknown[0] and sample <= unknown[1]
            best = max(best, each / one)
    assert best > tight


@pytest.mark.parametrize("dim", [None, 1])
@pytest.mark.parametrize("b", [1, 3, np.nan])
def test_unknown_batches_that_replicas_share_may_be_a_poisson_batch_of_all(x64, b, dim):
    """One step of n = 10 fair signs as gradients, all of which happened to join."""
    n, step = 10, 0.1
    r = step if np.isnan(b) else step / b
    x = np.linspace(-9, 9, 4001)

    def density(shifts, weights):
        return np.exp(-((x[:, None] - shifts) ** 2) / 2) @ weights / np.sqrt(2 * np.pi)

    def information(shifts, weights):
        own, mix = density(np.zeros(1), np.ones(1)), density(shifts, weights)
        return np.sum(own * np.log(own) - mix * np.log(mix)) * (x[1] - x[0])

    one = information(np.array([-r, r]), np.full(2, 0.5))
    k = np.arange(n + 1)
    whole = information(r * (n - 2 * k), np.array([math.comb(n, i) for i in k]) / 2.0**n)
    for shared in (True, np.nan):
        run = ([step], [1.0], 1.0, np.nan, b, n, dim)
        assert float(per_example_information(*run, shared_batches=shared).value) >= one
        assert float(sample_information_total(*run, shared_batches=shared).value) >= whole
    names = ("full", "poisson", "epochs", "whole_epochs", "with_replacement", "balls_and_bins")
    for name in () if np.isnan(b) else names:
        given = ([step], [1.0], 1.0, name, n if name == "full" else b, n, dim)
        told = per_example_information(*given, shared_batches=True).value
        assert float(told) <= float(per_example_information(*run, shared_batches=True).value)


PRINTED = [  # gradients +-C: I(Z_1; W | Z_-1), I(S; W), and the bound where the library has it
    (None, 2, 1, 0.3, fresh(poisson(2, 0.3), 2), True, 0.00774549, 0.01537278, None),
    (None, 2, 1, 0.3, fresh(poisson(2, 0.3), 3), True, 0.01157370, 0.02288546, None),
    (None, 2, 1, 0.8, fresh(poisson(2, 0.3), 3), True, 0.06414129, 0.12090548, None),
    (None, 3, 1, 0.3, fresh(poisson(3, 0.4, 1), 2), True, 0.00594621, 0.01743997, None),
    ("fresh", 4, 2, 0.03, fresh(subsets(4, 2), 2), True, 0.00022478, 0.00089845, 0.00022551),
    ("fresh", 4, 2, 0.15, fresh(subsets(4, 2), 2), True, 0.00549145, 0.02157489, 0.00595358),
    ("fresh", 4, 2, 0.3, fresh(subsets(4, 2), 2), True, 0.02051881, 0.07697094, 0.02840541),
    ("fresh", 3, 1, 0.3, fresh(subsets(3, 1), 2), True, 0.00971135, 0.02809509, 0.01334490),
    ("fresh", 3, 1, 0.8, fresh(subsets(3, 1), 2), True, 0.05810042, 0.14764821, 0.21333333),
    ("balls_and_bins", 2, None, 0.3, bins(2, 3), False, 0.01478302, 0.02914139, 0.01618842),
    ("balls_and_bins", 2, None, 0.8, bins(2, 3), False, 0.09710299, 0.17834093, 0.19406226),
    ("epochs", 3, 1, 0.03, permutations(3, 1), False, 0.00015007, 0.00044993, 0.00017826),
    ("epochs", 3, 1, 0.08, permutations(3, 1), False, 0.00107010, 0.00319664, 0.00168993),
    ("epochs", 3, 1, 0.3, permutations(3, 1), False, 0.01568772, 0.04443024, 0.045),
    # At shifts this large the bound is the revealed one.
    ("epochs", 3, 1, 0.8, permutations(3, 1), False, 0.13034790, 0.29745739, 0.32),
    ("epochs", 4, 2, 0.03, permutations(4, 2), False, 0.00022502, 0.00089933, 0.00025464),
    ("epochs", 2, 1, 0.05, permutations(2, 1, 2), False, 0.00125154, 0.00249688, 0.00154205),
    ("with_replacement", 3, 2, 0.3, fresh(repeats(3, 2), 2), True, 0.03569897, 0.09893504, 0.08),
    ("whole_epochs", 3, 2, 0.3, permutations(3, 2, own_size=True), False,
     0.04134355, 0.11105715, 0.09),
]  # fmt: skip


@pytest.mark.parametrize("row", range(len(PRINTED)))
def test_printed_informations(x64, row):
    name, n, b, r, batches, independent, one, whole, bound = PRINTED[row]
    steps = len(batches) if independent else len(batches[0][1])
    points = 21 if steps == 4 else 41
    each, sample = informations(batches, independent, n, r, [GRADIENTS[0]] * n, points=points)
    # The grid ends where 1e-8 of the mass is left at r = .8.
    assert (each, sample) == (pytest.approx(one, abs=3e-8), pytest.approx(whole, abs=6e-8))
    if name == "balls_and_bins":
        assert float(bins_epoch(np.full(3, r), 3)) == pytest.approx(bound, abs=6e-9)
    elif bound is not None:
        batching = "without_replacement" if name == "fresh" else name
        assert ours(batching, n, b, r, steps)[0] <= bound * (1 + 1e-4)
    assert bound is None or one < bound


@pytest.mark.parametrize("name, law", [
    ("poisson", poisson(2, 0.5)), ("with_replacement", repeats(2, 1)), ("truncated_poisson",
    poisson(2, 0.5, 1)), ("without_replacement", subsets(2, 1)),
])  # fmt: skip
def test_every_sequence_of_shared_batches_stays_below_the_bound_given_them(x64, name, law):
    options = {"capacity": 1} if name == "truncated_poisson" else {}
    one, whole = ours(name, 2, 1, 0.3, 2, shared_batches=True, **options)
    worst = 0.0
    for sequence in itertools.product(law, repeat=2):
        batches = [[(1.0, members)] for _, members in sequence]
        each, sample = informations(batches, True, 2, 0.3, [GRADIENTS[0]] * 2)
        assert each <= one and sample <= whole
        worst = max(worst, each / one)
    assert worst > 0.4


@pytest.mark.parametrize("r, exact, bound", [(0.3, 0.00774549, 0.00827721), (0.8, None, None)])
def test_poisson_batches_of_any_rate(x64, r, exact, bound):
    three = {0.3: 0.01241581, 0.8: 0.09919746}[r]
    assert 3 * float(mixture_kl(0.3, r)) == pytest.approx(three, abs=6e-9)
    proved = 2 * float(mixture_kl(0.3, r))
    each, sample = informations(fresh(poisson(2, 0.3), 2), True, 2, r, [GRADIENTS[0]] * 2)
    assert each <= proved and sample <= 2 * each
    if exact is not None:
        assert (each, proved) == (pytest.approx(exact, abs=2e-8), pytest.approx(bound, abs=6e-9))


def test_truncated_batches_of_any_rate(x64):
    """Poisson, and one member at most: the cost of a full batch is added."""
    q, r = 0.4, 0.3
    each, _ = informations(fresh(poisson(3, q, 1), 2), True, 3, r, [GRADIENTS[0]] * 3)
    full = 1 - (1 - q) ** 2
    assert full <= float(overflow(*np.array([3.0, q, 1.0])))
    assert each <= 2 * (float(mixture_kl(q, r)) + full * float(channel(*np.array([q, r, np.inf]))))
    hidden = 2 * (float(mixture_kl(q, r)) + full * float(fixed_step(q, r)))
    assert each <= hidden == pytest.approx(0.02666340, abs=6e-9)


def mean_square(batches, independent, n, r, gradients, points=41):
    """Sum over steps of E |g_t(i)|^2, mean over examples and uniform samples."""
    laws, cell = densities(batches, independent, n, r, gradients, points)
    steps = next(iter(laws.values())).ndim
    y = np.linspace(-6.5, 6.5, points)
    places = np.meshgrid(*[y] * steps, indexing="ij", sparse=True)
    before = [sum(places[:t], np.zeros((1,) * steps)) for t in range(steps)]
    return sum(
        cell * float(np.sum(law * np.square(gradients[i](z[i], w))))
        for z, law in laws.items()
        for i in range(n)
        for w in before
    ) / (len(laws) * n)


MEASURED = {
    "poisson": ("poisson", 2, 1, 0.3, fresh(poisson(2, 0.5), 2), True),
    "fixed": ("without_replacement", 4, 2, 0.1, fresh(subsets(4, 2), 2), True),
    "fixed, one": ("without_replacement", 3, 1, 0.3, fresh(subsets(3, 1), 2), True),
    "permutation": ("epochs", 3, 1, 0.3, permutations(3, 1), False),
}


@pytest.mark.parametrize("case", MEASURED)
def test_information_stays_below_its_measured_bound(x64, case):
    """The clip is one, the gradients are shorter and depend on the weights."""
    batching, n, b, r, batches, independent = MEASURED[case]
    steps = len(batches) if independent else len(batches[0][1])
    run = (np.ones(steps), np.ones(steps), b * r, batching, b, n)
    share = float(hidden_share(*run))
    shorter = [
        lambda z, w: 0.3 * (2 * z - 1) + 0 * w,
        lambda z, w: (2 * z - 1) / (1 + np.exp((2 * z - 1) * w)),
        lambda z, w: 0.6 * np.cos((1 + 2 * z) * w),
    ]
    best = 0.0
    for gradient in shorter:
        each, _ = informations(batches, independent, n, r, [gradient] * n)
        square = mean_square(batches, independent, n, r, [gradient] * n)
        measured = share * b / n * r * r / 2 * square
        assert each <= measured <= ours(batching, n, b, r, steps)[0]
        best = max(best, each / measured)
    assert best > (0.25 if batching == "epochs" else 0.6)


REFUTED = [  # n = m, r, exact information, what Poisson or balls and bins would say
    (2, 0.3, 0.0236673336, (0.0227494302, 0.0229918458, 0.0235436)),
    (3, 0.3, 0.0163898291, (0.0154454185,)),
    # Where the others are fair bits too it is .13034790, in the mean: above it as well.
    (3, 0.8, 0.1419700910, (0.1303479, 0.1277479704)),
]


@pytest.mark.parametrize("n, r, exact, others", REFUTED)
def test_a_permutation_is_neither_poisson_nor_balls_and_bins(x64, n, r, exact, others):
    """Z_1 = +-C and the others -C: more information than either account would allow."""
    gradients = [GRADIENTS[0]] + [lambda z, w: -1 + 0 * w] * (n - 1)
    laws, cell = densities(permutations(n, 1), False, n, r, gradients, 41)
    pair = [laws[(bit,) + (0,) * (n - 1)] for bit in (0, 1)]
    middle = sum(pair) / 2
    found = sum(cell * np.sum(p * np.log(p / middle)) for p in pair) / 2
    assert found == pytest.approx(exact, abs=2e-8)
    assert all(found > other for other in others)
    assert found > n * float(mixture_kl(1 / n, r))
    assert found <= ours("epochs", n, 1, r, n)[0]
