"""Recording what crosses the seam: for logging, and as a file that a browser's network tools open.

Bodies are never recorded, only their sizes; secrets are masked where a call is written down.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Any

from .._version import __version__
from ..address import Address
from ..errors import XNATError
from .request import Answer, Around, Request, Transport

__all__ = ["Call", "Recorder", "TracingTransport", "masked"]

log = logging.getLogger("nipype_xnat.trace")

_MASK = "***"
_SECRET = re.compile(r"password|secret|token|csrf|session_?id|authorization|cookie", re.IGNORECASE)
_SESSION = re.compile(r"(jsessionid=)[^;&\s]+", re.IGNORECASE)


@dataclass
class Call:
    """One request and what came of it.

    Parameters
    ----------
    method : str
    server : str
    address : Address
        Without secrets.
    started : datetime
    status : int
        0 while there is no answer, or where none came.
    sent, received : int
        Bytes of the bodies.
    waited, seconds : float
        Until the answer began, and until its body was read.
    retries : int
        How often it was sent again.
    from_cache : bool
        Whether no body had to come: the cache held it.
    age : float
        Seconds since the server gave the answer.
    error : str
        The name of the error that was raised, if one was.
    request_headers, answer_headers : dict
        Without secrets.
    """

    method: str
    server: str
    address: Address
    started: datetime
    status: int = 0
    sent: int = 0
    received: int = 0
    waited: float = 0.0
    seconds: float = 0.0
    retries: int = 0
    from_cache: bool = False
    age: float = 0.0
    error: str = ""
    request_headers: dict[str, str] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        text = f"{self.method} {self.address} -> {self.status or self.error}"
        text += f", {self.received} bytes in {1000 * self.seconds:.0f} ms"
        if self.sent:
            text += f", {self.sent} sent"
        if self.retries:
            text += f", sent again {self.retries} times"
        if self.from_cache:
            text += ", from cache" + (f", {self.age:.1f} s old" if self.age else "")
        return text

    def to_har(self) -> dict[str, Any]:
        """Return the call as an entry of a HAR file, version 1.2."""
        length = int(self.answer_headers.get("content-length") or self.received)
        redirect = self.answer_headers.get("location", "")
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = self.error
        return {
            "startedDateTime": self.started.isoformat(),
            "time": 1000 * self.seconds,
            "request": {
                "method": self.method,
                "url": f"{self.server}{self.address}",
                "httpVersion": "HTTP/1.1",
                "cookies": [],
                "headers": _pairs(self.request_headers),
                "queryString": [{"name": n, "value": v} for n, v in self.address.query],
                "headersSize": -1,
                "bodySize": self.sent,
            },
            "response": {
                "status": self.status,
                "statusText": phrase,
                "httpVersion": "HTTP/1.1",
                "cookies": [],
                "headers": _pairs(self.answer_headers),
                "content": {
                    "size": self.received or length,
                    "mimeType": self.answer_headers.get("content-type", ""),
                },
                "redirectURL": redirect,
                "headersSize": -1,
                "bodySize": self.received,
            },
            "cache": {},
            "timings": {
                "send": 0,
                "wait": 1000 * self.waited,
                "receive": 1000 * max(0.0, self.seconds - self.waited),
            },
            "_retries": self.retries,
            "_fromCache": self.from_cache,
            "_age": self.age,
            "_error": self.error,
        }


class Recorder:
    """Records calls while it is open; see :meth:`nipype_xnat.Interface.trace`.

    Parameters
    ----------
    path : path, optional
        Where a HAR file is written at the end.
    on_close : callable, optional
        Called with the recorder when recording ends.
    """

    def __init__(
        self, path: str | Path | None = None, on_close: Callable[[Recorder], None] | None = None
    ) -> None:
        self.path = None if path is None else Path(path)
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._on_close = on_close

    @property
    def calls(self) -> tuple[Call, ...]:
        """What was recorded so far, in the order in which it began.

        A log-in stands behind the call that needed it, and is part of its waiting.
        """
        with self._lock:
            return tuple(self._calls)

    def add(self, call: Call) -> None:
        """Record a call that begins."""
        with self._lock:
            self._calls.append(call)

    def to_har(self) -> dict[str, Any]:
        """Return all as a HAR document, version 1.2."""
        calls = self.calls
        return {
            "log": {
                "version": "1.2",
                "creator": {"name": "nipype_xnat", "version": __version__},
                "entries": [call.to_har() for call in calls],
            }
        }

    def save(self, path: str | Path) -> None:
        """Write a HAR file, in one step."""
        target = Path(path)
        handle, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(self.to_har(), stream, indent=1)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Stop recording, and write the file if one was asked for."""
        if self._on_close is not None:
            self._on_close(self)
            self._on_close = None
            if self.path is not None:
                self.save(self.path)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __repr__(self) -> str:
        return f"<Recorder {len(self)} calls>"


class TracingTransport(Around):
    """A transport that records what another one does.

    Parameters
    ----------
    inner : Transport
    *recorders : Recorder
    """

    def __init__(self, inner: Transport, *recorders: Recorder) -> None:
        super().__init__(inner)
        self.recorders = recorders

    def send(self, request: Request) -> Answer:
        """Send a request and record it; see :class:`Transport`."""
        call = Call(
            request.method,
            self.server,
            masked(request.address),
            datetime.now(timezone.utc),
            sent=request.body.length if request.body else 0,
            request_headers=_masked_headers(request.headers),
        )
        for recorder in self.recorders:
            recorder.add(call)
        started = time.perf_counter()
        try:
            answer = self.inner.send(request)
        except XNATError as error:
            call.waited = call.seconds = time.perf_counter() - started
            call.status, call.error = error.status or 0, type(error).__name__
            call.retries = error.retries
            log.info("%s", call)
            raise
        call.waited = call.seconds = time.perf_counter() - started
        call.status, call.retries = answer.status, answer.retries
        # 304: the server only confirmed what the cache holds
        call.from_cache = answer.from_cache or answer.status == 304
        call.age = answer.age
        call.answer_headers = _masked_headers(answer.headers)
        return _counted(answer, call, started)

    def kept(self, address: Address) -> None:
        """Record what the cache held, so that nothing was sent."""
        call = Call(
            "GET", self.server, masked(address), datetime.now(timezone.utc), 200, from_cache=True
        )
        for recorder in self.recorders:
            recorder.add(call)
        log.info("%s", call)

    def login(self, status: int, seconds: float) -> None:
        """Record a log-in, which the inner transport does by itself."""
        call = Call(
            "POST",
            self.server,
            Address.of("data", "JSESSION"),
            datetime.now(timezone.utc),
            status=status,
            waited=seconds,
            seconds=seconds,
        )
        for recorder in self.recorders:
            recorder.add(call)
        log.info("%s", call)


def _counted(answer: Answer, call: Call, started: float) -> Answer:
    def finish() -> None:
        if not done:
            done.append(True)
            call.seconds = time.perf_counter() - started
            log.info("%s", call)
        answer.close()

    def chunks() -> Iterator[bytes]:
        try:
            for chunk in answer.stream():
                call.received += len(chunk)
                yield chunk
        except XNATError as error:
            call.error = type(error).__name__
            raise

    done: list[bool] = []
    counted = Answer(
        answer.request,
        answer.status,
        answer.headers,
        chunks(),
        server=answer.server,
        close=finish,
        from_cache=answer.from_cache,
        age=answer.age,
    )
    counted.retries = answer.retries
    return counted


def masked(address: Address) -> Address:
    """Return an address without the secrets that may stand in it."""
    segments = list(address.segments)
    if segments[:3] == ["data", "services", "tokens"]:
        segments[4:] = [_MASK] * len(segments[4:])
    query = tuple((name, _MASK if _SECRET.search(name) else value) for name, value in address.query)
    return Address(tuple(segments), query)


def _masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: _MASK if _SECRET.search(name) else _SESSION.sub(rf"\1{_MASK}", value)
        for name, value in headers.items()
    }


def _pairs(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]
