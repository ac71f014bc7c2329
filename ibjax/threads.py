"""Threads beside the main one, which an interruption does not wait for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def beside(count: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Threads for work beside that of the caller, all of it done at the end of the block.

    An error or an interruption leaves the block at once: what has begun, such as a program that
    XLA compiles, ends by itself, and what has not never begins.

    Args:
        count: how many threads; by default as `concurrent.futures` has it.
    """
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
