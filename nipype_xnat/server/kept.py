"""Short tables that are answered again, without asking the database, until it is changed."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Response

from nipype_xnat.archive.people import Person
from nipype_xnat.archive.storage.database import Database
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call

_MANY = 256


class Kept:
    """The answers that hold for the present state of an archive.

    Parameters
    ----------
    database : Database
        The only thing that these answers are made of, besides the question and who asks.
    """

    def __init__(self, database: Database):
        self._database = database
        self._state = database.state
        self._held: dict[tuple[Any, ...], tuple[bytes, str]] = {}
        self._lock = threading.Lock()

    def answer(self, call: Call, make: Callable[[Call], Response]) -> Response:
        """Answer with what is kept, or with what is made, and keep it if it is a short table."""
        # read before the answer is made: what is changed meanwhile makes it old
        state = self._database.state
        key = _key(call.person, call.request.environ)
        found = self._look(key, state)
        if found is not None:
            body, kind = found
            return answers.Rows.of([body], kind)
        response = make(call)
        if isinstance(response, answers.Rows):
            pieces: Iterator[Any] = iter(response.response)
            begin = list(itertools.islice(pieces, 2))
            if len(begin) > 1:
                response.response = itertools.chain(begin, pieces)
            elif begin:
                response.response = begin
                self._keep(state, key, begin[0], response.headers["Content-Type"])
        return response

    def known(self, person: Person, environ: Mapping[str, Any]) -> tuple[bytes, str] | None:
        """Give the body and the content type that are kept for a plain GET, if any are."""
        return self._look(_key(person, environ), self._database.state)

    def _look(self, key: tuple[Any, ...], state: int) -> tuple[bytes, str] | None:
        with self._lock:
            if state != self._state:
                self._held.clear()
                self._state = state
            return self._held.get(key)

    def _keep(self, state: int, key: tuple[Any, ...], body: Any, kind: str) -> None:
        with self._lock:
            if state == self._state:
                while len(self._held) >= _MANY:
                    del self._held[next(iter(self._held))]
                self._held[key] = (body, kind)


def _key(person: Person, environ: Mapping[str, Any]) -> tuple[Any, ...]:
    # the address as it was sent: nothing has to be taken apart to find an answer again
    return person, environ["REQUEST_URI"], environ.get("HTTP_ACCEPT")


def kept(handler: Callable[[Call], Response]) -> Callable[[Call], Response]:
    """Let the tables of a handler be kept: they are made of the database and the question."""

    @functools.wraps(handler)
    def answer(call: Call) -> Response:
        plain = call.method == call.request.method == "GET" and not call.request.content_length
        if call.kept is None or not plain or "REQUEST_URI" not in call.request.environ:
            return handler(call)
        return call.kept.answer(call, handler)

    return answer
