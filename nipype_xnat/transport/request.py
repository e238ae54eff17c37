"""The values that cross the seam, and the seam itself."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ..address import Address
from ..errors import UnreadableAnswer

__all__ = ["CHUNK", "Answer", "Around", "Body", "Request", "Transport"]

CHUNK = 1 << 20
"""Bytes read at a time: memory stays flat whatever the size of a file."""

# behind the operation stand the names of tokens
_TOKENS = ("data", "services", "tokens")
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True)
class Body:
    """What is sent, openable again when a request has to be repeated.

    Parameters
    ----------
    open : callable
        Returns a new binary stream at its start.
    length : int
        Bytes; XNAT refuses raw bodies of unknown length.
    content_type : str
        Media type.
    """

    open: Callable[[], BinaryIO]
    length: int
    content_type: str = "application/octet-stream"

    @classmethod
    def of_bytes(cls, data: bytes, content_type: str = "application/octet-stream") -> Body:
        """Make a body of bytes in memory."""
        return cls(lambda: io.BytesIO(data), len(data), content_type)

    @classmethod
    def of_text(cls, text: str, content_type: str = "text/xml") -> Body:
        """Make a body of a text, in UTF-8."""
        return cls.of_bytes(text.encode(), f"{content_type}; charset=UTF-8")

    @classmethod
    def of_file(cls, path: Path, content_type: str = "application/octet-stream") -> Body:
        """Make a body of a file, streamed."""
        return cls(lambda: path.open("rb"), path.stat().st_size, content_type)


@dataclass(frozen=True)
class Request:
    """One request to an archive.

    Parameters
    ----------
    method : str
        An HTTP verb.
    address : Address
        Path and query below the server's root.
    body : Body, optional
    headers : mapping of str to str
    expect : str
        What a good answer holds: ``json``, ``csv``, ``xml``, ``text``, or ``bytes`` for the content
        of a file. A login page in the place of it is recognised and raised as NotLoggedIn.
    accept : frozenset of int
        Statuses of 300 and above that the caller deals with; all others raise.
    repeatable : bool, optional
        Whether the request may be sent again after a broken connection. By default GET, HEAD, PUT
        and DELETE may.
    fresh : bool
        Whether the archive itself must answer: nothing that is remembered will do.
    hasty : bool
        Whether an answer that does not come in time, here or at a proxy (504), is told at once
        instead of asking the same again: the caller asks for less.
    """

    method: str
    address: Address
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    expect: str = "text"
    accept: frozenset[int] = frozenset()
    repeatable: bool | None = None
    fresh: bool = False
    hasty: bool = False

    @property
    def may_repeat(self) -> bool:
        """Whether sending it twice does no harm."""
        return self.method in _REPEATABLE if self.repeatable is None else self.repeatable

    @property
    def asked(self) -> str:
        """Method and path in words, for messages: shortened, and never with a secret in it."""
        address = self.address
        if address.segments[:3] == _TOKENS:
            address = Address(address.segments[:4])
        text = f"{self.method} {address}"
        return text if len(text) <= 300 else text[:297] + "..."


class Answer:
    """What an archive answered: status, headers, and a body that is read once.

    Parameters
    ----------
    request : Request
    status : int
    headers : mapping of str to str
        Looked up in lower case.
    chunks : iterator of bytes
        The body.
    server : str
        Address of the server, for messages.
    close : callable, optional
        Gives the connection back.
    from_cache : bool
        Whether no server was asked.
    age : float
        Seconds since the server gave it.
    """

    def __init__(
        self,
        request: Request,
        status: int,
        headers: Mapping[str, str],
        chunks: Iterator[bytes],
        *,
        server: str = "",
        close: Callable[[], None] | None = None,
        from_cache: bool = False,
        age: float = 0.0,
    ) -> None:
        self.request = request
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.server = server
        self.from_cache = from_cache
        self.age = age
        self.retries = 0
        """How often the request was sent again before this came."""
        self._chunks = chunks
        self._close = close

    def stream(self) -> Iterator[bytes]:
        """Yield the body in pieces; the connection is given back at the end."""
        try:
            yield from self._chunks
        finally:
            self.close()

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.stream())

    def text(self) -> str:
        """Return the whole body as text.

        XNAT's tables and documents are UTF-8; only plain texts may be ISO-8859-1.
        """
        data = self.read()
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("iso-8859-1")

    def json(self) -> Any:
        """Return the body read as JSON.

        Raises
        ------
        UnreadableAnswer
            If it is not JSON; XNAT answers some listings that failed with 200 and nothing.
        """
        text = self.text()
        try:
            return json.loads(text)
        except ValueError as error:
            start = text[:80].strip()
            raise UnreadableAnswer(
                "the server promised JSON and sent "
                + (f"{start!r}" if start else "an empty body (it swallowed an error of its own)"),
                server=self.server,
                asked=self.request.asked,
                status=self.status,
            ) from error

    def close(self) -> None:
        """Give the connection back; the rest of the body is dropped."""
        if self._close is not None:
            self._close()
            self._close = None

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Transport(Protocol):
    """The seam. One method: give a request, get an answer or an error of this package."""

    @property
    def server(self) -> str:
        """Address of the archive, without credentials: for messages and for keys."""

    @property
    def account(self) -> str:
        """Name of the account that asks, empty for none: for keys, never secret."""

    def send(self, request: Request) -> Answer:
        """Send a request.

        Raises
        ------
        AnswerError
            For a refusal whose status the request does not accept.
        CannotReachServer
            If no answer came.
        """

    def close(self) -> None:
        """End the login session and give up all connections; a later send starts anew."""


class Around:
    """A transport around another one: what it does not change goes through.

    Parameters
    ----------
    inner : Transport
    """

    def __init__(self, inner: Transport) -> None:
        self.inner = inner

    @property
    def server(self) -> str:
        """Address of the archive."""
        return self.inner.server

    @property
    def account(self) -> str:
        """Name of the account."""
        return self.inner.account

    @property
    def storing(self) -> Any:
        """How the inner transport keeps what is stored offline; None where it does not."""
        return getattr(self.inner, "storing", None)

    def send(self, request: Request) -> Answer:
        """Send a request; see :class:`Transport`."""
        return self.inner.send(request)

    def close(self) -> None:
        """Close the inner transport."""
        self.inner.close()
