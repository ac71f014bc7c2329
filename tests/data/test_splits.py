"""The split language beside that of TFDS, on generated expressions."""

from types import SimpleNamespace

import numpy as np
import pytest

from ibjax.data import splits

SIZES = {"train": 97, "test": 8, "tiny_2": 1}


def generated(count=300):
    """Slices by number and per cent, negative, open, out of range and empty; sums of them."""
    stream = np.random.default_rng(0)
    ends = ("", *map(str, (0, 1, 3, 8, 96, 97, 98, 500, -1, -3, -97, -98, -500)))
    shares = (
        "",
        *(f"{share}%" for share in (0, 1, 7, 33, 37.5, 50, 66, 99, 100, -1, -25, -0.5, -100)),
    )

    def term():
        name = stream.choice(list(SIZES))
        if stream.random() < 0.15:
            return name
        first, second = (ends if stream.random() < 0.5 else shares for _ in range(2))
        return f"{name}[{stream.choice(first)}:{stream.choice(second)}]"

    sums = stream.choice(["+", " + "], count)
    return [s.join(term() for _ in range(stream.integers(1, 4))) for s in sums]


def ours(text):
    try:
        return [tuple(piece) for piece in splits.parse(text, SIZES, name="made up")]
    except ValueError as error:
        assert text in str(error)
        return str(error)


def test_pieces_are_those_of_read_instruction_wherever_it_has_some():
    core = pytest.importorskip("tensorflow_datasets", reason="TFDS is not installed").core
    infos = {name: SimpleNamespace(num_examples=size) for name, size in SIZES.items()}
    outcomes = {"alike": 0, "empty": 0, "cut": 0}
    for text in generated():
        found = ours(text)
        try:
            theirs = core.ReadInstruction.from_spec(text).to_absolute(infos)
        except ValueError:
            # Beyond the ends: cut as a list would be, unless nothing is left.
            assert isinstance(found, list) or "is empty" in found or "per cent" in found, text
            outcomes["cut"] += 1
            continue
        whole = [(t.splitname, t.from_ or 0, t.to) for t in theirs]
        whole = [(s, a, SIZES[s] if b is None else b) for s, a, b in whole]
        if any(b <= a for _, a, b in whole):
            assert "is empty" in found, text
            outcomes["empty"] += 1
        else:
            assert found == whole, text
            outcomes["alike"] += 1
    assert min(outcomes.values()) > 40, outcomes


def test_a_slice_is_that_of_a_list():
    for first, last in ((None, 500), (-500, 3), (-3, None), (96, 98), (3, -1)):
        rows = list(range(97))[first:last]
        text = f"train[{'' if first is None else first}:{'' if last is None else last}]"
        assert ours(text) == [("train", rows[0], rows[-1] + 1)]
    assert ours("train[150:]+test").endswith("is empty: 'train' has 97 examples")
    for text in ("train[150%:]+test", "train[2%:50]+train[:-101%]", "test[2%:250]"):
        assert "both ends are per cent" in ours(text), text
    assert ours("test[1:50%]") == [("test", 0, 4)]  # one per cent of 8 examples


@pytest.mark.parametrize(
    "text",
    ["", "train+", "other", "train[5]", "train[1:2:3]", "train[:2shard]", "train[:0.5]", "all"],
)
def test_what_is_no_expression_is_refused(text):
    assert "use one of ['test', 'tiny_2', 'train']" in ours(text)
