"""Every certified bound against thousands of random learners, solved by enumeration.

Three inputs, two labels, two noisy layers of three states that depend on the weights, four
hypotheses that depend on the sample in any way, any loss in [0, 1]. Nothing is sampled once a
model is drawn: gap, informations, total variations and transport distances are exact sums.
"""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibjax import bounds, contraction

COUNT = 80
"""Models an example; 25 examples make 2,000."""

X, LABELS, T, W = 3, 2, 3, 4
Z = X * LABELS
GAMMA = 3.0


def simplex(rng, *shape):
    return rng.dirichlet(np.full(shape[-1], rng.choice([0.3, 1.0])), shape[:-1])


def mutual(joint):
    """Information of tables (c, a, b), in nats."""
    product = joint.sum(1, keepdims=True) * joint.sum(2, keepdims=True)
    ratio = np.where(joint > 0, joint, 1) / np.where(joint > 0, product, 1)
    return np.maximum(np.sum(joint * np.log(ratio), (1, 2)), 0)  # rounding may end below 0


def divergence(p, q):
    """KL over the last axis."""
    return np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, q, 1)), 0), -1)


def draw(seed, n, family):
    """Laws, layers, losses and learners of COUNT models.

    Families: "any"; "head", where the layers depend on the first bit of the hypothesis only;
    "gibbs", posteriors of the noise-averaged loss; "labels", nearly constant layers and a loss
    that is decided by the label.
    """
    rng = np.random.default_rng(seed)
    c = COUNT
    law = simplex(rng, c, Z)
    samples = np.array(list(itertools.product(range(Z), repeat=n)))
    first, second = simplex(rng, c, W, X, T), simplex(rng, c, W, T, T)
    if family == "head":
        first, second = first[:, [0, 0, 2, 2]], second[:, [0, 0, 2, 2]]
    loss = rng.random((c, W, T, LABELS))
    loss = np.round(loss) if rng.random() < 0.5 else loss
    learner = simplex(rng, c, len(samples), W)
    if family == "labels":
        first = 0.02 * first + 0.98 / T
        match = np.indices((W, LABELS)).sum(0) % 2
        loss = np.broadcast_to(match[:, None], loss.shape).astype(float)
        counts = (samples % LABELS).sum(1)
        best = np.where(2 * counts > n, 1, 0)
        learner = np.broadcast_to(np.eye(W)[best], learner.shape)
    # Mean loss of (x, y) under w over fresh noise of both layers; z = 2 x + y.
    mean = np.einsum("cwxs,cwst,cwty->cwxy", first, second, loss).reshape(c, W, Z)
    if family == "gibbs":
        empirical = mean[:, :, samples].mean(-1)
        learner = np.swapaxes(np.exp(-GAMMA * empirical), 1, 2) * simplex(rng, c, W)[:, None]
        learner = learner / learner.sum(-1, keepdims=True)
    joint = np.prod(law[:, samples], -1)[..., None] * learner
    return law, samples, first, second, loss, mean, joint


@jax.jit
def coefficients(channels):
    return jax.vmap(contraction.kl)(channels).value, jax.vmap(contraction.tv)(channels).value


def solve(seed, n, family):
    """Everything a bound may ask for, as arrays with the models on the first axis."""
    law, samples, first, second, loss, mean, joint = draw(seed, n, family)
    c = COUNT
    both = np.concatenate([first.reshape(-1, X, T), second.reshape(-1, T, T)])
    kl, tv = (np.asarray(v).reshape(2, c, W).max(-1).T for v in coefficients(both))
    w = joint.sum(1)
    risk = np.einsum("cz,cwz->cw", law, mean)
    empirical = mean[:, :, samples].mean(-1)
    gaps = risk[:, :, None] - empirical
    weight = np.swapaxes(joint, 1, 2)
    gap = np.sum(weight * gaps, (1, 2))
    q = {"kl": kl, "tv": tv, "total": mutual(joint), "n": float(n)}
    names = samples % LABELS @ LABELS ** np.arange(n)
    q["all_labels"] = mutual(np.stack([joint[:, names == v].sum(1) for v in range(2**n)], 1))
    cover = np.stack([joint[..., :2].sum(-1), joint[..., 2:].sum(-1)], -1)
    q["hidden"] = mutual(cover)
    coarse = weight[:, ::2] + weight[:, 1::2]
    q["distortion"] = np.abs(gap - np.sum(coarse * gaps[:, ::2], (1, 2)))
    lists = {k: [] for k in ("single", "labels", "tv_y", "tv_x", "moved", "kl0", "kl1", "kl2")}
    far = np.zeros((3, c))
    positions = [X, T, T]
    stages = [np.broadcast_to(np.eye(X), (c, W, X, X)), first, first @ second]
    tails = [mean.reshape(c, W, X, 2), np.einsum("cwst,cwty->cwsy", second, loss), loss]
    for i in range(n):
        pair = np.stack([joint[:, samples[:, i] == v].sum(1) for v in range(Z)], 1)
        lists["single"].append(mutual(pair))
        cells = pair.reshape(c, X, LABELS, W)
        lists["labels"].append(mutual(cells.sum(1)))
        known = np.moveaxis(cells, -1, 1) / np.where(w > 0, w, 1)[..., None, None]
        plain = np.broadcast_to(law.reshape(c, 1, X, LABELS), known.shape)
        y, y0 = known.sum(2), plain.sum(2)
        lists["tv_y"].append(np.sum(w * np.abs(y - y0).sum(-1) / 2, 1))
        inside = (
            known / np.where(y > 0, y, 1)[:, :, None] - plain / np.where(y0 > 0, y0, 1)[:, :, None]
        )
        lists["tv_x"].append(np.sum(w[..., None] * y * np.abs(inside).sum(2) / 2, (1, 2)))
        given = pair / np.where(pair.sum(2) > 0, pair.sum(2), 1)[..., None]
        shift = np.abs(np.cumsum(given - w[:, None], -1)).sum(-1)
        lists["moved"].append(np.sum(pair.sum(2) * shift, 1))
        for level in range(3):
            seen = np.einsum("cwxy,cwxt->cwyt", known, stages[level]).reshape(c, W, -1)
            test = np.einsum("cwxy,cwxt->cwyt", plain, stages[level]).reshape(c, W, -1)
            lists[f"kl{level}"].append(np.sum(w * divergence(seen, test), 1))
            # All (y, t) on one line, a unit apart; the loss is Lipschitz for that distance.
            values = np.swapaxes(tails[level], -1, -2).reshape(c, W, -1)
            place = np.arange(LABELS * positions[level])
            apart = np.abs(place[:, None] - place) + np.eye(len(place))
            slope = np.max(np.abs(values[..., None] - values[..., None, :]) / apart, (-1, -2))
            moved = np.abs(np.cumsum(seen - test, -1)).sum(-1)
            far[level] += np.sum(w * slope * moved, 1) / n
    q |= {k: np.stack(v, -1) for k, v in lists.items()}
    q["inputs"] = np.maximum(q["single"] - q["labels"], 0)
    q["distances"] = far.T
    apart = np.abs(np.arange(W)[:, None] - np.arange(W)) + np.eye(W)
    q["slope"] = np.max(np.abs(mean[:, :, None] - mean[:, None]) / apart[..., None], (1, 2, 3))
    q["classes"] = law.reshape(c, X, LABELS).sum(1)
    features = stages[2][:, ::2] if family == "head" else None
    q["head"] = head_information(joint, samples, features, n)
    q["absolute"] = np.sum(weight * np.abs(gaps), (1, 2))
    q["deviant"] = np.sum(weight * (np.abs(gaps) > 0.7), (1, 2))
    return gap, q


def head_information(joint, samples, features, n):
    """I(T^n, Y^n; h | U) with W = (U, h), noise drawn afresh; 0 where it is not asked for."""
    if features is None:
        return np.zeros(COUNT)
    table = joint.reshape(COUNT, *(X, LABELS) * n, 2, 2)
    inputs, names = "abd", "efg"
    held = "".join(inputs[i] + names[i] for i in range(n))
    kept = "".join("rst"[i] + names[i] for i in range(n))
    layers = ",".join(f"cu{inputs[i]}{'rst'[i]}" for i in range(n))
    out = np.einsum(f"c{held}uh,{layers}->cu{kept}h", table, *[features] * n)
    out = out.reshape(COUNT, 2, -1, 2)
    by_state = out.sum((2, 3))
    safe = out / np.where(by_state > 0, by_state, 1)[..., None, None]
    return sum(by_state[:, u] * mutual(safe[:, u]) for u in range(2))


def certificates(q):
    """Every bound that claims to hold, from exact ingredients."""
    n, half = q["n"], 0.5
    inputs = q["inputs"]
    single = q["single"].sum(-1)
    return {
        "xu_raginsky": bounds.xu_raginsky(q["total"], n, half),
        "individual": bounds.individual(q["single"], half),
        "inputs": bounds.individual(q["kl0"], half),
        "first layer": bounds.individual(q["kl1"], half),
        "output": bounds.individual(q["kl2"], half),
        "examples": bounds.depth_examples(q["labels"], inputs, q["kl"], half),
        "depth, labels": bounds.depth(
            single, q["kl"], n, half, label_information=q["labels"].sum(-1)
        ),
        "depth, sample": bounds.depth(
            q["total"], q["kl"], n, half, label_information=q["all_labels"]
        ),
        "depth, classes": bounds.depth(q["total"], q["kl"], n, half, num_classes=LABELS),
        "depth, deviation": bounds.depth(
            single,
            q["kl"],
            n,
            half,
            label_deviation=jax.vmap(lambda p: bounds.label_deviation(p, n))(q["classes"]),
        ),
        "variation": bounds.depth_tv(q["tv_y"], q["tv_x"], q["tv"]),
        "variation, information": bounds.depth_tv(
            bounds.variation_from_information(q["labels"]),
            bounds.variation_from_information(inputs),
            q["tv"],
        ),
        "transport": bounds.algorithmic_transport(q["moved"], q["slope"]),
        "rate": bounds.rate_distortion(q["hidden"], n, half, q["distortion"]),
        "absolute": bounds.absolute_gap(q["total"], n, half),
        "funnel": jax.vmap(lambda d: bounds.funnel(d, np.ones(2), norms_for_all=True))(
            q["distances"]
        ),
        "input transport": jax.vmap(
            lambda d: bounds.funnel_layers(d, np.ones(2), norms_for_all=True)
        )(q["distances"]),
        "head": bounds.last_layer(q["head"], n, half, hidden_information=q["hidden"]),
        "gibbs": bounds.gibbs(GAMMA, n, half, q["kl"], label_information=q["all_labels"]),
        "published": bounds.depth(q["total"], q["kl"], n, half, variant="published"),
        "rare": bounds.deviation_probability(0.7, q["total"], n, half),
    }


EVALUATE = jax.jit(certificates)
SPECIAL = {"head": "head", "gibbs": "gibbs"}
"""Bounds that hold for one family of learners only."""


def check(seed, n, family):
    with jax.enable_x64(True):
        gap, q = solve(seed, n, family)
        found = EVALUATE(q)
    assert np.all(q["absolute"] <= np.asarray(found["absolute"].value) + 1e-12)
    assert np.all(q["deviant"] <= np.asarray(found.pop("rare")) + 1e-12)
    literal = found.pop("published")
    assert literal.kind == "diagnostic"
    values = {}
    for name, bound in found.items():
        assert bound.kind == "certificate", name
        values[name] = np.asarray(bound.value)
        if SPECIAL.get(name, family) == family:
            least = values[name] if values[name].ndim == 1 else values[name].min(-1)
            assert np.all(np.abs(gap) <= least + 1e-12), name
    # From the inputs on, each layer's own divergence is below the one before.
    np.testing.assert_allclose(values["inputs"], values["individual"], rtol=1e-9, atol=1e-12)
    for later, earlier in (("first layer", "inputs"), ("output", "first layer")):
        assert np.all(values[later] <= values[earlier] + 1e-9)
    assert np.all(values["output"] <= values["examples"] + 1e-9)
    assert np.all(values["examples"] <= values["depth, labels"] + 1e-9)
    assert np.all(values["variation"] <= values["variation, information"] + 1e-9)
    return np.abs(gap), values, np.asarray(literal.value)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([2, 3]), st.sampled_from(["any", "head", "gibbs"]))
def test_no_random_model_breaks_a_certificate(seed, n, family):
    gap, values, _ = check(seed, n, family)
    assert np.max(gap / values["output"]) > 0.05


def test_learners_of_labels_break_the_published_form_and_no_certificate():
    gap, values, literal = check(0, 3, "labels")
    assert np.mean(gap > literal) > 0.5
    assert np.max(gap / values["depth, sample"]) > 0.2


@pytest.mark.parametrize("seed", [1, 2])
def test_a_two_stage_learner_of_thresholds(seed):
    """Four points, thresholds (dimension 1), one point for the cover, two for the choice."""
    rng = np.random.default_rng(seed)
    rules = np.array([[int(x >= t) for x in range(4)] for t in range(5)])
    worst = 0.0
    for _ in range(20):
        law = rng.dirichlet(np.full(8, 0.5))
        loss = np.stack([np.where(r[:, None] != np.arange(2), 1.0, 0.0).ravel() for r in rules])
        risk, gap = loss @ law, 0.0
        for x in range(4):  # the cover keeps the first rule of each labelling of x
            chosen = [np.flatnonzero(rules[:, x] == v)[0] for v in (0, 1)]
            for pair in itertools.product(range(8), repeat=2):
                error = loss[chosen][:, list(pair)].mean(1)
                best = chosen[int(np.argmin(error))]
                p = law.reshape(4, 2)[x].sum() * law[pair[0]] * law[pair[1]]
                gap += p * (risk[best] - error.min())
        worst = max(worst, gap)
    assert 0.05 < worst <= bounds.two_stage(1, 2, 1).value
