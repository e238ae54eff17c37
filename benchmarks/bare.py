"""Serves one recorded answer and nothing else: what the HTTP stack alone can do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nipype_xnat.server.run import listen

#: headers that the stack writes itself
_OWN = {"date", "server", "transfer-encoding", "connection"}


def _joined(chunked: bytes) -> bytes:
    found, rest = b"", chunked
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return found
        found, rest = found + rest[:length], rest[length + 2 :]


def main(path: str) -> None:
    """Serve the answer that a file holds, headers included."""
    head, _, body = Path(path).read_bytes().partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:]]
    if any(name.lower() == "transfer-encoding" for name, _ in lines):
        body = _joined(body)
    headers = [(name, value) for name, value in lines if name.lower() not in _OWN]

    def application(_environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", headers)
        return [body]

    server = listen(application, "127.0.0.1", 0)
    server.prepare()
    print(server.bind_addr[1], flush=True)
    server.serve()


if __name__ == "__main__":
    main(sys.argv[1])
