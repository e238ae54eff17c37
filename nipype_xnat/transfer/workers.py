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
        Is told each result as it comes, one at a time, in the thread of its job; true means that
        no further job is begun.

    Returns
    -------
    list
        None where a job was not begun.
    """
    results: list[T | None] = [None] * len(jobs)
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for index in range(len(jobs)):
        todo.put(index)
    closed = threading.Event()
    telling = threading.Lock()

    def work() -> None:
        try:
            while not closed.is_set():
                try:
                    index = todo.get_nowait()
                except queue.Empty:
                    break
                result = results[index] = jobs[index]()
                # here, and not in the thread that waits: to wake it for each job costs more
                with telling:
                    if give_up(result):
                        closed.set()
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

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
                error = ended.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            left -= 1
        return results
    except BaseException:
        closed.set()
        stop.set()
        for thread in crew:
            if thread.ident is not None:
                thread.join(_GRACE / len(crew))
        raise
