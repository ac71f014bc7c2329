"""Threads beside the main one: all done at the end, left at once by an interruption."""

import threading

import pytest

from ibjax import threads


def test_all_work_is_done_at_the_end_of_the_block():
    with threads.beside(1) as pool:
        begun = [pool.submit(pow, 2, i) for i in range(20)]
    assert [one.result(0) for one in begun] == [2**i for i in range(20)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_waits_for_nothing_and_begins_nothing(error):
    running, end = threading.Event(), threading.Event()

    def long():
        running.set()
        return end.wait(60)

    try:
        with pytest.raises(error), threads.beside(1) as pool:
            first, second = pool.submit(long), pool.submit(pow, 2, 2)
            running.wait(60)
            raise error
        assert not first.done() and second.cancelled()
    finally:
        end.set()
    assert first.result(60)
