"""Tables and pictures of what reproductions stored: functions of the file alone."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import xarray


class View(NamedTuple):
    """A table for the terminal and a picture."""

    table: Any
    figure: Any


def views() -> "dict[str, Callable[[xarray.Dataset], View]]":
    """The reproductions whose files can be shown, by name."""
    from ibjax.reproduce import fcmi_mnist, fcmi_mnist_langevin

    return {
        "fcmi-mnist": lambda found: View(*fcmi_mnist.view(found)),
        "fcmi-mnist-langevin": lambda found: View(*fcmi_mnist_langevin.view(found)),
    }


def view(found: "xarray.Dataset") -> View | None:
    """Table and picture of a stored data set; None if it is of no reproduction shown here.

    Raises:
        ValueError: if the data set lacks what its reproduction stores.
    """
    from ibjax.reproduce import fcmi_file

    shown = views().get(fcmi_file.name_of(found) or "")
    return None if shown is None else shown(found)
