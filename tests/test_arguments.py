"""Arguments as arrays: the numbers given, and theirs alone."""

import numpy as np
import pytest

from ibjax import arguments


def test_what_the_caller_writes_later_is_not_read(dtype):
    size = 1 << 16
    given = np.zeros(size + 64, dtype)
    # At such an address JAX would go on to read the caller's memory instead of a copy.
    start = -given.ctypes.data % 64 // given.itemsize
    given = given[start : start + size]
    taken = arguments.numeric("given", given)
    given[0] = 99
    assert taken[0] == 0 and taken.dtype == dtype


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint32, np.float16, np.float32, np.int64])
def test_arrays_of_any_kind_keep_their_numbers(x64, kind):
    given = np.arange(6).reshape(2, 3)[:, ::2].astype(kind)
    taken = arguments.numeric("given", given)
    assert taken.dtype == kind
    np.testing.assert_array_equal(taken, given)


@pytest.mark.parametrize("value", [True, False, np.True_, 2.0, "2", None, np.ones(2, int)])
def test_what_counts_nothing_is_no_count(value):
    with pytest.raises(ValueError, match="count="):
        arguments.whole("count", value, 0)


def test_an_order_of_bytes_that_jax_has_not_is_refused():
    with pytest.raises(ValueError, match="given="):
        arguments.numeric("given", np.arange(3.0).astype(">f8"))
