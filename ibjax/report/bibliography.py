"""The papers a results file stands on, as BibTeX."""

import re
from collections.abc import Sequence
from importlib import resources

import xarray


def entries() -> dict[str, str]:
    """Every BibTeX entry of the library by key."""
    text = (resources.files("ibjax.report") / "references.bib").read_text()
    return {key: entry.strip() for entry, key in re.findall(r"(?ms)^(@\w+\{([^,]+),.*?^\})", text)}


def bibliography(dataset: xarray.Dataset, names: Sequence[str] | None = None) -> str:
    """BibTeX entries of the bounds a results file holds values of.

    Args:
        dataset: a results file, see `results.read`.
        names: of which bounds; all by default.
    """
    import numpy as np

    from ibjax.bounds import registry

    shown = [
        name
        for name in dataset["bound_name"].values.tolist()
        if (names is None or name in names)
        and np.isfinite(dataset["bound_value"].sel(bound_name=name)).any()
    ]
    rows = (row for name, row in registry().items() if name in shown)
    keys = {key for row in rows for key in row.reference.split()}
    known = entries()
    return "\n\n".join(known[key] for key in sorted(keys)) + "\n"
