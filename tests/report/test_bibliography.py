"""Every paper a bound is from has an entry, and every entry is whole."""

from ibjax import bounds, report


def test_every_registered_reference_has_an_entry():
    known = report.entries()
    for row in bounds.registry().values():
        assert row.reference in known, f"{row.name}: add {row.reference} to references.bib"


def test_every_entry_is_whole():
    known = report.entries()
    assert len(known) >= 9
    for key, entry in known.items():
        assert entry.count("{") == entry.count("}"), key
        assert all(f"{field} " in entry for field in ("author", "title", "year")), key
        assert key[-4:] in entry, key
