"""Tables and pictures of what reproductions stored: functions of the file alone."""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import xarray


class View(NamedTuple):
    """A table for the terminal and a picture."""

    table: Any
    figure: Any


def views() -> "dict[str, Callable[[xarray.Dataset], View]]":
    """How the files of reproductions are shown, by what they say they hold."""
    from ibjax.reproduce.fcmi import mnist as fcmi_mnist
    from ibjax.reproduce.fcmi import mnist_langevin as fcmi_mnist_langevin
    from ibjax.reproduce.posteriors import compression_view
    from ibjax.reproduce.teacher import kept_view as information_view
    from ibjax.reproduce.teacher import view as teacher_view
    from ibjax.reproduce.width import extensive as extensive_width
    from ibjax.reproduce.width import finite_view as finite_width_view

    return {
        "fcmi-mnist": lambda found: View(*fcmi_mnist.view(found)),
        "fcmi-mnist-langevin": lambda found: View(*fcmi_mnist_langevin.view(found)),
        "compression": _both(compression_view),
        "extensive width": _both(extensive_width),
        "finite width": _both(finite_width_view),
        "information kept": _both(information_view),
        "teacher-student": _both(teacher_view),
    }


def view(found: "xarray.Dataset") -> View | None:
    """Table and picture of a stored data set; None if it is of no reproduction shown here.

    Raises:
        ValueError: if the data set lacks what its reproduction stores.
    """
    from ibjax.reproduce.fcmi import file as fcmi_file

    name = fcmi_file.name_of(found) or str(found.attrs.get("what"))
    shown = views().get(name)
    if shown is None:
        return None
    try:
        return shown(found)
    except KeyError as error:
        raise ValueError(
            f"a file of {name} that lacks {error}; run the reproduction again"
        ) from error


def _both(module: ModuleType) -> "Callable[[xarray.Dataset], View]":
    return lambda found: View(module.table(found), module.figure(found))
