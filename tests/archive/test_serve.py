"""The command that serves an archive: ports, TLS, signals, what it says when it cannot."""

import contextlib
import shlex
import signal
import socket
import ssl
import subprocess
import sys

import pytest
import requests

SERVE = (
    "import sys; from nipype_xnat.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))"
)


@contextlib.contextmanager
def serving(*options):
    """Run the command, and give its process and its ready line."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def url_of(line):
    return line.removeprefix("XNAT archive ready at ").split("/ user ")[0]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for the loopback address that signed itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def test_tls_with_a_certificate_that_the_client_checks(tmp_path, certificate):
    cert, key = certificate
    options = ("--root", tmp_path / "a", "--port", 0, "--certificate", cert, "--key", key)
    with serving(*options) as (process, line):
        url = url_of(line)
        assert url.startswith("https://127.0.0.1:")
        with requests.Session() as http:
            http.trust_env = False
            http.verify = str(cert)
            opened = http.post(url + "/data/JSESSION", auth=("admin", "admin"))
            # a cookie that came over TLS is sent over nothing else
            assert "; Secure" in opened.headers["Set-Cookie"]
            http.put(url + "/data/projects/P").raise_for_status()
            path = url + "/data/projects/P/resources/R/files/a.bin"
            data = bytes(range(256)) * 20_000
            http.put(path + "?inbody=true", data=data).raise_for_status()
            assert http.get(path).content == data
        with requests.Session() as http, pytest.raises(requests.exceptions.SSLError):
            http.trust_env = False
            http.get(url + "/data/projects")  # a client that does not know the certificate
        # one that breaks the handshake, or speaks plainly, does not harm the others
        host, port = url.removeprefix("https://").split(":")
        with socket.create_connection((host, int(port)), timeout=120) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(OSError):
                assert not plain.recv(100).startswith(b"HTTP/1.1 200")
        context = ssl.create_default_context(cafile=str(cert))
        with socket.create_connection((host, int(port)), timeout=120) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as safe:
                assert safe.version() in {"TLSv1.2", "TLSv1.3"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
        assert process.stderr.read() == ""


def test_a_certificate_that_cannot_be_used_is_said(tmp_path, certificate):
    cert, key = certificate
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    for pair in ((wrong, key), (tmp_path / "absent.pem", key), (cert, wrong)):
        options = ("--root", tmp_path / "a", "--certificate", pair[0], "--key", pair[1])
        with serving(*options) as (process, line):
            assert line == ""
            assert process.wait(timeout=120) == 1
            said = process.stderr.read()
            assert said.startswith("cannot serve on 127.0.0.1")
            assert "Traceback" not in said
    with serving("--root", tmp_path / "a", "--certificate", cert) as (process, _):
        assert process.wait(timeout=120) == 2


def test_port_0_takes_a_free_port_and_says_which(tmp_path):
    with (
        serving("--root", tmp_path / "a", "--port", 0) as (_, one),
        serving("--root", tmp_path / "b", "--port", 0) as (second, other),
    ):
        assert url_of(one) != url_of(other)
        for line in (one, other):
            assert line.endswith("/ user admin password admin\n")
            answer = requests.get(url_of(line) + "/data/projects", auth=("admin", "admin"))
            assert answer.status_code == 200
        port = url_of(one).rsplit(":", 1)[1]
        with serving("--root", tmp_path / "c", "--port", port) as (late, line):
            assert late.wait(timeout=120) == 1
            assert line == ""
            assert f"cannot serve on 127.0.0.1 port {port}" in late.stderr.read()
        assert second.poll() is None


def test_a_signal_during_an_upload_ends_it_cleanly(tmp_path):
    root = tmp_path / "a"
    with serving("--root", root) as (process, line):
        url = url_of(line)
        with requests.Session() as http:
            http.auth = ("admin", "admin")
            http.put(url + "/data/projects/P").raise_for_status()
            cookie = "; ".join(f"{c.name}={c.value}" for c in http.cookies)
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=120) as upload:
            upload.sendall(
                b"PUT /data/projects/P/resources/R/files/a.bin?inbody=true HTTP/1.1\r\nHost: x\r\n"
                b"Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n"
                b"Cookie: " + cookie.encode() + b"\r\n\r\n" + b"x" * 100_000
            )
            while not any((root / "incoming").iterdir()):
                pass
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=120) == 0
    with serving("--root", root) as (process, line):
        listed = requests.get(
            url_of(line) + "/data/projects/P/files", auth=("admin", "admin")
        ).json()
        assert listed["ResultSet"]["Result"] == []
        assert not any((root / "incoming").iterdir())
        assert not any(path.is_file() for path in (root / "files").rglob("*"))


def test_it_can_be_a_server_without_digests_that_refuses_lists(tmp_path):
    for options, digest, status in (
        ((), "9dd4e461268c8034f5c8564e155c67a6", 200),
        (("--no-checksums", "--refuse-comma-lists"), "", 400),
    ):
        root = tmp_path / f"a{status}"
        with serving("--root", root, "--port", 0, *options) as (_, line):
            with requests.Session() as http:
                http.trust_env = False
                http.auth = ("admin", "admin")
                url = url_of(line).rstrip("/")
                for path in (
                    "",
                    "/subjects/S",
                    "/subjects/S/experiments/E?xsiType=xnat:mrSessionData",
                ):
                    http.put(f"{url}/data/projects/P{path}").raise_for_status()
                files = f"{url}/data/projects/P/subjects/S/experiments/E/resources/R/files"
                http.put(f"{files}/x.txt?inbody=true", data=b"x").raise_for_status()
                (row,) = http.get(files).json()["ResultSet"]["Result"]
                assert row["digest"] == digest
                several = http.get(f"{url}/data/experiments/XNAT_E00001,XNAT_E00001/files")
                assert several.status_code == status
