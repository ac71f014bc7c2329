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
