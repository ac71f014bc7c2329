"""Tables and pictures of what reproductions stored: functions of the file alone."""

import xarray

from ibjax import files
from ibjax.reproduce.outcome import MARK, View, jsoned

_BEFORE = {
    "compression": "compression-mnist",
    "extensive width": "extensive-width",
    "finite width": "finite-width",
    "information kept": "information-kept",
    "teacher-student": "teacher-student",
}
"""What files of earlier versions say that they hold, under ``what``."""

_CELLS = {
    "fcmi-mnist-langevin": {"noise", "train_size", "pool"},
    "fcmi-mnist": {"variant", "train_size", "pool"},
    "certified-mnist": {"budget", "learning_rate", "batch_size"},
    "linear-classifier": {"separation", "classes", "sklearn"},
}
"""What the settings of a part of a reproduction hold, which others have not."""


def name_of(found: xarray.Dataset) -> str | None:
    """Which reproduction wrote a data set; None for one of another origin.

    Files of earlier versions, which do not name it, are told by their attributes.

    Raises:
        ValueError: if attributes that should tell cannot be read.
    """
    about = found.attrs
    if MARK in about:
        return str(about[MARK])
    if about.get("what") in _BEFORE:
        return _BEFORE[about["what"]]
    if "f_CMI" in found and "options" in about:
        return "fcmi-mnist-langevin" if "noise" in jsoned(about, "options") else "fcmi-mnist"
    try:
        given = set(jsoned(about, "settings"))
    except ValueError:  # of another program, which means something else by them
        return None
    return next((name for name, keys in _CELLS.items() if keys <= given), None)


def view(found: xarray.Dataset) -> View | None:
    """Table and picture of a stored data set; None if no reproduction wrote it.

    Raises:
        ValueError: if the data set lacks what its reproduction stores, or holds something else.
    """
    from ibjax.reproduce import reproductions

    name = name_of(found)
    row = reproductions().get(str(name))
    if row is None or row.view is None:
        return None
    with files.shown_from(str(name), "run the reproduction again"):
        return row.view(found)
