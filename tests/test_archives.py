"""Arrays that people give: numbers are read as they are, everything else is one clear line."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax import archives
from ibjax.cli import main


def both(tmp_path, array):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=array)
    return (archives.array, tmp_path / "a.npy"), (archives.archive, tmp_path / "a.npz")


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", ">i4", "u8", "<f4", ">f4", ">f8", "f2", ">f2"])
def test_numbers_in_either_byte_order_and_half_precision(tmp_path, dtype):
    array = (np.random.default_rng(0).random((4, 5)) * 9).astype(dtype)
    for layout in (array, np.asfortranarray(array), array[0, 0]):
        for read, path in both(tmp_path, layout):
            found = read(path)
            found = found["a"] if isinstance(found, dict) else found
            np.testing.assert_array_equal(found, layout)
            assert (found.dtype.isnative and found.dtype.itemsize != 2) or found.dtype.kind != "f"


REFUSED = {
    "complex": np.zeros(3, complex),
    "longdouble": np.zeros(3, np.longdouble),
    "void": np.zeros(3, "V8"),
    "structured": np.zeros(3, [("x", "f4")]),
    "text": np.array(["a"]),
    "dates": np.zeros(3, "M8[s]"),
    "empty": np.zeros((3, 0)),
    "objects": np.array([{}]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_array_of_numbers(tmp_path, what):
    for read, path in both(tmp_path, REFUSED[what]):
        with pytest.raises(ValueError, match=rf"{path.name}: not a \.np[yz] ar[a-z]+ of numbers"):
            read(path)


def header(shape, dtype="<f8", text=None):
    stream = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
    if text is None:
        return stream.getvalue()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


HEADERS = {
    "negative": header((-3, 2)),
    "truth for a size": header((True, 2)),
    "beyond 64 bits": header((2**62, 2**62)),
    "a product that wraps to nothing": header((2**32, 2**32)),
    "a thousand axes": header((1,) * 1000),
    "an unknown type": header(
        (2,), text=b"{'descr': 'zz', 'fortran_order': False, 'shape': (2,)}\n"
    ),
    "no literal": header((2,), text=b"{'descr': open('x')}\n"),
    "deep": header((2,), text=b"(" * 9000 + b"\n"),
    "endless": header((2,), text=b"9" * 60_000),
    "not closed": header((2,), text=b"{'descr': '<f8', \n"),
    "another version": b"\x93NUMPY\x09\x00" + header((2,))[8:],
    "nothing": b"",
    "cut": header((2,))[:20],
    "more promised than there": header((20,)) + b"\0" * 159,
}


@pytest.mark.parametrize("what", HEADERS)
def test_headers_that_lie(tmp_path, what):
    path, packed = tmp_path / "a.npy", tmp_path / "a.npz"
    path.write_bytes(HEADERS[what])
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.npy", HEADERS[what])
    for read, place in ((archives.array, path), (archives.archive, packed)):
        with pytest.raises(ValueError, match="of numbers") as refused:
            read(place)
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 600


def test_nothing_large_is_made_before_it_is_refused(tmp_path, monkeypatch):
    """Kilobytes that unfold to megabytes, and arrays beyond the memory that is left."""
    monkeypatch.setattr(archives, "_DENSE", 2**24)
    zeros = zipfile.ZipInfo("a.npy")
    zeros.compress_type = zipfile.ZIP_DEFLATED
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open(zeros, "w", force_zip64=True) as out:
        out.write(header((2**22,), "<f8"))
        for _ in range(2**25 // 2**22):
            out.write(bytes(2**22))
    made = []
    monkeypatch.setattr(archives.np, "empty", lambda *a, **k: made.append(a))
    with pytest.raises(ValueError, match="save it uncompressed"):
        archives.archive(path)
    monkeypatch.setattr(archives, "available_memory", lambda: 2**20)
    np.save(tmp_path / "b.npy", np.ones(2**18 // 8 + 1))
    with pytest.raises(ValueError, match="256 KiB would fit"):
        archives.array(tmp_path / "b.npy")
    assert not made


def test_archives_that_are_not_what_they_seem(tmp_path):
    path = tmp_path / "a.npz"

    def refuses(words):
        with pytest.raises(ValueError, match=words):
            archives.archive(path)

    np.savez(path, a=np.ones(9))
    whole = path.read_bytes()
    encrypted = bytearray(whole)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[whole.index(signature) + offset] |= 1
    path.write_bytes(encrypted)
    refuses("encrypted")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refuses("'readme.txt' is no array")
    with zipfile.ZipFile(path, "w"):
        pass
    refuses("no array")
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("a.npy", header((1,)) + bytes(8))
    refuses("twice")
    np.save(path.with_suffix(".npy"), np.ones(3))
    path.with_suffix(".npy").rename(path)
    refuses("not a zip file")
    with pytest.raises(IsADirectoryError, match="folder"):
        archives.archive(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_flipped_bit_of_an_archive_passes(tmp_path, save):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    save(path, mask=rng.integers(0, 2, (3, 8)), losses=rng.random((3, 8, 2)))
    whole, arrays = path.read_bytes(), archives.archive(path)
    for _ in range(400):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            found = archives.archive(path)
        except ValueError as refused:
            assert "a.npz" in str(refused) and "\n" not in str(refused)
        else:  # a date or an attribute of a member
            assert found.keys() == arrays.keys()
            for name, array in arrays.items():
                np.testing.assert_array_equal(found[name], array)
                assert found[name].dtype == array.dtype


@given(data=st.data())
def test_archives_of_any_arrays_end_in_one_line(tmp_path_factory, data):
    """What `ibjax bounds` says of arrays of odd types, shapes and values."""
    kinds = st.sampled_from(["f8", ">f4", "f2", "i8", "?", "u1", "c8", "U2", "M8[s]", "g"])
    shape = st.lists(st.integers(0, 4), max_size=4).map(tuple)
    names = st.sampled_from(["mask", "losses", "predictions", "labels", "dim", "odd"])
    arrays = {
        name: np.full(data.draw(shape), data.draw(st.integers(-2, 2))).astype(data.draw(kinds))
        for name in data.draw(st.lists(names, unique=True, max_size=4))
    }
    path = tmp_path_factory.mktemp("any") / "a.npz"
    np.savez(path, **arrays)
    assert main(["bounds", str(path)]) in (0, 2)


def test_one_word_is_read_and_text_in_an_array_is_not(tmp_path):
    path = tmp_path / "words.npz"
    np.savez(path, batching="poisson", x=np.ones(2))
    assert archives.archive(path)["batching"].item() == "poisson"
    for words in (np.array(["a", "b"]), np.array("a" * 65)):
        np.savez(path, words=words)
        with pytest.raises(ValueError, match=r"its type <U\d+ is not read"):
            archives.archive(path)
