"""Requests by hand: what a script sends to addresses that nothing else here knows."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterator, Mapping
from http.client import responses
from pathlib import Path as LocalPath
from typing import Any
from urllib.parse import urlencode

from .address import Address
from .errors import UsageError
from .tables import rows
from .transport import Answer, Body, Request, Transport

__all__ = ["RawRequests", "Reply"]

_REFUSALS = frozenset(range(300, 600))


class Reply:
    """What the archive answered, whatever its status; named as in :mod:`requests`.

    Parameters
    ----------
    answer : Answer
    stream : bool
        Leave the body on the line until it is read.
    """

    def __init__(self, answer: Answer, stream: bool = False) -> None:
        self._answer = answer
        self._content = None if stream else answer.read()
        self.status_code = answer.status
        self.headers = answer.headers
        self.url = f"{answer.server}{answer.request.address}"

    @property
    def reason(self) -> str:
        """The words that belong to the status."""
        return responses.get(self.status_code, "")

    @property
    def request(self) -> Request:
        """What was asked, without the account."""
        return self._answer.request

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def content(self) -> bytes:
        """The body."""
        if self._content is None:
            self._content = self._answer.read()
        return self._content

    @property
    def text(self) -> str:
        """The body as text."""
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError:
            return self.content.decode("iso-8859-1")

    def json(self) -> Any:
        """Return the body read as JSON."""
        return json.loads(self.text)

    def iter_content(self, chunk_size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the body in pieces."""
        if self._content is None:
            yield from self._answer.stream()
            return
        stream = io.BytesIO(self._content)
        while chunk := stream.read(chunk_size):
            yield chunk

    def iter_lines(self) -> Iterator[bytes]:
        """Yield the body line by line, without what ends the lines."""
        rest = b""
        for chunk in self.iter_content():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.removesuffix(b"\r") for line in lines)
        if rest:
            yield rest

    def raise_for_status(self) -> None:
        """Raise the error of this package that fits a status of 400 or above."""
        from .transport.refusals import checked

        if not self.ok:
            request = Request(self._answer.request.method, self._answer.request.address)
            body = iter([self.content])
            checked(
                Answer(request, self.status_code, self.headers, body, server=self._answer.server),
                "",
            )

    def close(self) -> None:
        """Give the connection back."""
        self._answer.close()

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return f"<Reply [{self.status_code}]>"


class RawRequests:
    """Requests by hand, on the login session of a connection.

    Refusals are answered, not raised: look at ``status_code``, or call ``raise_for_status()``.
    """

    @property
    def transport(self) -> Transport:
        """The seam to the archive."""
        raise NotImplementedError

    def get(self, uri: str, **options: Any) -> Reply:
        """Send GET.

        Parameters
        ----------
        uri : str
            Path below the server's address, with or without a query: ``/data/projects``.
        **options
            ``params`` and ``headers``, mappings; ``data`` (bytes, text, a file that is open, or a
            mapping for a form), ``json``, ``files`` (a mapping of field names to files, for a form
            with files: open ones, bytes, or pairs of name and content), ``timeout`` (without
            effect), ``stream``.
        """
        return self._send("GET", uri, options)

    def put(self, uri: str, **options: Any) -> Reply:
        """Send PUT; see :meth:`get`."""
        return self._send("PUT", uri, options)

    def post(self, uri: str, **options: Any) -> Reply:
        """Send POST; see :meth:`get`."""
        return self._send("POST", uri, options)

    def delete(self, uri: str, **options: Any) -> Reply:
        """Send DELETE; see :meth:`get`."""
        return self._send("DELETE", uri, options)

    def head(self, uri: str, **options: Any) -> Reply:
        """Send HEAD; see :meth:`get`."""
        return self._send("HEAD", uri, options)

    # pyxnat has no other names for what follows, so its scripts use these

    _entry = "/data"

    def _get_entry_point(self) -> str:
        return self._entry

    def _exec(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        force_preemptive_auth: bool = False,
        **options: Any,
    ) -> bytes:
        """Send a request and return the body of its answer; a refusal is an error."""
        if body is not None:
            options["params" if method == "GET" else "data"] = body
        reply = self._send(method, uri, {**options, "headers": headers})
        reply.raise_for_status()
        return reply.content

    def _get_json(self, uri: str) -> list[dict[str, str]]:
        """Return the rows of a listing."""
        address = Address.parse(uri)
        query = tuple(pair for pair in address.query if pair[0] != "format")
        listing = Address(address.segments, query).ask(format="csv")
        request = Request("GET", listing, expect="csv", fresh=True)
        found = list(rows(self.transport.send(request)))
        if address.segments[-1:] == ("files",):
            for row in found:
                row["path"] = row.get("URI", "").partition("/files/")[2]
        return found

    def _send(self, method: str, uri: str, options: dict[str, Any]) -> Reply:
        known = ("params", "headers", "data", "json", "files", "stream", "timeout")
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise UsageError(
                f"{', '.join(unknown)} cannot be given with one request",
                advice=f"what can be given is {', '.join(known)}; account, proxy and certificates "
                "belong to the Interface",
            )
        address = Address.parse(uri).ask(options.get("params") or {})
        headers = dict(options.get("headers") or {})
        kind = next(
            (headers.pop(name) for name in list(headers) if name.lower() == "content-type"), ""
        )
        if options.get("files"):
            body: Body | None = _form(options.get("data") or {}, options["files"])
        else:
            body = _body(options.get("data"), options.get("json"), kind)
        request = Request(method, address, body, headers, accept=_REFUSALS, fresh=True)
        return Reply(self.transport.send(request), stream=bool(options.get("stream")))


def _body(data: Any, document: Any, kind: str) -> Body | None:
    if document is not None:
        return Body.of_bytes(json.dumps(document).encode(), kind or "application/json")
    if data is None:
        return None
    if isinstance(data, Mapping):
        return Body.of_bytes(urlencode(data).encode(), "application/x-www-form-urlencoded")
    if isinstance(data, (str, bytes)):
        raw = data.encode() if isinstance(data, str) else data
        return Body.of_bytes(raw, kind or "application/octet-stream")
    if hasattr(data, "read"):
        return Body.of_bytes(data.read(), kind or "application/octet-stream")
    raise UsageError(f"a {type(data).__name__} cannot be the body of a request")


def _form(values: Mapping[str, Any], files: Mapping[str, Any]) -> Body:
    """Put values and files into one form, as a browser sends it."""
    boundary = secrets.token_hex(16)
    parts = [(f'name="{_quoted(name)}"', _raw(str(value))) for name, value in values.items()]
    for name, given in files.items():
        called, content = given[:2] if isinstance(given, tuple) else (_name_of(given, name), given)
        head = f'name="{_quoted(name)}"; filename="{_quoted(called)}"'
        parts.append((f"{head}\r\nContent-Type: application/octet-stream", _raw(content)))
    text = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + raw + b"\r\n"
        for head, raw in parts
    )
    return Body.of_bytes(
        text + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
    )


def _name_of(file: Any, otherwise: str) -> str:
    name = getattr(file, "name", None)
    return LocalPath(name).name if isinstance(name, str) else otherwise


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _raw(content: Any) -> bytes:
    found = content.read() if hasattr(content, "read") else content
    return found.encode() if isinstance(found, str) else bytes(found)
