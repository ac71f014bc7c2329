"""Sentences about mistakes that are common in files of losses and masks."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

_SURE = 4.0
"""Standard errors beyond which a test loss below the training loss is no chance."""


def close_name(name: str, known: Iterable[str]) -> str:
    """``": did you mean 'mask'?"``, or nothing where no known name is close."""
    found = difflib.get_close_matches(name.lower(), list(known), 1, 0.7)
    return f": did you mean {found[0]!r}?" if found else ""


def shifted(predictions: Any, labels: Any) -> tuple[str, ...]:
    """What to look at where predictions seem to count classes from another number than labels do.

    Args:
        predictions: classes, (..., n, 2); negative ones are of diverged replicas.
        labels: classes, of a shape that fits them.
    """
    shown, true = np.asarray(predictions), np.asarray(labels)
    there = (shown >= 0) & (true >= 0)
    if not there.any():
        return ()
    by = int(true.min()) - int(shown[shown >= 0].min())
    if abs(by) != 1 or int(true.max()) - int(shown.max()) != by:
        return ()
    given, moved = (float(np.mean(one != true, where=there)) for one in (shown, shown + by))
    if not moved < given:
        return ()
    first, other = ("labels", "predictions") if by > 0 else ("predictions", "labels")
    return (
        f"{first} reach from {int(max(true.min(), shown[shown >= 0].min()))} and {other} from 0: "
        f"if {first} count the classes from 1 take 1 off, and {moved:.3g} are wrong in the place "
        f"of {given:.3g}",
    )


def backwards(
    trained: Any, left_out: Any, *, losses: str = "losses", masks: str = "masks"
) -> tuple[str, ...]:
    """What to look at where the test loss lies below the training loss by more than chance.

    Args:
        trained: mean loss of each replica on what it was trained on, any shape; NaN is left out.
        left_out: the same on what it was not.
        losses: what the losses are called.
        masks: what the masks are called.
    """
    train, test = np.asarray(trained, float).ravel(), np.asarray(left_out, float).ravel()
    both = np.isfinite(train) & np.isfinite(test)
    gap = test[both] - train[both]
    if len(gap) < 2 or gap.mean() + _SURE * gap.std(ddof=1) / np.sqrt(len(gap)) >= 0:
        return ()
    right = f"{losses} hold correctness (1 for a right answer): give 1 - {losses}"
    turned = f"{masks} name what was held out: give 1 - {masks}"
    likely = (right, turned) if train[both].mean() > 0.5 else (turned, right)
    return (
        f"the test loss {test[both].mean():.3g} is below the training loss "
        f"{train[both].mean():.3g}: perhaps {likely[0]}; or {likely[1]}",
    )
