"""A few threads that work through a list, and let go at once when the user breaks off."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from .patience import Stop

__all__ = ["run_all"]

T = TypeVar("T")
_LOOK = 1.0  # seconds: a Ctrl-C that comes just before the waiting begins does not end it
_GRACE = 2.0  # seconds for threads to put their partial files in order after Ctrl-C


def run_all(
    jobs: Sequence[Callable[[], T]],
    *,
    threads: int,
    stop: Stop,
    give_up: Callable[[T], bool],
) -> list[T | None]:
    """Run jobs in threads, and return their results in order.

    Parameters
    ----------
    jobs : sequence of callables
        Each returns its result; what one raises ends all.
    threads : int
        Most jobs at once.
    stop : Stop
        Set when all must end; the jobs look at it.
    give_up : callable
        Is told each result as it comes; true means that no further job is begun.

    Returns
    -------
    list
        None where a job was not begun.
    """
    results: list[T | None] = [None] * len(jobs)
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()
    for index in range(len(jobs)):
        todo.put(index)
    closed = threading.Event()

    def work() -> None:
        while not closed.is_set():
            try:
                index = todo.get_nowait()
            except queue.Empty:
                break
            try:
                done.put((index, jobs[index](), None))
            except BaseException as error:
                done.put((index, None, error))
                break
        done.put((-1, None, None))

    # daemons, because a thread that waits for a silent server must not keep the process alive
    crew = [
        threading.Thread(target=work, name=f"nipype_xnat-{number}", daemon=True)
        for number in range(min(max(1, threads), len(jobs)))
    ]
    try:
        for thread in crew:
            thread.start()
        left = len(crew)
        while left:
            try:
                index, result, error = done.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if index < 0:
                left -= 1
                continue
            results[index] = result
            if result is not None and give_up(result):
                closed.set()
        return results
    except BaseException:
        closed.set()
        stop.set()
        for thread in crew:
            if thread.ident is not None:
                thread.join(_GRACE / len(crew))
        raise
