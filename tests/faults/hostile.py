"""A small server that misbehaves on purpose: the number of a resource names its behaviour.

It shares no code with the package. Files are given by ``store(name, data)``; a GET of
``.../resources/BEHAVIOUR/files/NAME`` answers with them as the behaviour says. Numbers may follow
a behaviour, as in ``cut-once-1000``.
"""

import contextlib
import hashlib
import io
import json
import re
import tarfile
import tempfile
import threading
import time
import zipfile
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from slow import Slow

LONG_AGO = 1_600_000_000
ROUTE = re.compile(
    r"/data/experiments/E[0-9,E]+(?:/scans/[^/]+)?/resources(?:/([^/]+))?(?:/files)?(?:/(.*))?"
)


class Hostile:
    """The server, what it holds, and what it was asked."""

    def __init__(self):
        self.data = {}
        self.modified = {}
        self.asked = []  # (method, behaviour, name, headers, query)
        self.lines = []  # as they came
        self.bytes_given = 0
        self.lock = threading.Lock()
        self.release = threading.Event()
        self.disk = {}  # resource -> {path: (size, md5)}
        self.catalog = {}  # resource -> {path: (size, md5)}
        self.version = {}
        self.broken_catalogs = set()
        self.digests = True
        self.breaking = lambda: None  # called before a connection is broken within an upload
        self.inside = self.met = 0
        handler = type("Bound", (Handler,), {"state": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def labels(self):
        """Return the labels of the resources that uploads made, by their numbers."""
        with self.lock:
            return {str(number): label for number, label in enumerate(self.catalog, 101)}

    def close(self):
        self.release.set()
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()

    def store(self, name, data, modified=LONG_AGO):
        self.data[name] = data
        self.modified[name] = modified
        return hashlib.md5(data).hexdigest()

    def count(self, method="GET", behaviour=None, name=None):
        with self.lock:
            return sum(
                1
                for m, b, n, _, _ in self.asked
                if m == method and behaviour in (None, b) and name in (None, n)
            )

    def ranges(self, name=None):
        with self.lock:
            return [
                h.get("Range") for m, _, n, h, _ in self.asked if m == "GET" and name in (None, n)
            ]


class Handler(Slow, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: Hostile

    def log_message(self, *args):
        pass

    def note(self):
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        match = ROUTE.fullmatch(parts.path)
        self.behaviour = unquote(match[1] or "") if match else parts.path
        self.behaviour = self.state.labels().get(self.behaviour, self.behaviour)
        self.name = unquote(match[2] or "") if match else ""
        with self.state.lock:
            self.state.lines.append(self.requestline)
            self.state.asked.append(
                (self.command, self.behaviour, self.name, dict(self.headers), self.query)
            )
            self.nth = sum(
                1
                for m, b, n, _, _ in self.state.asked
                if (m, b, n) == (self.command, self.behaviour, self.name)
            )
        return match is not None

    def answer(self, status, body=b"", kind="text/plain", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # -- downloads

    def do_GET(self):
        known = self.note()
        if not known:
            return self.answer(404)
        path = urlsplit(self.path).path
        if path.endswith("/resources"):
            return self.list_resources()
        if path.endswith("/files"):
            if self.query.get("format") == "zip":
                return self.zip()
            if self.query.get("format") == "tar":
                return self.tar()
            return self.list_files()
        behaviour, *numbers = re.split(r"-(?=\d)", self.behaviour)
        numbers = [int(number) for number in numbers]
        data = self.state.data.get(self.name)
        if data is None:
            return self.answer(404, b"<h3>no such file</h3>", "text/html")
        if "zip" in behaviour or "tar" in behaviour or behaviour.isdecimal():
            return self.plain(data)
        method = getattr(self, "get_" + behaviour.replace("-", "_"))
        try:
            return method(data, *numbers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def plain(self, data, *, cut=None, start=None, claim=None, length=None, modified=None):
        """Answer as XNAT does, with what deviates from it."""
        modified = formatdate(modified or self.state.modified[self.name], usegmt=True)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(asked[1]) if asked and start is None else (start or 0)
        if self.headers.get("If-Modified-Since") == modified:
            self.send_response(304)
            self.end_headers()
            return
        body = data[begin:]
        self.send_response(206 if (asked and start is None) or claim is not None else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", 'attachment; filename="x";')
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Last-Modified", modified)
        if (asked and start is None) or claim is not None:
            first = begin if claim is None else claim
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        body = body if cut is None else body[:cut]
        with self.state.lock:
            self.state.bytes_given += len(body)
        for at in range(0, len(body), 1 << 16):
            self.wfile.write(body[at : at + (1 << 16)])
        if cut is not None or length is not None:
            self.wfile.flush()
            self.close_connection = True

    def get_plain(self, data):
        self.plain(data)

    def get_cut_once(self, data, after):
        self.plain(data, cut=after if self.nth == 1 else None)

    def get_cut_every(self, data, after):
        self.plain(data, cut=after)

    def get_cut_no_range(self, data, after):
        self.plain(data, start=0, cut=after)

    def get_ignores_range(self, data, after):
        self.plain(data, start=0, cut=after if self.nth == 1 else None)

    def get_wrong_range(self, data, after):
        if self.nth == 2:
            return self.plain(data, start=0, claim=0)
        self.plain(data, cut=after if self.nth == 1 else None)

    def get_lying_range(self, data, after):
        """Name another start than that of the bytes: nothing but the digest tells."""
        if self.headers.get("Range"):
            begin = int(re.search(r"\d+", self.headers["Range"])[0])
            self.send_response(206)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Disposition", "attachment")
            self.send_header("Content-Length", str(len(data) - begin))
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.send_header(
                "Last-Modified", formatdate(self.state.modified[self.name], usegmt=True)
            )
            self.end_headers()
            self.wfile.write(b"?" * (len(data) - begin))
            return
        self.plain(data, cut=after if self.nth == 1 else None)

    def get_changes(self, data, after):
        """The file is replaced while it is sent: only Last-Modified tells."""
        if self.nth == 1:
            return self.plain(data, cut=after)
        self.plain(self.state.data["new:" + self.name], modified=LONG_AGO + 60)

    def get_announces_more(self, data):
        self.plain(data, length=len(data) + 10)

    def get_announces_less(self, data):
        self.plain(data[:-10])

    def get_login(self, data):
        self.answer(200, b"<html><form action='/app/template/Login.vm'></form></html>", "text/html")

    def get_busy_once(self, data):
        if self.nth == 1:
            return self.answer(503, b"busy", Retry_After="0")
        self.plain(data)

    def get_forbidden(self, data):
        self.answer(403, b"<h3>not yours</h3>", "text/html")

    def get_drip(self, data):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", "attachment")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for at in range(0, len(data), max(1, len(data) // 50)):
            self.wfile.write(data[at : at + max(1, len(data) // 50)])
            self.wfile.flush()
            time.sleep(0.005)

    def get_chunked(self, data):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", "attachment")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(data), 1 << 15):
            piece = data[at : at + (1 << 15)]
            self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def get_elsewhere(self, data):
        self.answer(302, Location="http://other.invalid/x")

    def get_other(self, data):
        self.plain(bytes(byte ^ 1 for byte in data))

    def get_stall(self, data, after):
        """Send the beginning, then nothing until it is released; ranges are served."""
        if self.headers.get("Range"):
            return self.plain(data)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", "attachment")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", formatdate(self.state.modified[self.name], usegmt=True))
        self.end_headers()
        self.wfile.write(data[:after])
        self.wfile.flush()
        self.state.release.wait(60)
        self.wfile.write(data[after:])

    def get_slow(self, data):
        """Give others time to come; ranges are served."""
        begin = int((re.search(r"\d+", self.headers.get("Range", "")) or ["0"])[0])
        body = data[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", "attachment")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", formatdate(self.state.modified[self.name], usegmt=True))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        step = max(1, len(data) // 8)
        for at in range(0, len(body), step):
            self.wfile.write(body[at : at + step])
            self.wfile.flush()
            time.sleep(0.02)

    def get_big(self, data, megabytes):
        """Many bytes that nobody has to hold."""
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", "attachment")
        self.send_header("Content-Length", str(megabytes << 20))
        self.end_headers()
        for _ in range(megabytes):
            self.wfile.write(data)

    def zip(self):
        behaviour, *numbers = re.split(r"-(?=\d)", self.behaviour)
        numbers = [int(number) for number in numbers]
        if behaviour == "no-zip":
            return self.answer(numbers[0])
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as bundle:
            for number, (name, data) in enumerate(self.state.data.items()):
                if behaviour == "zip-without" and number == numbers[0]:
                    continue
                other = behaviour == "zip-of-others" and number == numbers[0]
                place = f"MR1/scans/1-T1_w/resources/LABEL/files/{name}"
                bundle.writestr(place, data[::-1] if other else data)
        body = stream.getvalue()
        if behaviour == "broken-zip" or (behaviour == "broken-zip-once" and self.nth == 1):
            body = body[: numbers[0]]
        self.packed(body, "application/zip")

    def packed(self, body, kind, whole=True):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Disposition", "attachment")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n" % len(body) + body + b"\r\n")
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def tar(self):
        """Answer with all files; of numbered resources with those of the sessions named."""
        behaviour, *numbers = re.split(r"-(?=\d)", self.behaviour)
        numbers = [int(number) for number in numbers]
        if behaviour == "no-tar":
            return self.answer(numbers[0])
        if behaviour == "no-tar-but-words":
            return self.answer(200, b"<h3>something else</h3>" * 100, "application/x-tar")
        if behaviour == "tar-drops":
            self.close_connection = True
            return None
        if self.state.broken_catalogs.intersection(self.behaviour.split(",")):
            return self.answer(404, b"<h3>Unable to find file.</h3>", "text/html")
        sessions = urlsplit(self.path).path.split("/")[3].split(",")
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as bundle:
            for number, (name, data) in enumerate(self.state.data.items()):
                if behaviour == "tar-without" and number == numbers[0]:
                    continue
                if self.behaviour[0].isdecimal() and name.split(".")[0] not in sessions:
                    continue
                other = behaviour == "tar-of-others" and number == numbers[0]
                member = tarfile.TarInfo(f"MR1/scans/1-T1_w/resources/LABEL/files/{name}")
                member.size = len(data)
                if behaviour == "nonsense-tar" and number == numbers[0]:
                    member.pax_headers = {"GNU.sparse.map": "nonsense"}
                bundle.addfile(member, io.BytesIO(data[::-1] if other else data))
        body = stream.getvalue()
        if behaviour == "endless-tar" and numbers[0]:
            body = body[: bundle.offset - 1024]  # without its end
        if behaviour == "stalled-tar":
            self.packed(body[: numbers[0]], "application/x-tar", whole=False)
            self.wfile.flush()
            self.state.release.wait(60)
            return None
        breaks = behaviour == "broken-tar" or (behaviour == "broken-tar-once" and self.nth == 1)
        ends = behaviour == "tar-ends-early"
        body = body[: numbers[0]] if breaks or ends else body
        self.packed(body, "application/x-tar", whole=not breaks and behaviour != "endless-tar")
        if behaviour == "endless-tar":
            self.go_on(numbers[0])

    def go_on(self, kind):
        """Send two hundred megabytes after all files: zeros, empty members, or a header."""
        member = tarfile.TarInfo("more")
        if kind == 2:
            member.type, member.size = tarfile.XHDTYPE, 1 << 30
        start = member.tobuf() if kind else b""
        piece = start * 128 if kind == 1 else bytes(1 << 16)
        try:
            for number in range(3_200):
                data = start + piece if number == 0 else piece
                self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
                with self.state.lock:
                    self.state.bytes_given += len(data)
        except ConnectionError:
            return

    # -- listings and uploads

    def table(self, rows):
        body = json.dumps({"ResultSet": {"Result": rows}}).encode()
        self.answer(200, body, "application/json")

    def list_resources(self):
        self.table(
            [
                {"xnat_abstractresource_id": number, "label": label}
                for number, label in self.state.labels().items()
            ]
        )

    def list_files(self):
        with self.state.lock:
            entries = dict(self.state.catalog.get(self.behaviour, {}))
        self.table(
            [
                {
                    "Name": name.rpartition("/")[2],
                    "Size": str(size),
                    "URI": f"/data/experiments/E[0-9]+/resources/{self.behaviour}/files/{name}",
                    "cat_ID": "",
                    "digest": digest if self.state.digests else "",
                }
                for name, (size, digest) in entries.items()
            ]
        )

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        digest, kept, left = hashlib.md5(), tempfile.TemporaryFile(), length
        while left:
            block = self.rfile.read(min(left, 1 << 20))
            if not block:
                raise ConnectionResetError
            digest.update(block)
            kept.write(block)
            left -= len(block)
        kept.seek(0)
        return length, digest.hexdigest(), kept

    def arrived(self):
        """Return what came: path to size and MD5."""
        length, digest, stream = self.body()
        with stream:
            if self.headers.get("Content-Type", "").startswith("multipart/"):
                inner = stream.read().split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 2)[0]
                return {self.name: (len(inner), hashlib.md5(inner).hexdigest())}
            if "extract" in self.query:
                with zipfile.ZipFile(stream) as bundle:
                    return {
                        entry.filename: (entry.file_size, self.md5(bundle, entry))
                        for entry in bundle.infolist()
                    }
            return {self.name: (length, digest)}

    @staticmethod
    def md5(bundle, entry):
        digest = hashlib.md5()
        with bundle.open(entry) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def meet(self):
        """Let the first uploads wait until another one is under way, so that they do collide."""
        state = self.state
        with state.lock:
            state.inside += 1
            state.met += 1
        if state.met <= 6:
            end = time.monotonic() + 20
            while state.inside < 2 and time.monotonic() < end:
                time.sleep(0.002)
        time.sleep(0.01)
        with state.lock:
            state.inside -= 1

    def do_POST(self):
        self.note()
        self.body()[2].close()
        if self.behaviour == "/data/services/refresh/catalog":
            resource = self.query["resource"].rpartition("/")[2]
            if resource.startswith("ignores"):
                return self.answer(403, b"<h3>may not edit</h3>", "text/html")
            if resource.startswith("no-refresh"):
                return self.answer(404)
            with self.state.lock:
                self.state.catalog.setdefault(resource, {}).update(
                    self.state.disk.get(resource, {})
                )
                self.state.version[resource] = self.state.version.get(resource, 0) + 1
            return self.answer(200)
        return self.answer(404)

    def do_PUT(self):
        try:
            return self.put()
        except ConnectionError:
            self.close_connection = True

    def put(self):
        self.note()
        state, resource = self.state, self.behaviour
        if not urlsplit(self.path).path.partition("/resources/")[2].count("/"):
            self.body()[2].close()
            if resource.startswith("reason") and "event_reason" not in self.query:
                return self.answer(500, b"<h3>Justification required.</h3>", "text/html")
            with state.lock:
                if resource in state.catalog:
                    return self.answer(409)
                state.catalog[resource] = {}
            return self.answer(200)
        before = state.version.get(resource, 0)
        if resource.startswith("breaks-once") and self.nth == 1:
            self.rfile.read(100_000)
            state.breaking()
            self.close_connection = True
            return None
        files = self.arrived()
        if resource.startswith(("ignores", "silent")):
            return self.answer(200)
        if resource.startswith("reason") and "event_reason" not in self.query:
            return self.answer(500, b"<h3>Justification required.</h3>", "text/html")
        if resource.startswith("broken"):
            return self.answer(500, b"<h3>out of order</h3>", "text/html")
        if resource.startswith("garbles-once") and self.nth == 1:
            files = dict.fromkeys(files, (1, "0" * 32))
        overwrite = "overwrite" in self.query
        if resource.startswith("race"):
            self.meet()
        with state.lock:
            disk = state.disk.setdefault(resource, {})
            there = [name for name in files if name in disk and not overwrite]
            new = {name: entry for name, entry in files.items() if name not in there}
            disk.update(new)
            lost = state.version.get(resource, 0) != before or (
                resource.startswith(("loses-once", "no-refresh")) and self.nth == 1
            )
            if not lost:
                state.catalog.setdefault(resource, {}).update(new)
                state.version[resource] = state.version.get(resource, 0) + 1
        if lost:
            return self.answer(500, b"<h3>ConcurrentModificationException</h3>", "text/html")
        if there:
            return self.answer(200, json.dumps({"duplicates": there}).encode(), "text/html")
        return self.answer(200)


@contextlib.contextmanager
def running():
    server = Hostile()
    try:
        yield server
    finally:
        server.close()
