"""Nipype's MultiProc for a program that a person runs, stops and runs again.

Nipype's own plugin waits for ever for a worker that died or whose answer cannot be read, leaves
workers behind when the program is killed, and answers Ctrl-C with a traceback from each process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import util
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins import multiproc

_PATIENCE = 5.0  # seconds in which workers may log out


class MultiProcPlugin(multiproc.MultiProcPlugin):  # type: ignore[misc]
    """MultiProc whose jobs all come to an end.

    Parameters
    ----------
    plugin_args : dict
        As Nipype's own.
    check : callable
        Called again and again while jobs run; may raise to stop them.
    """

    def __init__(self, plugin_args: dict[str, Any], check: Callable[[], object]) -> None:
        super().__init__(plugin_args=plugin_args)
        self._check = check
        self.pool: Any
        self.pool.shutdown()  # no process has been started for it
        self.pool = ProcessPoolExecutor(
            self.processors,
            mp_context=multiprocessing.get_context(self.plugin_args.get("mp_context")),
            initializer=_begin,
            initargs=(self._cwd,),
        )

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid += 1
        task: int = self._taskid
        if getattr(node.interface, "terminal_output", "") == "stream":
            node.interface.terminal_output = "allatonce"
        future: Future[Any]
        try:
            future = self.pool.submit(multiproc.run_node, node, updatehash, task)
        except BrokenProcessPool as error:  # a worker died just now
            future = Future()
            future.set_exception(error)
        self._task_obj[task] = future
        future.add_done_callback(partial(self._ended, task))
        return task

    def _ended(self, task: int, future: Future[Any]) -> None:
        try:
            self._taskresult[task] = future.result()
        except BaseException as error:
            # a worker that died, or failed even to say how its node failed
            lines = format_exception(type(error), error, error.__traceback__)
            self._taskresult[task] = {"result": None, "traceback": lines, "taskid": task}

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        self._check()
        super()._send_procs_to_workers(updatehash=updatehash, graph=graph)

    def stop(self) -> None:
        """End all workers and what they run."""
        workers = list((getattr(self.pool, "_processes", None) or {}).values())
        self.pool.shutdown(wait=False, cancel_futures=True)
        try:
            for worker in workers:
                with contextlib.suppress(OSError):
                    worker.terminate()
            end = time.monotonic() + _PATIENCE
            for worker in workers:
                worker.join(max(0.0, end - time.monotonic()))
        finally:
            for worker in workers:
                with contextlib.suppress(OSError):
                    os.killpg(worker.pid, signal.SIGKILL)


def _begin(folder: str) -> None:
    """Prepare a worker: Ctrl-C is for the program alone, and no worker outlives it."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=_leave, daemon=True).start())
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    multiproc.process_initializer(folder)


def _leave() -> None:
    try:
        util._run_finalizers(0)  # type: ignore[attr-defined]  # log out
    finally:
        os.killpg(0, signal.SIGKILL)


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.3)
    os.killpg(0, signal.SIGKILL)
