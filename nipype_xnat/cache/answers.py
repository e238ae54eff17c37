"""Answers about metadata, remembered for a moment.

A script that asks for a subject's label, then for its sessions, then for the label again, asks the
archive once. Each process remembers for itself, and for the account that asked; a change that this
process sends makes it forget what it knows of that archive.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import NotInCache
from ..transport import Answer, Around, Request, Transport
from ..transport.lifetime import watch_forks
from .policy import Kept, Mode, Use, for_answer

__all__ = ["RememberingTransport"]

_LARGEST = 1 << 20  # bytes of an answer: what is larger is streamed past
_ALL = 32 << 20  # bytes of all answers
_TABLES = frozenset({"json", "csv", "xml", "text"})
_READING = frozenset({"GET", "HEAD"})
# what a GET issues or renews, and what the engine searches, is no metadata
_NEVER = frozenset(
    {
        ("data", "JSESSION"),
        ("data", "services"),
        ("data", "auth"),
        ("xapi", "auth"),
        ("data", "search"),
    }
)


@dataclass(frozen=True)
class _Remembered:
    status: int
    headers: dict[str, str]
    body: bytes
    since: float
    changes: int


class _Changes:
    """Counts what this process changed, by archive: no answer from before is used after."""

    def __init__(self) -> None:
        self.after_fork()
        watch_forks(self)

    def after_fork(self) -> None:
        """Start anew: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def of(self, server: str) -> int:
        """Return how many changes of an archive began or ended here."""
        with self._lock:
            return self._counts.get(server, 0)

    def add(self, server: str) -> None:
        """Note that a change begins or ends."""
        with self._lock:
            self._counts[server] = self._counts.get(server, 0) + 1


_changes = _Changes()


class RememberingTransport(Around):
    """A transport that keeps the answers of another one for a while.

    Only whole answers to plain questions are kept, and only small ones: files and large tables are
    streamed past. Of several connections of a process to one archive, a change sent through one
    makes all forget.

    Parameters
    ----------
    inner : Transport
    age : float
        Seconds for which an answer is used again; 0 keeps none.
    mode : Mode
        How far the archive is asked.
    clock : callable
        Seconds that never go back, whatever the clock of the machine does.
    """

    def __init__(
        self,
        inner: Transport,
        age: float = 1.0,
        mode: Mode = Mode.ONLINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self.age = age
        self.mode = mode
        self._clock = clock
        self.after_fork()
        watch_forks(self)

    def after_fork(self) -> None:
        """Forget everything: each process remembers for itself."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], _Remembered] = OrderedDict()
        self._bytes = 0

    def send(self, request: Request) -> Answer:
        """Answer from memory or send a request; see :class:`Transport`.

        Raises
        ------
        NotInCache
            If the archive is not to be asked.
        """
        plain = request.method == "GET" and request.expect in _TABLES and not request.headers
        if plain and request.address.segments[:2] not in _NEVER:
            return self._question(request)
        if self.mode is Mode.OFFLINE:
            raise self._refusal(request)
        if request.method in _READING or _only_asks(request):
            return self.inner.send(request)
        # what is asked while a change is on its way may be answered from before it or after it
        _changes.add(self.server)
        try:
            return self.inner.send(request)
        finally:
            _changes.add(self.server)

    def close(self) -> None:
        """Forget everything, and close the inner transport."""
        self._forget()
        self.inner.close()

    def _forget(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _question(self, request: Request) -> Answer:
        key = (str(request.address), request.expect)
        changes = _changes.of(self.server)
        found, old = self._find(key, changes)
        kept = Kept.NOTHING
        if found is not None:
            kept = Kept.FRESH if old < self.age else Kept.STALE
        use = for_answer(self.mode, kept)
        if use is Use.REFUSE:
            raise self._refusal(request)
        if found is not None and use is Use.KEPT and not request.fresh:
            return Answer(
                request,
                found.status,
                found.headers,
                iter([found.body]),
                server=self.server,
                from_cache=True,
                age=old,
            )
        answer = self.inner.send(request)
        if answer.status != 200 or not self._keeps():
            return answer
        return self._listening(answer, key, self._clock(), changes)

    def _keeps(self) -> bool:
        return self.mode is not Mode.REVALIDATE and (
            self.age > 0 or self.mode is Mode.PREFER_CACHED
        )

    def _find(self, key: tuple[str, str], changes: int) -> tuple[_Remembered | None, float]:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None, 0.0
            if found.changes != changes:
                self._drop(key)
                return None, 0.0
            self._kept.move_to_end(key)
            return found, self._clock() - found.since

    def _drop(self, key: tuple[str, str]) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= len(found.body)

    def _listening(
        self, answer: Answer, key: tuple[str, str], since: float, changes: int
    ) -> Answer:
        """Return an answer that is remembered if it is read to its end and small."""

        def chunks() -> Iterator[bytes]:
            held: list[bytes] | None = []
            size = 0
            for chunk in answer.stream():
                if held is not None:
                    size += len(chunk)
                    held.append(chunk)
                    if size > _LARGEST:
                        held = None
                yield chunk
            if held is not None:
                body = b"".join(held)
                self._remember(
                    key, _Remembered(answer.status, answer.headers, body, since, changes)
                )

        heard = Answer(
            answer.request,
            answer.status,
            answer.headers,
            chunks(),
            server=answer.server,
            close=answer.close,
            from_cache=answer.from_cache,
            age=answer.age,
        )
        heard.retries = answer.retries
        return heard

    def _remember(self, key: tuple[str, str], remembered: _Remembered) -> None:
        with self._lock:
            self._drop(key)
            self._kept[key] = remembered
            self._bytes += len(remembered.body)
            while self._bytes > _ALL:
                self._drop(next(iter(self._kept)))

    def _refusal(self, request: Request) -> NotInCache:
        return NotInCache(
            "working offline: the archive is not asked",
            server=self.server,
            asked=request.asked,
            advice="work with a mirror that holds it, or set cache_mode to 'online'",
        )

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_lock", "_kept", "_bytes"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.after_fork()
        watch_forks(self)


def _only_asks(request: Request) -> bool:
    """Tell whether a POST is a question: a search is sent as a document."""
    return request.method == "POST" and request.address.segments == ("data", "search")
