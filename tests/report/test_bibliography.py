"""Every paper a bound is from has an entry, and every entry is whole."""

import numpy as np
import xarray

from ibjax import bounds, report


def test_every_registered_reference_has_an_entry():
    known = report.entries()
    for row in bounds.registry().values():
        for key in row.reference.split():
            assert key in known, f"{row.name}: add {key} to references.bib"


def test_a_bound_named_after_its_paper_prints_it():
    axes = {"bound_name": ["xu_raginsky", "depth", "single_loss"]}
    shown = xarray.Dataset({"bound_value": ("bound_name", [0.1, 0.2, np.nan])}, axes)
    printed = report.bibliography(shown)
    for key in ("xu2017", "pensia2018", "zhang2018", "he2025"):
        assert printed.count(f"{{{key},") == 1
    assert "wang2023" not in printed


def test_every_entry_is_whole():
    known = report.entries()
    assert len(known) >= 9
    for key, entry in known.items():
        assert entry.count("{") == entry.count("}"), key
        assert all(f"{field} " in entry for field in ("author", "title", "year")), key
        assert key[-4:] in entry, key
