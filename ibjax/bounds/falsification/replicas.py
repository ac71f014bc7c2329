"""One supersample and every run on it: replicas whose plug-in informations are the exact ones.

Each mask comes with the same number of seeds, all equally likely; what a run says is any table.
The gap is that of the given supersample, ghost less training error. So are the leave-one-out
tables and the candidates of a slot, where the hidden choice has as many values as there are points.
"""

from typing import Any, NamedTuple

import numpy as np

from ibjax.bounds.falsification.family import Family, Tables, some, spread
from ibjax.bounds.falsification.tables import mutual, sigmoid, softmax, unit, words
from ibjax.typing import Array


class Replicas(NamedTuple):
    """All runs on one supersample, in the form in which replicas are recorded.

    Attributes:
        gap: mean ghost less training error.
        train_error: mean training error.
        test_error: mean error on the ghosts.
        predictions: predicted classes, (1, runs, n, 2).
        losses: 0-1 losses, (1, runs, n, 2).
        masks: the column trained on, (1, runs, n).
        labels: (1, n, 2).
        class_gap: gap on the examples of each class, 0 for one that does not occur, (classes,).
    """

    gap: Array
    train_error: Array
    test_error: Array
    predictions: Array
    losses: Array
    masks: Array
    labels: Array
    class_gap: Array


class LeftOut(NamedTuple):
    """A deterministic learner trained without each of n + 1 points in turn.

    Attributes:
        gap: mean loss at the point left out less that at the n others.
        train_error: mean loss at the others.
        test_error: mean loss at the point left out.
        left_out_losses: 0-1 loss at point j of the learner trained without u, (1, n + 1, n + 1).
    """

    gap: Array
    train_error: Array
    test_error: Array
    left_out_losses: Array


class Candidates(NamedTuple):
    """A slot that holds one of K candidates, uniformly, all other examples fixed.

    Attributes:
        gap: mean loss at the other candidates less that at the one that was used.
        train_error: mean loss at the candidate used.
        test_error: mean loss at the others.
        candidate_information: I(W; which candidate was used), nats.
    """

    gap: Array
    train_error: Array
    test_error: Array
    candidate_information: Array


def families() -> tuple[Family, ...]:
    """Runs on one supersample, points left out, candidates of a slot."""
    return (
        _replicas("replicas, n=2", "every run on two pairs, two seeds", 2, 2, 3),
        _replicas("replicas, n=3", "every run on three pairs", 3, 1, 2),
        _left_out("left out, n=3", "four points, each left out once", 3),
        _candidates("two candidates", "a slot, losses in [0, 1]", 2, False),
        _candidates("two candidates, 0-1", "a slot, losses 0 or 1", 2, True),
        _candidates("three candidates", "a slot, losses in [0, 1]", 3, False),
    )


def _replicas(name: str, summary: str, n: int, seeds: int, classes: int) -> Family:
    masks = np.repeat(words(2, n), seeds, axis=0)
    runs = len(masks)
    trained = masks[:, :, None] == np.arange(2)

    def draw(rng: np.random.Generator, count: int) -> Tables:
        labels = rng.normal(size=(count, n, 2, classes))
        said = rng.normal(size=(count, runs, n, 2, classes))
        # What was trained on is remembered, others guessed, or the reverse, to some degree.
        right = (labels == labels.max(-1, keepdims=True)).astype(float)[:, None]
        for where in (trained, ~trained):
            push = rng.choice([-3.0, -1.0, 0.0, 1.0, 3.0], (count, 1, 1, 1, 1))
            said = said + push * right * where[..., None]
        return {"labels": labels, "said": said}

    def solved(tables: Tables) -> dict[str, Any]:
        labels = np.argmax(tables["labels"], -1)[..., None, :, :]
        said = np.argmax(tables["said"], -1)[..., None, :, :, :]
        losses = (said != labels[..., None, :, :]).astype(int)
        lead = labels.shape[:-3]
        train = np.mean(np.sum(losses * trained, -1), (-3, -2, -1))
        test = np.mean(np.sum(losses * ~trained, -1), (-3, -2, -1))
        signed = losses * np.where(trained, -1, 1)
        member = labels[..., None, :, :, None] == np.arange(classes)
        share = member.mean((-5, -4, -3, -2))
        by_class = (signed[..., None] * member).sum((-3, -2)).mean((-3, -2)) / n
        record = Replicas(
            gap=test - train,
            train_error=train,
            test_error=test,
            predictions=said,
            losses=losses,
            masks=np.broadcast_to(masks, (*lead, 1, *masks.shape)),
            labels=labels,
            class_gap=np.where(share > 0, by_class / np.where(share > 0, share, 1.0), 0.0),
        )
        return record._asdict()

    facts = {"n": n, "sigma": 0.5, "loss_range": 1.0, "num_classes": classes}
    return Family(name, summary, facts, draw, solved)


def _left_out(name: str, summary: str, n: int) -> Family:
    size = n + 1
    out = np.eye(size, dtype=bool)

    def draw(rng: np.random.Generator, count: int) -> Tables:
        losses = rng.normal(size=(count, size, size))
        losses = losses + rng.choice([-3.0, 0.0, 3.0], (count, 1, 1)) * out
        return {"losses": np.where(some(rng, count, 0.5, 1, 1) & ~out, -5.0, losses)}

    def solved(tables: Tables) -> dict[str, Any]:
        losses = (tables["losses"] > 0).astype(int)
        test = np.sum(losses * out, (-2, -1)) / size
        train = np.sum(losses * ~out, (-2, -1)) / (size * n)
        return LeftOut(test - train, train, test, losses[..., None, :, :])._asdict()

    return Family(name, summary, {"n": n, "sigma": 0.5, "loss_range": 1.0}, draw, solved)


def _candidates(name: str, summary: str, k: int, binary: bool) -> Family:
    w = 4

    def draw(rng: np.random.Generator, count: int) -> Tables:
        loss = spread(rng, count, 0.1, 30.0, w, k)
        fit = rng.choice([-1.0, 0.0, 1.0], (count, 1, 1), p=[0.1, 0.3, 0.6])
        fit = fit * spread(rng, count, 0.1, 10.0, 1, 1) ** 2
        logits = spread(rng, count, 0.03, 10.0, k, w) - np.swapaxes(fit * (loss > 0), -1, -2)
        return {"loss": np.clip(loss, -40.0, 40.0), "learner": np.clip(logits, -40.0, 40.0)}

    def solved(tables: Tables) -> dict[str, Any]:
        loss = (tables["loss"] > 0).astype(float) if binary else sigmoid(tables["loss"])
        joint = softmax(tables["learner"]) / k
        train = np.einsum("...jw,...wj->...", joint, loss)
        every = np.einsum("...jw,...wc->...", joint, loss)
        test = (every - train) / (k - 1)
        return Candidates(test - train, unit(train), unit(test), mutual(joint))._asdict()

    facts = {"n": 1, "sigma": 0.5, "loss_range": 1.0, "candidates": k, "binary_loss": binary}
    return Family(name, summary, facts, draw, solved)
