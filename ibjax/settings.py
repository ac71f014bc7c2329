"""The types of the settings of a sweep, which files and programs may give as they like."""

import os
from typing import Any

import numpy as np

from ibjax import arguments
from ibjax.interface import Dataset
from ibjax.signatures import refuse


def check_types(experiment: Any) -> None:
    """Refuse settings of a type that they do not have, as text in the place of a truth value.

    Raises:
        ValueError: naming the setting.
    """
    for name in ("download", "maxent"):
        refuse(name, bool, getattr(experiment, name))
    if not isinstance(experiment.dataset, str | Dataset):
        given = arguments.short(experiment.dataset)
        raise ValueError(f"dataset={given} must be a name, a .npz file or a Dataset")
    for name in ("activation", "data_dir", "batching"):
        value = getattr(experiment, name)
        texts = str | os.PathLike if name == "data_dir" else str
        if not isinstance(value, texts) and (value is not None or name == "activation"):
            raise ValueError(f"{name}={arguments.short(value)} must be text")
    chosen = experiment.classes
    if chosen is None:
        return
    groups = chosen if isinstance(chosen, tuple) else (None,)
    for label in (one for g in groups for one in (g if isinstance(g, tuple) else (g,))):
        if isinstance(label, bool | np.bool_) or not isinstance(label, int | np.integer):
            raise ValueError(
                f"classes={arguments.short(chosen)} must be labels, whole numbers, or groups of "
                "them: [4, 9] or [[0, 2], [1, 3]]"
            )
